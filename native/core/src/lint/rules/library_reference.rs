//! FG203: a library named inside a composite term, where Gatekeeper does not rewrite it.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use fleetgate_rego::Span;
use fleetgate_rego::ast::{TermRef, Value};
use fleetgate_rego::visit::{rule_terms, walk_term};
use std::sync::Arc;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG203",
        name: "library-inside-term",
        severity: Severity::Warning,
        summary: "data.lib is undefined inside an array, object, set, comprehension, call or reference",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        for (rego, rule) in template.rules() {
            rule_terms(rule, &mut |outer| {
                for span in inner_references(outer) {
                    let message = "inside a composite term data.lib is not rewritten: it is undefined".to_owned();
                    let hint = "import the library and use the import's name, or assign it to a variable first";
                    findings.add(rego.locate(span), "", message, hint);
                }
                false
            });
        }
    }
}

/// References to libraries inside a term, the term itself and what is called left out: a function that is not there is
/// refused at load.
fn inner_references(outer: &TermRef) -> Vec<Span> {
    let (mut called, mut found) = (Vec::new(), Vec::new());
    walk_term(outer, &mut |term| {
        if let Value::Call(call) = &term.value {
            called.push(call.operator.clone());
        }
        let skipped = called.iter().chain([outer]).any(|other| Arc::ptr_eq(term, other));
        if !skipped && is_library(term) {
            found.push(term.span);
        }
        true
    });
    found
}

fn is_library(term: &TermRef) -> bool {
    let Some([head, first, ..]) = term.as_ref_parts() else { return false };
    head.as_var().is_some_and(|name| &**name == "data") && first.as_str() == Some("lib")
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    #[test]
    fn fires() {
        for expression in [
            "x := [data.lib.helpers.g]",
            "x := {\"a\": data.lib.helpers.g}",
            "count([y | y := data.lib.helpers.g]) > 0",
        ] {
            let rego = format!("violation[{{\"msg\": \"no\"}}] {{ {expression} }}");
            assert_eq!(codes(&template(&rego)), ["FG203"], "{expression}");
        }
    }

    #[test]
    fn does_not_fire() {
        for expression in ["x := data.lib.helpers.g", "x := data.lib.helpers.f(1)", "data.lib.helpers.g == 1"] {
            let rego = format!("violation[{{\"msg\": \"no\"}}] {{ {expression} }}");
            assert!(codes(&template(&rego)).is_empty(), "{expression}");
        }
    }
}
