//! The decision on objects that are there, as Gatekeeper's audit makes it: enforcement point `audit.gatekeeper.sh`, no
//! operation, source Original, each object with its own Namespace.
//!
//! It is the decision of [`Engine::review`] with what many objects have in common done once: everything is pinned, the
//! Constraints that concern a kind are known, and a Namespace is read once for the objects that follow one another in it.

use std::sync::Arc;
use std::time::SystemTime;

use fleetgate_eval::InventoryReads;
use fleetgate_value::Value;

use super::answer::{Answer, Point};
use super::call::Ends;
use super::surroundings::Surroundings;
use super::{Engine, Limits, Matched, concerns, evaluation, exclusion, match_each};
use crate::clock;
use crate::evaluate::{Context, Program};
use crate::inventory::Snapshot;
use crate::matching::Source;
use crate::policy::{Generation, PolicySet, Scoped};
use crate::review::{ReadNamespace, Review, ReviewError};
use crate::wire::{self, ErrorReason};

/// How many times the time of a review an object gets, try by try. Budgets of time are of wall time, and a thread of low
/// priority may get no time at all for longer than that: such an object is judged again.
const PATIENCE: [u32; 3] = [1, 20, 200];

/// Judges the objects of one cluster, on one generation and one snapshot.
pub(crate) struct Auditor<'a> {
    engine: &'a Engine,
    cluster: &'a str,
    pub(super) generation: &'a Generation,
    pub(super) scopes: Scoped<&'a PolicySet>,
    surroundings: Surroundings<'a>,
    point: Point<'a>,
    /// The Namespace that was needed last.
    namespace: Option<(String, Option<ReadNamespace>)>,
}

/// Positions of Constraints, ascending, in the fleet's set and in the cluster's.
pub(crate) type Positions = Scoped<Vec<usize>>;

/// What the policies say of an object.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// The Constraints that matched.
    pub(crate) matched: Positions,
    /// Violations and errors, and whether it would be allowed. What names a decision is empty.
    pub(crate) findings: wire::ReviewResponse,
}

impl Judgement {
    fn ran_out_of_time(&self) -> bool {
        self.findings.constraint_errors.iter().any(|error| error.reason() == ErrorReason::TimeBudget)
    }
}

impl<'a> Auditor<'a> {
    /// Of a cluster by its snapshot; `pinned` are the snapshots of all clusters, sorted by name, as of a moment.
    pub(crate) fn new(
        engine: &'a Engine,
        generation: &'a Generation,
        snapshot: &'a Arc<Snapshot>,
        pinned: (&'a [Arc<Snapshot>], SystemTime),
    ) -> Self {
        Self {
            engine,
            cluster: snapshot.cluster(),
            generation,
            scopes: generation.of_cluster(snapshot.cluster()),
            surroundings: Surroundings::of_pinned(&engine.inventories, generation, snapshot, pinned),
            point: Point::audit(engine.compatibility.empty_enforcement_action),
            namespace: None,
        }
    }

    /// The Constraints that are audited in the cluster and could match an object of a group and kind.
    pub(crate) fn concerning(&self, group: &str, kind: &str) -> Positions {
        self.scopes.map(|set| {
            let candidates = set.candidates(group, kind);
            let positions = candidates.iter().filter_map(|position| usize::try_from(*position).ok());
            positions.filter(|position| self.concerns(set, *position)).collect()
        })
    }

    /// Whether a Constraint is audited in the cluster at all.
    pub(crate) fn concerns(&self, set: &PolicySet, position: usize) -> bool {
        concerns(set, position, None, &self.surroundings, self.point)
    }

    /// Judges an object by some of the Constraints that concern its kind.
    pub(crate) fn judge(&mut self, object: Value, among: &Positions, context: &mut Context) -> Judgement {
        match self.review(object) {
            Ok(review) => self.judge_review(&review, among, context),
            Err(error) => {
                let mut answer = self.answer();
                answer.fail(500, error, ErrorReason::Evaluation);
                Judgement { matched: among.as_ref().map(|_| Vec::new()), findings: answer.into_findings() }
            }
        }
    }

    /// Judges a review of an object, which [`Self::review`] made, by some of the Constraints that concern its kind.
    pub(crate) fn judge_review(&self, review: &Review, among: &Positions, context: &mut Context) -> Judgement {
        let mut tries = PATIENCE.into_iter().peekable();
        loop {
            let limits = self.engine.limits.with_patience(tries.next().unwrap_or(1));
            let (mut answer, cpu) = (self.answer(), clock::thread_cpu());
            let matched = judge(self, review, among, (context, &limits), &mut answer);
            let judgement = Judgement { matched, findings: answer.into_findings() };
            let spent = clock::thread_cpu().saturating_sub(cpu);
            let was_starved = judgement.ran_out_of_time() && spent < self.engine.limits.constraint_time;
            if !was_starved || tries.peek().is_none() {
                return judgement;
            }
        }
    }

    /// Time enough for a thread that others keep from running: what is judged once has no second try.
    pub(super) fn patient_limits(&self) -> Limits {
        self.engine.limits.with_patience(PATIENCE.into_iter().max().unwrap_or(1))
    }

    pub(super) fn answer(&self) -> Answer<'a> {
        Answer::of_findings(self.cluster, self.generation, self.point)
    }

    /// Shows a program another data document than that of the snapshot.
    pub(crate) fn show(&self, reads: &Arc<InventoryReads>, data: Value) {
        self.surroundings.show(reads, data);
    }

    /// Whether a program can be shown what it reads of the snapshot.
    pub(crate) fn can_show(&self, program: &dyn Program) -> bool {
        self.surroundings.inventory(program).is_ok()
    }

    /// The review of an object.
    ///
    /// # Errors
    /// Why there can be none, in words.
    pub(crate) fn review(&mut self, object: Value) -> Result<Review, String> {
        let compatibility = &self.engine.compatibility;
        let name = object.field("metadata").and_then(|metadata| metadata.field("namespace")).and_then(Value::as_str);
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        let namespace = name.and_then(|name| self.namespace(name));
        Review::of_read_object(object, namespace, Source::Original, compatibility).map_err(|error| match error {
            ReviewError::Malformed(malformed) => malformed.to_string(),
            ReviewError::TooDeep(field) => format!("{field}: nested too deeply"),
            ReviewError::Failed(message) => message,
        })
    }

    fn namespace(&mut self, name: String) -> Option<&ReadNamespace> {
        if self.namespace.as_ref().is_none_or(|(last, _)| *last != name) {
            let found = self.surroundings.snapshot().existing_namespace(&name);
            let read = found.map(|found| ReadNamespace::of(found, &self.engine.compatibility));
            self.namespace = Some((name, read));
        }
        self.namespace.as_ref()?.1.as_ref()
    }
}

/// The Constraints that match, and what they find in `answer`.
pub(super) fn judge(
    auditor: &Auditor<'_>,
    review: &Review,
    among: &Positions,
    (context, limits): (&mut Context, &Limits),
    answer: &mut Answer<'_>,
) -> Positions {
    let Auditor { engine, scopes, surroundings, point, .. } = auditor;
    let subject = review.subject(None);
    let matched = scopes.zip(among.as_ref()).map(|(set, positions)| {
        let is_asked = !positions.is_empty() && !exclusion::excludes(review, set, *point);
        let positions: &[usize] = if is_asked { positions } else { &[] };
        match_each(&subject, set, positions.iter().copied())
    });
    let ends = Ends::unattended(limits);
    let settings = evaluation::Settings { limits, ends: &ends, compatibility: &engine.compatibility };
    for (set, matched) in scopes.zip(matched.as_ref()).iter().filter(|(_, matched)| !matched.is_empty()) {
        // Only a caller's deadline ends it early, and there is no caller.
        let evaluated = evaluation::evaluate(review, matched, set, surroundings, context, settings, answer);
        if evaluated.is_err() || answer.has_failed() {
            break;
        }
    }
    matched.map(|matched| matched.iter().map(|Matched { position, .. }| *position).collect())
}
