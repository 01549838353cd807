#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

//! What a template's Rego may be, and what it then answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Budget, Driver, Evaluation, EvaluationError, ExhaustedBudget, Program};
use super::RegoDriver;
use crate::compatibility::{LibRewrite, NonstringMsg};
use crate::diagnostic::Diagnostic;
use crate::template::{RegoVersion, SourceText, Template, read_template};
use crate::yaml;

/// A template of any code: what else a document has to have does not matter here.
fn template(version: RegoVersion, rego: &str, libs: &[&str]) -> Template {
    let document = r#"{
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "kind"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Kind"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": "package p"}]
        }
    }"#;
    let reading = yaml::read("t.json", document.as_bytes());
    let template = read_template(&reading.documents[0], &"b".into()).unwrap();
    Template {
        version,
        module: SourceText::detached(rego, "t.rego"),
        libs: libs.iter().map(|lib| SourceText::detached(*lib, "lib.rego")).collect(),
        ..template
    }
}

fn compile(version: RegoVersion, rego: &str, libs: &[&str]) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
    compile_as(LibRewrite::Shallow, version, rego, libs)
}

fn compile_as(
    lib_rewrite: LibRewrite,
    version: RegoVersion,
    rego: &str,
    libs: &[&str],
) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
    RegoDriver { lib_rewrite }.compile(&template(version, rego, libs))
}

fn v0(body: &str) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
    compile(RegoVersion::V0, &format!("package p\n{body}"), &[])
}

fn refusal(result: Result<Arc<dyn Program>, Vec<Diagnostic>>) -> String {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(defects) => {
            for defect in &defects {
                let place = defect.location.as_ref().unwrap();
                assert!(place.path.ends_with(".rego"), "{defect}");
            }
            defects[0].to_string()
        }
    }
}

fn run_with(
    program: &Arc<dyn Program>,
    review: &str,
    parameters: &str,
    time: Duration,
) -> Result<Vec<String>, EvaluationError> {
    let budget = Budget { instructions: 1_000_000, time, deadline: Instant::now() + Duration::from_secs(60) };
    let evaluation = Evaluation {
        review: &crate::json::of_text(review),
        parameters: &crate::json::of_text(parameters),
        cluster: None,
        data: &crate::json::of_text(r#"{"inventory": {}}"#),
        budget,
        nonstring_msg: NonstringMsg::default(),
    };
    let violations = program.instance().evaluate(&evaluation)?;
    Ok(violations.into_iter().map(|violation| violation.message).collect())
}

fn run(body: &str, review: &str, parameters: &str) -> Vec<String> {
    run_with(&v0(body).unwrap(), review, parameters, Duration::from_secs(5)).unwrap()
}

#[test]
fn the_entry_rule_must_have_messages() {
    let no_collection = "undefined ref: data.template.violation[r]";
    for (body, expected) in [
        ("deny[{\"msg\": m}] { m := 1 }", "missing required rules: [violation]"),
        ("violation[{\"details\": {}}] { true }", "rego_type_error: undefined ref: r.msg"),
        ("violation[\"str\"] { true }", "rego_type_error: object.get: invalid argument(s)"),
        ("violation[\"k\"] = x { x := 1 }", "rego_type_error: object.get: invalid argument(s)"),
        ("violation { true }", no_collection),
        ("default violation = false", no_collection),
        ("violation(x) = y { y := x }", "function data.template.violation[r] used as reference, not called"),
    ] {
        let text = refusal(v0(body));
        assert!(text.contains(expected), "{body}: {text}");
    }
    assert!(refusal(compile(RegoVersion::V1, "package p\nviolation.x if { true }", &[])).contains("missing required"));
    assert!(!refusal(compile(RegoVersion::V1, "package p\nviolation[{\"msg\": \"m\"}] { true }", &[])).is_empty());
    assert!(!refusal(compile(RegoVersion::V0, "violation[{\"msg\": \"m\"}] { true }", &[])).is_empty());
    assert!(!refusal(compile(RegoVersion::V0, "", &[])).is_empty());
}

#[test]
fn forms_of_the_entry_rule_that_work() {
    for body in [
        "violation[{\"msg\": \"m\"}] { true }",
        "violation[x] { x := {\"msg\": \"m\"} }",
        "violation[x] { x := input.parameters.v }",
        "violation = x { x := {{\"msg\": \"m\"}} }",
        "violation[{\"details\": 1}] { false }\nviolation[{\"msg\": \"m\"}] { true }",
    ] {
        assert_eq!(run(body, "{}", r#"{"v": {"msg": "m"}}"#), ["m"], "{body}");
    }
    let v1 = compile(RegoVersion::V1, "package a.b.c\nviolation contains {\"msg\": \"m\"} if { true }", &[]).unwrap();
    assert_eq!(run_with(&v1, "{}", "{}", Duration::from_secs(5)).unwrap(), ["m"]);
    let any = r#"{"v": ["text", {"no": 1}, 5]}"#;
    assert_eq!(run("violation[x] { x := input.parameters.v[_] }", "{}", any), [""; 0]);
}

#[test]
fn what_the_compiler_refuses() {
    let with = |line: &str| format!("{line}\nviolation[{{\"msg\": \"m\"}}] {{ true }}");
    for (line, expected) in [
        ("f(x) = g(x) { true }\ng(x) = f(x) { true }", "rego_recursion_error"),
        ("x { y }", ""),
        ("x { nonsense(1) }", "rego_type_error: undefined function nonsense"),
        ("x { http.send({}) }", "rego_type_error: undefined function http.send"),
        ("x { opa.runtime() }", "rego_type_error: undefined function opa.runtime"),
        ("x { __builtin_host_await(1, 2) }", "rego_type_error: undefined function __builtin_host_await"),
        ("x { data.foo }", "disallowed ref data.foo"),
        ("x { y := [data.foo.bar] }", "disallowed ref data.foo.bar"),
        ("x { data[input.x] }", "disallowed ref data"),
        ("x { ( }", ""),
        ("x := \"open", ""),
    ] {
        let text = refusal(v0(&with(line)));
        assert!(text.contains(expected) && text.starts_with("t.rego:"), "{line}: {text}");
    }
    let v1 = "package p\nimport rego.v1\nviolation contains {\"msg\": \"m\"} if { true }";
    assert!(refusal(compile(RegoVersion::V1, v1, &[])).contains("bad import: rego.v1"));
    for import in ["input.review", "data.inventory", "data.other"] {
        let rego = format!("package p\nimport {import}\nviolation[{{\"msg\": \"m\"}}] {{ true }}");
        assert!(refusal(compile(RegoVersion::V0, &rego, &[])).contains(&format!("bad import: {import}")), "{import}");
    }
    let deprecated = "package p\nviolation contains {\"msg\": \"m\"} if { any([true]) }";
    assert!(
        refusal(compile(RegoVersion::V1, deprecated, &[]))
            .contains("deprecated built-in function calls in expression: any")
    );
}

#[test]
fn places_are_those_of_the_source() {
    let text = refusal(v0("violation[{\"msg\": \"m\"}] {\n  x := nonsense(1)\n}"));
    assert!(text.starts_with("t.rego:3:8: rego_type_error"), "{text}");
    let lib = "package lib.a\n\nf(x) { y := ) }";
    let rego = "package p\nviolation[{\"msg\": \"m\"}] { true }";
    assert!(refusal(compile(RegoVersion::V0, rego, &[lib])).starts_with("lib.rego:3:"));
}

#[test]
fn bombs_are_located_errors() {
    for bomb in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "{".repeat(100_000),
        "-".repeat(100_000),
        "not ".repeat(100_000),
        "f(".repeat(100_000),
        "{x | ".repeat(100_000),
        "a[".repeat(100_000),
    ] {
        let started = Instant::now();
        refusal(v0(&format!("violation[{{\"msg\": \"m\"}}] {{ x := {bomb} }}")));
        refusal(v0(&bomb));
        assert!(started.elapsed() < Duration::from_secs(20), "{}", &bomb[..2]);
    }
    let nested = "[".repeat(200) + &"]".repeat(200);
    assert_eq!(run(&format!("violation[{{\"msg\": \"m\"}}] {{ x := {nested} }}"), "{}", "{}"), ["m"]);
    let chain = format!("violation[{{\"msg\": \"m\"}}] {{ input{} }}", ".a".repeat(50_000));
    let _ = v0(&chain);
}

#[test]
fn libraries() {
    let lib = "package lib.helpers\nf(x) = y { y := x + 1 }\ng = 5";
    let with = |body: &str| compile(RegoVersion::V0, &format!("package p\nimport data.lib.helpers\n{body}"), &[lib]);
    let message = |body: &str| run_with(&with(body).unwrap(), "{}", "{}", Duration::from_secs(5)).unwrap();
    assert_eq!(message("violation[{\"msg\": m}] { m := sprintf(\"%v\", [helpers.f(1)]) }"), ["2"]);
    assert_eq!(message("violation[{\"msg\": m}] { x := data.lib.helpers.g; m := sprintf(\"%v\", [x]) }"), ["5"]);
    // Gatekeeper rewrites outermost operands only: elsewhere `data.lib` names nothing.
    for body in [
        "violation[{\"msg\": m}] { m := sprintf(\"%v\", [data.lib.helpers.g]) }",
        "violation[{\"msg\": \"m\"}] { x := {y | y := data.lib.helpers.g}; count(x) > 0 }",
        "violation[{\"msg\": \"m\"}] { input[data.lib.helpers.g] }",
    ] {
        assert!(message(body).is_empty(), "{body}");
    }
    let nested = "violation[{\"msg\": m}] { m := sprintf(\"%v\", [data.lib.helpers.f(1)]) }";
    assert!(refusal(with(nested)).contains("undefined function"));
    let deep =
        |body: &str| compile_as(LibRewrite::Deep, RegoVersion::V0, &format!("package p\n{body}"), &[lib]).unwrap();
    for body in [
        "violation[{\"msg\": m}] { m := sprintf(\"%v\", [data.lib.helpers.g]) }",
        "violation[{\"msg\": m}] { m := sprintf(\"%v\", [data.lib.helpers.f(4)]) }",
    ] {
        assert_eq!(run_with(&deep(body), "{}", "{}", Duration::from_secs(5)).unwrap(), ["5"], "{body}");
    }
    let entry = "package p\nviolation[{\"msg\": \"m\"}] { true }";
    for package in ["lib", "library.x", "other"] {
        let lib = format!("package {package}\nx = 1");
        assert!(refusal(compile(RegoVersion::V0, entry, &[&lib])).contains("invalid lib prefix"), "{package}");
    }
}

#[test]
fn programs_say_at_which_fields_of_a_review_they_may_look() {
    let program = v0(r#"violation[{"msg": "m"}] { input.review.object.spec.a.b == 1 }"#).unwrap();
    // A field's name is what somebody wrote: none may be taken for a way through others.
    for (part, expected) in [
        (&["object", "spec", "a\0b"][..], false),
        (&["object", "spec", "a", "b"], true),
        (&["object", "spec", "a\0b"], false),
        (&["object", "spec"], true),
        (&["object", "spec", "b"], false),
        (&[], true),
    ] {
        assert_eq!(program.looks_at(part), expected, "{part:?}");
        assert_eq!(program.looks_at(part), expected, "{part:?}, again");
    }
}

#[test]
fn programs_say_whether_they_read_the_inventory() {
    assert!(v0("violation[{\"msg\": \"m\"}] { data.inventory.cluster }").unwrap().referential());
    assert!(!v0("violation[{\"msg\": \"m\"}] { input.review }").unwrap().referential());
}

#[test]
fn values_that_differ_are_a_conflict() {
    let body = "violation[{\"msg\": \"m\"}] { x == 1 }\nx = 1 { input.review.a }\nx = 2 { input.review.b }";
    let outcome = run_with(&v0(body).unwrap(), r#"{"a": true, "b": true}"#, "{}", Duration::from_secs(5));
    // The index of OPA finds the second one first.
    let text = "template:3: eval_conflict_error: complete rules must not produce multiple outputs";
    assert_eq!(outcome, Err(EvaluationError::Program(text.to_owned())));
    assert_eq!(run(body, r#"{"a": true}"#, "{}"), ["m"]);
}

#[test]
fn built_in_errors_are_undefined() {
    assert_eq!(run("violation[{\"msg\": \"m\"}] { to_number(\"abc\") }", "{}", "{}"), [""; 0]);
    assert_eq!(run("violation[{\"msg\": \"m\"}] { not to_number(\"abc\") }", "{}", "{}"), ["m"]);
    assert_eq!(run("violation[{\"msg\": \"m\"}] { print(\"x\") }", "{}", "{}"), ["m"]);
}

#[test]
fn budgets_end_an_evaluation() {
    let range = "numbers.range(1, 3000)";
    let body = format!("violation[{{\"msg\": \"m\"}}] {{ count([1 | {range}[_] > {range}[_]]) < 0 }}");
    for (expected, time) in [
        (ExhaustedBudget::Instructions(1_000_000), Duration::from_secs(20)),
        (ExhaustedBudget::Time(Duration::from_millis(1)), Duration::from_millis(1)),
    ] {
        let program = v0(&body).unwrap();
        assert_eq!(run_with(&program, "{}", "{}", time), Err(EvaluationError::Budget(expected)));
    }
}

#[test]
fn undefined_is_no_answer() {
    // (body of a rule, whether OPA 1.17 makes it true) on an object without `missing`.
    let bodies = [
        ("l := o.missing", false),
        ("l := o.missing; not l == \"none\"", false),
        ("l := o.missing; takes_anything(l)", false),
        ("l := o.missing; one(l) == 1", false),
        ("l := o.missing; not l in [1, 2]", false),
        ("l := o.missing; count([x | x := l[_]]) == 0", false),
        ("l := o.missing; m := one(l)", false),
        ("l := missing_of(o)", false),
        ("l := o.missing; m := l; startswith(m, \"x\")", false),
        ("[a, b] := o.missing", false),
        ("l := o.name", true),
        ("l := o.no; not l", true),
        ("l := o.nothing; not l == 1", true),
        ("not_limited(o)", false),
        ("count([x | x := o.missing]) == 0", true),
        ("xs := [x | x := o.missing]; count(xs) > 0", false),
        ("xs := {\"a\": v | v := o.missing}; count(xs) > 0", false),
        ("xs := [x | x := o.name; x == \"other\"]; count(xs) > 0", false),
        ("xs := {x | x := o.name; x == \"other\"}; count(xs) > 0", false),
        ("xs := [x | x := o.name; x == \"p\"]; count(xs) > 0", true),
        ("xs := [1 | o.name == \"other\"]; count(xs) > 0", false),
        ("xs := [1 | o.missing]; o.name == \"other\"", false),
        ("every x in o.list { count([y | y := x.a; y == 2]) == 0 }; o.name == \"other\"", false),
        ("not none_of(o)", true),
    ];
    let functions = "takes_anything(_) { true }\none(_) = 1 { true }\nmissing_of(p) = x { x := p.missing }\n\
        not_limited(p) { l := p.missing; not l == 1 }\nnone_of(p) { xs := [1 | p.name == \"other\"]; count(xs) > 0 }\n";
    let review = r#"{"object": {"name": "p", "no": false, "nothing": null, "list": [{"a": 1}]}}"#;
    for (body, fires) in bodies {
        let rule = format!("violation[{{\"msg\": \"m\"}}] {{ o := input.review.object; {body} }}");
        let text = format!("import future.keywords.in\nimport future.keywords.every\n{rule}\n{functions}");
        assert_eq!(!run(&text, review, "{}").is_empty(), fires, "{body}");
    }
}

#[test]
fn rules_that_depend_on_themselves_are_refused() {
    for body in [
        "violation[{\"msg\": \"m\"}] { r0 }\nr0 { r1 }\nr1 { r0 }",
        "violation[{\"msg\": \"m\"}] { f(1) }\nf(x) { r1 }\nr1 { f(1) }",
        "violation[{\"msg\": \"m\"}] { p[1] }\np[x] { q[x] }\nq[x] { p[x] }",
        "violation[{\"msg\": \"m\"}] { violation[{\"msg\": \"n\"}] }",
        "violation[{\"msg\": \"m\"}] { f(1) }\nf(x) { f(x) }",
    ] {
        let text = refusal(v0(body));
        assert!(text.contains("rego_recursion_error"), "{body}: {text}");
    }
}

#[test]
fn chains_of_words_that_are_operators_are_located_errors() {
    let chain = " in [1]".repeat(30_000);
    let body = format!("import future.keywords.in\nviolation[{{\"msg\": \"m\"}}] {{ x := 1{chain} }}");
    assert!(refusal(v0(&body)).contains("nested more than"));
}

/// Answers of Gatekeeper 3.23.1, as the rest of `tests/data/golden/rows/lookup.yaml`.
#[test]
fn definitions_are_looked_up_before_they_are_asked() {
    const FAILS: &str = "f(x) = 1 { x == 1 }\nf(x) = 2 { x < 2 }\n";
    let asks = |rules: &str| {
        let program = v0(&format!("{FAILS}{rules}")).unwrap();
        run_with(&program, r#"{"object": {"kind": "Pod", "list": ["a"]}}"#, "{}", Duration::from_secs(5))
    };
    for rules in [
        "violation[{\"msg\": m}] { f(1); m := input.review.object.nothing }",
        "violation[{\"msg\": \"m\"}] { f(1); input.review.object.kind == \"Other\" }",
        "violation[{\"msg\": \"m\"}] { f(1); input.review.object.list[_] == \"b\" }",
        "g(x) { f(1); x == \"a\" }\nviolation[{\"msg\": \"m\"}] { g(\"b\") }",
    ] {
        assert_eq!(asks(rules), Ok(Vec::new()), "{rules}");
    }
    for rules in [
        "violation[{\"msg\": \"m\"}] { f(1); not input.review.object.kind }",
        "violation[{\"msg\": \"m\"}] { f(1); one := input.review.object.list[_]; one == \"b\" }",
        "violation[{\"msg\": \"m\"}] { f(1); input.review.object.list == \"a\" }",
    ] {
        assert!(matches!(asks(rules), Err(EvaluationError::Program(_))), "{rules}");
    }
    assert_eq!(asks("b { true }\nb { f(1) }\nviolation[{\"msg\": \"m\"}] { b }"), Ok(vec!["m".to_owned()]));
}

#[test]
fn what_comes_after_a_value_fails_before_its_conflict() {
    let rego = "f(x) = 1 { x == 1 }\nf(x) = 2 { x < 2 }\ng(x) = 1 { x == 1 }\ng(x) = 2 { x < 2 }\n\
                violation[{\"msg\": \"m\"}] { f(1); g(1) }";
    let found = run_with(&v0(rego).unwrap(), "{}", "{}", Duration::from_secs(5));
    // What is found by an argument is asked after what is not.
    let text = "template:4: eval_conflict_error: functions must not produce multiple outputs for same inputs";
    assert_eq!(found, Err(EvaluationError::Program(text.to_owned())));
}
