//! The parser against OPA's: what is accepted, and the syntax tree of what is accepted.

#![cfg(feature = "opa-json")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod mutation;
mod oracle;

use std::collections::HashSet;

use fleetgate_rego::{Capabilities, Diagnostic, Release, Version, opa_json, parse_module};
use mutation::{Random, mutate};
use oracle::{Source, ask, corpus};
use serde_json::{Value, json};

fn ours(release: Release, source: &Source) -> Result<Value, Vec<Diagnostic>> {
    let version = if source.version == "v0" { Version::V0 } else { Version::V1 };
    let capabilities = Capabilities::of(release, version);
    parse_module(&source.text, &capabilities).map(|module| {
        let mut tree = opa_json::module(&module);
        if release == Release::Opa1_17 {
            as_older(&mut tree);
        }
        tree
    })
}

/// How the answers compare: the number of sources that agree on being wrong, those whose first error is also on the same
/// line, and a description of each difference.
struct Comparison {
    refused: usize,
    same_line: usize,
    differences: Vec<String>,
}

fn compare(release: Release, sources: &[Source]) -> Comparison {
    let sources: Vec<&Source> = sources.iter().filter(|source| !is_known_to_differ(&source.text)).collect();
    let request = |source: &&Source| json!({ "op": "parse", "version": source.version, "module": source.text });
    let answers = ask(oracle_of(release), sources.iter().map(request).collect());
    let mut out = Comparison { refused: 0, same_line: 0, differences: Vec::new() };
    for (source, answer) in sources.into_iter().zip(&answers) {
        let mut differ = |what: String| {
            out.differences.push(format!("{} ({}): {what}\n{}\n", source.name, source.version, source.text));
        };
        match (ours(release, source), answer.get("ast"), answer.get("errors")) {
            (Ok(tree), Some(theirs), _) if tree == *theirs => {}
            (Ok(_), None, None) if answer.get("accepted").is_some() => {}
            (Ok(tree), Some(theirs), _) => differ(format!("trees differ\n  ours {tree}\n  OPA  {theirs}")),
            (Err(errors), None, Some(theirs)) => {
                out.refused += 1;
                let row = errors[0].position(&source.text).row;
                out.same_line += usize::from(theirs[0]["row"] == json!(row));
            }
            (Ok(_), None, Some(theirs)) => differ(format!("OPA refuses it: {theirs}")),
            (Err(errors), ..) if answer.get("ast").is_some() => {
                differ(format!("we refuse it: {}", errors[0].render("module", &source.text)));
            }
            _ => differ(format!("the oracle failed: {answer}")),
        }
    }
    out
}

/// Where `and` or `or` are imported, OPA takes `&` and `|` for those words when a dot or bracket follows, so that `|.a` is
/// a reference whose head has no name.
fn is_known_to_differ(text: &str) -> bool {
    ["|.", "|[", "&.", "&["].iter().any(|sign| text.contains(sign))
        && ["keywords", "rego.v2"].iter().any(|import| text.contains(import))
}

fn report(name: &str, count: usize, comparison: &Comparison) {
    let Comparison { refused, same_line, differences } = comparison;
    println!(
        "{name}: {count} sources, {refused} refused by both ({same_line} on the same line), {} differ",
        differences.len()
    );
    if let Ok(path) = std::env::var("FLEETGATE_DIFFERENCES") {
        std::fs::write(format!("{path}.{name}"), differences.join("\n")).unwrap();
    }
    let shown: Vec<_> = differences.iter().take(10).collect();
    assert!(differences.is_empty(), "{shown:#?}");
}

/// Removes from a tree what OPA 1.17 shows otherwise than 1.22: it does not mark generated bodies, and of an object's
/// items with the same key it keeps the last.
fn as_older(tree: &mut Value) {
    match tree {
        Value::Object(fields) => {
            fields.remove("generated");
            fields.values_mut().for_each(as_older);
            if fields.get("type") == Some(&json!("object"))
                && let Some(items) = fields.get_mut("value").and_then(Value::as_array_mut)
            {
                items.reverse();
                items.dedup_by(|before, last| before[0] == last[0]);
                items.reverse();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_older),
        _ => {}
    }
}

/// The variable that names the program built on `release`.
fn oracle_of(release: Release) -> &'static str {
    match release {
        Release::Opa1_17 => "FLEETGATE_ORACLE_GATEKEEPER",
        Release::Opa1_22 => "FLEETGATE_ORACLE_OPA",
    }
}

fn unique_corpus() -> Vec<Source> {
    let mut seen = HashSet::new();
    corpus().into_iter().filter(|source| seen.insert((source.version, source.text.clone()))).collect()
}

#[test]
#[ignore = "needs the oracles"]
fn every_module_of_the_corpora() {
    let sources = unique_corpus();
    for release in [Release::Opa1_17, Release::Opa1_22] {
        report(&format!("{release:?} corpus"), sources.len(), &compare(release, &sources));
    }
}

#[test]
#[ignore = "needs the oracles"]
fn mutated_modules() {
    let sources = unique_corpus();
    let count: usize = std::env::var("FLEETGATE_MUTATIONS").map_or(20_000, |count| count.parse().unwrap());
    let seed: u64 = std::env::var("FLEETGATE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let mutate_one = |index: usize| {
        let source = &sources[index % sources.len()];
        let text = mutate(&source.text, &mut random);
        Source { name: format!("mutation {index} of {}", source.name), text, ..*source }
    };
    let mutants: Vec<Source> = (0..count).map(mutate_one).collect();
    for release in [Release::Opa1_17, Release::Opa1_22] {
        report(&format!("{release:?} mutants"), mutants.len(), &compare(release, &mutants));
    }
}
