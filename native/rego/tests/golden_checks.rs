//! The checks of [`fleetgate_rego::resolve`] against answers that OPA gave once, so that the usual test run needs no Go.
//!
//! `golden/checks` are modules of ours, named for their version; the answers to them and to modules that differ from them
//! in a thing or two are in `golden/checks.ndjson`. The ignored test records them anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod mutation;
mod oracle;

use std::path::PathBuf;

use fleetgate_rego::resolve::{self, Checked};
use fleetgate_rego::{Capabilities, Release, Version, parse_module};
use mutation::{Random, mutate_meaning};
use serde_json::{Value, json};

const MUTANTS: usize = 250;

const RELEASES: [(Release, &str, &str); 2] = [
    (Release::Opa1_17, "gatekeeper", "FLEETGATE_ORACLE_GATEKEEPER"),
    (Release::Opa1_22, "opa", "FLEETGATE_ORACLE_OPA"),
];

fn directory() -> PathBuf {
    PathBuf::from("tests/golden")
}

/// Each module with its name and version, the written ones first, then `MUTANTS` of each.
fn modules() -> Vec<(String, &'static str, String)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory().join("checks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut written = Vec::new();
    let mut changed = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let version = if name.ends_with(".v0.rego") { "v0" } else { "v1" };
        let text = std::fs::read_to_string(file).unwrap();
        let mut random = Random::new(number as u64 + 1);
        for index in 0..MUTANTS {
            changed.push((format!("{name}#{index}"), version, mutate_meaning(&text, &mut random)));
        }
        written.push((name, version, text));
    }
    written.extend(changed);
    written
}

/// Our answer: `"ok"`, `"unsafe"`, `"syntax"`, or the errors.
fn ours(release: Release, version: &str, text: &str) -> Value {
    let version = if version == "v0" { Version::V0 } else { Version::V1 };
    let Ok(module) = parse_module(text, &Capabilities::of(release, version)) else {
        return json!("syntax");
    };
    match resolve::check_as(release, &[module], &[("module0.rego", text)]) {
        Ok(Checked::All) => json!("ok"),
        Ok(Checked::Unsafe) => json!("unsafe"),
        Err(errors) => errors
            .iter()
            .map(|error| json!([error.error.code.as_str(), error.error.message, error.error.details]))
            .collect(),
    }
}

fn theirs(answer: &Value) -> Value {
    let Some(errors) = answer["errors"].as_array() else {
        return json!("ok");
    };
    let any = |code: &str| errors.iter().any(|error| error["code"] == code);
    if any("rego_parse_error") {
        return json!("syntax");
    }
    if any("rego_unsafe_var_error") {
        return json!("unsafe");
    }
    let details = |error: &Value| error.get("details").cloned().unwrap_or(json!([]));
    let real = errors.iter().filter(|error| error["message"] != "error limit reached");
    real.map(|error| json!([error["code"], error["message"], details(error)])).collect()
}

/// What of an answer does not depend on chance: OPA walks recursive rules in no order, the older one also finds types in
/// no order, so that it may miss the function of which a part is wrong, and both put references to a module's own rules
/// where the last of them stands, which changes the order of errors and which are the first ten.
fn certain(answer: &Value, by_chance: bool) -> Value {
    let Some(errors) = answer.as_array() else {
        return answer.clone();
    };
    let missed = |error: &&Value| error[1].as_str().unwrap().starts_with("undefined function");
    let part = |error: &Value| if by_chance { error[0].clone() } else { error.clone() };
    let all_missed = errors.iter().all(|error| missed(&error));
    let kept = errors.iter().filter(|error| all_missed || !missed(error));
    let mut parts: Vec<String> = kept.map(|error| part(error).to_string()).collect();
    parts.sort();
    if by_chance {
        parts.dedup();
    }
    json!(parts)
}

/// Whether all that is certain of an answer is the codes.
fn is_by_chance(answer: &Value) -> bool {
    let errors = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    errors.len() >= 10 || errors.iter().any(|error| error[0] == "rego_recursion_error")
}

#[test]
fn recorded_answers_are_ours() {
    let recorded = std::fs::read_to_string(directory().join("checks.ndjson")).unwrap();
    let mut lines = recorded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut accepted, mut refused) = (0, 0);
    for (name, version, text) in modules() {
        let answer = lines.next().unwrap();
        assert_eq!(answer["name"], json!(name), "the modules have changed: record anew");
        for (release, key, _) in RELEASES {
            let expected = &answer[key];
            let own = ours(release, version, &text);
            // Errors that do not stop OPA come with those of unbound variables, which are not looked for here.
            if expected == "unsafe" && own.is_array() {
                continue;
            }
            let by_chance = is_by_chance(&own) || is_by_chance(expected);
            let (own_part, expected_part) = (certain(&own, by_chance), certain(expected, by_chance));
            assert_eq!(own_part, expected_part, "{key} answers otherwise to {name}:\n{text}");
            accepted += usize::from(own == "ok");
            refused += usize::from(own.is_array());
        }
    }
    assert!(lines.next().is_none());
    assert!(accepted > 500 && refused > 500, "too few modules tell much: {accepted} accepted, {refused} refused");
}

#[test]
#[ignore = "needs the oracles"]
fn record() {
    let modules = modules();
    let request =
        |(_, version, text): &(String, &str, String)| json!({ "op": "check", "version": version, "modules": [text] });
    let requests: Vec<Value> = modules.iter().map(request).collect();
    let answers = RELEASES.map(|(_, _, program)| oracle::ask(program, requests.clone()));
    let mut lines = String::new();
    for (number, (name, ..)) in modules.iter().enumerate() {
        let line = json!({
            "name": name,
            RELEASES[0].1: theirs(&answers[0][number]),
            RELEASES[1].1: theirs(&answers[1][number]),
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    std::fs::write(directory().join("checks.ndjson"), lines).unwrap();
}
