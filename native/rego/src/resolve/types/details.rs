//! The lines under a type error: what is there and what should be.

use crate::capabilities::Release;

use super::elide;
use super::signature::Named;
use super::ty::{Shape, Type};

/// What a function takes: each argument with its name.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) args: Vec<Named>,
    /// Of the arguments after those.
    pub(super) more: Option<Type>,
}

/// The lines of an error about arguments.
pub(super) fn arguments(release: Release, have: &[Type], wanted: &Wanted) -> Vec<String> {
    let line = |word: &str, parts: Vec<String>| format!("{word}: ({})", parts.join(", "));
    let more = |text: &dyn Fn(&Type) -> String| {
        wanted.more.iter().map(|more| format!("{}...", text(more))).collect::<Vec<_>>()
    };
    let mut want: Vec<String> = wanted.args.iter().map(|arg| format!("{}{}", arg.prefix(), arg.ty)).collect();
    want.extend(more(&|ty| ty.to_string()));
    let full = [line("have", have.iter().map(ToString::to_string).collect()), line("want", want)];
    if release == Release::Opa1_17 || !elide::is_too_wide(&[&full[0], &full[1]]) {
        return full.to_vec();
    }
    let mut have_short: Vec<String> = have.iter().map(|ty| elide::short("", ty)).collect();
    let mut want_short: Vec<String> = wanted.args.iter().map(|arg| elide::short(&arg.prefix(), &arg.ty)).collect();
    let sides = have_short.iter_mut().zip(&mut want_short);
    for ((left, right), (own, arg)) in sides.zip(have.iter().zip(&wanted.args)) {
        // Only the argument that does not fit is spelt out.
        if !own.unifies(&arg.ty) {
            let (mine, theirs) = elide::differing(own, &arg.ty);
            *left = mine;
            *right = format!("{}{theirs}", arg.prefix());
        }
    }
    want_short.extend(more(&|ty| elide::short("", ty)));
    vec![line("have", have_short), line("want", want_short)]
}

/// The lines of an error about two sides that cannot be equal.
pub(super) fn mismatch(release: Release, left: &Type, right: &Type) -> Vec<String> {
    let mut lines = vec![format!("left  : {left}"), format!("right : {right}")];
    if release == Release::Opa1_17 {
        return lines;
    }
    if elide::is_too_wide(&lines.iter().map(String::as_str).collect::<Vec<_>>()) {
        let (left, right) = elide::differing(left, right);
        lines = vec![format!("left  : {left}"), format!("right : {right}")];
    }
    let kind = match (left.shape(), right.shape()) {
        (Shape::Object(..), Shape::Object(..)) => Some("objects"),
        (Shape::Array(..), Shape::Array(..)) => Some("arrays"),
        (Shape::Set(_), Shape::Set(_)) => Some("sets"),
        _ => None,
    };
    lines.extend(kind.map(|kind| {
        format!(
            "hint  : both sides are {kind} but their types differ, so they can never be equal \
             (see https://www.openpolicyagent.org/docs/errors/rego-type-error/match-error)"
        )
    }));
    lines
}
