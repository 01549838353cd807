//! `urlquery.*`.

use std::collections::BTreeMap;

use fleetgate_value::{Kind, Value};

use super::json;
use super::percent::{Part, escape, unescape};
use crate::operand::{any, mismatch, string};
use crate::text::{Text, from_bytes};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("urlquery.decode", decode),
    ("urlquery.decode_object", decode_object),
    ("urlquery.encode", encode),
    ("urlquery.encode_object", encode_object),
];

/// Most parameters of a query, as Go has it.
const MOST_PARAMETERS: usize = 10_000;

fn encode(context: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    context.fits(text.len().saturating_mul(3))?;
    Ok(escape(text.as_bytes(), Part::Query).into())
}

fn unescaped(text: &str) -> Result<Value, Error> {
    unescape(text, Part::Query).map(|bytes| from_bytes(bytes).into()).map_err(Error::Builtin)
}

fn decode(_: &mut Context, operands: &[Value]) -> Answer {
    unescaped(string(operands, 1)?)
}

fn encode_object(context: &mut Context, operands: &[Value]) -> Answer {
    let given = any(operands, 1);
    let object = given.as_object().ok_or_else(|| mismatch(1, given, &[Kind::Object]))?;
    let refused = || Error::Type("operand 1 values must be string, array[string], or set[string]".to_owned());
    let mut parameters = BTreeMap::new();
    for (key, value) in object.iter() {
        let values = match value {
            Value::String(_) => std::slice::from_ref(value),
            Value::Array(items) => items,
            Value::Set(set) => set.members(),
            _ => return Err(refused()),
        };
        let texts = values.iter().map(|value| value.as_str().ok_or_else(refused)).collect::<Result<Vec<_>, _>>()?;
        parameters.insert(json::key(context, key)?, texts);
    }
    let mut out = Text::new(context);
    let mut first = true;
    for (key, values) in parameters {
        let key = escape(key.as_bytes(), Part::Query);
        for value in values {
            if !std::mem::take(&mut first) {
                out.push('&')?;
            }
            out.push_str(&key)?;
            out.push('=')?;
            out.push_str(&escape(value.as_bytes(), Part::Query))?;
        }
    }
    Ok(out.finish().into())
}

fn decode_object(_: &mut Context, operands: &[Value]) -> Answer {
    let query = string(operands, 1)?;
    if query.matches('&').count() >= MOST_PARAMETERS {
        return Err(Error::Builtin("number of URL query parameters exceeded limit".to_owned()));
    }
    let mut parameters: BTreeMap<Value, Vec<Value>> = BTreeMap::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        if parameter.contains(';') {
            return Err(Error::Builtin("invalid semicolon separator in query".to_owned()));
        }
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        parameters.entry(unescaped(key)?).or_default().push(unescaped(value)?);
    }
    Ok(Value::object(parameters.into_iter().map(|(key, values)| (key, Value::array(values))).collect()))
}
