//! The pool of evaluation contexts: as many as there are cores. A call checks one out for as long as it evaluates, and waits
//! for it within its deadline.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::context::Context;

/// No context became free before the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// The contexts of an engine.
#[derive(Debug)]
pub struct Pool {
    state: Mutex<State>,
    returned: Condvar,
    size: usize,
    /// Contexts that are in use or waited for.
    wanted: AtomicUsize,
    /// When one was asked for last, in milliseconds since `started`.
    asked: AtomicU64,
    started: Instant,
}

#[derive(Debug)]
struct State {
    free: Vec<Context>,
    waiting: usize,
}

impl Pool {
    /// A pool of so many contexts; at least one.
    pub fn new(size: usize) -> Self {
        let size = size.max(1);
        let free = std::iter::repeat_with(Context::default).take(size).collect();
        Self {
            state: Mutex::new(State { free, waiting: 0 }),
            returned: Condvar::new(),
            size,
            wanted: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// Whether all contexts are in use or waited for.
    pub fn is_exhausted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) >= self.size
    }

    /// How long ago a context was asked for, to the millisecond.
    pub fn idle(&self) -> Duration {
        let asked = Duration::from_millis(self.asked.load(Ordering::Relaxed));
        if self.wanted.load(Ordering::Relaxed) > 0 {
            Duration::ZERO
        } else {
            self.started.elapsed().saturating_sub(asked)
        }
    }

    fn note_asked(&self) {
        let asked = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.asked.store(asked, Ordering::Relaxed);
    }

    /// Number of contexts.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Takes a context, the one that was used last first: its caches are warm.
    ///
    /// # Errors
    /// [`Busy`] where none was free before the deadline.
    pub fn check_out(&self, deadline: Instant) -> Result<Lease<'_>, Busy> {
        self.note_asked();
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let taken = self.take(deadline);
        if taken.is_err() {
            self.wanted.fetch_sub(1, Ordering::Relaxed);
        }
        taken
    }

    fn take(&self, deadline: Instant) -> Result<Lease<'_>, Busy> {
        let mut state = self.lock();
        // Who comes goes behind who waits: a batch, which gives back and takes at once, would starve the others.
        let mut may_take = state.waiting == 0;
        loop {
            if let Some(context) = state.free.pop_if(|_| may_take) {
                if state.waiting > 0 && !state.free.is_empty() {
                    self.returned.notify_one();
                }
                return Ok(Lease { pool: self, context });
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Err(Busy);
            }
            state.waiting += 1;
            state = self.returned.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
            may_take = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, context: Context) {
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        self.lock().free.push(context);
        self.returned.notify_one();
    }
}

/// A context in use; it goes back to the pool when this is dropped. A panic drops it too, with whatever state it left: the
/// context is then replaced by a fresh one.
#[derive(Debug)]
pub struct Lease<'a> {
    pool: &'a Pool,
    context: Context,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let context = std::mem::take(&mut self.context);
        self.pool.give_back(if std::thread::panicking() { Context::default() } else { context });
    }
}

impl Deref for Lease<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.context
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::evaluate::Within;

    #[test]
    fn a_context_is_used_by_one_at_a_time() {
        let pool = Pool::new(1);
        let lease = pool.check_out(Instant::now()).unwrap();
        assert_eq!(pool.check_out(Instant::now() + Duration::from_millis(5)).err(), Some(Busy));
        drop(lease);
        assert!(pool.check_out(Instant::now()).is_ok());
    }

    #[test]
    fn a_waiter_gets_the_context_that_comes_back() {
        let pool = Pool::new(1);
        let lease = pool.check_out(Instant::now()).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.check_out(Instant::now() + Duration::from_secs(30)).is_ok());
            drop(lease);
            assert!(waiter.join().unwrap());
        });
    }

    #[test]
    fn who_waits_is_served_before_who_comes_again() {
        let pool = Pool::new(1);
        let mut lease = pool.check_out(Instant::now()).unwrap();
        let served = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(pool.check_out(Instant::now() + Duration::from_secs(30)).unwrap());
                served.store(true, std::sync::atomic::Ordering::SeqCst);
            });
            while pool.lock().waiting == 0 {
                std::thread::yield_now();
            }
            drop(lease);
            lease = pool.check_out(Instant::now() + Duration::from_secs(30)).unwrap();
            // It had to wait for the other to give back, which is the last thing but one that the other does.
            let end = Instant::now() + Duration::from_secs(20);
            while !served.load(std::sync::atomic::Ordering::SeqCst) && Instant::now() < end {
                std::thread::yield_now();
            }
            assert!(served.load(std::sync::atomic::Ordering::SeqCst));
            drop(lease);
        });
    }

    #[test]
    fn a_panic_leaves_the_pool_whole() {
        let pool = Pool::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut lease = pool.check_out(Instant::now()).unwrap();
            lease.enter(Within { cluster: None, set: 7, templates: 1, constraints: 1 });
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(panicked.is_err());
        assert_eq!(pool.check_out(Instant::now()).unwrap().fleet_set(), None);
    }
}
