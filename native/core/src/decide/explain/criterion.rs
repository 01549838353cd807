//! The first criterion that keeps a Constraint from a review.

use serde_json::{Value as Json, json};

use super::Question;
use crate::decide::answer::Obstacle;
use crate::decide::exclusion;
use crate::matching::Subject;
use crate::policy::{PolicySet, PublishedConstraint};
use crate::template::EnforcementActions;
use crate::wire::MatchCriterion;

/// In the order in which a decision asks: the Config, the enforcement point, the operation, the cluster, then `spec.match`.
/// None where all of them hold.
pub(super) fn unmet(
    question: &Question<'_>,
    set: &PolicySet,
    published: &PublishedConstraint,
    subject: &Subject<'_>,
) -> Option<MatchCriterion> {
    let Question { review, surroundings, point, .. } = question;
    if exclusion::excludes(review, set, *point) {
        return Some(of_config(question, set, subject));
    }
    match point.obstacle(set, published, Some(&review.operation)) {
        Some(Obstacle::EnforcementPoint) => {
            return Some(criterion("enforcementPoint", &points(published), &json!(point.name())));
        }
        Some(Obstacle::Operation) => {
            let template = set.templates().get(published.template);
            let operations = template.and_then(|one| one.template.document.pointer("/spec/targets/0/operations"));
            return Some(criterion("operations", operations.unwrap_or(&Json::Null), &json!(review.operation)));
        }
        None => {}
    }
    let document = &published.constraint.document;
    if !surroundings.concerns(&published.constraint) {
        let selector = document.pointer("/metadata/annotations/fleetgate.dev~1clusters").and_then(Json::as_str);
        return Some(MatchCriterion {
            name: "clusters".to_owned(),
            expected: selector.unwrap_or_default().to_owned(),
            found: json!(surroundings.snapshot().facts().labels).to_string(),
        });
    }
    let unmet = published.constraint.matcher.as_ref()?.unmet(subject).ok()??;
    let field = unmet.field();
    let expected = document.pointer(&format!("/spec/match/{field}")).unwrap_or(&Json::Null);
    Some(criterion(&format!("spec.match.{field}"), expected, &unmet.found()))
}

fn criterion(name: &str, expected: &Json, found: &Json) -> MatchCriterion {
    MatchCriterion { name: name.to_owned(), expected: expected.to_string(), found: found.to_string() }
}

fn of_config(question: &Question<'_>, set: &PolicySet, subject: &Subject<'_>) -> MatchCriterion {
    let process = question.point.process();
    let excluded: Vec<String> =
        process.into_iter().flat_map(|process| set.excluder().patterns(process)).map(ToString::to_string).collect();
    let process = process.map(|process| process.name()).unwrap_or_default();
    let namespace = match subject.object() {
        Some(object) if object.is_namespace() => object.name,
        _ => &question.review.namespace_name,
    };
    MatchCriterion {
        name: "Config".to_owned(),
        expected: format!("a namespace that is not excluded from {process}, as {} are", json!(excluded)),
        found: json!(namespace).to_string(),
    }
}

/// The enforcement points at which a Constraint has an action.
fn points(published: &PublishedConstraint) -> Json {
    match &published.constraint.actions {
        EnforcementActions::Uniform(_) => json!([EnforcementActions::ALL_POINTS]),
        EnforcementActions::Scoped(points) => json!(points.keys().map(|point| &**point).collect::<Vec<_>>()),
    }
}
