//! FG103: an entry of `kinds` that is a resource's name or wrongly capitalised.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::kinds;
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG103",
        name: "kind-never-matches",
        severity: Severity::Warning,
        summary: "the entry of kinds is no kind's name and never matches",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        for entry in constraint.kinds() {
            // In a group of somebody else a kind may be called anything.
            if !entry.any_group() && !entry.groups.iter().any(|group| kinds::is_own_group(group)) {
                continue;
            }
            for (index, kind) in entry.kinds.iter().enumerate() {
                let field = format!("{}.kinds[{index}]", entry.field);
                if let Some(meant) = kinds::misspelt(kind) {
                    let message = format!("no object has the kind {kind:?}: names of kinds are matched exactly");
                    findings.add(constraint.locate(&field), &field, message, format!("did you mean {meant:?}?"));
                } else if kind.contains('/') {
                    let message = format!("{kind:?} is a resource, and no object has it as its kind");
                    let hint = "name the kind of what is sent, such as PodExecOptions for pods/exec";
                    findings.add(constraint.locate(&field), &field, message, hint);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        for kind in ["pods", "Pods", "pod", "pods/exec"] {
            assert_eq!(codes(&constraint(&format!("{{kinds: [{{apiGroups: [''], kinds: ['{kind}']}}]}}"))), ["FG103"]);
        }
        assert_eq!(codes(&constraint("{kinds: [{apiGroups: ['*'], kinds: [deployments]}]}")), ["FG103"]);
    }

    #[test]
    fn does_not_fire() {
        for (group, kind) in [("", "Pod"), ("", "Endpoints"), ("", "PodExecOptions"), ("example.com", "services")] {
            let matching = format!("{{kinds: [{{apiGroups: ['{group}'], kinds: ['{kind}']}}]}}");
            assert!(codes(&constraint(&matching)).is_empty(), "{kind}");
        }
    }
}
