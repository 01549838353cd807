//! The queue between a cluster's feeds and its shard: bounded, and one entry per object however often it changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::change::{Change, Gvk, State};

/// What a queue holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) changes: usize,
    pub(crate) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { changes: 50_000, bytes: 64 << 20 }
    }
}

/// The queue is full: what was to be queued was not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The queue of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    bounds: Bounds,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    lanes: BTreeMap<Gvk, Lane>,
    changes: usize,
    bytes: usize,
}

/// Changes of one kind. Objects that changed since the last turning point are held by key: the newest state counts.
#[derive(Debug, Default)]
struct Lane {
    /// In order, up to the last turning point.
    sealed: Vec<Change>,
    /// With the place of each among all that came.
    open: HashMap<(String, String), (u64, Change)>,
    came: u64,
    observed: Option<(String, SystemTime)>,
}

impl Lane {
    fn seal(&mut self, kind: &Gvk) {
        // What is written of a batch is what came up to some moment, wherever the batch is cut.
        let mut open: Vec<_> = self.open.drain().map(|(_, change)| change).collect();
        open.sort_unstable_by_key(|(place, _)| *place);
        self.sealed.extend(open.into_iter().map(|(_, change)| change));
        if let Some((resource_version, at)) = self.observed.take() {
            self.sealed.push(Change::Observed { kind: kind.clone(), resource_version, at });
        }
    }
}

impl Queue {
    #[cfg(test)]
    pub(crate) fn with_bounds(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an object of a list.
    pub(crate) fn listed(&self, kind: &Gvk, object: Bytes) -> Result<(), Full> {
        let mut inner = self.lock();
        self.room(&inner, object.len())?;
        inner.count(object.len());
        let lane = inner.lane(kind);
        lane.seal(kind);
        lane.sealed.push(Change::Listed { kind: kind.clone(), object });
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Queues the newest state of an object, in place of an older one that still waits.
    pub(crate) fn changed(&self, kind: &Gvk, key: (String, String), change: Change) -> Result<(), Full> {
        let size = size_of(&change);
        let mut inner = self.lock();
        let replaced = inner.lane(kind).open.get(&key).map(|(_, change)| size_of(change));
        match replaced {
            Some(before) => inner.bytes = inner.bytes.saturating_sub(before) + size,
            None => {
                self.room(&inner, size)?;
                inner.count(size);
            }
        }
        let lane = inner.lane(kind);
        lane.came += 1;
        lane.open.insert(key, (lane.came, change));
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// Notes that everything up to here was queued. Never refused: it takes no room of its own.
    pub(crate) fn observed(&self, kind: &Gvk, resource_version: String, at: SystemTime) {
        self.lock().lane(kind).observed = Some((resource_version, at));
        self.filled.notify_one();
    }

    /// Queues a turning point: a list's begin, end or abort, a state. Never refused: there are few.
    pub(crate) fn turn(&self, kind: &Gvk, change: Change) {
        let mut inner = self.lock();
        inner.count(0);
        let lane = inner.lane(kind);
        lane.seal(kind);
        lane.sealed.push(change);
        drop(inner);
        self.filled.notify_one();
    }

    /// Drops what waits of a kind and says why: its view misses something from now on.
    pub(crate) fn spill(&self, kind: &Gvk, reason: &str) {
        let mut inner = self.lock();
        let Lane { sealed, open, .. } = inner.lanes.remove(kind).unwrap_or_default();
        let bytes: usize = sealed.iter().chain(open.values().map(|(_, change)| change)).map(size_of).sum();
        inner.bytes = inner.bytes.saturating_sub(bytes);
        inner.changes = inner.changes.saturating_sub(sealed.len() + open.len());
        let lane = inner.lane(kind);
        lane.sealed.push(Change::Abort { kind: kind.clone() });
        lane.sealed.push(Change::State { kind: kind.clone(), state: State::Stale, reason: reason.to_owned() });
        inner.changes += 2;
        drop(inner);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// Waits until something was taken out. Enable it before a refused attempt is repeated.
    pub(crate) fn drained(&self) -> tokio::sync::futures::Notified<'_> {
        self.drained.notified()
    }

    /// Waits until something is queued.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes everything out, each kind's changes in order.
    pub(crate) fn drain(&self) -> Vec<Change> {
        let mut inner = self.lock();
        let Inner { lanes, changes, .. } = std::mem::take(&mut *inner);
        drop(inner);
        self.drained.notify_waiters();
        let mut all = Vec::with_capacity(changes);
        for (kind, mut lane) in lanes {
            lane.seal(&kind);
            all.append(&mut lane.sealed);
        }
        all
    }

    fn room(&self, inner: &Inner, size: usize) -> Result<(), Full> {
        // One object always fits into an empty queue.
        let full = inner.changes >= self.bounds.changes || inner.bytes + size > self.bounds.bytes;
        if full && inner.changes > 0 { Err(Full) } else { Ok(()) }
    }
}

impl Inner {
    fn lane(&mut self, kind: &Gvk) -> &mut Lane {
        if !self.lanes.contains_key(kind) {
            self.lanes.insert(kind.clone(), Lane::default());
        }
        self.lanes.entry(kind.clone()).or_default()
    }

    const fn count(&mut self, size: usize) {
        self.changes += 1;
        self.bytes += size;
    }
}

fn size_of(change: &Change) -> usize {
    match change {
        Change::Put { object, .. } | Change::Listed { object, .. } => object.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::discovery::tests::gvk;

    fn key(name: &str) -> (String, String) {
        ("n".to_owned(), name.to_owned())
    }

    fn put(kind: &Gvk, object: &'static str) -> Change {
        Change::Put { kind: kind.clone(), object: Bytes::from_static(object.as_bytes()) }
    }

    fn delete(kind: &Gvk, name: &str) -> Change {
        Change::Delete { kind: kind.clone(), namespace: "n".into(), name: name.into(), resource_version: "9".into() }
    }

    #[test]
    fn the_newest_state_of_an_object_counts() {
        let (queue, pod) = (Queue::default(), gvk("", "v1", "Pod"));
        queue.changed(&pod, key("a"), put(&pod, "a1")).unwrap();
        queue.changed(&pod, key("b"), put(&pod, "b1")).unwrap();
        queue.changed(&pod, key("a"), put(&pod, "a2")).unwrap();
        queue.changed(&pod, key("b"), delete(&pod, "b")).unwrap();
        assert_eq!(queue.drain(), [put(&pod, "a2"), delete(&pod, "b")]);
        assert_eq!(queue.drain(), []);
    }

    #[test]
    fn changes_are_in_the_order_of_the_latest_of_each_object() {
        let (queue, pod) = (Queue::default(), gvk("", "v1", "Pod"));
        queue.changed(&pod, key("a"), put(&pod, "a at 100")).unwrap();
        queue.changed(&pod, key("b"), put(&pod, "b at 105")).unwrap();
        queue.changed(&pod, key("a"), put(&pod, "a at 110")).unwrap();
        assert_eq!(queue.drain(), [put(&pod, "b at 105"), put(&pod, "a at 110")]);
    }

    #[test]
    fn nothing_is_joined_across_a_turning_point() {
        let (queue, pod) = (Queue::default(), gvk("", "v1", "Pod"));
        let begin = Change::Begin { kind: pod.clone() };
        let at = SystemTime::UNIX_EPOCH;
        queue.changed(&pod, key("a"), put(&pod, "a1")).unwrap();
        queue.observed(&pod, "4".into(), at);
        queue.observed(&pod, "5".into(), at);
        queue.turn(&pod, begin.clone());
        queue.listed(&pod, Bytes::from_static(b"a2")).unwrap();
        queue.changed(&pod, key("a"), delete(&pod, "a")).unwrap();
        let observed = Change::Observed { kind: pod.clone(), resource_version: "5".into(), at };
        let listed = Change::Listed { kind: pod.clone(), object: Bytes::from_static(b"a2") };
        assert_eq!(queue.drain(), [put(&pod, "a1"), observed, begin, listed, delete(&pod, "a")]);
    }

    #[test]
    fn it_is_bounded_by_count_and_by_bytes() {
        let pod = gvk("", "v1", "Pod");
        let queue = Queue::with_bounds(Bounds { changes: 2, bytes: 1000 });
        queue.changed(&pod, key("a"), put(&pod, "a")).unwrap();
        queue.changed(&pod, key("b"), put(&pod, "b")).unwrap();
        assert_eq!(queue.changed(&pod, key("c"), put(&pod, "c")), Err(Full));
        assert_eq!(queue.listed(&pod, Bytes::from_static(b"c")), Err(Full));
        // What waits already may change, and turning points have room.
        queue.changed(&pod, key("a"), put(&pod, "a2")).unwrap();
        queue.turn(&pod, Change::Abort { kind: pod.clone() });
        queue.drain();
        queue.changed(&pod, key("c"), put(&pod, "c")).unwrap();

        let queue = Queue::with_bounds(Bounds { changes: 100, bytes: 5 });
        queue.changed(&pod, key("a"), put(&pod, "larger than the bound")).unwrap();
        assert_eq!(queue.changed(&pod, key("b"), put(&pod, "b")), Err(Full));
    }

    #[test]
    fn what_is_spilled_says_so_and_leaves_other_kinds_alone() {
        let (pod, node) = (gvk("", "v1", "Pod"), gvk("", "v1", "Node"));
        let queue = Queue::with_bounds(Bounds { changes: 2, bytes: 1000 });
        queue.changed(&pod, key("a"), put(&pod, "a")).unwrap();
        queue.changed(&node, key("b"), put(&node, "b")).unwrap();
        queue.spill(&pod, "too slow");
        let stale = Change::State { kind: pod.clone(), state: State::Stale, reason: "too slow".into() };
        assert_eq!(queue.drain(), [put(&node, "b"), Change::Abort { kind: pod.clone() }, stale]);
        assert!(queue.changed(&pod, key("a"), put(&pod, "a")).is_ok());
    }
}
