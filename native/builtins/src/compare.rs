//! Comparison operators, called as functions.

use fleetgate_value::Value;

use crate::Table;
use crate::operand::any;

pub(crate) const TABLE: Table = &[
    ("equal", |_, operands| Ok((first(operands) == second(operands)).into())),
    ("gt", |_, operands| Ok((first(operands) > second(operands)).into())),
    ("gte", |_, operands| Ok((first(operands) >= second(operands)).into())),
    ("lt", |_, operands| Ok((first(operands) < second(operands)).into())),
    ("lte", |_, operands| Ok((first(operands) <= second(operands)).into())),
    ("neq", |_, operands| Ok((first(operands) != second(operands)).into())),
];

fn first(operands: &[Value]) -> &Value {
    any(operands, 1)
}

fn second(operands: &[Value]) -> &Value {
    any(operands, 2)
}
