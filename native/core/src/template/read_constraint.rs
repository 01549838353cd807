//! From a document to a [`Constraint`]: the checks that Gatekeeper makes, in its order.
//!
//! Defaults come after the checks, as in Gatekeeper's client: a required parameter has to be written even if it has a
//! default.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::annotations;
use super::fields::Checked;
use super::names::{did_you_mean, subdomain_defect};
use super::{Constraint, EnforcementActions, Template};
use crate::diagnostic::{Diagnostic, code};
use crate::matching::Matcher;
use crate::yaml::Document;

/// API versions of Constraints.
pub(super) const VERSIONS: [&str; 2] = ["v1alpha1", "v1beta1"];

/// Reads a Constraint of a template.
///
/// # Errors
/// Every defect, as far as it can be judged: a Constraint of a wrong kind or version is not held against a schema.
pub(crate) fn read_constraint(
    document: &Document,
    template: &Template,
    bundle: &Arc<str>,
) -> Result<Constraint, Vec<Diagnostic>> {
    let mut checked = Checked::new(document);
    let name = name(&mut checked);
    let text = |field: &str| document.value.get(field).and_then(Value::as_str).unwrap_or_default();
    let kind = text("kind");
    if kind != &*template.kind {
        let message =
            format!("invalid Constraint: wrong kind {kind:?} for constraint {name:?}; want {:?}", template.kind);
        checked.refuse(code::INVALID_CONSTRAINT, "kind", message);
        return Err(checked.diagnostics);
    }
    let version = text("apiVersion").split_once('/').map_or("", |(_, version)| version);
    if !VERSIONS.contains(&version) {
        let supported = VERSIONS.join(" ");
        let message = format!(
            "invalid Constraint: unsupported version {version:?} for Constraint {name:?}; supported versions: [{supported}]"
        );
        checked.refuse(code::INVALID_CONSTRAINT, "apiVersion", message);
        return Err(checked.diagnostics);
    }
    schema(&mut checked, template);
    let spec = document.value.get("spec").and_then(Value::as_object);
    let matcher = matcher(&mut checked, spec);
    let actions = actions(&mut checked, spec);
    let reach = annotations::reach(&mut checked);
    if !checked.diagnostics.is_empty() {
        return Err(checked.diagnostics);
    }
    let mut completed = document.value.clone();
    template.schema.apply_defaults(&mut completed);
    let parameters = completed.pointer("/spec/parameters").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    Ok(Constraint {
        kind: template.kind.clone(),
        name: name.into(),
        parameters,
        matcher,
        actions,
        reach,
        document: completed,
        origin: document.location(),
        bundle: bundle.clone(),
    })
}

fn name<'doc>(checked: &mut Checked<'doc>) -> &'doc str {
    let name = checked.document.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        checked.refuse(code::INVALID_CONSTRAINT, "metadata.name", "invalid Constraint: missing metadata.name");
    } else if let Some(defect) = subdomain_defect(name) {
        let message = format!("invalid Constraint: invalid name: {defect:?}");
        checked.refuse(code::INVALID_CONSTRAINT, "metadata.name", message);
    }
    name
}

fn schema(checked: &mut Checked<'_>, template: &Template) {
    let value = &checked.document.value;
    for error in template.schema.validate(value) {
        checked.refuse(code::INVALID_FIELD, &error.field, format!("schema validation failed: {}", error.message));
    }
    for (field, known) in template.schema.unknown(value) {
        let name = field.rsplit('.').next().unwrap_or_default();
        let hint = did_you_mean(name, known);
        let message = format!("invalid Constraint: unknown fields: [{field}]");
        checked.refuse_with_hint(code::UNKNOWN_FIELD, &field, message, hint);
    }
}

/// The match block. Its shape was held against the schema; what is left are the rules of selectors.
fn matcher(checked: &mut Checked<'_>, spec: Option<&Map<String, Value>>) -> Option<Matcher> {
    let block = spec?.get("match")?;
    let judged = |found: &Diagnostic| found.field == "spec.match" || found.field.starts_with("spec.match.");
    if checked.diagnostics.iter().any(judged) {
        return None;
    }
    match Matcher::parse(block) {
        Ok(matcher) => Some(matcher),
        Err(errors) => {
            for error in errors {
                let field = super::schema_path("spec.match", &error.field);
                checked.refuse(code::INVALID_CONSTRAINT, &field, format!("invalid Constraint: {}", error.message));
            }
            None
        }
    }
}

fn actions(checked: &mut Checked<'_>, spec: Option<&Map<String, Value>>) -> EnforcementActions {
    let field = |name: &str| spec.and_then(|spec| spec.get(name));
    let declared = field("enforcementAction").and_then(Value::as_str).unwrap_or("deny");
    if declared != EnforcementActions::SCOPED {
        return EnforcementActions::uniform(declared);
    }
    let Some(entries) = field("scopedEnforcementActions") else {
        let message = "missing required field: spec.scopedEnforcementActions must be defined";
        checked.refuse(code::INVALID_CONSTRAINT, "spec.enforcementAction", message);
        return EnforcementActions::scoped([]);
    };
    let text = |value: Option<&'_ Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries: Vec<(String, Vec<String>)> = entries
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let points = entry.get("enforcementPoints").and_then(Value::as_array);
            (text(entry.get("action")), points.into_iter().flatten().map(|point| text(point.get("name"))).collect())
        })
        .collect();
    EnforcementActions::scoped(
        entries.iter().map(|(action, points)| (action.as_str(), points.iter().map(String::as_str).collect())),
    )
}
