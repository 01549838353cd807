//! Rego in: a template that is loaded and evaluated, or defects that are located.
//!
//! The parts of an input are the entry module and the libraries. Laws:
//! - reading, checking and compiling keep the time budget and give the same twice;
//! - errors say what and where, inside the text;
//! - the canonical text of a module is read again, and its own canonical text is the same;
//! - what is loaded answers a review within the review's limits, well-formed.

use std::sync::LazyLock;

use fleetgate_core::decide::Engine;
use fleetgate_core::diagnostic::Diagnostic;
use fleetgate_rego::{Capabilities, Release, Version, emit, normalise, parse_module};
use serde_json::json;

use super::{decision, engine, in_time, parts};

static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

/// Object that every loaded template reviews: it has what most policies look at.
const REVIEW: &[u8] = br#"{"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "name": "web",
    "namespace": "shop", "userInfo": {"username": "ann", "groups": ["dev"]}, "oldObject": null, "object": {"apiVersion":
    "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "n": "1"}}, "spec":
    {"hostNetwork": true, "replicas": 3, "containers": [{"name": "a", "image": "nginx:latest", "resources": {"limits":
    {"cpu": "100m", "memory": "1.5Gi"}}, "ports": [{"containerPort": 80}]}, {"name": "b", "image": "r/b@sha256:0"}]}}}"#;

/// Panics where `data` breaks a law.
pub fn run(data: &[u8]) {
    let Ok(texts) = parts(data).map(std::str::from_utf8).collect::<Result<Vec<_>, _>>() else { return };
    let read_as = [Version::V0, Version::V1].map(|version| texts.iter().filter(|text| read(text, version)).count());
    let whole = texts.len();
    // What is Rego in neither version is loaded in one, for the errors' sake.
    if read_as != [0, whole] {
        load("v0", &texts);
    }
    if read_as[1] == whole {
        load("v1", &texts);
    }
}

/// Reads one text and writes it again; tells whether it is Rego.
fn read(text: &str, version: Version) -> bool {
    let mut is_module = false;
    for release in [Release::Opa1_17, Release::Opa1_22] {
        let capabilities = Capabilities::of(release, version);
        let parsed = in_time("reading", || parse_module(text, &capabilities));
        assert!(parsed == parse_module(text, &capabilities), "read in two ways");
        match parsed {
            Ok(module) => {
                is_module = true;
                if let Ok(emitted) = in_time("writing", || emit(&normalise(module))) {
                    assert_is_canonical(&emitted.text);
                }
            }
            Err(errors) => {
                assert!(!errors.is_empty(), "refused without a reason");
                for error in errors {
                    assert!(!error.message.is_empty(), "an error without words");
                    let (start, end) = (error.span.start as usize, error.span.end as usize);
                    assert!(text.get(start..end).is_some(), "{start}..{end} is not in the text: {}", error.message);
                }
            }
        }
    }
    is_module
}

fn assert_is_canonical(text: &str) {
    let capabilities = Capabilities::of(Release::Opa1_22, Version::V1);
    let module = match parse_module(text, &capabilities) {
        Ok(module) => module,
        // What takes the place of logic between bodies nests deeper than it.
        Err(errors) if errors.iter().all(|error| error.message.starts_with("nested more than")) => return,
        Err(errors) => panic!("canonical text is not Rego: {errors:?}\n{text}"),
    };
    match emit(&module) {
        Ok(again) => assert_eq!(again.text, text, "canonical text is written in another way"),
        Err(unsupported) => panic!("canonical text cannot be written again: {unsupported}\n{text}"),
    }
}

/// Loads a template of these texts and lets it answer.
fn load(version: &str, texts: &[&str]) {
    let (entry, libs) = texts.split_first().unwrap();
    let source = json!({"version": version, "rego": entry, "libs": libs});
    let template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "fuzz"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Fuzz"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": [{"engine": "Rego", "source": source}]}],
        },
    });
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "Fuzz",
        "metadata": {"name": "fuzz"},
        "spec": {"parameters": {"a": ["b", 1, null], "labels": ["app"], "s": "x"}},
    });
    let texts = [&template, &constraint].map(|document| document.to_string());
    let [template, constraint] = texts.each_ref().map(|text| text.as_bytes());
    let files = [("template.json", template), ("constraint.json", constraint)];
    // Removed first: what is there already would not be compiled again.
    let apply = || {
        ENGINE.policies.apply("fuzz", &[], false).unwrap();
        in_time("loading", || ENGINE.policies.apply("fuzz", &files, false))
    };
    match (apply(), apply()) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.generation.digest(), other.generation.digest(), "loaded in two ways");
            decision::check(&ENGINE, &decision::admission(REVIEW, b"", ""));
        }
        (Err(one), Err(other)) => {
            assert_eq!(one, other, "refused in two ways");
            assert!(!one.is_empty(), "refused without a reason");
            one.iter().for_each(assert_is_located);
        }
        _ => panic!("loaded once and refused once"),
    }
}

fn assert_is_located(defect: &Diagnostic) {
    assert!(!defect.message.is_empty(), "a defect without words");
    let location = defect.location.as_ref().expect("a defect without a place");
    assert!(location.line == 1 && location.column > 0, "nothing stands there: {defect}");
}
