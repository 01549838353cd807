//! Workload W in process, on one core: decisions from bytes to bytes, against floors of the same run.
//!
//! Prints one JSON document. `FLEETGATE_WORKLOADS` names the directory that holds `w/policies.yaml` (30 templates with one
//! Constraint each) and `w/objects.yaml` (88 Pods). Of each pass it measures, one after the other:
//!
//! - `ours`: an encoded ReviewRequest in, an encoded ReviewResponse out;
//! - `vm`: regorus's VM alone on the same matching (Constraint, Pod) programs, as regorus compiles the template's own text,
//!   with inputs that are ready values;
//! - `json`: the AdmissionRequest's JSON to a value.
//!
//! The bar: the mean of `ours` is at most 1.2 times that of `vm` plus that of `json`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgate_core::compatibility::Compatibility;
use fleetgate_core::decide::{Caller, CrossCheck, Engine, Limits};
use fleetgate_core::evaluate::{Pool, rego::RegoDriver};
use fleetgate_core::inventory::Inventories;
use fleetgate_core::json::{self, KeyCache, Numbers};
use fleetgate_core::matching::{Source, Subject};
use fleetgate_core::policy::Policies;
use fleetgate_core::template::RegoVersion;
use fleetgate_core::{wire, yaml};
use prost::Message;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::RegoVM;
use regorus::{PolicyLengthConfig, Value};
use serde_json::{Value as Json, json};

const PASSES: usize = 60;
const WARM_UP_PASSES: usize = 3;
const BAR: f64 = 1.2;

fn main() {
    let directory =
        PathBuf::from(std::env::var_os("FLEETGATE_WORKLOADS").expect("FLEETGATE_WORKLOADS is not set")).join("w");
    let (engine, refused) = load(&documents(&directory.join("policies.yaml")));
    let requests: Vec<Json> =
        documents(&directory.join("objects.yaml")).iter().enumerate().map(admission_request).collect();
    let texts: Vec<Vec<u8>> = requests.iter().map(|request| serde_json::to_vec(request).unwrap()).collect();
    let envelopes: Vec<Vec<u8>> = texts.iter().map(|text| envelope(text)).collect();
    let mut floor = Floor::new(&engine, &texts);

    let mut violations = 0;
    for envelope in &envelopes {
        let decision = engine.review(envelope, &Caller::default()).unwrap();
        let response = wire::ReviewResponse::decode(&*decision.response).unwrap();
        assert!(response.constraint_errors.is_empty() && response.review_error.is_none(), "{response:?}");
        violations += response.violations.len();
    }

    let [mut ours, mut vm, mut reading] = [const { Vec::new() }; 3];
    let mut keys = KeyCache::default();
    for pass in 0..WARM_UP_PASSES + PASSES {
        let mut passes = [Vec::new(), Vec::new(), Vec::new()];
        for envelope in &envelopes {
            passes[0].push(timed(|| engine.review(envelope, &Caller::default()).unwrap()));
        }
        for pod in 0..envelopes.len() {
            passes[1].push(timed(|| floor.review(pod)));
        }
        for text in &texts {
            passes[2].push(timed(|| json::parse(text, &mut keys, Numbers::Doubles).unwrap()));
        }
        if pass >= WARM_UP_PASSES {
            let [a, b, c] = passes;
            ours.extend(a);
            vm.extend(b);
            reading.extend(c);
        }
    }
    let (ours, vm, reading) = (Figures::of(ours), Figures::of(vm), Figures::of(reading));
    let allowed = BAR * vm.mean + reading.mean;
    let report = json!({
        "workload": "w",
        "pods": texts.len(),
        "templates": engine.policies.current().fleet().templates().len(),
        "refused": refused,
        "programsPerPass": floor.programs(),
        "violationsPerPass": violations,
        "violationsPerPassOfVmAlone": floor.violations,
        "ours": ours.json(),
        "vm": vm.json(),
        "json": reading.json(),
        "ratio": ours.mean / vm.mean,
        "barMs": allowed,
        "barKept": ours.mean <= allowed,
    });
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    let made = work();
    let took = started.elapsed();
    drop(made);
    took
}

/// Milliseconds per review.
struct Figures {
    mean: f64,
    p50: f64,
    p99: f64,
}

impl Figures {
    fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort();
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let at = |share: f64| ms(samples[((samples.len() - 1) as f64 * share) as usize]);
        Self { mean: ms(samples.iter().sum()) / samples.len() as f64, p50: at(0.5), p99: at(0.99) }
    }

    fn json(&self) -> Json {
        json!({"meanMs": self.mean, "p50Ms": self.p50, "p99Ms": self.p99, "reviewsPerSecond": 1e3 / self.mean})
    }
}

fn documents(path: &std::path::Path) -> Vec<Json> {
    let reading = yaml::read(&path.to_string_lossy(), &std::fs::read(path).unwrap());
    assert!(reading.diagnostics.is_empty(), "{:?}", reading.diagnostics);
    reading.documents.into_iter().map(|document| document.value).collect()
}

/// An engine with one bundle per template, those left out that the peer cannot compile: both do the same work.
fn load(documents: &[Json]) -> (Engine, Vec<String>) {
    let engine = Engine {
        policies: Policies::new(Arc::new(RegoDriver::default())),
        inventories: Inventories::default(),
        pool: Pool::new(1),
        limits: Limits {
            constraint_instructions: Limits::DEFAULT_INSTRUCTIONS,
            constraint_time: Duration::from_millis(100),
            review_time: Duration::from_secs(1),
        },
        compatibility: Compatibility::default(),
        cross_check: CrossCheck::default(),
    };
    let mut refused = Vec::new();
    for template in documents.iter().filter(|document| document["kind"] == "ConstraintTemplate") {
        let kind = &template["spec"]["crd"]["spec"]["names"]["kind"];
        if !peer_reads(template) {
            refused.push(format!("{kind}: regorus cannot compile it"));
            continue;
        }
        let of_kind = documents.iter().filter(|document| document["kind"] == *kind);
        let texts: Vec<_> =
            std::iter::once(template).chain(of_kind).map(|one| serde_json::to_vec(one).unwrap()).collect();
        let files: Vec<(&str, &[u8])> = texts.iter().map(|text| ("policies.json", &**text)).collect();
        if let Err(defects) = engine.policies.apply(kind.as_str().unwrap(), &files, false) {
            refused.extend(defects.iter().map(|defect| format!("{kind}: {}", defect.message)));
        }
    }
    (engine, refused)
}

fn admission_request((number, pod): (usize, &Json)) -> Json {
    json!({
        "uid": format!("00000000-0000-4000-8000-{number:012}"),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "name": pod["metadata"]["name"],
        "operation": "CREATE",
        "userInfo": {"username": "bench", "groups": ["system:authenticated"]},
        "object": pod,
        "oldObject": null,
        "dryRun": false,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    })
}

fn envelope(text: &[u8]) -> Vec<u8> {
    let subject = wire::review_request::Subject::AdmissionRequest(text.to_vec().into());
    wire::ReviewRequest { cluster: "bench".to_owned(), subject: Some(subject), ..Default::default() }.encode_to_vec()
}

/// regorus's VM alone.
struct Floor {
    vms: Vec<RegoVM>,
    /// Per Pod: the VM and the input of each Constraint that matches.
    inputs: Vec<Vec<(usize, Value)>>,
    violations: usize,
}

impl Floor {
    fn new(engine: &Engine, texts: &[Vec<u8>]) -> Self {
        let generation = engine.policies.current();
        let set = generation.fleet();
        let vms = set.templates().iter().map(|published| compile(&published.template)).collect::<Vec<_>>();
        let mut inputs = Vec::new();
        for text in texts {
            let mut review = Value::from_json_str(std::str::from_utf8(text).unwrap()).unwrap();
            review.as_object_mut().unwrap().insert(Value::from("namespaceObject"), Value::new_object());
            let ours = json::parse(text, &mut KeyCache::default(), Numbers::Doubles).unwrap();
            let nothing = fleetgate_value::Value::Null;
            let subject = Subject::new(ours.field("object").unwrap(), &nothing, None, Source::Original);
            let matches = |constraint: &&fleetgate_core::policy::PublishedConstraint| {
                constraint.constraint.matcher.as_ref().is_none_or(|matcher| matcher.matches(&subject) == Ok(true))
            };
            let input = |constraint: &fleetgate_core::policy::PublishedConstraint| {
                let parameters = Value::from_json_str(&constraint.constraint.parameters.to_string()).unwrap();
                let fields = [(Value::from("parameters"), parameters), (Value::from("review"), review.clone())];
                (constraint.template, Value::from(std::collections::BTreeMap::from(fields)))
            };
            inputs.push(set.constraints().iter().filter(matches).map(input).collect());
        }
        let mut floor = Self { vms, inputs, violations: 0 };
        floor.violations = (0..texts.len()).map(|pod| floor.review(pod)).sum();
        floor
    }

    fn programs(&self) -> usize {
        self.inputs.iter().map(Vec::len).sum()
    }

    fn review(&mut self, pod: usize) -> usize {
        let mut violations = 0;
        for (vm, input) in &self.inputs[pod] {
            let vm = &mut self.vms[*vm];
            vm.set_input(input.clone());
            violations += vm.execute_entry_point_by_index(0).unwrap().as_set().map_or(0, |set| set.len());
        }
        violations
    }
}

/// Whether regorus compiles the template's text as it stands.
fn peer_reads(template: &Json) -> bool {
    let target = &template["spec"]["targets"][0];
    let code = target["code"].as_array().into_iter().flatten();
    let source = code.map(|one| &one["source"]).find(|source| source["rego"].is_string());
    let source = source.unwrap_or(target);
    let texts = std::iter::once(&source["rego"]).chain(source["libs"].as_array().into_iter().flatten());
    let mut engine = regorus::Engine::new();
    engine.set_rego_v0(source["version"] != "v1");
    engine
        .set_policy_length_config(PolicyLengthConfig { max_col: 1_000_000.try_into().unwrap(), ..Default::default() });
    texts.enumerate().all(|(number, text)| {
        engine.add_policy(format!("module{number}"), text.as_str().unwrap_or_default().to_owned()).is_ok()
    })
}

fn compile(template: &fleetgate_core::template::Template) -> RegoVM {
    let mut engine = regorus::Engine::new();
    engine.set_rego_v0(template.version == RegoVersion::V0);
    engine
        .set_policy_length_config(PolicyLengthConfig { max_col: 1_000_000.try_into().unwrap(), ..Default::default() });
    let package = engine.add_policy("template".to_owned(), template.module.text.to_string()).unwrap();
    for (index, lib) in template.libs.iter().enumerate() {
        engine.add_policy(format!("lib{index}"), lib.text.to_string()).unwrap();
    }
    let entry: Arc<str> = format!("{package}.violation").into();
    let policy = engine.compile_with_entrypoint(&entry).unwrap();
    let program = Compiler::compile_from_policy(&policy, &[&entry]).unwrap();
    let mut vm = RegoVM::new();
    vm.set_max_instructions(usize::MAX);
    vm.load_program(program);
    vm
}
