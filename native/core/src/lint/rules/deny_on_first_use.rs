//! FG113: a Constraint that denies as soon as it is there.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG113",
        name: "deny-on-first-use",
        severity: Severity::Info,
        summary: "the Constraint denies from the moment that it is applied",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let declared = constraint.spec().and_then(|spec| spec.get("enforcementAction"));
        let message = match declared.map(|action| action.as_str()) {
            None => "without spec.enforcementAction the Constraint denies as soon as it is applied",
            Some(Some("deny")) => "the Constraint denies as soon as it is applied",
            _ => continue,
        };
        let field = "spec.enforcementAction";
        let hint = "where it is new, begin with dryrun or warn and look at what it would have denied";
        findings.add(constraint.locate(field), field, message.to_owned(), hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{acting, codes};

    #[test]
    fn fires() {
        assert_eq!(codes(&acting("enforcementAction: deny")), ["FG113"]);
        assert_eq!(codes(&acting("parameters: {}")), ["FG113"]);
    }

    #[test]
    fn does_not_fire() {
        assert!(codes(&acting("enforcementAction: warn")).is_empty());
        assert!(codes(&acting("enforcementAction: dryrun")).is_empty());
    }
}
