//! A cluster whose agent speaks to us: the same face as a cluster that is dialled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fleetgate_core::wire::{
    self, ObjectWatchCommand, RelistCommand, SyncInventoryResponse, sync_inventory_response, write_result,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tonic::Status;

use super::convert::{Senseless, event_of, kind_of, state_of, time_of, wire_kind, wire_selector};
use crate::change::{Change, Gvk, State, Writer};
use crate::error::{CallError, Cause};
use crate::objects::{ObjectEvent, Selector};
use crate::plan::WatchPlan;
use crate::status::{ClusterFeedStatus, KindFeedStatus, overall};
use crate::write::WriteRequest;

/// What an agent told of a watch and nobody took yet. Beyond it the stream is begun anew.
const WAITING: usize = 1024;

/// What is sent to an agent.
pub(crate) type Down = mpsc::Sender<Result<SyncInventoryResponse, Status>>;

/// A cluster whose agent speaks to us.
pub(crate) struct Pushed {
    pub(crate) name: String,
    pub(crate) writer: Arc<dyn Writer>,
    pub(crate) plan: watch::Sender<WatchPlan>,
    /// Counts streams: the newest is the cluster's, and those before it end.
    pub(crate) session: watch::Sender<u64>,
    /// The stream that was welcomed last: from then on it may be told other things.
    pub(crate) welcomed: watch::Sender<u64>,
    /// Held while the view is written to: what a stream that was replaced still writes comes before its successor's.
    turn: Mutex<()>,
    /// Objects that are watched through the agent, by the watch's id.
    watches: Mutex<BTreeMap<u64, mpsc::Sender<Told>>>,
    inner: Mutex<Inner>,
}

/// What an agent told of a watch, and in which stream.
pub(crate) type Told = (u64, Vec<ObjectEvent>);

struct Inner {
    down: Option<Down>,
    report: wire::FeedReport,
    /// Why objects are not in the view, by kind.
    unkept: BTreeMap<Gvk, String>,
    uid: String,
    labels: BTreeMap<String, String>,
    last_watch: u64,
    since: SystemTime,
    state: State,
    last_write: u64,
    writes: BTreeMap<u64, oneshot::Sender<Result<Bytes, CallError>>>,
}

impl Pushed {
    pub(crate) fn new(name: &str, writer: Arc<dyn Writer>, plan: WatchPlan) -> Self {
        let inner = Inner {
            down: None,
            report: wire::FeedReport::default(),
            unkept: BTreeMap::new(),
            uid: String::new(),
            labels: BTreeMap::new(),
            last_watch: 0,
            since: SystemTime::now(),
            state: State::Pending,
            last_write: 0,
            writes: BTreeMap::new(),
        };
        Self {
            name: name.to_owned(),
            writer,
            plan: watch::channel(plan).0,
            session: watch::channel(0).0,
            welcomed: watch::channel(0).0,
            turn: Mutex::default(),
            watches: Mutex::default(),
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream begins; those before it end.
    pub(crate) fn begin(&self, uid: String, labels: BTreeMap<String, String>) -> u64 {
        let mut inner = self.lock();
        inner.uid = uid;
        inner.labels = labels.into_iter().filter(|(label, _)| !is_reserved(label)).collect();
        inner.down = None;
        inner.writes.clear();
        inner.unkept.clear();
        let mut session = 0;
        self.session.send_modify(|number| {
            *number += 1;
            session = *number;
        });
        session
    }

    /// A stream was welcomed, which an agent waits for before all else.
    pub(crate) fn welcome(&self, session: u64, down: Down) {
        let mut inner = self.lock();
        if *self.session.borrow() == session {
            inner.down = Some(down);
            self.welcomed.send_replace(session);
        }
    }

    /// Sends something to the agent, if one is there.
    async fn send(&self, message: sync_inventory_response::Message) -> Option<()> {
        let down = self.lock().down.clone()?;
        down.send(Ok(SyncInventoryResponse { message: Some(message) })).await.ok()
    }

    /// Sends something to the agent, if one is there; one that does not read is about to lose its stream.
    fn offer(&self, message: sync_inventory_response::Message) -> bool {
        let down = self.lock().down.clone();
        down.is_some_and(|down| down.try_send(Ok(SyncInventoryResponse { message: Some(message) })).is_ok())
    }

    /// Has kinds listed anew. An agent that is not there now lists them when it comes: it is not told that we know them.
    pub(crate) fn relist(&self, kinds: &[Gvk]) {
        let command = RelistCommand { kinds: kinds.iter().map(wire_kind).collect() };
        let _: bool = self.offer(sync_inventory_response::Message::Relist(command));
    }

    /// Takes in what is told of a new watch.
    pub(crate) fn open_watch(&self) -> (u64, mpsc::Receiver<Told>) {
        let (sender, told) = mpsc::channel(WAITING);
        let mut inner = self.lock();
        inner.last_watch += 1;
        self.watches().insert(inner.last_watch, sender);
        (inner.last_watch, told)
    }

    /// Says what a watch selects; nothing ends it. False if no agent is there.
    pub(crate) async fn select(&self, id: u64, selectors: &BTreeSet<Selector>) -> bool {
        let selectors = selectors.iter().cloned().map(wire_selector).collect();
        self.send(sync_inventory_response::Message::Watch(ObjectWatchCommand { id, selectors })).await.is_some()
    }

    pub(crate) fn close_watch(&self, id: u64) {
        self.watches().remove(&id);
        let end = ObjectWatchCommand { id, selectors: Vec::new() };
        // What it tells on is passed over.
        let _: bool = self.offer(sync_inventory_response::Message::Watch(end));
    }

    /// Passes on what an agent tells of a watch. False if nobody takes it: then the stream is to end, and all is told anew.
    pub(crate) fn told(&self, session: u64, events: wire::ObjectEvents) -> Result<bool, Senseless> {
        let Some(sender) = self.watches().get(&events.watch).cloned() else { return Ok(true) };
        let events = events.events.into_iter().map(event_of).collect::<Result<Vec<_>, _>>()?;
        Ok(!matches!(sender.try_send((session, events)), Err(mpsc::error::TrySendError::Full(_))))
    }

    fn watches(&self) -> MutexGuard<'_, BTreeMap<u64, mpsc::Sender<Told>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes changes of a stream, unless another took its place; gives what was refused. Blocks.
    pub(crate) fn write_of(&self, session: u64, changes: Vec<Change>) -> Option<Vec<(Gvk, String)>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever begins meanwhile does not wait for what is written.
        let is_newest = *self.session.borrow() == session;
        is_newest.then(|| self.writer.write(changes))
    }

    /// Ends the lists that a former stream left in the middle: this one may go on where they began. False where another took its
    /// place. Blocks.
    pub(crate) fn takes_over(&self, session: u64) -> bool {
        let aborts = self.writer.known().into_iter().map(|kind| Change::Abort { kind });
        self.write_of(session, aborts.collect()).is_some()
    }

    /// A stream ended. If it was the newest, the view is stale from now on. Blocks.
    pub(crate) fn end(&self, session: u64, why: &str) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.lock();
        // A stream that begins counts itself while it holds the same lock.
        if *self.session.borrow() != session {
            return;
        }
        inner.down = None;
        inner.writes.clear();
        why.clone_into(&mut inner.report.last_error);
        Cause::Unreachable.word().clone_into(&mut inner.report.reason);
        for kind in &mut inner.report.kinds {
            if kind.state == i32::from(wire::FeedState::Synced) {
                kind.state = wire::FeedState::Stale.into();
            }
        }
        drop(inner);
        let changes = self.writer.known().into_iter().flat_map(|kind| {
            let stale = Change::State { kind: kind.clone(), state: State::Stale, reason: why.to_owned() };
            [Change::Abort { kind }, stale]
        });
        self.writer.write(changes.collect());
    }

    /// Notes why objects are not in the view, until the agent begins anew.
    pub(crate) fn unkept(&self, refused: Vec<(Gvk, String)>) {
        self.lock().unkept.extend(refused);
    }

    /// Takes a report. One that says nothing is a sign of life.
    pub(crate) fn report(&self, report: wire::FeedReport) {
        if !report.kinds.is_empty() || !report.last_error.is_empty() {
            self.lock().report = report;
        }
    }

    pub(crate) fn written(&self, result: wire::WriteResult) {
        let waiting = self.lock().writes.remove(&result.id);
        let Some(waiting) = waiting else { return };
        let result = match result.result {
            Some(write_result::Result::Body(body)) => Ok(body),
            Some(write_result::Result::Failure(failure)) => Err(CallError {
                code: u16::try_from(failure.code).unwrap_or_default(),
                reason: failure.reason,
                ..CallError::new(Cause::of_word(&failure.cause), failure.message)
            }),
            None => Err(CallError::new(Cause::Other, "the agent's answer says nothing")),
        };
        // Whoever asked may have given up.
        drop(waiting.send(result));
    }

    pub(crate) async fn write(&self, request: &WriteRequest) -> Result<Bytes, CallError> {
        let away = || CallError::new(Cause::Unreachable, format!("the agent of {:?} is not connected", self.name));
        let (id, down, answer) = {
            let mut inner = self.lock();
            let down = inner.down.clone().ok_or_else(away)?;
            inner.last_write += 1;
            let id = inner.last_write;
            let (sender, answer) = oneshot::channel();
            inner.writes.insert(id, sender);
            (id, down, answer)
        };
        let command = wire::WriteCommand {
            id,
            verb: request.verb.name().to_owned(),
            object: request.object.clone(),
            field_manager: request.field_manager.clone(),
            path: request.path.clone(),
            limit: prost_types::Duration::try_from(request.limit).ok(),
        };
        let command = sync_inventory_response::Message::Write(command);
        // The agent keeps the time; what comes on top is the way there and back.
        let limit = request.limit + Duration::from_secs(1);
        let asked = async {
            down.send(Ok(SyncInventoryResponse { message: Some(command) })).await.map_err(|_| away())?;
            answer.await.map_err(|_| away())?
        };
        let result = timeout(limit, asked).await;
        self.lock().writes.remove(&id);
        result.unwrap_or_else(|_| Err(CallError::timeout("the agent", limit)))
    }

    pub(crate) fn status(&self) -> ClusterFeedStatus {
        let mut inner = self.lock();
        let mut kinds: Vec<KindFeedStatus> =
            inner.report.kinds.iter().filter_map(|kind| kind_status(kind).ok()).collect();
        for kind in kinds.iter_mut().filter(|kind| kind.last_error.is_empty()) {
            inner.unkept.get(&kind.kind).unwrap_or(&String::new()).clone_into(&mut kind.last_error);
        }
        let state = overall(&kinds, inner.down.is_none());
        if inner.state != state {
            inner.state = state;
            inner.since = SystemTime::now();
        }
        ClusterFeedStatus {
            cluster: self.name.clone(),
            state,
            since: inner.since,
            last_error: inner.report.last_error.clone(),
            reason: if inner.report.reason.is_empty() { "" } else { Cause::of_word(&inner.report.reason).word() },
            pushed: true,
            uid: inner.uid.clone(),
            labels: inner.labels.clone(),
            connected: inner.down.is_some(),
            kinds,
        }
    }
}

/// Labels that decide what a cluster may see of others are not for its agent to choose.
fn is_reserved(label: &str) -> bool {
    label.split_once('/').is_some_and(|(prefix, _)| prefix == "fleetgate.dev" || prefix.ends_with(".fleetgate.dev"))
}

fn kind_status(kind: &wire::KindReport) -> Result<KindFeedStatus, Senseless> {
    Ok(KindFeedStatus {
        kind: kind_of(kind.kind.clone())?,
        state: state_of(kind.state)?,
        resource_version: kind.resource_version.clone(),
        observed_at: kind.observed_at.map(|at| time_of(Some(at))).transpose()?,
        last_error: kind.last_error.clone(),
        not_audited: kind.not_audited.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Writes when it is let.
    struct Gated(Mutex<std::sync::mpsc::Receiver<()>>, Mutex<Vec<Change>>);

    impl Writer for Gated {
        fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)> {
            self.0.lock().unwrap().recv().unwrap();
            self.1.lock().unwrap().extend(changes);
            Vec::new()
        }

        fn position(&self, _: &Gvk) -> Option<String> {
            None
        }

        fn known(&self) -> Vec<Gvk> {
            vec![crate::discovery::tests::gvk("", "v1", "Pod")]
        }

        fn revision(&self) -> u64 {
            0
        }

        fn durable(&self) -> u64 {
            0
        }

        fn durable_positions(&self) -> BTreeMap<Gvk, String> {
            BTreeMap::new()
        }
    }

    #[test]
    fn a_stream_begins_while_its_predecessor_writes_and_has_the_last_word() {
        let (go, gate) = std::sync::mpsc::channel();
        let writer = Arc::new(Gated(Mutex::new(gate), Mutex::default()));
        let pushed = Pushed::new("c", Arc::clone(&writer) as Arc<dyn Writer>, WatchPlan::default());
        let kind = crate::discovery::tests::gvk("", "v1", "Pod");
        let first = pushed.begin("u".to_owned(), BTreeMap::new());
        std::thread::scope(|scope| {
            let begin = vec![Change::Begin { kind: kind.clone() }];
            let written = scope.spawn(|| pushed.write_of(first, begin));
            while pushed.turn.try_lock().is_ok() {
                std::thread::yield_now();
            }
            // This would wait for ever if it had to wait for what is written.
            let second = pushed.begin("u".to_owned(), BTreeMap::new());
            let pushed = &pushed;
            let taken_over = scope.spawn(move || pushed.takes_over(second));
            go.send(()).unwrap();
            go.send(()).unwrap();
            assert!(written.join().unwrap().is_some());
            assert!(taken_over.join().unwrap());
            // What the first one still has to say comes too late.
            assert_eq!(pushed.write_of(first, vec![Change::Begin { kind: kind.clone() }]), None);
            pushed.end(first, "it ended");
        });
        assert_eq!(*writer.1.lock().unwrap(), [Change::Begin { kind: kind.clone() }, Change::Abort { kind }]);
    }
}
