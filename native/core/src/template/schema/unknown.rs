//! Fields of a value that its schema does not name: Kubernetes would prune them, Gatekeeper refuses them.

use serde_json::Value;

use super::{Additional, Schema, child};

/// Paths of all unknown fields, sorted, each with the names that are known at its place.
pub(crate) fn find<'schema>(value: &Value, schema: &'schema Schema, path: &str) -> Vec<(String, Vec<&'schema str>)> {
    let mut found = Vec::new();
    walk(value, schema, path, &mut found);
    found
}

fn walk<'schema>(value: &Value, schema: &'schema Schema, path: &str, found: &mut Vec<(String, Vec<&'schema str>)>) {
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                match schema.element() {
                    Some(schema) => walk(element, schema, &format!("{path}[{index}]"), found),
                    None => return,
                }
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = child(path, name);
                let meta = schema.embedded_resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
                match (schema.properties.get(name), &schema.additional) {
                    (Some(property), _) => walk(value, property, &path, found),
                    (None, Some(Additional::Typed(schema))) => walk(value, schema, &path, found),
                    (None, Some(Additional::Allowed(true))) => {}
                    _ if schema.preserves_unknown() || meta => {}
                    _ => found.push((path, schema.properties.keys().map(String::as_str).collect())),
                }
            }
        }
        _ => {}
    }
}
