//! Errors of what an operand holds.

use fleetgate_value::{Kind, Value};

use crate::Error;

/// The error of an array or a set with a member of a type that is not wanted.
pub(crate) fn mismatch(position: usize, composite: &Value, member: &Value, wanted: Kind) -> Error {
    let (composite, member, wanted) = (composite.kind().name(), member.kind().name(), wanted.name());
    Error::Type(format!("operand {position} must be {composite} of {wanted}s but got {composite} containing {member}"))
}
