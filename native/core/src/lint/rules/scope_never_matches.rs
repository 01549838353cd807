//! FG108: a scope that none of the kinds has.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG108",
        name: "scope-never-matches",
        severity: Severity::Warning,
        summary: "spec.match.scope excludes every kind that is matched",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let scope = constraint.matching().and_then(|block| block.get("scope")).and_then(Value::as_str);
        let wants_namespaced = match scope {
            Some("Namespaced") => true,
            Some("Cluster") => false,
            _ => continue,
        };
        let Some(kinds) = constraint.known_kinds() else { continue };
        if kinds.iter().all(|kind| kind.namespaced != wants_namespaced) {
            let (scope, is) =
                if wants_namespaced { ("Namespaced", "cluster-scoped") } else { ("Cluster", "namespaced") };
            let field = "spec.match.scope";
            let message = format!("scope {scope} matches nothing here: every kind that is listed is {is}");
            findings.add(constraint.locate(field), field, message, "remove spec.match.scope; the kinds say it already");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        let pods = "kinds: [{apiGroups: [''], kinds: [Pod]}]";
        assert_eq!(codes(&constraint(&format!("{{{pods}, scope: Cluster}}"))), ["FG108"]);
        let nodes = "kinds: [{apiGroups: [''], kinds: [Node, Namespace]}]";
        assert_eq!(codes(&constraint(&format!("{{{nodes}, scope: Namespaced}}"))), ["FG108"]);
    }

    #[test]
    fn does_not_fire() {
        let pods = "kinds: [{apiGroups: [''], kinds: [Pod]}]";
        assert!(codes(&constraint(&format!("{{{pods}, scope: Namespaced}}"))).is_empty());
        let both = "kinds: [{apiGroups: ['*'], kinds: [Role, ClusterRole]}]";
        assert!(codes(&constraint(&format!("{{{both}, scope: Cluster}}"))).is_empty());
    }
}
