//! The schema of a template's Constraints: Gatekeeper's own fields and the template's parameters.

use std::borrow::Cow;

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

    /// Every reason why the schema refuses a Constraint.
    ///
    /// Gatekeeper hands it over as a Go struct, which kube-openapi turns into JSON and reads anew: to the schema every
    /// number is a double, and an integer of more than 53 bits is none, although a policy would get all of it.
    pub(crate) fn validate(&self, constraint: &Value) -> Vec<SchemaError> {
        let constraint = if has_wide_integer(constraint) {
            Cow::Owned(of_doubles(constraint.clone()))
        } else {
            Cow::Borrowed(constraint)
        };
        schema::validate(&constraint, &self.0, "")
    }

    /// Unknown fields and the names that are known at their places. What `metadata` holds is Kubernetes' business.
    pub(crate) fn unknown(&self, constraint: &Value) -> Vec<(String, Vec<&str>)> {
        schema::find_unknown(constraint, &self.0, "")
    }

    pub(crate) fn apply_defaults(&self, constraint: &mut Value) {
        schema::apply_defaults(constraint, &self.0);
    }
}

/// Whether an integer is in it that a double need not hold.
fn has_wide_integer(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_i64().is_some_and(|integer| integer.unsigned_abs() >= 1 << f64::MANTISSA_DIGITS)
        }
        Value::Array(items) => items.iter().any(has_wide_integer),
        Value::Object(fields) => fields.values().any(has_wide_integer),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The same with every number a double.
fn of_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(items) => items.into_iter().map(of_doubles).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, of_doubles(value))).collect(),
        other => other,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of Gatekeeper 3.23.1.
    #[test]
    fn an_integer_beyond_the_doubles_own_is_refused() {
        let (parameters, _) = schema::read(&json!({"type": "object", "properties": {
            "whole": {"type": "integer"},
            "short": {"type": "integer", "format": "int32"},
            "any": {"type": "number"},
        }}));
        let schema = ConstraintSchema::new(Some(parameters));
        let refused = |name: &str, value: Value| {
            let constraint = json!({"kind": "K", "metadata": {"name": "k"}, "spec": {"parameters": {name: value}}});
            !schema.validate(&constraint).is_empty()
        };
        for value in [json!(9_007_199_254_740_991_i64), json!(-9_007_199_254_740_991_i64), json!(5.0), json!(-0.0)] {
            assert!(!refused("whole", value.clone()), "{value}");
        }
        for value in [json!(9_007_199_254_740_992_i64), json!(i64::MAX), json!(u64::MAX), json!(1e19), json!(0.5)] {
            assert!(refused("whole", value.clone()), "{value}");
            assert!(!refused("any", value.clone()), "{value}");
        }
        assert!(!refused("short", json!(2_147_483_647.0)));
        assert!(refused("short", json!(2_147_483_648_i64)));
    }
}
