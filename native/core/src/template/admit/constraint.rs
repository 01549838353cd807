//! A Constraint at the webhook.

use serde_json::Value;

use super::super::names::subdomain_defect;
use super::super::read_constraint::VERSIONS;
use super::super::{EnforcementActions, Template};
use super::{Refusal, aggregate};
use crate::matching::Matcher;

const CLASS: &str = "invalid Constraint: ";
const GROUP: &str = "constraints.gatekeeper.sh";

/// Actions of a Constraint, and of a scope within it.
const ACTIONS: [&str; 4] = ["deny", "dryrun", "warn", EnforcementActions::SCOPED];
const SCOPED_ACTIONS: [&str; 3] = ["deny", "dryrun", "warn"];

/// Enforcement points that a scope may name; beside them `*`.
const POINTS: [&str; 4] = ["validation.gatekeeper.sh", "audit.gatekeeper.sh", "gator.gatekeeper.sh", "vap.k8s.io"];

/// Says whether Gatekeeper's webhook admits a Constraint, given the template of a kind.
///
/// # Errors
/// The first objection.
pub(crate) fn admit_constraint<'set>(
    constraint: &Value,
    template_of: impl FnOnce(&str) -> Option<&'set Template>,
) -> Result<(), Refusal> {
    let text = |pointer: &str| constraint.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    if kind.is_empty() {
        return Err(Refusal::internal("Object 'Kind' is missing"));
    }
    if name.is_empty() {
        return Err(Refusal::user_error(format!("{CLASS}missing metadata.name")));
    }
    if group != GROUP {
        let message = format!("{CLASS}wrong API Group for Constraint {name:?}, got {group:?} but need {GROUP:?}");
        return Err(Refusal::user_error(message));
    }
    let Some(template) = template_of(kind) else {
        let message = format!("missing ConstraintTemplate: template {:?} not found", kind.to_lowercase());
        return Err(Refusal::user_error(message));
    };
    selectors(constraint)?;
    if let Some(defect) = subdomain_defect(name) {
        return Err(Refusal::user_error(format!("{CLASS}invalid name: {defect:?}")));
    }
    if kind != &*template.kind {
        // Gatekeeper confuses the two.
        let message = format!("{CLASS}wrong kind {name:?} for constraint {kind:?}; want {:?}", template.kind);
        return Err(Refusal::user_error(message));
    }
    if !VERSIONS.contains(&version) {
        let supported = VERSIONS.map(|version| format!("{version}:true")).join(" ");
        let message = format!(
            "{CLASS}unsupported version {version:?} for Constraint {name:?}; supported versions: map[{supported}]"
        );
        return Err(Refusal::user_error(message));
    }
    schema(constraint, template)?;
    enforcement_action(constraint)
}

/// Gatekeeper's target reads the selectors before any schema is asked.
fn selectors(constraint: &Value) -> Result<(), Refusal> {
    let Some(block) = constraint.pointer("/spec/match") else { return Ok(()) };
    let errors = Matcher::parse(block).err().unwrap_or_default();
    let of_selector = |field: &str| field.starts_with("labelSelector") || field.starts_with("namespaceSelector");
    match errors.iter().find(|error| of_selector(&error.field)) {
        Some(error) => Err(Refusal::user_error(format!("{CLASS}spec.match.{}: {}", error.field, error.message))),
        None => Ok(()),
    }
}

fn schema(constraint: &Value, template: &Template) -> Result<(), Refusal> {
    let errors = template.schema.validate(constraint);
    if !errors.is_empty() {
        let described: Vec<String> =
            errors.iter().map(|error| format!("[].{}: {}", error.field, error.message)).collect();
        return Err(Refusal::user_error(format!("schema validation failed: {}", aggregate(&described))));
    }
    let unknown: Vec<String> = template.schema.unknown(constraint).into_iter().map(|(field, _)| field).collect();
    if !unknown.is_empty() {
        return Err(Refusal::user_error(format!("{CLASS}unknown fields: [{}]", unknown.join(" "))));
    }
    Ok(())
}

/// An unknown action is an internal error to Gatekeeper, an empty one none at all.
fn enforcement_action(constraint: &Value) -> Result<(), Refusal> {
    match constraint.pointer("/spec/enforcementAction").and_then(Value::as_str).unwrap_or_default() {
        "" => Ok(()),
        EnforcementActions::SCOPED => scoped_actions(constraint),
        action if ACTIONS.contains(&action) => Ok(()),
        action => Err(Refusal::internal(format!(
            "unrecognized enforcementAction: {action:?} is not within the supported list [{}]",
            ACTIONS.join(" ")
        ))),
    }
}

fn scoped_actions(constraint: &Value) -> Result<(), Refusal> {
    let Some(entries) = constraint.pointer("/spec/scopedEnforcementActions") else {
        let message = "error fetching scopedEnforcementActions: scopedEnforcementActions is required";
        return Err(Refusal::internal(message));
    };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut actions, mut points) = (Vec::new(), Vec::new());
    for entry in entries.as_array().into_iter().flatten() {
        actions.push(text(entry, "action"));
        let listed = entry.get("enforcementPoints").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        match listed {
            [] => points.push(String::new()),
            listed => points.extend(listed.iter().map(|point| text(point, "name"))),
        }
    }
    actions.retain(|action| !SCOPED_ACTIONS.contains(&&**action));
    points.retain(|point| point != EnforcementActions::ALL_POINTS && !POINTS.contains(&&**point));
    let mut messages = Vec::new();
    if !points.is_empty() {
        messages.push(format!(
            "unrecognized enforcement points: constraint will not be enforced for enforcement points [{}], supported \
             enforcement points are [{}]",
            points.join(" "),
            POINTS.join(" ")
        ));
    }
    if !actions.is_empty() {
        messages.push(format!(
            "unrecognized enforcementAction: [{}] is not within the supported list [{}]",
            actions.join(" "),
            SCOPED_ACTIONS.join(" ")
        ));
    }
    if messages.is_empty() { Ok(()) } else { Err(Refusal::internal(messages.join("\n"))) }
}
