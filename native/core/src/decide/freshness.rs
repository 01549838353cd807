//! How fresh the inventory of a decision has to be: tokens of earlier answers.

use std::sync::Arc;
use std::time::Instant;

use super::CallError;
use crate::inventory::{Inventories, Snapshot};
use crate::wire::{self, freshness::Requirement};

/// Names a revision of a cluster's inventory in this replica.
pub(super) fn token(inventories: &Inventories, cluster: &str, snapshot: &Snapshot) -> String {
    format!("{}.{}.{cluster}", inventories.replica(), snapshot.number())
}

/// Waits until the inventory is as fresh as the request asks, and gives the snapshot where it asks for one of earlier.
///
/// # Errors
/// A token that is none, is of another cluster or replica or of a revision that is not kept; and the deadline.
pub(super) fn satisfy(
    inventories: &Inventories,
    request: &wire::ReviewRequest,
    cluster: &str,
    until: Instant,
) -> Result<Option<Arc<Snapshot>>, CallError> {
    let Some(requirement) = request.freshness.as_ref().and_then(|freshness| freshness.requirement.as_ref()) else {
        return Ok(None);
    };
    match requirement {
        Requirement::MinimizeLatency(_) => Ok(None),
        Requirement::AtLeast(token) => {
            let revision = revision(inventories, cluster, token, "freshness.at_least")?;
            if revision == 0 || inventories.wait(cluster, revision, until) {
                Ok(None)
            } else {
                Err(CallError::DeadlineExceeded)
            }
        }
        Requirement::Exact(token) => {
            let revision = revision(inventories, cluster, token, "freshness.exact")?;
            let none = || (revision == 0).then(|| inventories.pin(cluster)).filter(|current| current.number() == 0);
            let kept = inventories.at(cluster, revision).or_else(none);
            kept.map(Some).ok_or_else(|| CallError::RevisionUnavailable { token: token.clone() })
        }
    }
}

fn revision(inventories: &Inventories, cluster: &str, token: &str, field: &str) -> Result<u64, CallError> {
    let mut parts = token.splitn(3, '.');
    let (replica, revision, of) = (parts.next(), parts.next(), parts.next());
    let revision = revision.and_then(|revision| revision.parse().ok());
    match (replica, revision, of) {
        (Some(replica), Some(_), Some(of)) if of == cluster && replica != inventories.replica() => {
            Err(CallError::RevisionUnavailable { token: token.to_owned() })
        }
        (Some(_), Some(revision), Some(of)) if of == cluster => Ok(revision),
        (Some(_), Some(_), Some(_)) => Err(CallError::invalid(field, "the token is of another cluster")),
        _ => Err(CallError::invalid(field, "not a token of an answer")),
    }
}
