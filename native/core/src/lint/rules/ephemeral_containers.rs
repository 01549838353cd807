//! FG202: a rule about a Pod's containers that does not look at ephemeral ones.

use super::Rule;
use super::pods;
use crate::lint::access::Path;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::{Policies, Template};

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG202",
        name: "ephemeral-containers-missing",
        severity: Severity::Warning,
        summary: "the rule reads a Pod's spec.containers and never spec.ephemeralContainers",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in policies.templates.iter().filter(|template| template.complete) {
        if is_deliberate(template) {
            continue;
        }
        // Templates of Pods have no ephemeral containers.
        let own = |path: &Path| path.is_input(&["review", "object", "spec", "containers"]);
        if template.words().contains("ephemeralContainers") || pods::reads_containers(template, false).is_none() {
            continue;
        }
        if let Some((rego, access)) = template.accesses().find(|(_, access)| own(&access.path)) {
            let message = "ephemeral containers are not read: what the rule forbids passes in kubectl debug".to_owned();
            findings.add(rego.locate(access.span), "", message, "read spec.ephemeralContainers the same way");
        }
    }
}

/// Whether its author thought of them: a comment names them, or updates, by which alone they come, are told apart.
fn is_deliberate(template: &Template) -> bool {
    template.words().contains("UPDATE") || template.comments().any(|text| text.to_lowercase().contains("ephemeral"))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    const INIT: &str = "input.review.object.spec.initContainers[_].image == \"x\"";

    #[test]
    fn fires() {
        let rego = format!(
            "violation[{{\"msg\": \"no\"}}] {{ input.review.object.spec.containers[_].image == \"x\"; {INIT} }}"
        );
        assert_eq!(codes(&template(&rego)), ["FG202"]);
    }

    #[test]
    fn does_not_fire() {
        let of_template = format!(
            "violation[{{\"msg\": \"no\"}}] {{ input.review.object.spec.template.spec.containers[_].image == \"x\"; {INIT} }}"
        );
        assert!(codes(&template(&of_template)).is_empty());
        let resources = r#"violation[{"msg": "no"}] {
            not input.review.object.spec.containers[_].resources.limits.cpu
            not input.review.object.spec.initContainers[_].resources.limits.cpu
        }"#;
        assert!(codes(&template(resources)).is_empty());
        let body = format!("input.review.object.spec.containers[_].image == \"x\"; {INIT}");
        let created = format!("violation[{{\"msg\": \"no\"}}] {{ {body}; not input.review.operation == \"UPDATE\" }}");
        assert!(codes(&template(&created)).is_empty());
        let explained = format!("# Ephemeral containers cannot.\nviolation[{{\"msg\": \"no\"}}] {{ {body} }}");
        assert!(codes(&template(&explained)).is_empty());
    }
}
