#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::*;
use crate::compatibility::Compatibility;
use crate::decide::{CallError, Caller, CrossCheck, Engine, Limits};
use crate::evaluate::Pool;
use crate::evaluate::rego::RegoDriver;
use crate::inventory::{Change, ClusterFacts, ConnectionState, Inventories, State};
use crate::policy::Policies;
use crate::wire::{self, run_audit_response::Message};

pub(super) fn engine(contexts: usize) -> Arc<Engine> {
    Arc::new(Engine {
        policies: Policies::new(Arc::new(RegoDriver::default())),
        inventories: Inventories::default(),
        compatibility: Compatibility::default(),
        cross_check: CrossCheck::default(),
        pool: Pool::new(contexts),
        limits: Limits {
            constraint_instructions: Limits::DEFAULT_INSTRUCTIONS,
            constraint_time: Duration::from_secs(5),
            review_time: Duration::from_secs(20),
        },
    })
}

pub(super) fn template(kind: &str, rego: &str) -> Json {
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1beta1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()},
        "spec": {
            "crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": format!("package p\n{rego}")}],
        },
    })
}

pub(super) fn constraint(kind: &str, name: &str, spec: Json) -> Json {
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    })
}

pub(super) fn of_kinds(group: &str, kind: &str) -> Json {
    json!([{"apiGroups": [group], "kinds": [kind]}])
}

#[track_caller]
pub(super) fn apply(engine: &Engine, documents: &[Json]) {
    let texts: Vec<Vec<u8>> = documents.iter().map(|document| serde_json::to_vec(document).unwrap()).collect();
    let files: Vec<(&str, &[u8])> = texts.iter().map(|text| ("file.json", &**text)).collect();
    engine.policies.apply("test", &files, false).unwrap();
}

#[track_caller]
pub(super) fn give(engine: &Engine, cluster: &str, objects: &[Json]) {
    let texts: Vec<Vec<u8>> = objects.iter().map(|object| serde_json::to_vec(object).unwrap()).collect();
    engine.inventories.replace(cluster, texts.iter().map(|text| &**text)).unwrap();
}

pub(super) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Json {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

pub(super) fn pod(namespace: &str, name: &str) -> Json {
    object("v1", "Pod", namespace, name)
}

/// Everything that a run says.
#[derive(Default)]
pub(super) struct Said {
    pub(super) started: Option<wire::AuditStarted>,
    pub(super) violations: Vec<wire::AuditViolation>,
    pub(super) errors: Vec<wire::AuditError>,
    pub(super) summary: Option<wire::AuditSummary>,
}

impl Said {
    /// `cluster kind namespace/name constraint: message` of each violation, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |one: &wire::AuditViolation| {
            let (object, violation) = (one.object.as_ref().unwrap(), one.violation.as_ref().unwrap());
            let kind = &object.kind.as_ref().unwrap().kind;
            format!(
                "{} {kind} {}/{} {}: {}",
                object.cluster, object.namespace, object.name, violation.constraint_name, violation.message
            )
        };
        self.violations.iter().map(line).collect()
    }

    pub(super) fn cluster(&self, name: &str) -> wire::ClusterAudit {
        let clusters = &self.summary.as_ref().unwrap().clusters;
        clusters.iter().find(|one| one.cluster == name).unwrap().clone()
    }

    /// (matched, violations, errors) by cluster and Constraint.
    pub(super) fn counts(&self) -> BTreeMap<String, (u64, u64, u64)> {
        let constraints = &self.summary.as_ref().unwrap().constraints;
        let name = |one: &wire::ConstraintAudit| format!("{} {} {}", one.cluster, one.scope, one.constraint_name);
        constraints.iter().map(|one| (name(one), (one.matched, one.violations, one.errors))).collect()
    }
}

#[track_caller]
pub(super) fn run(engine: &Arc<Engine>, request: &wire::RunAuditRequest) -> Said {
    let run = start(engine, &request.encode_to_vec(), &Caller::default()).unwrap();
    read(&run)
}

#[track_caller]
pub(super) fn read(run: &AuditRun) -> Said {
    let mut said = Said::default();
    while !run.is_finished() {
        for message in run.take(Instant::now() + Duration::from_secs(60)).unwrap() {
            assert!(said.summary.is_none(), "the summary is the last message");
            match wire::RunAuditResponse::decode(&*message).unwrap().message.unwrap() {
                Message::Started(started) => said.started = Some(started),
                Message::Progress(_) => {}
                Message::Findings(findings) => {
                    said.violations.extend(findings.violations);
                    said.errors.extend(findings.errors);
                }
                Message::Summary(summary) => said.summary = Some(summary),
            }
        }
    }
    said
}

fn scope(scope: wire::AuditScope) -> wire::RunAuditRequest {
    wire::RunAuditRequest { scope: Some(scope), ..Default::default() }
}

const NAMED: &str = r#"violation[{"msg": input.review.object.metadata.name}] { true }"#;

fn two_clusters() -> Arc<Engine> {
    let engine = engine(2);
    apply(
        &engine,
        &[
            template("K", NAMED),
            constraint("K", "pods", json!({"match": {"kinds": of_kinds("", "Pod")}})),
            constraint("K", "all", json!({"enforcementAction": "warn"})),
        ],
    );
    give(&engine, "b", &[pod("n", "y"), pod("n", "x"), pod("m", "z"), object("v1", "Namespace", "", "n")]);
    give(&engine, "a", &[pod("n", "x"), object("apps/v1", "Deployment", "n", "d")]);
    engine
}

#[test]
fn findings_come_by_cluster_kind_namespace_and_name() {
    let engine = two_clusters();
    let said = run(&engine, &wire::RunAuditRequest::default());
    assert_eq!(
        said.lines(),
        [
            "a Deployment n/d all: d",
            "a Pod n/x all: x",
            "a Pod n/x pods: x",
            "b Namespace /n all: n",
            "b Pod m/z all: z",
            "b Pod m/z pods: z",
            "b Pod n/x all: x",
            "b Pod n/x pods: x",
            "b Pod n/y all: y",
            "b Pod n/y pods: y",
        ]
    );
    let expected = [("a fleet all", 2), ("a fleet pods", 1), ("b fleet all", 4), ("b fleet pods", 3)];
    let expected = expected.map(|(name, count)| (name.to_owned(), (count, count, 0))).into();
    assert_eq!(said.counts(), expected);
    let summary = said.summary.as_ref().unwrap();
    let started = said.started.as_ref().unwrap();
    assert_eq!((summary.objects, started.objects, summary.run_id.len()), (6, 6, 32));
    assert_eq!(summary.run_id, started.run_id);
    assert!(said.cluster("a").complete && said.cluster("b").complete);
}

#[test]
fn a_scope_chooses() {
    let engine = two_clusters();
    let labels = [("env".to_owned(), "prod".to_owned())].into();
    engine.inventories.shard("a").describe(ClusterFacts { labels, aliases: vec!["eu".into()], ..Default::default() });
    let lines = |chosen: wire::AuditScope| run(&engine, &scope(chosen)).lines();
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let of = |clusters: &[&str], constraints: &[&str], namespaces: &[&str], kinds: &[&str]| wire::AuditScope {
        clusters: text(clusters),
        cluster_selector: String::new(),
        constraints: text(constraints),
        namespaces: text(namespaces),
        kinds: text(kinds),
    };
    assert_eq!(lines(of(&["eu"], &["K/pods"], &[], &[])), ["a Pod n/x pods: x"]);
    assert_eq!(lines(of(&[], &["K/pods"], &["m"], &[])), ["b Pod m/z pods: z"]);
    assert_eq!(lines(of(&[], &["K"], &[], &["namespaces"])), ["b Namespace /n all: n"]);
    assert_eq!(lines(of(&["a"], &["K/all"], &["n"], &["deployments.apps"])), ["a Deployment n/d all: d"]);
    assert_eq!(lines(of(&[], &["Other"], &[], &[])), Vec::<String>::new());
    let selected = wire::AuditScope { cluster_selector: "env=prod".into(), ..of(&[], &["K/pods"], &[], &[]) };
    assert_eq!(lines(selected), ["a Pod n/x pods: x"]);
    // What was not chosen is in no count either.
    let said = run(&engine, &scope(of(&["a"], &["K/pods"], &[], &[])));
    assert_eq!(said.counts(), [("a fleet pods".to_owned(), (1, 1, 0))].into());
    // A name of no cluster is not clean.
    let said = run(&engine, &scope(of(&["a", "nowhere"], &[], &[], &[])));
    assert!(!said.cluster("nowhere").complete);
    let wrong = scope(wire::AuditScope { cluster_selector: "a b".into(), ..Default::default() });
    let refused = start(&engine, &wrong.encode_to_vec(), &Caller::default()).unwrap_err();
    assert!(matches!(refused, CallError::InvalidRequest { field, .. } if field == "scope.cluster_selector"));
}

#[test]
fn a_caller_sees_its_own_cluster() {
    let engine = two_clusters();
    let caller = Caller { cluster: Some("a"), deadline: None };
    let said = read(&start(&engine, &[], &caller).unwrap());
    assert_eq!(said.summary.unwrap().clusters.len(), 1);
    assert!(said.violations.iter().all(|one| one.object.as_ref().unwrap().cluster == "a"));
}

#[test]
fn objects_are_reviewed_as_gatekeepers_audit_does() {
    let engine = engine(1);
    let shows = r#"violation[{"msg": msg}] {
        r := input.review
        msg := sprintf("%v|%v|%v|%v", [r.operation, r.userInfo, r.oldObject, r.namespaceObject.metadata.labels.team])
    }"#;
    let prod = json!({"matchLabels": {"team": "red"}});
    apply(
        &engine,
        &[
            template("K", shows),
            constraint("K", "original", json!({"match": {"source": "Original", "namespaceSelector": prod}})),
            constraint("K", "generated", json!({"match": {"source": "Generated"}})),
            constraint(
                "K",
                "elsewhere",
                json!({
                    "enforcementAction": "scoped",
                    "scopedEnforcementActions": [
                        {"action": "deny", "enforcementPoints": [{"name": "validation.gatekeeper.sh"}]},
                    ],
                }),
            ),
            json!({
                "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
                "metadata": {"name": "config", "namespace": "gatekeeper-system"},
                "spec": {"match": [{"processes": ["audit"], "excludedNamespaces": ["kube-*"]}]},
            }),
        ],
    );
    let mut terminating = pod("n", "going");
    terminating["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    terminating["metadata"]["uid"] = "u-1".into();
    terminating["metadata"]["ownerReferences"] =
        json!([{"kind": "Node", "name": "no"}, {"kind": "ReplicaSet", "name": "web", "controller": true}]);
    let mut namespace = object("v1", "Namespace", "", "n");
    namespace["metadata"]["labels"] = json!({"team": "red"});
    namespace["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    give(&engine, "c", &[namespace, terminating, pod("kube-system", "kept-out"), pod("unknown", "lost")]);
    let said = run(&engine, &wire::RunAuditRequest::default());
    // Namespaces are selected by their own labels, and see no Namespace of theirs.
    assert_eq!(
        said.lines(),
        [
            "c Pod n/going original: |{}|null|red",
            "c Pod unknown/lost original: unable to match constraints: error matching the requested object: lost \
             :failed to run Match criteria: namespace selector for namespace-scoped object but missing Namespace",
        ]
    );
    let object = said.violations[0].object.as_ref().unwrap();
    assert_eq!((&*object.uid, &*object.owner), ("u-1", "ReplicaSet/web"));
    assert_eq!(said.counts().keys().collect::<Vec<_>>(), ["c fleet generated", "c fleet original"]);
}

#[test]
fn what_gives_no_answer_is_an_error() {
    let engine = engine(2);
    let fails = r#"violation[{"msg": 5}] { input.review.object.metadata.name == "bad" }"#;
    apply(
        &engine,
        &[template("K", fails), constraint("K", "c", json!({})), template("L", NAMED), constraint("L", "l", json!({}))],
    );
    give(&engine, "c", &[pod("n", "bad"), pod("n", "good")]);
    let said = run(&engine, &wire::RunAuditRequest::default());
    assert_eq!(said.lines(), ["c Pod n/good l: good"]);
    assert_eq!(said.errors.len(), 1);
    let cluster = said.cluster("c");
    assert_eq!((cluster.complete, cluster.errors, &*cluster.reason), (false, 1, "1 review gave no answer"));
}

#[test]
fn what_is_not_followed_is_never_clean() {
    let engine = engine(1);
    apply(&engine, &[template("K", NAMED), constraint("K", "all", json!({}))]);
    let gvk = |group: &str, kind: &str| crate::config::GroupVersionKind {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
    };
    let list = |cluster: &str, kind: &crate::config::GroupVersionKind, objects: &[Json]| {
        let listed = objects
            .iter()
            .map(|object| Change::Listed { kind: kind.clone(), object: serde_json::to_vec(object).unwrap().into() });
        let finish =
            Change::Finish { kind: kind.clone(), resource_version: "7".to_owned(), at: std::time::SystemTime::now() };
        let changes = std::iter::once(Change::Begin { kind: kind.clone() }).chain(listed).chain([finish]);
        assert_eq!(engine.inventories.shard(cluster).write(changes).refused, []);
    };
    let state = |cluster: &str, kind: &crate::config::GroupVersionKind, state: State, reason: &str| {
        let change = Change::State { kind: kind.clone(), state, reason: reason.to_owned() };
        engine.inventories.shard(cluster).write([change]);
    };
    let (namespaces, pods, nodes) = (gvk("", "Namespace"), gvk("", "Pod"), gvk("", "Node"));
    for cluster in ["forbidden", "gone", "stale", "synced"] {
        list(cluster, &namespaces, &[object("v1", "Namespace", "", "n")]);
        list(cluster, &pods, &[pod("n", "p")]);
    }
    state("stale", &pods, State::Stale, "no answer");
    state("forbidden", &nodes, State::Pending, "forbidden");
    let gone =
        ClusterFacts { connection: ConnectionState::Disconnected, reason: "refused".into(), ..Default::default() };
    engine.inventories.shard("gone").describe(gone);
    engine.inventories.shard("new").describe(ClusterFacts::default());
    let said = run(&engine, &wire::RunAuditRequest::default());
    for (cluster, complete, reason, objects) in [
        ("forbidden", false, "/v1:Node: pending: forbidden", 2),
        ("gone", false, "refused", 2),
        ("new", false, "nothing of it was read yet", 0),
        ("stale", false, "/v1:Pod: stale: no answer", 2),
        ("synced", true, "", 2),
    ] {
        let audit = said.cluster(cluster);
        assert_eq!((audit.complete, &*audit.reason, audit.objects), (complete, reason, objects), "{cluster}");
    }
    let reasons = |cluster: &str| {
        let named = said.cluster(cluster).not_audited;
        named.into_iter().map(|one| format!("{} {}", one.kind.unwrap().kind, one.reason)).collect::<Vec<_>>()
    };
    // Secrets are named and do not make a cluster incomplete: nothing could.
    assert_eq!(reasons("synced"), ["Secret Secrets are never read"]);
    assert_eq!(reasons("stale"), ["Pod stale: no answer", "Secret Secrets are never read"]);
}

#[test]
fn a_kind_at_several_versions_is_looked_at_once() {
    let engine = engine(1);
    apply(&engine, &[template("K", NAMED), constraint("K", "all", json!({"match": {"kinds": of_kinds("*", "HPA")}}))]);
    for version in ["v1", "v2", "v2beta2"] {
        let kind = crate::config::GroupVersionKind {
            group: "autoscaling".into(),
            version: version.into(),
            kind: "HPA".into(),
        };
        let text = serde_json::to_vec(&object(&format!("autoscaling/{version}"), "HPA", "n", version)).unwrap();
        let changes = [
            Change::Begin { kind: kind.clone() },
            Change::Listed { kind: kind.clone(), object: text.into() },
            Change::Finish { kind, resource_version: "1".into(), at: std::time::SystemTime::now() },
        ];
        engine.inventories.shard("c").write(changes);
    }
    assert_eq!(run(&engine, &wire::RunAuditRequest::default()).lines(), ["c HPA n/v2 all: v2"]);
}

fn many_pods(count: usize) -> Arc<Engine> {
    let engine = engine(4);
    apply(&engine, &[template("K", NAMED), constraint("K", "all", json!({}))]);
    let pods: Vec<Json> = (0..count).map(|number| pod("n", &format!("p{number:06}"))).collect();
    give(&engine, "c", &pods);
    engine
}

#[test]
fn many_threads_keep_the_order_and_lose_nothing() {
    let engine = many_pods(3_000);
    let request = wire::RunAuditRequest { batch_size: 7, without_details: true, ..Default::default() };
    let lines = run(&engine, &request).lines();
    assert_eq!(lines.len(), 3_000);
    assert!(lines.is_sorted());
}

#[test]
fn a_run_that_nobody_reads_waits_and_ends_when_it_is_cancelled() {
    let engine = many_pods(3_000);
    let request = wire::RunAuditRequest { batch_size: 1, ..Default::default() }.encode_to_vec();
    let run = start(&engine, &request, &Caller::default()).unwrap();
    let first = run.take(Instant::now() + Duration::from_secs(60)).unwrap();
    assert!(!first.is_empty());
    run.cancel();
    run.cancel();
    assert!(run.is_finished());
    assert_eq!(run.take(Instant::now()).unwrap(), Vec::<Vec<u8>>::new());
    drop(run);
    // Its threads let go of the engine.
    let until = Instant::now() + Duration::from_secs(60);
    while Arc::strong_count(&engine) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(Arc::strong_count(&engine), 1);
}

#[test]
fn large_findings_come_in_messages_that_clients_take() {
    let engine = engine(2);
    let long = r#"violation[{"msg": msg}] { msg := input.review.object.text }"#;
    apply(&engine, &[template("K", long), constraint("K", "one", json!({})), constraint("K", "two", json!({}))]);
    let text = "x".repeat(300_000);
    let pods = (0..40).map(|number| {
        let mut pod = pod("n", &format!("p{number}"));
        pod["text"] = json!(text);
        pod
    });
    give(&engine, "c", &pods.collect::<Vec<_>>());
    let run = start(&engine, &[], &Caller::default()).unwrap();
    let (mut largest, mut violations) = (0, 0);
    while !run.is_finished() {
        for message in run.take(Instant::now() + Duration::from_secs(60)).unwrap() {
            largest = largest.max(message.len());
            if let Some(Message::Findings(found)) = wire::RunAuditResponse::decode(&*message).unwrap().message {
                violations += found.violations.len();
            }
        }
    }
    assert_eq!(violations, 80);
    assert!(largest < 2 << 20, "{largest}");
}

#[test]
fn a_cluster_that_is_lost_during_a_run_is_not_complete() {
    let engine = many_pods(3_000);
    for cluster in ["d", "e"] {
        give(&engine, cluster, &[pod("n", "p")]);
    }
    let request = wire::RunAuditRequest { batch_size: 1, ..Default::default() }.encode_to_vec();
    let run = start(&engine, &request, &Caller::default()).unwrap();
    let lost =
        ClusterFacts { connection: ConnectionState::Disconnected, reason: "refused".into(), ..Default::default() };
    engine.inventories.shard("c").describe(lost);
    engine.inventories.remove("e");
    let said = read(&run);
    assert_eq!(said.violations.len(), 3_002, "what was pinned is judged");
    for (cluster, complete, reason) in [
        ("c", false, "lost during the audit: refused"),
        ("d", true, ""),
        ("e", false, "lost during the audit: it was removed"),
    ] {
        let audit = said.cluster(cluster);
        assert_eq!((audit.complete, &*audit.reason), (complete, reason), "{cluster}");
    }
}

#[test]
fn a_deadline_ends_a_run_with_an_error() {
    let engine = many_pods(3_000);
    let passed = Caller { cluster: None, deadline: Some(Instant::now()) };
    assert_eq!(start(&engine, &[], &passed).unwrap_err(), CallError::DeadlineExceeded);
    let soon = Caller { cluster: None, deadline: Some(Instant::now() + Duration::from_millis(20)) };
    let request = wire::RunAuditRequest { batch_size: 1, ..Default::default() }.encode_to_vec();
    let run = start(&engine, &request, &soon).unwrap();
    // Nobody reads until it is over.
    std::thread::sleep(Duration::from_millis(40));
    let ended = loop {
        match run.take(Instant::now() + Duration::from_secs(60)) {
            Ok(messages) => assert!(!messages.is_empty()),
            Err(error) => break error,
        }
    };
    assert_eq!(ended, CallError::DeadlineExceeded);
    assert!(run.is_finished());
}

#[test]
fn reviews_have_every_context_during_a_run() {
    let engine = many_pods(2_000);
    let run = start(&engine, &[], &Caller::default()).unwrap();
    let leases: Vec<_> = (0..engine.pool.size()).map(|_| engine.pool.check_out(Instant::now()).unwrap()).collect();
    assert!(engine.pool.is_exhausted());
    drop(leases);
    assert_eq!(read(&run).violations.len(), 2_000);
}
