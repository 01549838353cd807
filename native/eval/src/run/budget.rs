//! What an evaluation may spend.

use std::time::{Duration, Instant};

use crate::error::{Error, Exhausted};

/// Steps between looks at the clock.
const CLOCK_INTERVAL: u64 = 256;

/// Bytes of the thread's stack that an evaluation may use. Threads have eight times as much, and a quarter of it is the
/// deepest that any policy was seen to need times a thousand.
const MAX_STACK: usize = 1 << 20;

/// Budgets of one evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Steps, each entry of a collection that is gone through counted.
    pub steps: u64,
    /// Wall time.
    pub time: Duration,
    /// Entries of collections that are built.
    pub entries: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 50_000_000, time: Duration::from_secs(10), entries: 20_000_000 }
    }
}

/// What was spent.
#[derive(Debug)]
pub(super) struct Meter {
    budget: Budget,
    steps: u64,
    entries: u64,
    ends: Option<Instant>,
    /// An address near the top of the stack that the evaluation started with.
    stack: usize,
}

impl Meter {
    pub(super) fn start(budget: Budget) -> Self {
        Self { budget, steps: 0, entries: 0, ends: Instant::now().checked_add(budget.time), stack: stack_address() }
    }

    /// Counts one step.
    pub(super) fn step(&mut self) -> Result<(), Box<Error>> {
        self.steps += 1;
        if self.steps.is_multiple_of(CLOCK_INTERVAL) { self.look() } else { Ok(()) }
    }

    #[cold]
    fn look(&self) -> Result<(), Box<Error>> {
        if self.steps > self.budget.steps {
            return Err(Box::new(Error::exhausted(Exhausted::Steps(self.budget.steps))));
        }
        if self.ends.is_some_and(|ends| Instant::now() >= ends) {
            return Err(Box::new(Error::exhausted(Exhausted::Time(self.budget.time))));
        }
        Ok(())
    }

    /// Counts entries that are kept.
    pub(super) fn build(&mut self, entries: usize) -> Result<(), Box<Error>> {
        self.entries += entries as u64;
        if self.entries > self.budget.entries {
            return Err(Box::new(Error::exhausted(Exhausted::Memory)));
        }
        Ok(())
    }

    /// Checks that the stack has room for going deeper.
    pub(super) fn deeper(&self) -> Result<(), Box<Error>> {
        if self.stack.abs_diff(stack_address()) > MAX_STACK {
            return Err(Box::new(Error::exhausted(Exhausted::Memory)));
        }
        Ok(())
    }
}

/// Where the stack stands: the address of a local variable. It is compared, never followed.
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}
