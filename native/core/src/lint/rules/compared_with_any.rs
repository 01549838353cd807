//! FG212: `!=` with an element of a list, which is true as soon as one element differs.

use super::Rule;
use crate::lint::access::{Path, Step};
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use crate::lint::walk;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG212",
        name: "unequal-to-any",
        severity: Severity::Warning,
        summary: "x != list[_] holds as soon as one element of the list differs from x",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        for (rego, rule) in template.rules() {
            walk::exprs(rule, &mut |expr| {
                let Some(call) = expr.as_call().filter(|call| call.is("neq") && !expr.negated) else { return };
                let paths = call.args.iter().map(|term| rego.aliases.path_in(rule, term));
                if paths.flatten().any(|path| is_any_parameter(&path)) {
                    let message =
                        "this holds as soon as one element differs, so that a list of two always holds".to_owned();
                    let hint =
                        "for \"is none of them\" write: not x == list[_] in a rule of its own, or `not x in list`";
                    findings.add(rego.locate(expr.span), "", message, hint);
                }
            });
        }
    }
}

/// Whether it is any element of a list of parameters, and the element as a whole.
fn is_any_parameter(path: &Path) -> bool {
    path.is_input(&["parameters"]) && path.steps.last() == Some(&Step::Wildcard)
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template, with_schema};

    fn found(body: &str) -> Vec<&'static str> {
        let schema = "{type: object, properties: {list: {type: array, items: {type: string}}}}";
        codes(&with_schema(&template(&format!("violation[{{\"msg\": \"no\"}}] {{ {body} }}")), schema))
    }

    #[test]
    fn fires() {
        assert_eq!(found("input.review.object.spec.type != input.parameters.list[_]"), ["FG212"]);
        assert_eq!(found("p := input.parameters; p.list[_] != input.review.object.spec.type"), ["FG212"]);
    }

    #[test]
    fn does_not_fire() {
        for body in [
            "not input.review.object.spec.type == input.parameters.list[_]",
            "input.review.object.spec.rules[_].host != input.parameters.list",
            "input.parameters.list[_] == \"a\"",
            "x := input.parameters.list[_]; x == \"a\"",
        ] {
            assert!(found(body).is_empty(), "{body}");
        }
    }
}
