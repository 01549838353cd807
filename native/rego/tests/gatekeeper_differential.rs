//! Whole templates against Gatekeeper: what it refuses when it loads one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod mutation;
mod oracle;

use fleetgate_rego::Version;
use fleetgate_rego::gatekeeper::{self, LibRewrite, Part, TemplateError, TemplateSource, load_template};
use fleetgate_rego::resolve::Checked;
use mutation::{Random, mutate, mutate_meaning};
use oracle::ask;
use serde_json::{Value, json};

/// A template: its name, its version, its module and its libraries.
#[derive(Debug, Clone)]
struct Template {
    name: String,
    version: &'static str,
    texts: Vec<String>,
}

/// The code and message of each error; those that have no code are not about Rego alone.
type Errors = Vec<(String, String)>;

#[derive(Debug, PartialEq)]
enum Answer {
    Accepted,
    Unsafe,
    /// Before anything is compiled.
    Unloaded,
    Refused(Errors),
}

fn templates() -> Vec<Template> {
    let dir = std::env::var("FLEETGATE_TEMPLATES").unwrap();
    let answers = ask("FLEETGATE_ORACLE_OPA", vec![json!({ "op": "templates", "dir": dir })]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let template = |template: &Value| {
        let source = &template["source"];
        let libs = source["libs"].as_array().into_iter().flatten();
        let version = if source["version"] == "v1" { "v1" } else { "v0" };
        Template {
            name: text(&template["name"]),
            version,
            texts: std::iter::once(&source["rego"]).chain(libs).map(text).collect(),
        }
    };
    answers[0]["templates"].as_array().unwrap().iter().map(template).collect()
}

/// Templates whose errors only show with the query that Gatekeeper asks, and others of every kind of rule.
fn bodies() -> Vec<Template> {
    const BODIES: &[&str] = &[
        "violation[{\"details\": {}}] { true }",
        "violation[\"str\"] { true }",
        "violation[\"k\"] = x { x := 1 }",
        "violation = x { x := [1] }",
        "violation { true }",
        "default violation = false",
        "violation(x) = y { y := x }",
        "violation = x { x := {{\"msg\": \"m\"}} }",
        "violation[x] { x := input.parameters.v }",
        "violation[{\"msg\": m}] { m := concat(\"\", 5) }",
        "violation[{\"msg\": m}] { m := nosuch(5) }",
        "violation[{\"msg\": m}] { m := count(1, 2, 3) }",
        "violation[{\"msg\": m}] { violation[x]; m := x }",
        "violation[{\"msg\": m}] { input := 1; m := input }",
        "violation[{\"msg\": m}] { m := \"a\" } { m := \"b\" }",
        "violation[{\"msg\": m}] { m := {}[\"x\"] }",
        "violation[{\"msg\": m}] { m := [][0] }",
        "violation[{\"msg\": m}] { x := {\"a\": 1}; m := x.b }",
        "violation[{\"msg\": m}] { m := \"x\"; any([true]) }",
        "violation[{\"msg\": m}] { m := \"x\"; json.remove({}, []) == 5 }",
        "violation[{\"msg\": m}] { m := strings.split_n(\"a\", \"b\", 1) }",
        "violation[{\"msg\": m}] { count = input.x; m := count }",
        "violation[{\"msg\": m}] { m := \"x\"; p with input as 1 }\np { input.a }",
        "violation[{\"msg\": m}] { m := \"x\"; true with foo as 1 }",
        "violation[{\"msg\": m}] { m := \"x\"; true with walk as 1 }",
        "violation[{\"msg\": m}] { some x; m := \"a\" }",
        "violation[{\"msg\": m}] { m := \"a\"; m := \"b\" }",
        "violation[{\"msg\": m}] { m == 1; m := 2 }",
        "violation[{\"msg\": m}] { m := print(1) }",
        "violation[{\"msg\": m}] { print(1, input.x); m := \"a\" }",
        "violation[{\"msg\": m}] { m := \"a\" }\np = 1\np[x] { x := 1 }",
        "violation[{\"msg\": m}] { m := \"a\" }\nf(x) = 1\nf(x, y) = 2",
        "violation[{\"msg\": m}] { m := \"a\" }\ndefault p = 1\ndefault p = 2",
        "violation[{\"msg\": m}] { m := \"a\" }\nf(input) = 1",
        "violation[{\"msg\": m}] { m := \"a\"; f }\nf(x) = 1",
        "violation[{\"msg\": m}] { m := \"a\"; {1} == {} }",
        "violation[{\"msg\": m}] { m := \"a\"; x := {\"a\": {}}; x.a[_] == 1 }",
        "violation[{\"msg\": m, \"details\": 5}] { m := 5 }",
        "violation[x] { x := {\"msg\": 1} }\nviolation[x] { x := 5 }",
        "violation[x] { x := 5 }",
        "violation[{\"msg\": m}] { m := sprintf(\"%v\", input) }",
        "violation[{\"msg\": m}] { x := data.template.y; m := x }\ny = 1",
    ];
    let body = |(number, body): (usize, &&str)| Template {
        name: format!("body {number}"),
        version: "v0",
        texts: vec![format!("package a\n{body}\n")],
    };
    BODIES.iter().enumerate().map(body).collect()
}

fn ours(template: &Template) -> Answer {
    let source = TemplateSource {
        version: if template.version == "v0" { Version::V0 } else { Version::V1 },
        rego: &template.texts[0],
        libs: template.texts[1..].iter().map(String::as_str).collect(),
    };
    let modules = match load_template(&source, true, LibRewrite::Shallow) {
        Ok(modules) => modules,
        Err(TemplateError::Syntax(Part::Entry | Part::Lib(_), errors)) => {
            return Answer::Refused(vec![(errors[0].code.as_str().to_owned(), String::new())]);
        }
        Err(_) => return Answer::Unloaded,
    };
    match gatekeeper::check(&source, &modules) {
        Ok(Checked::All) => Answer::Accepted,
        Ok(Checked::Unsafe) => Answer::Unsafe,
        Err(errors) => {
            let line = |error: gatekeeper::CompileError| {
                let mut text = error.error.message;
                error.error.details.iter().for_each(|line| text = format!("{text}\n{line}"));
                (error.error.code.as_str().to_owned(), text)
            };
            Answer::Refused(errors.into_iter().map(line).collect())
        }
    }
}

fn request(template: &Template) -> Value {
    let code = json!({
        "engine": "Rego",
        "source": { "version": template.version, "rego": template.texts[0], "libs": template.texts[1..] },
    });
    let object = json!({
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": { "name": "some" },
        "spec": {
            "crd": { "spec": { "names": { "kind": "Some" } } },
            "targets": [{ "target": "admission.k8s.gatekeeper.sh", "code": [code] }],
        },
    });
    json!({ "op": "review", "templates": [object] })
}

/// Gatekeeper's text has the errors one after another, each with its place, the lines under each after a tab.
fn theirs(answer: &Value) -> Answer {
    let Some(text) = answer["template_errors"][0]["message"].as_str() else {
        return Answer::Accepted;
    };
    let mut errors = Errors::new();
    for line in text.lines() {
        if let Some(at) = line.find("rego_").filter(|at| line[*at..].contains("_error: ")) {
            let (code, message) = line[at..].split_once(": ").unwrap();
            errors.push((code.to_owned(), message.to_owned()));
        } else if let (Some(detail), Some(last)) = (line.strip_prefix('\t'), errors.last_mut()) {
            last.1 = format!("{}\n{detail}", last.1);
        }
    }
    if errors.iter().any(|(code, _)| code == "rego_unsafe_var_error") {
        return Answer::Unsafe;
    }
    if errors.is_empty() {
        return Answer::Unloaded;
    }
    errors.retain(|(_, message)| message != "error limit reached");
    if errors[0].0 == "rego_parse_error" {
        errors = vec![("rego_parse_error".to_owned(), String::new())];
    }
    Answer::Refused(errors)
}

fn compare(name: &str, templates: &[Template]) {
    let answers = ask("FLEETGATE_ORACLE_GATEKEEPER", templates.iter().map(request).collect());
    let (mut accepted, mut refused, mut same_text, mut skipped) = (0, 0, 0, 0);
    let (mut wrong, mut other_text) = (Vec::new(), Vec::new());
    for (template, answer) in templates.iter().zip(&answers) {
        let (ours, theirs) = (ours(template), theirs(answer));
        let report = || {
            let texts = template.texts.join("\n---\n");
            format!("{} ({})\nours {ours:?}\nOPA  {theirs:?}\n{texts}", template.name, template.version)
        };
        match (&ours, &theirs) {
            (Answer::Unsafe, Answer::Unsafe) => skipped += 1,
            (Answer::Accepted, Answer::Accepted) => accepted += 1,
            (Answer::Unloaded, Answer::Unloaded) => refused += 1,
            (Answer::Refused(mine), Answer::Refused(other)) if mine[0].0 == other[0].0 => {
                refused += 1;
                same_text += usize::from(mine == other);
                if mine != other {
                    other_text.push(report());
                }
            }
            _ => wrong.push(report()),
        }
    }
    println!(
        "{name}: {} templates, {accepted} accepted, {refused} refused ({} with another text), {skipped} with unbound variables, {} differ",
        templates.len(),
        other_text.len(),
        wrong.len()
    );
    println!("{same_text} errors of the same text");
    if let Ok(path) = std::env::var("FLEETGATE_DIFFERENCES") {
        std::fs::write(format!("{path}.resolve-{name}"), wrong.join("\n\n======\n")).unwrap();
        std::fs::write(format!("{path}.texts-{name}"), other_text.join("\n\n======\n")).unwrap();
    }
    assert!(wrong.is_empty(), "{:#?}", wrong.iter().take(5).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs the oracles"]
fn every_template() {
    let mut all = templates();
    all.extend(bodies());
    compare("gatekeeper", &all);
}

#[test]
#[ignore = "needs the oracles"]
fn mutated_templates() {
    let mut all = templates();
    all.extend(bodies());
    let count: usize = std::env::var("FLEETGATE_MUTATIONS").map_or(20_000, |count| count.parse().unwrap());
    let mut random = Random::new(std::env::var("FLEETGATE_SEED").map_or(1, |seed| seed.parse().unwrap()));
    let mut mutate_one = |index: usize| {
        let mut template = all[index % all.len()].clone();
        let one = random.below(template.texts.len());
        let change = if index.is_multiple_of(4) { mutate } else { mutate_meaning };
        template.texts[one] = change(&template.texts[one], &mut random);
        template.name = format!("mutation {index} of {}", template.name);
        template
    };
    let mutants: Vec<Template> = (0..count).map(&mut mutate_one).collect();
    compare("gatekeeper-mutants", &mutants);
}
