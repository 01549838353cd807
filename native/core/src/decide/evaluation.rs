//! Evaluates the Constraints that matched, template by template, with Gatekeeper's treatment of what goes wrong.

use std::time::{Duration, Instant};

use super::answer::Answer;
use super::call::Ends;
use super::surroundings::{Shown, Surroundings};
use super::{CallError, Limits, Matched, within};
use crate::compatibility::{Compatibility, ErrorSpread};
use crate::evaluate::{Budget, Context, Entered, Evaluation, EvaluationError, ExhaustedBudget, Trace, Violation};
use crate::policy::PolicySet;
use crate::review::Review;
use crate::wire::ErrorReason;

/// What the evaluation of one Constraint gave.
pub(super) type Outcome = Result<Vec<Violation>, EvaluationError>;

/// That of a Constraint, by its position in a set of policies.
pub(super) struct Evaluated {
    pub(super) set: u64,
    pub(super) position: usize,
    pub(super) outcome: Outcome,
}

/// How the evaluation of one Constraint went.
pub(super) struct Traced {
    /// The set of policies.
    pub(super) set: u64,
    /// The Constraint's position in it.
    pub(super) position: usize,
    pub(super) trace: Trace,
    /// Wall time.
    pub(super) time: Duration,
}

/// What holds for the evaluations of one review.
#[derive(Clone, Copy)]
pub(super) struct Settings<'a> {
    pub(super) limits: &'a Limits,
    pub(super) ends: &'a Ends,
    pub(super) compatibility: &'a Compatibility,
}

pub(super) fn evaluate(
    review: &Review,
    matched: &[Matched],
    set: &PolicySet,
    surroundings: &Surroundings<'_>,
    context: &mut Context,
    settings: Settings<'_>,
    answer: &mut Answer<'_>,
) -> Result<(), CallError> {
    let mut entered = context.enter(within(set));
    let template_of = |matched: &Matched| set.constraints().get(matched.position).map(|published| published.template);
    // Constraints of a kind stand together, and Gatekeeper asks one query for all of them.
    for of_kind in matched.chunk_by(|a, b| template_of(a) == template_of(b)) {
        let mut outcomes: Vec<(&Matched, Outcome)> = Vec::with_capacity(of_kind.len());
        for matched in of_kind {
            let outcome = match &matched.auto_reject {
                Some(message) => Ok(vec![Violation::without_details(message.clone())]),
                None => {
                    settings.ends.check()?;
                    let judged = surroundings.judge(set, matched.position);
                    if let Some(stale) = judged.stale {
                        answer.stale_view(set, matched.position, stale);
                    }
                    let Some(shown) = judged.shown else { continue };
                    let seen = (surroundings, shown);
                    let known = answer.known(set, matched.position);
                    let mut traced = answer.keeps_traces().then(|| (Trace::default(), Instant::now()));
                    let trace = traced.as_mut().map(|(trace, _)| trace);
                    let outcome = known.unwrap_or_else(|| {
                        evaluate_one(matched.position, review, set, seen, &mut entered, settings, trace)
                    });
                    if let Some((trace, started)) = traced {
                        let (set, position, time) = (set.id(), matched.position, started.elapsed());
                        answer.traced(Traced { set, position, trace, time });
                    }
                    answer.evaluated(set, matched.position, &outcome);
                    outcome
                }
            };
            outcomes.push((matched, outcome));
        }
        let spread = settings.compatibility.error_spread;
        let failure = outcomes.iter().find_map(|(_, outcome)| match outcome {
            Err(EvaluationError::Program(message)) if spread == ErrorSpread::Kind => Some(message.clone()),
            _ => None,
        });
        // A query that failed has no results, and so none that could not be used.
        if failure.is_none()
            && let Some(message) = unusable_message(&outcomes)
        {
            // As the errors of Gatekeeper's client name the target and the driver.
            let message = format!("admission.k8s.gatekeeper.sh: Rego: {message}\n\n");
            answer.fail(500, message, ErrorReason::Evaluation);
            return Ok(());
        }
        report(outcomes, set, failure.as_ref(), answer);
    }
    Ok(())
}

fn evaluate_one(
    position: usize,
    review: &Review,
    set: &PolicySet,
    (surroundings, shown): (&Surroundings<'_>, Shown),
    entered: &mut Entered<'_>,
    settings: Settings<'_>,
    trace: Option<&mut Trace>,
) -> Outcome {
    let time = settings.limits.constraint_time;
    if Instant::now() >= settings.ends.evaluations(surroundings.waited()) {
        return Err(EvaluationError::Budget(ExhaustedBudget::Time(time)));
    }
    let ready = set.constraints().get(position).and_then(|published| {
        let template = set.templates().get(published.template)?;
        let ready =
            entered.ready((published.template, &template.program), (position, &published.constraint.parameters))?;
        Some((surroundings.documents(set, published.template, shown), ready))
    });
    // A position that the set does not hold cannot match: Gatekeeper skips a Constraint that was removed meanwhile.
    let Some((documents, (instance, parameters))) = ready else { return Ok(Vec::new()) };
    let documents = documents.map_err(|error| EvaluationError::Budget(ExhaustedBudget::Inventory(error)))?;
    let nonstring_msg = settings.compatibility.nonstring_msg;
    let budget = Budget {
        instructions: settings.limits.constraint_instructions,
        time,
        deadline: settings.ends.evaluations(surroundings.waited()),
    };
    let (cluster, data) = (documents.cluster.as_ref(), &*documents.data);
    let evaluation = Evaluation { review: &review.value, parameters, cluster, data, budget, nonstring_msg };
    match trace {
        None => instance.evaluate(&evaluation),
        Some(trace) => {
            let outcome;
            (outcome, *trace) = instance.trace(&evaluation);
            outcome
        }
    }
}

/// A `msg` that is no string fails the whole review.
fn unusable_message(outcomes: &[(&Matched, Outcome)]) -> Option<String> {
    outcomes.iter().find_map(|(_, outcome)| match outcome {
        Err(EvaluationError::Message(message)) => Some(message.clone()),
        _ => None,
    })
}

/// `failure` is that of the query for all of them.
fn report(outcomes: Vec<(&Matched, Outcome)>, set: &PolicySet, failure: Option<&String>, answer: &mut Answer<'_>) {
    for (matched, outcome) in outcomes {
        let position = matched.position;
        match (outcome, failure) {
            // One query for all Constraints of a kind: its failure is the result of each of them.
            (_, Some(failure)) if matched.auto_reject.is_none() => {
                answer.violation(set, position, Violation::without_details(failure.clone()));
            }
            (Ok(violations), _) => {
                violations.into_iter().for_each(|violation| answer.violation(set, position, violation))
            }
            (Err(EvaluationError::Budget(budget)), _) => {
                let (message, reason) = exhausted(budget);
                answer.constraint_error(set, position, message, reason);
            }
            (Err(EvaluationError::Program(message) | EvaluationError::Message(message)), _) => {
                answer.violation(set, position, Violation::without_details(message));
            }
        }
    }
}

fn exhausted(budget: ExhaustedBudget) -> (String, ErrorReason) {
    match budget {
        ExhaustedBudget::Instructions(limit) => {
            (format!("the evaluation took more than {limit} instructions"), ErrorReason::InstructionBudget)
        }
        ExhaustedBudget::Time(limit) => (format!("the evaluation took longer than {limit:?}"), ErrorReason::TimeBudget),
        ExhaustedBudget::Inventory(error) => (error.to_string(), ErrorReason::MemoryBudget),
        ExhaustedBudget::Memory => ("the evaluation took too much memory".to_owned(), ErrorReason::MemoryBudget),
    }
}
