//! Namespaces that a Config keeps a process from (`skipExcludedNamespace` in `pkg/webhook/common.go` and
//! `pkg/audit/manager.go` of Gatekeeper 3.23.1).

use super::answer::Point;
use crate::policy::{PolicySet, Scoped};
use crate::review::Review;

/// What Gatekeeper's webhook says of an object that it leaves alone.
pub(super) const MESSAGE: &str = "Namespace is set to be ignored by Gatekeeper config";

/// The sets of policies that are asked; none where a Config keeps all of them from the object. A Config concerns the policies
/// of its own scope only: that of a cluster takes nothing away from the fleet's.
pub(super) fn asked<'set>(
    review: &Review,
    scopes: Scoped<&'set PolicySet>,
    point: Point<'_>,
) -> Option<Vec<&'set PolicySet>> {
    let asked: Vec<_> = scopes.iter().copied().filter(|set| !excludes(review, set, point)).collect();
    let is_excluded = asked.len() < scopes.iter().count();
    (!is_excluded || asked.iter().any(|set| !set.constraints().is_empty())).then_some(asked)
}

/// Whether the Config keeps this enforcement point from the object (of a DELETE: the old one). Gatekeeper compares the
/// request's namespace, or that of an object without a request; an object that it cannot read is not excluded.
pub(super) fn excludes(review: &Review, set: &PolicySet, point: Point<'_>) -> bool {
    let Some(process) = point.process().filter(|_| !set.excluder().is_empty()) else { return false };
    let subject = review.subject(None);
    subject.object().is_some_and(|object| set.excluder().excludes(process, object, &review.namespace_name))
}
