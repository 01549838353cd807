#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod fleet;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::super::tests::{apply, constraint, engine, object, of_kinds, pod, run, template};
use super::*;
use crate::decide::Caller;
use crate::inventory::{Change, ClusterFacts};
use crate::wire::violation_change::Direction;

fn gvk(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind { group: group.into(), version: "v1".into(), kind: kind.into() }
}

fn put(engine: &Engine, cluster: &str, kind: &GroupVersionKind, object: &Json) {
    let change = Change::Put { kind: kind.clone(), object: serde_json::to_vec(object).unwrap().into() };
    assert_eq!(engine.inventories.shard(cluster).write([change]).refused, []);
}

fn delete(engine: &Engine, cluster: &str, kind: &GroupVersionKind, (namespace, name): (&str, &str)) {
    engine.inventories.shard(cluster).write([Change::Delete {
        kind: kind.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        resource_version: String::new(),
    }]);
}

fn follow(engine: &Engine, cluster: &str, kinds: &[GroupVersionKind]) {
    for kind in kinds {
        let finish = Change::Finish { kind: kind.clone(), resource_version: "1".to_owned(), at: SystemTime::now() };
        engine.inventories.shard(cluster).write([Change::Begin { kind: kind.clone() }, finish]);
    }
}

/// What is known of an object: the results as text.
type Known = BTreeMap<String, Vec<String>>;

fn name(object: &wire::AuditedObject) -> String {
    let kind = &object.kind.as_ref().unwrap().kind;
    format!("{} {kind} {}/{}", object.cluster, object.namespace, object.name)
}

fn text(violation: &wire::Violation) -> String {
    let wire::Violation { scope, constraint_kind, constraint_name, enforcement_action, message, .. } = violation;
    format!("{scope} {constraint_kind}/{constraint_name} {enforcement_action} {message}")
}

/// A continuous audit, and what its changes add up to.
struct Followed {
    engine: Arc<Engine>,
    audit: ContinuousAudit,
    seen: Known,
}

impl Followed {
    fn new(engine: Arc<Engine>) -> Self {
        let settings = ContinuousSettings { volatile_every: Duration::ZERO };
        Self { audit: ContinuousAudit::new(engine.clone(), settings), engine, seen: Known::new() }
    }

    /// Steps until nothing is left to do; gives how many reviews were made.
    #[track_caller]
    fn settle(&mut self) -> u64 {
        let before = self.audit.reviews();
        loop {
            for message in self.audit.step(Instant::now()) {
                for change in wire::ViolationChanges::decode(&*message).unwrap().changes {
                    let (direction, violation) = (change.direction(), change.violation.unwrap());
                    let (object, violation) = (name(&violation.object.unwrap()), text(&violation.violation.unwrap()));
                    let known = self.seen.entry(object).or_default();
                    match direction {
                        Direction::New => known.push(violation),
                        _ => drop(known.remove(known.iter().position(|one| *one == violation).unwrap())),
                    }
                }
            }
            let state = self.audit.lock();
            let is_same = |one: &Arc<crate::inventory::Shard>| {
                state.clusters.get(one.name()).is_some_and(|known| Arc::ptr_eq(&known.snapshot, &one.snapshot()))
            };
            let generation = self.engine.policies.current();
            let clusters = self.engine.inventories.clusters();
            if state.pending.is_none()
                && state.clusters.len() == clusters.len()
                && clusters.iter().all(is_same)
                && state.generation.as_ref().is_some_and(|judged| Arc::ptr_eq(judged, &generation))
            {
                break;
            }
        }
        self.audit.reviews() - before
    }

    /// The law: what is known is what a run finds, in the same order, and the changes add up to it.
    #[track_caller]
    fn is_as_a_run(&mut self) {
        let said = run(&self.engine, &wire::RunAuditRequest::default());
        let listing = self.audit.violations(&[], &Caller::default()).unwrap();
        let (mut violations, mut errors) = (Vec::new(), Vec::new());
        while let Some(batch) = listing.take() {
            let batch = wire::AuditFindings::decode(&*batch).unwrap();
            violations.extend(batch.violations);
            errors.extend(batch.errors);
        }
        assert_eq!(violations, said.violations);
        assert_eq!(errors, said.errors);
        let mut added: Known = Known::new();
        for one in &violations {
            added.entry(name(one.object.as_ref().unwrap())).or_default().push(text(one.violation.as_ref().unwrap()));
        }
        let sorted = |known: &Known| {
            let all = known.iter().filter(|(_, violations)| !violations.is_empty());
            all.map(|(object, violations)| {
                let mut violations = violations.clone();
                violations.sort();
                (object.clone(), violations)
            })
            .collect::<Known>()
        };
        assert_eq!(sorted(&self.seen), sorted(&added));
        let summary = self.audit.summary(&[], &Caller::default()).unwrap().unwrap();
        let summary = wire::AuditSummary::decode(&*summary).unwrap();
        let expected = said.summary.unwrap();
        assert_eq!(summary.constraints, expected.constraints);
        assert_eq!((summary.clusters, summary.objects), (expected.clusters, expected.objects));
        assert_eq!(summary.policy_generation, expected.policy_generation);
    }
}

/// xorshift: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const HOSTS: &str = r#"
identical(a, b) { a.metadata.namespace == b.metadata.namespace; a.metadata.name == b.metadata.name }
violation[{"msg": msg}] {
  host := input.review.object.spec.hosts[_]
  other := data.inventory.namespace[_][version]["Ingress"][_]
  regex.match("^networking.k8s.io/.+$", version)
  other.spec.hosts[_] == host
  not identical(other, input.review.object)
  msg := sprintf("%v is taken by %v", [host, other.metadata.name])
}"#;

const TARGET: &str = r#"
violation[{"msg": "no class"}] {
  o := input.review.object
  not data.inventory.cluster["storage.k8s.io/v1"]["StorageClass"][o.spec.class]
}
violation[{"msg": "no target"}] { not input.review.object.spec.class }"#;

const CROWDED: &str = r#"violation[{"msg": msg}] {
  pods := data.inventory.namespace[input.review.object.metadata.namespace].v1.Pod
  count(pods) > input.parameters.most
  msg := sprintf("%v pods", [count(pods)])
}"#;

const TEAM: &str = r#"violation[{"msg": msg}] {
  team := input.review.namespaceObject.metadata.labels.team
  team != input.review.object.metadata.labels.team
  msg := sprintf("%v", [team])
}"#;

const FAILS: &str = r#"
f(x) = 1 { x.spec.odd }
f(x) = 2 { x.spec.odd; x.spec.odder }
violation[{"msg": msg}] { f(input.review.object) == 1; msg := input.review.object.spec.odd }"#;

const NOTED: &str = r#"violation[{"msg": "noted"}] { input.review.object.metadata.annotations.note == "bad" }"#;

const LABELLED: &str = r#"violation[{"msg": msg, "details": {"missing": missing}}] {
  missing := input.parameters.labels[_]
  not input.review.object.metadata.labels[missing]
  msg := sprintf("%v is missing", [missing])
}"#;

/// Policies that change, by their parts.
struct World {
    engine: Arc<Engine>,
    random: Random,
    most: usize,
    labels: Vec<&'static str>,
    excluded: &'static str,
    synced: Vec<&'static str>,
    left_out: Option<usize>,
    message: &'static str,
    has_own: bool,
    number: u64,
}

const CLUSTERS: [&str; 2] = ["a", "b"];
const NAMESPACES: [&str; 3] = ["m", "n", "kube-system"];

impl World {
    fn new(seed: u64) -> Self {
        let engine = engine(2);
        for cluster in CLUSTERS {
            follow(
                &engine,
                cluster,
                &[
                    gvk("", "Namespace"),
                    gvk("", "Pod"),
                    gvk("networking.k8s.io", "Ingress"),
                    gvk("storage.k8s.io", "StorageClass"),
                ],
            );
        }
        let mut world = Self {
            engine,
            random: Random(seed),
            most: 3,
            labels: vec!["app"],
            excluded: "none",
            synced: vec!["Pod", "Ingress", "StorageClass"],
            left_out: None,
            message: "",
            has_own: false,
            number: 2,
        };
        world.publish();
        world
    }

    fn publish(&mut self) {
        let parameters = |parameters: Json, kinds: Json| json!({"match": {"kinds": kinds}, "parameters": parameters});
        let with_schema = |kind: &str, rego: &str| {
            let mut template = template(kind, rego);
            template["spec"]["crd"]["spec"]["validation"] = json!({"legacySchema": true});
            template
        };
        let labelled =
            format!("{LABELLED}\nviolation[{{\"msg\": \"{}\"}}] {{ input.review.object.spec.odd }}", self.message);
        let group = |kind: &str| match kind {
            "Ingress" => "networking.k8s.io",
            "StorageClass" => "storage.k8s.io",
            _ => "",
        };
        let sync: Vec<Json> =
            self.synced.iter().map(|kind| json!({"group": group(kind), "version": "v1", "kind": kind})).collect();
        let mut only_prod =
            constraint("Labelled", "prod", parameters(json!({"labels": ["prod"]}), of_kinds("", "Pod")));
        only_prod["metadata"]["annotations"] = json!({"fleetgate.dev/clusters": "env=prod"});
        let team =
            json!({"match": {"kinds": of_kinds("*", "*"), "namespaceSelector": {"matchLabels": {"team": "red"}}}});
        let mut documents = vec![
            constraint("Hosts", "hosts", parameters(json!({}), of_kinds("networking.k8s.io", "Ingress"))),
            constraint("Target", "target", parameters(json!({}), of_kinds("", "Pod"))),
            constraint("Crowded", "crowded", parameters(json!({"most": self.most}), of_kinds("", "Pod"))),
            constraint("Team", "team", team),
            constraint("Fails", "fails", parameters(json!({}), of_kinds("", "Pod"))),
            constraint("Fails", "fails-too", parameters(json!({}), of_kinds("*", "*"))),
            constraint("Labelled", "labelled", parameters(json!({"labels": self.labels}), json!([]))),
            only_prod,
            constraint("Noted", "noted", parameters(json!({}), of_kinds("", "Pod"))),
        ];
        if let Some(at) = self.left_out {
            documents.remove(at);
        }
        documents.extend([
            with_schema("Hosts", HOSTS),
            with_schema("Target", TARGET),
            with_schema("Crowded", CROWDED),
            with_schema("Team", TEAM),
            with_schema("Fails", FAILS),
            with_schema("Noted", NOTED),
            with_schema("Labelled", &labelled),
            json!({
                "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
                "metadata": {"name": "config", "namespace": "gatekeeper-system"},
                "spec": {
                    "sync": {"syncOnly": sync},
                    "match": [
                        {"processes": ["audit"], "excludedNamespaces": [self.excluded]},
                        {"processes": ["sync"], "excludedNamespaces": ["kube-*"]},
                    ],
                },
            }),
        ]);
        apply(&self.engine, &documents);
        let own = [
            template("Own", r#"violation[{"msg": "own"}] { input.review.object.spec.odd }"#),
            constraint("Own", "own", json!({})),
        ];
        let texts: Vec<Vec<u8>> = own.iter().map(|one| serde_json::to_vec(one).unwrap()).collect();
        let given: Vec<(&str, &[u8])> = ["t", "c"].into_iter().zip(texts.iter().map(|text| &**text)).collect();
        let scope = crate::policy::Scope::Cluster("b".into());
        self.engine.policies.apply_resources(&scope, if self.has_own { &given } else { &[] }, false);
    }

    fn change(&mut self) {
        let cluster = self.random.of(&CLUSTERS);
        let namespace = self.random.of(&NAMESPACES);
        let name = self.random.of(&["p", "q", "r", "s", "t", "u"]);
        match self.random.below(40) {
            0..14 => {
                let mut pod = pod(namespace, name);
                self.fill(&mut pod);
                put(&self.engine, cluster, &gvk("", "Pod"), &pod);
            }
            14..22 => {
                let mut ingress = object("networking.k8s.io/v1", "Ingress", namespace, name);
                self.fill(&mut ingress);
                put(&self.engine, cluster, &gvk("networking.k8s.io", "Ingress"), &ingress);
            }
            22..26 => delete(&self.engine, cluster, &gvk("", "Pod"), (namespace, name)),
            26..29 => delete(&self.engine, cluster, &gvk("networking.k8s.io", "Ingress"), (namespace, name)),
            29 => {
                let class = self.random.of(&["fast", "slow"]);
                let given = object("storage.k8s.io/v1", "StorageClass", "", class);
                put(&self.engine, cluster, &gvk("storage.k8s.io", "StorageClass"), &given);
            }
            30 => delete(
                &self.engine,
                cluster,
                &gvk("storage.k8s.io", "StorageClass"),
                ("", self.random.of(&["fast", "slow"])),
            ),
            31 | 32 => {
                let mut given = object("v1", "Namespace", "", namespace);
                given["metadata"]["labels"] = json!({"team": self.random.of(&["red", "blue"])});
                given["metadata"]["annotations"] = json!({"seen": self.number});
                put(&self.engine, cluster, &gvk("", "Namespace"), &given);
            }
            33 => delete(&self.engine, cluster, &gvk("", "Namespace"), ("", namespace)),
            34 => {
                let labels = [("env".to_owned(), self.random.of(&["prod", "test"]).to_owned())].into();
                self.engine.inventories.shard(cluster).describe(ClusterFacts { labels, ..ClusterFacts::default() });
            }
            35 => follow_again(&self.engine, cluster),
            _ => {
                match self.random.below(7) {
                    0 => self.most = self.random.below(5),
                    1 => self.labels = vec!["app", "team"][self.random.below(2)..].to_vec(),
                    2 => self.excluded = self.random.of(&["none", "m", "k*"]),
                    3 => self.synced = vec!["Pod", "Ingress", "StorageClass"][self.random.below(3)..].to_vec(),
                    4 => self.left_out = Some(self.random.below(8)).filter(|_| !self.number.is_multiple_of(3)),
                    5 => self.message = self.random.of(&["", "odd", "very odd"]),
                    _ => self.has_own = !self.has_own,
                }
                self.publish();
            }
        }
    }

    fn fill(&mut self, object: &mut Json) {
        self.number += 1;
        object["metadata"]["resourceVersion"] = self.number.to_string().into();
        object["metadata"]["annotations"] = json!({"note": self.random.of(&["bad", "good"]), "seen": self.number});
        object["metadata"]["labels"] = json!({"app": "a", "team": "red"});
        object["spec"] = json!({"hosts": ["a", "g"], "class": "fast"});
        // Much of what changes is in parts that few policies read.
        if self.random.below(2) == 0 {
            return;
        }
        object["metadata"]["labels"] =
            json!({self.random.of(&["app", "x"]): "a", "team": self.random.of(&["red", "blue"])});
        object["spec"] = json!({
            "hosts": [self.random.of(&["a", "b", "c", "d", "e", "f"]), self.random.of(&["g", "h", "i", "j"])],
            "class": self.random.of(&["fast", "slow", "none"]),
        });
        match self.random.below(12) {
            0 => object["spec"]["odd"] = 5.into(),
            1 => object["spec"]["odd"] = "odd".into(),
            2 => {
                object["spec"]["odd"] = "odd".into();
                object["spec"]["odder"] = "odder".into();
            }
            3 => object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into(),
            _ => {}
        }
    }
}

/// Lists the Pods of a cluster anew; half of them are gone.
fn follow_again(engine: &Engine, cluster: &str) {
    let kind = gvk("", "Pod");
    let snapshot = engine.inventories.pin(cluster);
    let kept = snapshot.audit_objects([&kind]).map(Result::unwrap).step_by(2);
    let listed = kept.map(|object| Change::Listed { kind: kind.clone(), object: object.into() });
    let finish = Change::Finish { kind: kind.clone(), resource_version: "9".to_owned(), at: SystemTime::now() };
    let changes: Vec<Change> =
        std::iter::once(Change::Begin { kind: kind.clone() }).chain(listed).chain([finish]).collect();
    engine.inventories.shard(cluster).write(changes);
}

#[test]
fn what_is_known_is_what_a_run_finds() {
    for seed in [0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03] {
        let mut world = World::new(seed);
        let mut followed = Followed::new(world.engine.clone());
        for batch in 0..50 {
            for _ in 0..=world.random.below(20) {
                world.change();
            }
            followed.settle();
            followed.is_as_a_run();
            assert!(batch > 0 || !followed.seen.is_empty());
        }
    }
}

#[test]
fn only_what_changed_is_judged() {
    let engine = engine(2);
    let pods = gvk("", "Pod");
    follow(&engine, "c", &[gvk("", "Namespace"), pods.clone()]);
    let match_pods = json!({"match": {"kinds": of_kinds("", "Pod")}});
    let named = r#"violation[{"msg": input.review.object.metadata.name}] { true }"#;
    let documents = |spec: Json| [template("K", named), constraint("K", "c", spec)];
    apply(&engine, &documents(match_pods.clone()));
    for number in 0..100 {
        put(&engine, "c", &pods, &pod("n", &format!("p{number:03}")));
    }
    let mut followed = Followed::new(engine.clone());
    assert_eq!(followed.settle(), 100);
    // The same policies in a new generation, bookmarks, and a Namespace that nothing depends on.
    let mut same = documents(match_pods);
    same[0]["metadata"]["uid"] = "other".into();
    apply(&engine, &same);
    let observed = Change::Observed { kind: pods.clone(), resource_version: "99".into(), at: SystemTime::now() };
    engine.inventories.shard("c").write([observed]);
    put(&engine, "c", &gvk("", "Namespace"), &object("v1", "Namespace", "", "n"));
    assert_eq!(followed.settle(), 0);
    for number in 0..3 {
        let mut changed = pod("n", &format!("p{number:03}"));
        changed["metadata"]["labels"] = json!({"a": "b"});
        put(&engine, "c", &pods, &changed);
    }
    delete(&engine, "c", &pods, ("n", "p050"));
    assert_eq!(followed.settle(), 3);
    // What no policy looks at.
    for number in 10..20 {
        let mut changed = pod("n", &format!("p{number:03}"));
        changed["status"] = json!({"phase": "Running"});
        put(&engine, "c", &pods, &changed);
    }
    assert_eq!(followed.settle(), 0);
    apply(&engine, &documents(json!({"enforcementAction": "warn", "match": {"kinds": of_kinds("", "Pod")}})));
    assert_eq!(followed.settle(), 99);
    apply(&engine, &[]);
    assert_eq!(followed.settle(), 0);
    assert!(followed.seen.values().all(Vec::is_empty));
    followed.is_as_a_run();
}

#[test]
fn unique_hosts_are_checked_against_what_changed() {
    let engine = engine(2);
    let ingresses = gvk("networking.k8s.io", "Ingress");
    follow(&engine, "c", &[gvk("", "Namespace"), ingresses.clone()]);
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"sync": {"syncOnly": [{"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}]}},
    });
    let spec = json!({"match": {"kinds": of_kinds("networking.k8s.io", "Ingress")}});
    apply(&engine, &[template("Hosts", HOSTS), constraint("Hosts", "hosts", spec), config]);
    let ingress = |number: usize, host: &str| {
        let mut ingress = object("networking.k8s.io/v1", "Ingress", "n", &format!("i{number:04}"));
        ingress["spec"]["hosts"] = json!([host]);
        ingress
    };
    for number in 0..200 {
        put(&engine, "c", &ingresses, &ingress(number, &format!("h{}", number.max(2))));
    }
    let mut followed = Followed::new(engine.clone());
    followed.settle();
    followed.is_as_a_run();
    assert_eq!(followed.seen.values().map(Vec::len).sum::<usize>(), 6);
    // One of those that share leaves, another comes to share.
    put(&engine, "c", &ingresses, &ingress(1, "free"));
    put(&engine, "c", &ingresses, &ingress(7, "h150"));
    followed.settle();
    followed.is_as_a_run();
    assert_eq!(followed.seen.values().map(Vec::len).sum::<usize>(), 4);
}

#[test]
fn a_cluster_that_leaves_takes_its_violations_with_it() {
    let engine = engine(1);
    apply(&engine, &[template("K", r#"violation[{"msg": "m"}] { true }"#), constraint("K", "c", json!({}))]);
    for cluster in ["a", "b"] {
        follow(&engine, cluster, &[gvk("", "Namespace"), gvk("", "Pod")]);
        put(&engine, cluster, &gvk("", "Pod"), &pod("n", "p"));
    }
    let mut followed = Followed::new(engine.clone());
    assert!(followed.audit.summary(&[], &Caller::default()).unwrap().is_none());
    followed.settle();
    followed.is_as_a_run();
    engine.inventories.remove("a");
    followed.settle();
    followed.is_as_a_run();
    assert_eq!(followed.seen.values().map(Vec::len).sum::<usize>(), 1);
}
