//! What Rego sees of the clusters of a cluster set: `data.fleet`.

mod cluster_view;
mod seen_last;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use fleetgate_eval::InventoryReads;
use fleetgate_value::Value;

use super::{ClusterFacts, Inventories, Snapshot};
use crate::config::{Excluder, GroupVersionKind};
use crate::template::SyncRequirements;
pub(super) use seen_last::SeenLast;
pub use view::FleetView;

/// The clusters that a decision may see, each pinned at one moment.
#[derive(Debug, Clone)]
pub struct PinnedFleet {
    at: SystemTime,
    /// Sorted by name.
    clusters: Vec<Arc<Snapshot>>,
    own: usize,
    limit: usize,
    /// What others looked at last who pin the same.
    seen_last: Arc<SeenLast>,
}

/// What a fleet template looks at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// What its program reads.
    pub reads: &'a Arc<InventoryReads>,
    /// The kinds that it declares; it is shown no others.
    pub declared: &'a Arc<BTreeSet<GroupVersionKind>>,
    /// Sets of these: how far one kind of each is known is how far a cluster is.
    pub requirements: &'a SyncRequirements,
    /// [`Excluders::shows`].
    pub shows: u64,
}

/// The trees of a cluster, and the bytes that they take.
#[derive(Debug, Clone)]
pub(super) struct FleetTrees {
    pub(super) cluster: Option<Value>,
    pub(super) namespace: Option<Value>,
    pub(super) bytes: usize,
}

/// Namespaces that policies may not see, as a generation has them.
pub trait Excluders {
    /// The same for generations that exclude the same, as far as that is known.
    fn shows(&self) -> u64;

    /// What is excluded in a cluster.
    fn sync_excluder(&self, cluster: &str) -> &Excluder;
}

impl Inventories {
    /// The cluster set of a cluster whose snapshot a decision has pinned. A cluster that belongs to none is alone.
    #[must_use]
    pub fn pin_fleet(&self, cluster: &str, own: &Arc<Snapshot>, at: SystemTime) -> PinnedFleet {
        let current = self.clusters().into_iter().map(|shard| shard.snapshot());
        self.fleet_of(current, cluster, own, at, &self.shared().seen_by_decisions)
    }

    /// The cluster set of a cluster among snapshots that an audit pinned, which are sorted by name.
    pub(crate) fn audited_fleet(
        &self,
        pinned: &[Arc<Snapshot>],
        cluster: &str,
        own: &Arc<Snapshot>,
        at: SystemTime,
    ) -> PinnedFleet {
        self.fleet_of(pinned.iter().cloned(), cluster, own, at, &self.shared().seen_by_audits)
    }

    fn fleet_of(
        &self,
        pinned: impl Iterator<Item = Arc<Snapshot>>,
        cluster: &str,
        own: &Arc<Snapshot>,
        at: SystemTime,
        seen_last: &Arc<SeenLast>,
    ) -> PinnedFleet {
        let set = &own.facts().cluster_set;
        let is_of_set =
            |one: &Arc<Snapshot>| !set.is_empty() && **one.cluster() != *cluster && one.facts().cluster_set == *set;
        let mut clusters: Vec<Arc<Snapshot>> = pinned.filter(is_of_set).collect();
        let own_at = clusters.partition_point(|snapshot| &**snapshot.cluster() < cluster);
        clusters.insert(own_at, own.clone());
        PinnedFleet { at, clusters, own: own_at, limit: self.view_bytes(), seen_last: seen_last.clone() }
    }

    /// What is known of a cluster besides its objects; nothing of a cluster that there is not.
    #[must_use]
    pub fn facts(&self, cluster: &str) -> Arc<ClusterFacts> {
        self.pin(cluster).shared_facts()
    }
}

impl PinnedFleet {
    /// The clusters as a template sees them, or the review's own alone.
    #[must_use]
    pub fn view(&self, look: Look<'_>, own_only: bool) -> Arc<FleetView> {
        let seen = if own_only { self.own() } else { &self.clusters };
        match seen {
            [first, _, ..] => self.seen_last.view(&first.facts().cluster_set, look, seen),
            _ => Arc::new(FleetView::following(None, look, seen)),
        }
    }

    fn own(&self) -> &[Arc<Snapshot>] {
        self.clusters.get(self.own..=self.own).unwrap_or_default()
    }

    /// The snapshots of a view, in its order.
    fn seen_by(&self, view: &FleetView) -> &[Arc<Snapshot>] {
        if view.is_of_one() { self.own() } else { &self.clusters }
    }
}
