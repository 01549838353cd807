//! Namespaces that the Config keeps a process from (`skipExcludedNamespace` in `pkg/webhook/common.go` and
//! `pkg/audit/manager.go` of Gatekeeper 3.23.1).

use super::answer::Point;
use crate::policy::PolicySet;
use crate::review::Review;

/// What Gatekeeper's webhook says of an object that it leaves alone.
pub(super) const MESSAGE: &str = "Namespace is set to be ignored by Gatekeeper config";

/// Whether the Config keeps this enforcement point from the object (of a DELETE: the old one). Gatekeeper compares the
/// request's namespace, or that of an object without a request; an object that it cannot read is not excluded.
pub(super) fn excludes(review: &Review, set: &PolicySet, point: Point<'_>) -> bool {
    let Some(process) = point.process().filter(|_| !set.excluder().is_empty()) else { return false };
    let subject = review.subject(None);
    subject.object().is_some_and(|object| set.excluder().excludes(process, object, &review.namespace_name))
}
