//! FG115: a rule about a Pod's own containers, for objects that have a template of Pods.

use super::Rule;
use super::pods;
use crate::lint::access::Path;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG115",
        name: "pod-rule-on-workloads",
        severity: Severity::Warning,
        summary: "the rule reads spec.containers, which the matched kinds do not have",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in policies.constraints.iter().filter(|constraint| pods::matches_only_workloads(constraint)) {
        let Some(template) = policies.template_of(constraint).filter(|template| template.complete) else { continue };
        // Controllers have their containers one level deeper; a rule that knows this word may get there.
        if template.words().contains("template") {
            continue;
        }
        let direct = |path: &Path| path.is_input(&["review", "object", "spec", "containers"]);
        if template.accesses().any(|(_, access)| direct(&access.path)) {
            let field = "spec.match.kinds";
            let message =
                format!("{} reads spec.containers, which none of these kinds has: it finds nothing", constraint.kind);
            let hint = "match Pods, or read spec.template.spec.containers in the template";
            findings.add(constraint.locate(field), field, message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint, template};

    const REGO: &str = r#"
        violation[{"msg": "no"}] {
          endswith(input.review.object.spec.containers[_].livenessProbe.path, "x")
        }"#;

    #[test]
    fn fires() {
        let files = [template(REGO), constraint("{kinds: [{apiGroups: [apps, batch], kinds: [Deployment, Job]}]}")];
        assert_eq!(codes(&files.join("\n---\n")), ["FG115"]);
    }

    #[test]
    fn does_not_fire() {
        let pods = constraint("{kinds: [{apiGroups: ['', apps], kinds: [Pod, Deployment]}]}");
        assert!(codes(&[template(REGO), pods].join("\n---\n")).is_empty());
        let deep = REGO.replace("spec.containers", "spec.template.spec.containers");
        let deployments = constraint("{kinds: [{apiGroups: [apps], kinds: [Deployment]}]}");
        assert!(codes(&[template(&deep), deployments].join("\n---\n")).is_empty());
    }
}
