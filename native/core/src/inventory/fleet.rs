//! What Rego sees of the clusters of a cluster set: `data.fleet`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetgate_eval::InventoryReads;
use fleetgate_value::{Number, Value};

use super::{ClusterFacts, Extent, Inventories, Snapshot, ViewTooLarge};
use crate::config::{Excluder, GroupVersionKind};
use crate::template::SyncRequirements;

/// The clusters that a decision may see, each pinned at one moment.
#[derive(Debug, Clone)]
pub struct PinnedFleet {
    at: SystemTime,
    /// Sorted by name.
    clusters: Vec<Arc<Snapshot>>,
    own: usize,
    limit: usize,
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
        self.fleet_of(self.clusters().into_iter().map(|shard| shard.snapshot()), cluster, own, at)
    }

    /// The cluster set of a cluster among snapshots that are pinned, which are sorted by name.
    pub(crate) fn fleet_of(
        &self,
        pinned: impl Iterator<Item = Arc<Snapshot>>,
        cluster: &str,
        own: &Arc<Snapshot>,
        at: SystemTime,
    ) -> PinnedFleet {
        let set = &own.facts().cluster_set;
        let is_of_set =
            |one: &Arc<Snapshot>| !set.is_empty() && **one.cluster() != *cluster && one.facts().cluster_set == *set;
        let mut clusters: Vec<Arc<Snapshot>> = pinned.filter(is_of_set).collect();
        let own_at = clusters.partition_point(|snapshot| &**snapshot.cluster() < cluster);
        clusters.insert(own_at, own.clone());
        PinnedFleet { at, clusters, own: own_at, limit: self.view_bytes() }
    }

    /// What is known of a cluster besides its objects; nothing of a cluster that there is not.
    #[must_use]
    pub fn facts(&self, cluster: &str) -> Arc<ClusterFacts> {
        self.pin(cluster).shared_facts()
    }
}

impl PinnedFleet {
    /// The clusters, sorted by name.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Snapshot>> {
        self.clusters.iter()
    }

    /// The review's own.
    fn own(&self) -> impl Iterator<Item = &Arc<Snapshot>> {
        self.clusters.get(self.own).into_iter()
    }

    /// `data.fleet` of a program: `{"clusters": {name: {labels, state, age, cluster, namespace}}}` with the kinds that a template
    /// declares and no others, without what a cluster's Configs keep from `sync`. `state` and `age` (seconds) are those of
    /// the declared kinds; `age` is absent where one never was complete.
    ///
    /// # Errors
    /// [`ViewTooLarge`] where the clusters together take more than one program may read.
    pub fn value(
        &self,
        reads: &Arc<InventoryReads>,
        own_name: &str,
        requirements: &SyncRequirements,
        declared: &Arc<BTreeSet<GroupVersionKind>>,
        own_only: bool,
        excluders: &dyn Excluders,
    ) -> Result<Value, ViewTooLarge> {
        let seen: Vec<&Arc<Snapshot>> = if own_only { self.own().collect() } else { self.clusters().collect() };
        let mut taken = 0;
        let mut clusters = Vec::with_capacity(seen.len());
        for snapshot in seen {
            // A cluster that nobody registered has a snapshot without a name.
            let name = if snapshot.cluster().is_empty() { own_name } else { snapshot.cluster() };
            let excluder = excluders.sync_excluder(name);
            let (cluster, namespace, bytes) = snapshot.fleet_trees(reads, declared, excluders.shows(), excluder)?;
            taken += bytes;
            if taken > self.limit {
                return Err(ViewTooLarge::Bytes { limit: self.limit });
            }
            let extent = self.extent(snapshot, requirements);
            let fields = [
                ("age", extent.age.map(seconds)),
                ("cluster", cluster),
                ("labels", Some(snapshot.labels().clone())),
                ("namespace", namespace),
                ("state", Some(Value::from(extent.state.name()))),
            ];
            let fields = fields.into_iter().filter_map(|(key, value)| Some((Value::from(key), value?))).collect();
            clusters.push((Value::from(name), Value::object(fields)));
        }
        Ok(Value::object(vec![(Value::from("clusters"), Value::object(clusters))]))
    }

    /// How far the kinds that a template requires are known in a cluster.
    #[must_use]
    pub fn extent(&self, snapshot: &Snapshot, requirements: &SyncRequirements) -> Extent {
        let of_set = |set| snapshot.extent_of(set, self.at, |_| true);
        requirements.0.iter().map(of_set).fold(Extent::NOW, Extent::and)
    }
}

/// In thousandths: more of them would be noise.
fn seconds(age: Duration) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact")]
    Value::Number(Number::from_double(age.as_millis() as f64 / 1_000.0))
}
