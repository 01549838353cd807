//! Comparisons.

use std::cmp::Ordering;

use fleetgate_value::Value;

use crate::ir::Comparison;

impl Comparison {
    /// Whether two values compare so. Values of different types are in the order of their types.
    pub(crate) fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left.cmp(right) == Ordering::Less,
            Self::LessOrEqual => left.cmp(right) != Ordering::Greater,
            Self::Greater => left.cmp(right) == Ordering::Greater,
            Self::GreaterOrEqual => left.cmp(right) != Ordering::Less,
        }
    }
}
