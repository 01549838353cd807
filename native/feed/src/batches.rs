//! When changes are written, and where.
//!
//! Packing objects takes time, so it is done on threads for blocking work. To wake one for each of the small batches of many
//! clusters costs more than what most of them hold: those that are due together are written one after another on one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// How long changes are gathered at most before they are written: a batch is one snapshot, which costs more than what is in it.
const LONGEST: Duration = Duration::from_millis(50);
/// Batches are due together in steps of this.
const STEP: Duration = Duration::from_millis(10);

/// The batches of all clusters.
#[derive(Debug)]
pub(crate) struct Batches {
    began: Instant,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    writes: Vec<Write>,
    is_running: bool,
}

/// Writes a batch, and gives what tells so.
type Write = Box<dyn FnOnce() -> Told + Send>;
type Told = Box<dyn FnOnce() + Send>;

/// A write ended with a panic.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Batches {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), waiting: Mutex::default() })
    }

    /// Waits until the batch is due that begins now.
    pub(crate) async fn due(&self) {
        sleep_until(self.began + due(self.began.elapsed())).await;
    }

    /// Writes a batch by itself: it may take long.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        tokio::task::spawn_blocking(write).await.map_err(|_| Panicked)
    }

    /// Writes a batch that takes no longer than a moment, after those of others that wait. None of them is told before all
    /// are written: to tell one by one would wake their tasks one by one.
    pub(crate) async fn write_small<T: Send + 'static>(
        self: &Arc<Self>,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (sender, receiver) = oneshot::channel();
        let write: Write = Box::new(move || {
            let written = catch_unwind(AssertUnwindSafe(write)).map_err(|_| Panicked);
            // Who asked may have ended.
            Box::new(move || drop(sender.send(written)))
        });
        if self.waits(write) {
            let batches = Arc::clone(self);
            tokio::task::spawn_blocking(move || batches.run());
        }
        receiver.await.unwrap_or(Err(Panicked))
    }

    /// Whether somebody has to start to write.
    fn waits(&self, write: Write) -> bool {
        let mut waiting = self.lock();
        waiting.writes.push(write);
        !std::mem::replace(&mut waiting.is_running, true)
    }

    fn run(&self) {
        loop {
            let mut waiting = self.lock();
            let writes = std::mem::take(&mut waiting.writes);
            waiting.is_running = !writes.is_empty();
            drop(waiting);
            if writes.is_empty() {
                return;
            }
            let told: Vec<Told> = writes.into_iter().map(|write| write()).collect();
            told.into_iter().for_each(|tell| tell());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a batch is due that begins now, both since a common beginning.
fn due(now: Duration) -> Duration {
    let steps = (now + LONGEST).as_millis() / STEP.as_millis();
    STEP * u32::try_from(steps).unwrap_or(u32::MAX)
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Waiting").field("writes", &self.writes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_is_told_what_came_of_its_own() {
        let batches = Batches::new();
        let one = |number: usize| {
            let batches = Arc::clone(&batches);
            tokio::spawn(async move {
                let write = move || if number % 7 == 3 { panic!("as asked") } else { number };
                batches.write_small(write).await.ok()
            })
        };
        let all: Vec<_> = (0..100).map(one).collect();
        for (number, one) in all.into_iter().enumerate() {
            assert_eq!(one.await.unwrap(), (number % 7 != 3).then_some(number));
        }
        assert!(!batches.lock().is_running);
    }

    #[test]
    fn batches_are_due_together_and_in_time() {
        let of_millis = |now| due(Duration::from_millis(now)).as_millis();
        assert_eq!([0, 9, 10, 11, 1003].map(of_millis), [50, 50, 60, 60, 1050]);
    }
}
