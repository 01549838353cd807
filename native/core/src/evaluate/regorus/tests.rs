#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

//! Where the second engine agrees, where it is not asked, and that what it gets wrong is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message;

use super::super::rego::RegoDriver;
use super::super::{Budget, Driver, Evaluation, EvaluationError, Pool, Program, Violation};
use super::driver::CrossCheckedProgram;
use super::{CrossCheckedDriver, SecondProgram};
use crate::compatibility::{Compatibility, LibRewrite, NonstringMsg};
use crate::decide::{Caller, CrossCheck, Engine, Limits};
use crate::diagnostic::Diagnostic;
use crate::inventory::Inventories;
use crate::policy::Policies;
use crate::template::{RegoVersion, SourceText, Template, read_template};
use crate::wire;
use crate::yaml;

const TEMPLATE: &str = r#"{
    "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "kind"},
    "spec": {
        "crd": {"spec": {"names": {"kind": "Kind"}}},
        "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": "package p\nviolation[{\"msg\": \"m\"}] { true }"}]
    }
}"#;

fn template(body: &str, libs: &[&str]) -> Template {
    let reading = yaml::read("t.json", TEMPLATE.as_bytes());
    let template = read_template(&reading.documents[0], &"b".into()).unwrap();
    Template {
        version: RegoVersion::V0,
        module: SourceText::detached(format!("package p\nimport future.keywords\n{body}"), "t.rego"),
        libs: libs.iter().map(|lib| SourceText::detached(*lib, "lib.rego")).collect(),
        ..template
    }
}

fn second(body: &str, libs: &[&str]) -> Result<Arc<SecondProgram>, String> {
    SecondProgram::compile(&template(body, libs), true, LibRewrite::Shallow).map(Arc::new)
}

type Outcome = Result<Vec<Violation>, EvaluationError>;

fn both(body: &str, libs: &[&str], review: &str) -> (Outcome, Option<Outcome>) {
    let first =
        RegoDriver::default().compile(&template(body, libs)).unwrap_or_else(|defects| panic!("{body}: {defects:?}"));
    let second = second(body, libs).unwrap_or_else(|reason| panic!("{body}: {reason}"));
    let inventories = Inventories::default();
    inventories
        .replace("c", [br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a"}}"#.as_slice()])
        .unwrap();
    let budget = Budget {
        instructions: 1_000_000,
        time: Duration::from_secs(5),
        deadline: Instant::now() + Duration::from_secs(60),
    };
    let evaluation = Evaluation {
        review: &crate::json::of_text(review),
        parameters: &crate::json::of_text(r#"{"p": [1, 2]}"#),
        cluster: None,
        data: &crate::inventory::all_of(&inventories.pin("c")),
        budget,
        nonstring_msg: NonstringMsg::default(),
    };
    let mut instance = second.instance();
    let again = instance.evaluate(&evaluation);
    let theirs = instance.evaluate(&evaluation);
    assert_eq!(again, theirs, "{body}");
    (first.instance().evaluate(&evaluation), theirs)
}

/// A rule whose message is made of the bindings of `x`.
fn shows(body: &str) -> String {
    format!("violation[{{\"msg\": m, \"details\": {{\"x\": x}}}}] {{ {body}; m := sprintf(\"%v\", [x]) }}")
}

#[test]
fn the_engines_agree() {
    let review = r#"{"a": {"b": [1, 2, 2.5, 1000000], "c": "text", "n": null, "f": false}, "s": ["x", "y"]}"#;
    let rules = "f(x) = 1 { x > 1 }\nf(x) = 0 { x <= 1 }\ng(x) = \"big\" { x > 2 } else = \"small\" { true }\n\
        default d = 7\nd = 8 { input.review.missing }\nobj[k] = v { v := input.review.a[k] }\ns[v] { v := input.review.s[_] }\n\
        own(_) { true }\ncount_of(x) = count(x)\n";
    for body in [
        "x := input.review.a.b[_]",
        "x := input.review.a[k]; k != \"n\"",
        "some i; x := [i, input.review.a.b[i]]",
        "x := f(input.review.a.b[_])",
        "x := g(input.review.a.b[_])",
        "x := d",
        "x := obj",
        "x := s",
        "x := count_of(s)",
        "x := {v | v := input.review.a.b[_]; not v == 2}",
        "x := {k: v | v := input.review.a.b[k]; v > 1}",
        "x := [v | some v in input.review.s; own(v)]",
        "x := 1; not own(input.review.missing)",
        "x := 1; not input.review.missing",
        "x := 1; not input.review.a.f",
        "x := 1; not count(input.review.a.missing) == 0",
        "x := 1; every v in input.review.a.b { v > 0 }",
        "x := 1; every v in input.review.missing { v > 0 }",
        "[p, x] := walk_path[_]",
        "walk(input.review.a, [p, x]); x != null",
        "x := input.parameters.p[_] + 1.5",
        "x := 1 / 4 > 0.2",
        "x := {1, 2} & {2, 3}",
        "x := {1, 2} - {2}",
        "x := {1} | {2.5}",
        "x := upper(input.review.a.c)",
        "x := split(concat(\",\", input.review.s), \",\")",
        "x := to_number(input.review.s[_])",
        "x := object.get(input.review, [\"a\", \"c\"], 1)",
        "x := regex.match(\"^t\", input.review.a.c)",
        "x := contains(input.review.a.c, \"ex\")",
        "x := sort([3, 1, 2])[_]",
        "x := json.unmarshal(\"[1, 2]\")",
        "x := data.inventory.namespace.a.v1.Pod.p.metadata.name",
        "count(input.review.s, x)",
        "x := 3; x in [1, 2, 3]",
        "x := input.review.a.b with input.review.a.b as [9]",
        "x := input.review.a.b[_]; print(x)",
    ] {
        let body = body.replace("walk_path", "[[1, 2]]");
        let (ours, theirs) = both(&format!("{rules}{}", shows(&body)), &[], review);
        assert_eq!(Some(ours), theirs, "{body}");
    }
    let lib = "package lib.json\nf(x) = y { y := x + 1 }\nis_valid(x) { x == 1 }";
    let with_lib = format!("import data.lib.json\n{}", shows("x := json.f(1); json.is_valid(1)"));
    let (ours, theirs) = both(&with_lib, &[lib], "{}");
    assert_eq!(ours.as_ref().unwrap().len(), 1);
    assert_eq!(Some(ours), theirs);
}

#[test]
fn failures_agree() {
    let conflict = "violation[{\"msg\": \"m\"}] { x == 1 }\nx = 1 { input.review.a }\nx = 2 { input.review.b }";
    let (ours, theirs) = both(conflict, &[], r#"{"a": true, "b": true}"#);
    assert!(matches!((ours, theirs), (Err(EvaluationError::Program(_)), Some(Err(EvaluationError::Program(_))))));
    let function = "violation[{\"msg\": \"m\"}] { f(1) == 1 }\nf(x) = 1 { x > 0 }\nf(x) = 2 { x < 2 }";
    let (ours, theirs) = both(function, &[], "{}");
    assert!(matches!((ours, theirs), (Err(EvaluationError::Program(_)), Some(Err(EvaluationError::Program(_))))));
    let (ours, theirs) = both("violation[{\"msg\": 5}] { true }", &[], "{}");
    assert_eq!(Some(ours), theirs);
}

#[test]
fn what_says_nothing_is_not_compared() {
    for (body, reason) in [
        ("x := time.now_ns()", "time.now_ns"),
        ("x := uuid.rfc4122(\"k\")", "uuid.rfc4122"),
        ("x := rand.intn(\"k\", 5)", "rand.intn"),
        ("x := count([1]) with count as 3", "replaced"),
        ("x := 1; f(2)", "argument"),
        ("x := 1e6", "spelling"),
        ("x := [1.0]", "spelling"),
        ("x := -0.0", "spelling"),
    ] {
        let body = if reason == "argument" {
            format!("{}\nf(input.review.a[_]) {{ true }}", shows(body))
        } else {
            shows(body)
        };
        let refused = second(&body, &[]).unwrap_err();
        assert!(refused.contains(reason), "{body}: {refused}");
    }
    // Numbers of a spelling that regorus cannot keep, in the review and in an answer of a built-in.
    assert_eq!(both(&shows("x := input.review.a"), &[], r#"{"a": 1.0}"#).1, None);
    assert_eq!(both(&shows("x := 1 / 3 > 0.3"), &[], "{}").1, None);
    assert_eq!(both(&shows("x := 1 / input.review.a"), &[], r#"{"a": 3}"#).1, None);
}

#[test]
fn an_error_where_opa_has_nothing_to_say_is_not_compared() {
    for collection in ["0", "\"text\"", "null", "true"] {
        let review = format!("{{\"a\": {collection}}}");
        let (ours, theirs) = both(&shows("some x in input.review.a"), &[], &review);
        assert_eq!((ours, theirs), (Ok(Vec::new()), None), "{collection}");
    }
}

#[test]
fn an_evaluation_without_end_is_not_compared() {
    let range = "numbers.range(1, 3000)";
    let body = format!("violation[{{\"msg\": \"m\"}}] {{ count([1 | {range}[_] > {range}[_]]) < 0 }}");
    let second = second(&body, &[]).unwrap();
    let budget =
        Budget { instructions: 1, time: Duration::from_millis(20), deadline: Instant::now() + Duration::from_secs(60) };
    let nothing = crate::json::of_text("{}");
    let evaluation = Evaluation {
        review: &nothing,
        parameters: &nothing,
        cluster: None,
        data: &nothing,
        budget,
        nonstring_msg: NonstringMsg::default(),
    };
    let started = Instant::now();
    assert_eq!(second.instance().evaluate(&evaluation), None);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn deep_programs_are_compiled_or_left_out() {
    let nested = "[".repeat(200) + &"]".repeat(200);
    let body = format!("violation[{{\"msg\": \"m\"}}] {{ x := {nested} }}");
    assert!(CrossCheckedDriver(RegoDriver::default()).compile(&template(&body, &[])).is_ok());
}

/// A driver whose second programs are made of a text as it stands.
struct Unnormalised(&'static str);

impl Driver for Unnormalised {
    fn compile(&self, template: &Template) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
        let first = RegoDriver::default().compile(template)?;
        let program = SecondProgram {
            modules: vec![format!("package template\n{}", self.0)],
            builtins: std::collections::BTreeSet::new(),
            referential: false,
        };
        Ok(Arc::new(CrossCheckedProgram { first, second: Some(Arc::new(program)) }))
    }
}

fn engine(driver: Arc<dyn Driver>, share: f64) -> Engine {
    Engine {
        policies: Policies::new(driver),
        inventories: Inventories::default(),
        pool: Pool::new(1),
        limits: Limits {
            constraint_instructions: Limits::DEFAULT_INSTRUCTIONS,
            constraint_time: Duration::from_secs(5),
            review_time: Duration::from_secs(20),
        },
        compatibility: Compatibility::default(),
        cross_check: CrossCheck::of(share),
    }
}

#[test]
fn a_wrong_answer_is_told_and_changes_nothing() {
    // Undefined in OPA, because the operand is evaluated first; regorus makes it true where the text is left as it is.
    let first = r#"violation[{\"msg\": \"m\"}] { not f(input.review.object.missing) }\nf(x) { x == 1 }"#;
    let text = "violation contains {\"msg\": \"m\"} if { not f(input.review.object.missing) }\nf(x) if { x == 1 }";
    let document = TEMPLATE.replace(r#"violation[{\"msg\": \"m\"}] { true }"#, first);
    let constraint =
        r#"{"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Kind", "metadata": {"name": "c"}}"#;
    let files = [("template.json", document.as_bytes()), ("constraint.json", constraint.as_bytes())];
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}}"#;
    let subject = wire::review_request::Subject::Object(pod.as_bytes().to_vec().into());
    let request = wire::ReviewRequest { subject: Some(subject), ..Default::default() }.encode_to_vec();
    let drivers: [(Arc<dyn Driver>, f64, &[&str]); 3] = [
        (Arc::new(Unnormalised(text)), 1.0, &["Kind/c"]),
        (Arc::new(Unnormalised(text)), 0.0, &[]),
        (Arc::new(CrossCheckedDriver(RegoDriver::default())), 1.0, &[]),
    ];
    for (driver, share, expected) in drivers {
        let engine = engine(driver, share);
        engine.policies.apply("b", &files, false).unwrap();
        let decision = engine.review(&request, &Caller::default()).unwrap();
        let found: Vec<String> =
            decision.comparison.disagreements.iter().map(|one| format!("{}/{}", one.kind, one.name)).collect();
        assert_eq!(found, expected);
        assert_eq!(decision.comparison.compared, usize::from(share > 0.0));
        assert_eq!(decision.admission_status, "allow");
    }
}
