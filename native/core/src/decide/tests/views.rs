//! What a decision reads of the cache is ready before it asks, and waiting for it costs no evaluation its time.

use std::fmt::Write as _;

use super::fleet::{describe, fleet_template, in_cluster, kind, list, messages};
use super::*;
use crate::inventory::{self, Change};
use crate::policy::Scope;

/// Objects whose view takes longer to make than a review may take.
const OBJECTS: usize = 8_000;
const REVIEW_TIME: Duration = Duration::from_millis(200);

/// Looks at one Pod of the cache.
const READS: &str = r#"violation[{"msg": m}] {
  m := data.inventory.namespace["ns"].v1.Pod["p7"].metadata.name
}"#;

fn hasty() -> Engine {
    let limits = Limits { constraint_time: REVIEW_TIME, review_time: REVIEW_TIME, ..engine().limits };
    Engine { limits, ..engine() }
}

fn with_settings(settings: inventory::Settings) -> Engine {
    let inventories = Inventories::with_settings(Compatibility::default(), settings);
    let policies = Policies::new(Arc::new(RegoDriver::default())).telling(inventories.demands());
    Engine { policies, inventories, ..hasty() }
}

fn pods() -> Vec<Change> {
    let labels = (0..60).fold(String::new(), |mut text, at| {
        write!(text, r#","label-{at}":"the value of the label {at}""#).unwrap();
        text
    });
    let object = |at: usize| {
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{at}","namespace":"ns","labels":{{"a":"b"{labels}}}}}}}"#
        );
        Change::Listed { kind: kind("Pod"), object: text.into() }
    };
    let finish = Change::Finish { kind: kind("Pod"), resource_version: "7".into(), at: std::time::SystemTime::now() };
    std::iter::once(Change::Begin { kind: kind("Pod") }).chain((0..OBJECTS).map(object)).chain([finish]).collect()
}

fn policies() -> [Json; 3] {
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"sync": {"syncOnly": [{"group": "", "version": "v1", "kind": "Pod"}]}},
    });
    [config, template("K", READS), constraint("K", "c", json!({}))]
}

/// What a decision says that sees the Pod, and the CPU time that it took: a busy machine makes nothing slow.
#[track_caller]
fn sees_it(engine: &Engine, request: &wire::ReviewRequest) -> (wire::ReviewResponse, Duration) {
    let decision = engine.review(&request.encode_to_vec(), &Caller::default()).unwrap();
    let response = wire::ReviewResponse::decode(&*decision.response).unwrap();
    assert_eq!((messages(&response), &*response.constraint_errors), (vec!["p7"], &[][..]));
    (response, decision.cpu)
}

#[test]
fn the_first_decision_after_a_kind_is_synced_finds_its_view() {
    let engine = hasty();
    apply(&engine, &policies());
    engine.inventories.shard("a").write(pods());
    let (_, took) = sees_it(&engine, &in_cluster("a"));
    assert!(took < REVIEW_TIME, "{took:?}");
}

#[test]
fn the_first_decision_after_a_policy_is_published_finds_its_view() {
    let engine = hasty();
    engine.inventories.shard("a").write(pods());
    apply(&engine, &policies());
    let (_, took) = sees_it(&engine, &in_cluster("a"));
    assert!(took < REVIEW_TIME, "{took:?}");
}

#[test]
fn what_has_no_room_is_made_by_the_decision_that_reads_it() {
    let engine = with_settings(inventory::Settings { ready_bytes: 1 << 20, ..Default::default() });
    apply(&engine, &policies());
    engine.inventories.shard("a").write(pods());
    assert_eq!(engine.inventories.made_bytes(), 0, "it was there before anybody asked");
    sees_it(&engine, &in_cluster("a"));
    let made = engine.inventories.made_bytes();
    assert!(made > 1 << 20, "{made}");
    sees_it(&engine, &in_cluster("a"));
    assert_eq!(engine.inventories.made_bytes(), made);
}

#[test]
fn views_hold_the_parts_that_programs_read() {
    let engine = with_settings(inventory::Settings { view_bytes: 4 << 20, ..Default::default() });
    let [config, names, constraint_of_names] = policies();
    let reading = |rego: &str| {
        apply(
            &engine,
            &[
                config.clone(),
                names.clone(),
                constraint_of_names.clone(),
                template("L", rego),
                constraint("L", "l", json!({})),
            ],
        );
    };
    engine.inventories.shard("a").write(pods());
    reading(r#"violation[{"msg": m}] { p := data.inventory.namespace.ns.v1.Pod.p7; m := p.metadata.labels.a }"#);
    assert_eq!(messages(&review(&engine, &in_cluster("a"))), ["p7", "b"]);
    // All labels of all Pods are more than a program may read. Who reads less of them does, whatever changes.
    reading(
        r#"violation[{"msg": m}] { p := data.inventory.namespace.ns.v1.Pod.p7; m := json.marshal(p.metadata.labels) }"#,
    );
    let is_refused = || {
        let refused = review(&engine, &in_cluster("a"));
        assert_eq!((messages(&refused), refused.constraint_errors.len()), (vec!["p7"], 1));
    };
    is_refused();
    let object = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"new","namespace":"ns"}}"#.into();
    engine.inventories.shard("a").write([Change::Put { kind: kind("Pod"), object }]);
    is_refused();
    reading(
        r#"violation[{"msg": m}] { p := data.inventory.namespace.ns.v1.Pod.p7; m := p.metadata.labels["label-3"] }"#,
    );
    assert_eq!(messages(&review(&engine, &in_cluster("a"))), ["p7", "the value of the label 3"]);
}

#[test]
fn a_constraint_that_begins_to_apply_to_a_cluster_finds_its_view() {
    let engine = hasty();
    let mut policies = policies();
    policies[2]["metadata"]["annotations"] = json!({"fleetgate.dev/clusters": "env=prod"});
    apply(&engine, &policies);
    engine.inventories.shard("a").write(pods());
    assert!(messages(&review(&engine, &in_cluster("a"))).is_empty());
    describe(&engine, "a", "", &[("env", "prod")]);
    let (_, took) = sees_it(&engine, &in_cluster("a"));
    assert!(took < REVIEW_TIME, "{took:?}");
}

#[test]
fn a_fleet_shows_nothing_that_is_excluded_from_sync_nor_what_is_terminating() {
    const SEES: &str = r#"violation[{"msg": m}] {
      data.fleet.clusters[c].namespace[n].v1.Service[s]
      m := sprintf("%v/%v/%v", [c, n, s])
    }"#;
    let excluding = |namespace: &str| {
        json!({
            "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config", "namespace": "gatekeeper-system"},
            "spec": {"match": [{"excludedNamespaces": [namespace], "processes": ["sync"]}]},
        })
    };
    let fleet = [fleet_template("K", SEES, "Service"), constraint("K", "c", json!({}))];
    let engine = with(&fleet);
    for cluster in ["a", "b"] {
        describe(&engine, cluster, "one", &[]);
        list(&engine, cluster, "Service", &["s"], Duration::ZERO);
        let text = |name: &str, namespace: &str, more: &str| {
            let object = format!(
                r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"{namespace}"{more}}}}}"#
            );
            Change::Put { kind: kind("Service"), object: object.into() }
        };
        let terminating = r#","deletionTimestamp":"2024-01-01T00:00:00Z""#;
        let put = [text("x", "kube-system", ""), text("y", "ns", terminating)];
        assert_eq!(engine.inventories.shard(cluster).write(put).refused, []);
    }
    let sees = |engine: &Engine| {
        let response = review(engine, &in_cluster("a"));
        messages(&response).join(" ")
    };
    assert_eq!(sees(&engine), "a/kube-system/x a/ns/s b/kube-system/x b/ns/s");
    // A cluster's own Config counts for its own objects, whoever looks at them.
    let own = excluding("kube-*").to_string();
    engine.policies.apply_resources(&Scope::Cluster("b".into()), &[("config", own.as_bytes())], false);
    assert_eq!(sees(&engine), "a/kube-system/x a/ns/s b/ns/s");
    apply(&engine, &[fleet[0].clone(), fleet[1].clone(), excluding("ns")]);
    assert_eq!(sees(&engine), "a/kube-system/x");
}

/// Random changes, of which the narrow program reads `spec.a` alone; numbers come in several spellings.
fn changed_pod(state: &mut u64) -> Change {
    let mut below = |end: u64| {
        // xorshift: the same numbers each time.
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from(*state % end).unwrap()
    };
    let (namespace, name) = (format!("n{}", below(2)), format!("p{}", below(3)));
    if below(6) == 0 {
        return Change::Delete { kind: kind("Pod"), namespace, name, resource_version: String::new() };
    }
    let terminating = if below(6) == 0 { r#","deletionTimestamp":"2024-01-01T00:00:00Z""# } else { "" };
    let (a, b) = (["1", "1.0", "1e0", r#""x""#][below(4)], below(3));
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"{namespace}"{terminating}}},"spec":{{"a":{a},"b":{b}}}}}"#
    );
    Change::Put { kind: kind("Pod"), object: object.into() }
}

#[test]
fn what_changes_unread_is_told_from_what_is_read() {
    const NARROW: &str = r#"violation[{"msg": m}] {
      m := json.marshal([[n, p, a] | a := data.inventory.namespace[n].v1.Pod[p].spec.a])
    }"#;
    const WIDE: &str = r#"violation[{"msg": m}] { m := json.marshal(data.inventory) }"#;
    let [config, ..] = policies();
    let narrow = [config.clone(), template("K", NARROW), constraint("K", "c", json!({}))];
    let wide = [&narrow[..], &[template("L", WIDE), constraint("L", "l", json!({}))]].concat();
    // Numbers that are equal and written otherwise are told apart.
    let mut compatibility = Compatibility::default();
    compatibility.set("numbers", "exact").unwrap();
    let with = |documents: &[Json]| {
        let inventories = Inventories::new(compatibility);
        let policies = Policies::new(Arc::new(RegoDriver::default())).telling(inventories.demands());
        let engine = Engine { policies, inventories, compatibility, ..engine() };
        apply(&engine, documents);
        engine
    };
    let engine = with(&narrow);
    let (mut random, mut written) = (7, Vec::new());
    for turn in 0..200 {
        // Who reads more comes and goes.
        if turn % 50 == 25 {
            apply(&engine, &wide);
        } else if turn % 50 == 0 {
            apply(&engine, &narrow);
        }
        let changes = [changed_pod(&mut random), changed_pod(&mut random)];
        engine.inventories.shard("a").write(changes.clone());
        written.push(changes);
        let anew = with(if turn % 50 >= 25 { &wide } else { &narrow });
        for changes in &written {
            anew.inventories.shard("a").write(changes.clone());
        }
        let [said, wanted] = [&engine, &anew].map(|engine| {
            let response = review(engine, &in_cluster("a"));
            assert_eq!(response.constraint_errors, []);
            messages(&response).into_iter().map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(said, wanted, "{turn}");
    }
}

#[test]
fn what_nobody_reads_changes_no_document() {
    const NARROW: &str = r#"violation[{"msg": m}] {
      m := json.marshal([a | a := data.inventory.namespace[n].v1.Pod[p].spec.a])
    }"#;
    let [config, ..] = policies();
    let engine = with(&[config, template("K", NARROW), constraint("K", "c", json!({}))]);
    let put = |namespace: &str, spec: &str| {
        let object = format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","namespace":"{namespace}"}},"spec":{spec}}}"#
        );
        engine.inventories.shard("a").write([Change::Put { kind: kind("Pod"), object: object.into() }]);
        let generation = engine.policies.current();
        let shown = inventory::Shown {
            generation: generation.number(),
            synced: generation.synced("a"),
            excluder: generation.sync_excluder("a"),
        };
        let program = generation.of_cluster("a").fleet.templates()[0].program.clone();
        engine.inventories.pin("a").data(program.reads(), &shown).unwrap()
    };
    let before = put("n", r#"{"a":1,"b":1}"#);
    assert!(before.is_same(&put("n", r#"{"a":1,"b":2}"#)));
    let after = put("n", r#"{"a":2,"b":2}"#);
    assert!(!before.is_same(&after));
    // The keys down to a kind stay where an object was, and are seen.
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"gone"}}"#;
    let delete = Change::Delete {
        kind: kind("Pod"),
        namespace: "gone".to_owned(),
        name: "p".to_owned(),
        resource_version: String::new(),
    };
    engine.inventories.shard("a").write([Change::Put { kind: kind("Pod"), object: pod.into() }, delete]);
    let gone = put("n", r#"{"a":2,"b":3}"#);
    assert!(gone.field("inventory").and_then(|all| all.field("namespace")?.field("gone")).is_some());
    assert!(!after.is_same(&put("m", r#"{"a":2,"b":2}"#)));
}
