//! What a template of the fleet sees of the other clusters: `data.fleet`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use fleetgate_value::{Number, Value};

use super::{ClusterFacts, Inventories, Snapshot, ViewTooLarge};
use crate::config::GroupVersionKind;

/// The clusters of a cluster set at one moment, sorted by name.
#[derive(Debug, Clone)]
pub struct PinnedFleet {
    clusters: Vec<Arc<Snapshot>>,
    at: SystemTime,
    view_bytes: usize,
}

impl PinnedFleet {
    /// The clusters' names and snapshots.
    pub fn clusters(&self) -> impl Iterator<Item = (&str, &Snapshot)> {
        self.clusters.iter().map(|snapshot| (&**snapshot.cluster(), &**snapshot))
    }

    /// When they were pinned: ages count up to then.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.at
    }

    /// `{"clusters": {name: {"labels", "state", "age", "cluster", "namespace"}}}` with exactly the kinds that a template
    /// declares. `state` is that of the declared kinds together, PENDING where one of them is not cached; `age` is in
    /// seconds, and absent where one never was complete. A tree that holds nothing is absent. `only` leaves all clusters out but
    /// one.
    ///
    /// # Errors
    /// All clusters together take more than one program may have.
    pub fn value(&self, declared: &BTreeSet<GroupVersionKind>, only: Option<&str>) -> Result<Value, ViewTooLarge> {
        let (mut clusters, mut bytes) = (Vec::with_capacity(self.clusters.len()), 0);
        for snapshot in self.clusters.iter().filter(|one| only.is_none_or(|only| *only == **one.cluster())) {
            let (cluster, namespace, more) = snapshot.fleet_trees(declared)?;
            bytes += more;
            if bytes > self.view_bytes {
                return Err(ViewTooLarge::Bytes { limit: self.view_bytes });
            }
            let labels =
                snapshot.facts().labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
            let state = declared.iter().map(|kind| snapshot.kind(kind).map(super::Kind::state).unwrap_or_default());
            let mut fields = vec![
                (Value::from("labels"), Value::object(labels.collect())),
                (Value::from("state"), Value::from(state.max().unwrap_or_default().name())),
            ];
            fields.extend(self.age_of(snapshot, declared).map(|age| (Value::from("age"), Value::Number(age))));
            fields.extend(cluster.map(|tree| (Value::from("cluster"), tree)));
            fields.extend(namespace.map(|tree| (Value::from("namespace"), tree)));
            clusters.push((Value::from(&**snapshot.cluster()), Value::object(fields)));
        }
        Ok(Value::object(vec![(Value::from("clusters"), Value::object(clusters))]))
    }

    /// Seconds, in thousandths: more of them would be noise.
    fn age_of(&self, snapshot: &Snapshot, declared: &BTreeSet<GroupVersionKind>) -> Option<Number> {
        let ages = declared.iter().map(|kind| snapshot.kind(kind)?.watermark().age(self.at));
        let oldest = ages.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact")]
        Some(Number::from_double(oldest.as_millis() as f64 / 1_000.0))
    }
}

impl Inventories {
    /// Pins the clusters of a cluster set. A decision does so once, so that all of it sees the same.
    #[must_use]
    pub fn pin_fleet(&self, cluster_set: &str) -> PinnedFleet {
        let snapshots = self.clusters().into_iter().map(|shard| shard.snapshot());
        let clusters = snapshots.filter(|snapshot| snapshot.facts().cluster_set == cluster_set).collect();
        PinnedFleet { clusters, at: SystemTime::now(), view_bytes: self.view_bytes() }
    }

    /// What is known of a cluster besides its objects; nothing of a cluster that there is not.
    #[must_use]
    pub fn facts(&self, cluster: &str) -> Arc<ClusterFacts> {
        self.pin(cluster).shared_facts()
    }
}
