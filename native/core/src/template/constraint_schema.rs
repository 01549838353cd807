//! The schema of a template's Constraints: Gatekeeper's own fields and the template's parameters.

use serde_json::{Value, json};

use super::schema::{self, Schema, SchemaError};

/// What a Constraint of one kind may look like.
#[derive(Clone, Debug)]
pub(crate) struct ConstraintSchema(Schema);

impl ConstraintSchema {
    /// With the schema of `spec.parameters`; without one, parameters are an unknown field.
    pub(crate) fn new(parameters: Option<Schema>) -> Self {
        let (mut schema, _) = schema::read(&envelope());
        if let (Some(parameters), Some(spec)) = (parameters, schema.properties.get_mut("spec")) {
            spec.properties.insert("parameters".to_owned(), parameters);
        }
        Self(schema)
    }

    pub(crate) fn validate(&self, constraint: &Value) -> Vec<SchemaError> {
        schema::validate(constraint, &self.0, "")
    }

    /// Unknown fields and the names that are known at their places. What `metadata` holds is Kubernetes' business.
    pub(crate) fn unknown(&self, constraint: &Value) -> Vec<(String, Vec<&str>)> {
        schema::find_unknown(constraint, &self.0, "")
    }

    pub(crate) fn apply_defaults(&self, constraint: &mut Value) {
        schema::apply_defaults(constraint, &self.0);
    }
}

/// Every Constraint's fields, as the CustomResourceDefinition that Gatekeeper would create describes them.
fn envelope() -> Value {
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let glob = json!({"type": "string", "pattern": r"^\*?[-:a-z0-9]*\*?$"});
    let globs = json!({"type": "array", "items": glob});
    let selector = json!({"type": "object", "properties": {
        "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
        "matchExpressions": {"type": "array", "items": {
            "type": "object",
            "required": ["key", "operator"],
            "properties": {"key": {"type": "string"}, "operator": {"type": "string"}, "values": texts},
        }},
    }});
    let kinds = json!({"type": "array", "items": {
        "type": "object", "properties": {"apiGroups": texts, "kinds": texts},
    }});
    let scoped = json!({"type": "array", "items": {"type": "object", "properties": {
        "action": {"type": "string"},
        "enforcementPoints": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }}});
    json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"name": {"type": "string", "maxLength": 63}},
        },
        "spec": {"type": "object", "properties": {
            "enforcementAction": {"type": "string", "default": "deny"},
            "scopedEnforcementActions": scoped,
            "match": {"type": "object", "properties": {
                "kinds": kinds,
                "scope": {"type": "string"},
                "namespaces": globs,
                "excludedNamespaces": globs,
                "labelSelector": selector,
                "namespaceSelector": selector,
                "name": glob,
                "source": {"type": "string", "enum": ["All", "Generated", "Original"]},
            }},
        }},
        "status": {"x-kubernetes-preserve-unknown-fields": true},
    }})
}
