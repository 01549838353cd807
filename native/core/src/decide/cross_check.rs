//! The cross-check: a share of the reviews is evaluated by a second engine too, and differences are told.
//!
//! It runs when the answer stands, on what is left of the review's time, and changes nothing of it.

use std::sync::Arc;
use std::time::Instant;

use super::evaluation::{Evaluated, Outcome, Settings};
use super::surroundings::Surroundings;
use super::within;
use crate::evaluate::{Budget, Context, Evaluation, EvaluationError, Violation};
use crate::policy::PolicySet;
use crate::review::Review;

/// The share of reviews that are cross-checked. Which of them follows from the decision's id, which is random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrossCheck {
    /// Ids whose first 32 bits are below this; 2^32 is all of them.
    below: u64,
}

impl CrossCheck {
    /// A share from 0 to 1.
    #[must_use]
    pub fn of(share: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^32")]
        let below = (share.clamp(0.0, 1.0) * (1_u64 << u32::BITS) as f64) as u64;
        Self { below }
    }

    /// Whether any review is cross-checked.
    #[must_use]
    pub const fn is_on(self) -> bool {
        self.below > 0
    }

    /// Whether the review of a decision is cross-checked.
    pub(super) fn samples(self, decision_id: &str) -> bool {
        self.is_on() && {
            let first = decision_id.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            first.is_some_and(|first| u64::from(first) < self.below)
        }
    }
}

/// A Constraint on which the engines differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The Constraint's kind, which names its template.
    pub kind: Arc<str>,
    /// The Constraint's name.
    pub name: Arc<str>,
}

/// What the cross-check of a review found.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// Evaluations of which both engines' outcomes were compared.
    pub compared: usize,
    /// Those that differ.
    pub disagreements: Vec<Disagreement>,
}

/// Evaluates again what was evaluated, and finds the Constraints whose violations are not the same.
pub(super) fn compare(
    outcomes: Vec<(&PolicySet, Vec<Evaluated>)>,
    review: &Review,
    surroundings: &Surroundings<'_>,
    context: &mut Context,
    settings: Settings<'_>,
) -> Comparison {
    let mut comparison = Comparison::default();
    for (set, outcomes) in outcomes {
        compare_scope(outcomes, review, set, surroundings, context, settings, &mut comparison);
    }
    comparison
}

fn compare_scope(
    outcomes: Vec<Evaluated>,
    review: &Review,
    set: &PolicySet,
    surroundings: &Surroundings<'_>,
    context: &mut Context,
    settings: Settings<'_>,
    comparison: &mut Comparison,
) {
    let mut entered = context.enter(within(set));
    for Evaluated { position, outcome: ours, .. } in outcomes {
        if Instant::now() >= settings.ends.evaluations(surroundings.waited()) {
            break;
        }
        let Some(published) = set.constraints().get(position) else { continue };
        let Some(template) = set.templates().get(published.template) else { continue };
        if template.program.second().is_none() {
            continue;
        }
        let Ok(data) = surroundings.inventory(template.program.as_ref()) else { continue };
        let second = entered.second((published.template, &template.program), position);
        let Some((instance, parameters)) = second else { continue };
        let budget = Budget {
            instructions: settings.limits.constraint_instructions,
            time: settings.limits.constraint_time,
            deadline: settings.ends.evaluations(surroundings.waited()),
        };
        let nonstring_msg = settings.compatibility.nonstring_msg;
        let evaluation =
            Evaluation { review: &review.value, parameters, cluster: None, data: &data, budget, nonstring_msg };
        let Some(theirs) = instance.evaluate(&evaluation) else { continue };
        comparison.compared += 1;
        if differ(ours, theirs) {
            comparison.disagreements.push(Disagreement {
                kind: published.constraint.kind.clone(),
                name: published.constraint.name.clone(),
            });
        }
    }
}

/// Whether two outcomes are not the same. The words of an error are each engine's own.
fn differ(ours: Outcome, theirs: Outcome) -> bool {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => sorted(ours) != sorted(theirs),
        (Err(EvaluationError::Budget(_)), _) | (_, Err(EvaluationError::Budget(_))) => false,
        (Err(ours), Err(theirs)) => std::mem::discriminant(&ours) != std::mem::discriminant(&theirs),
        _ => true,
    }
}

fn sorted(mut violations: Vec<Violation>) -> Vec<Violation> {
    violations.sort_by(|a, b| (&a.message, &a.details).cmp(&(&b.message, &b.details)));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::ExhaustedBudget;

    #[test]
    fn the_share_is_of_the_ids() {
        let all = |check: CrossCheck| ["00000000f", "7fffffffa", "80000000b", "ffffffffe"].map(|id| check.samples(id));
        assert_eq!(all(CrossCheck::default()), [false; 4]);
        assert_eq!(all(CrossCheck::of(0.0)), [false; 4]);
        assert_eq!(all(CrossCheck::of(0.5)), [true, true, false, false]);
        assert_eq!(all(CrossCheck::of(1.0)), [true; 4]);
        assert!(!CrossCheck::of(1.0).samples("short"));
    }

    #[test]
    fn outcomes_differ_by_what_they_say() {
        let one = |message: &str, details: &str| Violation { message: message.to_owned(), details: details.into() };
        let both = vec![one("a", "{}"), one("b", "{}")];
        let reversed: Vec<_> = both.iter().rev().cloned().collect();
        let program = |text: &str| Err(EvaluationError::Program(text.to_owned()));
        let budget = || Err(EvaluationError::Budget(ExhaustedBudget::Memory));
        for (ours, theirs, expected) in [
            (Ok(both.clone()), Ok(reversed), false),
            (Ok(both.clone()), Ok(vec![one("a", "{}")]), true),
            (Ok(vec![one("a", "{}")]), Ok(vec![one("a", "1")]), true),
            (program("one"), program("other"), false),
            (program("one"), Ok(vec![]), true),
            (Ok(vec![]), program("one"), true),
            (program("one"), Err(EvaluationError::Message("m".to_owned())), true),
            (budget(), Ok(both.clone()), false),
            (Ok(both), budget(), false),
        ] {
            assert_eq!(differ(ours, theirs), expected);
        }
    }
}
