//! What Rego sees of the clusters of a cluster set: `data.fleet`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleetgate_value::{Number, Value};

use super::{ClusterFacts, Inventories, Kind, Snapshot, State, ViewTooLarge};
use crate::config::GroupVersionKind;
use crate::template::SyncRequirements;

/// How far something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Whether it is followed.
    pub state: State,
    /// How long ago it was last known to be complete; none where it never was.
    pub age: Option<Duration>,
}

impl Extent {
    /// Complete at this moment.
    pub const NOW: Self = Self { state: State::Synced, age: Some(Duration::ZERO) };
    /// Never read.
    pub const UNKNOWN: Self = Self { state: State::Pending, age: None };

    /// Both together: as far as the one of which less is known.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let age = self.age.zip(other.age).map(|(one, other)| one.max(other));
        Self { state: self.state.max(other.state), age }
    }

    /// What is the less known, the greater it is.
    fn order(&self) -> (bool, Option<Duration>, State) {
        (self.age.is_none(), self.age, self.state)
    }

    /// Whether less is known than of another.
    #[must_use]
    pub fn is_less_than(&self, other: &Self) -> bool {
        self.order() > other.order()
    }
}

impl Kind {
    /// How far it is known.
    #[must_use]
    pub fn extent(&self, at: SystemTime) -> Extent {
        Extent { state: self.state(), age: self.watermark().age(at) }
    }
}

impl Snapshot {
    /// How far one of some kinds is known, each of which does for the others: that of which most is known. It counts what
    /// `shows` admits.
    pub fn extent_of<'a>(
        &self,
        alternatives: impl IntoIterator<Item = &'a GroupVersionKind>,
        at: SystemTime,
        shows: impl Fn(&Kind) -> bool,
    ) -> Extent {
        let known = alternatives.into_iter().filter_map(|kind| self.kind(kind)).filter(|known| shows(known));
        let known = known.map(|known| known.extent(at)).min_by_key(Extent::order);
        // Of objects that were handed over as a whole, those that are not there are known to be none.
        known.unwrap_or_else(|| if self.is_given() { Extent::NOW } else { Extent::UNKNOWN })
    }

    /// Whether its objects were handed over as a whole, by somebody who has no cluster to follow.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.kinds().any(Kind::is_given)
    }
}

/// The clusters that a decision may see, each pinned at one moment.
#[derive(Debug, Clone)]
pub struct PinnedFleet {
    at: SystemTime,
    /// Sorted by name.
    clusters: Vec<Arc<Snapshot>>,
    own: usize,
    limit: usize,
}

impl Inventories {
    /// The cluster set of a cluster whose snapshot a decision has pinned. A cluster that belongs to none is alone.
    #[must_use]
    pub fn pin_fleet(&self, cluster: &str, own: &Arc<Snapshot>, at: SystemTime) -> PinnedFleet {
        let set = &own.facts().cluster_set;
        let others = self.clusters().into_iter().filter(|shard| !set.is_empty() && shard.name() != cluster);
        let mut clusters: Vec<Arc<Snapshot>> = others.map(|shard| shard.snapshot()).collect();
        clusters.retain(|snapshot| snapshot.facts().cluster_set == *set);
        let own_at = clusters.partition_point(|snapshot| &**snapshot.cluster() < cluster);
        clusters.insert(own_at, own.clone());
        PinnedFleet { at, clusters, own: own_at, limit: self.view_bytes() }
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

    /// `data.fleet`: `{"clusters": {name: {labels, state, age, cluster, namespace}}}` with the kinds that a template
    /// declares and no others. `state` and `age` (seconds) are those of the declared kinds; `age` is absent where one never
    /// was complete.
    ///
    /// # Errors
    /// [`ViewTooLarge`] where the clusters together take more than one program may read.
    pub fn value(
        &self,
        own_name: &str,
        requirements: &SyncRequirements,
        declared: &BTreeSet<GroupVersionKind>,
        own_only: bool,
    ) -> Result<Value, ViewTooLarge> {
        let seen: Vec<&Arc<Snapshot>> = if own_only { self.own().collect() } else { self.clusters().collect() };
        let mut taken = 0;
        let mut clusters = Vec::with_capacity(seen.len());
        for snapshot in seen {
            let (cluster, namespace, bytes) = snapshot.fleet_trees(declared)?;
            taken += bytes;
            if taken > self.limit {
                return Err(ViewTooLarge::Bytes { limit: self.limit });
            }
            let extent = self.extent(snapshot, requirements);
            let mut fields = vec![
                (Value::from("labels"), labels(snapshot.facts())),
                (Value::from("state"), Value::from(extent.state.name())),
            ];
            fields.extend(extent.age.map(|age| (Value::from("age"), seconds(age))));
            fields.extend(cluster.map(|tree| (Value::from("cluster"), tree)));
            fields.extend(namespace.map(|tree| (Value::from("namespace"), tree)));
            // A cluster that nobody registered has a snapshot without a name.
            let name = if snapshot.cluster().is_empty() { own_name } else { snapshot.cluster() };
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

/// A cluster's labels as Rego sees them.
pub fn labels(facts: &ClusterFacts) -> Value {
    Value::object(facts.labels.iter().map(|(key, value)| (Value::from(&**key), Value::from(&**value))).collect())
}

fn seconds(age: Duration) -> Value {
    Value::Number(Number::from_double(age.as_secs_f64()))
}
