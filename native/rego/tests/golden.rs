//! The parser against answers that OPA gave once, so that the usual test run needs no Go.
//!
//! `golden/modules` are modules of ours, named for their version; the answers to them and to modules that differ from them
//! by a few tokens are in `golden/answers.ndjson`. The ignored test records them anew.

#![cfg(feature = "opa-json")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod mutation;
mod oracle;

use std::path::PathBuf;

use fleetgate_rego::{Capabilities, Release, Version, opa_json, parse_module};
use mutation::{Random, mutate};
use serde_json::{Value, json};

const MUTANTS: usize = 200;

fn directory() -> PathBuf {
    PathBuf::from("tests/golden")
}

/// Each module with its name and version, the written ones first, then `MUTANTS` of each.
fn modules() -> Vec<(String, String, String)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory().join("modules")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut written = Vec::new();
    let mut changed = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let version = if name.ends_with(".v0.rego") { "v0" } else { "v1" }.to_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let mut random = Random::new(number as u64 + 1);
        for index in 0..MUTANTS {
            changed.push((format!("{name}#{index}"), version.clone(), mutate(&text, &mut random)));
        }
        written.push((name, version, text));
    }
    written.extend(changed);
    written
}

/// Our answer: the tree of a written module, of a changed one only whether it is accepted.
fn ours(release: Release, name: &str, version: &str, text: &str) -> Value {
    let version = if version == "v0" { Version::V0 } else { Version::V1 };
    match parse_module(text, &Capabilities::of(release, version)) {
        Ok(_) if name.contains('#') => json!(true),
        Ok(module) => opa_json::module(&module),
        Err(_) => json!(false),
    }
}

/// Drops the mark of generated bodies, which only the newer OPA shows.
fn unmarked(mut tree: Value) -> Value {
    match &mut tree {
        Value::Object(fields) => {
            fields.remove("generated");
            fields.values_mut().for_each(|field| *field = unmarked(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = unmarked(item.take())),
        _ => {}
    }
    tree
}

#[test]
fn recorded_answers_are_ours() {
    let recorded = std::fs::read_to_string(directory().join("answers.ndjson")).unwrap();
    let mut lines = recorded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut accepted = 0;
    for (name, version, text) in modules() {
        let answer = lines.next().unwrap();
        assert_eq!(answer["name"], json!(name), "the modules have changed: record anew");
        for (release, key) in [(Release::Opa1_17, "gatekeeper"), (Release::Opa1_22, "opa")] {
            let tree = unmarked(ours(release, &name, &version, &text));
            accepted += usize::from(tree != json!(false));
            assert_eq!(tree, answer[key], "{key} answers otherwise to {name}:\n{text}");
        }
    }
    assert!(lines.next().is_none());
    assert!(accepted > 500, "too few modules are accepted to tell much: {accepted}");
}

#[test]
#[ignore = "needs the oracles"]
fn record() {
    let modules = modules();
    let request =
        |(_, version, text): &(String, String, String)| json!({ "op": "parse", "version": version, "module": text });
    let requests: Vec<Value> = modules.iter().map(request).collect();
    let gatekeeper = oracle::ask("FLEETGATE_ORACLE_GATEKEEPER", requests.clone());
    let opa = oracle::ask("FLEETGATE_ORACLE_OPA", requests);
    let reduced = |name: &str, answer: &Value| match answer.get("ast") {
        Some(tree) if !name.contains('#') => unmarked(tree.clone()),
        _ => json!(answer.get("errors").is_none()),
    };
    let mut lines = String::new();
    for ((name, ..), (old, new)) in modules.iter().zip(gatekeeper.iter().zip(&opa)) {
        let line = json!({ "name": name, "gatekeeper": reduced(name, old), "opa": reduced(name, new) });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    std::fs::write(directory().join("answers.ndjson"), lines).unwrap();
}
