//! Where a feed's changes go: a shard here, or the service that an agent speaks to.

use std::sync::Arc;

pub use fleetgate_core::config::GroupVersionKind as Gvk;
use fleetgate_core::inventory::Shard;
pub use fleetgate_core::inventory::{Change, State};

/// Where the changes of one cluster go.
pub trait Writer: Send + Sync + 'static {
    /// Applies all of them, then publishes once. Gives the kinds of what cannot be kept, and why. May block.
    fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)>;

    /// The resourceVersion up to which a kind is known from an earlier run; none where it was never listed.
    fn position(&self, kind: &Gvk) -> Option<String>;

    /// Kinds that are known from an earlier run.
    fn known(&self) -> Vec<Gvk>;
}

/// Where the changes of all clusters go.
pub trait Inventory: Send + Sync + 'static {
    /// The shard of a cluster.
    fn writer(&self, cluster: &str) -> Arc<dyn Writer>;
}

impl Writer for Shard {
    fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)> {
        let kinds: Vec<Gvk> = changes.iter().map(|change| change.kind().clone()).collect();
        let written = Self::write(self, changes);
        let refused = written.refused.into_iter();
        refused.filter_map(|unfit| Some((kinds.get(unfit.index)?.clone(), unfit.message))).collect()
    }

    fn position(&self, kind: &Gvk) -> Option<String> {
        let snapshot = self.snapshot();
        let watermark = snapshot.kind(kind)?.watermark();
        let known = watermark.epoch > 0 && !watermark.resource_version.is_empty();
        known.then(|| watermark.resource_version.to_string())
    }

    fn known(&self) -> Vec<Gvk> {
        self.snapshot().kinds().map(|kind| kind.kind().clone()).collect()
    }
}

impl Inventory for fleetgate_core::inventory::Inventories {
    fn writer(&self, cluster: &str) -> Arc<dyn Writer> {
        self.shard(cluster)
    }
}
