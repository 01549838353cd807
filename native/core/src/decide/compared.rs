//! The decision on objects by two sets of policies: those that are published, and those that somebody proposes.
//!
//! What both have in common is evaluated once: a Constraint with the same parameters and the same program, that sees the
//! same, gives the same.

use std::collections::HashMap;
use std::sync::Arc;

use fleetgate_value::Value;

use super::answer::Answer;
use super::evaluation::Evaluated;
use super::existing::{Auditor, Positions, judge};
use crate::evaluate::Context;
use crate::policy::{PolicySet, PublishedConstraint, PublishedTemplate};
use crate::wire::{self, ErrorReason};

/// Judges the objects of one cluster by two generations, on one snapshot.
pub(crate) struct Comparer<'a> {
    before: Auditor<'a>,
    after: Auditor<'a>,
    equal: Equals,
}

/// A set of policies, and the position of a Constraint in it.
type Place = (u64, usize);

/// From Constraints before to those that are their equals after.
type Equals = HashMap<Place, Place>;

/// One thing before and one after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Both<T> {
    pub(crate) before: T,
    pub(crate) after: T,
}

impl<T> Both<T> {
    pub(crate) fn map<U>(self, mut each: impl FnMut(T) -> U) -> Both<U> {
        Both { before: each(self.before), after: each(self.after) }
    }
}

impl<'a> Comparer<'a> {
    pub(crate) fn new(before: Auditor<'a>, after: Auditor<'a>) -> Self {
        let equal = equals(&before, &after);
        Self { before, after, equal }
    }

    /// Judges an object by some of the Constraints that concern its kind. Each generation has a context of its own, which
    /// stays ready for its policies.
    pub(crate) fn judge(
        &mut self,
        object: Value,
        among: Both<&Positions>,
        contexts: &mut Both<Context>,
    ) -> Both<wire::ReviewResponse> {
        let review = self.before.review(object);
        let (mut before, mut after) = (self.before.answer(), self.after.answer());
        match review {
            Ok(review) => {
                let limits = self.before.patient_limits();
                before.keep_outcomes();
                judge(&self.before, &review, among.before, (&mut contexts.before, &limits), &mut before);
                self.hand_on(before.take_outcomes(), &mut after);
                judge(&self.after, &review, among.after, (&mut contexts.after, &limits), &mut after);
            }
            Err(error) => {
                for answer in [&mut before, &mut after] {
                    answer.fail(500, error.clone(), ErrorReason::Evaluation);
                }
            }
        }
        Both { before: before.into_findings(), after: after.into_findings() }
    }

    fn hand_on(&self, evaluated: Vec<Evaluated>, answer: &mut Answer<'_>) {
        answer.know(evaluated.into_iter().filter_map(|one| {
            let (set, position) = *self.equal.get(&(one.set, one.position))?;
            Some(Evaluated { set, position, outcome: one.outcome })
        }));
    }
}

fn equals(before: &Auditor<'_>, after: &Auditor<'_>) -> Equals {
    let sees_the_same = before.generation.shows() == after.generation.shows();
    let mut equals = Equals::new();
    for (old, new) in before.scopes.zip(after.scopes).iter() {
        for (position, constraint) in new.constraints().iter().enumerate() {
            let key = |one: &PublishedConstraint| (one.constraint.kind.clone(), one.constraint.name.clone());
            let Ok(was) = old.constraints().binary_search_by_key(&key(constraint), key) else { continue };
            if gives_the_same((old, was), (new, position), sees_the_same) {
                equals.insert((old.id(), was), (new.id(), position));
            }
        }
    }
    equals
}

fn gives_the_same(old: (&PolicySet, usize), new: (&PolicySet, usize), sees_the_same: bool) -> bool {
    let of = |(set, position): (&'_ PolicySet, usize)| {
        let published = set.constraints().get(position)?.clone();
        let template = set.templates().get(published.template)?.clone();
        Some((published.constraint, template))
    };
    let (Some((old, was)), Some((new, is))) = (of(old), of(new)) else { return false };
    let program = |one: &PublishedTemplate| Arc::as_ptr(&one.program).addr();
    old.parameters == new.parameters
        && old.reach.freshness == new.reach.freshness
        && program(&was) == program(&is)
        && was.template.fleet == is.template.fleet
        && was.template.sync_requirements == is.template.sync_requirements
        && (sees_the_same || !is.program.referential())
}
