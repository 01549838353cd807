//! The answer: violations, errors, and what they mean for the request.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::evaluation::{Evaluated, Outcome, Traced};
use super::surroundings::Stale;
use super::{CallError, Comparison, Decision};
use crate::compatibility::EmptyEnforcementAction;
use crate::config::Process;
use crate::evaluate::Violation;
use crate::inventory::{Extent, Snapshot, State};
use crate::matching::Subject;
use crate::policy::{Generation, PolicySet, PublishedConstraint};
use crate::report;
use crate::template::EnforcementActions;
use crate::wire::{self, ErrorReason};

/// Why a Constraint is not looked at, whatever the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It has no action at the enforcement point.
    EnforcementPoint,
    /// Its template is not for the operation.
    Operation,
}

/// An enforcement point, and how it takes actions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    name: &'a str,
    empty_action: EmptyEnforcementAction,
}

impl<'a> Point<'a> {
    const VALIDATION: &'static str = "validation.gatekeeper.sh";
    const AUDIT: &'static str = "audit.gatekeeper.sh";
    const DENY: &'static str = "deny";
    const KNOWN: [&'static str; 3] = [Self::VALIDATION, Self::AUDIT, "gator.gatekeeper.sh"];

    /// The request's; admission where it names none.
    pub(super) fn of(
        request: &'a wire::ReviewRequest,
        empty_action: EmptyEnforcementAction,
    ) -> Result<Self, CallError> {
        match request.enforcement_point.as_str() {
            "" => Ok(Self { name: Self::VALIDATION, empty_action }),
            name if Self::KNOWN.contains(&name) => Ok(Self { name, empty_action }),
            _ => Err(CallError::invalid("enforcement_point", &format!("one of {:?} is expected", Self::KNOWN))),
        }
    }

    /// Audit.
    pub(super) fn audit(empty_action: EmptyEnforcementAction) -> Self {
        Self { name: Self::AUDIT, empty_action }
    }

    /// Whether this is admission.
    pub(super) fn is_admission(self) -> bool {
        self.name == Self::VALIDATION
    }

    /// The process whose exclusions hold here; gator's objects are excluded from nothing.
    pub(super) fn process(self) -> Option<Process> {
        match self.name {
            Self::VALIDATION => Some(Process::Webhook),
            Self::AUDIT => Some(Process::Audit),
            _ => None,
        }
    }

    /// Whether policies see no Namespace here.
    pub(super) fn hides_namespace(self) -> bool {
        self.name == "gator.gatekeeper.sh"
    }

    /// Whether a Constraint is looked at here at all.
    pub(super) fn concerns(self, set: &PolicySet, published: &PublishedConstraint, operation: Option<&str>) -> bool {
        self.obstacle(set, published, operation).is_none()
    }

    /// Why a Constraint is not looked at here: it has no action here, or its template does not admit the operation, which
    /// only admission asks about. An unknown operation could be any.
    pub(super) fn obstacle(
        self,
        set: &PolicySet,
        published: &PublishedConstraint,
        operation: Option<&str>,
    ) -> Option<Obstacle> {
        let admits = || {
            let template = set.templates().get(published.template);
            template.is_some_and(|t| operation.is_none_or(|operation| t.template.operations.admits(operation)))
        };
        match self.actions(published) {
            None => Some(Obstacle::EnforcementPoint),
            Some(_) if self.is_admission() && !admits() => Some(Obstacle::Operation),
            Some(_) => None,
        }
    }

    /// As requests name it.
    pub(super) const fn name(self) -> &'a str {
        self.name
    }

    pub(super) fn actions(self, published: &PublishedConstraint) -> Option<&[Arc<str>]> {
        published.constraint.actions.at(self.name)
    }

    /// What a result of the Constraint is declared to do: an action, or `scoped`.
    fn declared(self, published: &PublishedConstraint) -> &str {
        match (published.constraint.actions.declared(), self.empty_action) {
            ("", EmptyEnforcementAction::Deny) => Self::DENY,
            (declared, _) => declared,
        }
    }

    pub(super) fn denies(self, published: &PublishedConstraint) -> bool {
        match self.declared(published) {
            EnforcementActions::SCOPED => {
                self.actions(published).is_some_and(|actions| actions.iter().any(|action| &**action == Self::DENY))
            }
            declared => declared == Self::DENY,
        }
    }
}

/// Positions of the Constraints that could match a review, ascending. A review without a readable object concerns all of
/// them: those with a match block then auto-reject.
pub(super) fn candidates<'a>(set: &'a PolicySet, subject: &Subject<'_>) -> impl Iterator<Item = usize> + use<'a> {
    let mut sides = subject.readable().map(|facts| (facts.group, facts.kind));
    let positions = match (subject.is_complete(), sides.next(), sides.next()) {
        (true, Some((group, kind)), None) => set.candidates(group, kind),
        (true, Some(one), Some(other)) if one == other => set.candidates(one.0, one.1),
        (true, Some(one), Some(other)) => {
            let joined = [one, other].map(|(group, kind)| set.candidates(group, kind));
            let joined: BTreeSet<u32> = joined.iter().flat_map(|positions| positions.iter().copied()).collect();
            Cow::Owned(joined.into_iter().collect())
        }
        _ => Cow::Owned((0..).take(set.constraints().len()).collect()),
    };
    (0..positions.len()).filter_map(move |index| positions.get(index).and_then(|at| usize::try_from(*at).ok()))
}

/// An answer in the making.
pub(super) struct Answer<'a> {
    response: wire::ReviewResponse,
    cluster: &'a str,
    generation: u64,
    point: Point<'a>,
    denied: bool,
    /// What was evaluated, where somebody wants to know.
    evaluated: Option<Vec<Evaluated>>,
    /// What need not be evaluated, by the set of policies and the Constraint's position.
    known: HashMap<(u64, usize), Outcome>,
    /// How evaluations went, where the review is explained.
    traced: Option<Vec<Traced>>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        cluster: &'a str,
        generation: &Generation,
        revision: wire::InventoryRevision,
        point: Point<'a>,
    ) -> Self {
        let response = wire::ReviewResponse {
            decision_id: unique_id(),
            policy_generation: Some(report::named(generation)),
            inventory_revision: Some(revision),
            ..Default::default()
        };
        Self::of(response, cluster, generation, point)
    }

    fn of(response: wire::ReviewResponse, cluster: &'a str, generation: &Generation, point: Point<'a>) -> Self {
        let (generation, denied) = (generation.number(), false);
        Self { response, cluster, generation, point, denied, evaluated: None, known: HashMap::new(), traced: None }
    }

    /// An answer that only says what was found.
    pub(super) fn of_findings(cluster: &'a str, generation: &Generation, point: Point<'a>) -> Self {
        Self::of(wire::ReviewResponse::default(), cluster, generation, point)
    }

    pub(super) fn decision_id(&self) -> &str {
        &self.response.decision_id
    }

    /// Keeps the outcomes of evaluations from now on.
    pub(super) fn keep_outcomes(&mut self) {
        self.evaluated = Some(Vec::new());
    }

    /// The outcomes that were kept since the last time.
    pub(super) fn take_outcomes(&mut self) -> Vec<Evaluated> {
        self.evaluated.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Notes what the evaluation of a Constraint gave.
    pub(super) fn evaluated(&mut self, set: &PolicySet, position: usize, outcome: &Outcome) {
        if let Some(evaluated) = &mut self.evaluated {
            evaluated.push(Evaluated { set: set.id(), position, outcome: outcome.clone() });
        }
    }

    /// Says what evaluations would give.
    pub(super) fn know(&mut self, known: impl IntoIterator<Item = Evaluated>) {
        self.known.extend(known.into_iter().map(|one| ((one.set, one.position), one.outcome)));
    }

    /// What the evaluation of a Constraint would give, where that is known.
    pub(super) fn known(&mut self, set: &PolicySet, position: usize) -> Option<Outcome> {
        if self.known.is_empty() { None } else { self.known.remove(&(set.id(), position)) }
    }

    /// Keeps how evaluations go from now on.
    pub(super) fn keep_traces(&mut self) {
        self.traced = Some(Vec::new());
    }

    pub(super) const fn keeps_traces(&self) -> bool {
        self.traced.is_some()
    }

    /// Notes how an evaluation went.
    pub(super) fn traced(&mut self, traced: Traced) {
        self.traced.get_or_insert_default().push(traced);
    }

    /// How evaluations went, where that was kept.
    pub(super) fn take_traces(&mut self) -> Option<Vec<Traced>> {
        self.traced.take()
    }

    /// What was found so far.
    pub(super) const fn response(&self) -> &wire::ReviewResponse {
        &self.response
    }

    pub(super) fn explain(&mut self, explanation: wire::Explanation) {
        self.response.explanation = Some(explanation);
    }

    /// Adds a violation of a Constraint.
    pub(super) fn violation(&mut self, set: &PolicySet, position: usize, violation: Violation) {
        let Some(published) = set.constraints().get(position) else { return };
        let actions = self.enforce(published);
        self.response.violations.push(wire::Violation {
            constraint_kind: published.constraint.kind.to_string(),
            constraint_name: published.constraint.name.to_string(),
            message: violation.message,
            details: violation.details.into(),
            enforcement_action: self.point.declared(published).to_owned(),
            scoped_enforcement_actions: actions,
            scope: set.scope().as_str().to_owned(),
        });
    }

    /// Adds a Constraint that gave no answer. It has the effect of a violation.
    pub(super) fn constraint_error(&mut self, set: &PolicySet, position: usize, message: String, reason: ErrorReason) {
        let Some(published) = set.constraints().get(position) else { return };
        let actions = self.enforce(published);
        self.response.constraint_errors.push(wire::ConstraintError {
            constraint_kind: published.constraint.kind.to_string(),
            constraint_name: published.constraint.name.to_string(),
            message,
            enforcement_action: self.point.declared(published).to_owned(),
            scoped_enforcement_actions: actions,
            scope: set.scope().as_str().to_owned(),
            reason: reason.into(),
        });
    }

    /// Says that what a Constraint reads is older than it allows, and does what saying so is to do.
    pub(super) fn stale_view(&mut self, set: &PolicySet, position: usize, stale: Stale) {
        let Stale { message, reason, action: Some(action) } = stale else {
            return self.constraint_error(set, position, stale.message, stale.reason);
        };
        let Some(published) = set.constraints().get(position) else { return };
        self.response.constraint_errors.push(wire::ConstraintError {
            constraint_kind: published.constraint.kind.to_string(),
            constraint_name: published.constraint.name.to_string(),
            message,
            enforcement_action: action.to_owned(),
            scoped_enforcement_actions: Vec::new(),
            scope: set.scope().as_str().to_owned(),
            reason: reason.into(),
        });
    }

    /// Says how far what was read is known.
    pub(super) fn read(&mut self, extent: Extent) {
        if let Some(revision) = &mut self.response.inventory_revision {
            revision.read_age = extent.age.map(duration);
            revision.read_stale = extent.state != State::Synced;
        }
    }

    /// Notes whether the Constraint denies here, and gives its actions where they are scoped.
    fn enforce(&mut self, published: &PublishedConstraint) -> Vec<String> {
        self.denied |= self.point.denies(published);
        match &published.constraint.actions {
            EnforcementActions::Uniform(_) => Vec::new(),
            EnforcementActions::Scoped(_) => {
                self.point.actions(published).unwrap_or_default().iter().map(ToString::to_string).collect()
            }
        }
    }

    /// Allows the review without a policy being asked.
    pub(super) fn allow(&mut self, status_message: &str) {
        status_message.clone_into(&mut self.response.status_message);
    }

    /// Fails the review as a whole: what was found so far is lost, as in Gatekeeper.
    pub(super) fn fail(&mut self, code: i32, message: String, reason: ErrorReason) {
        self.response.violations.clear();
        self.response.constraint_errors.clear();
        self.response.review_error = Some(wire::ReviewError { code, message, reason: reason.into() });
    }

    pub(super) fn has_failed(&self) -> bool {
        self.response.review_error.is_some()
    }

    /// What was found, and nothing beside.
    pub(super) fn into_findings(mut self) -> wire::ReviewResponse {
        self.sort();
        self.response.allowed = !self.has_failed() && !self.denied;
        self.response
    }

    /// Each scope's violations stand in order already.
    fn sort(&mut self) {
        let is_of_cluster = |violation: &wire::Violation| violation.scope == "cluster";
        if self.response.violations.last().is_some_and(is_of_cluster) {
            let key =
                |violation: &wire::Violation| (violation.constraint_kind.clone(), violation.constraint_name.clone());
            self.response.violations.sort_by_cached_key(key);
        }
    }

    pub(super) fn finish(
        mut self,
        stages: [Duration; 3],
        dry_run: bool,
        constraints_matched: usize,
    ) -> (wire::ReviewResponse, Decision) {
        let failed = self.has_failed();
        self.sort();
        self.response.allowed = !failed && !self.denied;
        let [decode, matching, evaluate] = stages;
        let decision = Decision {
            response: Vec::new(),
            decision_id: self.response.decision_id.clone(),
            admission_status: match (failed, self.denied) {
                (true, _) => "error",
                (false, true) => "deny",
                (false, false) => "allow",
            },
            dry_run,
            cluster: self.cluster.to_owned(),
            generation: self.generation,
            stages: [decode, matching, evaluate, Duration::ZERO],
            cpu: Duration::ZERO,
            constraints_matched,
            comparison: Comparison::default(),
        };
        (self.response, decision)
    }
}

/// What an answer says of the snapshot that was pinned.
pub(super) fn revision(snapshot: &Snapshot, token: String) -> wire::InventoryRevision {
    let (number, age) = (snapshot.number(), snapshot.age().map(duration));
    wire::InventoryRevision { number, age, token, ..Default::default() }
}

fn duration(age: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(age.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(age.subsec_nanos()).unwrap_or_default(),
    }
}

/// 32 random hexadecimal digits.
pub(crate) fn unique_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without a source of randomness in the kernel there is no TLS either: an id of zeros is the least of it.
    let _ = getrandom::fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}
