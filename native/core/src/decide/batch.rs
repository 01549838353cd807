//! Many reviews in one call, on one generation.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use prost::Message;

use super::{CallError, Caller, Decision, Engine, Pinned};
use crate::clock;
use crate::policy::Generation;
use crate::wire::{self, batch_review_item::Result as Item};

/// Reviews in a batch.
const MAX_ITEMS: usize = 1_000;

/// Bytes of a batch.
const MAX_BYTES: usize = 8 << 20;

/// A second context is worth a thread from this many items on.
const ITEMS_PER_THREAD: usize = 16;

/// As much as the threads of a server have: evaluation nests as deep on them.
pub(crate) const STACK_BYTES: usize = 8 << 20;

/// The answers of a batch.
#[derive(Debug, Clone, Default)]
pub struct BatchDecision {
    /// The encoded `fleetgate.v1.BatchReviewResponse`.
    pub response: Vec<u8>,
    /// The decisions that were made, in order.
    pub items: Vec<Decision>,
    /// CPU time of all threads that worked on it.
    pub cpu: Duration,
}

type Answered = (usize, Item, Option<Decision>);

impl Engine {
    /// Decides an encoded `fleetgate.v1.BatchReviewRequest`. An item that cannot be decided has a status of its own.
    ///
    /// Items are spread over threads, and each takes a context for itself: a batch never keeps one from a single review
    /// for longer than an item takes.
    ///
    /// # Errors
    /// [`CallError`] for the batch as a whole.
    pub fn batch_review(&self, request: &[u8], caller: &Caller<'_>) -> Result<BatchDecision, CallError> {
        let started = Instant::now();
        let cpu = clock::thread_cpu();
        if request.len() > MAX_BYTES {
            return Err(too_large(
                "bytes",
                format!("a batch of {} bytes; at most {MAX_BYTES} are taken", request.len()),
            ));
        }
        let batch = wire::BatchReviewRequest::decode(request).map_err(|error| CallError::undecodable(&error))?;
        let count = batch.requests.len();
        if count > MAX_ITEMS {
            return Err(too_large("items", format!("a batch of {count} reviews; at most {MAX_ITEMS} are taken")));
        }
        caller.check_deadline()?;
        let generation = self.policies.current();
        drop(self.context(caller, started)?);
        let next = AtomicUsize::new(0);
        let work = || self.answer_items(&batch.requests, &next, &generation, caller);
        let mut helpers_cpu = Duration::ZERO;
        let mut answered = std::thread::scope(|scope| {
            let more = (count / ITEMS_PER_THREAD).min(self.pool.size() - 1);
            let timed = || (work(), clock::thread_cpu());
            let thread = || std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, timed).ok();
            let helpers: Vec<_> = (0..more).map_while(|_| thread()).collect();
            let mut answered = work();
            for helper in helpers {
                match helper.join() {
                    Ok((more, cpu)) => {
                        answered.extend(more);
                        helpers_cpu += cpu;
                    }
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            answered
        });
        answered.sort_by_key(|(index, ..)| *index);
        let mut decision = BatchDecision::default();
        let mut response = wire::BatchReviewResponse { items: Vec::with_capacity(count) };
        for (_, item, made) in answered {
            response.items.push(wire::BatchReviewItem { result: Some(item) });
            decision.items.extend(made);
        }
        decision.response = response.encode_to_vec();
        decision.cpu = clock::thread_cpu().saturating_sub(cpu) + helpers_cpu;
        Ok(decision)
    }

    /// Takes items until none is left.
    fn answer_items(
        &self,
        requests: &[wire::ReviewRequest],
        next: &AtomicUsize,
        generation: &Generation,
        caller: &Caller<'_>,
    ) -> Vec<Answered> {
        let mut answered = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(index) else { return answered };
            let cpu = clock::thread_cpu();
            let started = Instant::now();
            let decided = self.wait_for(request, caller, started).and_then(|earlier| {
                let mut context = self.context(caller, started)?;
                let pinned = earlier.map_or(Pinned::Current, Pinned::Earlier);
                self.decide(request, generation, &mut context, caller, started, pinned)
            });
            answered.push(match decided {
                Ok((response, mut decision)) => {
                    decision.cpu = clock::thread_cpu().saturating_sub(cpu);
                    (index, Item::Response(response), Some(decision))
                }
                Err(error) => (index, Item::Status(error.status()), None),
            });
        }
    }
}

fn too_large(limit: &'static str, message: String) -> CallError {
    CallError::TooLarge { limit, message }
}
