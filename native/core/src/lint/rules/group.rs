//! FG102: an entry of `apiGroups` that is no API group.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG102",
        name: "group-never-matches",
        severity: Severity::Warning,
        summary: "the entry of apiGroups is a version, or no group at all, and never matches",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        for entry in constraint.kinds() {
            for (index, group) in entry.groups.iter().enumerate() {
                let Some(hint) = correction(group) else { continue };
                let field = format!("{}.apiGroups[{index}]", entry.field);
                let message = format!("{group:?} is no API group: it never matches");
                findings.add(constraint.locate(&field), &field, message, hint);
            }
        }
    }
}

/// What to write instead of something that cannot be a group.
fn correction(group: &str) -> Option<String> {
    if let Some((group, _)) = group.split_once('/') {
        return Some(format!("write the group without its version: {group:?}"));
    }
    let is_core = group == "core" || is_version(group);
    is_core.then(|| "the group of Pods, Services and Namespaces is \"\"".to_owned())
}

/// `v1`, `v2beta1` and their like.
fn is_version(group: &str) -> bool {
    let Some(rest) = group.strip_prefix('v') else { return false };
    let stage = rest.trim_start_matches(|symbol: char| symbol.is_ascii_digit());
    let number = stage.strip_prefix("alpha").or_else(|| stage.strip_prefix("beta")).unwrap_or(stage);
    rest.len() > stage.len() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        for group in ["v1", "v2beta1", "apps/v1", "core"] {
            assert_eq!(codes(&constraint(&format!("{{kinds: [{{apiGroups: ['{group}'], kinds: [X]}}]}}"))), ["FG102"]);
        }
    }

    #[test]
    fn does_not_fire() {
        for group in ["", "*", "apps", "v1.example.com", "vpa", "rbac.authorization.k8s.io"] {
            assert!(codes(&constraint(&format!("{{kinds: [{{apiGroups: ['{group}'], kinds: [X]}}]}}"))).is_empty());
        }
    }
}
