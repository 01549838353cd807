//! FG209: a parameter that the schema offers and the Rego does not read.

use super::Rule;
use crate::lint::access::Access;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::parameters::{self, Parameters};
use crate::lint::policies::Policies;
use crate::lint::policies::Template;
use serde_json::{Map, Value};

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG209",
        name: "parameter-unused",
        severity: Severity::Warning,
        summary: "the schema has a parameter that the Rego never reads",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in policies.templates.iter().filter(|template| template.complete) {
        let Parameters::Schema(schema) = parameters::of(template) else { continue };
        let (words, other_code) = (template.words(), other_code(template));
        let whole = |access: &Access| {
            access.path.is_input(&[]) && !access.path.is_input(&["review"]) && access.path.name(1).is_none()
        };
        // Somebody who gets all parameters may read each of them.
        if template.accesses().any(|(_, access)| whole(&access)) {
            continue;
        }
        for name in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            if !words.contains(name) && !other_code.contains(name) {
                let field = format!("{}.properties.{name}", parameters::FIELD);
                let message = format!("the Rego never reads the parameter {name:?}: setting it changes nothing");
                findings.add(
                    template.document.locate(&field),
                    &field,
                    message,
                    "read it, or take it out of the schema",
                );
            }
        }
    }
}

/// The text of what is written in other languages than Rego.
fn other_code(template: &Template) -> String {
    let entries = template.document.value.pointer("/spec/targets/0/code").and_then(Value::as_array);
    let is_other = |entry: &&Value| entry.get("engine").and_then(Value::as_str) != Some("Rego");
    entries.into_iter().flatten().filter(is_other).map(Value::to_string).collect()
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template, with_schema};

    const SCHEMA: &str = "{type: object, properties: {a: {type: string}, b: {type: string}}}";

    fn found(body: &str) -> Vec<&'static str> {
        codes(&with_schema(&template(&format!("violation[{{\"msg\": \"no\"}}] {{ {body} }}")), SCHEMA))
    }

    #[test]
    fn fires() {
        assert_eq!(found("input.parameters.a == \"x\""), ["FG209"]);
        assert_eq!(found("true"), ["FG209", "FG209"]);
    }

    #[test]
    fn does_not_fire() {
        for body in [
            "input.parameters.a == input.parameters.b",
            "p := input.parameters; p.a == 1",
            "input.parameters[x] == 1",
            "object.get(input.parameters, \"a\", object.get(input, [\"parameters\", \"b\"], 1)) == 1",
        ] {
            assert!(found(body).is_empty(), "{body}");
        }
    }
}
