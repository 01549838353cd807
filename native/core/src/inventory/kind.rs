//! One kind in a snapshot.

use std::sync::Arc;

use super::store::Objects;
use super::view;
use super::{State, Watermark};
use crate::compatibility::Compatibility;
use crate::config::GroupVersionKind;
use fleetgate_eval::{InventoryReads, Projection};

/// A kind of a cluster as a snapshot has it: how far it is known, and its objects.
#[derive(Debug, Clone)]
pub struct Kind {
    pub(super) kind: Arc<GroupVersionKind>,
    pub(super) watermark: Watermark,
    pub(super) reason: Arc<str>,
    /// The snapshot in which its objects changed last.
    pub(super) changed: u64,
    /// What programs see of its objects, as the writer found it when it made their view.
    pub(super) seen: Option<Seen>,
    /// The objects were handed over as a whole, by somebody who has no cluster to follow: policies see all of them.
    pub(super) is_given: bool,
    /// Something was left out of objects that no program could read.
    pub(super) is_stripped: bool,
    pub(super) objects: Objects,
}

/// What programs see of a kind's objects.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// [`Kind::changed`] when that was found: it says nothing of other objects.
    pub(super) of: u64,
    /// The snapshot since which they see the same.
    pub(super) since: u64,
    /// The parts that were looked at.
    pub(super) parts: Arc<Projection>,
}

impl Kind {
    pub(super) fn new(kind: Arc<GroupVersionKind>, compatibility: Compatibility) -> Self {
        Self {
            kind,
            watermark: Watermark::default(),
            reason: Arc::default(),
            changed: 0,
            seen: None,
            is_given: false,
            is_stripped: false,
            objects: Objects::new(compatibility),
        }
    }

    /// Its group, version and kind.
    #[must_use]
    pub fn kind(&self) -> &GroupVersionKind {
        &self.kind
    }

    /// Up to where it is known.
    #[must_use]
    pub const fn watermark(&self) -> &Watermark {
        &self.watermark
    }

    /// The number of a snapshot since which these parts of its objects are the same: most of what changes in a cluster is
    /// of no interest to any policy (a status, a heartbeat, a resourceVersion).
    pub(crate) fn same_since(&self, parts: &Projection) -> u64 {
        let seen = self.seen.as_ref().filter(|seen| seen.of == self.changed && seen.parts.includes(parts));
        seen.map_or(self.changed, |seen| seen.since)
    }

    /// How far it can be trusted.
    #[must_use]
    pub const fn state(&self) -> State {
        self.watermark.state
    }

    /// Why it is in its state, in words; empty where there is nothing to say.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether its objects were handed over as a whole, by somebody who has no cluster to follow.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.is_given
    }

    /// Whether a program can read its objects, where it is shown.
    #[must_use]
    pub fn is_read_by(&self, reads: &InventoryReads) -> bool {
        view::covers(reads, self)
    }

    /// The parts of its objects that a program reads.
    #[must_use]
    pub fn projection(&self, reads: &InventoryReads) -> Projection {
        reads.projection(&self.kind.group_version(), &self.kind.kind)
    }

    /// Number of objects, terminating ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is no object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all objects as JSON.
    #[must_use]
    pub const fn json_bytes(&self) -> usize {
        self.objects.json_bytes()
    }

    /// Bytes of all objects as they are kept, without what the index over them takes.
    #[must_use]
    pub const fn stored_bytes(&self) -> usize {
        self.objects.stored_bytes()
    }
}
