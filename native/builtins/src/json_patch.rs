//! `json.patch`: RFC 6902 on any values, sets included.

mod tree;

use fleetgate_value::{Object, Value};

use self::tree::Root;
use crate::operand::{any, array};
use crate::{Answer, Context, Error, Table, json_paths};

pub(crate) const TABLE: Table = &[("json.patch", patch)];

fn patch(_: &mut Context, operands: &[Value]) -> Answer {
    let mut root = Root::new(any(operands, 1).clone());
    for operation in array(operands, 2)? {
        let Value::Object(operation) = operation else {
            let text = "must be an array of JSON-Patch objects, but at least one element is not an object";
            return Err(Error::Builtin(text.to_owned()));
        };
        apply(&mut root, operation)?;
    }
    root.value()?.ok_or(Error::Undefined)
}

fn apply(root: &mut Root, operation: &Object) -> Result<(), Error> {
    let attribute = |name: &str| {
        operation.get_str(name).ok_or_else(|| Error::Builtin(format!("missing required attribute '{name}'")))
    };
    let path = attribute("path")?;
    let name = match attribute("op")? {
        Value::String(name) => &**name,
        other => {
            let text = format!("attribute 'op' must be a string but found: {}", other.kind().name());
            return Err(Error::Builtin(text));
        }
    };
    let path = json_paths::parse(path)?;
    match name {
        "add" => root.insert(&path, attribute("value")?.clone()),
        "remove" => root.remove(&path),
        "replace" => {
            root.remove(&path)?;
            root.insert(&path, attribute("value")?.clone())
        }
        "move" => {
            let from = json_paths::parse(attribute("from")?)?;
            let value = root.get(&from)?;
            root.remove(&from)?;
            root.insert(&path, value)
        }
        "copy" => {
            let value = root.get(&json_paths::parse(attribute("from")?)?)?;
            root.insert(&path, value)
        }
        "test" => {
            let found = root.get(&path)?;
            let expected = attribute("value")?;
            if found == *expected {
                return Ok(());
            }
            let text = format!("value from EditTree != patch value.\n\nExpected: {expected}\n\nFound: {found}");
            Err(Error::Builtin(text))
        }
        other => Err(Error::Builtin(format!("unrecognized op: '{other}'"))),
    }
}
