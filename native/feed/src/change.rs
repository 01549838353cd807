//! Where a feed's changes go: a shard here, or the service that an agent speaks to.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use fleetgate_core::config::GroupVersionKind as Gvk;
pub use fleetgate_core::inventory::{Change, State};
use fleetgate_core::inventory::{Kind, Shard};

/// Where the changes of one cluster go.
pub trait Writer: Send + Sync + 'static {
    /// Applies all of them, then publishes once. Gives the kinds of what cannot be kept, and why. May block.
    fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)>;

    /// The resourceVersion up to which a kind is known from an earlier run; none where it was never listed, or has to be
    /// listed again.
    fn position(&self, kind: &Gvk) -> Option<String>;

    /// Kinds that are known from an earlier run.
    fn known(&self) -> Vec<Gvk>;

    /// Counts what was written.
    fn revision(&self) -> u64;

    /// The revision that is there after a crash.
    fn durable(&self) -> u64;

    /// The resourceVersion up to which each kind is known after a crash.
    fn durable_positions(&self) -> BTreeMap<Gvk, String>;
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
        snapshot.kind(kind).filter(|known| !self.is_lacking(known)).and_then(position)
    }

    fn known(&self) -> Vec<Gvk> {
        self.snapshot().kinds().map(|kind| kind.kind().clone()).collect()
    }

    fn revision(&self) -> u64 {
        self.snapshot().number()
    }

    fn durable(&self) -> u64 {
        self.settled().number()
    }

    fn durable_positions(&self) -> BTreeMap<Gvk, String> {
        let snapshot = self.settled();
        let whole = snapshot.kinds().filter(|kind| !self.is_lacking(kind));
        whole.filter_map(|kind| Some((kind.kind().clone(), position(kind)?))).collect()
    }
}

/// The resourceVersion up to which a kind is complete; none where it never was.
fn position(kind: &Kind) -> Option<String> {
    let watermark = kind.watermark();
    let is_known = watermark.epoch > 0 && !watermark.resource_version.is_empty();
    is_known.then(|| watermark.resource_version.to_string())
}

impl Inventory for fleetgate_core::inventory::Inventories {
    fn writer(&self, cluster: &str) -> Arc<dyn Writer> {
        self.shard(cluster)
    }
}
