//! What is not cross-checked, and why: uses of which a difference would say nothing about either engine.

use fleetgate_rego::ast::{Module, Rule, Value};
use fleetgate_rego::visit;
use fleetgate_value::Number;

/// Built-ins whose answers the two evaluations would not share.
const VOLATILE: &[(&str, &str)] = &[
    ("time.now_ns", "each evaluation has its own time"),
    ("uuid.rfc4122", "each evaluation makes its own"),
    ("rand.intn", "each evaluation draws its own"),
];

/// Built-ins that print numbers of Gatekeeper's storage otherwise than others; regorus does not say which they are.
const STORED: &[&str] = &["json.marshal", "json.marshal_with_options", "yaml.marshal"];

/// Built-ins that stay with regorus, because they are evaluation rather than functions: what they compare, bind or walk is
/// part of what is checked. `print` has no answer.
const EVALUATION: &[&str] = &[
    "assign",
    "eq",
    "equal",
    "gt",
    "gte",
    "internal.member_2",
    "internal.member_3",
    "lt",
    "lte",
    "neq",
    "print",
    "walk",
];

/// Why a program that calls the built-in is not cross-checked; none for most.
pub(super) fn of_call(name: &str) -> Option<&'static str> {
    let volatile = VOLATILE.iter().find_map(|(volatile, reason)| (*volatile == name).then_some(*reason));
    volatile.or_else(|| STORED.contains(&name).then_some("it prints numbers of the storage otherwise than others"))
}

/// Why a program that replaces the built-in (`with count as f`) is not cross-checked: the name it has here is not known
/// to regorus as a function.
pub(super) const REPLACED_BUILTIN: &str = "a built-in is replaced by `with`";

/// Whether regorus's own built-in is used.
pub(super) fn is_evaluation(name: &str) -> bool {
    EVALUATION.contains(&name)
}

/// Errors that end an evaluation in regorus where OPA has a step that does not hold: what they contain, and what they are.
const ERRORS: &[(&str, &str)] = &[("`some .. in collection` expects", "`some x in xs` where `xs` is no collection")];

/// Why an evaluation that ended with an error of regorus is not compared; none for most.
pub(super) fn of_error(text: &str) -> Option<&'static str> {
    ERRORS.iter().find_map(|(part, reason)| text.contains(part).then_some(*reason))
}

/// Whether the text of a number is that of an integer, which regorus keeps whatever its size.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text != "-0" && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a module is not cross-checked, by what it holds; none for most.
pub(super) fn of_module(module: &Module) -> Option<&'static str> {
    let mut found = None;
    for rule in module.rules.iter().flat_map(Rule::chain) {
        for argument in &rule.head.args {
            visit::walk_term(argument, &mut |term| {
                // OPA unifies what is given with what the reference has; regorus holds for other values too.
                if matches!(term.value, Value::Ref(_) | Value::Call(_)) {
                    found = Some("a function's argument that is no pattern");
                }
                true
            });
        }
    }
    for rule in &module.rules {
        visit::rule_terms(rule, &mut |term| {
            if matches!(&term.value, Value::Number(text) if !is_kept(text)) {
                found = Some("a number whose spelling regorus does not keep");
            }
            true
        });
    }
    found
}

/// Whether regorus keeps a number as it is written: of `1e6` and `1.0` it keeps the value, OPA the text.
fn is_kept(text: &str) -> bool {
    match Number::from_json_text(text) {
        Number::Int(_) => true,
        Number::Double(double) => double.fract() != 0.0,
        Number::Text(text) => is_integer(&text),
    }
}
