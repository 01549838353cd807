//! The agent's writer: batches up, and no further ahead than the service acknowledges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fleetgate_core::wire::{ChangeBatch, SyncInventoryRequest, sync_inventory_request};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::convert::wire_change;
use crate::change::{Change, Gvk, Writer};

/// Batches that may be under way or not yet on the service's disk. What comes meanwhile is joined in the queue. The service's
/// pace holds us back long before: it reads a batch when the one before is in its view.
const WINDOW: u32 = 4096;
const BATCH_CHANGES: usize = 2000;
const BATCH_BYTES: usize = 2 << 20;

pub(crate) struct Remote {
    runtime: Handle,
    requests: mpsc::Sender<SyncInventoryRequest>,
    known: BTreeMap<Gvk, String>,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    window: Arc<Semaphore>,
}

impl Remote {
    pub(crate) fn new(
        runtime: Handle,
        requests: mpsc::Sender<SyncInventoryRequest>,
        known: BTreeMap<Gvk, String>,
    ) -> Self {
        let window = Arc::new(Semaphore::new(WINDOW as usize));
        Self { runtime, requests, known, sent: AtomicU64::new(0), acknowledged: AtomicU64::new(0), window }
    }

    /// The service has all batches up to this one on disk.
    pub(crate) fn acknowledge(&self, number: u64) {
        let number = number.min(self.sent.load(Ordering::Relaxed));
        let before = self.acknowledged.fetch_max(number, Ordering::Relaxed);
        self.window.add_permits(usize::try_from(number.saturating_sub(before)).unwrap_or_default());
    }

    /// Nothing is sent any more, and nobody waits.
    pub(crate) fn close(&self) {
        self.window.close();
    }

    fn send(&self, changes: Vec<Change>) -> Option<()> {
        self.runtime.block_on(self.window.acquire()).ok()?.forget();
        let number = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let changes = changes.into_iter().map(wire_change).collect();
        let batch = sync_inventory_request::Message::Batch(ChangeBatch { number, changes });
        self.requests.blocking_send(SyncInventoryRequest { message: Some(batch) }).ok()
    }
}

impl Writer for Remote {
    /// What the service refuses it reports itself; what a lost stream loses is read again by the next one's feed.
    fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for change in changes {
            let size = size_of(&change);
            if !batch.is_empty() && (batch.len() >= BATCH_CHANGES || bytes + size > BATCH_BYTES) {
                if self.send(std::mem::take(&mut batch)).is_none() {
                    return Vec::new();
                }
                bytes = 0;
            }
            bytes += size;
            batch.push(change);
        }
        if !batch.is_empty() {
            // A stream that is closed is noticed by whoever reads from it.
            let _: Option<()> = self.send(batch);
        }
        Vec::new()
    }

    fn position(&self, kind: &Gvk) -> Option<String> {
        self.known.get(kind).filter(|position| !position.is_empty()).cloned()
    }

    fn known(&self) -> Vec<Gvk> {
        self.known.keys().cloned().collect()
    }

    fn revision(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn durable(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    fn durable_positions(&self) -> BTreeMap<Gvk, String> {
        self.known.clone()
    }
}

const fn size_of(change: &Change) -> usize {
    match change {
        Change::Put { object, .. } | Change::Listed { object, .. } => object.len() + 64,
        _ => 64,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use bytes::Bytes;

    use super::*;
    use crate::discovery::tests::gvk;

    #[test]
    fn large_batches_are_cut_and_no_more_are_sent_than_acknowledged() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (requests, mut sent) = mpsc::channel(100);
        let remote = Arc::new(Remote::new(runtime.handle().clone(), requests, BTreeMap::new()));
        let object = Bytes::from(vec![b'x'; BATCH_BYTES / 2]);
        let changes: Vec<_> =
            (0..=WINDOW * 2 + 1).map(|_| Change::Put { kind: gvk("", "v1", "Pod"), object: object.clone() }).collect();
        let all = changes.len();
        let writer = std::thread::spawn({
            let remote = Arc::clone(&remote);
            move || remote.write(changes)
        });
        let mut number = 0;
        let mut next = |number: &mut u64| {
            let message = sent.blocking_recv().unwrap().message.unwrap();
            let sync_inventory_request::Message::Batch(batch) = message else { unreachable!() };
            *number += 1;
            assert_eq!((batch.number, batch.changes.len()), (*number, 1));
        };
        for _ in 0..WINDOW {
            next(&mut number);
        }
        assert_eq!(remote.window.available_permits(), 0);
        // Saying the same again opens the window no further, nor does what was never sent.
        remote.acknowledge(1);
        remote.acknowledge(1);
        next(&mut number);
        assert_eq!(remote.window.available_permits(), 0);
        while usize::try_from(number).unwrap() < all {
            remote.acknowledge(number);
            next(&mut number);
        }
        remote.acknowledge(u64::MAX);
        assert_eq!(remote.acknowledged.load(Ordering::Relaxed), number);
        assert_eq!(writer.join().unwrap(), []);
        remote.close();
        assert_eq!(remote.write(vec![Change::Abort { kind: gvk("", "v1", "Pod") }]), []);
    }
}
