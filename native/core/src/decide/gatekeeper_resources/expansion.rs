//! `ExpansionTemplate` (`ValidateTemplate` in `pkg/expansion/system.go` of Gatekeeper 3.23.1).

use serde::Deserialize;
use serde_json::Value;

use super::decode::{Fields, Served, decode, or_zero};
use crate::template::Refusal;

const SERVED: Served =
    Served { group: "expansion.gatekeeper.sh", kind: "ExpansionTemplate", versions: &["v1alpha1", "v1beta1"] };

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(deserialize_with = "or_zero")]
    apply_to: Vec<Fields<ApplyTo>>,
    #[serde(deserialize_with = "or_zero")]
    template_source: String,
    #[serde(rename = "generatedGVK", deserialize_with = "or_zero")]
    generated: Fields<Generated>,
    #[serde(rename = "enforcementAction", deserialize_with = "or_zero")]
    _enforcement_action: String,
}

/// Kinds by every combination of a group, a version and a name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ApplyTo {
    #[serde(deserialize_with = "or_zero")]
    groups: Vec<String>,
    #[serde(deserialize_with = "or_zero")]
    versions: Vec<String>,
    #[serde(deserialize_with = "or_zero")]
    kinds: Vec<String>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(default)]
struct Generated {
    #[serde(deserialize_with = "or_zero")]
    group: String,
    #[serde(deserialize_with = "or_zero")]
    version: String,
    #[serde(deserialize_with = "or_zero")]
    kind: String,
}

impl ApplyTo {
    fn applies(&self, generated: &Generated) -> bool {
        self.groups.contains(&generated.group)
            && self.versions.contains(&generated.version)
            && self.kinds.contains(&generated.kind)
    }
}

pub(super) fn admit(object: Value) -> Result<(), Refusal> {
    let (name, spec): (String, Spec) = decode(object, &SERVED)?;
    let refuse = |defect: String| Err(Refusal::user_error(format!("ExpansionTemplate {defect}")));
    if name.is_empty() {
        return refuse("has empty name field".to_owned());
    }
    if spec.template_source.is_empty() {
        return refuse(format!("{name} has empty source field"));
    }
    if *spec.generated == Generated::default() {
        return refuse(format!("{name} has empty generatedGVK field"));
    }
    if spec.apply_to.is_empty() {
        return refuse(format!("{name} must specify ApplyTo"));
    }
    if spec.apply_to.iter().any(|apply_to| apply_to.applies(&spec.generated)) {
        let Generated { group, version, kind } = &*spec.generated;
        return refuse(format!(
            "{name} generates GVK {group}/{version}, Kind={kind}, but also applies to that same GVK"
        ));
    }
    Ok(())
}
