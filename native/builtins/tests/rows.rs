//! Calls of built-ins on numbers, collections, times and documents, with OPA 1.22.2's answers (`tests/rows/record.py`).

#![allow(clippy::unwrap_used, reason = "tests")]

use fleetgate_builtins::{Context, Error, find};
use fleetgate_value::json::{KeyCache, Numbers, parse};
use fleetgate_value::{Number, Value};

/// The time at which the answers were recorded.
const NOW: i64 = 1_700_000_000_123_456_789;

/// What JSON has no word for is written `{"$set": […]}`, `{"$object": [[key, value], …]}` and,
/// beyond a double, `{"$number": "text"}`.
fn decoded(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(decoded).collect()),
        Value::Object(object) => match object.at(0) {
            Some((Value::String(key), Value::Array(members))) if &**key == "$set" => {
                Value::set(members.iter().map(decoded).collect())
            }
            Some((Value::String(key), Value::String(text))) if &**key == "$number" => {
                Number::parse(text).unwrap().into()
            }
            Some((Value::String(key), Value::Array(entries))) if &**key == "$object" => {
                let pair = |entry: &Value| match entry.as_array() {
                    Some([key, value]) => (decoded(key), decoded(value)),
                    _ => unreachable!("an entry is a key and a value"),
                };
                Value::object(entries.iter().map(pair).collect())
            }
            _ => Value::object(object.iter().map(|(key, value)| (key.clone(), decoded(value))).collect()),
        },
        other => other.clone(),
    }
}

/// An answer as text, in which numbers are told apart by how they are written.
fn text(name: &str, answer: Result<Value, Error>) -> String {
    match answer {
        Ok(value) => value.to_string(),
        Err(Error::Type(text)) => format!("eval_type_error: {name}: {text}"),
        Err(Error::Builtin(text)) => format!("eval_builtin_error: {name}: {text}"),
        Err(error) => error.to_string(),
    }
}

fn differences(rows: &str) -> Vec<String> {
    let mut context = Context::default();
    context.start(NOW);
    let mut found = Vec::new();
    for row in rows.lines() {
        let row = parse(row.as_bytes(), &mut KeyCache::default(), Numbers::Exact).unwrap();
        let name = row.field("name").unwrap().as_str().unwrap();
        let Value::Array(args) = decoded(row.field("args").unwrap()) else { unreachable!("arguments are an array") };
        let expected = match (row.field("result"), row.field("error")) {
            (Some(result), _) => decoded(result).to_string(),
            (None, Some(error)) => error.as_str().unwrap().to_owned(),
            (None, None) => Error::Undefined.to_string(),
        };
        let Some(function) = find(name) else {
            found.push(format!("{name} is missing"));
            continue;
        };
        let answer = text(name, function(&mut context, &args));
        if answer != expected {
            found.push(format!(
                "{name}{args:?}\n  expected {expected}\n  answered {answer}",
                args = Value::Array(args).to_string()
            ));
        }
    }
    found
}

macro_rules! files {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let found = differences(include_str!(concat!("rows/", stringify!($name), ".ndjson")));
            assert!(found.is_empty(), "{} differ:\n{}", found.len(), found.join("\n"));
        }
    )*};
}

files![numbers, collections, documents, misc, times];
