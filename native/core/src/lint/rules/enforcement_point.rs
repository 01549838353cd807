//! FG112: an enforcement point that does not exist.

use super::Rule;
use crate::lint::finding::{About, Findings, Severity};
use crate::lint::policies::Policies;
use crate::template::did_you_mean;
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    about: About {
        code: "FG112",
        name: "enforcement-point-unknown",
        severity: Severity::Warning,
        summary: "no component of Gatekeeper has an enforcement point of that name",
    },
    check,
};

const KNOWN: [&str; 5] = ["*", "audit.gatekeeper.sh", "gator.gatekeeper.sh", "validation.gatekeeper.sh", "vap.k8s.io"];

fn check(policies: &Policies, findings: &mut Findings) {
    for constraint in &policies.constraints {
        let entries = constraint.spec().and_then(|spec| spec.get("scopedEnforcementActions")).and_then(Value::as_array);
        for (index, entry) in entries.into_iter().flatten().enumerate() {
            let points = entry.get("enforcementPoints").and_then(Value::as_array);
            for (position, point) in points.into_iter().flatten().enumerate() {
                let name = point.get("name").and_then(Value::as_str).unwrap_or_default();
                if !KNOWN.contains(&name) {
                    let field = format!("spec.scopedEnforcementActions[{index}].enforcementPoints[{position}].name");
                    let message = format!("there is no enforcement point {name:?}");
                    let hint = KNOWN.iter().find(|known| known.split('.').next() == Some(name));
                    let hint =
                        hint.map(|known| format!("did you mean {known:?}?")).or_else(|| did_you_mean(name, KNOWN));
                    let hint = hint.unwrap_or_else(|| format!("known are {}", KNOWN.join(", ")));
                    findings.add(constraint.locate(&field), &field, message, hint);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{acting, codes};

    fn at(point: &str) -> String {
        acting(&format!(
            "enforcementAction: scoped, scopedEnforcementActions: [{{action: warn, enforcementPoints: [{{name: '{point}'}}]}}]"
        ))
    }

    #[test]
    fn fires() {
        for point in ["audit", "webhook", "validation.gatekeeper.io"] {
            assert_eq!(codes(&at(point)), ["FG112"], "{point}");
        }
    }

    #[test]
    fn does_not_fire() {
        for point in ["*", "audit.gatekeeper.sh", "validation.gatekeeper.sh", "vap.k8s.io", "gator.gatekeeper.sh"] {
            assert!(codes(&at(point)).is_empty(), "{point}");
        }
    }
}
