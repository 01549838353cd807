//! Structural schemas: Kubernetes' dialect of OpenAPI 3, which ConstraintTemplates describe parameters in.
//!
//! A schema goes through four steps, one file each: [`read`] turns the document's JSON into a [`Schema`] as Go decodes
//! `JSONSchemaProps`; [`structural`] refuses what Kubernetes refuses in a CustomResourceDefinition; [`validate`] and
//! [`unknown`] judge a Constraint; [`defaults`] completes it. The rules and messages are those of
//! k8s.io/apiextensions-apiserver 0.36, which Gatekeeper 3.23 calls. Rules in CEL (`x-kubernetes-validations`) are not
//! run, as Gatekeeper's own validation does not run them.

mod defaults;
mod format;
mod pattern;
mod read;
mod structural;
mod unknown;
mod validate;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use defaults::apply as apply_defaults;
pub(crate) use pattern::Pattern;
pub(crate) use read::read;
pub(crate) use structural::check as check_structural;
pub(crate) use unknown::find as find_unknown;
pub(crate) use validate::validate;

/// A defect of a schema or of a value that a schema refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaError {
    /// Path from the schema's or value's root, such as `properties.a.type` or `spec.parameters.labels[0]`.
    pub(crate) field: String,
    pub(crate) message: String,
}

impl SchemaError {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// One level of a structural schema. Absent keywords are empty, `None` or false, as in Go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    pub(crate) r#type: String,
    pub(crate) format: String,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
    pub(crate) r#enum: Option<Vec<Value>>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) min_length: Option<i64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) items: Option<Items>,
    pub(crate) min_items: Option<i64>,
    pub(crate) max_items: Option<i64>,
    pub(crate) unique_items: bool,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) additional: Option<Additional>,
    pub(crate) required: Vec<String>,
    pub(crate) min_properties: Option<i64>,
    pub(crate) max_properties: Option<i64>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
    pub(crate) preserve_unknown: Option<bool>,
    pub(crate) int_or_string: bool,
    pub(crate) embedded_resource: bool,
    pub(crate) list_type: Option<String>,
    pub(crate) list_map_keys: Vec<String>,
    pub(crate) map_type: Option<String>,
    /// Keywords of JSON Schema that Kubernetes knows and refuses, and annotations that it refuses below `anyOf` and
    /// its like: only their presence matters.
    pub(crate) present: Vec<&'static str>,
}

/// `items`.
#[derive(Clone, Debug)]
pub(crate) enum Items {
    One(Box<Schema>),
    /// One schema per position: JSON Schema has it, Kubernetes refuses it.
    Many,
}

/// `additionalProperties`.
#[derive(Clone, Debug)]
pub(crate) enum Additional {
    Allowed(bool),
    Typed(Box<Schema>),
}

impl Schema {
    /// The one schema of an array's elements.
    fn element(&self) -> Option<&Schema> {
        match &self.items {
            Some(Items::One(schema)) => Some(schema),
            _ => None,
        }
    }

    fn preserves_unknown(&self) -> bool {
        self.preserve_unknown == Some(true)
    }

    /// Allows fields that the schema does not name, at every level that can hold some: `legacySchema: true`.
    pub(crate) fn preserve_everywhere(&mut self) {
        match self.r#type.as_str() {
            "" | "object" => self.preserve_unknown = Some(true),
            "array" if self.items.is_none() => self.items = Some(Items::One(Box::default())),
            _ => {}
        }
        self.properties.values_mut().for_each(Schema::preserve_everywhere);
        if let Some(Items::One(schema)) = &mut self.items {
            schema.preserve_everywhere();
        }
        if let Some(Additional::Typed(schema)) = &mut self.additional {
            schema.preserve_everywhere();
        }
    }
}

/// `path.key`, or `key` at the root.
fn child(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The name that Kubernetes' messages give to a JSON type.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
