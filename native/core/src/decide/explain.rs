//! Explains a decision: what each Constraint thinks of the object, and why.
//!
//! An explained decision is made as every other; only its evaluations take notes. What did not match is asked for its first
//! criterion that does not hold, by the very functions that matching asks.

mod criterion;
mod object;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use fleetgate_eval::ReadObject;
use fleetgate_rego::LineIndex;
use prost::Message;

use super::answer::{Answer, Point};
use super::evaluation::Traced;
use super::surroundings::Surroundings;
use super::{CallError, Caller, Engine, Matched, Pinned};
use crate::evaluate::Produced;
use crate::evaluate::rego::source_named;
use crate::inventory::{Snapshot, duration};
use crate::policy::{PolicySet, PublishedConstraint, Scoped};
use crate::review::Review;
use crate::template::Template;
use crate::wire::{self, explain_request};

impl Engine {
    /// Answers an encoded `fleetgate.v1.ExplainRequest` with an encoded `ExplainResponse`. A cached object is explained as
    /// audit reviews it, a review as it is decided.
    ///
    /// # Errors
    /// As [`Engine::review`]; an object that is not cached is [`CallError::InvalidRequest`].
    pub fn explain(&self, request: &[u8], caller: &Caller<'_>) -> Result<Vec<u8>, CallError> {
        let started = Instant::now();
        let request = wire::ExplainRequest::decode(request).map_err(|error| CallError::undecodable(&error))?;
        let all: Vec<Arc<Snapshot>> = self.inventories.clusters().iter().map(|shard| shard.snapshot()).collect();
        let (generation, at) = (self.policies.current(), SystemTime::now());
        let (review, pinned) = match request.subject {
            Some(explain_request::Subject::Cached(cached)) => {
                let (review, snapshot) = object::as_audited(&all, &cached, caller)?;
                (review, Pinned::Together { snapshot, all: &all, at })
            }
            Some(explain_request::Subject::Review(review)) => {
                let earlier = self.wait_for(&review, caller, started)?;
                (review, earlier.map_or(Pinned::Current, Pinned::Earlier))
            }
            None => return Err(CallError::invalid("subject", "cached or review is expected")),
        };
        let review = wire::ReviewRequest { explain: true, ..review };
        let mut context = self.context(caller, started)?;
        let (mut decision, _) = self.decide(&review, &generation, &mut context, caller, started, pinned)?;
        let explanation = decision.explanation.take();
        let object = object::named(&review, caller.cluster_of(&review)?);
        Ok(wire::ExplainResponse { object, decision: Some(decision), explanation }.encode_to_vec())
    }
}

/// What is to be explained.
pub(super) struct Question<'a> {
    pub(super) review: &'a Review,
    pub(super) scopes: Scoped<&'a PolicySet>,
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) point: Point<'a>,
}

/// What evaluations noted, by the set of policies and the Constraint's position in it.
type Traces = HashMap<(u64, usize), Traced>;

impl Question<'_> {
    /// Puts the explanation into an answer that kept traces, and does nothing with any other. `matched` has the sets of
    /// policies that were asked.
    pub(super) fn answer(&self, matched: &[(&PolicySet, Vec<Matched>)], answer: &mut Answer<'_>) {
        let Some(traces) = answer.take_traces() else { return };
        let mut traces: Traces = traces.into_iter().map(|traced| ((traced.set, traced.position), traced)).collect();
        let namespace_name = &self.review.namespace_name;
        let snapshot = self.surroundings.snapshot();
        let known = if self.review.has_namespace() { None } else { snapshot.namespace(namespace_name) };
        let subject = self.review.subject(known.as_ref());
        let mut constraints = Vec::new();
        for set in self.scopes.iter() {
            let of_set = matched.iter().find(|(asked, _)| asked.id() == set.id());
            for (position, published) in set.constraints().iter().enumerate() {
                let has_matched = of_set.is_some_and(|(_, matched)| matched.iter().any(|one| one.position == position));
                let mut explained = described(set, published);
                if has_matched {
                    let traced = traces.remove(&(set.id(), position));
                    self.of_matched(&mut explained, set, published, traced, answer.response());
                } else {
                    explained.criterion = criterion::unmet(self, set, published, &subject);
                }
                constraints.push(explained);
            }
        }
        // Each scope's stand in order already.
        constraints.sort_by(|a, b| key(a).cmp(&key(b)));
        answer.explain(wire::Explanation { constraints });
    }

    fn of_matched(
        &self,
        explained: &mut wire::ConstraintExplanation,
        set: &PolicySet,
        published: &PublishedConstraint,
        traced: Option<Traced>,
        response: &wire::ReviewResponse,
    ) {
        explained.matched = true;
        let scope = set.scope().as_str();
        let is_it = |kind: &str, name: &str, of: &str| {
            *kind == *published.constraint.kind && *name == *published.constraint.name && of == scope
        };
        let errors = &response.constraint_errors;
        explained.error =
            errors.iter().find(|one| is_it(&one.constraint_kind, &one.constraint_name, &one.scope)).cloned();
        let violations = response.violations.iter();
        let violations = violations.filter(|one| is_it(&one.constraint_kind, &one.constraint_name, &one.scope));
        let template = set.templates().get(published.template).map(|published| &published.template);
        let produced = traced.as_ref().map(|traced| &*traced.trace.produced).unwrap_or_default();
        let violation = |violation: &wire::Violation| wire::ExplainedViolation {
            violation: Some(violation.clone()),
            positions: template.map(|template| positions(template, violation, produced)).unwrap_or_default(),
        };
        explained.violations = violations.map(violation).collect();
        let Some(Traced { trace, time, .. }) = traced else { return };
        explained.time = Some(duration(time));
        explained.read_objects = trace.read_objects as u64;
        explained.reads = trace.reads.into_iter().map(|read| self.read_object(&read)).collect();
    }

    fn read_object(&self, read: &ReadObject) -> wire::ReadObject {
        let (group, version) = read.group_version.split_once('/').unwrap_or(("", &read.group_version));
        wire::ReadObject {
            cluster: read.cluster.as_deref().unwrap_or_else(|| self.surroundings.cluster()).to_owned(),
            kind: Some(wire::KindName {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: read.kind.to_string(),
            }),
            namespace: read.namespace.to_string(),
            name: read.name.to_string(),
        }
    }
}

fn key(explained: &wire::ConstraintExplanation) -> (&str, &str) {
    (&explained.constraint_kind, &explained.constraint_name)
}

fn described(set: &PolicySet, published: &PublishedConstraint) -> wire::ConstraintExplanation {
    let constraint = &published.constraint;
    wire::ConstraintExplanation {
        constraint_kind: constraint.kind.to_string(),
        constraint_name: constraint.name.to_string(),
        scope: set.scope().as_str().to_owned(),
        enforcement_action: constraint.actions.declared().to_owned(),
        parameters: constraint.parameters.to_string().into(),
        ..Default::default()
    }
}

/// Where a violation comes from, each place once.
fn positions(template: &Template, violation: &wire::Violation, produced: &[Produced]) -> Vec<wire::RegoPosition> {
    let mut positions: Vec<wire::RegoPosition> = Vec::new();
    for produced in produced {
        let of_it = &produced.violation;
        if of_it.message != violation.message || *of_it.details != *violation.details {
            continue;
        }
        let position = position(template, produced);
        if !positions.contains(&position) {
            positions.push(position);
        }
    }
    positions
}

fn position(template: &Template, produced: &Produced) -> wire::RegoPosition {
    let source = source_named(template, &produced.module);
    let located = source.locate(produced.position.row, produced.position.col);
    let text = LineIndex::new(&source.text).line(&source.text, produced.position.row).to_owned();
    let is_entry = Arc::ptr_eq(&source.text, &template.module.text);
    wire::RegoPosition {
        path: located.path.to_string(),
        line: located.line,
        column: located.column,
        source: if is_entry { "rego".to_owned() } else { produced.module.to_string() },
        source_line: produced.position.row,
        text,
    }
}
