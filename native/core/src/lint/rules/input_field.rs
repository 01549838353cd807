//! FG207: a field of `input` that Gatekeeper never sets.

use super::Rule;
use crate::lint::access::{Path, Root};
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use crate::lint::walk;
use crate::template::did_you_mean;
use fleetgate_rego::ast;
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG207",
        name: "input-field-unknown",
        severity: Severity::Warning,
        summary: "the field of input is never there, so that the expression is undefined",
    },
    check,
};

const INPUT: [&str; 2] = ["parameters", "review"];
const REVIEW: [&str; 18] = [
    "dryRun",
    "kind",
    "name",
    "namespace",
    "namespaceObject",
    "object",
    "oldObject",
    "operation",
    "options",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "resource",
    "source",
    "subResource",
    "uid",
    "userInfo",
    "isGenerated",
];
const KIND: [&str; 3] = ["group", "kind", "version"];
const USER: [&str; 4] = ["extra", "groups", "uid", "username"];

fn check(policies: &Policies, findings: &mut Findings) {
    for template in &policies.templates {
        let mut seen = BTreeSet::new();
        for (rego, rule) in template.rules() {
            // Where a part of the input is replaced, its fields are the policy's own.
            if replaces_input(rule) {
                continue;
            }
            for access in rego.aliases.accesses(rule) {
                let Some((within, name, known)) = unknown(&access.path) else { continue };
                if (within, name) == ("input", "cluster") && template.annotation("fleetgate.dev/fleet") == Some("true")
                {
                    continue;
                }
                if seen.insert((within, name.to_owned())) {
                    let message = format!("Gatekeeper sets no field {name:?} in {within}: this is undefined");
                    findings.add(rego.locate(access.span), "", message, hint(within, name, known));
                }
            }
        }
    }
}

/// The first step that leads nowhere, where it is and what is there.
fn unknown(path: &Path) -> Option<(&'static str, &str, &'static [&'static str])> {
    if path.root != Root::Input {
        return None;
    }
    let at = |index: usize, within, known: &'static [&'static str]| {
        path.name(index).filter(|name| !known.contains(name)).map(|name| (within, name, known))
    };
    at(0, "input", &INPUT).or_else(|| match (path.name(0)?, path.name(1)) {
        ("review", Some("kind")) => at(2, "input.review.kind", &KIND),
        ("review", Some("userInfo")) => at(2, "input.review.userInfo", &USER),
        ("review", Some(name)) if !REVIEW.contains(&name) => at(1, "input.review", &REVIEW),
        _ => None,
    })
}

fn hint(within: &str, name: &str, known: &'static [&'static str]) -> String {
    match (within, name) {
        ("input", "request") => "the AdmissionRequest is input.review".to_owned(),
        ("input.review", "_unstable") => {
            "it is gone since Gatekeeper 3.9; the Namespace is input.review.namespaceObject".to_owned()
        }
        ("input", "cluster") => "it is there in templates that are annotated fleetgate.dev/fleet: \"true\"".to_owned(),
        ("input", _) => "a template's input has review and parameters".to_owned(),
        _ => did_you_mean(name, known.iter().copied()).unwrap_or_else(|| format!("there are {}", known.join(", "))),
    }
}

fn replaces_input(rule: &ast::Rule) -> bool {
    let mut replaced = false;
    walk::exprs(rule, &mut |expr| replaced |= !expr.with.is_empty());
    replaced
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    fn found(body: &str) -> Vec<&'static str> {
        codes(&template(&format!("violation[{{\"msg\": \"no\"}}] {{ {body} }}")))
    }

    #[test]
    fn fires() {
        for body in [
            "input.request.object.spec",
            "input.review.objects.spec",
            "input.review.kind.name == \"Pod\"",
            "input.review.userInfo.name == \"a\"",
            "input.review._unstable.namespace.metadata",
            "input.cluster.labels.env == \"prod\"",
            "r := input.review; r.userinfo.username == \"a\"",
        ] {
            assert_eq!(found(body), ["FG207"], "{body}");
        }
    }

    #[test]
    fn does_not_fire() {
        for body in [
            "input.review.object.spec.anything",
            "input.review.kind.kind == \"Pod\"",
            "input.review[x] == 1",
            "input.review.namespaceObject.metadata.labels.a",
            "f(input.review)",
        ] {
            let rego = format!("violation[{{\"msg\": \"no\"}}] {{ {body} }}\nf(x) {{ x.anything }}");
            assert!(codes(&template(&rego)).is_empty(), "{body}");
        }
    }

    #[test]
    fn a_fleet_template_has_a_cluster() {
        let rego = "violation[{\"msg\": \"no\"}] { input.cluster.name == data.fleet.clusters[_].labels.a }";
        let kinds = r#"[[{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]]"#;
        let annotations = format!(
            "metadata: {{name: a, annotations: {{fleetgate.dev/fleet: 'true', \
             metadata.gatekeeper.sh/requires-sync-data: '{kinds}'}}}}"
        );
        let document = template(rego).replacen("metadata: {name: a}", &annotations, 1);
        assert_eq!(codes(&document), [""; 0]);
    }
}
