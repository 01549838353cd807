//! FG107: Namespaces chosen for kinds that are in none.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Constraint;
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG107",
        name: "namespaces-without-effect",
        severity: Severity::Warning,
        summary: "namespaces and excludedNamespaces do nothing for cluster-scoped kinds",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        if !only_cluster_scoped(constraint) {
            continue;
        }
        for list in ["namespaces", "excludedNamespaces"] {
            if !constraint.listed(list).is_empty() {
                let field = format!("spec.match.{list}");
                let message = format!("{list} has no effect: every kind that is matched is cluster-scoped");
                let hint =
                    "an object without a Namespace passes this criterion; choose by spec.match.name or labelSelector";
                findings.add(constraint.locate(&field), &field, message, hint);
            }
        }
    }
}

/// Whether all kinds are in no Namespace. A Namespace itself is chosen by its own name.
fn only_cluster_scoped(constraint: &Constraint) -> bool {
    let kinds = constraint.known_kinds();
    kinds.is_some_and(|kinds| kinds.iter().all(|kind| !kind.namespaced && kind.name != "Namespace"))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        let kinds = "kinds: [{apiGroups: [rbac.authorization.k8s.io], kinds: [ClusterRole, ClusterRoleBinding]}]";
        assert_eq!(codes(&constraint(&format!("{{{kinds}, namespaces: [a]}}"))), ["FG107"]);
        assert_eq!(codes(&constraint(&format!("{{{kinds}, excludedNamespaces: ['*']}}"))), ["FG107"]);
    }

    #[test]
    fn does_not_fire() {
        for kinds in [
            "{apiGroups: [''], kinds: [Namespace]}",
            "{apiGroups: [''], kinds: [Node, Pod]}",
            "{apiGroups: [rbac.authorization.k8s.io], kinds: [Role, ClusterRole]}",
            "{apiGroups: [example.com], kinds: [ClusterRole]}",
        ] {
            assert!(codes(&constraint(&format!("{{kinds: [{kinds}], namespaces: [a]}}"))).is_empty(), "{kinds}");
        }
    }
}
