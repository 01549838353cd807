//! Rego values to JSON text.

use std::io::Write;

use crate::Value;

/// The compact JSON of a value. Sets are arrays; keys that are no strings are their own JSON as text, as OPA writes them.
pub fn to_vec(value: &Value) -> Vec<u8> {
    let mut text = Vec::with_capacity(64);
    write(value, &mut text);
    text
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        // Writing to a vector cannot fail.
        Value::Number(number) => drop(write!(out, "{number}")),
        Value::String(text) => string(text, out),
        Value::Array(items) => sequence(items.iter(), out),
        Value::Set(items) => sequence(items.iter(), out),
        Value::Object(fields) => {
            out.push(b'{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match key {
                    Value::String(key) => string(key, out),
                    key => string(&String::from_utf8_lossy(&to_vec(key)), out),
                }
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
    }
}

fn sequence<'a>(items: impl Iterator<Item = &'a Value>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\' | '\0'..='\x1f')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some(control) => out.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes()),
            None => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}
