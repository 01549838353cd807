#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::sync::Arc;

use prost::Message;
use serde_json::{Value as Json, json};

mod explain;
mod fleet;
mod scopes;
mod views;

use super::*;
use crate::evaluate::rego::RegoDriver;
use crate::wire::batch_review_item::Result as Item;

fn engine() -> Engine {
    let inventories = Inventories::default();
    Engine {
        policies: Policies::new(Arc::new(RegoDriver::default())).telling(inventories.demands()),
        inventories,
        compatibility: Compatibility::default(),
        cross_check: CrossCheck::default(),
        pool: Pool::new(2),
        limits: Limits {
            constraint_instructions: Limits::DEFAULT_INSTRUCTIONS,
            constraint_time: Duration::from_secs(5),
            review_time: Duration::from_secs(20),
        },
    }
}

fn template(kind: &str, rego: &str) -> Json {
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1beta1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()},
        "spec": {
            "crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": format!("package p\n{rego}")}],
        },
    })
}

fn constraint(kind: &str, name: &str, spec: Json) -> Json {
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    })
}

#[track_caller]
fn apply(engine: &Engine, documents: &[Json]) {
    let texts: Vec<Vec<u8>> = documents.iter().map(|document| serde_json::to_vec(document).unwrap()).collect();
    let files: Vec<(&str, &[u8])> = texts.iter().map(|text| ("file.json", &**text)).collect();
    engine.policies.apply("test", &files, false).unwrap();
}

fn with(documents: &[Json]) -> Engine {
    let engine = engine();
    apply(&engine, documents);
    engine
}

fn pod() -> Json {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}})
}

fn admission(request: &Json) -> wire::ReviewRequest {
    let subject = Subject::AdmissionRequest(serde_json::to_vec(request).unwrap().into());
    wire::ReviewRequest { cluster: "c".to_owned(), subject: Some(subject), ..Default::default() }
}

fn create(object: &Json) -> wire::ReviewRequest {
    admission(&json!({"operation": "CREATE", "object": object}))
}

#[track_caller]
fn review(engine: &Engine, request: &wire::ReviewRequest) -> wire::ReviewResponse {
    let decision = engine.review(&request.encode_to_vec(), &Caller::default()).unwrap();
    let response = wire::ReviewResponse::decode(&*decision.response).unwrap();
    assert_eq!(response.decision_id, decision.decision_id);
    response
}

fn found(response: &wire::ReviewResponse) -> Vec<(&str, &str, &str)> {
    response.violations.iter().map(|v| (&*v.constraint_name, &*v.message, &*v.enforcement_action)).collect()
}

const DENY_ALL: &str = r#"violation[{"msg": "no"}] { true }"#;

#[test]
fn the_answer_names_what_decided() {
    let engine = with(&[template("K", DENY_ALL), constraint("K", "c", json!({}))]);
    engine.inventories.replace("c", [&br#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#[..]]).unwrap();
    let response = review(&engine, &create(&pod()));
    assert!(!response.allowed);
    assert_eq!(response.decision_id.len(), 32);
    assert!(response.decision_id.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
    assert_eq!(response.policy_generation.unwrap().number, 1);
    let revision = response.inventory_revision.unwrap();
    assert_eq!(revision.number, 1);
    assert!(revision.age.is_some());
    let other = review(&engine, &wire::ReviewRequest { cluster: "other".to_owned(), ..create(&pod()) });
    let nothing = other.inventory_revision.unwrap();
    assert_eq!((nothing.number, nothing.age), (0, None));
}

#[test]
fn actions_and_enforcement_points() {
    let scoped = json!({
        "enforcementAction": "scoped",
        "scopedEnforcementActions": [
            {"action": "warn", "enforcementPoints": [{"name": "validation.gatekeeper.sh"}]},
            {"action": "deny", "enforcementPoints": [{"name": "gator.gatekeeper.sh"}]},
        ],
    });
    let engine = with(&[
        template("K", DENY_ALL),
        constraint("K", "a-warn", json!({"enforcementAction": "warn"})),
        constraint("K", "b-dryrun", json!({"enforcementAction": "dryrun"})),
        constraint("K", "c-scoped", scoped),
    ]);
    let response = review(&engine, &create(&pod()));
    assert!(response.allowed);
    assert_eq!(
        found(&response),
        [("a-warn", "no", "warn"), ("b-dryrun", "no", "dryrun"), ("c-scoped", "no", "scoped")]
    );
    assert_eq!(response.violations[2].scoped_enforcement_actions, ["warn"]);
    let at = |point: &str| wire::ReviewRequest { enforcement_point: point.to_owned(), ..create(&pod()) };
    let response = review(&engine, &at("gator.gatekeeper.sh"));
    assert!(!response.allowed);
    assert_eq!(response.violations[2].scoped_enforcement_actions, ["deny"]);
    let response = review(&engine, &at("audit.gatekeeper.sh"));
    assert_eq!(found(&response).len(), 2);
    assert!(matches!(
        engine.review(&at("elsewhere").encode_to_vec(), &Caller::default()),
        Err(CallError::InvalidRequest { field, .. }) if field == "enforcement_point"
    ));
}

#[test]
fn details_travel_as_json() {
    let rego =
        r#"violation[{"msg": m, "details": {"big": input.parameters.n}}] { m := sprintf("%v", [input.parameters.n]) }"#;
    let engine = with(&[
        template("K", rego),
        constraint("K", "c", json!({"parameters": {"n": 12_345_678_901_234_567_u64}})),
        template("None", DENY_ALL),
        constraint("None", "c", json!({})),
    ]);
    let response = review(&engine, &create(&pod()));
    assert_eq!(&*response.violations[0].details, br#"{"big":12345678901234567}"#);
    assert_eq!(response.violations[0].message, "12345678901234567");
    assert_eq!(&*response.violations[1].details, b"{}");
}

#[test]
fn a_failing_program_is_a_violation_of_every_constraint_of_its_kind() {
    // The interpreter reports the conflict; `with` makes the program its own.
    let rego = r#"
        value = 1 { input.parameters.a >= 3 }
        value = 2 { input.parameters.a >= 2 }
        violation[{"msg": "found"}] { value > 0 with input.x as 1 }
    "#;
    let engine = with(&[
        template("K", rego),
        constraint("K", "bad", json!({"parameters": {"a": 3}, "enforcementAction": "warn"})),
        constraint("K", "ok", json!({"parameters": {"a": 2}})),
        template("Other", DENY_ALL),
        constraint("Other", "c", json!({"enforcementAction": "warn"})),
    ]);
    let response = review(&engine, &create(&pod()));
    let conflict = "template:4: eval_conflict_error: complete rules must not produce multiple outputs";
    assert_eq!(found(&response), [("bad", conflict, "warn"), ("ok", conflict, "deny"), ("c", "no", "warn")]);
    assert!(response.violations[0].details.is_empty());
}

#[test]
fn a_message_that_is_no_string_fails_the_review() {
    let engine = with(&[
        template("A", DENY_ALL),
        constraint("A", "c", json!({})),
        template("B", r#"violation[{"msg": input.parameters.m}] { true }"#),
        constraint("B", "c", json!({"parameters": {"m": 5}})),
    ]);
    let response = review(&engine, &create(&pod()));
    assert!(!response.allowed && response.violations.is_empty());
    let error = response.review_error.unwrap();
    let text = "admission.k8s.gatekeeper.sh: Rego: extracting message binding: .msg accessor error: 5 is of the type \
                json.Number, expected string\n\n";
    assert_eq!((error.code, &*error.message, error.reason()), (500, text, ErrorReason::Evaluation));
}

/// One query is asked for all Constraints of a kind, and where it fails there is no message to be wrong.
#[test]
fn an_error_of_one_constraint_goes_before_the_message_of_another() {
    let rego = "violation[{\"msg\": 5}] { f(1) }\nf(x) = 1 { true }\nf(x) = 2 { x < input.parameters.n }";
    let engine = with(&[
        template("K", rego),
        constraint("K", "a", json!({"parameters": {"n": 0}})),
        constraint("K", "b", json!({"parameters": {"n": 5}})),
    ]);
    let conflict = "template:4: eval_conflict_error: functions must not produce multiple outputs for same inputs";
    assert_eq!(found(&review(&engine, &create(&pod()))), [("a", conflict, "deny"), ("b", conflict, "deny")]);
}

#[test]
fn budgets_leave_a_constraint_unanswered() {
    let rego = r#"violation[{"msg": "m"}] { count([1 | numbers.range(1, 2000)[_] > numbers.range(1, 2000)[_]]) > 0 }"#;
    let mut engine = with(&[
        template("K", rego),
        constraint("K", "c", json!({"enforcementAction": "warn"})),
        template("Other", DENY_ALL),
        constraint("Other", "c", json!({"enforcementAction": "dryrun"})),
    ]);
    engine.limits.constraint_instructions = 1_000;
    let response = review(&engine, &create(&pod()));
    assert!(response.allowed);
    assert_eq!(response.constraint_errors[0].reason(), ErrorReason::InstructionBudget);
    assert_eq!(found(&response), [("c", "no", "dryrun")]);
    engine.limits.constraint_instructions = Limits::DEFAULT_INSTRUCTIONS;
    engine.limits.constraint_time = Duration::from_millis(5);
    apply(&engine, &[template("K", rego), constraint("K", "c", json!({}))]);
    let started = Instant::now();
    let response = review(&engine, &create(&pod()));
    assert!(!response.allowed && response.violations.is_empty());
    assert_eq!(response.constraint_errors[0].reason(), ErrorReason::TimeBudget);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn matching_decides_before_rego() {
    let engine = with(&[
        template("K", DENY_ALL),
        constraint("K", "pods", json!({"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}})),
        constraint("K", "selector", json!({"match": {"namespaceSelector": {}}})),
        constraint("K", "services", json!({"match": {"kinds": [{"kinds": ["Service"]}]}})),
    ]);
    let response = review(&engine, &create(&pod()));
    let rejected = "unable to match constraints: error matching the requested object: p :failed to run Match criteria: \
        namespace selector for namespace-scoped object but missing Namespace";
    assert_eq!(found(&response), [("pods", "no", "deny"), ("selector", rejected, "deny")]);
    let request = wire::ReviewRequest { namespace: (&br#"{"metadata":{"name":"ns"}}"#[..]).into(), ..create(&pod()) };
    assert_eq!(found(&review(&engine, &request)), [("pods", "no", "deny"), ("selector", "no", "deny")]);
    // A Namespace that is in the inventory is known too.
    let namespace = &br#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}}"#[..];
    engine.inventories.replace("c", [namespace]).unwrap();
    let in_namespace = admission(&json!({"operation": "CREATE", "namespace": "ns", "object": pod()}));
    assert_eq!(found(&review(&engine, &in_namespace)).len(), 2);
    // No object at all: a match block rejects, no match block matches.
    apply(
        &engine,
        &[
            template("K", DENY_ALL),
            constraint("K", "any", json!({})),
            constraint("K", "services", json!({"match": {"kinds": [{"kinds": ["Service"]}]}})),
        ],
    );
    let response = review(&engine, &admission(&json!({"operation": "CONNECT"})));
    let rejected = "unable to match constraints: invalid request object: neither object nor old object are defined";
    assert_eq!(found(&response), [("any", "no", "deny"), ("services", rejected, "deny")]);
}

#[test]
fn referential_programs_read_the_pinned_inventory() {
    let rego = r#"
        violation[{"msg": name}] { data.inventory.cluster["v1"].Node[name].metadata.labels.bad }
    "#;
    let engine = with(&[template("K", rego), constraint("K", "c", json!({}))]);
    assert_eq!(found(&review(&engine, &create(&pod()))), []);
    let node = &br#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"bad":"yes"}}}"#[..];
    engine.inventories.replace("c", [node]).unwrap();
    assert_eq!(found(&review(&engine, &create(&pod()))), [("c", "n1", "deny")]);
    let elsewhere = wire::ReviewRequest { cluster: "other".to_owned(), ..create(&pod()) };
    assert_eq!(found(&review(&engine, &elsewhere)), []);
    engine.inventories.replace("c", []).unwrap();
    assert_eq!(found(&review(&engine, &create(&pod()))), []);
}

#[test]
fn delete_without_an_old_object_is_an_error() {
    let engine = with(&[]);
    let response = review(&engine, &admission(&json!({"operation": "DELETE"})));
    let error = response.review_error.unwrap();
    assert_eq!((error.code, &*error.message), (500, "oldObject cannot be nil for DELETE operations"));
    assert!(!response.allowed);
}

#[test]
fn beyond_a_limit_a_request_is_refused_where_a_constraint_could_deny_it() {
    let engine = with(&[
        template("K", DENY_ALL),
        constraint("K", "deny-pods", json!({"match": {"kinds": [{"kinds": ["Pod"]}]}})),
        constraint(
            "K",
            "warn-maps",
            json!({"match": {"kinds": [{"kinds": ["ConfigMap"]}]}, "enforcementAction": "warn"}),
        ),
    ]);
    let mut large = pod();
    large["data"] = Json::String("x".repeat(MAX_OBJECT_BYTES));
    let deep = |kind: &str| {
        let nested = "[".repeat(600) + &"]".repeat(600);
        let text =
            format!(r#"{{"operation":"CREATE","object":{{"apiVersion":"v1","kind":"{kind}","data":{nested}}}}}"#);
        let subject = Subject::AdmissionRequest(text.into_bytes().into());
        wire::ReviewRequest { subject: Some(subject), ..Default::default() }
    };
    for request in [create(&large), deep("Pod"), deep("P\\u006fd")] {
        let response = review(&engine, &request);
        assert!(!response.allowed && response.violations.is_empty());
        let error = response.review_error.unwrap();
        assert_eq!((error.code, error.reason()), (413, ErrorReason::RequestTooLarge));
    }
    let response = review(&engine, &deep("ConfigMap"));
    assert!(response.allowed && response.review_error.is_none());
    assert_eq!(response.constraint_errors[0].constraint_name, "warn-maps");
    let response = review(&engine, &deep("Service"));
    assert!(response.allowed && response.constraint_errors.is_empty());
    // The limit is on the objects, not on what surrounds them.
    let mut small = json!({"operation": "CREATE", "object": pod()});
    small["options"] = Json::String("x".repeat(MAX_OBJECT_BYTES));
    assert!(review(&engine, &admission(&small)).review_error.is_none());
}

#[test]
fn the_call_itself_can_fail() {
    let engine = with(&[]);
    let call =
        |request: &wire::ReviewRequest, caller: &Caller<'_>| engine.review(&request.encode_to_vec(), caller).err();
    let certificate = Caller { cluster: Some("mine"), ..Caller::default() };
    let expected = CallError::ClusterMismatch { certificate: "mine".to_owned(), request: "c".to_owned() };
    assert_eq!(call(&create(&pod()), &certificate), Some(expected));
    assert_eq!(call(&wire::ReviewRequest { cluster: String::new(), ..create(&pod()) }, &certificate), None);
    let past = Caller { deadline: Some(Instant::now()), ..Caller::default() };
    assert_eq!(call(&create(&pod()), &past), Some(CallError::DeadlineExceeded));
    let field = |error: Option<CallError>| match error {
        Some(CallError::InvalidRequest { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(engine.review(b"\xff", &Caller::default()).err()), "request");
    assert_eq!(field(call(&wire::ReviewRequest::default(), &Caller::default())), "subject");
    assert_eq!(field(call(&admission(&json!({"uid": 1})), &Caller::default())), "admission_request.uid");
    let _held = [engine.pool.check_out(Instant::now()).unwrap(), engine.pool.check_out(Instant::now()).unwrap()];
    let soon = Caller { deadline: Some(Instant::now() + Duration::from_millis(5)), ..Caller::default() };
    assert_eq!(call(&create(&pod()), &soon), Some(CallError::DeadlineExceeded));
}

#[test]
fn a_batch_answers_each_item() {
    let engine = with(&[template("K", DENY_ALL), constraint("K", "c", json!({}))]);
    let mut requests: Vec<_> = (0..100)
        .map(|n| create(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}")}})))
        .collect();
    requests[7] = wire::ReviewRequest::default();
    let batch = wire::BatchReviewRequest { requests: requests.clone() };
    let decision = engine.batch_review(&batch.encode_to_vec(), &Caller::default()).unwrap();
    let response = wire::BatchReviewResponse::decode(&*decision.response).unwrap();
    assert_eq!((response.items.len(), decision.items.len()), (100, 99));
    for (index, item) in response.items.into_iter().enumerate() {
        match item.result.unwrap() {
            Item::Response(response) => assert_eq!(found(&response), [("c", "no", "deny")]),
            Item::Status(status) => {
                assert_eq!((index, status.code), (7, 3));
                let info = call::ErrorInfo::decode(&*status.details[0].value).unwrap();
                assert_eq!((&*info.reason, &*info.domain), ("INVALID_REQUEST", "fleetgate.dev"));
                assert_eq!(info.metadata["field"], "subject");
            }
        }
    }
    let many = wire::BatchReviewRequest { requests: vec![wire::ReviewRequest::default(); 1001] };
    let error = engine.batch_review(&many.encode_to_vec(), &Caller::default()).err();
    assert!(matches!(error, Some(CallError::TooLarge { limit: "items", .. })));
    let error = engine.batch_review(&vec![0; (8 << 20) + 1], &Caller::default()).err();
    assert!(matches!(error, Some(CallError::TooLarge { limit: "bytes", .. })));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(envelope: Vec<u8>, request: Vec<u8>, namespace: Vec<u8>, object: bool) {
        let engine = with(&[template("K", DENY_ALL), constraint("K", "c", json!({"match": {"namespaceSelector": {}}}))]);
        let _ = engine.review(&envelope, &Caller::default());
        let _ = engine.batch_review(&envelope, &Caller::default());
        let subject = if object { Subject::Object(request.into()) } else { Subject::AdmissionRequest(request.into()) };
        let request = wire::ReviewRequest { subject: Some(subject), namespace: namespace.into(), ..Default::default() };
        let _ = engine.review(&request.encode_to_vec(), &Caller::default());
    }
}

fn config(entries: Json) -> Json {
    json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config", "metadata": {"name": "config"},
        "spec": {"match": entries},
    })
}

const IGNORED: &str = "Namespace is set to be ignored by Gatekeeper config";

/// Each enforcement point has its process; gator's objects are excluded from nothing.
#[test]
fn the_config_excludes_by_process() {
    let entry = |process: &str, namespace: &str| json!({"processes": [process], "excludedNamespaces": [namespace]});
    let engine = with(&[
        template("K", DENY_ALL),
        constraint("K", "c", json!({})),
        config(json!([entry("webhook", "hooked"), entry("audit", "audited"), entry("*", "both")])),
    ]);
    let message = |namespace: &str, point: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}});
        let subject = Subject::Object(serde_json::to_vec(&object).unwrap().into());
        let enforcement_point = point.to_owned();
        let response = review(
            &engine,
            &wire::ReviewRequest {
                cluster: "c".to_owned(),
                subject: Some(subject),
                enforcement_point,
                ..Default::default()
            },
        );
        assert_eq!(response.allowed, !response.status_message.is_empty());
        assert_eq!(response.violations.is_empty(), response.allowed);
        response.status_message
    };
    for (namespace, webhook, audit) in
        [("hooked", IGNORED, ""), ("audited", "", IGNORED), ("both", IGNORED, IGNORED), ("other", "", "")]
    {
        assert_eq!(message(namespace, ""), webhook, "{namespace}");
        assert_eq!(message(namespace, "audit.gatekeeper.sh"), audit, "{namespace}");
        assert_eq!(message(namespace, "gator.gatekeeper.sh"), "", "{namespace}");
    }
}

/// `skipExcludedNamespace` of Gatekeeper's webhook: the request's namespace, the old object of a DELETE, and what cannot
/// be read is reviewed.
#[test]
fn the_webhook_excludes_by_the_request() {
    let engine = with(&[
        template("K", DENY_ALL),
        constraint("K", "c", json!({"match": {"kinds": [{"kinds": ["*"]}]}})),
        config(json!([{"processes": ["webhook"], "excludedNamespaces": ["kube-*"]}])),
    ]);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}});
    let kind = json!({"group": "", "version": "v1", "kind": "Namespace"});
    for (request, allowed) in [
        (json!({"operation": "CREATE", "namespace": "kube-a", "object": pod()}), true),
        (json!({"operation": "CREATE", "namespace": "a", "object": pod()}), false),
        (json!({"operation": "DELETE", "namespace": "kube-a", "oldObject": pod()}), true),
        (json!({"operation": "DELETE", "namespace": "kube-a"}), false),
        (json!({"operation": "CONNECT", "namespace": "kube-a", "object": null}), false),
        (json!({"operation": "CREATE", "namespace": "kube-a", "object": {"metadata": {}}}), false),
        (json!({"operation": "CREATE", "kind": kind, "object": namespace}), true),
        (json!({"operation": "CREATE", "kind": kind, "namespace": "kube-a", "object": pod()}), false),
    ] {
        assert_eq!(review(&engine, &admission(&request)).allowed, allowed, "{request}");
    }
}

#[test]
fn gatekeepers_own_objects_are_checked_first() {
    let engine = with(&[
        template("K", DENY_ALL),
        constraint("K", "c", json!({"enforcementAction": "warn"})),
        config(json!([{"processes": ["*"], "excludedNamespaces": ["*"]}])),
    ]);
    let kind = json!({"group": "constraints.gatekeeper.sh", "version": "v1beta1", "kind": "K"});
    let of = |object: &Json| json!({"operation": "CREATE", "name": "c", "kind": kind, "object": object});
    let broken = constraint("K", "c", json!({"x": 1}));
    let refused = review(&engine, &admission(&of(&broken)));
    let error = refused.review_error.unwrap();
    assert!(!refused.allowed && refused.status_message.is_empty());
    assert_eq!((error.code, error.reason()), (422, ErrorReason::ResourceRefused));
    assert_eq!(error.message, "invalid Constraint: unknown fields: [spec.x]");
    // At audit, and without a request, they are objects like others.
    let audit = wire::ReviewRequest { enforcement_point: "audit.gatekeeper.sh".to_owned(), ..admission(&of(&broken)) };
    assert_eq!(review(&engine, &audit).review_error, None);
    let subject = Some(Subject::Object(serde_json::to_vec(&broken).unwrap().into()));
    assert_eq!(review(&engine, &wire::ReviewRequest { subject, ..create(&pod()) }).review_error, None);
    // What passes is reviewed, or excluded, as any object.
    let fine = review(&engine, &admission(&of(&constraint("K", "c", json!({})))));
    assert!(fine.allowed && !fine.status_message.is_empty());
}

#[test]
fn a_deep_object_of_gatekeepers_is_refused() {
    let engine = with(&[template("K", DENY_ALL)]);
    let deep = format!("{}{}", r#"{"a":"#.repeat(300), "1") + &"}".repeat(300);
    let request = format!(
        r#"{{"operation":"CREATE","name":"c","kind":{{"group":"constraints.gatekeeper.sh","kind":"K"}},"object":
        {{"apiVersion":"constraints.gatekeeper.sh/v1beta1","kind":"K","metadata":{{"name":"c"}},"spec":{deep}}}}}"#
    );
    let subject = Some(Subject::AdmissionRequest(request.into_bytes().into()));
    let response = review(&engine, &wire::ReviewRequest { subject, ..create(&pod()) });
    assert_eq!(response.review_error.map(|error| error.code), Some(500));
}

/// What Gatekeeper's own webhook answered (`tests/oracle/record_webhook.py`): the policies, then a line per question.
const RECORDED: &str = include_str!("../../../../tests/data/gatekeeper_webhook.jsonl");

/// Questions about Gatekeeper's own objects that are refused in other words, those of Go's decoder and of apimachinery.
const IN_OTHER_WORDS: [&str; 27] = [
    "template with a bad label",
    "template with a kind that is no name",
    "template of an unknown version",
    "template whose rego is a number",
    "template whose kind is a number",
    "template whose targets are a map",
    "template whose labels are a list",
    "template without an object",
    "constraint with a bad selector",
    "constraint with a bad namespaceSelector",
    "constraint whose spec is a list",
    "constraint without an object",
    "assign of an unknown version",
    "assign without an object",
    "assign that is of another kind",
    "assign whose location is a number",
    "assign whose match is a list",
    "assign whose match has a number",
    "assign whose parameters are a list",
    "image v1",
    "set of no list",
    "expansion v1",
    "expansion whose source is a list",
    "provider v1",
    "provider whose timeout is a text",
    "provider whose timeout is a fraction",
    "provider whose CA is no certificate",
];

#[test]
fn answers_as_gatekeepers_webhook() {
    let mut lines = RECORDED.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let policies = lines.next().unwrap();
    let lists = ["templates", "constraints"].map(|name| policies[name].as_array().unwrap().clone());
    let engine = with(&[lists.concat(), vec![policies["config"].clone()]].concat());
    let (mut wrong, mut reworded, mut asked) = (Vec::new(), Vec::new(), 0);
    for row in lines.filter(|row| row["path"] == "/v1/admit") {
        let name = row["name"].as_str().unwrap();
        let request = &row["body"]["request"];
        let theirs: Json = serde_json::from_str(row["answer"].as_str().unwrap()).unwrap();
        let theirs = &theirs["response"];
        let (code, words) =
            (theirs["status"]["code"].as_i64().unwrap(), theirs["status"]["message"].as_str().unwrap_or_default());
        // The webhook knows the administrator, and an object without a kind fails elsewhere in Gatekeeper.
        if words == "Gatekeeper does not self-manage" || name == "an object without a kind" {
            continue;
        }
        asked += 1;
        let ours = review(&engine, &admission(request));
        if ours.allowed != theirs["allowed"].as_bool().unwrap() {
            wrong.push(format!("{name}: {ours:?}\n    {theirs}"));
        }
        match ours.review_error {
            Some(error) if error.reason() == ErrorReason::ResourceRefused => {
                if i64::from(error.code) != code {
                    wrong.push(format!("{name}: {error:?}\n    {theirs}"));
                } else if error.message != words {
                    reworded.push(name.to_owned());
                }
            }
            Some(error) if i64::from(error.code) == code => {}
            None if ours.status_message == words || code == 403 => {}
            _ => wrong.push(format!("{name}: {ours:?}\n    {theirs}")),
        }
    }
    assert!(wrong.is_empty() && asked > 100, "{asked} asked, wrong:\n{}", wrong.join("\n"));
    assert_eq!(reworded, IN_OTHER_WORDS);
}
