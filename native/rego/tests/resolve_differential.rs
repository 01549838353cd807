//! Calls and recursion against OPA's compiler.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod mutation;
mod oracle;

use fleetgate_rego::ast::Module;
use fleetgate_rego::builtins::BUILTINS;
use fleetgate_rego::resolve;
use fleetgate_rego::{Capabilities, Release, Version, parse_module};
use mutation::{Random, mutate};
use oracle::{ask, cases};
use serde_json::{Value, json};

/// The codes of our errors; `None` if a module is not Rego.
fn ours(version: &str, texts: &[String]) -> Option<Vec<&'static str>> {
    let version = if version == "v0" { Version::V0 } else { Version::V1 };
    let capabilities = Capabilities::of(Release::Opa1_22, version);
    let modules: Result<Vec<Module>, _> = texts.iter().map(|text| parse_module(text, &capabilities)).collect();
    let errors = resolve::check(&modules.ok()?).err().unwrap_or_default();
    Some(errors.iter().map(|error| error.error.code.as_str()).collect())
}

/// OPA's errors that we must find too: those about calls and recursion, if nothing before them is wrong.
fn expected(errors: &[Value]) -> Vec<&str> {
    let text = |error: &Value| error["message"].as_str().unwrap_or_default().to_owned();
    let about_calls =
        |message: &str| ["undefined function", "arity mismatch", "has arity"].iter().any(|part| message.contains(part));
    let ours = errors.iter().filter(|error| about_calls(&text(error)) || error["code"] == "rego_recursion_error");
    ours.filter_map(|error| error["code"].as_str()).collect()
}

/// Modules that are compiled together, with a name and their version.
type Set = (String, &'static str, Vec<String>);

fn compare(name: &str, sets: &[Set]) {
    let request = |(_, version, texts): &Set| json!({ "op": "check", "version": version, "modules": texts });
    let answers = ask("FLEETGATE_ORACLE_OPA", sets.iter().map(request).collect());
    let mut differences = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for ((note, version, texts), answer) in sets.iter().zip(&answers) {
        let Some(codes) = ours(version, texts) else {
            continue;
        };
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        let must = expected(&errors);
        let wrong = if errors.is_empty() {
            accepted += 1;
            !codes.is_empty()
        } else {
            refused += usize::from(!must.is_empty());
            !must.is_empty() && must.first() != codes.first()
        };
        if wrong {
            let texts = texts.join("\n---\n");
            differences.push(format!("{note} ({version}): ours {codes:?}, OPA {errors:?}\n{texts}"));
        }
    }
    let count = (sets.len(), differences.len());
    println!(
        "{name}: {} sets, {accepted} accepted, {refused} refused for calls or recursion, {} differ",
        count.0, count.1
    );
    if let Ok(path) = std::env::var("FLEETGATE_DIFFERENCES") {
        std::fs::write(format!("{path}.resolve-{name}"), differences.join("\n\n")).unwrap();
    }
    assert!(differences.is_empty(), "{:#?}", differences.iter().take(5).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs the oracles"]
fn every_case_of_the_corpus() {
    compare("corpus", &cases());
}

#[test]
#[ignore = "needs the oracles"]
fn mutated_cases() {
    let sets = cases();
    let count: usize = std::env::var("FLEETGATE_MUTATIONS").map_or(20_000, |count| count.parse().unwrap());
    let mut random = Random::new(std::env::var("FLEETGATE_SEED").map_or(1, |seed| seed.parse().unwrap()));
    let mutate_one = |index: usize| {
        let (note, version, texts) = &sets[index % sets.len()];
        let mut texts = texts.clone();
        let one = random.below(texts.len());
        texts[one] = mutate(&texts[one], &mut random);
        (format!("mutation {index} of {note}"), *version, texts)
    };
    let mutants: Vec<Set> = (0..count).map(mutate_one).collect();
    compare("mutants", &mutants);
}

#[test]
#[ignore = "needs the oracles"]
fn the_table_of_built_ins_is_opas() {
    let answers = ask("FLEETGATE_ORACLE_OPA", vec![json!({ "op": "builtins" })]);
    let mut theirs: Vec<Value> = answers[0]["builtins"].as_array().unwrap().clone();
    theirs.sort_by_key(|builtin| builtin["name"].as_str().unwrap().to_owned());
    let row = |name: Value, arity: Value, void: Value, deprecated: Value| json!([name, arity, void, deprecated]);
    let theirs: Vec<Value> = theirs
        .iter()
        .map(|b| row(b["name"].clone(), b["arity"].clone(), b["void"].clone(), b["deprecated"].clone()))
        .collect();
    let ours: Vec<Value> =
        BUILTINS.iter().map(|b| row(json!(b.name), json!(b.arity), json!(b.void), json!(b.deprecated))).collect();
    assert_eq!(ours, theirs);
}
