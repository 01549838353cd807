//! `+`, `-`, `*`, `/`, `%` and rounding.
//!
//! As in OPA, integers of any size are added, subtracted and multiplied exactly; everything else is binary floating point
//! of 64 bits of mantissa.

use fleetgate_value::float::Float;
use fleetgate_value::{Kind, Number, Value};
use num_bigint::BigInt;

use crate::operand::{any, mismatch, number};
use crate::sets::difference;
use crate::{Answer, Context, Error, Table, integer};

pub(crate) const TABLE: Table = &[
    ("abs", abs),
    ("ceil", ceil),
    ("div", divide),
    ("floor", floor),
    ("minus", minus),
    ("mul", multiply),
    ("plus", plus),
    ("rem", remainder),
    ("round", round),
];

/// An operation on two numbers: on machine integers where the result is one, on integers of any size, on others.
struct Operation {
    machine: fn(i64, i64) -> Option<i64>,
    integer: fn(&BigInt, &BigInt) -> BigInt,
    float: fn(&Float, &Float) -> Float,
    /// Whether floating point, in which numbers of more than three digits are calculated, has a negative zero.
    signed_zero: fn(i64, i64) -> bool,
    /// Bits that the integer result may have, by the bits of the operands.
    bits: fn(u64, u64) -> u64,
}

const PLUS: Operation = Operation {
    machine: i64::checked_add,
    integer: |a, b| a + b,
    float: Float::add,
    signed_zero: |_, _| false,
    bits: |a, b| a.max(b) + 1,
};
const MINUS: Operation = Operation {
    machine: i64::checked_sub,
    integer: |a, b| a - b,
    float: Float::sub,
    signed_zero: |_, _| false,
    bits: |a, b| a.max(b) + 1,
};
const TIMES: Operation = Operation {
    machine: i64::checked_mul,
    integer: |a, b| a * b,
    float: Float::mul,
    signed_zero: is_signed_zero,
    bits: |a, b| a + b,
};

/// What OPA 1.17 takes for machine integers: up to three digits, the negative zero among them.
fn short(number: &Number) -> Option<i64> {
    let integer = number.as_i64().or_else(|| (number.to_f64() == 0.0 && number.to_string() == "-0").then_some(0));
    integer.filter(|integer| (-999..=999).contains(integer))
}

const fn is_signed_zero(a: i64, b: i64) -> bool {
    (a == 0 && b <= -1000) || (a <= -1000 && b == 0)
}

impl Operation {
    fn apply(&self, context: &Context, a: &Number, b: &Number) -> Answer {
        if context.rounded_integers
            && let (Some(a), Some(b)) = (short(a), short(b))
            && let Some(result) = (self.machine)(a, b)
        {
            return Ok(result.into());
        }
        if let (Number::Int(a), Number::Int(b)) = (a, b)
            && let Some(result) = (self.machine)(*a, *b)
            && !(context.rounded_integers && (self.signed_zero)(*a, *b))
        {
            return Ok(result.into());
        }
        if !context.rounded_integers
            && let (Some(a), Some(b)) = (a.to_bigint(), b.to_bigint())
        {
            integer::fits((self.bits)(a.bits(), b.bits()))?;
            return integer::answer(&(self.integer)(&a, &b));
        }
        Ok(float(&(self.float)(&a.to_float(), &b.to_float())))
    }
}

fn float(value: &Float) -> Value {
    Value::Number(Number::from(value))
}

fn plus(context: &mut Context, operands: &[Value]) -> Answer {
    PLUS.apply(context, number(operands, 1)?, number(operands, 2)?)
}

fn multiply(context: &mut Context, operands: &[Value]) -> Answer {
    TIMES.apply(context, number(operands, 1)?, number(operands, 2)?)
}

/// The difference of numbers, and that of sets.
fn minus(context: &mut Context, operands: &[Value]) -> Answer {
    match (any(operands, 1), any(operands, 2)) {
        (Value::Number(a), Value::Number(b)) => MINUS.apply(context, a, b),
        (Value::Set(a), Value::Set(b)) => Ok(difference(a, b).into()),
        (Value::Number(_), other) => Err(mismatch(2, other, &[Kind::Number])),
        // As OPA says it: with a number on the right it asks for a set, else for a number.
        (Value::Set(_), other @ Value::Number(_)) => Err(mismatch(2, other, &[Kind::Set])),
        (Value::Set(_), other) => Err(mismatch(2, other, &[Kind::Number])),
        (other, _) => Err(mismatch(1, other, &[Kind::Number, Kind::Set])),
    }
}

fn divide(_: &mut Context, operands: &[Value]) -> Answer {
    let (a, b) = (number(operands, 1)?, number(operands, 2)?);
    if let (Number::Int(a), Number::Int(b)) = (a, b)
        && *a != 0
        && a.checked_rem(*b) == Some(0)
        && let Some(quotient) = a.checked_div(*b)
    {
        return Ok(quotient.into());
    }
    let quotient = a.to_float().div(&b.to_float());
    quotient.map(|quotient| float(&quotient)).ok_or_else(|| Error::Builtin("divide by zero".to_owned()))
}

/// The remainder, which has the sign of the dividend.
fn remainder(context: &mut Context, operands: &[Value]) -> Answer {
    let (a, b) = (number(operands, 1)?, number(operands, 2)?);
    let zero = || Error::Builtin("modulo by zero".to_owned());
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        if *b == 0 {
            return Err(zero());
        }
        return Ok(a.checked_rem(*b).unwrap_or(0).into());
    }
    let integer = |number: &Number| {
        if !context.rounded_integers {
            return number.to_bigint();
        }
        let float = number.to_float();
        float.is_integer().then(|| float.truncate())
    };
    let (Some(a), Some(b)) = (integer(a), integer(b)) else {
        return Err(Error::Builtin("modulo on floating-point number".to_owned()));
    };
    // OPA 1.17 looks at 64 bits of it.
    let low = b.iter_u64_digits().next().unwrap_or(0);
    if b == BigInt::ZERO || (context.rounded_integers && low == 0) {
        return Err(zero());
    }
    integer::answer(&(a % b))
}

fn abs(_: &mut Context, operands: &[Value]) -> Answer {
    let operand = number(operands, 1)?;
    if let Some(absolute) = integer::as_machine(operand).and_then(i64::checked_abs) {
        return Ok(absolute.into());
    }
    Ok(float(&operand.to_float().abs()))
}

/// The nearest integer, halves away from zero.
fn round(_: &mut Context, operands: &[Value]) -> Answer {
    rounding(operands, |value, _| {
        let half = Float::from(if value.is_negative() { -1 } else { 1 }).halved();
        value.add(&half).truncate()
    })
}

/// OPA's `ceil`, which counts every fraction above -1 as positive: `ceil(-0.5)` is 1.
fn ceil(_: &mut Context, operands: &[Value]) -> Answer {
    rounding(
        operands,
        |value, integer| {
            if value.is_integer() || integer < BigInt::ZERO { integer } else { integer + 1 }
        },
    )
}

/// OPA's `floor`, which counts every fraction above -1 as positive: `floor(-0.5)` is 0.
fn floor(_: &mut Context, operands: &[Value]) -> Answer {
    rounding(
        operands,
        |value, integer| {
            if value.is_integer() || integer >= BigInt::ZERO { integer } else { integer - 1 }
        },
    )
}

/// Rounds what is no integer yet; `how` gets the number and what it is without its fraction.
fn rounding(operands: &[Value], how: fn(&Float, BigInt) -> BigInt) -> Answer {
    let operand = number(operands, 1)?;
    if let Some(integer) = integer::as_machine(operand) {
        return Ok(integer.into());
    }
    let value = operand.to_float();
    let integer = value.truncate();
    integer::answer(&how(&value, integer))
}
