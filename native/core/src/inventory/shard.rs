//! One cluster's objects: one writer at a time, and readers that wait for no write.

mod draft;
mod shadow;
mod tuning;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use super::{Change, ClusterFacts, Kind, Shared, Snapshot, Unfit, Written};
use crate::background;
use draft::{Draft, Writer};

/// Snapshots that are kept for those who ask for a certain one.
const MAX_RECENT: usize = 64;

/// One cluster's objects.
#[derive(Debug)]
pub struct Shard {
    name: Arc<str>,
    shared: Arc<Shared>,
    /// Held for a moment only. An `ArcSwap` looks through what every thread of the process holds whenever it is stored to.
    current: RwLock<Arc<Snapshot>>,
    writer: Mutex<Writer>,
    /// The last snapshots, the current one included, for those who ask for a certain one.
    recent: Mutex<VecDeque<Arc<Snapshot>>>,
    /// Somebody may wait for what was published.
    published: Condvar,
    /// It was removed, and what is published in it is nobody's.
    has_ended: AtomicBool,
}

impl Shard {
    pub(super) fn new(name: &str, shared: Arc<Shared>) -> Self {
        let snapshot = Snapshot::first(name, &shared);
        Self::starting_with(snapshot, shared)
    }

    /// A shard that goes on from a snapshot.
    pub(super) fn starting_with(snapshot: Snapshot, shared: Arc<Shared>) -> Self {
        let name = snapshot.cluster().clone();
        Self {
            name,
            shared,
            current: RwLock::new(Arc::new(snapshot)),
            writer: Mutex::default(),
            recent: Mutex::default(),
            published: Condvar::new(),
            has_ended: AtomicBool::new(false),
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
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The snapshot of a number, where it is one of the last 64.
    #[must_use]
    pub fn at(&self, revision: u64) -> Option<Arc<Snapshot>> {
        let current = self.snapshot();
        if current.number() == revision {
            return Some(current);
        }
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|one| one.number() == revision).cloned()
    }

    /// Waits for a snapshot of this number or a later one. Gives whether it came in time.
    #[must_use]
    pub fn wait(&self, revision: u64, deadline: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while self.snapshot().number() < revision {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            recent = self.published.wait_timeout(recent, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Whether a kind has to be listed anew: something was left out of its objects that programs can read now.
    #[must_use]
    pub fn is_lacking(&self, kind: &Kind) -> bool {
        self.shared.is_lacking(&self.snapshot(), kind)
    }

    /// The snapshot that a restart finds, or the current one where inventories are kept in memory alone.
    #[must_use]
    pub fn settled(&self) -> Arc<Snapshot> {
        let Some(persister) = self.shared.persister.get() else { return self.snapshot() };
        persister.durable(&self.name).unwrap_or_else(|| Arc::new(Snapshot::first(&self.name, &self.shared)))
    }

    /// What is known of the cluster besides its objects, from now on.
    pub fn describe(&self, facts: ClusterFacts) {
        let _turn = self.turn();
        let before = self.snapshot();
        if *before.facts() != facts {
            self.publish(&before, before.described(facts));
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
            background::let_pass();
            if let Err(message) = draft.make(change) {
                refused.push(Unfit { index, message });
            }
        }
        let Some(after) = draft.finish() else { return Written { revision: before.number(), refused } };
        let revision = after.number();
        self.publish(&before, after);
        Written { revision, refused }
    }

    /// Takes the place of all kinds that were handed over before with objects that somebody hands over now.
    pub(super) fn give<'a>(&self, objects: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, Unfit> {
        let mut writer = self.turn();
        let before = self.snapshot();
        let after = draft::given(&before, &mut writer, objects)?;
        let number = after.number();
        self.publish(&before, after);
        Ok(number)
    }

    /// Makes the views of the current snapshot that programs read from now on, without what they do not read any more.
    pub(super) fn ready(&self) {
        let _turn = self.turn();
        let snapshot = self.snapshot();
        let wanted = self.shared.demanded(&snapshot, snapshot.shared_kinds());
        let prepared = snapshot.views.prepare(wanted, true);
        snapshot.views.install(&snapshot, prepared);
    }

    /// What programs read of a kind depends on the kind and on the cluster's labels; where both are as they were, nothing of its
    /// view has to be made.
    fn publish(&self, before: &Snapshot, mut snapshot: Snapshot) {
        let is_other = |kind: &&Arc<Kind>| !snapshot.shares(before, kind);
        let wanted = self.shared.demanded(&snapshot, snapshot.shared_kinds().filter(is_other));
        let prepared = snapshot.views.prepare(wanted, false);
        for (kind, seen) in prepared.seen() {
            if let Some(known) = snapshot.kind_mut(kind) {
                known.seen = Some(seen);
            }
        }
        let snapshot = Arc::new(snapshot);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot.clone();
        if recent.len() >= MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back(snapshot.clone());
        drop(recent);
        self.published.notify_all();
        snapshot.views.install(&snapshot, prepared);
        if !self.has_ended.load(Ordering::Acquire) {
            self.shared.published(&snapshot);
        }
    }

    /// Nothing that is published from now on is kept.
    pub(super) fn end(&self) {
        let _turn = self.turn();
        self.has_ended.store(true, Ordering::Release);
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
