//! Calls of built-ins against what OPA answered to them: `data/*.ndjson`, one call a line.
//!
//! `tests/oracle/record_builtins.py` fills in the answers, of OPA 1.22, and in `yaml.ndjson` of OPA 1.17, which Gatekeeper
//! builds on and which reads YAML 1.1. Operands are JSON, in which `{"$set": […]}` is a set and
//! `{"$object": [[key, value], …]}` an object of any keys; a result is a Rego term.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use fleetgate_builtins::{Context, Error, find};
use fleetgate_value::{Value, json};
use serde_json::value::RawValue;

/// Where an error comes from a library of Go's, only its kind is held to OPA's.
const OTHER_WORDS: &[&str] = &[
    "base64.decode",
    "base64url.decode",
    "glob.match",
    "hex.decode",
    "json.unmarshal",
    "re_match",
    "regex.find_all_string_submatch_n",
    "regex.find_n",
    "regex.globs_match",
    "regex.match",
    "regex.replace",
    "regex.split",
    "regex.template_match",
    "uri.parse",
    "urlquery.decode",
    "urlquery.decode_object",
    "yaml.unmarshal",
];

type Row<'a> = BTreeMap<&'a str, &'a RawValue>;

fn operand(plain: &Value) -> Value {
    match plain {
        Value::Array(items) => Value::array(items.iter().map(operand).collect()),
        Value::Object(object) => {
            if let Some(members) = object.get_str("$set").and_then(Value::as_array) {
                return Value::set(members.iter().map(operand).collect());
            }
            if let Some(pairs) = object.get_str("$object").and_then(Value::as_array) {
                let pair = |pair: &Value| match pair.as_array() {
                    Some([key, value]) => (operand(key), operand(value)),
                    _ => panic!("no pair: {pair}"),
                };
                return Value::object(pairs.iter().map(pair).collect());
            }
            Value::object(object.iter().map(|(key, value)| (key.clone(), operand(value))).collect())
        }
        other => other.clone(),
    }
}

fn text(row: &Row<'_>, field: &str) -> Option<String> {
    row.get(field).map(|raw| serde_json::from_str(raw.get()).unwrap())
}

/// The call's answer in the words of the recording: a Rego term, or an error's code and text.
fn answer(context: &mut Context, name: &str, row: &Row<'_>) -> String {
    let plain =
        json::parse(row.get("args").unwrap().get().as_bytes(), &mut json::KeyCache::default(), json::Numbers::Exact);
    let operands: Vec<Value> = plain.unwrap().as_array().unwrap().iter().map(operand).collect();
    let function = find(name).unwrap_or_else(|| panic!("no built-in {name}"));
    let shown = |code: &str, text: &str| {
        if OTHER_WORDS.contains(&name) && code == "eval_builtin_error" {
            code.to_owned()
        } else {
            format!("{code} {text}")
        }
    };
    match function(context, &operands) {
        Ok(value) => value.to_string(),
        Err(Error::Undefined) => "undefined".to_owned(),
        Err(Error::Type(text)) => shown("eval_type_error", &text),
        Err(Error::Builtin(text)) => shown("eval_builtin_error", &text),
        Err(Error::Halt(text)) => shown("halt", &text),
        Err(Error::Size) => "too large".to_owned(),
    }
}

/// What OPA answered.
fn recorded(name: &str, row: &Row<'_>) -> String {
    if let Some(result) = text(row, "result") {
        // OPA 1.22 hands Go an int64 where 1.17, which is Gatekeeper's, hands it an int; only the type's name shows it.
        return if name == "sprintf" { result.replace("int64", "int") } else { result };
    }
    let Some(error) = row.get("error") else { return "undefined".to_owned() };
    let error: BTreeMap<String, String> = serde_json::from_str(error.get()).unwrap();
    let (code, message) = (error.get("code").unwrap(), error.get("message").unwrap());
    let message = message.strip_prefix(&format!("{name}: ")).unwrap_or(message);
    match &**code {
        "eval_builtin_error" if OTHER_WORDS.contains(&name) => code.clone(),
        "eval_builtin_error" | "eval_type_error" => format!("{code} {message}"),
        _ => format!("halt {message}"),
    }
}

#[test]
fn calls_are_answered_as_opa_answers_them() {
    let directory = Path::new("tests/data");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut rows, mut wrong, mut report) = (0, 0, String::new());
    for file in files {
        let lines = fs::read_to_string(&file).unwrap();
        let mut context = Context::default();
        for (number, line) in lines.lines().enumerate() {
            let row: Row<'_> = serde_json::from_str(line).unwrap();
            let name = text(&row, "name").unwrap();
            context.prints = Some(Vec::new());
            let ours = answer(&mut context, &name, &row);
            let theirs = recorded(&name, &row);
            let printed: Vec<String> =
                row.get("printed").map_or_else(Vec::new, |raw| serde_json::from_str(raw.get()).unwrap());
            rows += 1;
            let equal = ours == theirs || name == "internal.print" && theirs == "undefined" && ours == "true";
            if !equal || context.prints.as_ref() != Some(&printed) {
                wrong += 1;
                let arguments = row.get("args").unwrap().get();
                let place = file.file_name().unwrap().display();
                writeln!(report, "{place}:{} {name}{arguments}\n  OPA  {theirs}\n  ours {ours}", number + 1).unwrap();
            }
        }
    }
    assert!(rows > 0, "no rows");
    assert!(wrong == 0, "{wrong} of {rows} calls:\n{report}");
    println!("{rows} calls");
}
