//! What a feed tells a shard.

use std::time::SystemTime;

use bytes::Bytes;
pub use fleetgate_core::config::GroupVersionKind as Gvk;

/// How much a kind's view can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was read yet.
    Pending,
    /// The first list is under way.
    Listing,
    /// Complete, and following.
    Synced,
    /// Complete once; what happened since is unknown.
    Stale,
    /// The cluster is no longer registered.
    Gone,
}

/// A change of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "core defines it")]
pub enum Change {
    Begin { kind: Gvk },
    Listed { kind: Gvk, object: Bytes },
    Finish { kind: Gvk, resource_version: String, at: SystemTime },
    Abort { kind: Gvk },
    Put { kind: Gvk, object: Bytes },
    Delete { kind: Gvk, namespace: String, name: String, resource_version: String },
    Observed { kind: Gvk, resource_version: String, at: SystemTime },
    State { kind: Gvk, state: State, reason: String },
    Forget { kind: Gvk },
}

impl Change {
    /// The kind.
    pub const fn kind(&self) -> &Gvk {
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

/// Where the changes of one cluster go: its shard.
pub trait Writer: Send + Sync + 'static {
    /// Applies all of them, then publishes once. Gives the kinds of what cannot be kept, and why.
    fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)>;

    /// The resourceVersion up to which a kind is known from an earlier run; none where it was never listed.
    fn position(&self, kind: &Gvk) -> Option<String>;
}

/// Where the changes of all clusters go.
pub trait Inventory: Send + Sync + 'static {
    /// The shard of a cluster.
    fn writer(&self, cluster: &str) -> std::sync::Arc<dyn Writer>;
}
