//! FG105: a pattern that no Namespace's name can match.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG105",
        name: "namespace-pattern-never-matches",
        severity: Severity::Warning,
        summary: "no Namespace can have a name that the pattern matches",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        for list in ["namespaces", "excludedNamespaces"] {
            for (index, pattern) in constraint.listed(list).into_iter().enumerate() {
                let Some(hint) = impossible(pattern) else { continue };
                let field = format!("spec.match.{list}[{index}]");
                let message = format!("no Namespace can be called {pattern:?}");
                findings.add(constraint.locate(&field), &field, message, hint);
            }
        }
    }
}

/// Why nothing matches: names are up to 63 lower-case letters, digits and hyphens, with no hyphen at either end.
fn impossible(pattern: &str) -> Option<String> {
    let (before, after) = (pattern.starts_with('*'), pattern.ends_with('*'));
    let text = pattern.trim_matches('*');
    if pattern.is_empty() {
        return Some("remove it".to_owned());
    }
    if text.contains(':') {
        return Some("a name has no colon".to_owned());
    }
    if text.len() > 63 {
        return Some("a name has 63 characters at most".to_owned());
    }
    if text.ends_with('-') && !after {
        return Some(format!("a name does not end with a hyphen; for all that begin so write \"{pattern}*\""));
    }
    (text.starts_with('-') && !before)
        .then(|| format!("a name does not begin with a hyphen; for all that end so write \"*{pattern}\""))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{codes, constraint};

    #[test]
    fn fires() {
        for pattern in ["", "kube-", "-system", "a:b", "*-"] {
            let matching = format!("{{kinds: [{{kinds: [Pod]}}], excludedNamespaces: ['{pattern}']}}");
            assert_eq!(codes(&constraint(&matching)), ["FG105"], "{pattern}");
        }
    }

    #[test]
    fn does_not_fire() {
        for pattern in ["kube-*", "*-system", "*", "a-b", "*-a-*"] {
            let matching = format!("{{kinds: [{{kinds: [Pod]}}], namespaces: ['{pattern}']}}");
            assert!(codes(&constraint(&matching)).is_empty(), "{pattern}");
        }
    }
}
