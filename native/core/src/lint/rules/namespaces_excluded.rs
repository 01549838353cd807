//! FG106: `excludedNamespaces` that take back everything that `namespaces` gave.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG106",
        name: "namespaces-all-excluded",
        severity: Severity::Warning,
        summary: "every entry of namespaces is excluded again",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let (wanted, excluded) = (constraint.listed("namespaces"), constraint.listed("excludedNamespaces"));
        if !wanted.is_empty() && wanted.iter().all(|pattern| excluded.iter().any(|other| covers(other, pattern))) {
            let field = "spec.match.namespaces";
            let message = "spec.match.excludedNamespaces excludes all of them: no namespaced object matches".to_owned();
            findings.add(
                constraint.locate(field),
                field,
                message,
                "remove the entries that one of the lists should not have",
            );
        }
    }
}

/// Whether every name that `inner` matches is matched by `outer` too; says no where it cannot easily tell.
fn covers(outer: &str, inner: &str) -> bool {
    let (text, inside) = (outer.trim_matches('*'), inner.trim_matches('*'));
    match (outer.starts_with('*'), outer.ends_with('*')) {
        (true, true) => inside.contains(text),
        (false, true) => !inner.starts_with('*') && inside.starts_with(text),
        (true, false) => !inner.ends_with('*') && inside.ends_with(text),
        (false, false) => outer == inner,
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        for (wanted, excluded) in [("a", "a"), ("a", "*"), ("kube-system", "kube-*"), ("a-b-*", "a-*"), ("*-x", "*x")] {
            let lists = format!("namespaces: ['{wanted}'], excludedNamespaces: ['{excluded}']");
            assert_eq!(codes(&constraint(&format!("{{kinds: [{{kinds: [Pod]}}], {lists}}}"))), ["FG106"], "{lists}");
        }
    }

    #[test]
    fn does_not_fire() {
        for (wanted, excluded) in [("a", "b"), ("*", "a"), ("a-*", "a-b-*"), ("team-*", "team-test"), ("*-x", "a-*")] {
            let lists = format!("namespaces: ['{wanted}'], excludedNamespaces: ['{excluded}']");
            assert!(codes(&constraint(&format!("{{kinds: [{{kinds: [Pod]}}], {lists}}}"))).is_empty(), "{lists}");
        }
    }
}
