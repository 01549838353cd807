//! A value that is being patched.
//!
//! It has OPA's shape, because OPA's answers depend on it: what a path has not led to yet is only known by the value that it
//! was in from the start.

use std::collections::BTreeMap;

use fleetgate_value::{Kind, Value};

use crate::{Error, depth, integer};

/// The whole value; none after it was removed.
pub(super) struct Root(Option<Node>);

/// A part that a path led to.
struct Node {
    /// The value before the patches.
    origin: Value,
    edits: Edits,
}

enum Edits {
    /// Of an object or a set: what was set by key, or removed.
    Keyed(BTreeMap<Value, Child>),
    /// Of an array: its items now.
    Items(Vec<Item>),
    /// Of a scalar.
    None,
}

enum Child {
    There(Node),
    Removed(Shape),
}

enum Item {
    /// The item at an index of the origin.
    Origin(usize),
    Edited(Node),
}

/// OPA tells these apart when it says what was removed already.
#[derive(Clone, Copy)]
enum Shape {
    Scalar,
    Composite,
}

impl Shape {
    const fn of(value: &Value) -> Self {
        match value {
            Value::Array(_) | Value::Object(_) | Value::Set(_) => Self::Composite,
            _ => Self::Scalar,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Composite => "composite",
        }
    }
}

fn error(text: String) -> Error {
    Error::Builtin(text)
}

fn removed(operation: &str) -> Error {
    error(format!("deleted node encountered during {operation} operation"))
}

impl Root {
    pub(super) fn new(value: Value) -> Self {
        Self(Some(Node::new(value)))
    }

    /// The value as patched.
    pub(super) fn value(&self) -> Result<Option<Value>, Error> {
        self.0.as_ref().map(|node| node.value(0)).transpose()
    }

    /// The value at a path.
    pub(super) fn get(&mut self, path: &[Value]) -> Result<Value, Error> {
        self.follow(path)?.value(0)
    }

    pub(super) fn insert(&mut self, path: &[Value], value: Value) -> Result<(), Error> {
        let Some((last, path)) = path.split_last() else {
            self.0 = Some(Node::new(value));
            return Ok(());
        };
        self.parent(path, "insert")?.insert(last, value)
    }

    pub(super) fn remove(&mut self, path: &[Value]) -> Result<(), Error> {
        let Some((last, path)) = path.split_last() else {
            return self.0.take().map(drop).ok_or_else(|| removed("delete"));
        };
        self.parent(path, "delete")?.remove(last)
    }

    /// Where an operation takes place.
    fn parent(&mut self, path: &[Value], operation: &str) -> Result<&mut Node, Error> {
        if path.is_empty() && self.0.is_none() {
            return Err(removed(operation));
        }
        self.follow(path)
    }

    fn follow(&mut self, path: &[Value]) -> Result<&mut Node, Error> {
        let nothing = || error("nil value encountered where composite value was expected".to_owned());
        let mut node = self.0.as_mut().ok_or_else(nothing)?;
        let mut depth = 0;
        for step in path {
            depth = depth::below(depth)?;
            node = node.step(step)?;
        }
        Ok(node)
    }
}

impl Node {
    fn new(origin: Value) -> Self {
        let edits = match &origin {
            Value::Object(_) | Value::Set(_) => Edits::Keyed(BTreeMap::new()),
            Value::Array(items) => Edits::Items((0..items.len()).map(Item::Origin).collect()),
            _ => Edits::None,
        };
        Self { origin, edits }
    }

    fn value(&self, depth: usize) -> Result<Value, Error> {
        let depth = depth::below(depth)?;
        match (&self.origin, &self.edits) {
            (Value::Object(object), Edits::Keyed(edits)) if !edits.is_empty() => {
                let mut entries = Vec::with_capacity(object.len() + edits.len());
                let untouched = object.iter().filter(|(key, _)| !edits.contains_key(key));
                entries.extend(untouched.map(|(key, value)| (key.clone(), value.clone())));
                for (key, child) in edits {
                    if let Child::There(node) = child {
                        entries.push((key.clone(), node.value(depth)?));
                    }
                }
                Ok(Value::object(entries))
            }
            (Value::Set(set), Edits::Keyed(edits)) if !edits.is_empty() => {
                let mut members: Vec<Value> = set.iter().filter(|key| !edits.contains_key(key)).cloned().collect();
                for child in edits.values() {
                    if let Child::There(node) = child {
                        members.push(node.value(depth)?);
                    }
                }
                Ok(Value::set(members))
            }
            (Value::Array(origin), Edits::Items(items)) => {
                let item = |item: &Item| match item {
                    Item::Origin(index) => Ok(origin.get(*index).cloned().unwrap_or(Value::Null)),
                    Item::Edited(node) => node.value(depth),
                };
                Ok(Value::array(items.iter().map(item).collect::<Result<_, Error>>()?))
            }
            _ => Ok(self.origin.clone()),
        }
    }

    /// Makes what was done to the members of a set part of its origin. OPA does so before it looks for a composite member.
    fn settle(&mut self, key: &Value) -> Result<(), Error> {
        if matches!((&self.origin, Shape::of(key)), (Value::Set(_), Shape::Composite)) {
            *self = Self::new(self.value(0)?);
        }
        Ok(())
    }

    /// The part at a key or index.
    fn step(&mut self, key: &Value) -> Result<&mut Self, Error> {
        self.settle(key)?;
        let Self { origin, edits } = self;
        match edits {
            Edits::Keyed(children) => {
                let is_object = matches!(origin, Value::Object(_));
                if !children.contains_key(key) {
                    let found = origin.step(key).cloned().ok_or_else(|| {
                        error(if is_object {
                            format!("path {key} does not exist in object term {origin}")
                        } else {
                            format!("path {} does not exist in set term {origin}", as_path(key))
                        })
                    })?;
                    children.insert(key.clone(), Child::There(Self::new(found)));
                }
                match children.get_mut(key) {
                    Some(Child::There(node)) => Ok(node),
                    Some(Child::Removed(shape)) => {
                        Err(error(format!("cannot unfold the already deleted {} node for key {key}", shape.name())))
                    }
                    None => Err(Error::Undefined),
                }
            }
            Edits::Items(items) => {
                let index = index(items.len(), key)?;
                let place = usize::try_from(index).ok();
                if let Some(item @ Item::Origin(_)) = place.and_then(|place| items.get_mut(place))
                    && let Value::Array(origin) = origin
                    // Not the index that the item had: OPA looks where it is now.
                    && let Some(found) = place.and_then(|place| origin.get(place))
                {
                    *item = Item::Edited(Self::new(found.clone()));
                }
                match place.and_then(|place| items.get_mut(place)) {
                    Some(Item::Edited(node)) => Ok(node),
                    _ => Err(error(format!("path {index} does not exist in array term {origin}"))),
                }
            }
            Edits::None => Err(error(format!(
                "expected composite type for path {key}, found value: {origin} (type: {})",
                go_type(origin)
            ))),
        }
    }

    /// Sets what is at a key, or makes room for it at an index.
    fn insert(&mut self, key: &Value, value: Value) -> Result<(), Error> {
        if matches!(self.origin, Value::Set(_)) && *key != value {
            return Err(error(format!("set key {key} does not equal value to be inserted {value}")));
        }
        self.settle(key)?;
        match &mut self.edits {
            Edits::Keyed(children) => {
                children.insert(key.clone(), Child::There(Self::new(value)));
                Ok(())
            }
            Edits::Items(items) => {
                let place = usize::try_from(index(items.len(), key)?).ok().filter(|place| *place <= items.len());
                let place = place.ok_or_else(|| error("index for array insertion out of bounds".to_owned()))?;
                items.insert(place, Item::Edited(Self::new(value)));
                Ok(())
            }
            Edits::None => Err(self.not_composite()),
        }
    }

    fn remove(&mut self, key: &Value) -> Result<(), Error> {
        self.settle(key)?;
        match &mut self.edits {
            Edits::Keyed(children) => {
                let shape = match children.get(key) {
                    Some(Child::Removed(shape)) => {
                        let name = shape.name();
                        return Err(error(format!("cannot delete the already deleted {name} node for key {key}")));
                    }
                    Some(Child::There(node)) => Shape::of(&node.origin),
                    None => match self.origin.step(key) {
                        Some(value) => Shape::of(value),
                        None => return Err(error(format!("cannot delete child key {key} that does not exist"))),
                    },
                };
                children.insert(key.clone(), Child::Removed(shape));
                Ok(())
            }
            Edits::Items(items) => {
                let place = usize::try_from(index(items.len(), key)?).ok().filter(|place| *place < items.len());
                let place = place.ok_or_else(|| error("index for array delete out of bounds".to_owned()))?;
                items.remove(place);
                Ok(())
            }
            Edits::None => Err(self.not_composite()),
        }
    }

    fn not_composite(&self) -> Error {
        let Self { origin, .. } = self;
        error(format!("expected composite type, found value: {origin} (type: {})", go_type(origin)))
    }
}

/// The index that a step means in an array of a length; `-` is the one after the last.
fn index(length: usize, step: &Value) -> Result<i64, Error> {
    let invalid = |text: &str| error(text.to_owned());
    match step {
        Value::Number(number) => integer::as_machine(number).ok_or_else(|| invalid("invalid number type for indexing")),
        Value::String(text) if &**text == "-" => i64::try_from(length).map_err(|_| Error::Size),
        Value::String(text) => {
            let index = integer::of_text(text).ok_or_else(|| invalid("invalid string for indexing"))?;
            if text.len() > 1 && text.starts_with('0') {
                return Err(invalid("leading zeros are not allowed in JSON paths"));
            }
            Ok(index)
        }
        _ => Err(invalid("invalid type for indexing")),
    }
}

/// A path of one step as OPA writes it.
fn as_path(key: &Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

/// The name of a scalar's type in OPA's source, which its errors show.
const fn go_type(value: &Value) -> &'static str {
    match value.kind() {
        Kind::Null => "ast.Null",
        Kind::Boolean => "ast.Boolean",
        Kind::Number => "ast.Number",
        Kind::String => "ast.String",
        Kind::Array => "*ast.Array",
        Kind::Object => "*ast.object",
        Kind::Set => "*ast.set",
    }
}
