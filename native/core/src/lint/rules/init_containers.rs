//! FG201: a rule about containers that does not look at init containers.

use super::Rule;
use super::pods;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG201",
        name: "init-containers-missing",
        severity: Severity::Warning,
        summary: "the rule reads spec.containers and never spec.initContainers",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for template in policies.templates.iter().filter(|template| template.complete) {
        if template.words().contains("initContainers") {
            continue;
        }
        if let Some((rego, access)) = pods::reads_containers(template, true) {
            let message = "only containers are read: what the rule forbids passes in an init container".to_owned();
            findings.add(rego.locate(access.span), "", message, "read spec.initContainers the same way");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, template};

    #[test]
    fn fires() {
        let rego = r#"violation[{"msg": "no"}] {
            c := input.review.object.spec.containers[_]
            c.securityContext.privileged
            x := input.review.object.spec.ephemeralContainers[_]
        }"#;
        assert_eq!(codes(&template(rego)), ["FG201"]);
        let resources =
            r#"violation[{"msg": "no"}] { not input.review.object.spec.containers[_].resources.limits.cpu }"#;
        assert_eq!(codes(&template(resources)), ["FG201"]);
    }

    #[test]
    fn does_not_fire() {
        let lists = r#"violation[{"msg": "no"}] {
            c := input.review.object.spec[["containers", "initContainers", "ephemeralContainers"][_]][_]
            c.image == "x"
        }"#;
        assert!(codes(&template(lists)).is_empty());
        let probes = r#"violation[{"msg": "no"}] { not input.review.object.spec.containers[_].readinessProbe }"#;
        assert!(codes(&template(probes)).is_empty());
    }
}
