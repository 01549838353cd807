//! The parser against OPA's: what is accepted, and the syntax tree of what is accepted.

#![cfg(feature = "opa-json")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod oracle;

use std::collections::HashSet;

use fleetgate_rego::{Capabilities, Diagnostic, Release, Version, opa_json, parse_module};
use oracle::{Source, ask, corpus};
use serde_json::{Value, json};

fn ours(release: Release, source: &Source) -> Result<Value, Vec<Diagnostic>> {
    let version = if source.version == "v0" {
        Version::V0
    } else {
        Version::V1
    };
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
    let sources: Vec<&Source> = sources
        .iter()
        .filter(|source| !is_known_to_differ(&source.text))
        .collect();
    let request = |source: &&Source| json!({ "op": "parse", "version": source.version, "module": source.text });
    let answers = ask(oracle_of(release), sources.iter().map(request).collect());
    let mut out = Comparison {
        refused: 0,
        same_line: 0,
        differences: Vec::new(),
    };
    for (source, answer) in sources.into_iter().zip(&answers) {
        let mut differ = |what: String| {
            out.differences.push(format!(
                "{} ({}): {what}\n{}\n",
                source.name, source.version, source.text
            ));
        };
        match (
            ours(release, source),
            answer.get("ast"),
            answer.get("errors"),
        ) {
            (Ok(tree), Some(theirs), _) if tree == *theirs => {}
            (Ok(_), None, None) if answer.get("accepted").is_some() => {}
            (Ok(tree), Some(theirs), _) => {
                differ(format!("trees differ\n  ours {tree}\n  OPA  {theirs}"))
            }
            (Err(errors), None, Some(theirs)) => {
                out.refused += 1;
                let row = errors[0].position(&source.text).row;
                out.same_line += usize::from(theirs[0]["row"] == json!(row));
            }
            (Ok(_), None, Some(theirs)) => differ(format!("OPA refuses it: {theirs}")),
            (Err(errors), ..) if answer.get("ast").is_some() => {
                differ(format!(
                    "we refuse it: {}",
                    errors[0].render("module", &source.text)
                ));
            }
            _ => differ(format!("the oracle failed: {answer}")),
        }
    }
    out
}

/// Where `and` or `or` are imported, OPA takes `&` and `|` for those words when a dot or bracket follows, so that `|.a` is
/// a reference whose head has no name.
fn is_known_to_differ(text: &str) -> bool {
    ["|.", "|[", "&.", "&["]
        .iter()
        .any(|sign| text.contains(sign))
        && ["keywords", "rego.v2"]
            .iter()
            .any(|import| text.contains(import))
}

fn report(name: &str, count: usize, comparison: &Comparison) {
    let Comparison {
        refused,
        same_line,
        differences,
    } = comparison;
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
    corpus()
        .into_iter()
        .filter(|source| seen.insert((source.version, source.text.clone())))
        .collect()
}

#[test]
#[ignore = "needs the oracles"]
fn every_module_of_the_corpora() {
    let sources = unique_corpus();
    for release in [Release::Opa1_17, Release::Opa1_22] {
        report(
            &format!("{release:?} corpus"),
            sources.len(),
            &compare(release, &sources),
        );
    }
}

#[test]
#[ignore = "needs the oracles"]
fn mutated_modules() {
    let sources = unique_corpus();
    let count: usize =
        std::env::var("FLEETGATE_MUTATIONS").map_or(20_000, |count| count.parse().unwrap());
    let seed: u64 = std::env::var("FLEETGATE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mutate_one = |index: usize| {
        let source = &sources[index % sources.len()];
        let text = mutate(&source.text, &mut random);
        Source {
            name: format!("mutation {index} of {}", source.name),
            text,
            ..*source
        }
    };
    let mutants: Vec<Source> = (0..count).map(mutate_one).collect();
    for release in [Release::Opa1_17, Release::Opa1_22] {
        report(
            &format!("{release:?} mutants"),
            mutants.len(),
            &compare(release, &mutants),
        );
    }
}

/// Tokens that mutations put in.
const POOL: &[&str] = &[
    "not",
    "some",
    "every",
    "in",
    "if",
    "contains",
    "else",
    "default",
    "with",
    "as",
    "import",
    "package",
    "true",
    "null",
    "and",
    "or",
    "x",
    "_",
    "input",
    "data",
    "1",
    "-",
    "-1",
    "\"s\"",
    "`r`",
    "$\"a{x}\"",
    "$`{1}`",
    "$\"{{x}}\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "|",
    "&",
    ",",
    ":",
    ";",
    ":=",
    "=",
    "==",
    "!=",
    "<",
    "+",
    "*",
    ".",
    "\n",
    " ",
    "# c\n",
    "set()",
    "f(x)",
    "{}",
    "[]",
    "import rego.v1\n",
    "import future.keywords\n",
    "import future.keywords.and\n",
    "import future.keywords.or\n",
    "import future.keywords.not\n",
    "import rego.v2\n",
    "and {",
    "or (",
    "not {",
    "x in y",
    "else := 1",
    "0x",
    ".5",
    "1e5",
    "01",
    "a.b",
    "a[x]",
    "{x | x := 1}",
    "[x |",
    "{a, b |",
    "if {",
    "contains x",
    "@",
    "!",
];

/// Changes one to three tokens of `text`.
fn mutate(text: &str, random: &mut Random) -> String {
    let mut tokens = split(text);
    for _ in 0..=random.below(4) / 2 {
        let at = random
            .below(tokens.len().max(1))
            .min(tokens.len().saturating_sub(1));
        let fresh = POOL[random.below(POOL.len())].to_owned();
        match random.below(5) {
            _ if tokens.is_empty() => tokens.push(fresh),
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, fresh),
            2 => tokens[at] = fresh,
            3 => tokens.insert(at, tokens[at].clone()),
            _ => {
                let other = random.below(tokens.len());
                tokens.swap(at, other);
            }
        }
    }
    tokens.concat()
}

/// Cuts `text` into words, numbers, strings, spaces and single signs; not by our own lexer, which is under test.
fn split(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        let mut token = String::from(first);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if word(first) {
            while let Some(c) = rest.next_if(|c| word(*c)) {
                token.push(c);
            }
        } else if first == '"' || first == '`' {
            while let Some(c) = rest.next() {
                token.push(c);
                if c == first || c == '\n' && first == '"' {
                    break;
                }
                if c == '\\'
                    && first == '"'
                    && let Some(escaped) = rest.next()
                {
                    token.push(escaped);
                }
            }
        } else if let ':' | '=' | '!' | '<' | '>' = first
            && let Some(c) = rest.next_if(|c| *c == '=')
        {
            token.push(c);
        }
        out.push(token);
    }
    out
}

/// A small generator, so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}
