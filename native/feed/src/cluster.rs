//! The feed of one cluster: its tasks, its queue, its state. Nothing here is shared with another cluster but the cap on lists
//! and the threads that write.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::backoff::{Backoff, jittered};
use crate::batches::{Batches, Panicked};
use crate::change::{Change, Gvk, State, Writer};
use crate::crds::{CustomResourceDefinitions, definitions};
use crate::dial::{Call, Connection};
use crate::discovery::{Discovery, Resource};
use crate::error::{CallError, Cause};
use crate::link::{Link, LinkWatch, connected, moved};
use crate::plan::{Resolved, WatchPlan};
use crate::queue::Queue;
use crate::reflector::{Reflector, Shared};
use crate::scope::Scope;
use crate::sink::ShardSink;
use crate::status::{ClusterFeedStatus, Statuses};

/// A batch of so many objects and bytes is mostly written in a moment.
const SMALL: (usize, usize) = (32, 128 << 10);
/// A cluster that does not answer this within its time is silent: together less than the 2 s after which that must show.
const HEARTBEAT: Duration = Duration::from_millis(600);
const HEARTBEAT_ANSWER: Duration = Duration::from_millis(1100);
/// Discovery is asked again this often, and sooner while the plan names what is not served.
const REDISCOVER: Duration = Duration::from_secs(600);
const REDISCOVER_SOON: Duration = Duration::from_secs(30);
const SOONEST: Duration = Duration::from_secs(1);
/// After a CRD changed: its kind is served moments later.
const AFTER_CRD: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(4)];

type MakeWriter = Box<dyn FnOnce() -> Arc<dyn Writer> + Send>;

/// The feed of one cluster.
pub(crate) struct Cluster {
    name: String,
    link: watch::Sender<Link>,
    plan: watch::Sender<WatchPlan>,
    shared: Shared,
    queue: Arc<Queue>,
    batches: Arc<Batches>,
    /// The batch that was taken out of the queue and is not being written yet.
    under_way: Mutex<Vec<Change>>,
    /// Made when something is first written: a cluster that is only asked now and then has no shard.
    writer: LazyLock<Arc<dyn Writer>, MakeWriter>,
    /// Held while a batch is written; whether the last one was.
    ended: Mutex<bool>,
    statuses: Arc<Statuses>,
    runtime: Handle,
    /// Counts changes of CRDs.
    crds: watch::Sender<u64>,
    served: Mutex<Option<Arc<Discovery>>>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    heartbeat: Option<AbortHandle>,
    crds: Option<AbortHandle>,
    /// The pump and the supervisor.
    own: Vec<AbortHandle>,
    kinds: BTreeMap<Gvk, KindTask>,
}

struct KindTask {
    task: AbortHandle,
    bound: watch::Sender<Option<Duration>>,
    resource: Resource,
}

impl Cluster {
    /// A cluster without a connection.
    pub(crate) fn new(
        name: &str,
        writer: MakeWriter,
        (lists, batches): (Arc<Semaphore>, Arc<Batches>),
        runtime: Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            link: watch::channel(Link::default()).0,
            plan: watch::channel(WatchPlan::default()).0,
            shared: Shared { lists, pages_only: Arc::new(AtomicBool::new(false)) },
            queue: Arc::default(),
            batches,
            under_way: Mutex::default(),
            writer: LazyLock::new(writer),
            ended: Mutex::default(),
            statuses: Arc::default(),
            runtime,
            crds: watch::channel(0).0,
            served: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// Takes a connection into use. Streams that are open are opened again with it, where they were.
    pub(crate) fn connect(self: &Arc<Self>, connection: Arc<Connection>) {
        self.statuses.error(None);
        let mut tasks = self.tasks();
        if tasks.heartbeat.is_none() {
            tasks.heartbeat = Some(self.runtime.spawn(Arc::clone(self).heartbeat()).abort_handle());
        }
        drop(tasks);
        self.link.send_modify(|link| {
            *link = Link { connection: Some(connection), round: link.round + 1, silence: None };
        });
    }

    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.link.borrow().connection.clone()
    }

    pub(crate) fn link(&self) -> LinkWatch {
        self.link.subscribe()
    }

    pub(crate) fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Counts up when CRDs change, from the first call on.
    pub(crate) fn crds(&self) -> watch::Receiver<u64> {
        let mut tasks = self.tasks();
        if tasks.crds.is_none() {
            let reflector = Reflector {
                scope: Scope { metadata_only: true, ..Scope::all(definitions()) },
                link: self.link.subscribe(),
                shared: self.shared.clone(),
                bound: unbounded(),
                sink: CustomResourceDefinitions(self.crds.clone()),
                position: None,
                known: false,
            };
            tasks.crds = Some(self.runtime.spawn(reflector.run()).abort_handle());
        }
        self.crds.subscribe()
    }

    /// Asks the server what it serves, and remembers that for [`Self::served`].
    pub(crate) async fn discover(&self, connection: &Connection) -> Result<Arc<Discovery>, CallError> {
        let served = Arc::new(Discovery::of(connection).await?);
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&served));
        Ok(served)
    }

    /// What the server was last known to serve.
    pub(crate) fn served(&self) -> Option<Arc<Discovery>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what to watch.
    pub(crate) fn plan(&self, plan: WatchPlan) {
        self.plan.send_if_modified(|current| {
            let differs = *current != plan;
            *current = plan;
            differs
        });
    }

    /// Begins to watch; does nothing the second time.
    pub(crate) fn start(self: &Arc<Self>) {
        let mut tasks = self.tasks();
        if !tasks.own.is_empty() {
            return;
        }
        let cluster = Arc::clone(self);
        tasks.own.push(self.runtime.spawn(cluster.pump()).abort_handle());
        let cluster = Arc::clone(self);
        tasks.own.push(self.runtime.spawn(cluster.supervise()).abort_handle());
    }

    /// Ends all tasks. What was read keeps its last state, marked as no longer followed. Blocks.
    pub(crate) fn stop(&self) {
        let kinds = self.abandon();
        for kind in kinds {
            self.queue.turn(&kind, Change::Abort { kind: kind.clone() });
            let reason = "disconnected".to_owned();
            self.queue.turn(&kind, Change::State { kind: kind.clone(), state: State::Stale, reason });
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended = true;
        let mut under_way = self.under_way();
        let mut changes = std::mem::take(&mut *under_way);
        changes.extend(self.queue.drain());
        drop(under_way);
        if !changes.is_empty() {
            self.writer.write(changes);
        }
    }

    /// Writes the batch that is under way, unless the last one was written: what comes late must not undo what [`Self::stop`]
    /// said.
    fn write(&self) -> Vec<(Gvk, String)> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = std::mem::take(&mut *self.under_way());
        if *ended || changes.is_empty() { Vec::new() } else { self.writer.write(changes) }
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<Change>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is queued out, for a batch; whether that is a small one. None where there is nothing.
    fn take(&self) -> Option<bool> {
        let mut under_way = self.under_way();
        *under_way = self.queue.drain();
        (!under_way.is_empty()).then(|| is_small(&under_way))
    }

    /// Ends all tasks and writes nothing more; gives the kinds that were followed.
    pub(crate) fn abandon(&self) -> Vec<Gvk> {
        let Tasks { heartbeat, crds, own, kinds } = std::mem::take(&mut *self.tasks());
        let feeding = own.iter().chain(kinds.values().map(|kind| &kind.task));
        feeding.chain(&heartbeat).chain(&crds).for_each(AbortHandle::abort);
        kinds.into_keys().collect()
    }

    /// Lists kinds anew while the old view keeps serving: what is kept of an object has changed.
    pub(crate) fn relist(self: &Arc<Self>, kinds: &[Gvk]) {
        let mut tasks = self.tasks();
        for kind in kinds {
            let Some(running) = tasks.kinds.remove(kind) else { continue };
            running.task.abort();
            self.queue.turn(kind, Change::Abort { kind: kind.clone() });
            let bound = *running.bound.borrow();
            let again = self.follow(running.resource, bound, None, true);
            tasks.kinds.insert(kind.clone(), again);
        }
    }

    fn start_over(self: &Arc<Self>) {
        let kinds: Vec<Gvk> = self.tasks().kinds.keys().cloned().collect();
        self.relist(&kinds);
    }

    pub(crate) fn status(&self) -> ClusterFeedStatus {
        let silence = self.link.borrow().silence.clone();
        self.statuses.describe(&self.name, silence.as_ref().map(|error| (error.cause, error.message.as_str())))
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves what is queued into the shard, batch by batch. One cluster's flood must not hold up another's events.
    async fn pump(self: Arc<Self>) {
        loop {
            self.queue.filled().await;
            self.batches.due().await;
            let Some(small) = self.take() else { continue };
            let cluster = Arc::clone(&self);
            let write = move || cluster.write();
            let written = if small { self.batches.write_small(write).await } else { self.batches.write(write).await };
            match written {
                Ok(refused) => self.statuses.unkept(refused),
                // A panic of the shard's: what it was told is lost, so everything is read anew.
                Err(Panicked) => self.start_over(),
            }
        }
    }

    /// Asks the cluster for a sign of life. Any answer is one: whoever refuses is there.
    async fn heartbeat(self: Arc<Self>) {
        let mut link = self.link.subscribe();
        let mut refused = false;
        loop {
            let Ok(connection) =
                link.wait_for(|link| link.connection.is_some()).await.map(|link| link.connection.clone())
            else {
                return;
            };
            let Some(connection) = connection else { continue };
            let answer = connection.call(Call::get("/version"), HEARTBEAT_ANSWER, 1 << 20).await;
            match &answer {
                Err(error) if !error.is_unreachable() => {
                    refused = true;
                    self.statuses.error(Some(error));
                }
                Ok(_) if std::mem::take(&mut refused) => self.statuses.error(None),
                _ => {}
            }
            let silence = answer.err().filter(CallError::is_unreachable).map(Arc::new);
            let words = silence.clone();
            let changed = self.link.send_if_modified(|link| {
                let is_current = link.connection.as_ref().is_some_and(|current| Arc::ptr_eq(current, &connection));
                if !is_current || link.silence.is_some() == silence.is_some() {
                    return false;
                }
                // Whatever was sent during a silence may be lost on half-open connections.
                link.round += u64::from(silence.is_none());
                link.silence = silence;
                true
            });
            if let Some(words) = words.filter(|_| changed) {
                self.doubt(&words);
            }
            sleep(HEARTBEAT).await;
        }
    }

    /// Keeps the reflectors as plan and discovery say.
    async fn supervise(self: Arc<Self>) {
        let mut link = self.link.subscribe();
        let mut plan = self.plan.subscribe();
        let mut backoff = Backoff::default();
        let mut crds = self.crds();
        let mut after_crd = [].iter();
        loop {
            let Some((connection, round)) = connected(&mut link).await else { return };
            let (served, mut wait) = match self.discover(&connection).await {
                Ok(served) => {
                    backoff.reset();
                    self.statuses.error(None);
                    (Some(served), REDISCOVER)
                }
                Err(error) => {
                    self.statuses.error(Some(&error));
                    (None, backoff.next(error.retry_after))
                }
            };
            if let Some(served) = &served {
                let plan = plan.borrow_and_update().clone();
                let resolved = plan.resolve(served);
                if !resolved.absent.is_empty() || !resolved.unknown.is_empty() {
                    // Discovery is what shows that a kind is still not served.
                    let bounds = resolved.absent.iter().filter_map(|kind| plan.bounds.get(kind));
                    wait = bounds.map(|bound| *bound / 2).fold(REDISCOVER_SOON, Duration::min).max(SOONEST);
                }
                self.apply(&resolved, served, &plan);
            }
            let wait = after_crd.next().copied().unwrap_or_else(|| jittered(wait));
            tokio::select! {
                () = sleep(wait) => {}
                changed = crds.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    after_crd = AFTER_CRD.iter();
                    sleep(Duration::from_millis(50)).await;
                }
                changed = plan.changed() => if changed.is_err() { return },
                moved = moved(&mut link, round) => if !moved { return },
            }
        }
    }

    fn apply(self: &Arc<Self>, resolved: &Resolved, served: &Discovery, plan: &WatchPlan) {
        let mut tasks = self.tasks();
        if tasks.own.is_empty() {
            // Stopped meanwhile.
            return;
        }
        let away = |kind: &Gvk| served.unknown.contains(&(kind.group.clone(), kind.version.clone()));
        let gone: Vec<Gvk> = tasks
            .kinds
            .iter()
            .filter(|(kind, task)| match resolved.watched.get(*kind) {
                Some(resource) => *resource != task.resource,
                // Nothing is known of what an absent API server serves, so its kinds stay what they were.
                None => !(away(kind) && plan.reaches(kind)),
            })
            .map(|(kind, _)| kind.clone())
            .collect();
        for kind in gone {
            if let Some(running) = tasks.kinds.remove(&kind) {
                running.task.abort();
            }
            self.statuses.forget(&kind);
            if resolved.absent.contains(&kind) {
                self.queue.turn(&kind, Change::Abort { kind: kind.clone() });
            } else {
                self.queue.turn(&kind, Change::Forget { kind: kind.clone() });
            }
        }
        let seen = self.writer.known();
        for (kind, resource) in &resolved.watched {
            let bound = plan.bounds.get(kind).copied();
            if let Some(running) = tasks.kinds.get(kind) {
                running.bound.send_if_modified(|current| std::mem::replace(current, bound) != bound);
                continue;
            }
            let position = self.writer.position(kind);
            let known = position.is_some();
            if !known && !seen.contains(kind) {
                // It may have to wait for its turn to be listed, and what is not read yet is not absent.
                let reason = "it waits to be listed".to_owned();
                self.queue.turn(kind, Change::State { kind: kind.clone(), state: State::Pending, reason });
            }
            let task = self.follow(resource.clone(), bound, position, known);
            tasks.kinds.insert(kind.clone(), task);
        }
        drop(tasks);
        let at = SystemTime::now();
        for kind in &resolved.absent {
            self.empty(kind, at);
        }
        const AWAY: &str = "the API server behind this group is away";
        for kind in resolved.unknown.iter().filter(|kind| !resolved.watched.contains_key(*kind)) {
            let state = if self.writer.position(kind).is_some() { State::Stale } else { State::Pending };
            if self.statuses.of(kind).state(state, Some(&CallError::new(Cause::Other, AWAY))) {
                self.queue.turn(kind, Change::State { kind: kind.clone(), state, reason: AWAY.to_owned() });
            }
        }
        self.statuses.not_audited(&resolved.refused);
        let planned = |kind: &Gvk| {
            resolved.watched.contains_key(kind) || resolved.absent.contains(kind) || resolved.unknown.contains(kind)
        };
        let stays = |kind: &Gvk| planned(kind) || (away(kind) && plan.reaches(kind));
        let dropped = self.statuses.retain(stays);
        // The shard may know kinds from an earlier run that nothing needs any more.
        for kind in dropped.into_iter().chain(self.writer.known()) {
            if !stays(&kind) {
                self.queue.turn(&kind, Change::Forget { kind: kind.clone() });
            }
        }
    }

    /// Kinds that no reflector follows, because the server did not serve them, may be served now.
    fn doubt(&self, why: &CallError) {
        let followed: Vec<Gvk> = self.tasks().kinds.keys().cloned().collect();
        for (kind, status) in self.statuses.all() {
            if !followed.contains(&kind) && status.is(State::Synced) && status.state(State::Stale, Some(why)) {
                let (state, reason) = (State::Stale, why.to_string());
                self.queue.turn(&kind, Change::State { kind: kind.clone(), state, reason });
            }
        }
    }

    /// A kind that the server does not serve has no objects, and that is known.
    fn empty(&self, kind: &Gvk, at: SystemTime) {
        let why = CallError::new(Cause::Other, "the API server does not serve this kind");
        let status = self.statuses.of(kind);
        status.moved("", at);
        if status.state(State::Synced, Some(&why)) {
            self.queue.turn(kind, Change::Begin { kind: kind.clone() });
            self.queue.turn(kind, Change::Finish { kind: kind.clone(), resource_version: String::new(), at });
        } else {
            self.queue.observed(kind, String::new(), at);
        }
    }

    fn follow(&self, resource: Resource, bound: Option<Duration>, position: Option<String>, known: bool) -> KindTask {
        let kind = resource.kind.clone();
        let status = self.statuses.of(&kind);
        let bound = watch::channel(bound).0;
        let reflector = Reflector {
            scope: Scope::all(resource.clone()),
            link: self.link.subscribe(),
            shared: self.shared.clone(),
            bound: bound.subscribe(),
            sink: ShardSink { kind, queue: Arc::clone(&self.queue), status },
            position,
            known,
        };
        KindTask { task: self.runtime.spawn(reflector.run()).abort_handle(), bound, resource }
    }
}

/// Whether changes are few, and none of them takes over a list.
fn is_small(changes: &[Change]) -> bool {
    let size = |change: &Change| match change {
        Change::Put { object, .. } => Some(object.len()),
        Change::Delete { .. } | Change::Observed { .. } => Some(0),
        _ => None,
    };
    changes.len() <= SMALL.0 && changes.iter().map(size).sum::<Option<usize>>().is_some_and(|bytes| bytes <= SMALL.1)
}

/// No bound on age, for good.
pub(crate) fn unbounded() -> watch::Receiver<Option<Duration>> {
    static NONE: LazyLock<watch::Sender<Option<Duration>>> = LazyLock::new(|| watch::channel(None).0);
    NONE.subscribe()
}
