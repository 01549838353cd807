//! From a reflector into the queue of its cluster's shard.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, timeout_at};

use crate::change::{Change, Gvk, State};
use crate::error::{CallError, Cause};
use crate::queue::{Full, Queue};
use crate::reflector::{Overflow, Sink};
use crate::status::KindStatus;
use crate::wire::Object;

/// A watch that is not read is closed by the server; a list waits longer.
const EVENT_PATIENCE: Duration = Duration::from_secs(2);
const LIST_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct ShardSink {
    pub(crate) kind: Gvk,
    pub(crate) queue: Arc<Queue>,
    pub(crate) status: Arc<KindStatus>,
}

impl ShardSink {
    async fn offer(
        &self,
        patience: Duration,
        mut attempt: impl FnMut(&Queue) -> Result<(), Full> + Send,
    ) -> Result<(), Overflow> {
        if attempt(&self.queue).is_ok() {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        loop {
            let mut drained = pin!(self.queue.drained());
            drained.as_mut().enable();
            if attempt(&self.queue).is_ok() {
                return Ok(());
            }
            if timeout_at(deadline, drained).await.is_err() {
                self.queue.spill(&self.kind, "changes came faster than they could be kept");
                return Err(Overflow);
            }
        }
    }

    async fn changed(&self, object: &Object, change: Change) -> Result<(), Overflow> {
        let attempt =
            |queue: &Queue| queue.changed(&self.kind, (object.namespace.clone(), object.name.clone()), change.clone());
        self.offer(EVENT_PATIENCE, attempt).await?;
        self.status.moved(&object.resource_version, SystemTime::now());
        Ok(())
    }
}

impl Sink for ShardSink {
    fn begin(&mut self) {
        if self.status.is(State::Synced) {
            self.status.state(State::Stale, Some(&CallError::new(Cause::Other, "listing again")));
        }
        self.queue.turn(&self.kind, Change::Begin { kind: self.kind.clone() });
    }

    async fn listed(&mut self, object: Object) -> Result<(), Overflow> {
        self.offer(LIST_PATIENCE, |queue| queue.listed(&self.kind, object.json.clone())).await
    }

    async fn finish(&mut self, resource_version: &str, at: SystemTime) {
        let (kind, resource_version) = (self.kind.clone(), resource_version.to_owned());
        self.status.moved(&resource_version, at);
        self.status.state(State::Synced, None);
        self.queue.turn(&self.kind, Change::Finish { kind, resource_version, at });
    }

    fn abort(&mut self) {
        self.queue.turn(&self.kind, Change::Abort { kind: self.kind.clone() });
    }

    async fn put(&mut self, object: Object) -> Result<(), Overflow> {
        let change = Change::Put { kind: self.kind.clone(), object: object.json.clone() };
        self.changed(&object, change).await
    }

    async fn delete(&mut self, object: Object) -> Result<(), Overflow> {
        let change = Change::Delete {
            kind: self.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            resource_version: object.resource_version.clone(),
        };
        self.changed(&object, change).await
    }

    fn observed(&mut self, resource_version: &str, at: SystemTime) {
        self.status.moved(resource_version, at);
        self.queue.observed(&self.kind, resource_version.to_owned(), at);
    }

    async fn state(&mut self, state: State, why: Option<&CallError>) {
        if self.status.state(state, why) {
            let reason = why.map(ToString::to_string).unwrap_or_default();
            self.queue.turn(&self.kind, Change::State { kind: self.kind.clone(), state, reason });
        }
    }
}
