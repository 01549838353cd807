//! FG210: a `msg` that is no string.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use fleetgate_rego::ast::{self, Expr, TermRef, Value};

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG210",
        name: "message-not-a-string",
        severity: Severity::Error,
        summary: "a violation's msg is no string, which fails the whole review",
    },
    check,
};

/// Built-ins that never give a string.
const NOT_TEXT: [&str; 14] = [
    "abs",
    "array.concat",
    "count",
    "div",
    "equal",
    "max",
    "min",
    "minus",
    "mul",
    "neq",
    "plus",
    "split",
    "sum",
    "to_number",
];

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        for (rego, rule) in template.violations() {
            for rule in rule.chain() {
                let Some(message) = rule.head.key.as_ref().and_then(|key| message(rule, key)) else { continue };
                let value = assigned(rule, &message).unwrap_or(message);
                if let Some(what) = not_text(&value) {
                    let text = format!("msg is {what}, and a review with a msg that is no string fails as a whole");
                    findings.add(rego.locate(value.span), "", text, "make it a string, with sprintf or concat");
                }
            }
        }
    }
}

/// The value of `msg` in what the rule yields.
fn message(rule: &ast::Rule, key: &TermRef) -> Option<TermRef> {
    let key = assigned(rule, key).unwrap_or_else(|| key.clone());
    let Value::Object(pairs) = &key.value else { return None };
    pairs.iter().find(|(name, _)| name.as_str() == Some("msg")).map(|(_, value)| value.clone())
}

/// What a variable is assigned in the rule's own body.
fn assigned(rule: &ast::Rule, variable: &TermRef) -> Option<TermRef> {
    let name = variable.as_var()?;
    rule.body.exprs.iter().filter_map(Expr::as_call).find_map(|call| {
        let [left, right] = call.args.as_slice() else { return None };
        let is_assignment = call.is("assign") || call.is("eq");
        (is_assignment && left.as_var() == Some(name)).then(|| right.clone())
    })
}

fn not_text(term: &TermRef) -> Option<&'static str> {
    match &term.value {
        Value::Null => Some("null"),
        Value::Bool(_) => Some("a boolean"),
        Value::Number(_) => Some("a number"),
        Value::Array(_) | Value::ArrayComprehension(..) => Some("an array"),
        Value::Object(_) | Value::ObjectComprehension(..) => Some("an object"),
        Value::Set(_) | Value::SetComprehension(..) => Some("a set"),
        Value::Call(call) => {
            NOT_TEXT.contains(&call.path()?.as_str()).then_some("the result of a function that gives no string")
        }
        Value::String(_) | Value::Template(_) | Value::Var(_) | Value::Ref(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    #[test]
    fn fires() {
        for rego in [
            "violation[{\"msg\": 5}] { true }",
            "violation[{\"msg\": m}] { m := [\"a\"] }",
            "violation[{\"msg\": m}] { m := {x | x := input.review.object.spec[_]} }",
            "violation[{\"msg\": m}] { m := count(input.review.object.spec) }",
            "violation[r] { r := {\"msg\": 1} }",
        ] {
            assert_eq!(codes(&template(rego)), ["FG210"], "{rego}");
        }
    }

    #[test]
    fn does_not_fire() {
        for rego in [
            "violation[{\"msg\": \"a\"}] { true }",
            "violation[{\"msg\": m}] { m := sprintf(\"%v\", [1]) }",
            "violation[{\"msg\": m, \"details\": {\"n\": 1}}] { m := f(1) }\nf(x) = \"a\"",
            "violation[{\"msg\": m}] { m := input.review.object.metadata.name }",
        ] {
            assert!(codes(&template(rego)).is_empty(), "{rego}");
        }
    }
}
