//! Typed access to the fields of an AdmissionRequest, with Go's rules for what is absent.

use std::fmt;

use fleetgate_value::Value;

/// A field that does not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Path of the field in the request, such as `admission_request.kind`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Malformed {
    pub(super) fn new(field: &str, message: &str) -> Self {
        Self { field: field.to_owned(), message: message.to_owned() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The fields of a JSON object; null counts as absent.
pub(super) struct Fields<'a> {
    path: String,
    fields: &'a fleetgate_value::Object,
}

impl<'a> Fields<'a> {
    pub(super) fn of(path: &str, value: &'a Value) -> Result<Self, Malformed> {
        match value {
            Value::Object(fields) => Ok(Self { path: path.to_owned(), fields }),
            _ => Err(Malformed::new(path, "an object is expected")),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(&Value::from(name)).filter(|value| **value != Value::Null)
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Malformed> {
        self.get(name).map(|value| Fields::of(&self.path_of(name), value)).transpose()
    }

    /// A string; empty where there is none.
    pub(super) fn string(&self, name: &str) -> Result<&'a Value, Malformed> {
        match self.get(name) {
            None => Ok(empty()),
            Some(value @ Value::String(_)) => Ok(value),
            Some(_) => Err(Malformed::new(&self.path_of(name), "a string is expected")),
        }
    }

    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>, Malformed> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(Malformed::new(&self.path_of(name), "a boolean is expected")),
        }
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}

pub(super) fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        _ => "",
    }
}

fn empty() -> &'static Value {
    static EMPTY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| Value::from(""));
    &EMPTY
}
