//! The threads of a what-if: they take slices of existing objects, or objects that would be written, and hand over what
//! differs as they find it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prost::Message as _;
use prost::bytes::Bytes;

use super::compare::{Found, Saying, Which};
use super::counts::Counts;
use super::written::{self, Written};
use crate::audit::courtesy;
use crate::audit::crew::{self, AuditRun, Crew, PROGRESS};
use crate::audit::findings::{self, audited, guarded, identified};
use crate::audit::plan::{ClusterPlan, Place, Plan};
use crate::audit::queue::BATCH_BYTES;
use crate::audit::scope::Scope;
use crate::audit::summary::{Tally, cluster_audit, unknown};
use crate::decide::{Auditor, Both, CallError, Caller, Comparer, Engine, Pinned, unique_id};
use crate::evaluate::Context;
use crate::inventory::duration;
use crate::policy::Generation;
use crate::report;
use crate::wire::{self, audit_error, what_if_response::Message};

/// Findings of a message at most, and objects that would be written that one thread takes at a time.
const BATCH: usize = 200;
const WRITTEN: usize = 16;

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
    let written: Vec<Result<Written, String>> = question.objects.iter().cloned().map(Written::of).collect();
    let together: Vec<Written> = written.iter().flatten().cloned().collect();
    let batches = written.len().div_ceil(WRITTEN);
    let tasks = if written.is_empty() { plan.places.len() } else { batches * plan.clusters.len() };
    let mut started = plan.started(&unique_id());
    if !written.is_empty() {
        started.objects = (written.len() * plan.clusters.len()) as u64;
    }
    let objects = started.objects;
    let crew = Crew::new(engine, tasks, caller);
    crew.push(encoded(Message::Started(started)));
    crew::start(Work {
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
        objects,
        crew,
    })
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
    objects: u64,
    /// Its tasks are slices, or batches of each cluster.
    crew: Crew,
    totals: Mutex<Totals>,
}

/// What was found so far.
struct Totals {
    counts: Counts,
    /// By cluster.
    tallies: Vec<Tally>,
    /// When the last progress was said.
    said: Instant,
}

impl crew::Work for Work {
    const NAME: &'static str = "what-if";

    fn crew(&self) -> &Crew {
        &self.crew
    }

    fn run(&self, thread: usize) {
        let mut contexts = Both::<Context>::default();
        let mut comparer: Option<(usize, Comparer<'_>)> = None;
        while let Some(number) = self.crew.next_task(&self.engine.pool, thread) {
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
    }

    fn finish(&self) {
        let mut totals = self.lock();
        let counts = std::mem::take(&mut totals.counts).into_message();
        let clusters = self.plan.clusters.iter().zip(&totals.tallies);
        let mut clusters: Vec<wire::ClusterAudit> =
            clusters.map(|(cluster, tally)| cluster_audit(&self.engine, cluster, tally)).collect();
        drop(totals);
        clusters.extend(self.plan.unknown.iter().map(|name| unknown(name)));
        clusters.sort_by(|a, b| a.cluster.cmp(&b.cluster));
        let before = report::named(&self.plan.generation);
        let after = self.question.after.as_ref().map_or_else(|| before.clone(), |after| report::named(after));
        let summary = wire::WhatIfSummary { before: Some(before), after: Some(after), counts, clusters };
        self.crew.push(encoded(Message::Summary(summary)));
    }
}

impl Work {
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
            if !self.crew.goes_on() {
                return None;
            }
            let named = audited(cluster.snapshot.cluster(), &planned.kind, cached.namespace, cached.name);
            let numbers = self.engine.compatibility.numbers;
            let judged = findings::parsed(&cached, &mut contexts.before.keys, numbers).and_then(|object| {
                let named = identified(named.clone(), &object);
                // What the contexts hold after a defect is nobody's.
                let judged = guarded(|| comparer.judge(object, among, contexts));
                Ok((named, judged.inspect_err(|_| *contexts = Both::default())?))
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
            if !self.crew.goes_on() {
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

    /// Hands over what was found; a slow reader slows the threads here. Gives false where nobody reads any more.
    fn hand_over(&self, cluster: usize, found: Found) -> bool {
        let Found { message: wire::WhatIfFindings { findings, errors }, counts, objects } = found;
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
                elapsed: Some(duration(self.crew.elapsed())),
                ..Default::default()
            }
        });
        drop(totals);
        let mut messages = Vec::new();
        let mut batch = wire::WhatIfFindings { errors, ..Default::default() };
        let mut bytes = 0;
        for finding in findings {
            bytes += finding.encoded_len();
            batch.findings.push(finding);
            if batch.findings.len() >= BATCH || bytes >= BATCH_BYTES {
                messages.push(Message::Findings(std::mem::take(&mut batch)));
                bytes = 0;
            }
        }
        if !batch.findings.is_empty() || !batch.errors.is_empty() {
            messages.push(Message::Findings(batch));
        }
        messages.extend(progress.map(Message::Progress));
        messages.into_iter().all(|message| self.crew.push(encoded(message)))
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
