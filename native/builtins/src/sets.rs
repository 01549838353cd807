//! Sets: `&`, `|`, difference, and the union and intersection of many.

use fleetgate_value::{Kind, Set, Value};

use crate::operand::{mismatch, set};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table =
    &[("and", and), ("intersection", intersection), ("or", or), ("set_diff", set_diff), ("union", union)];

fn and(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(common(set(operands, 1)?, set(operands, 2)?).into())
}

fn or(context: &mut Context, operands: &[Value]) -> Answer {
    let (first, second) = (set(operands, 1)?, set(operands, 2)?);
    together(context, &[first, second])
}

fn set_diff(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(difference(set(operands, 1)?, set(operands, 2)?).into())
}

/// What is in every member; nothing where there is none.
fn intersection(_: &mut Context, operands: &[Value]) -> Answer {
    let mut result: Option<Set> = None;
    for member in sets(operands)? {
        result = Some(result.map_or_else(|| member.clone(), |so_far| common(&so_far, member)));
    }
    Ok(result.unwrap_or_default().into())
}

fn union(context: &mut Context, operands: &[Value]) -> Answer {
    together(context, &sets(operands)?)
}

/// The members of a set of sets.
fn sets(operands: &[Value]) -> Result<Vec<&Set>, Error> {
    // OPA reports a member as if it were the operand.
    set(operands, 1)?.iter().map(|member| member.as_set().ok_or_else(|| mismatch(1, member, &[Kind::Set]))).collect()
}

/// The members of the first that are not in the second.
pub(crate) fn difference(first: &Set, second: &Set) -> Set {
    if first.is_same(second) {
        return Set::default();
    }
    if second.is_empty() {
        return first.clone();
    }
    first.iter().filter(|member| !second.contains(member)).cloned().collect()
}

fn common(first: &Set, second: &Set) -> Set {
    if first.is_same(second) {
        return first.clone();
    }
    let (small, large) = if second.len() < first.len() { (second, first) } else { (first, second) };
    small.iter().filter(|member| large.contains(member)).cloned().collect()
}

fn together(context: &Context, sets: &[&Set]) -> Answer {
    let mut filled = sets.iter().filter(|set| !set.is_empty());
    if let (only, None) = (filled.next(), filled.next()) {
        return Ok(only.map_or_else(Set::default, |set| (*set).clone()).into());
    }
    let length = sets.iter().map(|set| set.len()).fold(0, usize::saturating_add);
    context.fits(length.saturating_mul(size_of::<Value>()))?;
    let mut members = Vec::with_capacity(length);
    for set in sets {
        members.extend_from_slice(set.members());
    }
    Ok(Value::set(members))
}
