//! What Rego sees of the clusters of a cluster set: `data.fleet`.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use fleetgate_eval::InventoryReads;
use fleetgate_value::{Number, Value};

use super::{ClusterFacts, Extent, Inventories, Kind, Snapshot, ViewTooLarge, extent};
use crate::config::{Excluder, GroupVersionKind};
use crate::template::{EquivalenceSet, SyncRequirements};

/// What nobody looked at for so long is forgotten.
const IDLE: Duration = Duration::from_secs(20);

/// The clusters that a decision may see, each pinned at one moment.
#[derive(Debug, Clone)]
pub struct PinnedFleet {
    at: SystemTime,
    /// Sorted by name.
    clusters: Vec<Arc<Snapshot>>,
    own: usize,
    limit: usize,
    /// What decisions looked at last; none for those who go on with earlier snapshots.
    seen_last: Option<Arc<SeenLast>>,
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

/// The clusters of a fleet as a template sees them.
#[derive(Debug, Clone)]
pub struct FleetView {
    at: SystemTime,
    limit: usize,
    clusters: Vec<(Arc<Snapshot>, Arc<ClusterView>)>,
}

/// A cluster as a template sees it, the same for every decision on one snapshot.
#[derive(Debug)]
struct ClusterView {
    snapshot: Weak<Snapshot>,
    /// Those of each required set that are cached.
    required: Vec<Vec<Arc<Kind>>>,
    /// Made when they are first asked for.
    trees: OnceLock<Result<FleetTrees, ViewTooLarge>>,
}

/// The trees of a cluster, and the bytes that they take.
#[derive(Debug, Clone)]
pub(super) struct FleetTrees {
    pub(super) cluster: Option<Value>,
    pub(super) namespace: Option<Value>,
    pub(super) bytes: usize,
}

/// What decisions looked at last, template by template: between two of them few clusters change.
#[derive(Debug, Default)]
pub(super) struct SeenLast(Mutex<Vec<Seen>>);

#[derive(Debug)]
struct Seen {
    cluster_set: String,
    reads: Arc<InventoryReads>,
    declared: Arc<BTreeSet<GroupVersionKind>>,
    requirements: SyncRequirements,
    shows: u64,
    clusters: Vec<(Arc<str>, Arc<ClusterView>)>,
    used: Instant,
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
        let pinned = self.fleet_of(self.clusters().into_iter().map(|shard| shard.snapshot()), cluster, own, at);
        PinnedFleet { seen_last: Some(self.seen_last()), ..pinned }
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
        PinnedFleet { at, clusters, own: own_at, limit: self.view_bytes(), seen_last: None }
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
    pub fn view(&self, look: Look<'_>, own_only: bool) -> FleetView {
        let own = self.clusters.get(self.own);
        let views = match (&self.seen_last, own) {
            (Some(seen_last), Some(own)) if !own_only && self.clusters.len() > 1 => {
                seen_last.views(&own.facts().cluster_set, look, &self.clusters)
            }
            _ => {
                let seen = self.clusters.iter().filter(|one| !own_only || own.is_some_and(|own| Arc::ptr_eq(own, one)));
                seen.map(|snapshot| (snapshot.clone(), Arc::new(ClusterView::new(snapshot, look)))).collect()
            }
        };
        FleetView { at: self.at, limit: self.limit, clusters: views }
    }
}

impl FleetView {
    /// How far each required set is known in each cluster.
    pub fn extents(&self) -> impl Iterator<Item = (&Arc<Snapshot>, impl Iterator<Item = Extent>)> {
        self.clusters.iter().map(|(snapshot, view)| (snapshot, view.extents(snapshot, self.at)))
    }

    /// `data.fleet` of a program: `{"clusters": {name: {labels, state, age, cluster, namespace}}}` with the kinds that a template
    /// declares and no others, without what a cluster's Configs keep from `sync`. `state` and `age` (seconds) are those of
    /// the required kinds; `age` is absent where one never was complete. A cluster that nobody registered has no name, but
    /// `own_name`.
    ///
    /// # Errors
    /// [`ViewTooLarge`] where the clusters together take more than one program may read.
    pub fn value(&self, look: Look<'_>, own_name: &str, excluders: &dyn Excluders) -> Result<Value, ViewTooLarge> {
        static KEYS: LazyLock<[Value; 5]> =
            LazyLock::new(|| ["age", "cluster", "labels", "namespace", "state"].map(Value::from));
        let mut taken = 0;
        let mut clusters = Vec::with_capacity(self.clusters.len());
        for (snapshot, view) in &self.clusters {
            let name = if snapshot.cluster().is_empty() { own_name } else { snapshot.cluster() };
            let trees = view.trees.get_or_init(|| snapshot.fleet_trees(look, excluders.sync_excluder(name)));
            let trees = trees.as_ref().map_err(|error| *error)?;
            taken += trees.bytes;
            if taken > self.limit {
                return Err(ViewTooLarge::Bytes { limit: self.limit });
            }
            let extent = view.extents(snapshot, self.at).fold(Extent::NOW, Extent::and);
            let fields = [
                extent.age.map(seconds),
                trees.cluster.clone(),
                Some(snapshot.labels().clone()),
                trees.namespace.clone(),
                Some(Value::from(extent.state.name())),
            ];
            let fields = KEYS.iter().zip(fields).filter_map(|(key, value)| Some((key.clone(), value?)));
            clusters.push((Value::from(name), Value::object(fields.collect())));
        }
        Ok(Value::object(vec![(Value::from("clusters"), Value::object(clusters))]))
    }
}

impl ClusterView {
    fn new(snapshot: &Arc<Snapshot>, look: Look<'_>) -> Self {
        let cached = |set: &EquivalenceSet| set.iter().filter_map(|kind| snapshot.shared_kind(kind).cloned()).collect();
        Self {
            snapshot: Arc::downgrade(snapshot),
            required: look.requirements.0.iter().map(cached).collect(),
            trees: OnceLock::new(),
        }
    }

    fn extents(&self, snapshot: &Snapshot, at: SystemTime) -> impl Iterator<Item = Extent> {
        let is_given = snapshot.is_given();
        self.required.iter().map(move |cached| extent::best(cached.iter().map(|known| &**known), is_given, at))
    }
}

impl SeenLast {
    /// The views of clusters, those of snapshots that were looked at last time as they are.
    fn views(
        &self,
        cluster_set: &str,
        look: Look<'_>,
        clusters: &[Arc<Snapshot>],
    ) -> Vec<(Arc<Snapshot>, Arc<ClusterView>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter_mut().find(|seen| seen.is(cluster_set, look));
        let mut last = found.as_ref().map(|seen| &*seen.clusters).unwrap_or_default().iter().peekable();
        let views = clusters.iter().map(|snapshot| {
            let name = snapshot.cluster();
            while last.next_if(|(other, _)| other < name).is_some() {}
            let same = last.next_if(|(_, view)| std::ptr::eq(view.snapshot.as_ptr(), Arc::as_ptr(snapshot)));
            let view = same.map_or_else(|| Arc::new(ClusterView::new(snapshot, look)), |(_, view)| view.clone());
            (snapshot.clone(), view)
        });
        let views: Vec<_> = views.collect();
        let clusters = views.iter().map(|(snapshot, view)| (snapshot.cluster().clone(), view.clone())).collect();
        match found {
            Some(seen) => (seen.clusters, seen.used) = (clusters, Instant::now()),
            None => all.push(Seen {
                cluster_set: cluster_set.to_owned(),
                reads: look.reads.clone(),
                declared: look.declared.clone(),
                requirements: look.requirements.clone(),
                shows: look.shows,
                clusters,
                used: Instant::now(),
            }),
        }
        views
    }

    /// Forgets what nobody looked at for a while, unless somebody is looking.
    pub(super) fn sweep(&self) {
        let Ok(mut all) = self.0.try_lock() else { return };
        let former: Vec<Seen> = all.extract_if(.., |seen| seen.used.elapsed() >= IDLE).collect();
        // Nobody has to wait until their memory is given back.
        drop(all);
        drop(former);
    }

    /// Forgets everything: other programs look at other things.
    pub(super) fn clear(&self) {
        let former = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(former);
    }
}

impl Seen {
    fn is(&self, cluster_set: &str, look: Look<'_>) -> bool {
        self.cluster_set == cluster_set
            && self.shows == look.shows
            && self.reads == *look.reads
            && self.declared == *look.declared
            && self.requirements == *look.requirements
    }
}

/// In thousandths: more of them would be noise.
fn seconds(age: Duration) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of centuries are exact")]
    Value::Number(Number::from_double(age.as_millis() as f64 / 1_000.0))
}
