//! Operands that have to be integers, and integers as results.

use fleetgate_value::{Number, Value};
use num_bigint::BigInt;

use crate::operand;
use crate::{Answer, Context, Error};

/// Integers of more bits are refused: printing and parsing one takes time that grows with the square of its length.
const MAX_BITS: u64 = 13_600;

/// The operand at `position` as a machine integer. An exponent is none: `1e3` is no integer here.
///
/// # Errors
/// OPA's, for what is no number and for numbers of another form.
pub(crate) fn machine(operands: &[Value], position: usize) -> Result<i64, Error> {
    as_machine(operand::number(operands, position)?).ok_or_else(|| not_integer(position))
}

/// OPA's `Number.Int64`: `-0` is an integer too, and so is `2.0` while it is short.
pub(crate) fn as_machine(number: &Number) -> Option<i64> {
    match number {
        Number::Int(integer) => Some(*integer),
        Number::Text(text) => of_text(text),
        Number::Double(_) => None,
    }
}

/// OPA's `util.Atoi64`: an integer with or without sign, zeros after a point included. What is longer than 19 characters is
/// none, whatever it is worth.
pub(crate) fn of_text(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if digits.is_empty() || digits.len() > 19 || !fraction.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    if integer.is_empty() { Some(0) } else { format!("{sign}{integer}").parse().ok() }
}

/// The operand at `position` as an integer of any size, however it is written.
///
/// # Errors
/// OPA's, for what is no number and for numbers with a fraction.
pub(crate) fn any_size(context: &Context, operands: &[Value], position: usize) -> Result<BigInt, Error> {
    let value = operand::any(operands, position);
    let Some(number) = value.as_number() else {
        // OPA's word here is "integer", which is the name of no type.
        return Err(Error::Type(format!("operand {position} must be integer but got {}", value.kind().name())));
    };
    if context.rounded_integers && number.as_i64().is_none() {
        let float = number.to_float();
        return if float.is_integer() { Ok(float.truncate()) } else { Err(not_integer(position)) };
    }
    number.to_bigint().ok_or_else(|| not_integer(position))
}

fn not_integer(position: usize) -> Error {
    Error::Type(format!("operand {position} must be integer number but got floating-point number"))
}

/// An integer as a result.
///
/// # Errors
/// [`Error::Size`] for more than about 4,000 digits.
pub(crate) fn answer(integer: &BigInt) -> Answer {
    fits(integer.bits())?;
    Ok(Value::Number(Number::from(integer)))
}

/// Checks the size of an integer before it is calculated.
///
/// # Errors
/// [`Error::Size`] for more than about 4,000 digits.
pub(crate) const fn fits(bits: u64) -> Result<(), Error> {
    if bits > MAX_BITS { Err(Error::Size) } else { Ok(()) }
}
