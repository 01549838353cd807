//! Up to where a kind of a cluster is known.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::State;

/// Up to where a kind is known, and how far that can be trusted. Within an epoch neither `resource_version` nor
/// `observed_at` goes back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watermark {
    /// Complete lists that were taken over so far.
    pub epoch: u64,
    /// The collection's resourceVersion up to which the kind is complete; empty where there is none yet.
    pub resource_version: Arc<str>,
    /// When it was last known to be complete.
    pub observed_at: Option<SystemTime>,
    /// How far it can be trusted.
    pub state: State,
}

impl Watermark {
    /// How long ago the kind was last known to be complete; none where it never was. A clock that was set back makes it 0.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        self.observed_at.map(|at| now.duration_since(at).unwrap_or_default())
    }

    /// Moves within the epoch. What lies behind changes nothing.
    pub(super) fn advance(&mut self, resource_version: &str, at: SystemTime) {
        if !resource_version.is_empty() && is_newer(resource_version, &self.resource_version) {
            self.resource_version = resource_version.into();
        }
        self.observed_at = self.observed_at.max(Some(at));
    }

    /// Starts the next epoch with a complete list. Its resourceVersion may be any: a restored etcd counts anew.
    pub(super) fn begin_epoch(&mut self, resource_version: &str, at: SystemTime) {
        *self = Self {
            epoch: self.epoch + 1,
            resource_version: resource_version.into(),
            observed_at: Some(at),
            state: State::Synced,
        };
    }
}

/// Resource versions of one collection compare as integers (KEP-5504). One that is no integer is taken as the newer: its
/// place is not known, and it came later.
fn is_newer(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one > other,
        _ => one != other,
    }
}
