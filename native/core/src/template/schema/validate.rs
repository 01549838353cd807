//! Judging a value by a schema, with the messages of kube-openapi.

use serde_json::{Number, Value};

use super::{Additional, Schema, SchemaError, child, format, type_name};

/// Beyond it a double is no integer to Kubernetes: 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// The part of a number by which an integer may be missed.
const EPSILON: f64 = 1e-9;

/// Every reason why the schema refuses the value; `path` is where the value stands.
pub(crate) fn validate(value: &Value, schema: &Schema, path: &str) -> Vec<SchemaError> {
    let mut errors = Vec::new();
    judge(value, schema, path, &mut errors);
    errors
}

fn judge(value: &Value, schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let types: &[&str] = match (schema.int_or_string, schema.r#type.as_str()) {
        (true, _) => &["integer", "string"],
        (false, "") => &[],
        (false, name) => &[name],
    };
    let null_allowed = value.is_null() && schema.nullable;
    let typed = types.is_empty() || null_allowed || types.iter().any(|name| is_a(value, name));
    if !typed {
        let found = type_name(value);
        let message =
            format!("Invalid value: {found:?}: {path} in body must be of type {}: {found:?}", types.join(","));
        errors.push(SchemaError::new(path, message));
        return;
    }
    enumeration(value, schema, path, errors);
    match value {
        Value::Null => return,
        Value::Bool(_) => {}
        Value::Number(number) => numeric(number, schema, path, errors),
        Value::String(text) => textual(text, schema, path, errors),
        Value::Array(elements) => array(elements, schema, path, errors),
        Value::Object(fields) => object(fields, schema, path, errors),
    }
    junctors(value, schema, path, errors);
}

fn is_a(value: &Value, name: &str) -> bool {
    match (name, value) {
        ("integer", Value::Number(number)) => number.is_i64() || number.as_f64().is_some_and(is_json_integer),
        ("number", Value::Number(_)) => true,
        _ => name == type_name(value) && name != "number",
    }
}

fn enumeration(value: &Value, schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let Some(allowed) = schema.r#enum.as_ref().filter(|allowed| !allowed.is_empty()) else { return };
    if !allowed.iter().any(|one| equal(one, value)) {
        let names: Vec<String> = allowed
            .iter()
            .map(|one| one.as_str().map_or_else(|| format!("{:?}", one.to_string()), |text| format!("{text:?}")))
            .collect();
        let message = format!("Unsupported value: {value}: supported values: {}", names.join(", "));
        errors.push(SchemaError::new(path, message));
    }
}

/// Equality of JSON, in which 1 and 1.0 are the same.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

fn numeric(number: &Number, schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let mut refuse = |message: String| errors.push(SchemaError::new(path, message));
    let value = number.as_f64().unwrap_or(f64::NAN);
    for (what, number) in [
        // Every integer of 64 bits fits but one that is asked to be shorter.
        ("Checked", Some(value).filter(|_| !number.is_i64() || schema.format == "int32")),
        ("MultipleOf", schema.multiple_of),
        ("Maximum boundary", schema.maximum),
        ("Minimum boundary", schema.minimum),
    ] {
        if let Some(range) = number.and_then(|number| format::refused_number(number, schema)) {
            refuse(format!("Invalid value: \"\": {what} value must be of type {range} in {path}"));
        }
    }
    if let Some(maximum) = schema.maximum {
        let (holds, text) = match schema.exclusive_maximum {
            true => (value < maximum, "should be less than"),
            false => (value <= maximum, "should be less than or equal to"),
        };
        if !holds {
            refuse(format!("Invalid value: {number}: {path} in body {text} {maximum}"));
        }
    }
    if let Some(minimum) = schema.minimum {
        let (holds, text) = match schema.exclusive_minimum {
            true => (value > minimum, "should be greater than"),
            false => (value >= minimum, "should be greater than or equal to"),
        };
        if !holds {
            refuse(format!("Invalid value: {number}: {path} in body {text} {minimum}"));
        }
    }
    if let Some(factor) = schema.multiple_of {
        let times = if factor < 1.0 { 1.0 / factor * value } else { value / factor };
        if factor <= 0.0 || !is_json_integer(times) {
            refuse(format!("Invalid value: {number}: {path} in body should be a multiple of {factor}"));
        }
    }
}

/// swag's `IsFloat64AJSONInteger`: of a positive number a billionth may be missing.
fn is_json_integer(number: f64) -> bool {
    if !number.is_finite() || number.abs() > MAX_SAFE {
        return false;
    }
    let whole = number.trunc();
    number == whole || (whole > 0.0 && (number - whole) / (number + whole) < EPSILON)
}

fn textual(text: &str, schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let mut refuse = |message: String| errors.push(SchemaError::new(path, message));
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(maximum) = schema.max_length.filter(|maximum| length > *maximum) {
        refuse(format!("Too long: may not be more than {maximum} bytes"));
    }
    if let Some(minimum) = schema.min_length.filter(|minimum| length < *minimum) {
        refuse(format!("Invalid value: {text:?}: {path} in body should be at least {minimum} chars long"));
    }
    if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
        refuse(format!("Invalid value: {text:?}: {path} in body should match '{}'", pattern.text));
    }
    if !format::accepts_text(text, schema) {
        refuse(format!("Invalid value: {text:?}: {path} in body must be of type {}: {text:?}", schema.format));
    }
}

fn array(elements: &[Value], schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let count = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    if let Some(minimum) = schema.min_items.filter(|minimum| count < *minimum) {
        let message = format!("Invalid value: {count}: {path} in body should have at least {minimum} items");
        errors.push(SchemaError::new(path, message));
    }
    if let Some(maximum) = schema.max_items.filter(|maximum| count > *maximum) {
        errors.push(SchemaError::new(path, too_many(count, maximum)));
    }
    if let Some(schema) = schema.element() {
        for (index, element) in elements.iter().enumerate() {
            judge(element, schema, &format!("{path}[{index}]"), errors);
        }
    }
}

fn object(fields: &serde_json::Map<String, Value>, schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let count = i64::try_from(fields.len()).unwrap_or(i64::MAX);
    if let Some(minimum) = schema.min_properties.filter(|minimum| count < *minimum) {
        let message = format!("Invalid value: {count}: {path} in body should have at least {minimum} properties");
        errors.push(SchemaError::new(path, message));
    }
    if let Some(maximum) = schema.max_properties.filter(|maximum| count > *maximum) {
        errors.push(SchemaError::new(path, too_many(count, maximum)));
    }
    for (name, value) in fields {
        let path = child(path, name);
        match (schema.properties.get(name), &schema.additional) {
            (Some(property), _) => judge(value, property, &path, errors),
            (None, Some(Additional::Typed(schema))) => judge(value, schema, &path, errors),
            (None, Some(Additional::Allowed(false))) => {
                let message = format!("Invalid value: {name:?}: {path} in body is a forbidden property");
                errors.push(SchemaError::new(&path, message));
            }
            (None, _) => {}
        }
    }
    for name in schema.required.iter().filter(|name| !fields.contains_key(*name)) {
        errors.push(SchemaError::new(child(path, name), "Required value"));
    }
}

fn too_many(count: i64, maximum: i64) -> String {
    let items = if maximum == 1 { "item" } else { "items" };
    format!("Too many: {count}: must have at most {maximum} {items}")
}

fn junctors(value: &Value, schema: &Schema, path: &str, errors: &mut Vec<SchemaError>) {
    let holds = |schema: &Schema| validate(value, schema, path).is_empty();
    let mut refuse = |message: String| {
        errors.push(SchemaError::new(path, format!("Invalid value: \"\": {path:?} {message}")));
    };
    if !schema.any_of.is_empty() && !schema.any_of.iter().any(holds) {
        refuse("must validate at least one schema (anyOf)".to_owned());
    }
    if !schema.one_of.is_empty() {
        match schema.one_of.iter().filter(|schema| holds(schema)).count() {
            1 => {}
            0 => refuse("must validate one and only one schema (oneOf). Found none valid".to_owned()),
            n => refuse(format!("must validate one and only one schema (oneOf). Found {n} valid alternatives")),
        }
    }
    if schema.not.as_deref().is_some_and(holds) {
        refuse("must not validate the schema (not)".to_owned());
    }
    let failed: Vec<SchemaError> = schema.all_of.iter().flat_map(|schema| validate(value, schema, path)).collect();
    if !failed.is_empty() {
        refuse("must validate all the schemas (allOf)".to_owned());
        errors.extend(failed);
    }
}
