//! Ranges of integers, and a random one.

use fleetgate_value::Value;
use num_bigint::BigInt;

use crate::integer::{any_size, machine};
use crate::operand::string;
use crate::{Answer, Context, Error, Table, random};

pub(crate) const TABLE: Table =
    &[("numbers.range", range), ("numbers.range_step", range_step), ("rand.intn", random_below)];

fn range(context: &mut Context, operands: &[Value]) -> Answer {
    count_through(context, any_size(context, operands, 1)?, &any_size(context, operands, 2)?, &BigInt::from(1))
}

fn range_step(context: &mut Context, operands: &[Value]) -> Answer {
    let (from, to, step) =
        (any_size(context, operands, 1)?, any_size(context, operands, 2)?, any_size(context, operands, 3)?);
    if step <= BigInt::ZERO {
        return Err(Error::Builtin("numbers.range_step: step must be a positive integer".to_owned()));
    }
    count_through(context, from, &to, &step)
}

/// The integers from one to another, both included, upwards or downwards.
fn count_through(context: &Context, from: BigInt, to: &BigInt, step: &BigInt) -> Answer {
    let distance = to - &from;
    let count = usize::try_from(distance.magnitude() / step.magnitude()).ok().and_then(|count| count.checked_add(1));
    let count = count.ok_or(Error::Size)?;
    context.fits(count.saturating_mul(size_of::<Value>()))?;
    let step = if distance < BigInt::ZERO { -step } else { step.clone() };
    if let (Ok(first), Ok(step), Ok(_)) = (i64::try_from(&from), i64::try_from(&step), i64::try_from(to)) {
        let integers = std::iter::successors(Some(first), |integer| integer.checked_add(step));
        return Ok(Value::Array(integers.take(count).map(Value::from).collect()));
    }
    let mut integer = from;
    let mut integers = Vec::with_capacity(count);
    for _ in 0..count {
        integers.push(crate::integer::answer(&integer)?);
        integer += &step;
    }
    Ok(Value::array(integers))
}

/// A random integer below a bound, the same for the same operands within a query.
fn random_below(context: &mut Context, operands: &[Value]) -> Answer {
    let seed = string(operands, 1)?;
    let bound = machine(operands, 2)?.unsigned_abs();
    if bound == 0 {
        return Ok(0_i64.into());
    }
    context.once(&format!("rand.intn/{seed}-{bound}"), || {
        let integer = random::below(bound)?;
        i64::try_from(integer).map(Value::from).map_err(|_| Error::Size)
    })
}
