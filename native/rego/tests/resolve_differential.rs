//! The checks of [`fleetgate_rego::resolve`] against OPA's compiler.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod mutation;
mod oracle;

use std::collections::BTreeSet;

use fleetgate_rego::ast::Module;
use fleetgate_rego::builtins::{ANY_IN_1_17, BUILTINS, NEW_IN_1_22};
use fleetgate_rego::resolve::{self, Checked};
use fleetgate_rego::{Capabilities, Release, Version, parse_module};
use mutation::{Random, mutate, mutate_meaning};
use oracle::{ask, cases, corpus};
use serde_json::{Value, json};

/// One error: its code, then its message and the lines under it.
type Error = (String, String);

/// What became of several modules.
#[derive(Debug, PartialEq)]
enum Answer {
    Accepted,
    /// A variable is never bound, which is not checked here. OPA may report other errors with it.
    Unsafe(Vec<Error>),
    Refused(Vec<Error>),
}

/// Our answer; `None` if a module is not Rego.
fn ours(version: &str, texts: &[String]) -> Option<Answer> {
    let version = if version == "v0" { Version::V0 } else { Version::V1 };
    let capabilities = Capabilities::of(Release::Opa1_22, version);
    let modules: Result<Vec<Module>, _> = texts.iter().map(|text| parse_module(text, &capabilities)).collect();
    let names: Vec<String> = (0..texts.len()).map(|number| format!("module{number}.rego")).collect();
    let sources: Vec<(&str, &str)> = names.iter().zip(texts).map(|(name, text)| (&**name, &**text)).collect();
    Some(match resolve::check_as(Release::Opa1_22, &modules.ok()?, &sources) {
        Ok(Checked::All) => Answer::Accepted,
        Ok(Checked::Unsafe) => Answer::Unsafe(Vec::new()),
        Err(errors) => {
            let line = |error: resolve::ModuleError| {
                let mut text = error.error.message;
                error.error.details.iter().for_each(|line| text = format!("{text}\n{line}"));
                (error.error.code.as_str().to_owned(), text)
            };
            Answer::Refused(errors.into_iter().map(line).collect())
        }
    })
}

fn theirs(answer: &Value) -> Answer {
    let Some(errors) = answer["errors"].as_array() else {
        return Answer::Accepted;
    };
    let line = |error: &Value| {
        let mut text = error["message"].as_str().unwrap_or_default().to_owned();
        for line in error["details"].as_array().into_iter().flatten() {
            text = format!("{text}\n{}", line.as_str().unwrap_or_default());
        }
        (error["code"].as_str().unwrap_or_default().to_owned(), text)
    };
    // The mark of too many errors is none itself.
    let real = errors.iter().filter(|error| error["message"] != "error limit reached");
    let (unbound, other): (Vec<Error>, Vec<Error>) =
        real.map(line).partition(|(code, _)| code == "rego_unsafe_var_error");
    if unbound.is_empty() { Answer::Refused(other) } else { Answer::Unsafe(other) }
}

/// Modules that are compiled together, with a name and their version.
type Set = (String, &'static str, Vec<String>);

#[derive(Default)]
struct Counts {
    accepted: usize,
    refused: usize,
    skipped: usize,
    same_text: usize,
    gaps: usize,
    wrong: Vec<String>,
    other_text: Vec<String>,
}

/// Whether two lists of errors are of the same codes. OPA places references to a module's own rules where the last of them
/// stands, so the order of errors may differ.
fn same_codes(mine: &[Error], other: &[Error]) -> bool {
    let codes = |errors: &[Error]| errors.iter().map(|(code, _)| code.clone()).collect::<BTreeSet<_>>();
    mine[0].0 == other[0].0 || codes(mine) == codes(other)
}

fn count(sets: &[Set], answers: &[Value]) -> Counts {
    let mut counts = Counts::default();
    for ((note, version, texts), answer) in sets.iter().zip(answers) {
        let theirs = theirs(answer);
        let Some(ours) = ours(version, texts) else {
            continue;
        };
        // Known gaps: metadata blocks are not read, and names like those that OPA makes up are taken for made up.
        let reads_metadata = texts.iter().any(|text| text.contains("rego.metadata."));
        let metadata = reads_metadata && ours == Answer::Accepted && matches!(theirs, Answer::Refused(_))
            || matches!(&theirs, Answer::Refused(errors) if errors.iter().all(|(code, _)| code == "rego_parse_error"));
        let made_up = ours == Answer::Accepted
            && matches!(theirs, Answer::Unsafe(_))
            && texts.iter().any(|text| text.contains("__local"));
        if metadata || made_up {
            counts.gaps += 1;
            continue;
        }
        let report = || format!("{note} ({version})\nours {ours:?}\nOPA  {theirs:?}\n{}", texts.join("\n---\n"));
        match (&ours, &theirs) {
            (Answer::Unsafe(_), Answer::Unsafe(_)) => counts.skipped += 1,
            (Answer::Refused(mine), Answer::Unsafe(other)) if mine == other => counts.skipped += 1,
            (Answer::Accepted, Answer::Accepted) => counts.accepted += 1,
            (Answer::Refused(mine), Answer::Refused(other)) if same_codes(mine, other) => {
                counts.refused += 1;
                if mine == other {
                    counts.same_text += 1;
                } else {
                    counts.other_text.push(report());
                }
            }
            _ => counts.wrong.push(report()),
        }
    }
    counts
}

fn compare(name: &str, sets: &[Set]) {
    let request = |(_, version, texts): &Set| json!({ "op": "check", "version": version, "modules": texts });
    let answers = ask("FLEETGATE_ORACLE_OPA", sets.iter().map(request).collect());
    let counts = count(sets, &answers);
    println!(
        "{name}: {} sets, {} accepted, {} refused ({} with the same text), {} with unbound variables, {} known gaps, \
         {} differ",
        sets.len(),
        counts.accepted,
        counts.refused,
        counts.same_text,
        counts.skipped,
        counts.gaps,
        counts.wrong.len()
    );
    if let Ok(path) = std::env::var("FLEETGATE_DIFFERENCES") {
        std::fs::write(format!("{path}.resolve-{name}"), counts.wrong.join("\n\n======\n")).unwrap();
        std::fs::write(format!("{path}.texts-{name}"), counts.other_text.join("\n\n======\n")).unwrap();
    }
    assert!(counts.wrong.is_empty(), "{:#?}", counts.wrong.iter().take(5).collect::<Vec<_>>());
}

fn mutants(sets: &[Set]) -> Vec<Set> {
    let count: usize = std::env::var("FLEETGATE_MUTATIONS").map_or(20_000, |count| count.parse().unwrap());
    let mut random = Random::new(std::env::var("FLEETGATE_SEED").map_or(1, |seed| seed.parse().unwrap()));
    let mut mutate_one = |index: usize| {
        let (note, version, texts) = &sets[index % sets.len()];
        let mut texts = texts.clone();
        let one = random.below(texts.len());
        let change = if index.is_multiple_of(4) { mutate } else { mutate_meaning };
        texts[one] = change(&texts[one], &mut random);
        (format!("mutation {index} of {note}"), *version, texts)
    };
    (0..count).map(&mut mutate_one).collect()
}

/// Each template's module by itself: what it refers to in libraries is unknown in both.
fn templates() -> Vec<Set> {
    let templates = corpus().into_iter().filter(|source| source.name.starts_with("template "));
    templates.map(|source| (source.name, source.version, vec![source.text])).collect()
}

#[test]
#[ignore = "needs the oracles"]
fn every_case_of_the_corpus() {
    compare("corpus", &cases());
}

#[test]
#[ignore = "needs the oracles"]
fn mutated_cases() {
    compare("mutants", &mutants(&cases()));
}

#[test]
#[ignore = "needs the oracles"]
fn templates_and_mutated_ones() {
    let sets = templates();
    compare("templates", &sets);
    compare("template-mutants", &mutants(&sets));
}

#[test]
#[ignore = "needs the oracles"]
fn the_table_of_built_ins_is_opas() {
    let answers = ask("FLEETGATE_ORACLE_OPA", vec![json!({ "op": "builtins" })]);
    let mut theirs: Vec<Value> = answers[0]["builtins"].as_array().unwrap().clone();
    theirs.sort_by_key(|builtin| builtin["name"].as_str().unwrap().to_owned());
    let names = |wanted: fn(&Value) -> bool| -> Vec<&str> {
        theirs.iter().filter(|builtin| wanted(builtin)).map(|builtin| builtin["name"].as_str().unwrap()).collect()
    };
    assert_eq!(NEW_IN_1_22, names(|builtin| builtin["new"] == true));
    assert_eq!(ANY_IN_1_17, names(|builtin| builtin["before"] == "any"));
    assert_eq!(names(|builtin| builtin["before"].is_string()).len(), ANY_IN_1_17.len());
    assert_eq!(names(|builtin| builtin["relation"] == true), ["walk"]);
    let fields = ["name", "arity", "void", "deprecated", "signature"];
    let theirs: Vec<Value> = theirs.iter().map(|b| fields.iter().map(|field| b[*field].clone()).collect()).collect();
    let ours: Vec<Value> =
        BUILTINS.iter().map(|b| json!([b.name, b.arity, b.void, b.deprecated, b.signature])).collect();
    assert_eq!(ours, theirs);
}
