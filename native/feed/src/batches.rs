//! When changes are written, and where.
//!
//! Packing objects takes time, so it is done on threads for blocking work. To wake one for each of the small batches of many
//! clusters costs more than what most of them hold: those that are due together are written one after another on one.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetgate_core::background;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

/// How long changes are gathered at most before they are written: a batch is one snapshot, which costs more than what is in it.
const LONGEST: Duration = Duration::from_millis(50);
/// Batches are due together in steps of this.
const STEP: Duration = Duration::from_millis(10);
/// A small batch may have to wait all the same, for one: its cluster's views are being made. Others wait no longer than this.
const SLOW: Duration = Duration::from_millis(10);
/// Threads that write small batches: one unless some wait.
const MAX_RUNNERS: usize = 16;

/// The batches of all clusters.
#[derive(Debug)]
pub(crate) struct Batches {
    began: Instant,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    writes: VecDeque<Write>,
    /// What was written and not told yet; whoever takes a write next may get stuck.
    told: Vec<Told>,
    runners: usize,
    /// When a thread last took one.
    taken: Instant,
}

/// Writes a batch, and gives what tells so.
type Write = Box<dyn FnOnce() -> Told + Send>;
type Told = Box<dyn FnOnce() + Send>;

/// A write ended with a panic.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Batches {
    pub(crate) fn new() -> Arc<Self> {
        let waiting = Waiting { writes: VecDeque::new(), told: Vec::new(), runners: 0, taken: Instant::now() };
        Arc::new(Self { began: Instant::now(), waiting: Mutex::new(waiting) })
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

    /// Writes a batch that mostly takes a moment, after those of others that wait. They are told together: to tell one by one
    /// would wake their tasks one by one.
    pub(crate) async fn write_small<T: Send + 'static>(
        self: &Arc<Self>,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (sender, mut receiver) = oneshot::channel();
        let write: Write = Box::new(move || {
            let written = catch_unwind(AssertUnwindSafe(write)).map_err(|_| Panicked);
            // Who asked may have ended.
            Box::new(move || drop(sender.send(written)))
        });
        self.lock().writes.push_back(write);
        loop {
            if let Some(runner) = self.runner() {
                tokio::task::spawn_blocking(move || runner.run());
            }
            if let Ok(written) = timeout(SLOW, &mut receiver).await {
                return written.unwrap_or(Err(Panicked));
            }
        }
    }

    /// One who has to start to write: nobody does, or those who do got stuck.
    fn runner(self: &Arc<Self>) -> Option<Runner> {
        let mut waiting = self.lock();
        let are_stuck = || waiting.taken.elapsed() >= SLOW && waiting.runners < MAX_RUNNERS;
        let is_needed = !waiting.writes.is_empty() || !waiting.told.is_empty();
        let starts = is_needed && (waiting.runners == 0 || are_stuck());
        waiting.runners += usize::from(starts);
        starts.then(|| Runner(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes batches. It counts from its making on, and no longer once it is dropped, whether it ran or not.
struct Runner(Arc<Batches>);

impl Runner {
    fn run(&self) {
        // What another left untold who got stuck comes first.
        let mut since: Option<Instant> = None;
        loop {
            let mut waiting = self.0.lock();
            let write = waiting.writes.pop_front();
            waiting.taken = Instant::now();
            let is_due = write.is_none() || since.is_none_or(|since| since.elapsed() >= SLOW);
            let told = if is_due { std::mem::take(&mut waiting.told) } else { Vec::new() };
            drop(waiting);
            if is_due {
                told.into_iter().for_each(|tell| tell());
                since = Some(Instant::now());
            }
            let Some(write) = write else { return };
            let tell = write();
            background::let_pass();
            self.0.lock().told.push(tell);
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.0.lock().runners -= 1;
    }
}

/// When a batch is due that begins now, both since a common beginning.
fn due(now: Duration) -> Duration {
    let (longest, step) = (now + LONGEST, STEP.as_millis());
    let steps = longest.as_millis() / step;
    Duration::from_millis(u64::try_from(steps * step).unwrap_or(u64::MAX))
}

impl fmt::Debug for Waiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, runners, .. } = self;
        out.debug_struct("Waiting").field("writes", &writes.len()).field("runners", runners).finish_non_exhaustive()
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
        assert!(batches.lock().writes.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_gets_stuck_holds_up_no_other() {
        let batches = Batches::new();
        let (free, stuck) = std::sync::mpsc::channel::<()>();
        let slow = tokio::spawn({
            let batches = Arc::clone(&batches);
            async move { batches.write_small(move || stuck.recv().is_ok()).await.ok() }
        });
        while batches.lock().runners == 0 || !batches.lock().writes.is_empty() {
            tokio::task::yield_now().await;
        }
        let others = (0..100).map(|number| {
            let batches = Arc::clone(&batches);
            tokio::spawn(async move { batches.write_small(move || number).await.ok() })
        });
        for (number, other) in others.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(other.await.unwrap(), Some(number));
        }
        free.send(()).unwrap();
        assert_eq!(slow.await.unwrap(), Some(true));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_written_is_told_while_the_next_is_stuck() {
        let batches = Batches::new();
        let channels = [(); 2].map(|()| std::sync::mpsc::channel::<()>());
        let [(go, first), (free, stuck)] = channels;
        let waits = |until: std::sync::mpsc::Receiver<()>| {
            let batches = Arc::clone(&batches);
            tokio::spawn(async move { batches.write_small(move || until.recv().is_ok()).await.ok() })
        };
        let first = waits(first);
        while batches.lock().runners == 0 || !batches.lock().writes.is_empty() {
            tokio::task::yield_now().await;
        }
        // Both are taken by the thread that waits for the first, or the second by another.
        let stuck = waits(stuck);
        go.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Some(true));
        free.send(()).unwrap();
        assert_eq!(stuck.await.unwrap(), Some(true));
    }

    #[test]
    fn batches_are_due_together_and_in_time() {
        let of_millis = |now| due(Duration::from_millis(now)).as_millis();
        assert_eq!([0, 9, 10, 11, 1003].map(of_millis), [50, 50, 60, 60, 1050]);
        assert_eq!(of_millis(1 << 42), (1 << 42) + 46);
    }
}
