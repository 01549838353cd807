//! Reviews go first.
//!
//! A run works on as many threads as there are evaluation contexts, each with a context of its own, so that it never takes one
//! from a review. Its threads have a lower priority than those of reviews, and two rules leave the rest of the machine to them:
//! one thread in two or more stands aside while reviews arrive, and every thread stands aside for a moment, between two
//! objects, while reviews want all contexts.

use std::time::{Duration, Instant};

use crate::background;
use crate::evaluate::Pool;

/// Reviews arrive while the last one is no longer ago than this.
const ARRIVING: Duration = Duration::from_millis(250);

/// How long a thread stands aside between two objects at most: an audit gets on under any load.
const ASIDE: Duration = Duration::from_millis(2);

/// How long it sleeps before it looks again.
const LOOK: Duration = Duration::from_micros(200);

/// Makes the calling thread work when others do not. Where that is refused the rules below hold alone.
pub(super) fn lower_priority() {
    background::give_way(background::AUDIT);
}

/// Whether a thread of a run stands aside for now. The first one never does.
pub(super) fn stands_aside(pool: &Pool, thread: usize) -> bool {
    thread > 0 && thread + 1 >= pool.size() && pool.idle() < ARRIVING
}

/// Lets reviews pass that want all contexts.
pub(super) fn let_pass(pool: &Pool) {
    background::let_pass();
    if !pool.is_exhausted() {
        return;
    }
    let until = Instant::now() + ASIDE;
    while pool.is_exhausted() && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
}
