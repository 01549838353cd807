//! A review in, an answer out.
//!
//! The parts of an input are the subject, the Namespace and the enforcement point. The subject is given as an
//! AdmissionRequest and as a plain object; the input as a whole is given as an encoded ReviewRequest. Laws:
//! - an answer, whatever came in, is well-formed and keeps the review's limits;
//! - the same request gets the same answer twice, unless a budget of time ran out.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fleetgate_core::decide::{Caller, Decision, Engine};
use fleetgate_core::wire::{self, ErrorReason, review_request::Subject};
use prost::Message;
use serde_json::value::RawValue;

use super::{engine, in_time, parts, repository};

static ENGINE: LazyLock<Engine> = LazyLock::new(with_policies);

const ACTIONS: [&str; 4] = ["deny", "warn", "dryrun", "scoped"];

/// Objects that some policies look for.
const INVENTORY: [&[u8]; 2] = [
    br#"{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"rules": [{"host": "shop.example.com"}, {"host": "a.example.com"}]}}"#,
    br#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"env": "prod"}}}"#,
];

/// Loads the policies. A fuzzer calls it once, before it makes copies of its process.
pub fn prepare() {
    LazyLock::force(&ENGINE);
}

/// Panics where `data` breaks a law.
pub fn run(data: &[u8]) {
    check(&ENGINE, data);
    let mut parts = parts(data);
    let subject = parts.next().unwrap_or_default();
    let namespace = parts.next().unwrap_or_default();
    let Ok(point) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    check(&ENGINE, &admission(subject, namespace, point));
    check(&ENGINE, &request(Subject::Object(subject.to_vec().into()), namespace, point));
}

/// An encoded request.
pub fn admission(subject: &[u8], namespace: &[u8], point: &str) -> Vec<u8> {
    request(Subject::AdmissionRequest(subject.to_vec().into()), namespace, point)
}

fn request(subject: Subject, namespace: &[u8], point: &str) -> Vec<u8> {
    let request = wire::ReviewRequest {
        cluster: "fuzz".to_owned(),
        subject: Some(subject),
        namespace: namespace.to_vec().into(),
        enforcement_point: point.to_owned(),
        ..Default::default()
    };
    request.encode_to_vec()
}

/// Decides twice.
pub fn check(engine: &Engine, request: &[u8]) {
    let decide = || in_time("an answer", || engine.review(request, &Caller::default()));
    match (decide(), decide()) {
        (Ok(one), Ok(other)) => {
            let answers = [&one, &other].map(answer_of);
            let is_timely = |answer: &wire::ReviewResponse| {
                answer.constraint_errors.iter().all(|error| error.reason() != ErrorReason::TimeBudget)
            };
            if answers.iter().all(is_timely) {
                let [one, other] = answers.map(without_chance);
                assert_eq!(one, other, "answered in two ways");
            }
        }
        (Err(one), Err(other)) => assert_eq!(one, other, "refused in two ways"),
        (one, other) => panic!("answered once and refused once: {:?} {:?}", one.err(), other.err()),
    }
}

/// The answer, which is well-formed.
fn answer_of(decision: &Decision) -> wire::ReviewResponse {
    let answer = wire::ReviewResponse::decode(&*decision.response).expect("the answer is encoded");
    let is_hexadecimal = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    assert!(answer.decision_id.len() == 32 && answer.decision_id.chars().all(is_hexadecimal), "{}", answer.decision_id);
    let error = answer.review_error.as_ref();
    let (violations, errors) = (&answer.violations, &answer.constraint_errors);
    assert!(error.is_none() || violations.is_empty() && errors.is_empty(), "failed, and answered too");
    assert!(error.is_none_or(|error| error.code >= 400 && !error.message.is_empty()), "{error:?}");
    let denies = |action: &str, scoped: &[String]| match action {
        "scoped" => scoped.iter().any(|action| action == "deny"),
        action => action == "deny",
    };
    let is_denied = violations.iter().any(|one| denies(&one.enforcement_action, &one.scoped_enforcement_actions))
        || errors.iter().any(|one| denies(&one.enforcement_action, &one.scoped_enforcement_actions));
    assert_eq!(answer.allowed, error.is_none() && !is_denied);
    let status = match (error, is_denied) {
        (Some(_), _) => "error",
        (None, true) => "deny",
        (None, false) => "allow",
    };
    assert_eq!(decision.admission_status, status);
    let place = |one: &wire::Violation| (one.constraint_kind.clone(), one.constraint_name.clone());
    assert!(violations.is_sorted_by_key(place), "{violations:?}");
    for violation in violations {
        assert!(ACTIONS.contains(&&*violation.enforcement_action), "{violation:?}");
        if !violation.details.is_empty() {
            assert!(serde_json::from_slice::<&RawValue>(&violation.details).is_ok(), "{violation:?}");
        }
    }
    assert!(errors.iter().all(|one| ACTIONS.contains(&&*one.enforcement_action) && !one.message.is_empty()));
    assert!(answer.policy_generation.as_ref().is_some_and(|made| made.number == decision.generation));
    answer
}

/// The answer without what differs each time.
fn without_chance(answer: wire::ReviewResponse) -> wire::ReviewResponse {
    let inventory_revision =
        answer.inventory_revision.map(|revision| wire::InventoryRevision { age: None, read_age: None, ..revision });
    wire::ReviewResponse { decision_id: String::new(), inventory_revision, ..answer }
}

/// The product's own policies and those made for fuzzing.
fn with_policies() -> Engine {
    let engine = engine();
    let mut paths = yaml_files(&repository().join("native/fuzz/policies"));
    let own = repository().join("policies");
    paths.extend(yaml_files(&own.join("constraints")));
    let policies = std::fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().path().join("template.yaml"));
    paths.extend(policies.filter(|path| path.exists()));
    paths.sort();
    let texts: Vec<_> = paths.iter().map(|path| (path.to_string_lossy(), std::fs::read(path).unwrap())).collect();
    let files: Vec<(&str, &[u8])> = texts.iter().map(|(path, text)| (&**path, &**text)).collect();
    if let Err(defects) = engine.policies.apply("fuzz", &files, false) {
        panic!("{}", defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    engine.inventories.replace("fuzz", INVENTORY).unwrap();
    engine
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}
