//! FG213: a violation that an audit cannot find.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use fleetgate_rego::ast::TermRef;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG213",
        name: "admission-only",
        severity: Severity::Info,
        summary: "the violation depends on the operation or the user, which an audit does not have",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        for (rego, rule) in template.violations() {
            for expr in rule.body.exprs.iter().filter(|expr| !expr.negated) {
                let Some(call) = expr.as_call().filter(|call| call.is("equal") || call.is("eq")) else { continue };
                let is_operation = |term: &TermRef| {
                    rego.aliases.path_in(rule, term).is_some_and(|path| path.is_input(&["review", "operation"]))
                };
                let is_named = |term: &TermRef| term.as_str().is_some_and(|name| !name.is_empty());
                if call.args.iter().any(is_operation) && call.args.iter().any(is_named) {
                    let message = "an audit reviews without an operation: it never finds this violation".to_owned();
                    let hint = "objects that are there already are not reported; where that is meant, ignore this";
                    findings.add(rego.locate(expr.span), "", message, hint);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    #[test]
    fn fires() {
        let rego = "violation[{\"msg\": \"no\"}] { input.review.operation == \"CREATE\"; input.review.object.spec.x }";
        assert_eq!(codes(&template(rego)), ["FG213"]);
    }

    #[test]
    fn does_not_fire() {
        for rego in [
            "violation[{\"msg\": \"no\"}] { not input.review.operation == \"DELETE\"; input.review.object.x }",
            "violation[{\"msg\": \"no\"}] { not skip }\nskip { input.review.operation == \"DELETE\" }",
            "violation[{\"msg\": \"no\"}] { input.review.operation != \"DELETE\" }",
        ] {
            assert!(codes(&template(rego)).is_empty(), "{rego}");
        }
    }
}
