//! How much is made before anybody asks.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the views of all clusters, estimated, and how many may be made before anybody asks. Beyond that a decision makes
/// what it reads, and it stays for as long as decisions ask for it.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Ready {
    limit: usize,
    taken: AtomicUsize,
}

impl Ready {
    pub(in crate::inventory) fn new(limit: usize) -> Self {
        Self { limit, taken: AtomicUsize::new(0) }
    }

    /// Whether so many bytes may be made more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.taken.load(Ordering::Relaxed).saturating_add(bytes) <= self.limit
    }

    #[cfg(test)]
    pub(in crate::inventory) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// One cluster's views took `before` bytes and take `now`.
    pub(super) fn changes(&self, before: usize, now: usize) {
        self.taken.fetch_add(now, Ordering::Relaxed);
        self.taken.fetch_sub(before, Ordering::Relaxed);
    }
}
