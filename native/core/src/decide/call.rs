//! The call: who asks, until when, and how the call itself can fail.

use std::time::{Duration, Instant};

use super::Limits;
use crate::inventory::QueryError;
use crate::wire::{self, ErrorReason};

/// What the transport knows of a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The cluster that the caller's certificate names.
    pub cluster: Option<&'a str>,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The request, or JSON that it holds, does not decode.
    InvalidRequest {
        /// The field at fault.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// The request names another cluster than the certificate.
    ClusterMismatch {
        /// The certificate's.
        certificate: String,
        /// The request's.
        request: String,
    },
    /// A batch of too many items or bytes.
    TooLarge {
        /// `items` or `bytes`.
        limit: &'static str,
        /// What is too large, in words.
        message: String,
    },
    /// The revision of the inventory that was asked for is not kept here.
    RevisionUnavailable {
        /// As it was given.
        token: String,
    },
    /// The caller's deadline passed.
    DeadlineExceeded,
    /// No evaluation context became free.
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
}

impl From<QueryError> for CallError {
    fn from(error: QueryError) -> Self {
        let QueryError::Invalid { field, message } = error;
        Self::InvalidRequest { field: field.to_owned(), message }
    }
}

impl CallError {
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self::InvalidRequest { field: field.to_owned(), message: message.to_owned() }
    }

    pub(crate) fn undecodable(error: &prost::DecodeError) -> Self {
        Self::invalid("request", &error.to_string())
    }

    /// The error as a `google.rpc.Status` with an `ErrorInfo`, for an item of a batch.
    pub fn status(&self) -> wire::google::rpc::Status {
        let (code, reason, message, metadata) = match self {
            Self::InvalidRequest { field, message } => {
                (3, ErrorReason::InvalidRequest, format!("{field}: {message}"), vec![("field", field.clone())])
            }
            Self::ClusterMismatch { certificate, request } => (
                7,
                ErrorReason::ClusterMismatch,
                format!("the certificate is of cluster {certificate:?}, the request of {request:?}"),
                vec![("certificate_cluster", certificate.clone()), ("request_cluster", request.clone())],
            ),
            Self::TooLarge { limit, message } => {
                (8, ErrorReason::BatchTooLarge, message.clone(), vec![("limit", (*limit).to_owned())])
            }
            Self::RevisionUnavailable { token } => (
                9,
                ErrorReason::RevisionUnavailable,
                "the revision of the inventory that was asked for is not kept here".to_owned(),
                vec![("token", token.clone())],
            ),
            Self::DeadlineExceeded => {
                (4, ErrorReason::DeadlineExceeded, "the deadline passed before the decision".to_owned(), vec![])
            }
            Self::Overloaded { .. } => {
                (8, ErrorReason::Overloaded, "all evaluation contexts are busy".to_owned(), vec![])
            }
        };
        let reason = reason.as_str_name().trim_start_matches("ERROR_REASON_").to_owned();
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let info = ErrorInfo { reason, domain: DOMAIN.to_owned(), metadata };
        let detail = prost_types::Any { type_url: ERROR_INFO.to_owned(), value: prost::Message::encode_to_vec(&info) };
        wire::google::rpc::Status { code, message, details: vec![detail] }
    }
}

const DOMAIN: &str = "fleetgate.dev";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
    #[prost(string, tag = "2")]
    pub(super) domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    pub(super) metadata: std::collections::BTreeMap<String, String>,
}

/// When a review ends at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// For the caller, who gets an error then.
    caller: Option<Instant>,
    /// For the evaluations, whose Constraints then stay unanswered.
    evaluations: Instant,
}

impl Ends {
    /// Of a review that nobody waits for.
    pub(super) fn unattended(limits: &Limits) -> Self {
        Self { caller: None, evaluations: Instant::now() + limits.review_time }
    }

    /// When evaluations end that were kept waiting for so long.
    pub(super) fn evaluations(&self, waited: Duration) -> Instant {
        let end = self.evaluations + waited;
        self.caller.map_or(end, |caller| caller.min(end))
    }

    pub(super) fn check(&self) -> Result<(), CallError> {
        check(self.caller)
    }
}

fn check(deadline: Option<Instant>) -> Result<(), CallError> {
    match deadline {
        Some(deadline) if Instant::now() >= deadline => Err(CallError::DeadlineExceeded),
        _ => Ok(()),
    }
}

impl Caller<'_> {
    /// The cluster that asks.
    pub(super) fn cluster_of<'r>(&'r self, request: &'r wire::ReviewRequest) -> Result<&'r str, CallError> {
        match self.cluster {
            Some(certificate) if !request.cluster.is_empty() && request.cluster != certificate => {
                let (certificate, request) = (certificate.to_owned(), request.cluster.clone());
                Err(CallError::ClusterMismatch { certificate, request })
            }
            Some(certificate) => Ok(certificate),
            None => Ok(&request.cluster),
        }
    }

    pub(crate) fn check_deadline(&self) -> Result<(), CallError> {
        check(self.deadline)
    }

    /// Until when it is worth to wait for an evaluation context.
    pub(super) fn wait_until(&self, started: Instant, limits: &Limits) -> Instant {
        let limit = started + limits.review_time;
        self.deadline.map_or(limit, |deadline| deadline.min(limit))
    }

    pub(super) fn ends(&self, started: Instant, limits: &Limits) -> Ends {
        Ends { caller: self.deadline, evaluations: self.wait_until(started, limits) }
    }
}
