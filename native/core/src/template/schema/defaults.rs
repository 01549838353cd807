//! Defaults: values for fields that are absent, in objects that are there.

use serde_json::Value;

use super::{Additional, Schema};

/// Puts defaults into a value. An absent object stays absent, so defaults inside it do not come about.
pub(crate) fn apply(value: &mut Value, schema: &Schema) {
    match value {
        Value::Array(elements) => {
            if let Some(schema) = schema.element() {
                elements.iter_mut().for_each(|element| apply(element, schema));
            }
        }
        Value::Object(fields) => {
            for (name, property) in &schema.properties {
                let absent = fields.get(name).is_none_or(|value| value.is_null() && !property.nullable);
                if let (true, Some(default)) = (absent, &property.default) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields {
                match (schema.properties.get(name), &schema.additional) {
                    (Some(property), _) => apply(value, property),
                    (None, Some(Additional::Typed(schema))) => {
                        if let (true, Some(default)) = (value.is_null() && !schema.nullable, &schema.default) {
                            *value = default.clone();
                        }
                        apply(value, schema);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
