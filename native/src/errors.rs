//! Errors of the core as the exceptions of `fleetgate.engine.exceptions`, which Python defines.

use std::convert::Infallible;

use fleetgate_core::audit::what_if::WhatIfError;
use fleetgate_core::decide::CallError;
use fleetgate_core::diagnostic::Diagnostic;
use fleetgate_core::inventory::{FlushError, QueryError, Unfit};
use fleetgate_eval::Error as RegoError;
use fleetgate_feed::CallError as FeedError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Whatever a call into the core can fail with.
pub(crate) enum Failure {
    Call(CallError),
    Policy(Vec<Diagnostic>),
    Inventory(Unfit),
    /// A cluster that cannot be dialled, or not so.
    Dial(FeedError),
    /// An API server's refusal.
    Write(FeedError),
    Query(QueryError),
    Flush(FlushError),
    /// A query, with what was printed before.
    Rego {
        errors: Vec<RegoError>,
        prints: Vec<String>,
    },
    Panic(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self::Policy(diagnostics)
    }
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        Self::Inventory(unfit)
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<FlushError> for Failure {
    fn from(error: FlushError) -> Self {
        Self::Flush(error)
    }
}

impl From<WhatIfError> for Failure {
    fn from(error: WhatIfError) -> Self {
        match error {
            WhatIfError::Call(error) => error.into(),
            WhatIfError::Policy(diagnostics) => diagnostics.into(),
        }
    }
}

impl From<Infallible> for Failure {
    fn from(error: Infallible) -> Self {
        match error {}
    }
}

impl Failure {
    /// The exception for it. Should making one fail, that failure is raised instead.
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        self.exception(py).map_or_else(|failure| failure, PyErr::from_value)
    }

    fn exception(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Call(CallError::InvalidRequest { field, message }) => {
                class(py, "InvalidRequest")?.call1((field, message))
            }
            Self::Call(CallError::ClusterMismatch { certificate, request }) => {
                class(py, "ClusterMismatch")?.call1((certificate, request))
            }
            Self::Call(CallError::TooLarge { limit, message }) => class(py, "RequestTooLarge")?.call1((limit, message)),
            Self::Call(CallError::RevisionUnavailable { token }) => class(py, "RevisionUnavailable")?.call1((token,)),
            Self::Call(error @ CallError::DeadlineExceeded) => {
                class(py, "DeadlineExceeded")?.call1((error.status().message,))
            }
            Self::Call(CallError::Overloaded { retry_after }) => {
                class(py, "Overloaded")?.call1((retry_after.as_secs_f64(),))
            }
            Self::Policy(diagnostics) => {
                let diagnostics: Vec<_> =
                    diagnostics.iter().map(|diagnostic| described(py, diagnostic)).collect::<PyResult<_>>()?;
                class(py, "PolicyError")?.call1((PyTuple::new(py, diagnostics)?,))
            }
            Self::Inventory(Unfit { index, message }) => {
                class(py, "InvalidRequest")?.call1((format!("objects[{index}]"), message))
            }
            Self::Dial(error) => class(py, "DialError")?.call1((error.cause.word(), error.message)),
            Self::Write(error) => class(py, "WriteError")?.call1((error.code, error.reason, error.message)),
            Self::Query(QueryError::Invalid { field, message }) => class(py, "InvalidRequest")?.call1((field, message)),
            Self::Flush(error) => class(py, "InternalError")?.call1((error.to_string(),)),
            Self::Rego { errors, prints } => {
                let errors: Vec<_> = errors.iter().map(|error| defect(py, error)).collect::<PyResult<_>>()?;
                class(py, "RegoError")?.call1((PyTuple::new(py, errors)?, PyTuple::new(py, prints)?))
            }
            Self::Panic(message) => class(py, "InternalError")?.call1((message,)),
        }
    }
}

fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("fleetgate.engine.exceptions")?.getattr(name)
}

pub(crate) fn described<'py>(py: Python<'py>, diagnostic: &Diagnostic) -> PyResult<Bound<'py, PyAny>> {
    let (path, line, column) =
        diagnostic.location.as_ref().map_or(("", 0, 0), |location| (&*location.path, location.line, location.column));
    let hint = diagnostic.hint.as_deref().unwrap_or_default();
    let message = diagnostic.message.as_str();
    class(py, "Diagnostic")?.call1((diagnostic.code, message, path, line, column, diagnostic.field.as_str(), hint))
}

fn defect<'py>(py: Python<'py>, error: &RegoError) -> PyResult<Bound<'py, PyAny>> {
    let location = error.location.as_ref().map(|location| {
        class(py, "RegoLocation")?.call1((&*location.file, location.position.row, location.position.col))
    });
    class(py, "RegoDefect")?.call1((error.code, error.message.as_str(), location.transpose()?))
}
