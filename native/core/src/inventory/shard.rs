//! One cluster's objects: one writer at a time, and readers that never wait for it.

mod draft;
mod shadow;
mod tuning;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::{Change, ClusterFacts, Shared, Snapshot, Unfit, Written};
use draft::{Draft, Writer};

/// Snapshots that are kept after the next one was published. They share what did not change.
const KEPT: usize = 64;

/// One cluster's objects.
#[derive(Debug)]
pub struct Shard {
    name: Arc<str>,
    shared: Arc<Shared>,
    current: ArcSwap<Snapshot>,
    writer: Mutex<Writer>,
    /// The last snapshots, the current one at the end.
    kept: Mutex<VecDeque<Arc<Snapshot>>>,
    /// Told of every snapshot.
    published: Condvar,
}

impl Shard {
    pub(super) fn new(name: &str, shared: Arc<Shared>) -> Self {
        let snapshot = Snapshot::first(name, &shared);
        Self::starting_with(snapshot, shared)
    }

    /// A shard that goes on from a snapshot.
    pub(super) fn starting_with(snapshot: Snapshot, shared: Arc<Shared>) -> Self {
        let name = snapshot.cluster().clone();
        let snapshot = Arc::new(snapshot);
        Self {
            name,
            shared,
            kept: Mutex::new([snapshot.clone()].into()),
            current: ArcSwap::new(snapshot),
            writer: Mutex::default(),
            published: Condvar::new(),
        }
    }

    /// The cluster's canonical name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The current snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// A snapshot of earlier, or the current one; none where it is not kept any more, or not there yet.
    pub(super) fn at(&self, revision: u64) -> Option<Arc<Snapshot>> {
        self.kept().iter().find(|one| one.number() == revision).cloned()
    }

    /// Waits until the snapshot is of that revision or later; says whether it is.
    pub(super) fn wait(&self, revision: u64, until: Instant) -> bool {
        if self.current.load().number() >= revision {
            return true;
        }
        let is_earlier = |_: &mut VecDeque<Arc<Snapshot>>| self.current.load().number() < revision;
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.published.wait_timeout_while(self.kept(), left, is_earlier);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Snapshot>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the cluster besides its objects, from now on.
    pub fn describe(&self, facts: ClusterFacts) {
        let _turn = self.turn();
        let before = self.snapshot();
        if *before.facts() != facts {
            self.publish(before.described(facts));
        }
    }

    /// Makes changes in order and publishes one snapshot with all of them.
    ///
    /// A change that cannot be made is left out and reported; the others count. Of an object's versions the one with the
    /// highest resourceVersion stays, so that a change that comes late or twice does no harm. Secrets are refused, whatever
    /// asks for them.
    pub fn write(&self, changes: impl IntoIterator<Item = Change>) -> Written {
        let mut writer = self.turn();
        let before = self.snapshot();
        let mut draft = Draft::new(&before, &mut writer, &self.shared);
        let mut refused = Vec::new();
        for (index, change) in changes.into_iter().enumerate() {
            if let Err(message) = draft.make(change) {
                refused.push(Unfit { index, message });
            }
        }
        let Some(after) = draft.finish() else { return Written { revision: before.number(), refused } };
        let revision = after.number();
        self.publish(after);
        Written { revision, refused }
    }

    /// Takes the place of all kinds that were handed over before with objects that somebody hands over now.
    pub(super) fn give<'a>(&self, objects: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, Unfit> {
        let mut writer = self.turn();
        let before = self.snapshot();
        let after = draft::given(&before, &mut writer, objects)?;
        let number = after.number();
        self.publish(after);
        Ok(number)
    }

    fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let mut kept = self.kept();
        self.current.store(snapshot.clone());
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(snapshot.clone());
        drop(kept);
        self.published.notify_all();
        self.shared.published(&snapshot);
    }

    /// What this holds is a help for the next write and no truth of its own, so a panic leaves nothing behind.
    fn turn(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            self.writer.clear_poison();
            let mut writer = PoisonError::into_inner(poisoned);
            *writer = Writer::default();
            writer
        })
    }
}
