//! What a feed tells a shard.

use std::time::SystemTime;

use bytes::Bytes;

use crate::config::GroupVersionKind;

/// One thing that happened to a kind of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A complete list of the kind begins. It is gathered apart; what was there before keeps serving.
    Begin {
        /// The kind.
        kind: GroupVersionKind,
    },
    /// An object of the list.
    Listed {
        /// The kind.
        kind: GroupVersionKind,
        /// The object as JSON.
        object: Bytes,
    },
    /// The list is complete and takes the place of what was there, as a whole. The kind is synced.
    Finish {
        /// The kind.
        kind: GroupVersionKind,
        /// The list's resourceVersion.
        resource_version: String,
        /// When it was known to be complete.
        at: SystemTime,
    },
    /// The list came to nothing.
    Abort {
        /// The kind.
        kind: GroupVersionKind,
    },
    /// An object was added or modified. While a list is gathered it goes there too.
    Put {
        /// The kind.
        kind: GroupVersionKind,
        /// The object as JSON; its resourceVersion is inside.
        object: Bytes,
    },
    /// An object was deleted.
    Delete {
        /// The kind.
        kind: GroupVersionKind,
        /// Its namespace; empty where it has none.
        namespace: String,
        /// Its name.
        name: String,
        /// The resourceVersion of the deletion; empty where it is not known.
        resource_version: String,
    },
    /// The kind is complete up to a resourceVersion, as of a time: a bookmark or a probe.
    Observed {
        /// The kind.
        kind: GroupVersionKind,
        /// The collection's resourceVersion.
        resource_version: String,
        /// When it was.
        at: SystemTime,
    },
    /// How far the kind can be trusted from now on.
    State {
        /// The kind.
        kind: GroupVersionKind,
        /// The state.
        state: State,
        /// Why, in words; empty where there is nothing to say.
        reason: String,
    },
    /// The kind is no longer followed, and its objects are dropped.
    Forget {
        /// The kind.
        kind: GroupVersionKind,
    },
}

impl Change {
    /// The kind that it is about.
    #[must_use]
    pub const fn kind(&self) -> &GroupVersionKind {
        match self {
            Self::Begin { kind }
            | Self::Listed { kind, .. }
            | Self::Finish { kind, .. }
            | Self::Abort { kind }
            | Self::Put { kind, .. }
            | Self::Delete { kind, .. }
            | Self::Observed { kind, .. }
            | Self::State { kind, .. }
            | Self::Forget { kind } => kind,
        }
    }
}

/// How far what is cached can be trusted. What was never read is unknown, not absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// Complete, and followed.
    Synced,
    /// Complete as of an earlier moment; it is not followed now.
    Stale,
    /// It is being read for the first time.
    Listing,
    /// Nothing was read yet.
    #[default]
    Pending,
    /// The cluster was removed.
    Gone,
}

impl State {
    /// Its name in tables and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "SYNCED",
            Self::Stale => "STALE",
            Self::Listing => "LISTING",
            Self::Pending => "PENDING",
            Self::Gone => "GONE",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Synced, Self::Stale, Self::Listing, Self::Pending, Self::Gone]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Number of the snapshot that holds it.
    pub revision: u64,
    /// Changes that were left out, by their index. What they were about is as it was before.
    pub refused: Vec<Unfit>,
}

/// An object that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Its index in the list that was given.
    pub index: usize,
    /// What is wrong with it.
    pub message: String,
}
