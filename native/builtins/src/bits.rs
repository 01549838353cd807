//! Bits of integers of any size; negative ones are in two's complement without end.

use fleetgate_value::Value;
use num_bigint::{BigInt, Sign};

use crate::integer::{answer, any_size, fits};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("bits.and", and),
    ("bits.lsh", left),
    ("bits.negate", negate),
    ("bits.or", or),
    ("bits.rsh", right),
    ("bits.xor", xor),
];

fn and(context: &mut Context, operands: &[Value]) -> Answer {
    answer(&(any_size(context, operands, 1)? & any_size(context, operands, 2)?))
}

fn or(context: &mut Context, operands: &[Value]) -> Answer {
    answer(&(any_size(context, operands, 1)? | any_size(context, operands, 2)?))
}

fn xor(context: &mut Context, operands: &[Value]) -> Answer {
    answer(&(any_size(context, operands, 1)? ^ any_size(context, operands, 2)?))
}

fn negate(context: &mut Context, operands: &[Value]) -> Answer {
    answer(&!any_size(context, operands, 1)?)
}

fn left(context: &mut Context, operands: &[Value]) -> Answer {
    let (integer, count) = (any_size(context, operands, 1)?, shift(context, operands)?);
    if integer.sign() == Sign::NoSign {
        return answer(&integer);
    }
    fits(integer.bits().saturating_add(count))?;
    answer(&(integer << count))
}

fn right(context: &mut Context, operands: &[Value]) -> Answer {
    let (integer, count) = (any_size(context, operands, 1)?, shift(context, operands)?);
    if count > integer.bits() {
        return answer(&if integer.sign() == Sign::Minus { BigInt::from(-1) } else { BigInt::ZERO });
    }
    answer(&(integer >> count))
}

/// By how many bits to shift: the lowest 64 bits of the operand, as OPA takes them.
fn shift(context: &Context, operands: &[Value]) -> Result<u64, Error> {
    let count = any_size(context, operands, 2)?;
    if count.sign() == Sign::Minus {
        return Err(Error::Type("operand 2 must be an unsigned integer number but got a negative integer".to_owned()));
    }
    Ok(count.iter_u64_digits().next().unwrap_or(0))
}
