//! The threads of a what-if: they take slices of existing objects, or objects that would be written, and hand over what
//! differs as they find it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::Message as _;
use prost::bytes::Bytes;

use super::compare::{Found, Saying, Which};
use super::counts::Counts;
use super::written::{self, Written};
use crate::audit::plan::{ClusterPlan, Place, Plan};
use crate::audit::queue::Queue;
use crate::audit::scope::Scope;
use crate::audit::summary::{Tally, cluster_audit};
use crate::audit::{AuditRun, courtesy, findings};
use crate::decide::{Auditor, Both, CallError, Caller, Comparer, Engine, Pinned, unique_id};
use crate::evaluate::Context;
use crate::inventory::{duration, kind_name};
use crate::json;
use crate::policy::Generation;
use crate::report;
use crate::wire::{self, audit_error, what_if_response::Message};

/// Progress is said as often as this.
const PROGRESS: Duration = Duration::from_millis(500);

/// Findings of a message at most, and objects that would be written that one thread takes at a time.
const BATCH: usize = 200;
const WRITTEN: usize = 16;

/// How long a thread that stands aside sleeps before it looks again.
const ASIDE: Duration = Duration::from_millis(20);

/// As much as the threads of a server have: evaluation nests as deep on them.
const STACK_BYTES: usize = 8 << 20;

/// What is asked.
pub(super) struct Question {
    pub(super) scope: Scope,
    /// The policies that are proposed; none where only objects are asked about.
    pub(super) after: Option<Arc<Generation>>,
    /// Objects that would be written; where there are some, existing ones are not looked at.
    pub(super) objects: Vec<Bytes>,
    pub(super) unchanged: bool,
}

/// Starts the threads.
pub(super) fn start(
    engine: &Arc<Engine>,
    plan: Plan,
    question: Question,
    caller: &Caller<'_>,
) -> Result<AuditRun, CallError> {
    let (queue, missed) = (Arc::new(Queue::default()), Arc::new(AtomicBool::new(false)));
    let written: Vec<Result<Written, String>> = question.objects.iter().cloned().map(Written::of).collect();
    let together: Vec<Written> = written.iter().flatten().cloned().collect();
    let batches = written.len().div_ceil(WRITTEN);
    let tasks = if written.is_empty() { plan.places.len() } else { batches * plan.clusters.len() };
    let threads = engine.pool.size().min(tasks).max(1);
    let mut started = plan.started(&unique_id());
    if !written.is_empty() {
        started.objects = (written.len() * plan.clusters.len()) as u64;
    }
    let objects = started.objects;
    queue.push(encoded(Message::Started(started)));
    let work = Arc::new(Work {
        engine: engine.clone(),
        totals: Mutex::new(Totals {
            counts: Counts::default(),
            tallies: vec![Tally::default(); plan.clusters.len()],
            said: Instant::now(),
        }),
        plan,
        question,
        written,
        together,
        batches,
        tasks,
        objects,
        deadline: caller.deadline,
        started: Instant::now(),
        next: AtomicUsize::new(0),
        running: AtomicUsize::new(threads),
        queue: queue.clone(),
        missed: missed.clone(),
    });
    for thread in 0..threads {
        let own = work.clone();
        let builder = std::thread::Builder::new().name("what-if".to_owned()).stack_size(STACK_BYTES);
        if builder.spawn(move || own.run(thread)).is_err() {
            // Fewer threads are enough; without any there is no answer.
            if thread == 0 {
                return Err(CallError::Overloaded { retry_after: Duration::from_secs(1) });
            }
            work.leave();
        }
    }
    Ok(AuditRun::new(queue, missed))
}

/// What the threads share.
struct Work {
    engine: Arc<Engine>,
    plan: Plan,
    question: Question,
    /// The objects that would be written, as far as they can be read.
    written: Vec<Result<Written, String>>,
    /// Those that can.
    together: Vec<Written>,
    /// Batches of them.
    batches: usize,
    /// Slices, or batches of each cluster.
    tasks: usize,
    objects: u64,
    deadline: Option<Instant>,
    started: Instant,
    /// The task that is taken next.
    next: AtomicUsize,
    /// Threads that have not left.
    running: AtomicUsize,
    totals: Mutex<Totals>,
    queue: Arc<Queue>,
    missed: Arc<AtomicBool>,
}

/// What was found so far.
struct Totals {
    counts: Counts,
    /// By cluster.
    tallies: Vec<Tally>,
    /// When the last progress was said.
    said: Instant,
}

impl Work {
    fn run(&self, thread: usize) {
        let leaving = Leaving(self);
        courtesy::lower_priority();
        let mut contexts = Both::<Context>::default();
        let mut comparer: Option<(usize, Comparer<'_>)> = None;
        while self.goes_on() {
            if courtesy::stands_aside(&self.engine.pool, thread) {
                if self.next.load(Ordering::Relaxed) >= self.tasks {
                    break;
                }
                std::thread::sleep(ASIDE);
                continue;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.tasks {
                break;
            }
            let (cluster, found) = if self.written.is_empty() {
                let Some(place) = self.plan.places.get(number) else { break };
                (place.cluster, self.slice(place, &mut comparer, &mut contexts))
            } else {
                let cluster = number / self.batches.max(1);
                (cluster, self.written(cluster, number % self.batches.max(1), &mut contexts))
            };
            let Some(found) = found else { break };
            if !self.hand_over(cluster, found) {
                break;
            }
        }
        drop(comparer);
        drop(leaving);
    }

    /// Judges a slice of the objects that are there.
    fn slice<'a>(
        &'a self,
        place: &Place,
        comparer: &mut Option<(usize, Comparer<'a>)>,
        contexts: &mut Both<Context>,
    ) -> Option<Found> {
        let cluster = self.plan.clusters.get(place.cluster)?;
        let planned = cluster.kinds.get(place.kind)?;
        let known = cluster.snapshot.kind(&planned.kind)?;
        let comparer = match comparer {
            Some((of, current)) if *of == place.cluster => current,
            _ => &mut comparer.insert((place.cluster, self.comparer(cluster)?)).1,
        };
        let among = Both { before: &planned.positions, after: &planned.proposed };
        let which = if self.question.unchanged { Which::Wrong } else { Which::Changed };
        let saying = Saying { scope: &self.question.scope, which };
        let mut found = Found::default();
        for cached in known.objects_of(&place.slice) {
            courtesy::let_pass(&self.engine.pool);
            if !self.goes_on() {
                return None;
            }
            let named = wire::AuditedObject {
                cluster: cluster.snapshot.cluster().to_string(),
                kind: Some(kind_name(&planned.kind)),
                namespace: cached.namespace.to_owned(),
                name: cached.name.to_owned(),
                ..Default::default()
            };
            let numbers = self.engine.compatibility.numbers;
            let parsed = cached.json.as_ref().ok_or_else(|| "the cached object cannot be read back".to_owned());
            let parsed = parsed.and_then(|text| {
                json::parse(text, &mut contexts.before.keys, numbers).map_err(|error| error.to_string())
            });
            let judged = parsed.and_then(|object| {
                let named = findings::identified(named.clone(), &object);
                // A defect of the core is one of this object's; what the contexts hold after it is nobody's.
                match catch_unwind(AssertUnwindSafe(|| comparer.judge(object, among, contexts))) {
                    Ok(judged) => Ok((named, judged)),
                    Err(_) => {
                        *contexts = Both::default();
                        Err("the review ended in a defect of the core".to_owned())
                    }
                }
            });
            match judged {
                Ok((named, judged)) => found.add(named, judged, saying),
                Err(message) => found.unjudged(named, message, wire::ErrorReason::Evaluation),
            }
        }
        Some(found)
    }

    fn comparer<'a>(&'a self, cluster: &'a ClusterPlan) -> Option<Comparer<'a>> {
        let after = self.question.after.as_ref()?;
        let auditor = |generation: &'a Generation| {
            Auditor::new(&self.engine, generation, &cluster.snapshot, (&self.plan.pinned, self.plan.at))
        };
        Some(Comparer::new(auditor(&self.plan.generation), auditor(after)))
    }

    /// Reviews a batch of the objects that would be written in a cluster.
    fn written(&self, cluster: usize, batch: usize, contexts: &mut Both<Context>) -> Option<Found> {
        let snapshot = &self.plan.clusters.get(cluster)?.snapshot;
        let saying = Saying { scope: &self.question.scope, which: Which::All };
        let mut found = Found::default();
        let first = batch * WRITTEN;
        for (number, one) in self.written.iter().enumerate().skip(first).take(WRITTEN) {
            if !self.goes_on() {
                return None;
            }
            let written = match one {
                Ok(written) => written,
                Err(message) => {
                    let reason = wire::ErrorReason::InvalidRequest;
                    found.unjudged(written::unread(snapshot.cluster(), number), message.clone(), reason);
                    continue;
                }
            };
            let named = written::identified(written.named(snapshot.cluster()), written);
            let review = written.review(snapshot, &self.together);
            let pinned = || Pinned::Together { snapshot, all: &self.plan.pinned, at: self.plan.at };
            let decide =
                |generation, context: &mut Context| self.engine.decide_pinned(&review, generation, context, pinned());
            let before = decide(&self.plan.generation, &mut contexts.before);
            let after = match &self.question.after {
                Some(after) => decide(after, &mut contexts.after),
                None => before.clone(),
            };
            match (before, after) {
                (Ok(before), Ok(after)) => found.add(named, Both { before, after }, saying),
                (Err(error), _) | (_, Err(error)) => {
                    found.unjudged(named, error.status().message, wire::ErrorReason::InvalidRequest);
                }
            }
        }
        Some(found)
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_on(&self) -> bool {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.missed.store(true, Ordering::Release);
        }
        !self.missed.load(Ordering::Acquire) && !self.queue.is_closed()
    }

    /// Hands over what was found; a slow reader slows the threads here. Gives false where nobody reads any more.
    fn hand_over(&self, cluster: usize, found: Found) -> bool {
        let Found { message: wire::WhatIfFindings { mut findings, errors }, counts, objects } = found;
        let mut totals = self.lock();
        totals.counts.merge(counts);
        if let Some(tally) = totals.tallies.get_mut(cluster) {
            tally.objects += objects;
            tally.errors += errors.len() as u64;
        }
        let progress = (totals.said.elapsed() >= PROGRESS).then(|| {
            totals.said = Instant::now();
            wire::AuditProgress {
                objects_done: totals.tallies.iter().map(|tally| tally.objects).sum(),
                objects: self.objects,
                elapsed: Some(duration(self.started.elapsed())),
                ..Default::default()
            }
        });
        drop(totals);
        let mut messages = Vec::new();
        let mut errors = errors;
        while !findings.is_empty() || !errors.is_empty() {
            let rest = findings.split_off(findings.len().min(BATCH));
            let batch = wire::WhatIfFindings { findings, errors: std::mem::take(&mut errors) };
            messages.push(Message::Findings(batch));
            findings = rest;
        }
        messages.extend(progress.map(Message::Progress));
        messages.into_iter().all(|message| self.queue.push(encoded(message)))
    }

    /// The last thread that leaves says what came of it all.
    fn leave(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if self.goes_on() {
            let mut totals = self.lock();
            let counts = std::mem::take(&mut totals.counts).into_message();
            let clusters = self.plan.clusters.iter().zip(&totals.tallies);
            let mut clusters: Vec<wire::ClusterAudit> =
                clusters.map(|(cluster, tally)| cluster_audit(cluster, tally)).collect();
            drop(totals);
            clusters.extend(self.plan.unknown.iter().map(|name| wire::ClusterAudit {
                cluster: name.clone(),
                reason: "there is no cluster of this name".to_owned(),
                ..Default::default()
            }));
            clusters.sort_by(|a, b| a.cluster.cmp(&b.cluster));
            let before = report::named(&self.plan.generation);
            let after = self.question.after.as_ref().map_or_else(|| before.clone(), |after| report::named(after));
            let summary = wire::WhatIfSummary { before: Some(before), after: Some(after), counts, clusters };
            self.queue.push(encoded(Message::Summary(summary)));
        }
        self.queue.end();
    }
}

/// A thread that leaves, whatever makes it leave. After a panic there is no summary, by which the reader sees that the answer
/// was cut off.
struct Leaving<'a>(&'a Work);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue.close();
        }
        self.0.leave();
    }
}

impl Found {
    fn unjudged(&mut self, object: wire::AuditedObject, message: String, reason: wire::ErrorReason) {
        self.objects += 1;
        let code = if reason == wire::ErrorReason::InvalidRequest { 400 } else { 500 };
        let error = wire::ReviewError { code, message, reason: reason.into() };
        self.error(object, audit_error::Error::Review(error));
    }
}

fn encoded(message: Message) -> Vec<u8> {
    wire::WhatIfResponse { message: Some(message) }.encode_to_vec()
}
