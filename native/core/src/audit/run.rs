//! A run: threads that judge slice after slice, and hand over what they find in the order of the slices.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::Message as _;

use super::crew::{self, AuditRun, Crew, PROGRESS};
use super::findings::{Findings, Judge};
use super::plan::{ClusterPlan, Plan};
use super::queue::BATCH_BYTES;
use super::scope::Scope;
use super::summary::{Tally, summary};
use crate::clock;
use crate::decide::{Auditor, CallError, Caller, Engine, unique_id};
use crate::evaluate::Context;
use crate::inventory::duration;
use crate::wire::{self, run_audit_response::Message};

/// Violations of a batch, where the request says nothing.
const BATCH: usize = 500;

/// Slices that are done and wait for one before them, at most.
const AHEAD: usize = 32;

/// Starts a run that an encoded `fleetgate.v1.RunAuditRequest` asks for; its messages are encoded `RunAuditResponse`s.
///
/// # Errors
/// [`CallError`]: a request that does not decode, a selector that is none, a deadline that has passed.
pub fn start(engine: &Arc<Engine>, request: &[u8], caller: &Caller<'_>) -> Result<AuditRun, CallError> {
    let request = wire::RunAuditRequest::decode(request).map_err(|error| CallError::undecodable(&error))?;
    caller.check_deadline()?;
    let scope = Scope::of(request.scope);
    let plan = Plan::new(engine, &scope, caller.cluster, None)?;
    let run_id = unique_id();
    let crew = Crew::new(engine, plan.places.len(), caller);
    crew.push(encoded(Message::Started(plan.started(&run_id))));
    let tallies = plan.clusters.iter().map(|cluster| Tally::of(plan.generation.of_cluster(cluster.snapshot.cluster())));
    let handed = Handed {
        slices: 0,
        done: BTreeMap::new(),
        is_handing: false,
        batch: wire::AuditFindings::default(),
        bytes: 0,
        tallies: tallies.collect(),
        said: Instant::now(),
        cpu: Duration::ZERO,
    };
    crew::start(Work {
        engine: engine.clone(),
        scope,
        run_id,
        without_details: request.without_details,
        batch: usize::try_from(request.batch_size).ok().filter(|size| *size > 0).unwrap_or(BATCH),
        handed: Mutex::new(handed),
        room: Condvar::new(),
        crew,
        plan,
    })
}

/// What the threads of a run share.
struct Work {
    engine: Arc<Engine>,
    plan: Plan,
    scope: Scope,
    run_id: String,
    without_details: bool,
    batch: usize,
    /// Slices are its tasks.
    crew: Crew,
    handed: Mutex<Handed>,
    /// Slices were handed over.
    room: Condvar,
}

/// How far findings were handed over.
struct Handed {
    /// Slices of which everything was.
    slices: usize,
    /// Slices that are done and wait for one before them.
    done: BTreeMap<usize, Findings>,
    /// Some thread hands over.
    is_handing: bool,
    /// The batch in the making, and how many bytes its findings have.
    batch: wire::AuditFindings,
    bytes: usize,
    tallies: Vec<Tally>,
    /// When the last progress was said.
    said: Instant,
    cpu: Duration,
}

impl crew::Work for Work {
    const NAME: &'static str = "audit";

    fn crew(&self) -> &Crew {
        &self.crew
    }

    fn run(&self, thread: usize) {
        let mut context = Context::default();
        let mut judge: Option<(usize, Judge<'_>)> = None;
        while let Some(number) = self.crew.next_task(&self.engine.pool, thread) {
            let Some(place) = self.plan.places.get(number) else { break };
            let Some(cluster) = self.plan.clusters.get(place.cluster) else { break };
            let Some(kind) = cluster.kinds.get(place.kind) else { break };
            let current = match &mut judge {
                Some((of, current)) if *of == place.cluster => current,
                _ => &mut judge.insert((place.cluster, self.judge(cluster))).1,
            };
            let findings = current.slice(cluster, kind, &place.slice, &mut context, || self.crew.goes_on());
            self.hand_over(number, findings);
        }
        self.lock().cpu += clock::thread_cpu();
    }

    fn finish(&self) {
        let mut handed = self.lock();
        let rest = handed.has_batch().then(|| handed.take_batch());
        let summary = summary(&self.engine, &self.plan, &self.scope, &handed.tallies, &self.run_id, handed.cpu);
        drop(handed);
        if rest.is_none_or(|rest| self.crew.push(rest)) {
            self.crew.push(encoded(Message::Summary(summary)));
        }
    }
}

impl Work {
    fn judge<'a>(&'a self, cluster: &'a ClusterPlan) -> Judge<'a> {
        let (plan, snapshot) = (&self.plan, &cluster.snapshot);
        Judge {
            engine: &self.engine,
            sets: plan.generation.of_cluster(snapshot.cluster()),
            auditor: Auditor::new(&self.engine, &plan.generation, snapshot, (&plan.pinned, plan.at)),
            scope: &self.scope,
            without_details: self.without_details,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what was found in a slice once all before it is handed over.
    fn hand_over(&self, number: usize, findings: Findings) {
        let mut handed = self.lock();
        while number >= handed.slices + AHEAD && self.crew.goes_on() {
            handed = self.room.wait_timeout(handed, PROGRESS).unwrap_or_else(PoisonError::into_inner).0;
        }
        handed.done.insert(number, findings);
        if handed.is_handing {
            return;
        }
        handed.is_handing = true;
        loop {
            let slice = handed.slices;
            let Some(findings) = handed.done.remove(&slice) else { break };
            handed.slices += 1;
            let messages = self.add(&mut handed, slice, findings);
            drop(handed);
            // A slow reader slows the run here, and the others once they are far enough ahead.
            let is_read = messages.into_iter().all(|message| self.crew.push(message));
            self.room.notify_all();
            handed = self.lock();
            if !is_read {
                break;
            }
        }
        handed.is_handing = false;
    }

    /// Adds the findings of a slice to the batch; gives the messages that are full.
    fn add(&self, handed: &mut Handed, slice: usize, findings: Findings) -> Vec<Vec<u8>> {
        if let Some(tally) = self.plan.places.get(slice).and_then(|place| handed.tallies.get_mut(place.cluster)) {
            tally.add(&findings.tally);
        }
        let mut messages = Vec::new();
        for error in findings.message.errors {
            handed.bytes += error.encoded_len();
            handed.batch.errors.push(error);
            messages.extend(handed.take_full(self.batch));
        }
        for violation in findings.message.violations {
            handed.bytes += violation.encoded_len();
            handed.batch.violations.push(violation);
            messages.extend(handed.take_full(self.batch));
        }
        let is_due = handed.said.elapsed() >= PROGRESS;
        if is_due && handed.has_batch() {
            messages.push(handed.take_batch());
        }
        if is_due {
            handed.said = Instant::now();
            messages.push(encoded(Message::Progress(wire::AuditProgress {
                objects_done: handed.tallies.iter().map(|tally| tally.objects).sum(),
                objects: self.plan.objects,
                violations: handed.tallies.iter().map(Tally::violations).sum(),
                elapsed: Some(duration(self.crew.elapsed())),
            })));
        }
        messages
    }
}

impl Handed {
    fn has_batch(&self) -> bool {
        !self.batch.violations.is_empty() || !self.batch.errors.is_empty()
    }

    /// The batch, where it has as much as one may have.
    fn take_full(&mut self, batch: usize) -> Option<Vec<u8>> {
        let is_full = self.batch.violations.len().max(self.batch.errors.len()) >= batch || self.bytes >= BATCH_BYTES;
        is_full.then(|| self.take_batch())
    }

    fn take_batch(&mut self) -> Vec<u8> {
        self.bytes = 0;
        encoded(Message::Findings(std::mem::take(&mut self.batch)))
    }
}

fn encoded(message: Message) -> Vec<u8> {
    wire::RunAuditResponse { message: Some(message) }.encode_to_vec()
}
