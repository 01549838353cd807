//! FG104: a kind beside groups that do not have it.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::kinds;
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG104",
        name: "kind-in-another-group",
        severity: Severity::Warning,
        summary: "none of the entry's apiGroups has the kind, which never matches",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        for entry in constraint.kinds() {
            // What groups of others have is not known.
            if entry.any_group() || !entry.groups.iter().all(|group| kinds::is_own_group(group)) {
                continue;
            }
            for (index, name) in entry.kinds.iter().enumerate() {
                let Some(kind) = kinds::find(name) else { continue };
                let [group, ..] = kind.groups else { continue };
                if !kind.groups.iter().any(|group| entry.groups.contains(group)) {
                    let field = format!("{}.kinds[{index}]", entry.field);
                    let message = format!("{name} is not in the group {}: it never matches", quoted(&entry.groups));
                    let hint = format!("{name} is in the group {group:?}");
                    findings.add(constraint.locate(&field), &field, message, hint);
                }
            }
        }
    }
}

fn quoted(groups: &[&str]) -> String {
    groups.iter().map(|group| format!("{group:?}")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        assert_eq!(codes(&constraint("{kinds: [{apiGroups: [''], kinds: [Pod, Deployment]}]}")), ["FG104"]);
        assert_eq!(codes(&constraint("{kinds: [{apiGroups: [apps], kinds: [CronJob, Job]}]}")), ["FG104", "FG104"]);
    }

    #[test]
    fn does_not_fire() {
        for matching in [
            "{kinds: [{apiGroups: ['', apps], kinds: [Pod, Deployment]}]}",
            "{kinds: [{apiGroups: [extensions, networking.k8s.io], kinds: [Ingress]}]}",
            "{kinds: [{apiGroups: [serving.knative.dev], kinds: [Service]}]}",
            "{kinds: [{apiGroups: [''], kinds: [PodExecOptions]}]}",
        ] {
            assert!(codes(&constraint(matching)).is_empty(), "{matching}");
        }
    }
}
