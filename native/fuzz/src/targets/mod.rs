//! What is fuzzed, and the laws that hold whatever comes in.
//!
//! Each target is a function of bytes that panics where a law is broken. The fuzzers call it, and so does the core's test
//! `corpus`, which includes this file and replays what fuzzing has found.
//!
//! The separator `\x1e` divides one input into parts.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a law that is broken ends the run"
)]

pub mod decision;
pub mod front_end;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleetgate_core::compatibility::Compatibility;
use fleetgate_core::decide::{CrossCheck, Engine, Limits};
use fleetgate_core::evaluate::{Pool, rego::RegoDriver};
use fleetgate_core::inventory::Inventories;
use fleetgate_core::policy::Policies;
use rustix::time::{ClockId, clock_gettime};

/// Reading a template may take so much of the thread's CPU time, and so may an answer.
const MAX_CPU: Duration = Duration::from_secs(2);

/// An engine without policies, with the product's own limits but less time.
fn engine() -> Engine {
    Engine {
        policies: Policies::new(Arc::new(RegoDriver::default())),
        inventories: Inventories::default(),
        pool: Pool::new(1),
        limits: Limits {
            constraint_instructions: Limits::DEFAULT_INSTRUCTIONS,
            constraint_time: Duration::from_millis(100),
            review_time: Duration::from_millis(500),
        },
        compatibility: Compatibility::default(),
        cross_check: CrossCheck::default(),
    }
}

/// What `work` gives; panics where it took too long.
///
/// CPU time counts: a busy machine makes nothing slow.
fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = thread_cpu();
    let made = work();
    let took = thread_cpu().saturating_sub(started);
    assert!(took <= MAX_CPU, "{what} took {took:?} of CPU time");
    made
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// The repository's files: every crate that includes these targets stands in `native/`. What was compiled in is of another
/// checkout where several have one target directory.
fn repository() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(package).join("../..")
}

/// The parts of one input.
fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == 0x1e)
}
