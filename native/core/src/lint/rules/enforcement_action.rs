//! FG110: an enforcement action that nobody carries out.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Constraint;
use crate::lint::policies::Policies;
use crate::template::did_you_mean;
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG110",
        name: "action-never-enforced",
        severity: Severity::Error,
        summary: "the enforcement action is not known: violations are neither denied nor warned of",
    },
    check,
};

const KNOWN: [&str; 3] = ["deny", "dryrun", "warn"];

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let Some(spec) = constraint.spec() else { continue };
        let declared = spec.get("enforcementAction").and_then(Value::as_str);
        if let Some(action) = declared.filter(|action| !KNOWN.contains(action) && *action != "scoped") {
            report(constraint, "spec.enforcementAction", action, findings);
        }
        if declared != Some("scoped") {
            continue;
        }
        let entries = spec.get("scopedEnforcementActions").and_then(Value::as_array);
        for (index, entry) in entries.into_iter().flatten().enumerate() {
            let action = entry.get("action").and_then(Value::as_str).unwrap_or_default();
            if !KNOWN.contains(&action) {
                report(constraint, &format!("spec.scopedEnforcementActions[{index}].action"), action, findings);
            }
        }
    }
}

fn report(constraint: &Constraint, field: &str, action: &str, findings: &mut Findings) {
    let message = format!("nothing enforces the action {action:?}: violations pass");
    let hint = did_you_mean(action, KNOWN).unwrap_or_else(|| "known are deny, warn and dryrun".to_owned());
    findings.add(constraint.locate(field), field, message, hint);
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{acting, codes};

    #[test]
    fn fires() {
        for action in ["Deny", "''", "dry-run", "block"] {
            assert_eq!(codes(&acting(&format!("enforcementAction: {action}"))), ["FG110"], "{action}");
        }
        let scoped =
            "enforcementAction: scoped, scopedEnforcementActions: [{action: Deny, enforcementPoints: [{name: '*'}]}]";
        assert_eq!(codes(&acting(scoped)), ["FG110"]);
    }

    #[test]
    fn does_not_fire() {
        let scoped =
            "enforcementAction: scoped, scopedEnforcementActions: [{action: deny, enforcementPoints: [{name: '*'}]}]";
        for spec in ["enforcementAction: warn", "enforcementAction: dryrun", scoped] {
            assert!(!codes(&acting(spec)).contains(&"FG110"), "{spec}");
        }
    }
}
