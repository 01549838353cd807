//! The clusters of a fleet as a template sees them.

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, SystemTime};

use fleetgate_value::{Number, Value};

use super::cluster_view::{ClusterView, Parts};
use super::{Excluders, Look, PinnedFleet};
use crate::inventory::extent::Known;
use crate::inventory::{Extent, Snapshot, ViewTooLarge};

/// The clusters of a fleet as a template sees them, one snapshot of each.
#[derive(Debug)]
pub struct FleetView {
    /// Sorted by name.
    pub(super) clusters: Vec<Arc<ClusterView>>,
    /// How far all that is required is known in all of them; none where nothing is.
    known: Option<Known>,
    /// `data.fleet` without ages, which views of the same content share.
    ageless: Arc<OnceLock<Value>>,
    /// What is read of each declared kind.
    parts: Arc<[Parts]>,
}

impl FleetView {
    /// The view of snapshots, with what stays the same of the one before, which is of the same look.
    pub(super) fn following(before: Option<&Self>, look: Look<'_>, snapshots: &[Arc<Snapshot>]) -> Self {
        let parts = before.map_or_else(
            || {
                look.declared
                    .iter()
                    .map(|kind| (kind.clone(), look.reads.projection(&kind.group_version(), &kind.kind)))
                    .collect()
            },
            |before| before.parts.clone(),
        );
        let mut last = before.map(|before| &*before.clusters).unwrap_or_default().iter().peekable();
        let following = |snapshot: &Arc<Snapshot>| {
            while last.next_if(|other| other.name < *snapshot.cluster()).is_some() {}
            let before = last.next_if(|other| other.name == *snapshot.cluster());
            match before.filter(|before| before.is_of(snapshot)) {
                Some(same) => same.clone(),
                None => Arc::new(ClusterView::following(before.map(|before| &**before), snapshot, look, &parts)),
            }
        };
        let clusters: Vec<_> = snapshots.iter().map(following).collect();
        let sets = || look.requirements.0.iter();
        let required = clusters.iter().flat_map(|view| sets().zip(&view.required));
        let known = required.filter(|(set, _)| !set.is_empty()).map(|(_, known)| *known).reduce(Known::and);
        let same = before.filter(|before| before.has_content_of(&clusters));
        let ageless = same.map_or_else(Arc::default, |before| before.ageless.clone());
        Self { clusters, known, ageless, parts }
    }

    /// Whether it is that of these snapshots.
    pub(super) fn is_of(&self, snapshots: &[Arc<Snapshot>]) -> bool {
        self.clusters.len() == snapshots.len() && self.clusters.iter().zip(snapshots).all(|(view, one)| view.is_of(one))
    }

    fn has_content_of(&self, clusters: &[Arc<ClusterView>]) -> bool {
        let is_same = |(one, other): (&Arc<ClusterView>, &Arc<ClusterView>)| {
            Arc::ptr_eq(&one.content, &other.content) && one.name == other.name
        };
        self.clusters.len() == clusters.len() && self.clusters.iter().zip(clusters).all(is_same)
    }

    pub(super) fn is_of_one(&self) -> bool {
        self.clusters.len() == 1
    }

    /// How far all that is required is known in all clusters; none where nothing is required.
    #[must_use]
    pub fn extent(&self, at: SystemTime) -> Option<Extent> {
        self.known.map(|known| known.extent(at))
    }

    /// How far each required set is known in each cluster, by its name.
    pub fn extents(&self, at: SystemTime) -> impl Iterator<Item = (&Arc<str>, impl Iterator<Item = Extent>)> {
        self.clusters.iter().map(move |view| (&view.name, view.required.iter().map(move |known| known.extent(at))))
    }
}

impl PinnedFleet {
    /// `data.fleet` of a program: `{"clusters": {name: {labels, state, age, cluster, namespace}}}` with the kinds that a template
    /// declares and no others, without what a cluster's Configs keep from `sync`. `state` and `age` (seconds) are those of
    /// the required kinds; `age` is absent where one never was complete, and where the program does not read it. A cluster that
    /// nobody registered has no name, but `own_name`.
    ///
    /// # Errors
    /// [`ViewTooLarge`] where the clusters together take more than one program may read.
    pub fn value(
        &self,
        view: &FleetView,
        look: Look<'_>,
        own_name: &str,
        excluders: &dyn Excluders,
    ) -> Result<Value, ViewTooLarge> {
        let reads_age = look.reads.reads_cluster_age();
        let made = (!reads_age).then(|| view.ageless.get()).flatten();
        if let Some(made) = made {
            return Ok(made.clone());
        }
        let mut taken = 0;
        let mut clusters = Vec::with_capacity(view.clusters.len());
        for (cluster, snapshot) in view.clusters.iter().zip(self.seen_by(view)) {
            let name = if cluster.name.is_empty() { own_name } else { &*cluster.name };
            let excluder = excluders.sync_excluder(name);
            let trees = cluster.content.trees(|| snapshot.fleet_trees(look, excluder))?;
            taken += trees.bytes;
            if taken > self.limit {
                return Err(ViewTooLarge::Bytes { limit: self.limit });
            }
            let fields = |age| {
                let tree = |tree: &Option<Value>| tree.clone();
                let fields = [
                    age,
                    tree(&trees.cluster),
                    Some(snapshot.labels().clone()),
                    tree(&trees.namespace),
                    Some(Value::from(cluster.content.state.name())),
                ];
                Value::object(KEYS.iter().zip(fields).filter_map(|(key, value)| Some((key.clone(), value?))).collect())
            };
            let seen = if reads_age {
                fields(cluster.known.extent(self.at).age.map(seconds))
            } else {
                cluster.content.ageless.get_or_init(|| fields(None)).clone()
            };
            clusters.push((Value::from(name), seen));
        }
        let made = Value::object(vec![(Value::from("clusters"), Value::object(clusters))]);
        // A cluster without a name is called by that of who asks.
        if !reads_age && view.clusters.iter().all(|cluster| !cluster.name.is_empty()) {
            return Ok(view.ageless.get_or_init(|| made).clone());
        }
        Ok(made)
    }
}

static KEYS: LazyLock<[Value; 5]> =
    LazyLock::new(|| ["age", "cluster", "labels", "namespace", "state"].map(Value::from));

/// In thousandths: more of them would be noise.
fn seconds(age: Duration) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact")]
    Value::Number(Number::from_double(age.as_millis() as f64 / 1_000.0))
}
