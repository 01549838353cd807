//! The decision: an encoded request in, an encoded answer out.
//!
//! Every door of the product ends in [`Engine::review`] (or [`Engine::batch_review`], which is the same for many): decode
//! the envelope, pin a generation and a snapshot, read the objects, check Gatekeeper's own, leave out what the Config
//! excludes, match, evaluate, answer. What it reads is immutable,
//! so an answer belongs to exactly one generation and one snapshot, and names both.

mod answer;
mod batch;
mod call;
mod compared;
mod cross_check;
mod evaluation;
mod exclusion;
mod existing;
mod explain;
mod freshness;
mod gatekeeper_resources;
mod oversized;
mod surroundings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prost::Message;

use crate::clock;
use crate::compatibility::Compatibility;
use crate::evaluate::{Context, Lease, Pool, Within};
use crate::inventory::{Inventories, Snapshot};
use crate::matching::{self, Source};
use crate::policy::{Generation, Policies, PolicySet, Scoped, WatchPlan};
use crate::review::{Review, ReviewError};
use crate::template::Refusal;
use crate::wire::{self, ErrorReason, review_request::Subject};
pub(crate) use answer::unique_id;
use answer::{Answer, Point};
pub use batch::BatchDecision;
pub(crate) use batch::STACK_BYTES;
pub use call::{CallError, Caller};
pub(crate) use compared::{Both, Comparer};
pub use cross_check::{Comparison, CrossCheck, Disagreement};
pub(crate) use existing::{Auditor, Judgement, Positions};
use surroundings::Surroundings;

/// Object and oldObject of a review may have this many bytes together.
pub const MAX_OBJECT_BYTES: usize = 7 << 20;

/// What evaluations may spend.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Instructions of the VM for one Constraint.
    pub constraint_instructions: usize,
    /// Wall time for one Constraint.
    pub constraint_time: Duration,
    /// Wall time for one review.
    pub review_time: Duration,
}

impl Limits {
    /// More than any template of the public library comes near to; the time limit is what a hostile one meets first.
    pub const DEFAULT_INSTRUCTIONS: usize = 50_000_000;

    /// The same with so many times the time.
    fn with_patience(self, times: u32) -> Self {
        Self { constraint_time: self.constraint_time * times, review_time: self.review_time * times, ..self }
    }
}

/// Policies, inventories and evaluation contexts: everything a decision needs.
pub struct Engine {
    /// The policies.
    pub policies: Policies,
    /// The inventories of all clusters.
    pub inventories: Inventories,
    /// The evaluation contexts.
    pub pool: Pool,
    /// What evaluations may spend.
    pub limits: Limits,
    /// Where it does as Gatekeeper does.
    pub compatibility: Compatibility,
    /// Which reviews are cross-checked.
    pub cross_check: CrossCheck,
}

/// One answer, encoded, with what telemetry wants to know of it.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// The encoded `fleetgate.v1.ReviewResponse`; empty for the items of a batch.
    pub response: Vec<u8>,
    /// 32 hexadecimal digits, unique.
    pub decision_id: String,
    /// `allow`, `deny` or `error`.
    pub admission_status: &'static str,
    /// Whether the request was a server-side dry run.
    pub dry_run: bool,
    /// Canonical name of the cluster that asked.
    pub cluster: String,
    /// Number of the generation that decided.
    pub generation: u64,
    /// Wall time of decode, match, evaluate, encode.
    pub stages: [Duration; 4],
    /// CPU time of the calling thread.
    pub cpu: Duration,
    /// Constraints that matched.
    pub constraints_matched: usize,
    /// What the second engine thinks of it, where it was cross-checked.
    pub comparison: Comparison,
}

impl Engine {
    /// Decides an encoded `fleetgate.v1.ReviewRequest`.
    ///
    /// # Errors
    /// [`CallError`]: the call itself failed. Whatever concerns the policies or the object is in the answer.
    pub fn review(&self, request: &[u8], caller: &Caller<'_>) -> Result<Decision, CallError> {
        let started = Instant::now();
        let cpu = clock::thread_cpu();
        let request = wire::ReviewRequest::decode(request).map_err(|error| CallError::undecodable(&error))?;
        let generation = self.policies.current();
        let earlier = self.wait_for(&request, caller, started)?;
        let mut context = self.context(caller, started)?;
        let pinned = earlier.map_or(Pinned::Current, Pinned::Earlier);
        let (response, mut decision) = self.decide(&request, &generation, &mut context, caller, started, pinned)?;
        let encoding = Instant::now();
        decision.response = response.encode_to_vec();
        decision.stages = with_last(decision.stages, encoding.elapsed());
        decision.cpu = clock::thread_cpu().saturating_sub(cpu);
        Ok(decision)
    }

    /// What to watch in a cluster so that its policies can be decided and audited.
    pub fn watch_plan(&self, cluster: &str) -> WatchPlan {
        self.policies.current().watch_plan(cluster, &self.inventories.facts(cluster).labels)
    }

    /// Waits, before an evaluation context is taken, for the freshness that a request asks for.
    fn wait_for(
        &self,
        request: &wire::ReviewRequest,
        caller: &Caller<'_>,
        started: Instant,
    ) -> Result<Option<Arc<Snapshot>>, CallError> {
        if request.freshness.is_none() {
            return Ok(None);
        }
        let cluster = caller.cluster_of(request)?;
        freshness::satisfy(&self.inventories, request, cluster, caller.wait_until(started, &self.limits))
    }

    fn context(&self, caller: &Caller<'_>, started: Instant) -> Result<Lease<'_>, CallError> {
        self.pool.check_out(caller.wait_until(started, &self.limits)).map_err(|_| {
            caller.check_deadline().err().unwrap_or(CallError::Overloaded { retry_after: self.limits.constraint_time })
        })
    }

    /// One decision for nobody who waits: on a generation, on pinned snapshots, in one context.
    pub(crate) fn decide_pinned(
        &self,
        request: &wire::ReviewRequest,
        generation: &Generation,
        context: &mut Context,
        pinned: Pinned<'_>,
    ) -> Result<wire::ReviewResponse, CallError> {
        let decided = self.decide(request, generation, context, &Caller::default(), Instant::now(), pinned);
        decided.map(|(response, _)| response)
    }

    /// One decision on a pinned generation, in one context. It reads from top to bottom.
    fn decide(
        &self,
        request: &wire::ReviewRequest,
        generation: &Generation,
        context: &mut Context,
        caller: &Caller<'_>,
        started: Instant,
        pinned: Pinned<'_>,
    ) -> Result<(wire::ReviewResponse, Decision), CallError> {
        let cluster = caller.cluster_of(request)?;
        let point = Point::of(request, self.compatibility.empty_enforcement_action)?;
        let surroundings = match pinned {
            Pinned::Current => Surroundings::pin(&self.inventories, generation, cluster, None),
            Pinned::Earlier(snapshot) => Surroundings::pin(&self.inventories, generation, cluster, Some(snapshot)),
            Pinned::Together { snapshot, all, at } => {
                Surroundings::of_pinned(&self.inventories, generation, snapshot, (all, at))
            }
        };
        let scopes = generation.of_cluster(cluster);
        let token = freshness::token(&self.inventories, cluster, surroundings.snapshot());
        let mut answer = Answer::new(cluster, generation, answer::revision(surroundings.snapshot(), token), point);
        if request.explain {
            answer.keep_traces();
        }
        let ends = caller.ends(started, &self.limits);
        ends.check()?;

        let review = match read(request, context, &self.compatibility) {
            Ok(review) if point.hides_namespace() => review.hiding_namespace(),
            Ok(review) => review,
            Err(Unread::Oversized(limit)) => {
                oversized::refuse(request, scopes, (point, &surroundings), limit, &mut answer);
                return Ok(answer.finish([started.elapsed(), Duration::ZERO, Duration::ZERO], false, 0));
            }
            Err(Unread::Failed(message)) => {
                answer.fail(500, message, ErrorReason::Evaluation);
                return Ok(answer.finish([started.elapsed(), Duration::ZERO, Duration::ZERO], false, 0));
            }
            Err(Unread::Call(error)) => return Err(error),
        };
        let decoded = Instant::now();

        if let Err(refusal) = admit_gatekeeper_resource(request, &review, scopes, point) {
            answer.fail(refusal.code, refusal.message, ErrorReason::ResourceRefused);
            return Ok(answer.finish([decoded - started, Duration::ZERO, Duration::ZERO], review.dry_run, 0));
        }
        let question = explain::Question { review: &review, scopes, surroundings: &surroundings, point };
        let Some(asked) = exclusion::asked(&review, scopes, point) else {
            answer.allow(exclusion::MESSAGE);
            question.answer(&[], &mut answer);
            return Ok(answer.finish([decoded - started, Duration::ZERO, Duration::ZERO], review.dry_run, 0));
        };
        let matched: Vec<(&PolicySet, Vec<Matched>)> =
            asked.into_iter().map(|set| (set, matching(&review, set, &surroundings, point))).collect();
        let evaluating = Instant::now();

        let is_checked = self.cross_check.samples(answer.decision_id());
        if is_checked {
            answer.keep_outcomes();
        }
        let settings = evaluation::Settings { limits: &self.limits, ends: &ends, compatibility: &self.compatibility };
        let mut outcomes = Vec::new();
        for (set, matched) in matched.iter().filter(|(_, matched)| !matched.is_empty()) {
            evaluation::evaluate(&review, matched, set, &surroundings, context, settings, &mut answer)?;
            outcomes.push((*set, answer.take_outcomes()));
            if answer.has_failed() {
                break;
            }
        }
        surroundings.read().into_iter().for_each(|extent| answer.read(extent));
        ends.check()?;
        question.answer(&matched, &mut answer);
        let stages = [decoded - started, evaluating - decoded, evaluating.elapsed()];
        let constraints_matched = matched.iter().map(|(_, matched)| matched.len()).sum();
        let (response, mut decision) = answer.finish(stages, review.dry_run, constraints_matched);
        if is_checked {
            decision.comparison = cross_check::compare(outcomes, &review, &surroundings, context, settings);
        }
        Ok((response, decision))
    }
}

/// Which snapshots a decision reads.
#[derive(Clone)]
pub(crate) enum Pinned<'a> {
    /// The current ones.
    Current,
    /// Of its own cluster one of earlier.
    Earlier(Arc<Snapshot>),
    /// Those that were pinned together: that of its cluster, all of them, and when.
    Together { snapshot: &'a Arc<Snapshot>, all: &'a [Arc<Snapshot>], at: SystemTime },
}

/// What a context has to know of a set of policies.
fn within(set: &PolicySet) -> Within<'_> {
    Within {
        cluster: set.scope().cluster(),
        set: set.id(),
        templates: set.templates().len(),
        constraints: set.constraints().len(),
    }
}

/// Why a request gave no review.
enum Unread {
    Call(CallError),
    Oversized(String),
    Failed(String),
}

fn read(request: &wire::ReviewRequest, context: &mut Context, compatibility: &Compatibility) -> Result<Review, Unread> {
    if let Some(limit) = oversized::excess(request) {
        return Err(Unread::Oversized(limit));
    }
    let source = match request.source() {
        wire::Source::Unspecified => Source::Unspecified,
        wire::Source::Original => Source::Original,
        wire::Source::Generated => Source::Generated,
    };
    let (namespace, keys) = (&request.namespace, &mut context.keys);
    let review = match &request.subject {
        Some(Subject::AdmissionRequest(text)) => {
            Review::of_admission_request(text, namespace, source, keys, compatibility)
        }
        Some(Subject::Object(text)) => Review::of_object(text, namespace, source, keys, compatibility),
        None => return Err(Unread::Call(CallError::invalid("subject", "admission_request or object is expected"))),
    };
    review.map_err(|error| match error {
        ReviewError::Malformed(malformed) => Unread::Call(CallError::invalid(&malformed.field, &malformed.message)),
        ReviewError::TooDeep("namespace") => Unread::Call(CallError::invalid("namespace", "nested too deeply")),
        ReviewError::TooDeep(_) => Unread::Oversized(format!("JSON nested deeper than {}", crate::json::MAX_DEPTH)),
        ReviewError::Failed(message) => Unread::Failed(message),
    })
}

/// Only admission concerns itself with Gatekeeper's own objects.
fn admit_gatekeeper_resource(
    request: &wire::ReviewRequest,
    review: &Review,
    scopes: Scoped<&PolicySet>,
    point: Point<'_>,
) -> Result<(), Refusal> {
    match &request.subject {
        Some(Subject::AdmissionRequest(text))
            if point.is_admission() && gatekeeper_resources::are_of(&review.kind_group) =>
        {
            gatekeeper_resources::admit(text, scopes)
        }
        _ => Ok(()),
    }
}

/// A Constraint that the review concerns: its position, and the auto-reject message where it could not be matched.
struct Matched {
    position: usize,
    auto_reject: Option<String>,
}

/// The Constraints that apply, in the order of the set: by kind and name.
fn matching(review: &Review, set: &PolicySet, surroundings: &Surroundings<'_>, point: Point<'_>) -> Vec<Matched> {
    let snapshot = surroundings.snapshot();
    let known = if review.has_namespace() { None } else { snapshot.namespace(&review.namespace_name) };
    let subject = review.subject(known.as_ref());
    let concerned = |position: &usize| concerns(set, *position, Some(&review.operation), surroundings, point);
    match_each(&subject, set, answer::candidates(set, &subject).filter(concerned))
}

/// Whether a Constraint is looked at here, whatever the object is.
fn concerns(
    set: &PolicySet,
    position: usize,
    operation: Option<&str>,
    surroundings: &Surroundings<'_>,
    point: Point<'_>,
) -> bool {
    let published = set.constraints().get(position);
    published.is_some_and(|published| {
        point.concerns(set, published, operation) && surroundings.concerns(&published.constraint)
    })
}

/// Those of some Constraints that apply to an object, in their order.
fn match_each(
    subject: &matching::Subject<'_>,
    set: &PolicySet,
    positions: impl Iterator<Item = usize>,
) -> Vec<Matched> {
    let consider = |position: usize| {
        let matcher = set.constraints().get(position)?.constraint.matcher.as_ref();
        match matcher.map_or(Ok(true), |matcher| matcher.matches(subject)) {
            Ok(true) => Some(Matched { position, auto_reject: None }),
            Ok(false) => None,
            Err(error) => Some(Matched { position, auto_reject: Some(error.to_string()) }),
        }
    };
    positions.filter_map(consider).collect()
}

fn with_last(stages: [Duration; 4], last: Duration) -> [Duration; 4] {
    let [decode, matching, evaluate, _] = stages;
    [decode, matching, evaluate, last]
}
