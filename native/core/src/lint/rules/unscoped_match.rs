//! FG101: a Constraint that every object of the cluster is held against.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG101",
        name: "unscoped-match",
        severity: Severity::Warning,
        summary: "the Constraint matches objects of every kind",
    },
    check,
};

/// Criteria that choose objects as closely as a kind does.
const NARROW: [&str; 3] = ["kinds", "labelSelector", "name"];

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let hint = "list the kinds that the rule is about in spec.match.kinds";
        let chosen = |field: &str| constraint.matching().is_some_and(|block| block.contains_key(field));
        if !NARROW.iter().any(|field| chosen(field)) {
            let message = "the Constraint matches every kind: it has no spec.match.kinds".to_owned();
            findings.add(constraint.locate("spec.match"), "spec.match", message, hint);
            continue;
        }
        let entries = constraint.kinds();
        let narrowed = NARROW.iter().skip(1).any(|field| chosen(field));
        if !narrowed && entries.is_empty() {
            let message = "the Constraint matches every kind: spec.match.kinds is empty".to_owned();
            findings.add(constraint.locate("spec.match.kinds"), "spec.match.kinds", message, hint);
        }
        for entry in entries.iter().filter(|entry| !narrowed && entry.any_group() && entry.any_kind()) {
            let message = "the Constraint matches every kind of every group".to_owned();
            findings.add(constraint.locate(&entry.field), &entry.field, message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        assert_eq!(codes(&constraint("{}")), ["FG101"]);
        assert_eq!(
            codes("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: A\nmetadata: {name: a}"),
            ["FG101", "FG113"]
        );
        assert_eq!(codes(&constraint("{excludedNamespaces: [kube-system]}")), ["FG101"]);
        assert_eq!(codes(&constraint("{kinds: []}")), ["FG101"]);
        assert_eq!(codes(&constraint("{kinds: [{}]}")), ["FG101"]);
        assert_eq!(codes(&constraint("{kinds: [{apiGroups: ['*'], kinds: ['*']}]}")), ["FG101"]);
        assert_eq!(codes(&constraint("{kinds: [{apiGroups: [''], kinds: [Pod]}, {kinds: ['*']}]}")), ["FG101"]);
    }

    #[test]
    fn does_not_fire() {
        for matching in [
            "{kinds: [{apiGroups: [''], kinds: [Pod]}]}",
            "{kinds: [{apiGroups: ['*'], kinds: [Pod]}]}",
            "{kinds: [{apiGroups: [apps], kinds: ['*']}]}",
            "{labelSelector: {matchLabels: {a: b}}}",
            "{name: 'a-*'}",
        ] {
            assert!(codes(&constraint(matching)).is_empty(), "{matching}");
        }
    }
}
