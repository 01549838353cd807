//! The threads of a run: which task each takes next, when they stop, and who says what came of it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::courtesy;
use super::queue::Queue;
use crate::decide::{CallError, Caller, Engine, STACK_BYTES};
use crate::evaluate::Pool;

/// Progress is said as often as this.
pub(super) const PROGRESS: Duration = Duration::from_millis(500);

/// How long a thread that stands aside sleeps before it looks again.
const ASIDE: Duration = Duration::from_millis(20);

/// A run in progress. It goes on until it is read to its end, cancelled or dropped.
#[derive(Debug)]
pub struct AuditRun {
    queue: Arc<Queue>,
    /// The caller's deadline has passed.
    missed: Arc<AtomicBool>,
}

impl AuditRun {
    /// Encoded messages, in order. Waits for the first one until `deadline`; none came in time, or none will come any more
    /// (see [`Self::is_finished`]).
    ///
    /// # Errors
    /// [`CallError::DeadlineExceeded`] once what was found before the caller's deadline was taken.
    pub fn take(&self, deadline: Instant) -> Result<Vec<Vec<u8>>, CallError> {
        let messages = self.queue.take(deadline);
        if messages.is_empty() && self.missed.load(Ordering::Acquire) && self.queue.is_finished() {
            return Err(CallError::DeadlineExceeded);
        }
        Ok(messages)
    }

    /// Whether the last message was taken.
    pub fn is_finished(&self) -> bool {
        self.queue.is_finished()
    }

    /// Ends the run: no message comes any more, and no summary.
    pub fn cancel(&self) {
        self.queue.close();
    }
}

impl Drop for AuditRun {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// What the threads of a run have in common, whatever they do.
pub(super) struct Crew {
    /// Tasks have the numbers below.
    tasks: usize,
    threads: usize,
    deadline: Option<Instant>,
    started: Instant,
    /// The task that is taken next.
    next: AtomicUsize,
    /// Threads that have not left.
    running: AtomicUsize,
    queue: Arc<Queue>,
    missed: Arc<AtomicBool>,
}

/// What the threads of a run do.
pub(super) trait Work: Send + Sync + 'static {
    /// What the threads are called.
    const NAME: &'static str;

    fn crew(&self) -> &Crew;

    /// Does tasks for as long as [`Crew::next_task`] gives some.
    fn run(&self, thread: usize);

    /// Hands over what came of it all: once, after everything was done.
    fn finish(&self);
}

impl Crew {
    pub(super) fn new(engine: &Engine, tasks: usize, caller: &Caller<'_>) -> Self {
        let threads = engine.pool.size().min(tasks).max(1);
        Self {
            tasks,
            threads,
            deadline: caller.deadline,
            started: Instant::now(),
            next: AtomicUsize::new(0),
            running: AtomicUsize::new(threads),
            queue: Arc::default(),
            missed: Arc::default(),
        }
    }

    /// The next task for a thread, which stands aside while it has to; none where no more is to be done.
    pub(super) fn next_task(&self, pool: &Pool, thread: usize) -> Option<usize> {
        while self.goes_on() {
            if !courtesy::stands_aside(pool, thread) {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                return (number < self.tasks).then_some(number);
            }
            if self.next.load(Ordering::Relaxed) >= self.tasks {
                return None;
            }
            std::thread::sleep(ASIDE);
        }
        None
    }

    /// Whether the run is still wanted.
    pub(super) fn goes_on(&self) -> bool {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.missed.store(true, Ordering::Release);
        }
        !self.missed.load(Ordering::Acquire) && !self.queue.is_closed()
    }

    /// Hands over a message, which a slow reader makes wait. Gives false where nobody reads any more.
    pub(super) fn push(&self, message: Vec<u8>) -> bool {
        self.queue.push(message)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Starts the threads.
pub(super) fn start<W: Work>(work: W) -> Result<AuditRun, CallError> {
    let work = Arc::new(work);
    for thread in 0..work.crew().threads {
        let own = work.clone();
        let member = move || {
            let leaving = Leaving(&*own);
            courtesy::lower_priority();
            own.run(thread);
            drop(leaving);
        };
        let builder = std::thread::Builder::new().name(W::NAME.to_owned()).stack_size(STACK_BYTES);
        if builder.spawn(member).is_err() {
            // A run with fewer threads is a run; without any there is none.
            if thread == 0 {
                return Err(CallError::Overloaded { retry_after: Duration::from_secs(1) });
            }
            leave(&*work);
        }
    }
    let crew = work.crew();
    Ok(AuditRun { queue: crew.queue.clone(), missed: crew.missed.clone() })
}

/// A thread that leaves, whatever makes it leave. After a panic the run has no summary, by which the reader sees that it was
/// cut off.
struct Leaving<'a, W: Work>(&'a W);

impl<W: Work> Drop for Leaving<'_, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.crew().queue.close();
        }
        leave(self.0);
    }
}

/// The last thread that leaves says what came of it all.
fn leave(work: &impl Work) {
    let crew = work.crew();
    if crew.running.fetch_sub(1, Ordering::AcqRel) > 1 {
        return;
    }
    if crew.goes_on() {
        work.finish();
    }
    crew.queue.end();
}
