//! Every call is of something that can be called so.

use crate::builtins;
use crate::diagnostic::{Code, Diagnostic};

use super::index::RuleIndex;
use super::names::{CallShape, Reference, Target};
use super::{ModuleError, Resolved};

/// Refuses calls of unknown functions and calls with the wrong number of arguments. Any number goes into `print`.
pub(super) fn check(index: &RuleIndex, rules: &[Resolved<'_>]) -> Vec<ModuleError> {
    let mut errors = Vec::new();
    for rule in rules {
        for reference in &rule.references {
            let Some(shape) = reference.call else {
                continue;
            };
            if let Some(error) = wrong_call(index, reference, shape) {
                errors.push(ModuleError { module: rule.module, error });
            }
        }
    }
    errors
}

fn wrong_call(index: &RuleIndex, reference: &Reference, shape: CallShape) -> Option<Diagnostic> {
    let error = |message: String| Some(Diagnostic::new(Code::Type, reference.span, message));
    let arity = match &reference.target {
        Target::Data(path) => index.arity(path),
        Target::Name(name) if name == "print" => return None,
        Target::Name(name) => builtins::find(name).map(|builtin| builtin.arity),
    };
    let Some(arity) = arity else {
        return match &reference.target {
            Target::Name(name) => error(format!("undefined function {name}")),
            Target::Data(_) => error("undefined function".to_owned()),
        };
    };
    // A call that is an expression may name its result as one more argument.
    let fits = shape.args == arity || shape.args == arity + 1 && !shape.nested;
    if fits {
        return None;
    }
    error(format!("function has arity {arity}, got {} arguments", shape.args))
}
