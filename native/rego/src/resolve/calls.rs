//! Every call is of something that can be called so.

use crate::ast::Module;
use crate::builtins;
use crate::diagnostic::{Code, Diagnostic};

use super::errors::Errors;
use super::ir::{Names, Node, Rule, Value, Var};
use super::outputs::Functions;
use super::walk::{Item, walk_body, walk_head};
use super::{text, types};

/// Visits what is in a rule and, for a first one, in what follows; heads' paths are not visited.
fn visit_rule<'r>(rule: &'r Rule, visit: &mut dyn FnMut(Item<'r>) -> bool) {
    walk_head(rule, visit);
    walk_body(&rule.body, visit);
}

/// Refuses the use of what a built-in without a result would yield.
pub(super) fn check_void(names: &Names, rules: &[Rule], errors: &mut Errors) {
    for rule in rules {
        let mut found = Vec::new();
        visit_rule(rule, &mut |item| {
            if let Item::Node(node @ Node { value: Value::Call(terms), .. }) = item {
                let name = terms.first().map(|operator| text::operator(names, operator));
                if name.and_then(|name| builtins::find(&name)).is_some_and(|builtin| builtin.void) {
                    let message = format!("{} used as value", text::node(names, node));
                    found.push(Diagnostic::new(Code::Type, node.span, message));
                }
            }
            true
        });
        errors.all(rule.module, found, true);
    }
}

/// Refuses calls of unknown functions and calls with the wrong number of arguments.
pub(super) fn check_defined(functions: &Functions<'_>, rules: &[Rule], errors: &mut Errors) {
    let names = functions.names;
    for rule in rules {
        let mut found = Vec::new();
        visit_rule(rule, &mut |item| {
            let Item::Expr(expr) = item else {
                return true;
            };
            let Some((operator, operands)) = expr.call() else {
                return true;
            };
            let name = || {
                let parts = operator.as_ref().unwrap_or_default();
                text::reference(names, &super::conflicts::renamed(names, parts))
            };
            let Some(arity) = functions.arity(operator) else {
                found.push(Diagnostic::new(Code::Type, expr.span, format!("undefined function {}", name())));
                return false;
            };
            let count = operands.len();
            // A call in a term was given its output.
            let given = if expr.generated { count.saturating_sub(1) } else { count };
            let fits = if expr.generated {
                expr.operands_of(Var::EQ).is_some() || given == arity
            } else {
                count == arity || count == arity + 1
            };
            if fits {
                return true;
            }
            let builtin = builtins::find(&text::operator(names, operator));
            let error = if let Some(builtin) = builtin {
                let details = types::argument_details(names, functions.release, builtin, operands);
                let message = format!("{}: arity mismatch", name());
                Diagnostic::new(Code::Type, expr.span, message).with_details(details)
            } else {
                let noun = if given == 1 { "argument" } else { "arguments" };
                let message = format!("function {} has arity {arity}, got {given} {noun}", name());
                Diagnostic::new(Code::Type, expr.span, message)
            };
            found.push(error);
            false
        });
        errors.all(rule.module, found, true);
    }
}

/// Refuses, in modules of Rego v1, calls of built-ins that Rego v1 has no more.
pub(super) fn check_deprecated(names: &Names, modules: &[Module], rules: &[Rule], errors: &mut Errors) {
    for rule in rules.iter().filter(|rule| modules.get(rule.module).is_some_and(|module| module.rego_v1)) {
        let mut found = Vec::new();
        visit_rule(rule, &mut |item| {
            let operator = match item {
                Item::Expr(expr) => expr.call().map(|(operator, _)| (operator, expr.span)),
                Item::Node(Node { value: Value::Call(terms), .. }) => {
                    terms.first().map(|operator| (operator, operator.span))
                }
                _ => None,
            };
            if let Some((operator, span)) = operator {
                let name = text::operator(names, operator);
                if builtins::find(&name).is_some_and(|builtin| builtin.deprecated) {
                    let message = format!("deprecated built-in function calls in expression: {name}");
                    found.push(Diagnostic::new(Code::Type, span, message));
                }
            }
            true
        });
        errors.all(rule.module, found, false);
    }
}
