//! The schema of a template's parameters, as far as it says which ones can be there.

use serde_json::{Map, Value};

use super::access::Step;
use super::policies::Template;

/// What `spec.parameters` of a Constraint may hold.
pub(super) enum Parameters<'doc> {
    /// Anything: Gatekeeper checks nothing.
    Anything,
    /// Nothing: there is no schema.
    Nothing,
    /// What the schema says.
    Schema(&'doc Map<String, Value>),
}

/// The field of the schema.
pub(super) const FIELD: &str = "spec.crd.spec.validation.openAPIV3Schema";

pub(super) fn of(template: &Template) -> Parameters<'_> {
    let value = &template.document.value;
    let validation = value.pointer("/spec/crd/spec/validation");
    // The versions before v1 preserve what the schema does not know, unless told otherwise.
    let is_v1 = value.get("apiVersion").and_then(Value::as_str).is_some_and(|version| version.ends_with("/v1"));
    let legacy = validation.and_then(|validation| validation.get("legacySchema")).and_then(Value::as_bool);
    if legacy.unwrap_or(!is_v1) {
        return Parameters::Anything;
    }
    match validation.and_then(|validation| validation.get("openAPIV3Schema")).and_then(Value::as_object) {
        Some(schema) => Parameters::Schema(schema),
        None => Parameters::Nothing,
    }
}

/// The first of the steps that no value can have, and the names that its place has.
pub(super) fn first_unknown<'a, 'doc>(
    schema: &'doc Map<String, Value>,
    steps: &'a [Step],
) -> Option<(&'a str, Vec<&'doc str>)> {
    let mut schema = schema;
    for step in steps {
        if schema.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool) == Some(true) {
            return None;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let next = match (step, properties) {
            (Step::Name(name), Some(properties)) => match properties.get(&**name) {
                Some(property) => property,
                None if schema.contains_key("additionalProperties") => return None,
                None => return Some((name, properties.keys().map(String::as_str).collect())),
            },
            (Step::Wildcard | Step::Other, None) => schema.get("items")?,
            _ => return None,
        };
        schema = next.as_object()?;
    }
    None
}
