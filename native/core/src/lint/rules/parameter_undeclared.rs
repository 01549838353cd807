//! FG208: a parameter that no Constraint can have.

use super::Rule;
use crate::lint::access::Step;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::parameters::{self, Parameters};
use crate::lint::policies::Policies;
use crate::template::did_you_mean;
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG208",
        name: "parameter-not-in-schema",
        severity: Severity::Warning,
        summary: "the parameter is not in the template's schema, so that it is always undefined",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        let schema = match parameters::of(template) {
            Parameters::Anything => continue,
            Parameters::Nothing => None,
            Parameters::Schema(schema) => Some(schema),
        };
        let mut seen = BTreeSet::new();
        for (rego, access) in template.accesses() {
            let Some((_, steps)) = access.path.steps.split_first().filter(|_| access.path.is_input(&["parameters"]))
            else {
                continue;
            };
            let unknown = match (schema, steps.first()) {
                (Some(schema), _) => parameters::first_unknown(schema, steps),
                (None, Some(Step::Name(name))) => Some((&**name, Vec::new())),
                (None, _) => None,
            };
            let Some((name, known)) = unknown else { continue };
            if seen.insert(name.to_owned()) {
                let message =
                    format!("the schema has no parameter {name:?}: no Constraint can set it, here it is undefined");
                let hint = did_you_mean(name, known);
                let hint = hint.unwrap_or_else(|| format!("declare it in {}", parameters::FIELD));
                findings.add(rego.locate(access.span), "", message, hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template, with_schema};

    const SCHEMA: &str = "{type: object, properties: {labels: {type: array, items: {type: object, \
        properties: {key: {type: string}}}}, free: {type: object, x-kubernetes-preserve-unknown-fields: true}}}";

    fn found(body: &str) -> Vec<&'static str> {
        let rego = format!(
            "violation[{{\"msg\": \"no\"}}] {{ x := input.parameters.labels; y := input.parameters.free; {body} }}"
        );
        codes(&with_schema(&template(&rego), SCHEMA))
    }

    #[test]
    fn fires() {
        for body in [
            "input.parameters.label",
            "input.parameters.labels[_].keys",
            "p := input.parameters; p.other",
            "object.get(input.parameters, \"other\", 1) == 1",
        ] {
            assert_eq!(found(body), ["FG208"], "{body}");
        }
        let none = "violation[{\"msg\": \"no\"}] { input.parameters.a }";
        assert_eq!(codes(&template(none)), ["FG208"]);
    }

    #[test]
    fn does_not_fire() {
        for body in ["input.parameters.labels[_].key", "input.parameters.free.x.y", "input.parameters[x]"] {
            assert!(found(body).is_empty(), "{body}");
        }
        let beta = template("violation[{\"msg\": \"no\"}] { input.parameters.a }").replace("sh/v1\n", "sh/v1beta1\n");
        assert!(codes(&beta).is_empty());
    }
}
