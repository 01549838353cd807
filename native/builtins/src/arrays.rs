//! Arrays put together and taken apart.

use fleetgate_value::Value;

use crate::integer::machine;
use crate::operand::{any, array};
use crate::{Answer, Context, Table};

pub(crate) const TABLE: Table =
    &[("array.concat", concat), ("array.flatten", flatten), ("array.reverse", reverse), ("array.slice", slice)];

fn concat(context: &mut Context, operands: &[Value]) -> Answer {
    let (first, second) = (array(operands, 1)?, array(operands, 2)?);
    if first.is_empty() {
        return Ok(any(operands, 2).clone());
    }
    if second.is_empty() {
        return Ok(any(operands, 1).clone());
    }
    context.fits((first.len() + second.len()).saturating_mul(size_of::<Value>()))?;
    Ok(Value::Array(first.iter().chain(second).cloned().collect()))
}

/// Puts the items of arrays within the array in their place, one level deep.
fn flatten(context: &mut Context, operands: &[Value]) -> Answer {
    let items = array(operands, 1)?;
    if !items.iter().any(|item| matches!(item, Value::Array(_))) {
        return Ok(any(operands, 1).clone());
    }
    // The same large array may be in it many times.
    let length = items.iter().map(|item| item.as_array().map_or(1, <[Value]>::len)).fold(0, usize::saturating_add);
    context.fits(length.saturating_mul(size_of::<Value>()))?;
    let mut flat = Vec::with_capacity(length);
    for item in items {
        flat.extend_from_slice(item.as_array().unwrap_or(std::slice::from_ref(item)));
    }
    Ok(Value::array(flat))
}

fn reverse(_: &mut Context, operands: &[Value]) -> Answer {
    let items = array(operands, 1)?;
    if items.len() < 2 {
        return Ok(any(operands, 1).clone());
    }
    Ok(Value::Array(items.iter().rev().cloned().collect()))
}

/// The items from one index to before another; indexes beyond the array are moved to its ends.
fn slice(_: &mut Context, operands: &[Value]) -> Answer {
    let items = array(operands, 1)?;
    let (start, stop) = (machine(operands, 2)?, machine(operands, 3)?);
    let stop = usize::try_from(stop.max(0)).map_or(items.len(), |stop| stop.min(items.len()));
    let start = usize::try_from(start.max(0)).map_or(stop, |start| start.min(stop));
    if start == 0 && stop == items.len() {
        return Ok(any(operands, 1).clone());
    }
    Ok(Value::Array(items.get(start..stop).unwrap_or_default().into()))
}
