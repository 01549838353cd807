//! What Kubernetes refuses in a schema of a CustomResourceDefinition.

use super::{Additional, Items, Schema, SchemaError, apply_defaults, child, find_unknown, validate};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Every defect of the schema of an object's field.
pub(crate) fn check(schema: &Schema) -> Vec<SchemaError> {
    let mut errors = Vec::new();
    level(schema, "", "must not be empty for specified object fields", &mut errors);
    errors
}

fn level(schema: &Schema, path: &str, untyped: &str, errors: &mut Vec<SchemaError>) {
    let mut refuse = |field: &str, message: String| errors.push(SchemaError::new(child(path, field), message));
    let untyped_allowed = schema.int_or_string || schema.preserves_unknown();
    if schema.r#type.is_empty() {
        if schema.embedded_resource {
            refuse("type", "Required value: must be object if x-kubernetes-embedded-resource is true".to_owned());
        } else if !untyped_allowed {
            refuse("type", format!("Required value: {untyped}"));
        }
    } else if !TYPES.contains(&schema.r#type.as_str()) {
        let message = format!("Unsupported value: {:?}: supported values: {}", schema.r#type, quoted(&TYPES));
        refuse("type", message);
    }
    if schema.preserve_unknown == Some(false) {
        refuse("x-kubernetes-preserve-unknown-fields", "Invalid value: false: must be true or undefined".to_owned());
    }
    if schema.int_or_string && schema.preserves_unknown() {
        let message = "Invalid value: true: must be false if x-kubernetes-int-or-string is true";
        refuse("x-kubernetes-preserve-unknown-fields", message.to_owned());
    }
    if schema.int_or_string && schema.embedded_resource {
        let message = "Invalid value: true: must be false if x-kubernetes-int-or-string is true";
        refuse("x-kubernetes-embedded-resource", message.to_owned());
    }
    if schema.embedded_resource && !schema.preserves_unknown() && schema.properties.is_empty() {
        let message = "Required value: must not be empty if x-kubernetes-embedded-resource is true without \
                       x-kubernetes-preserve-unknown-fields";
        refuse("properties", message.to_owned());
    }
    match &schema.additional {
        Some(Additional::Typed(_)) if !schema.properties.is_empty() => {
            let message = "Forbidden: additionalProperties and properties are mutual exclusive";
            refuse("additionalProperties", message.to_owned());
        }
        Some(_) if schema.embedded_resource => {
            let message = "Forbidden: must not be used if x-kubernetes-embedded-resource is set";
            refuse("additionalProperties", message.to_owned());
        }
        _ => {}
    }
    keywords(schema, path, errors);
    lists_and_maps(schema, path, errors);
    default(schema, path, errors);
    junctors(schema, path, schema.int_or_string, errors);

    match &schema.items {
        Some(Items::One(items)) => {
            level(items, &child(path, "items"), "must not be empty for specified array items", errors);
        }
        Some(Items::Many) => {
            let message = "Forbidden: items must be a schema object and not an array";
            errors.push(SchemaError::new(child(path, "items"), message));
        }
        None if schema.r#type == "array" => {
            errors.push(SchemaError::new(child(path, "items"), "Required value: must be specified"));
        }
        None => {}
    }
    let untyped = "must not be empty for specified object fields";
    for (name, property) in &schema.properties {
        level(property, &child(&child(path, "properties"), name), untyped, errors);
    }
    if let Some(Additional::Typed(additional)) = &schema.additional {
        level(additional, &child(path, "additionalProperties"), untyped, errors);
    }
}

/// Keywords that are refused wherever they stand, and patterns.
fn keywords(schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    for keyword in &schema.present {
        if !matches!(*keyword, "description" | "title" | "x-kubernetes-validations") {
            errors.push(SchemaError::new(child(path, keyword), format!("Forbidden: {keyword} is not supported")));
        }
    }
    if schema.unique_items {
        let message = "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(SchemaError::new(child(path, "uniqueItems"), message));
    }
    if let Some((pattern, defect)) = schema.pattern.as_ref().and_then(|pattern| Some((pattern, pattern.defect()?))) {
        let message =
            format!("Invalid value: {:?}: must be a valid regular expression, but isn't: {defect}", pattern.text);
        errors.push(SchemaError::new(child(path, "pattern"), message));
    }
}

fn lists_and_maps(schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let mut refuse = |field: &str, message: String| errors.push(SchemaError::new(child(path, field), message));
    let list = schema.list_type.as_deref();
    if let Some(found) = list {
        let known = ["atomic", "set", "map"];
        if !known.contains(&found) {
            let message = format!("Unsupported value: {found:?}: supported values: {}", quoted(&known));
            refuse("x-kubernetes-list-type", message);
        } else if schema.r#type != "array" {
            refuse(
                "type",
                format!("Invalid value: {:?}: must be array if x-kubernetes-list-type is specified", schema.r#type),
            );
        }
    }
    if list == Some("map") && schema.list_map_keys.is_empty() {
        let message = "Required value: must not be empty if x-kubernetes-list-type is map";
        refuse("x-kubernetes-list-map-keys", message.to_owned());
    }
    if list != Some("map") && !schema.list_map_keys.is_empty() {
        let message = "Required value: must be map if x-kubernetes-list-map-keys is non-empty";
        refuse("x-kubernetes-list-type", message.to_owned());
    }
    if let (Some("map"), Some(items)) = (list, schema.element()) {
        for key in &schema.list_map_keys {
            let field = format!("items.properties.{key}");
            match items.properties.get(key) {
                None => {
                    let message = format!("Invalid value: {key:?}: entries must all be names of item properties");
                    refuse("x-kubernetes-list-map-keys", message);
                }
                Some(property) if property.default.is_none() && !items.required.contains(key) => {
                    let message = "Required value: this property is in x-kubernetes-list-map-keys, so it must have a \
                                   default or be a required property";
                    refuse(&child(&field, "default"), message.to_owned());
                }
                Some(_) => {}
            }
        }
    }
    if let Some(found) = schema.map_type.as_deref() {
        let known = ["atomic", "granular"];
        if !known.contains(&found) {
            let message = format!("Unsupported value: {found:?}: supported values: {}", quoted(&known));
            refuse("x-kubernetes-map-type", message);
        }
    }
}

/// A default has to be a value that the schema accepts and knows all of.
fn default(schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let Some(default) = &schema.default else { return };
    let field = child(path, "default");
    if !find_unknown(default, schema, "").is_empty() {
        errors.push(SchemaError::new(&field, format!("Invalid value: {default}: must not have unknown fields")));
        return;
    }
    let mut completed = default.clone();
    apply_defaults(&mut completed, schema);
    errors.extend(validate(&completed, schema, "").into_iter().map(|error| SchemaError::new(&field, error.message)));
}

/// `allOf`, `anyOf`, `oneOf` and `not` only judge values; what shapes them has to stand outside.
fn junctors(schema: &Schema, path: &str, int_or_string: bool, errors: &mut Vec<SchemaError>) {
    let each = |name: &str, schemas: &[Schema], skip_first: bool, errors: &mut Vec<SchemaError>| {
        for (index, inner) in schemas.iter().enumerate() {
            let skip = skip_first && index == 0 && names_int_and_string(&inner.any_of);
            nested(inner, &format!("{}[{index}]", child(path, name)), skip, errors);
        }
    };
    if !(int_or_string && names_int_and_string(&schema.any_of)) {
        each("anyOf", &schema.any_of, false, errors);
    }
    each("allOf", &schema.all_of, int_or_string, errors);
    each("oneOf", &schema.one_of, false, errors);
    if let Some(not) = &schema.not {
        nested(not, &child(path, "not"), false, errors);
    }
}

/// Whether these are exactly `type: integer` and `type: string`: the one exception, for `x-kubernetes-int-or-string`.
fn names_int_and_string(schemas: &[Schema]) -> bool {
    matches!(schemas, [one, other] if one.r#type == "integer" && other.r#type == "string")
}

fn nested(schema: &Schema, path: &str, int_or_string: bool, errors: &mut Vec<SchemaError>) {
    let mut refuse = |field: &str, must: &str| {
        errors.push(SchemaError::new(child(path, field), format!("Forbidden: must be {must} to be structural")));
    };
    for (present, field, must) in [
        (!schema.r#type.is_empty(), "type", "empty"),
        (schema.default.is_some(), "default", "undefined"),
        (schema.nullable, "nullable", "false"),
        (schema.present.contains(&"description"), "description", "empty"),
        (schema.present.contains(&"title"), "title", "empty"),
        (schema.additional.is_some(), "additionalProperties", "undefined"),
        (schema.preserves_unknown(), "x-kubernetes-preserve-unknown-fields", "false"),
        (schema.embedded_resource, "x-kubernetes-embedded-resource", "false"),
        (schema.int_or_string, "x-kubernetes-int-or-string", "false"),
        (schema.list_type.is_some(), "x-kubernetes-list-type", "undefined"),
        (!schema.list_map_keys.is_empty(), "x-kubernetes-list-map-keys", "empty"),
        (schema.map_type.is_some(), "x-kubernetes-map-type", "undefined"),
        (schema.present.contains(&"x-kubernetes-validations"), "x-kubernetes-validations", "empty"),
    ] {
        if present {
            refuse(field, must);
        }
    }
    keywords(schema, path, errors);
    junctors(schema, path, int_or_string, errors);
    if let Some(items) = schema.element() {
        nested(items, &child(path, "items"), false, errors);
    }
    for (name, property) in &schema.properties {
        nested(property, &child(&child(path, "properties"), name), false, errors);
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
