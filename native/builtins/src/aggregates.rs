//! What many values make together.

use fleetgate_value::float::Float;
use fleetgate_value::{Kind, Number, Value};
use num_bigint::BigInt;

use crate::operand::{any as operand, mismatch};
use crate::{Answer, Context, Error, Table, element, integer};

pub(crate) const TABLE: Table = &[
    ("all", all),
    ("any", any),
    ("count", count),
    ("internal.member_2", member),
    ("internal.member_3", member_at),
    ("max", max),
    ("min", min),
    ("product", product),
    ("sort", sort),
    ("sum", sum),
];

/// Number of members; of a string, the number of its characters.
fn count(_: &mut Context, operands: &[Value]) -> Answer {
    let count = match operand(operands, 1) {
        Value::Array(items) => items.len(),
        Value::Object(object) => object.len(),
        Value::Set(set) => set.len(),
        Value::String(text) => text.chars().count(),
        other => return Err(mismatch(1, other, &[Kind::Array, Kind::Object, Kind::Set, Kind::String])),
    };
    Ok(count.into())
}

/// The members of an array or a set; the error names the types in the order given.
fn members<'a>(operands: &'a [Value], wanted: &[Kind]) -> Result<&'a [Value], Error> {
    match operand(operands, 1) {
        Value::Array(items) => Ok(items),
        Value::Set(set) => Ok(set.members()),
        other => Err(mismatch(1, other, wanted)),
    }
}

const SET_OR_ARRAY: &[Kind] = &[Kind::Set, Kind::Array];
const ARRAY_OR_SET: &[Kind] = &[Kind::Array, Kind::Set];

fn sum(context: &mut Context, operands: &[Value]) -> Answer {
    let members = members(operands, SET_OR_ARRAY)?;
    if context.rounded_integers {
        // Machine integers that wrap around, or else binary floating point.
        let add = |sum: i64, member: &Value| Some(sum.wrapping_add(member.as_number()?.as_i64()?));
        if let Some(sum) = members.iter().try_fold(0, add) {
            return Ok(sum.into());
        }
    } else {
        let machine = members.iter().try_fold(0_i64, |sum, member| sum.checked_add(member.as_number()?.as_i64()?));
        if let Some(sum) = machine {
            return Ok(sum.into());
        }
        if let Some(sum) = of_integers(members, BigInt::ZERO, |sum, integer| Ok(sum + integer))? {
            return integer::answer(&sum);
        }
    }
    let mut sum = Float::from(0);
    for member in members {
        sum = sum.add(&number(operands, member)?.to_float());
    }
    Ok(Value::Number(Number::from(&sum)))
}

fn product(context: &mut Context, operands: &[Value]) -> Answer {
    let members = members(operands, SET_OR_ARRAY)?;
    let machine = members.iter().try_fold(1_i64, |product, member| product.checked_mul(member.as_number()?.as_i64()?));
    // A zero of floating point has a sign.
    if let Some(product) = machine.filter(|product| *product != 0 || !context.rounded_integers) {
        return Ok(product.into());
    }
    if context.rounded_integers {
        let mut product = Float::from(1);
        for member in members {
            product = product.mul(&number(operands, member)?.to_float());
        }
        return Ok(Value::Number(Number::from(&product)));
    }
    let times = |product: BigInt, integer: BigInt| {
        integer::fits(product.bits() + integer.bits())?;
        Ok(product * integer)
    };
    if let Some(product) = of_integers(members, BigInt::from(1), times)? {
        return integer::answer(&product);
    }
    // OPA's product starts as a double, and so each step is rounded to the 53 bits of one.
    let mut product = Float::from(1);
    for member in members {
        product = product.mul_rounded_to_double(&number(operands, member)?.to_float());
    }
    Ok(Value::Number(Number::from_json_text(&product.double_text())))
}

/// Folds members that are all integers; none where one is not.
fn of_integers(
    members: &[Value],
    start: BigInt,
    step: impl Fn(BigInt, BigInt) -> Result<BigInt, Error>,
) -> Result<Option<BigInt>, Error> {
    let mut result = start;
    for member in members {
        let Some(integer) = member.as_number().and_then(Number::to_bigint) else { return Ok(None) };
        result = step(result, integer)?;
    }
    Ok(Some(result))
}

fn number<'a>(operands: &[Value], member: &'a Value) -> Result<&'a Number, Error> {
    member.as_number().ok_or_else(|| element::mismatch(1, operand(operands, 1), member, Kind::Number))
}

/// The largest member, the last of equal ones; none of none.
fn max(_: &mut Context, operands: &[Value]) -> Answer {
    members(operands, SET_OR_ARRAY)?.iter().max().cloned().ok_or(Error::Undefined)
}

/// The smallest member, the last of equal ones; none of none.
fn min(_: &mut Context, operands: &[Value]) -> Answer {
    members(operands, SET_OR_ARRAY)?.iter().rev().min().cloned().ok_or(Error::Undefined)
}

fn sort(_: &mut Context, operands: &[Value]) -> Answer {
    let members = members(operands, SET_OR_ARRAY)?;
    if let (array @ Value::Array(_), true) = (operand(operands, 1), members.is_sorted()) {
        return Ok(array.clone());
    }
    let mut sorted = members.to_vec();
    sorted.sort();
    Ok(Value::array(sorted))
}

fn all(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(members(operands, ARRAY_OR_SET)?.iter().all(is_true).into())
}

fn any(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(members(operands, ARRAY_OR_SET)?.iter().any(is_true).into())
}

const fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true))
}

/// `x in xs`: among the members of an array or a set, or the values of an object.
fn member(_: &mut Context, operands: &[Value]) -> Answer {
    let wanted = operand(operands, 1);
    let found = match operand(operands, 2) {
        Value::Set(set) => set.contains(wanted),
        Value::Array(items) => items.contains(wanted),
        Value::Object(object) => object.values().any(|value| value == wanted),
        _ => false,
    };
    Ok(found.into())
}

/// `k, x in xs`
fn member_at(_: &mut Context, operands: &[Value]) -> Answer {
    let (key, wanted) = (operand(operands, 1), operand(operands, 2));
    Ok((operand(operands, 3).step(key) == Some(wanted)).into())
}
