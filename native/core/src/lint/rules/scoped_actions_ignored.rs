//! FG111: scoped actions that are not read.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG111",
        name: "scoped-actions-ignored",
        severity: Severity::Warning,
        summary: "scopedEnforcementActions count only where enforcementAction is scoped",
    },
    check,
};

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let Some(spec) = constraint.spec() else { continue };
        let declared = spec.get("enforcementAction").and_then(Value::as_str).unwrap_or("deny");
        if declared != "scoped" && spec.contains_key("scopedEnforcementActions") {
            let field = "spec.scopedEnforcementActions";
            let message = format!("the scoped actions are ignored: enforcementAction is {declared}");
            findings.add(constraint.locate(field), field, message, "write enforcementAction: scoped");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{acting, codes};

    const ACTIONS: &str = "scopedEnforcementActions: [{action: warn, enforcementPoints: [{name: '*'}]}]";

    #[test]
    fn fires() {
        assert_eq!(codes(&acting(ACTIONS)), ["FG111", "FG113"]);
        assert_eq!(codes(&acting(&format!("enforcementAction: dryrun, {ACTIONS}"))), ["FG111"]);
    }

    #[test]
    fn does_not_fire() {
        assert!(codes(&acting(&format!("enforcementAction: scoped, {ACTIONS}"))).is_empty());
    }
}
