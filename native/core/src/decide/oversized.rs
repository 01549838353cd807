//! Requests beyond a limit: too many bytes, or nested too deeply to read.
//!
//! A limit must not become a way around a policy, so such a request is refused wherever a Constraint that denies could
//! match an object of its kind. To tell the kind, the text is skimmed rather than read; what the skim cannot tell could be
//! anything.

use super::MAX_OBJECT_BYTES;
use super::answer::{Answer, Point};
use super::surroundings::Surroundings;
use crate::json::{Skimmed, skim};
use crate::policy::{PolicySet, PublishedConstraint, Scoped};
use crate::wire::{ErrorReason, ReviewRequest, review_request::Subject};

/// The limit that a request's objects exceed by their size.
pub(super) fn excess(request: &ReviewRequest) -> Option<String> {
    let size = match &request.subject {
        Some(Subject::AdmissionRequest(text)) if text.len() > MAX_OBJECT_BYTES => {
            let fields = skim(text);
            ["object", "oldObject"].iter().filter_map(|name| fields.get(text, name)).map(<[u8]>::len).sum()
        }
        Some(Subject::Object(text)) => text.len(),
        _ => 0,
    };
    (size > MAX_OBJECT_BYTES).then(|| format!("object and oldObject are larger than {MAX_OBJECT_BYTES} bytes"))
}

/// Answers a request that is beyond a limit.
pub(super) fn refuse(
    request: &ReviewRequest,
    scopes: Scoped<&PolicySet>,
    (point, surroundings): (Point<'_>, &Surroundings<'_>),
    limit: String,
    answer: &mut Answer<'_>,
) {
    let known = Known::of(request);
    let could_match = |set: &PolicySet, published: &PublishedConstraint| {
        point.concerns(set, published, known.operation.as_deref())
            && surroundings.concerns(&published.constraint)
            && known.could_match(published)
    };
    let denied_by = |set: &&PolicySet| {
        set.constraints().iter().any(|published| point.denies(published) && could_match(set, published))
    };
    if scopes.iter().any(denied_by) {
        answer.fail(413, limit, ErrorReason::RequestTooLarge);
        return;
    }
    for set in scopes.iter() {
        for (position, published) in set.constraints().iter().enumerate() {
            if could_match(set, published) {
                answer.constraint_error(set, position, limit.clone(), ErrorReason::RequestTooLarge);
            }
        }
    }
}

/// What a skim tells of a request.
struct Known {
    /// Groups and kinds of its objects; none where they could be any.
    kinds: Option<Vec<(String, String)>>,
    operation: Option<String>,
}

impl Known {
    fn of(request: &ReviewRequest) -> Self {
        match &request.subject {
            Some(Subject::AdmissionRequest(text)) => {
                let fields = skim(text);
                if fields.is_ambiguous() {
                    return Self { kinds: None, operation: None };
                }
                let objects = ["object", "oldObject"].iter().filter_map(|name| fields.get(text, name));
                let kinds: Option<Vec<_>> = objects.filter(|object| *object != b"null").map(group_and_kind).collect();
                Self {
                    kinds: kinds.filter(|kinds| !kinds.is_empty()),
                    operation: fields.string(text, "operation").map(str::to_owned),
                }
            }
            Some(Subject::Object(text)) => {
                Self { kinds: group_and_kind(text).map(|kind| vec![kind]), operation: Some(String::new()) }
            }
            None => Self { kinds: None, operation: None },
        }
    }

    fn could_match(&self, published: &PublishedConstraint) -> bool {
        let (Some(kinds), Some(matcher)) = (&self.kinds, &published.constraint.matcher) else { return true };
        kinds.iter().any(|(group, kind)| matcher.selects_kind(group, kind))
    }
}

fn group_and_kind(object: &[u8]) -> Option<(String, String)> {
    let fields: Skimmed = skim(object);
    if fields.is_ambiguous() {
        return None;
    }
    let version = fields.string(object, "apiVersion")?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    Some((group.to_owned(), fields.string(object, "kind")?.to_owned()))
}
