//! FG109: a scope that Gatekeeper does not know, and takes for any.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use crate::template::did_you_mean;
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG109",
        name: "scope-ignored",
        severity: Severity::Warning,
        summary: "the value of spec.match.scope is not known, so that every scope matches",
    },
    check,
};

const KNOWN: [&str; 4] = ["", "*", "Cluster", "Namespaced"];

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let scope = constraint.matching().and_then(|block| block.get("scope")).and_then(Value::as_str);
        if let Some(scope) = scope.filter(|scope| !KNOWN.contains(scope)) {
            let field = "spec.match.scope";
            let message =
                format!("scope {scope:?} is not known and matches cluster-scoped and namespaced objects alike");
            let hint = did_you_mean(scope, ["Cluster", "Namespaced"]);
            let hint = hint.unwrap_or_else(|| "known are Cluster, Namespaced and *".to_owned());
            findings.add(constraint.locate(field), field, message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        assert_eq!(codes(&constraint("{kinds: [{kinds: [Pod]}], scope: cluster}")), ["FG109"]);
    }

    #[test]
    fn does_not_fire() {
        for scope in ["'*'", "Cluster", "Namespaced", "''"] {
            assert!(
                codes(&constraint(&format!("{{kinds: [{{kinds: [Pod]}}], scope: {scope}}}"))).is_empty(),
                "{scope}"
            );
        }
    }
}
