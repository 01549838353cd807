//! `json.filter` and `json.remove`: documents reduced to what paths name, or to the rest.

use std::collections::BTreeMap;

use fleetgate_value::{Kind, Object, Set, Value};

use crate::operand::{any, mismatch, object};
use crate::{Answer, Context, Error, Table, depth};

pub(crate) const TABLE: Table = &[("json.filter", filter), ("json.remove", remove)];

/// Paths by their steps.
#[derive(Debug)]
enum Tree {
    /// A path ends here; all below is named.
    Leaf,
    Branch(BTreeMap<Value, Tree>),
}

fn filter(_: &mut Context, operands: &[Value]) -> Answer {
    object(operands, 1)?;
    kept(any(operands, 1), &paths(any(operands, 2))?, 0)
}

fn remove(_: &mut Context, operands: &[Value]) -> Answer {
    object(operands, 1)?;
    left(any(operands, 1), Some(&paths(any(operands, 2))?), 0)?.ok_or(Error::Undefined)
}

fn paths(value: &Value) -> Result<Tree, Error> {
    let paths = match value {
        Value::Array(items) => &**items,
        Value::Set(set) => set.members(),
        other => return Err(mismatch(2, other, &[Kind::Set, Kind::Array])),
    };
    let mut root = BTreeMap::new();
    for path in paths {
        grow(&mut root, parse(path)?);
    }
    Ok(Tree::Branch(root))
}

/// Adds a path. Where another ends on its way, that one names all that this one would.
fn grow(root: &mut BTreeMap<Value, Tree>, mut path: Vec<Value>) {
    let Some(last) = path.pop() else { return };
    let mut node = root;
    for step in path {
        match node.entry(step).or_insert_with(|| Tree::Branch(BTreeMap::new())) {
            Tree::Leaf => return,
            Tree::Branch(children) => node = children,
        }
    }
    node.insert(last, Tree::Leaf);
}

/// The steps of a JSON pointer (slashes before the first step do not count) or of an array.
pub(crate) fn parse(path: &Value) -> Result<Vec<Value>, Error> {
    match path {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => {
            let steps = text.trim_start_matches('/').split('/');
            Ok(steps.map(|step| step.replace("~1", "/").replace("~0", "~").into()).collect())
        }
        Value::Array(steps) => Ok(steps.to_vec()),
        other => {
            let wanted = "one of {set, array} containing string paths or array of path segments";
            Err(Error::Type(format!("operand 2 must be {wanted} but got {}", other.kind().name())))
        }
    }
}

/// What paths name of a value; all of a scalar, wherever they lead.
fn kept(value: &Value, paths: &Tree, depth: usize) -> Answer {
    let depth = depth::below(depth)?;
    let Tree::Branch(children) = paths else { return Ok(value.clone()) };
    Ok(match value {
        Value::Array(items) => {
            let named = items.iter().zip(0_usize..);
            let named = named.filter_map(|(item, index)| Some((item, children.get(&index.to_string().into())?)));
            Value::array(named.map(|(item, below)| kept(item, below, depth)).collect::<Result<_, _>>()?)
        }
        Value::Set(set) => {
            let named = set.iter().filter_map(|member| Some((member, children.get(member)?)));
            named.map(|(member, below)| kept(member, below, depth)).collect::<Result<Set, _>>()?.into()
        }
        Value::Object(object) => {
            let named = object.iter().filter_map(|(key, value)| Some((key, value, children.get(key)?)));
            let entry = |(key, value, below): (&Value, _, _)| Ok((key.clone(), kept(value, below, depth)?));
            named.map(entry).collect::<Result<Object, Error>>()?.into()
        }
        scalar => scalar.clone(),
    })
}

/// What paths do not name of a value; nothing where one ends at it.
fn left(value: &Value, paths: Option<&Tree>, depth: usize) -> Result<Option<Value>, Error> {
    let depth = depth::below(depth)?;
    let children = match paths {
        None => return Ok(Some(value.clone())),
        Some(Tree::Leaf) => return Ok(None),
        Some(Tree::Branch(children)) => children,
    };
    Ok(Some(match value {
        Value::Array(items) => {
            let rest = items.iter().zip(0_usize..);
            let rest = rest.map(|(item, index)| left(item, children.get(&index.to_string().into()), depth));
            Value::array(rest.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        }
        Value::Set(set) => {
            let rest = set.iter().map(|member| left(member, children.get(member), depth));
            rest.filter_map(Result::transpose).collect::<Result<Set, _>>()?.into()
        }
        Value::Object(object) => {
            let rest = object
                .iter()
                .map(|(key, value)| Ok(left(value, children.get(key), depth)?.map(|value| (key.clone(), value))));
            rest.filter_map(Result::transpose).collect::<Result<Object, Error>>()?.into()
        }
        scalar => scalar.clone(),
    }))
}
