//! Objects: looked into, filtered and merged.

use std::borrow::Cow;

use fleetgate_value::{Kind, Object, Set, Value};

use crate::operand::{any, array, mismatch, object};
use crate::{Answer, Context, Error, Table, depth, element};

pub(crate) const TABLE: Table = &[
    ("object.filter", filter),
    ("object.get", get),
    ("object.keys", keys),
    ("object.remove", remove),
    ("object.union", union),
    ("object.union_n", union_n),
];

/// The value at a key, or at a path of keys, or the default.
fn get(_: &mut Context, operands: &[Value]) -> Answer {
    let object = object(operands, 1)?;
    let found = match any(operands, 2) {
        Value::Array(path) => path.iter().try_fold(any(operands, 1), |value, key| value.step(key)),
        key => object.get(key),
    };
    Ok(found.unwrap_or_else(|| any(operands, 3)).clone())
}

fn keys(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(object(operands, 1)?.keys().cloned().collect::<Set>().into())
}

fn remove(_: &mut Context, operands: &[Value]) -> Answer {
    select(operands, |is_named| !is_named)
}

fn filter(_: &mut Context, operands: &[Value]) -> Answer {
    select(operands, |is_named| is_named)
}

/// The entries of an object that `wanted` wants, which gets whether the second operand names their key.
fn select(operands: &[Value], wanted: fn(bool) -> bool) -> Answer {
    let object = object(operands, 1)?;
    let named = named_keys(any(operands, 2))?;
    let entries = object.iter().filter(|(key, _)| wanted(named.contains(key)));
    Ok(entries.map(|(key, value)| (key.clone(), value.clone())).collect::<Object>().into())
}

/// The keys that an array, a set or the keys of an object name.
fn named_keys(value: &Value) -> Result<Cow<'_, Set>, Error> {
    match value {
        Value::Set(set) => Ok(Cow::Borrowed(set)),
        Value::Array(items) => Ok(Cow::Owned(items.iter().cloned().collect())),
        Value::Object(object) => Ok(Cow::Owned(object.keys().cloned().collect())),
        other => Err(mismatch(2, other, &[Kind::Object, Kind::Set, Kind::Array])),
    }
}

fn union(context: &mut Context, operands: &[Value]) -> Answer {
    let (first, second) = (object(operands, 1)?, object(operands, 2)?);
    Ok(merge(context, &[first, second], 0)?.into())
}

fn union_n(context: &mut Context, operands: &[Value]) -> Answer {
    let wrong = |member: &Value| element::mismatch(1, any(operands, 1), member, Kind::Object);
    let objects = array(operands, 1)?.iter().map(|member| member.as_object().ok_or_else(|| wrong(member)));
    Ok(merge(context, &objects.collect::<Result<Vec<_>, _>>()?, 0)?.into())
}

/// Merges objects: of a key that several have the last value counts, and objects that follow each other as its values are
/// merged in turn.
fn merge(context: &Context, objects: &[&Object], depth: usize) -> Result<Object, Error> {
    let depth = depth::below(depth)?;
    let mut filled = objects.iter().filter(|object| !object.is_empty());
    if let (only, None) = (filled.next(), filled.next()) {
        return Ok(only.map_or_else(Object::default, |object| (*object).clone()));
    }
    let length = objects.iter().map(|object| object.len()).fold(0, usize::saturating_add);
    context.fits(length.saturating_mul(size_of::<(Value, Value)>()))?;
    let mut entries = Vec::with_capacity(length);
    entries.extend(objects.iter().flat_map(|object| object.iter()));
    // Stable: the values of a key stay in the order of their objects.
    entries.sort_by_key(|(key, _)| *key);
    let mut merged = Vec::with_capacity(length);
    for group in entries.chunk_by(|(key, _), (next, _)| key == next) {
        let Some((&(key, last), before)) = group.split_last() else { continue };
        let mut nested: Vec<&Object> = before.iter().rev().map_while(|(_, value)| value.as_object()).collect();
        let value = match last {
            Value::Object(last) if !nested.is_empty() => {
                nested.reverse();
                nested.push(last);
                merge(context, &nested, depth)?.into()
            }
            _ => last.clone(),
        };
        merged.push((key.clone(), value));
    }
    Ok(Object::from_pairs(merged))
}
