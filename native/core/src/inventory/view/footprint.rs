//! What a value takes.

use fleetgate_value::Value;

/// What a reference-counted allocation takes besides its content.
const SHARED: usize = 16;

/// Bytes of the memory of a value, estimated: keys are shared by all objects, so only their references count.
pub(super) fn of(value: &Value) -> usize {
    const SIZE: usize = size_of::<Value>();
    SIZE + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => SHARED + text.len().next_multiple_of(8),
        Value::Array(items) => SHARED + items.iter().map(of).sum::<usize>(),
        Value::Object(fields) => SHARED + fields.values().map(|value| SIZE + of(value)).sum::<usize>(),
        Value::Set(set) => SHARED + set.iter().map(of).sum::<usize>(),
    }
}
