//! JSON text to Rego values in one pass.
//!
//! What a policy sees has to be what the API server stored, so this reader follows Go's `encoding/json` where JSON leaves
//! room: of duplicate keys the last wins, a lone surrogate escape is U+FFFD. It departs from it in two ways that a
//! decision point wants: integers stay exact whatever their size, and bytes that are not UTF-8 are an error.
//!
//! Nesting is counted and limited ([`MAX_DEPTH`]), because the values are walked recursively later; [`skim`] reads past
//! that limit without recursion, so that an oversized document can still say of which kind it is.

mod reader;
mod skim;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use regorus::Value;

pub use reader::KeyCache;
pub use skim::{Skimmed, skim};
pub use write::to_vec;

/// Arrays and objects may be nested this deep.
pub const MAX_DEPTH: usize = 512;

/// Integers of more digits are refused, as Go refuses numbers beyond the range of a double. The limit also bounds the
/// work of reading one.
const MAX_INTEGER_DIGITS: usize = 309;

/// Why a text is no JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Byte of the text at which it shows, counted from 0.
    pub offset: usize,
}

/// Classes of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes are not UTF-8.
    Utf8,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A number beyond the range of a double.
    NumberRange,
    /// The text ends within a value.
    UnexpectedEnd,
    /// Any other defect: what was expected.
    Expected(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, offset } = self;
        match kind {
            ErrorKind::Utf8 => write!(f, "invalid UTF-8 at byte {offset}"),
            ErrorKind::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} at byte {offset}"),
            ErrorKind::NumberRange => write!(f, "number out of range at byte {offset}"),
            ErrorKind::UnexpectedEnd => write!(f, "unexpected end of JSON at byte {offset}"),
            ErrorKind::Expected(what) => write!(f, "expected {what} at byte {offset}"),
        }
    }
}

impl std::error::Error for Error {}

/// Reads one JSON value that fills the whole text. Keys of objects come from the cache where it holds them.
///
/// # Errors
/// The first defect of the text and its place.
pub fn parse(text: &[u8], keys: &mut KeyCache) -> Result<Value, Error> {
    let text =
        std::str::from_utf8(text).map_err(|error| Error { kind: ErrorKind::Utf8, offset: error.valid_up_to() })?;
    reader::Reader::new(text, keys).document()
}

/// Turns a `serde_json` value into a Rego value that shares nothing with any other.
pub fn from_serde(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => from_number(number),
        Json::Array(items) => Value::from(items.iter().map(from_serde).collect::<Vec<_>>()),
        Json::Object(fields) => object(fields.iter().map(|(k, v)| (Value::from(k.as_str()), from_serde(v))).collect()),
    }
}

fn from_number(number: &serde_json::Number) -> Value {
    if let Some(value) = number.as_u64() {
        return Value::from(value);
    }
    if let Some(value) = number.as_i64() {
        return Value::from(value);
    }
    let text = number.to_string();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Value::from_numeric_string(&text).unwrap_or(Value::Null);
    }
    number.as_f64().map_or(Value::Null, Value::from)
}

/// An object of fields in any order; of equal keys the last counts.
pub fn object(fields: Vec<(Value, Value)>) -> Value {
    Value::from(fields.into_iter().collect::<std::collections::BTreeMap<_, _>>())
}
