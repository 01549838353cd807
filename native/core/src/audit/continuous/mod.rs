//! The continuous audit: the result of a run at all times, of which only what changed is made anew.
//!
//! What is pinned is compared with what was judged last. An object that changed is judged by the units that can see what changed
//! ([`changed`]); a unit ([`units`]) that changed judges every object anew; a Namespace that changed, the objects in it where that
//! matters; and a unit that reads the inventory is judged anew where what it sees changed ([`work`]), unless it is proved that a
//! look at the changed objects alone tells that nothing can have come of it (`fleetgate_eval::Locality`). What is not proved is
//! judged anew. Units that depend on the clock, and those with errors, are judged anew from time to time.
//!
//! A step works for a bounded time and goes on where the last one ended, on what was pinned then. Results are kept
//! compressed, by object ([`results`]).

mod changed;
mod fleet;
mod judge;
mod listing;
mod results;
#[cfg(test)]
mod tests;
mod units;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};

use imbl::OrdMap;
use prost::Message as _;

use self::fleet::FleetChanges;
use self::judge::{Judge, Judged};
use self::results::{Counts, Results};
use self::units::{Unit, UnitName, Units};
use self::work::{ClusterWork, Pinned};
use super::courtesy;
use super::plan::Coverage;
use crate::clock;
use crate::config::GroupVersionKind;
use crate::decide::{Engine, STACK_BYTES};
use crate::evaluate::Context;
use crate::inventory::{Blob, Key, Snapshot};
use crate::policy::Generation;
use crate::wire;

pub use listing::Listing;

/// Changes of a message at most.
const BATCH: usize = 500;

/// A step hands over what it found once it has so many changes.
const MAX_CHANGES: usize = 20_000;

/// Objects that a thread takes at a time.
const SLICE: usize = 32;

/// From so many objects on it is worth to start threads.
const PARALLEL: usize = 256;

/// How often it looks whether something changed.
const LOOK: Duration = Duration::from_millis(50);

/// Once everything is judged it rests this many times as long as it took, but no longer than that: where a fleet changes all
/// the time, what reads the fleet would be judged all the time, at the cost of everybody else.
const REST: (u32, Duration) = (9, Duration::from_secs(5));

/// How a continuous audit works.
#[derive(Debug, Clone, Copy)]
pub struct ContinuousSettings {
    /// How often units that depend on the clock are judged anew.
    pub volatile_every: Duration,
}

impl Default for ContinuousSettings {
    fn default() -> Self {
        Self { volatile_every: Duration::from_secs(60) }
    }
}

/// The continuous audit of all clusters. Thread-safe; one thread drives it.
pub struct ContinuousAudit {
    engine: Arc<Engine>,
    settings: ContinuousSettings,
    state: Mutex<State>,
    /// Makes steps take turns, and lets those who ask not wait for one.
    turn: Mutex<Context>,
}

#[derive(Default)]
struct State {
    clusters: BTreeMap<Arc<str>, ClusterState>,
    /// What was judged last.
    generation: Option<Arc<Generation>>,
    snapshots: Vec<Arc<Snapshot>>,
    judged_at: Option<SystemTime>,
    started_at: Option<SystemTime>,
    /// What is being judged.
    pending: Option<Arc<Pending>>,
    volatile_at: Option<Instant>,
    rests_until: Option<Instant>,
    cpu: Duration,
    reviews: u64,
}

/// What is known of a cluster.
struct ClusterState {
    generation: Arc<Generation>,
    snapshot: Arc<Snapshot>,
    units: Units,
    coverage: Coverage,
    objects: u64,
    /// By kind; a kind that is audited stands here even where no object has results.
    results: BTreeMap<GroupVersionKind, OrdMap<Key, Blob>>,
    counts: Counts,
}

impl ClusterState {
    /// Whether some object got no answer from a unit, for which the reason may be elsewhere: in what others read, or in a slow
    /// machine.
    fn has_errors(&self, name: &UnitName, unit: &Unit) -> bool {
        let errors = |constraint: &Arc<str>| self.counts.constraints.get(&(name.clone(), constraint.to_string()));
        self.counts.errors > 0 && unit.names.iter().filter_map(errors).any(|count| count.errors > 0)
    }
}

/// What is judged by this step and those to come.
struct Pending {
    pinned: Pinned,
    clusters: Vec<ClusterWork>,
    /// (cluster, kind, first key, number of keys), in order.
    slices: Vec<(usize, usize, usize, usize)>,
    next: AtomicUsize,
    objects: usize,
    is_due: bool,
    /// CPU time that had been spent when it was planned.
    cpu: Duration,
}

impl ContinuousAudit {
    /// An audit of which nothing was judged yet.
    pub fn new(engine: Arc<Engine>, settings: ContinuousSettings) -> Self {
        Self { engine, settings, state: Mutex::default(), turn: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges what changed, until `deadline` at the latest, and gives encoded `fleetgate.v1.ViolationChanges`: none where
    /// nothing came or went. Waits for something to change where nothing has; who has no time to wait is not made to rest.
    pub fn step(&self, deadline: Instant) -> Vec<Vec<u8>> {
        // On a thread of its own: the caller's priority must not fall, for others wait for locks that it takes later.
        std::thread::scope(|scope| {
            let step = || {
                courtesy::lower_priority();
                self.judge_changes(deadline)
            };
            let name = "audit".to_owned();
            match std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn_scoped(scope, step) {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => self.judge_changes(deadline),
            }
        })
    }

    fn judge_changes(&self, deadline: Instant) -> Vec<Vec<u8>> {
        let mut context = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu = clock::thread_cpu();
        let may_rest = Instant::now() < deadline;
        let pending = loop {
            if let Some(pending) = self.pending(may_rest) {
                break pending;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.lock().cpu += clock::thread_cpu().saturating_sub(cpu);
                return Vec::new();
            }
            std::thread::sleep(left.min(LOOK));
        };
        let (changes, reviews) = self.judge(&pending, deadline, &mut context);
        let is_done = pending.next.load(Ordering::Acquire) >= pending.slices.len();
        let mut state = self.lock();
        state.cpu += clock::thread_cpu().saturating_sub(cpu);
        state.reviews += reviews;
        if is_done {
            state.commit(pending.clone());
        }
        drop(state);
        messages(&pending.pinned, changes, reviews)
    }

    /// What is being judged, or what has to be now; none where nothing has, or it rests.
    fn pending(&self, may_rest: bool) -> Option<Arc<Pending>> {
        let mut state = self.lock();
        if state.pending.is_none() {
            if may_rest && state.rests_until.is_some_and(|until| Instant::now() < until) {
                return None;
            }
            let is_due = state.volatile_at.is_none_or(|at| at.elapsed() >= self.settings.volatile_every);
            let pinned = Pinned {
                snapshots: self.engine.inventories.clusters().into_iter().map(|shard| shard.snapshot()).collect(),
                generation: self.engine.policies.current(),
                at: SystemTime::now(),
            };
            if state.has_judged(&pinned, is_due) {
                return None;
            }
            state.started_at = state.started_at.or(Some(pinned.at));
            state.pending = Some(Arc::new(self.plan(&state, pinned, is_due)));
        }
        state.pending.clone()
    }

    fn plan(&self, state: &State, pinned: Pinned, is_due: bool) -> Pending {
        let fleet = FleetChanges::new(state.generation.as_ref().map(|judged| (&*state.snapshots, judged)), &pinned);
        let cluster = |snapshot: &Arc<Snapshot>| {
            let before = state.clusters.get(snapshot.cluster());
            let is_untouched = before.is_some_and(|known| work::is_untouched(&pinned, snapshot, known, &fleet, is_due));
            (!is_untouched).then(|| work::cluster(&self.engine, &pinned, snapshot, before, &fleet, is_due))
        };
        let mut clusters: Vec<ClusterWork> = pinned.snapshots.iter().filter_map(cluster).collect();
        for (name, known) in &state.clusters {
            if !pinned.snapshots.iter().any(|one| one.cluster() == name) {
                clusters.push(work::removed(known));
            }
        }
        let mut slices = Vec::new();
        for (at, work) in clusters.iter().enumerate() {
            for (kind, of_kind) in work.kinds.iter().enumerate() {
                let starts = (0..of_kind.keys.len()).step_by(SLICE);
                slices.extend(starts.map(|start| (at, kind, start, SLICE.min(of_kind.keys.len() - start))));
            }
        }
        let objects = clusters.iter().flat_map(|work| &work.kinds).map(|kind| kind.keys.len()).sum();
        Pending { pinned, clusters, slices, next: AtomicUsize::new(0), objects, is_due, cpu: state.cpu }
    }

    /// Judges until the deadline; what is found counts at once.
    fn judge(&self, pending: &Pending, deadline: Instant, context: &mut Context) -> (Vec<wire::ViolationChange>, u64) {
        let (mut changes, mut reviews) = (Vec::new(), 0);
        let helpers = if pending.objects < PARALLEL { 0 } else { self.engine.pool.size() - 1 };
        let full = AtomicUsize::new(0);
        let goes_on = || Instant::now() < deadline && full.load(Ordering::Relaxed) < MAX_CHANGES;
        let (sender, receiver) = mpsc::sync_channel::<(usize, usize, Vec<Judged>)>(2 * helpers + 1);
        let known = |cluster: usize, kind: usize| self.results(pending, cluster, kind);
        let work =
            |thread: usize, context: &mut Context, hand_over: &mut dyn FnMut((usize, usize, Vec<Judged>)) -> bool| {
                let mut judge: Option<(usize, Judge<'_>)> = None;
                // A step gets on, however little time it has.
                let mut is_first = thread == 0;
                while is_first || goes_on() {
                    if courtesy::stands_aside(&self.engine.pool, thread) {
                        return;
                    }
                    is_first = false;
                    let at = pending.next.fetch_add(1, Ordering::AcqRel);
                    let Some((cluster, kind, start, count)) = pending.slices.get(at).copied() else { return };
                    let Some(of_cluster) = pending.clusters.get(cluster) else { return };
                    let Some(of_kind) = of_cluster.kinds.get(kind) else { return };
                    let judge = match &mut judge {
                        Some((of, judge)) if *of == cluster => judge,
                        _ => &mut judge.insert((cluster, Judge::new(&self.engine, &pending.pinned, of_cluster))).1,
                    };
                    let before = known(cluster, kind);
                    let keys = of_kind.keys.get(start..start + count).unwrap_or_default();
                    let judged = keys.iter().filter_map(|key| {
                        courtesy::let_pass(&self.engine.pool);
                        judge.object(of_kind, key, before.get(key), context)
                    });
                    if !hand_over((cluster, kind, judged.collect())) {
                        return;
                    }
                }
            };
        std::thread::scope(|scope| {
            let work = &work;
            for thread in 1..=helpers {
                let sender = sender.clone();
                let helper = move || {
                    courtesy::lower_priority();
                    work(thread, &mut Context::default(), &mut |done| sender.send(done).is_ok());
                    self.lock().cpu += clock::thread_cpu();
                };
                // With fewer threads it takes longer.
                let _ = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, helper);
            }
            drop(sender);
            let mut take = |(cluster, kind, judged): (usize, usize, Vec<Judged>)| {
                reviews += judged.iter().map(|one| one.reviews).sum::<u64>();
                changes.extend(self.apply(pending, cluster, kind, judged));
                full.store(changes.len(), Ordering::Relaxed);
            };
            work(0, context, &mut |done| {
                take(done);
                receiver.try_iter().for_each(&mut take);
                true
            });
            receiver.iter().for_each(take);
        });
        (changes, reviews)
    }

    /// The results of a kind's objects as they are known now.
    fn results(&self, pending: &Pending, cluster: usize, kind: usize) -> OrdMap<Key, Blob> {
        let state = self.lock();
        let work = pending.clusters.get(cluster);
        let known = work.and_then(|work| {
            let kind = &work.kinds.get(kind)?.kind;
            state.clusters.get(work.plan.snapshot.cluster())?.results.get(kind)
        });
        known.cloned().unwrap_or_default()
    }

    /// Takes over what was found of some objects of a kind; gives the changes.
    fn apply(&self, pending: &Pending, cluster: usize, kind: usize, judged: Vec<Judged>) -> Vec<wire::ViolationChange> {
        let Some(work) = pending.clusters.get(cluster) else { return Vec::new() };
        let Some(of_kind) = work.kinds.get(kind) else { return Vec::new() };
        let mut state = self.lock();
        let known = state.cluster(&pending.pinned, work);
        let mut changes = Vec::new();
        for Judged { key, blob, counts, changes: of_object, .. } in judged {
            let results = known.results.entry(of_kind.kind.clone()).or_default();
            match blob {
                Some(blob) => drop(results.insert(key, blob)),
                None => drop(results.remove(&key)),
            }
            known.counts.add(&counts);
            changes.extend(of_object);
        }
        changes
    }

    /// CPU time that was spent so far.
    pub fn cpu(&self) -> Duration {
        self.lock().cpu
    }

    /// Reviews that were made so far.
    pub fn reviews(&self) -> u64 {
        self.lock().reviews
    }
}

impl State {
    /// Whether what is pinned is what was judged last.
    fn has_judged(&self, pinned: &Pinned, is_due: bool) -> bool {
        let is_same = |one: &Arc<Snapshot>| {
            self.clusters.get(one.cluster()).is_some_and(|known| Arc::ptr_eq(&known.snapshot, one))
        };
        let is_volatile =
            |one: &ClusterState| one.units.iter().any(|(name, unit)| unit.is_volatile || one.has_errors(name, unit));
        let has_volatile = || self.clusters.values().any(is_volatile);
        self.generation.as_ref().is_some_and(|judged| Arc::ptr_eq(judged, &pinned.generation))
            && self.clusters.len() == pinned.snapshots.len()
            && pinned.snapshots.iter().all(is_same)
            && !(is_due && has_volatile())
    }

    /// What is known of a cluster. Of one that was never judged nothing is.
    fn cluster(&mut self, pinned: &Pinned, work: &ClusterWork) -> &mut ClusterState {
        self.clusters.entry(work.plan.snapshot.cluster().clone()).or_insert_with(|| ClusterState {
            generation: pinned.generation.clone(),
            snapshot: work.plan.snapshot.clone(),
            units: Units::default(),
            coverage: work.plan.coverage.clone(),
            objects: 0,
            results: BTreeMap::new(),
            counts: Counts::default(),
        })
    }

    /// Everything that was to be judged was.
    fn commit(&mut self, pending: Arc<Pending>) {
        self.pending = None;
        for work in &pending.clusters {
            let known = self.cluster(&pending.pinned, work);
            known.generation = pending.pinned.generation.clone();
            known.snapshot = work.plan.snapshot.clone();
            known.units.clone_from(&work.units);
            known.coverage = work.plan.coverage.clone();
            known.objects = work.plan.objects;
            known.results.retain(|kind, _| work.plan.kinds.iter().any(|planned| planned.kind == *kind));
            for planned in &work.plan.kinds {
                known.results.entry(planned.kind.clone()).or_default();
            }
        }
        self.clusters.retain(|name, _| pending.pinned.snapshots.iter().any(|one| one.cluster() == name));
        self.generation = Some(pending.pinned.generation.clone());
        self.snapshots.clone_from(&pending.pinned.snapshots);
        self.judged_at = Some(pending.pinned.at);
        let (times, longest) = REST;
        self.rests_until = Some(Instant::now() + longest.min(self.cpu.saturating_sub(pending.cpu) * times));
        if pending.is_due {
            self.volatile_at = Some(Instant::now());
        }
    }
}

/// What came and went, in bounded messages.
fn messages(pinned: &Pinned, changes: Vec<wire::ViolationChange>, mut reviews: u64) -> Vec<Vec<u8>> {
    let at = Some(prost_types::Timestamp::from(pinned.at));
    let mut changes: VecDeque<wire::ViolationChange> = changes.into();
    let mut messages = Vec::new();
    while !changes.is_empty() {
        let batch = changes.drain(..BATCH.min(changes.len()));
        let message = wire::ViolationChanges {
            changes: batch.map(|change| wire::ViolationChange { at, ..change }).collect(),
            reviews: std::mem::take(&mut reviews),
            at,
            policy_generation: Some(crate::report::named(&pinned.generation)),
        };
        messages.push(message.encode_to_vec());
    }
    messages
}

fn violation(named: &wire::AuditedObject, of: &Results, violation: wire::Violation) -> wire::AuditViolation {
    let object = wire::AuditedObject { uid: of.uid.clone(), owner: of.owner.clone(), ..named.clone() };
    wire::AuditViolation { object: Some(object), violation: Some(violation), ..Default::default() }
}
