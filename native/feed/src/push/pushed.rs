//! A cluster whose agent speaks to us: the same face as a cluster that is dialled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fleetgate_core::wire::{self, SyncInventoryResponse, sync_inventory_response, write_result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tonic::Status;

use super::convert::{Senseless, kind_of, state_of, time_of};
use crate::change::{Change, State, Writer};
use crate::error::{CallError, Cause};
use crate::plan::WatchPlan;
use crate::status::{ClusterFeedStatus, KindFeedStatus, overall};
use crate::write::WriteRequest;

/// What is sent to an agent.
pub(crate) type Down = mpsc::Sender<Result<SyncInventoryResponse, Status>>;

/// A cluster whose agent speaks to us.
pub(crate) struct Pushed {
    pub(crate) name: String,
    pub(crate) writer: Arc<dyn Writer>,
    pub(crate) plan: watch::Sender<WatchPlan>,
    /// Counts streams: the newest is the cluster's, and those before it end.
    pub(crate) session: watch::Sender<u64>,
    inner: Mutex<Inner>,
}

struct Inner {
    down: Option<Down>,
    report: wire::FeedReport,
    uid: String,
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
            uid: String::new(),
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
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream begins; those before it end.
    pub(crate) fn begin(&self, uid: String, down: Down) -> u64 {
        let mut session = 0;
        self.session.send_modify(|number| {
            *number += 1;
            session = *number;
        });
        let mut inner = self.lock();
        inner.uid = uid;
        inner.down = Some(down);
        inner.writes.clear();
        session
    }

    /// A stream ended. If it was the newest, the view is stale from now on. Blocks.
    pub(crate) fn end(&self, session: u64, why: &str) {
        if *self.session.borrow() != session {
            return;
        }
        let mut inner = self.lock();
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
        let kinds: Vec<KindFeedStatus> = inner.report.kinds.iter().filter_map(|kind| kind_status(kind).ok()).collect();
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
            kinds,
        }
    }
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
