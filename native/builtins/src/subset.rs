//! `object.subset`

use fleetgate_value::{Object, Set, Value};

use crate::operand::any;
use crate::{Answer, Context, Error, Table, depth};

pub(crate) const TABLE: Table = &[("object.subset", subset)];

fn subset(_: &mut Context, operands: &[Value]) -> Answer {
    let holds = match (any(operands, 1), any(operands, 2)) {
        (Value::Object(of), Value::Object(part)) => holds_object(of, part, 0)?,
        (Value::Set(of), Value::Set(part)) => holds_set(of, part),
        (Value::Array(of), Value::Array(part)) => holds_array(of, part),
        (Value::Array(of), Value::Set(part)) => holds_members(of, part),
        _ => {
            let text = "both arguments object.subset must be of the same type or array and set";
            return Err(Error::Type(text.to_owned()));
        }
    };
    Ok(holds.into())
}

fn holds_object(of: &Object, part: &Object, depth: usize) -> Result<bool, Error> {
    let depth = depth::below(depth)?;
    for (key, part) in part.iter() {
        let holds = match (of.get(key), part) {
            (None, _) => false,
            (Some(Value::Object(of)), Value::Object(part)) => holds_object(of, part, depth)?,
            (Some(Value::Set(of)), Value::Set(part)) => holds_set(of, part),
            (Some(Value::Array(of)), Value::Array(part)) => holds_array(of, part),
            (Some(of), part) => of == part,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_set(of: &Set, part: &Set) -> bool {
    part.iter().all(|member| of.contains(member))
}

/// OPA's search for a run of items. After a mismatch it goes on one further, from the first item of the part.
fn holds_array(of: &[Value], part: &[Value]) -> bool {
    part.is_empty() || of.windows(part.len()).any(|window| window == part)
}

/// OPA counts the items that are members, repeated ones included, and never says yes for an empty array.
fn holds_members(of: &[Value], part: &Set) -> bool {
    let mut missing = part.len();
    for item in of {
        if part.contains(item) {
            missing = missing.saturating_sub(1);
        }
        if missing == 0 {
            return true;
        }
    }
    false
}
