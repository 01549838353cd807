//! Both engines on real templates and objects that were changed at random: where the second is asked, they agree.
//!
//! The product's own `policies/` are always there; `FLEETGATE_CONFORMANCE` names gatekeeper-library's, and where it is
//! absent the test says so and passes, unless `FLEETGATE_CONFORMANCE_REQUIRED` is 1.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgate_core::compatibility::{LibRewrite, NonstringMsg};
use fleetgate_core::evaluate::rego::RegoDriver;
use fleetgate_core::evaluate::regorus::{CrossCheckedDriver, SecondProgram};
use fleetgate_core::evaluate::{Budget, Evaluation, EvaluationError, Violation};
use fleetgate_core::inventory::{Inventories, Shown, Snapshot};
use fleetgate_core::policy::{Policies, PolicySet};
use fleetgate_core::{json, yaml};
use serde_json::{Value as Json, json};

/// Changed objects for each pair of Constraint and sample.
const CHANGES: usize = 40;

/// A small generator of pseudo-random numbers (xorshift): a failure is the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// Removes, replaces or repeats something anywhere in `value`.
fn change(value: &mut Json, random: &mut Random) {
    let replacements = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(65536),
        json!(""),
        json!("a"),
        json!("100m"),
        json!("2Gi"),
        json!("*"),
        json!([]),
        json!({}),
        json!(["a", 1]),
        json!({"name": "a", "image": "nginx"}),
    ];
    let inside = random.below(4) > 0;
    match value {
        Json::Object(fields) if inside && !fields.is_empty() => {
            let key = fields.keys().nth(random.below(fields.len())).unwrap().clone();
            match random.below(6) {
                0 => drop(fields.remove(&key)),
                _ => change(&mut fields[&key], random),
            }
        }
        Json::Array(items) if inside && !items.is_empty() => {
            let index = random.below(items.len());
            match random.below(6) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                _ => change(&mut items[index], random),
            }
        }
        other => *other = replacements[random.below(replacements.len())].clone(),
    }
}

/// All files below a folder, sorted.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.into_iter().flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

fn documents(path: &Path) -> Vec<Json> {
    let reading = yaml::read(&path.to_string_lossy(), &std::fs::read(path).unwrap());
    reading.documents.into_iter().map(|document| document.value).collect()
}

fn group(document: &Json) -> &str {
    document["apiVersion"].as_str().unwrap_or_default().split('/').next().unwrap_or_default()
}

/// One template, its Constraints and the objects of its samples.
struct Case {
    set: Arc<PolicySet>,
    objects: Vec<Json>,
}

/// Cases of one template, from documents around it.
fn cases_of(template: &Json, around: &[Json], objects: &[Json]) -> Vec<Case> {
    let kind = &template["spec"]["crd"]["spec"]["names"]["kind"];
    let mut found = Vec::new();
    for constraint in around.iter().filter(|one| group(one) == "constraints.gatekeeper.sh" && one["kind"] == *kind) {
        let policies = Policies::new(Arc::new(CrossCheckedDriver(RegoDriver::default())));
        let texts = [template, constraint].map(|document| serde_json::to_vec(document).unwrap());
        // Some samples are Constraints that must be refused.
        if let Ok(applied) =
            policies.apply("case", &[("template.json", &texts[0]), ("constraint.json", &texts[1])], false)
        {
            found.push(Case { set: applied.generation.fleet().clone(), objects: objects.to_vec() });
        }
    }
    found
}

/// The objects among documents, out of their AdmissionReviews where they are in some.
fn objects(documents: &[Json]) -> Vec<Json> {
    let inner =
        |one: &Json| if one["kind"] == "AdmissionReview" { one["request"]["object"].clone() } else { one.clone() };
    let plain = documents.iter().filter(|one| !group(one).ends_with("gatekeeper.sh")).map(inner);
    plain.filter(Json::is_object).collect()
}

/// The cases of a library: each folder has a template and its samples.
fn library(folder: &Path) -> Vec<Case> {
    let templates = walk(folder).into_iter().filter(|path| path.ends_with("template.yaml"));
    let of_template = |path: PathBuf| {
        let around: Vec<Json> = walk(path.parent().unwrap()).iter().flat_map(|path| documents(path)).collect();
        documents(&path).iter().flat_map(|template| cases_of(template, &around, &objects(&around))).collect::<Vec<_>>()
    };
    templates.flat_map(of_template).collect()
}

fn review(object: &Json, random: &mut Random) -> Json {
    let (group, version) = object["apiVersion"].as_str().unwrap_or("v1").rsplit_once('/').unwrap_or(("", "v1"));
    let operation = ["CREATE", "UPDATE"][random.below(2)];
    json!({
        "uid": "1", "operation": operation, "name": object["metadata"]["name"],
        "namespace": object["metadata"]["namespace"],
        "kind": {"group": group, "version": version, "kind": object["kind"]},
        "userInfo": {"username": "someone", "groups": ["system:authenticated"]},
        "object": object, "oldObject": if operation == "UPDATE" { object.clone() } else { Json::Null },
    })
}

type Outcome = Result<Vec<Violation>, EvaluationError>;

fn same(ours: &Outcome, theirs: &Outcome) -> bool {
    let sorted = |violations: &[Violation]| {
        let mut texts: Vec<_> = violations.iter().map(|one| (one.message.clone(), one.details.clone())).collect();
        texts.sort();
        texts
    };
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => sorted(ours) == sorted(theirs),
        (Err(ours), Err(theirs)) => std::mem::discriminant(ours) == std::mem::discriminant(theirs),
        _ => false,
    }
}

#[derive(Debug, Default)]
struct Comparison {
    evaluations: usize,
    compared: usize,
    with_violations: usize,
    failed: usize,
    differences: Vec<String>,
}

/// Why a template may be left to the first engine alone.
const NOT_COMPARED: [&str; 2] = ["it reads data.fleet", "it prints numbers of the storage otherwise than others"];

/// Runs both engines on all of it.
fn compare(cases: &[Case], snapshot: &Snapshot) -> Comparison {
    let mut comparison = Comparison::default();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for case in cases {
        let published = &case.set.templates()[0];
        let kind = &published.template.kind;
        let Some(second) = published.program.second() else {
            let reason =
                SecondProgram::compile(&published.template, published.program.referential(), LibRewrite::Shallow)
                    .unwrap_err();
            if !NOT_COMPARED.iter().any(|known| reason.contains(known)) {
                comparison.differences.push(format!("{kind} is not cross-checked: {reason}"));
            }
            continue;
        };
        let (synced, excluder) = (case.set.synced(), case.set.excluder());
        let shown = Shown { generation: case.set.id(), synced, excluder };
        let data = snapshot.data(published.program.reads(), &shown).unwrap();
        let (mut first, mut second) = (published.program.instance(), second.instance());
        for object in &case.objects {
            for round in 0..=CHANGES {
                let mut object = object.clone();
                let mut parameters = case.set.constraints()[0].constraint.parameters.clone();
                for _ in 0..round.min(3) {
                    change(&mut object, &mut random);
                }
                if round % 4 == 3 {
                    change(&mut parameters, &mut random);
                }
                let review = json::from_serde(&review(&object, &mut random));
                let budget = Budget {
                    instructions: usize::MAX,
                    time: Duration::from_secs(20),
                    deadline: Instant::now() + Duration::from_secs(60),
                };
                let values = json::from_serde(&parameters);
                let nonstring_msg = NonstringMsg::default();
                let evaluation = Evaluation {
                    review: &review,
                    parameters: &values,
                    cluster: None,
                    data: &data,
                    budget,
                    nonstring_msg,
                };
                let ours = first.evaluate(&evaluation);
                comparison.evaluations += 1;
                let Some(theirs) = second.evaluate(&evaluation) else { continue };
                comparison.compared += 1;
                comparison.with_violations += usize::from(ours.as_ref().is_ok_and(|found| !found.is_empty()));
                comparison.failed += usize::from(ours.is_err());
                if !same(&ours, &theirs) {
                    let given = format!("{kind}: {object}\n  {parameters}");
                    comparison.differences.push(format!("{given}\n  ours {ours:?}\n  regorus {theirs:?}"));
                }
            }
        }
    }
    comparison
}

fn check(cases: &[Case], at_least: usize) {
    let objects = cases.iter().flat_map(|case| &case.objects);
    let objects: Vec<Vec<u8>> = objects.map(|object| serde_json::to_vec(object).unwrap()).collect();
    let inventories = Inventories::default();
    // What has no name cannot be cached.
    let named = objects.iter().filter(|object| inventories.replace("probe", [&***object]).is_ok());
    inventories.replace("c", named.map(|object| &**object)).unwrap();
    let Comparison { evaluations, compared, with_violations, failed, differences } =
        compare(cases, &inventories.pin("c"));
    println!(
        "{} pairs, {evaluations} evaluations, {compared} compared, {with_violations} with violations, {failed} failed, {} differ",
        cases.len(),
        differences.len()
    );
    differences.iter().take(20).for_each(|difference| println!("{difference}"));
    assert!(differences.is_empty(), "{} of {compared}", differences.len());
    assert!(compared >= at_least && with_violations > compared / 10, "{compared}, {with_violations}");
    assert!(compared > evaluations / 10 * 9, "{compared} of {evaluations}");
}

fn beside(path: &str) -> PathBuf {
    Path::new("../..").join(path)
}

#[test]
fn the_engines_agree_on_our_policies() {
    check(&library(&beside("policies")), 1_000);
}

/// Templates that were written to find differences between engines.
#[test]
fn the_engines_agree_on_difficult_templates() {
    let samples: Vec<Json> = walk(&beside("policies")).iter().flat_map(|path| documents(path)).collect();
    let objects = objects(&samples);
    let of_file = |path: &PathBuf| {
        let documents = documents(path);
        let templates = documents.iter().filter(|one| one["kind"] == "ConstraintTemplate");
        templates.flat_map(|template| cases_of(template, &documents, &objects)).collect::<Vec<_>>()
    };
    let cases: Vec<Case> = walk(&beside("tests/differential/templates")).iter().flat_map(of_file).collect();
    check(&cases, 1_000);
}

#[test]
fn the_engines_agree_on_the_library() {
    let data = std::env::var_os("FLEETGATE_CONFORMANCE").map_or_else(|| beside("../shared/conformance"), PathBuf::from);
    let data = data.join("gatekeeper-library");
    if data.is_dir() {
        check(&library(&data), 5_000);
        return;
    }
    let required = std::env::var("FLEETGATE_CONFORMANCE_REQUIRED").is_ok_and(|value| value == "1");
    assert!(!required, "conformance data are required and absent: {}", data.display());
    eprintln!("SKIPPED: no conformance data at {}; set FLEETGATE_CONFORMANCE", data.display());
}
