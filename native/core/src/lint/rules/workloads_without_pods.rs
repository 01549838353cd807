//! FG114: a rule about Pods that is applied to their controllers only.

use super::Rule;
use super::pods;
use crate::lint::access::Path;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Constraint;
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG114",
        name: "workloads-without-pods",
        severity: Severity::Warning,
        summary: "Pods that are made directly, or by another controller, are not checked",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in policies.constraints.iter().filter(|constraint| pods::matches_only_workloads(constraint)) {
        let Some(template) = policies.template_of(constraint).filter(|template| template.complete) else { continue };
        let other = |other: &&Constraint| other.kind == constraint.kind && pods::matches_pods(other);
        let Some((_, _)) = pods::reads_containers(template, false) else { continue };
        let of_templates = template.accesses().any(|(_, access)| is_of_template(&access.path));
        if of_templates && !policies.constraints.iter().any(|one| other(&one)) {
            let field = "spec.match.kinds";
            let message =
                format!("no Constraint of kind {} matches Pods: a Pod made in another way passes", constraint.kind);
            let hint =
                "check Pods too (and read their spec in the template): every controller makes its Pods through the API";
            findings.add(constraint.locate(field), field, message, hint);
        }
    }
}

/// Whether it reads containers of a Pod template.
fn is_of_template(path: &Path) -> bool {
    pods::in_pod_template(path) && pods::containers(path).is_some()
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint, template};

    const REGO: &str = r#"
        violation[{"msg": "no"}] {
          c := input.review.object.spec.template.spec.containers[_]
          endswith(c.image, ":latest")
        }
        violation[{"msg": "no"}] {
          c := input.review.object.spec.template.spec.initContainers[_]
          endswith(c.image, ":latest")
        }"#;

    #[test]
    fn fires() {
        let files = [template(REGO), constraint("{kinds: [{apiGroups: [apps], kinds: [Deployment, StatefulSet]}]}")];
        assert_eq!(codes(&files.join("\n---\n")), ["FG114"]);
    }

    #[test]
    fn does_not_fire() {
        let deployments = constraint("{kinds: [{apiGroups: [apps], kinds: [Deployment]}]}");
        let pods = constraint("{kinds: [{apiGroups: [''], kinds: [Pod]}]}").replace("name: a", "name: b");
        assert!(codes(&[template(REGO), deployments.clone(), pods].join("\n---\n")).is_empty());
        let replicas = "violation[{\"msg\": \"no\"}] { input.review.object.spec.replicas < 2 }";
        assert!(codes(&[template(replicas), deployments].join("\n---\n")).is_empty());
    }
}
