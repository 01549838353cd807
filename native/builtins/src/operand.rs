//! Typed access to operands, with OPA's errors for those of another type.

use fleetgate_value::{Kind, Number, Object, Set, Value};

use crate::Error;

/// The error of an operand (counted from 1) that is not one of the types wanted.
pub(crate) fn mismatch(position: usize, value: &Value, wanted: &[Kind]) -> Error {
    let got = value.kind().name();
    let wanted: Vec<&str> = wanted.iter().map(|kind| kind.name()).collect();
    match wanted.as_slice() {
        [one] => Error::Type(format!("operand {position} must be {one} but got {got}")),
        many => Error::Type(format!("operand {position} must be one of {{{}}} but got {got}", many.join(", "))),
    }
}

/// The operand at `position`, counted from 1; a missing one, which the compiler rules out, is null.
pub(crate) fn any(operands: &[Value], position: usize) -> &Value {
    operands.get(position.wrapping_sub(1)).unwrap_or(&Value::Null)
}

pub(crate) fn string(operands: &[Value], position: usize) -> Result<&str, Error> {
    let value = any(operands, position);
    value.as_str().ok_or_else(|| mismatch(position, value, &[Kind::String]))
}

pub(crate) fn number(operands: &[Value], position: usize) -> Result<&Number, Error> {
    let value = any(operands, position);
    value.as_number().ok_or_else(|| mismatch(position, value, &[Kind::Number]))
}

pub(crate) fn array(operands: &[Value], position: usize) -> Result<&[Value], Error> {
    let value = any(operands, position);
    value.as_array().ok_or_else(|| mismatch(position, value, &[Kind::Array]))
}

pub(crate) fn object(operands: &[Value], position: usize) -> Result<&Object, Error> {
    let value = any(operands, position);
    value.as_object().ok_or_else(|| mismatch(position, value, &[Kind::Object]))
}

pub(crate) fn set(operands: &[Value], position: usize) -> Result<&Set, Error> {
    let value = any(operands, position);
    value.as_set().ok_or_else(|| mismatch(position, value, &[Kind::Set]))
}

/// An operand that has to be an integer of 64 bits.
pub(crate) fn integer(operands: &[Value], position: usize) -> Result<i64, Error> {
    number(operands, position)?.as_i64().ok_or_else(|| {
        Error::Type(format!("operand {position} must be integer number but got floating-point number"))
    })
}

/// The error of an array or set that holds an element of another type than `wanted`.
pub(crate) fn element(position: usize, composite: &Value, found: &Value, wanted: &str) -> Error {
    let (composite, found) = (composite.kind().name(), found.kind().name());
    Error::Type(format!("operand {position} must be {composite} of {wanted}s but got {composite} containing {found}"))
}

/// The elements of an array or a set, which all have to be strings; none for other types.
pub(crate) fn strings(operands: &[Value], position: usize) -> Option<Result<Vec<&str>, Error>> {
    let composite = any(operands, position);
    let elements = match composite {
        Value::Array(items) => items,
        Value::Set(set) => set.members(),
        _ => return None,
    };
    let texts = elements.iter().map(|item| item.as_str().ok_or_else(|| element(position, composite, item, "string")));
    Some(texts.collect())
}
