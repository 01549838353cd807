//! What has to be judged anew, from what was judged before and what is there now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use fleetgate_eval::Locality;

use super::ClusterState;
use super::changed::Changed;
use super::fleet::FleetChanges;
use super::units::{Unit, UnitName, Units, units};
use crate::audit::findings::parsed;
use crate::audit::plan::{ClusterPlan, KindPlan, is_none};
use crate::audit::scope::Scope;
use crate::config::{Excluder, GroupVersionKind, Process};
use crate::decide::{Auditor, Engine};
use crate::inventory::{Delta, Differences, Key, Kind, Shown, Snapshot};
use crate::json::KeyCache;
use crate::policy::{Generation, Scoped};

/// Where more inventory objects changed than this share of those that are there, everything that reads them is judged anew.
const DELTA_SHARE: usize = 4;

/// What is judged: pinned like a run.
pub(super) struct Pinned {
    pub(super) generation: Arc<Generation>,
    pub(super) snapshots: Vec<Arc<Snapshot>>,
    pub(super) at: SystemTime,
}

/// What has to be done in a cluster.
pub(super) struct ClusterWork {
    pub(super) plan: ClusterPlan,
    pub(super) units: Units,
    /// One for each kind with something to do.
    pub(super) kinds: Vec<KindWork>,
    /// For units of which only the results that changed objects can have changed are judged.
    pub(super) deltas: BTreeMap<UnitName, Delta>,
}

/// What has to be done with objects of a kind.
pub(super) struct KindWork {
    pub(super) kind: GroupVersionKind,
    /// Where it stands in the plan; none where it is not audited any more.
    pub(super) planned: Option<usize>,
    /// What becomes of the results of each unit on objects that did not change.
    pub(super) unchanged: BTreeMap<UnitName, Fate>,
    /// Objects that changed: units are asked that can see it.
    pub(super) written: BTreeSet<Key>,
    /// As they were judged before; none where nothing of the kind was.
    pub(super) before: Option<Kind>,
    /// Namespaces that changed: units that can see it are asked for their objects.
    pub(super) namespaces: Arc<BTreeMap<String, Changed>>,
    pub(super) keys: Vec<Key>,
}

/// What becomes of the results of a unit on an object that did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    /// They stay where there was an answer.
    Retry,
    /// They stay unless what changed in the inventory tells otherwise.
    Check,
    /// They are made anew.
    Redo,
}

/// Whether nothing of a cluster has to be looked at, because nothing is other than it was.
pub(super) fn is_untouched(
    pinned: &Pinned,
    snapshot: &Arc<Snapshot>,
    before: &ClusterState,
    fleet: &FleetChanges<'_>,
    is_due: bool,
) -> bool {
    let is_touched = |(name, unit): (&UnitName, &Unit)| {
        (is_due && (unit.is_volatile || before.has_errors(name, unit))) || fleet.are_seen_by(unit, snapshot)
    };
    Arc::ptr_eq(&before.snapshot, snapshot)
        && Arc::ptr_eq(&before.generation, &pinned.generation)
        && !before.units.iter().any(is_touched)
}

/// Finds what has to be done in a cluster; `is_due` says whether volatile units are judged anew.
pub(super) fn cluster(
    engine: &Engine,
    pinned: &Pinned,
    snapshot: &Arc<Snapshot>,
    before: Option<&ClusterState>,
    fleet: &FleetChanges<'_>,
    is_due: bool,
) -> ClusterWork {
    let generation = &pinned.generation;
    let auditor = Auditor::new(engine, generation, snapshot, (&pinned.snapshots, pinned.at));
    let sets = generation.of_cluster(snapshot.cluster());
    let plan = ClusterPlan::new(snapshot, &auditor, sets, &Scope::default(), pinned.at);
    // Which Constraints hold here depends on the policies and on the cluster's labels.
    let is_known = |before: &&ClusterState| {
        Arc::ptr_eq(&before.generation, generation) && before.snapshot.facts().labels == snapshot.facts().labels
    };
    let known = before.filter(is_known).map(|before| before.units.clone());
    let mut work = ClusterWork {
        units: known.unwrap_or_else(|| units(&auditor, sets)),
        plan,
        kinds: Vec::new(),
        deltas: BTreeMap::new(),
    };
    let mut fates = BTreeMap::new();
    for (name, unit) in &*work.units {
        let fate = match before {
            Some(before) => Comparison { pinned, snapshot, before, fleet, is_due }.fate(name, unit),
            None => Change::Kept,
        };
        let fate = match fate {
            Change::Kept => Fate::Keep,
            Change::Failed => Fate::Retry,
            Change::Seen(delta) if auditor.can_show(unit.program.as_ref()) => {
                work.deltas.insert(name.clone(), delta);
                Fate::Check
            }
            Change::Seen(_) | Change::Other => Fate::Redo,
        };
        fates.insert(name.clone(), fate);
    }
    let is_other = |(name, unit): &(&UnitName, &Unit)| {
        work.units.get(*name).is_none_or(|now| now.digest != unit.digest || now.names != unit.names)
    };
    let others = before.into_iter().flat_map(|before| before.units.iter()).filter(is_other);
    let renewed: BTreeSet<UnitName> = others.map(|(name, _)| name.clone()).collect();
    let namespaces = Arc::new(changed_namespaces(engine, snapshot, before, &work.units));
    for (at, planned) in work.plan.kinds.iter().enumerate() {
        work.kinds.extend(kind(planned, at, &work.units, snapshot, before, (&fates, &renewed, &namespaces)));
    }
    work.kinds.extend(before.into_iter().flat_map(|before| dropped(&work.plan, before)));
    work
}

/// What a unit's results have to do with what changed.
enum Change {
    Kept,
    /// Nothing, but some objects got no answer.
    Failed,
    /// It sees these objects otherwise.
    Seen(Delta),
    Other,
}

struct Comparison<'a> {
    pinned: &'a Pinned,
    snapshot: &'a Snapshot,
    before: &'a ClusterState,
    fleet: &'a FleetChanges<'a>,
    is_due: bool,
}

impl Comparison<'_> {
    fn fate(&self, name: &UnitName, unit: &Unit) -> Change {
        let Some(known) = self.before.units.get(name) else { return Change::Other };
        let is_other = known.digest != unit.digest
            || known.names != unit.names
            || self.excludes_otherwise(name)
            || (unit.is_volatile && self.is_due)
            || (unit.knows_cluster && self.before.snapshot.facts().labels != self.snapshot.facts().labels)
            || self.fleet.are_seen_by(unit, self.snapshot);
        if is_other {
            return Change::Other;
        }
        match if unit.program.reads().is_empty() { Change::Kept } else { self.inventory(unit) } {
            Change::Kept if self.is_due && self.before.has_errors(name, unit) => Change::Failed,
            change => change,
        }
    }

    /// Whether the audit leaves other namespaces alone.
    fn excludes_otherwise(&self, name: &UnitName) -> bool {
        let excluder = |generation: &Generation| {
            let Scoped { fleet, cluster } = generation.of_cluster(self.snapshot.cluster());
            let set = if name.of_cluster { cluster } else { Some(fleet) };
            set.map(|set| set.excluder().of_process(Process::Audit)).unwrap_or_default()
        };
        excluder(&self.pinned.generation) != excluder(&self.before.generation)
    }

    fn inventory(&self, unit: &Unit) -> Change {
        let (is, was) = (self.shown(&self.pinned.generation), self.shown(&self.before.generation));
        if is.synced != was.synced || sync(is.excluder) != sync(was.excluder) {
            return Change::Other;
        }
        let (before, reads) = (&self.before.snapshot, unit.program.reads());
        if Arc::ptr_eq(before.cluster(), self.snapshot.cluster())
            && before.stamps(reads, &was) == self.snapshot.stamps(reads, &is)
        {
            return Change::Kept;
        }
        if unit.locality == Locality::None {
            return Change::Other;
        }
        let limit = self.snapshot.kinds().map(Kind::len).sum::<usize>() / DELTA_SHARE;
        self.snapshot.delta(before, reads, &is, limit.max(1)).map_or(Change::Other, Change::Seen)
    }

    fn shown<'g>(&self, generation: &'g Generation) -> Shown<'g> {
        let cluster = self.snapshot.cluster();
        Shown {
            generation: generation.number(),
            synced: generation.synced(cluster),
            excluder: generation.sync_excluder(cluster),
        }
    }
}

pub(super) fn sync(excluder: &Excluder) -> Excluder {
    excluder.of_process(Process::Sync)
}

/// Namespaces in which something changed that a unit can see.
fn changed_namespaces(
    engine: &Engine,
    snapshot: &Snapshot,
    before: Option<&ClusterState>,
    units: &Units,
) -> BTreeMap<String, Changed> {
    let Some(before) = before else { return BTreeMap::new() };
    let of = |snapshot: &'_ Snapshot| snapshot.kinds().find(|known| known.kind().is_namespace()).cloned();
    let (is, was) = (of(snapshot), of(&before.snapshot));
    let differences = match (&is, &was) {
        (Some(is), was) => is.differences(was.as_ref()),
        (None, Some(was)) => Differences { removed: was.keys(None).cloned().collect(), ..Default::default() },
        (None, None) => Differences::default(),
    };
    let mut keys = KeyCache::default();
    let mut changed = |key: &Key| match (&was, &is) {
        (Some(was), Some(is)) => changed(engine, was, is, key, &mut keys),
        _ => Changed::everything(),
    };
    let all = differences.written.iter().chain(&differences.removed).map(|key| (key.name().to_owned(), changed(key)));
    all.filter(|(_, changed)| units.values().any(|unit| unit.looks_at_namespace(changed))).collect()
}

/// What changed in an object of a kind.
pub(super) fn changed(engine: &Engine, was: &Kind, is: &Kind, key: &Key, keys: &mut KeyCache) -> Changed {
    let mut object = |kind: &Kind| parsed(&kind.object(key)?, keys, engine.compatibility.numbers).ok();
    match (object(was), object(is)) {
        (Some(was), Some(is)) => Changed::between(&was, &is),
        _ => Changed::everything(),
    }
}

/// What becomes of units, those that say something else or are gone, and the Namespaces that changed.
type Fates<'a> = (&'a BTreeMap<UnitName, Fate>, &'a BTreeSet<UnitName>, &'a Arc<BTreeMap<String, Changed>>);

/// What has to be done with the objects of a kind that is audited; none where nothing has.
fn kind(
    planned: &KindPlan,
    at: usize,
    units: &Units,
    snapshot: &Snapshot,
    before: Option<&ClusterState>,
    (fates, renewed, namespaces): Fates<'_>,
) -> Option<KindWork> {
    let known = snapshot.kind(&planned.kind)?;
    let judged = before.and_then(|before| before.results.get(&planned.kind));
    let was = before.filter(|_| judged.is_some()).and_then(|before| before.snapshot.kind(&planned.kind));
    let work = |keys: Vec<Key>, written: BTreeSet<Key>, unchanged: BTreeMap<UnitName, Fate>| KindWork {
        kind: planned.kind.clone(),
        planned: Some(at),
        unchanged,
        written,
        before: was.cloned(),
        namespaces: namespaces.clone(),
        keys,
    };
    let Some(judged) = judged else {
        let keys: Vec<Key> = known.keys(None).cloned().collect();
        return Some(work(keys.clone(), keys.into_iter().collect(), BTreeMap::new()));
    };
    let Differences { written, removed } = known.differences(was);
    let could_match =
        |name: &&UnitName| units.get(*name).is_some_and(|unit| !is_none(&unit.among(name, &planned.positions)));
    let mut unchanged: BTreeMap<UnitName, Fate> = fates
        .iter()
        .filter(|(name, fate)| **fate != Fate::Keep && could_match(name))
        .map(|(name, fate)| (name.clone(), *fate))
        .collect();
    // What matched objects of this kind before may match none now.
    unchanged.extend(renewed.iter().map(|name| (name.clone(), Fate::Redo)));
    let mut keys: Vec<Key>;
    if unchanged.is_empty() {
        keys = written.iter().cloned().collect();
        let is_seen =
            |changed: &Changed| units.iter().any(|(name, unit)| could_match(&name) && unit.looks_at_namespace(changed));
        for (namespace, _) in namespaces.iter().filter(|(_, changed)| is_seen(changed)) {
            keys.extend(known.keys(Some(namespace)).filter(|key| !written.contains(*key)).cloned());
        }
    } else if namespaces.is_empty() && unchanged.iter().all(|(name, fate)| *fate != Fate::Redo || !could_match(&name)) {
        // Only objects that have results can have others.
        keys = judged.keys().filter(|key| known.has(key) && !written.contains(*key)).cloned().collect();
        keys.extend(written.iter().cloned());
    } else {
        keys = known.keys(None).cloned().collect();
    }
    keys.extend(removed);
    (!keys.is_empty()).then(|| work(keys, written, unchanged))
}

/// Results of kinds that are not audited any more go.
fn dropped<'a>(plan: &'a ClusterPlan, before: &'a ClusterState) -> impl Iterator<Item = KindWork> + 'a {
    let is_gone = |kind: &GroupVersionKind| {
        plan.snapshot.kind(kind).is_none() || !plan.kinds.iter().any(|planned| planned.kind == *kind)
    };
    before.results.iter().filter(move |(kind, _)| is_gone(kind)).map(|(kind, judged)| KindWork {
        kind: kind.clone(),
        planned: None,
        unchanged: BTreeMap::new(),
        written: BTreeSet::new(),
        before: None,
        namespaces: Arc::default(),
        keys: judged.keys().cloned().collect(),
    })
}

/// Everything goes of a cluster that is there no more.
pub(super) fn removed(known: &ClusterState) -> ClusterWork {
    let plan = ClusterPlan {
        snapshot: known.snapshot.clone(),
        kinds: Vec::new(),
        coverage: known.coverage.clone(),
        objects: 0,
    };
    let kinds = dropped(&plan, known).collect();
    ClusterWork { plan, units: Units::default(), kinds, deltas: BTreeMap::new() }
}
