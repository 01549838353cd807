//! JSON text and Rego values; see [`fleetgate_value::json`].

use fleetgate_value::{Number, Value};

pub use fleetgate_value::json::{Error, ErrorKind, KeyCache, MAX_DEPTH, Numbers, Skimmed, parse, skim, to_vec};

/// Turns a `serde_json` value into a Rego value that shares nothing with any other. Integers stay exact, as those of
/// parameters do in Gatekeeper; other numbers are doubles.
pub fn from_serde(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => {
            let integer = number.as_i64().map(Number::from);
            let double = || number.as_f64().map_or(Number::Int(0), Number::from_double);
            Value::Number(integer.unwrap_or_else(double))
        }
        Json::Array(items) => Value::array(items.iter().map(from_serde).collect()),
        Json::Object(fields) => {
            Value::object(fields.iter().map(|(key, value)| (Value::from(key.as_str()), from_serde(value))).collect())
        }
    }
}
