//! Talking to the oracle: a program that answers what OPA makes of a piece of Rego.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot ask its oracle has failed"
)]

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// Asks the program named by the environment variable `oracle` all `requests` and returns its answers in order.
pub fn ask(oracle: &str, requests: Vec<Value>) -> Vec<Value> {
    let program = std::env::var(oracle).expect("the variable names the built oracle");
    let mut oracle: Child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
    let count = requests.len();
    let mut input = BufWriter::new(oracle.stdin.take().unwrap());
    let writer = std::thread::spawn(move || {
        for request in requests {
            writeln!(input, "{request}").unwrap();
        }
        input.flush().unwrap();
    });
    let output = BufReader::new(oracle.stdout.take().unwrap());
    let answers: Vec<Value> = output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap();
    assert!(oracle.wait().unwrap().success(), "the oracle failed");
    assert_eq!(answers.len(), count, "one answer per request");
    answers
}

/// A module and the version it is in.
#[allow(dead_code, reason = "not every test asks for single modules")]
#[derive(Debug, Clone)]
pub struct Source {
    pub name: String,
    pub version: &'static str,
    pub text: String,
}

/// Every module of OPA's own language cases (`FLEETGATE_OPA_CASES`, the directory that holds `v0` and `v1`) and of the
/// templates below `FLEETGATE_TEMPLATES`.
#[allow(dead_code, reason = "not every test asks for single modules")]
pub fn corpus() -> Vec<Source> {
    let cases = std::env::var("FLEETGATE_OPA_CASES").expect("FLEETGATE_OPA_CASES names OPA's testdata");
    let templates = std::env::var("FLEETGATE_TEMPLATES").expect("FLEETGATE_TEMPLATES names a template library");
    let requests = vec![
        json!({ "op": "cases", "dir": format!("{cases}/v0") }),
        json!({ "op": "cases", "dir": format!("{cases}/v1") }),
        json!({ "op": "templates", "dir": templates }),
    ];
    let answers = ask("FLEETGATE_ORACLE_OPA", requests);
    let mut all = Vec::new();
    for (answer, version) in answers.iter().zip(["v0", "v1"]) {
        for case in answer["cases"].as_array().unwrap() {
            let name = case["note"].as_str().unwrap();
            for module in case["modules"].as_array().into_iter().flatten() {
                all.push(Source { name: name.to_owned(), version, text: module.as_str().unwrap().to_owned() });
            }
        }
    }
    for template in answers[2]["templates"].as_array().unwrap() {
        let source = &template["source"];
        let version = if source["version"] == "v1" { "v1" } else { "v0" };
        let libs = source["libs"].as_array().into_iter().flatten();
        for text in std::iter::once(&source["rego"]).chain(libs) {
            let name = format!("template {}", template["name"].as_str().unwrap());
            all.push(Source { name, version, text: text.as_str().unwrap().to_owned() });
        }
    }
    all
}

/// The modules of each of OPA's own language cases that has any, with its name and version.
#[allow(dead_code, reason = "not every test asks for whole cases")]
pub fn cases() -> Vec<(String, &'static str, Vec<String>)> {
    let dir = std::env::var("FLEETGATE_OPA_CASES").expect("FLEETGATE_OPA_CASES names OPA's testdata");
    let requests = ["v0", "v1"].map(|version| json!({ "op": "cases", "dir": format!("{dir}/{version}") }));
    let answers = ask("FLEETGATE_ORACLE_OPA", requests.to_vec());
    let mut all = Vec::new();
    for (answer, version) in answers.iter().zip(["v0", "v1"]) {
        for case in answer["cases"].as_array().unwrap() {
            let modules = case["modules"].as_array().into_iter().flatten();
            let texts: Vec<String> = modules.map(|module| module.as_str().unwrap().to_owned()).collect();
            if !texts.is_empty() {
                all.push((case["note"].as_str().unwrap().to_owned(), version, texts));
            }
        }
    }
    all
}
