//! Policies that read other clusters, and how old what they read may be.

use std::collections::BTreeSet;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::config::GroupVersionKind;
use crate::inventory::{Change, ClusterFacts, State};

pub(super) fn kind(name: &str) -> GroupVersionKind {
    GroupVersionKind { group: "".into(), version: "v1".into(), kind: name.into() }
}

pub(super) fn describe(engine: &Engine, name: &str, set: &str, labels: &[(&str, &str)]) {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let facts = ClusterFacts { cluster_set: set.to_owned(), labels, ..ClusterFacts::default() };
    engine.inventories.shard(name).describe(facts);
}

/// Lists objects of a kind as they were so long ago.
pub(super) fn list(engine: &Engine, cluster: &str, name: &str, objects: &[&str], age: Duration) {
    let kind = kind(name);
    let object = |object: &&str| {
        let text = json!({"apiVersion": "v1", "kind": name, "metadata": {"name": object, "namespace": "ns"}});
        Change::Listed { kind: kind.clone(), object: text.to_string().into() }
    };
    let mut changes = vec![Change::Begin { kind: kind.clone() }];
    changes.extend(objects.iter().map(object));
    changes.push(Change::Finish { kind: kind.clone(), resource_version: "7".into(), at: SystemTime::now() - age });
    assert_eq!(engine.inventories.shard(cluster).write(changes).refused, []);
}

fn set_state(engine: &Engine, cluster: &str, name: &str, state: State) {
    let change = Change::State { kind: kind(name), state, reason: "lost".to_owned() };
    assert_eq!(engine.inventories.shard(cluster).write([change]).refused, []);
}

/// Says every Service that it sees in `data.fleet`.
const SEES: &str = r#"violation[{"msg": m}] {
  data.fleet.clusters[c].namespace[_].v1.Service[s]
  m := sprintf("%v/%v", [c, s])
}"#;

pub(super) fn fleet_template(kind: &str, rego: &str, reads: &str) -> Json {
    let mut template = template(kind, rego);
    let requires = json!([[{"groups": [""], "versions": ["v1"], "kinds": [reads]}]]).to_string();
    template["metadata"]["annotations"] =
        json!({"fleetgate.dev/fleet": "true", "metadata.gatekeeper.sh/requires-sync-data": requires});
    template
}

fn bounded(kind: &str, on_stale: &str, bound: &str) -> Json {
    let mut constraint = constraint(kind, "c", json!({}));
    constraint["metadata"]["annotations"] =
        json!({"fleetgate.dev/max-staleness": bound, "fleetgate.dev/on-stale": on_stale});
    constraint
}

pub(super) fn in_cluster(cluster: &str) -> wire::ReviewRequest {
    wire::ReviewRequest { cluster: cluster.to_owned(), ..create(&pod()) }
}

pub(super) fn messages(response: &wire::ReviewResponse) -> Vec<&str> {
    response.violations.iter().map(|violation| &*violation.message).collect()
}

const NOW: Duration = Duration::ZERO;

#[test]
fn a_fleet_template_sees_the_clusters_of_its_set_and_the_kinds_that_it_declares() {
    let rego = r#"violation[{"msg": m}] {
      cluster := data.fleet.clusters[name]
      kinds := {k | cluster.namespace[_].v1[k]}
      m := sprintf("%v sees %v: %v %v %v", [input.cluster.name, name, cluster.labels, cluster.state, kinds])
      cluster.age >= 0
      input.cluster.labels.env == "prod"
    }"#;
    let engine = with(&[fleet_template("K", rego, "Service"), constraint("K", "c", json!({}))]);
    for (name, set, env) in [("a", "one", "prod"), ("b", "one", "test"), ("x", "two", "prod"), ("y", "", "prod")] {
        describe(&engine, name, set, &[("env", env)]);
        list(&engine, name, "Service", &["s"], NOW);
        list(&engine, name, "Pod", &["p"], NOW);
    }
    set_state(&engine, "b", "Service", State::Stale);
    let see = |cluster: &str| review(&engine, &in_cluster(cluster));
    assert_eq!(
        messages(&see("a")),
        [r#"a sees a: {"env": "prod"} SYNCED {"Service"}"#, r#"a sees b: {"env": "test"} STALE {"Service"}"#]
    );
    assert_eq!(messages(&see("x")), [r#"x sees x: {"env": "prod"} SYNCED {"Service"}"#]);
    // A cluster of no set is alone, and so is one that nobody registered.
    assert_eq!(messages(&see("y")), [r#"y sees y: {"env": "prod"} SYNCED {"Service"}"#]);
    assert!(see("unknown").violations.is_empty());
    let revision = see("a").inventory_revision.unwrap();
    assert!(revision.read_stale && revision.read_age.is_some());
    let revision = see("x").inventory_revision.unwrap();
    assert!(!revision.read_stale && revision.read_age.is_some());
}

#[test]
fn other_templates_see_none_of_it() {
    let rego = r#"violation[{"msg": m}] { m := sprintf("%v", [object.keys(input)]) }"#;
    let engine = with(&[template("K", rego), constraint("K", "c", json!({}))]);
    describe(&engine, "a", "one", &[]);
    assert_eq!(messages(&review(&engine, &in_cluster("a"))), [r#"{"parameters", "review"}"#]);
    let refused = serde_json::to_vec(&template("K", SEES)).unwrap();
    let refused = engine.policies.apply("b", &[("t.json", &refused)], false).unwrap_err();
    assert!(refused[0].message.contains("disallowed ref data.fleet"), "{refused:?}");
    assert!(refused[0].hint.as_deref().unwrap().contains("fleetgate.dev/fleet"), "{refused:?}");
}

#[test]
fn a_cluster_s_own_template_may_not_read_its_neighbours() {
    let engine = engine();
    let text = serde_json::to_vec(&fleet_template("K", SEES, "Service")).unwrap();
    let scope = crate::policy::Scope::Cluster("a".into());
    let applied = engine.policies.apply_resources(&scope, &[("t", &text)], false);
    assert_eq!(applied.left_out.len(), 1);
    assert_eq!(applied.generation.clusters().count(), 0);
}

#[test]
fn a_constraint_may_choose_its_clusters() {
    let mut chosen = constraint("K", "c", json!({}));
    chosen["metadata"]["annotations"] = json!({"fleetgate.dev/clusters": "env in (prod),!edge"});
    let engine = with(&[template("K", DENY_ALL), chosen]);
    describe(&engine, "a", "", &[("env", "prod")]);
    describe(&engine, "b", "", &[("env", "prod"), ("edge", "")]);
    let allowed = |cluster: &str| review(&engine, &in_cluster(cluster)).allowed;
    assert_eq!(["a", "b", "unknown"].map(allowed), [false, true, true]);
    // A limit refuses where the policy could, and nowhere else.
    let mut large = pod();
    large["data"] = "x".repeat(MAX_OBJECT_BYTES).into();
    let large = |cluster: &str| wire::ReviewRequest { cluster: cluster.to_owned(), ..create(&large) };
    assert!(!review(&engine, &large("a")).allowed && review(&engine, &large("b")).allowed);
}

#[test]
fn a_view_that_is_too_old_is_treated_as_the_constraint_says() {
    for (on_stale, allowed, seen, action) in [
        ("deny", false, &[][..], "deny"),
        ("warn", false, &["a/s", "b/s"], "warn"),
        ("allow", false, &["a/s", "b/s"], "dryrun"),
        ("own-cluster-only", false, &["a/s"], "warn"),
    ] {
        let engine = with(&[fleet_template("K", SEES, "Service"), bounded("K", on_stale, "5s")]);
        for name in ["a", "b"] {
            describe(&engine, name, "one", &[]);
            list(&engine, name, "Service", &["s"], NOW);
        }
        let fresh = review(&engine, &in_cluster("a"));
        assert_eq!((messages(&fresh), fresh.constraint_errors.len()), (vec!["a/s", "b/s"], 0), "{on_stale}");
        // The other cluster is seen as it was a minute ago.
        engine.inventories.remove("b");
        describe(&engine, "b", "one", &[]);
        list(&engine, "b", "Service", &["s"], Duration::from_secs(60));
        let stale = review(&engine, &in_cluster("a"));
        assert_eq!((stale.allowed, messages(&stale)), (allowed, seen.to_vec()), "{on_stale}");
        let [said] = &stale.constraint_errors[..] else { panic!("{on_stale}: {:?}", stale.constraint_errors) };
        assert_eq!((&*said.enforcement_action, said.reason()), (action, ErrorReason::StaleView), "{on_stale}");
        assert!(
            said.message.starts_with(r#"/v1:Service of cluster "b" was last known to be complete 60.0"#),
            "{said:?}"
        );
        assert!(said.message.contains("ago, and 5s are allowed"), "{said:?}");
        // What was never read is unknown, whatever else is known.
        engine.inventories.remove("b");
        describe(&engine, "b", "one", &[]);
        let unknown = review(&engine, &in_cluster("a"));
        assert_eq!(unknown.allowed, allowed, "{on_stale}");
        assert!(
            unknown.constraint_errors[0]
                .message
                .starts_with(r#"/v1:Service (PENDING) of cluster "b" was never complete"#)
                || unknown.constraint_errors[0]
                    .message
                    .starts_with(r#"/v1:Service of cluster "b" (PENDING) was never complete"#),
            "{unknown:?}"
        );
        // Where the cluster itself is unknown there is nothing to fall back to.
        if on_stale == "own-cluster-only" {
            let own = review(&engine, &in_cluster("b"));
            assert!(!own.allowed && own.violations.is_empty());
            assert_eq!(own.constraint_errors[0].enforcement_action, "deny");
        }
    }
}

#[test]
fn the_age_of_the_cluster_s_own_inventory_counts_as_well() {
    let rego = r#"violation[{"msg": "no"}] { data.inventory.namespace[_].v1.Service }"#;
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"sync": {"syncOnly": [
            {"group": "", "version": "v1", "kind": "Service"}, {"group": "", "version": "v1", "kind": "Pod"},
        ]}},
    });
    let said = |documents: &[Json], age: u64| {
        let engine = with(documents);
        list(&engine, "a", "Service", &["s"], Duration::from_secs(age));
        // A kind that the program cannot read may be as old as it likes.
        list(&engine, "a", "Pod", &["p"], Duration::from_secs(3_600));
        let response = review(&engine, &in_cluster("a"));
        (response.constraint_errors.len(), response.violations.len())
    };
    let policies = [template("K", rego), bounded("K", "deny", "5s"), config];
    assert_eq!(said(&policies, 0), (0, 1));
    assert_eq!(said(&policies, 6), (1, 0));
    // Without a Config the kind is not in `data.inventory`: not known to be absent.
    assert_eq!(said(&policies[..2], 0), (1, 0));
}

#[test]
fn tokens_name_revisions() {
    let rego = r#"violation[{"msg": m}] { data.inventory.namespace[_].v1.Pod[m] }"#;
    let engine = with(&[
        template("K", rego),
        constraint("K", "c", json!({"enforcementAction": "warn"})),
        fleet_template("F", SEES, "Service"),
        constraint("F", "c", json!({})),
    ]);
    let replace = |name: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns"}});
        engine.inventories.replace("a", [object.to_string().as_bytes()]).unwrap()
    };
    let asking = |requirement: wire::freshness::Requirement| wire::ReviewRequest {
        freshness: Some(wire::Freshness { requirement: Some(requirement) }),
        ..in_cluster("a")
    };
    let exact = |token: &str| asking(wire::freshness::Requirement::Exact(token.to_owned()));
    let at_least = |token: &str| asking(wire::freshness::Requirement::AtLeast(token.to_owned()));
    let ask = |request: &wire::ReviewRequest| {
        let decision = engine.review(&request.encode_to_vec(), &Caller::default())?;
        Ok::<_, CallError>(wire::ReviewResponse::decode(&*decision.response).unwrap())
    };
    let shown = |response: &wire::ReviewResponse| messages(response).join(",");
    replace("one");
    let first = ask(&in_cluster("a")).unwrap();
    let token = first.inventory_revision.as_ref().unwrap().token.clone();
    replace("two");
    assert_eq!(shown(&ask(&in_cluster("a")).unwrap()), "two");
    assert_eq!(shown(&ask(&at_least(&token)).unwrap()), "two");
    let again = ask(&exact(&token)).unwrap();
    assert_eq!((shown(&again), &again.inventory_revision.as_ref().unwrap().token), ("one".to_owned(), &token));
    // Other clusters are not kept along with it, and that is said and not passed over.
    assert_eq!(again.constraint_errors[0].reason(), ErrorReason::RevisionUnavailable);
    assert!(!again.allowed);
    // What is not yet there is waited for.
    let next = token.replace(".1.", ".3.");
    assert_ne!(next, token);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| ask(&at_least(&next)).map(|response| shown(&response)));
        replace("three");
        assert_eq!(waiter.join().unwrap().unwrap(), "three");
    });
    let later = token.replace(".1.", ".9.");
    let soon = Caller { deadline: Some(Instant::now() + Duration::from_millis(20)), ..Caller::default() };
    assert_eq!(engine.review(&at_least(&later).encode_to_vec(), &soon).unwrap_err(), CallError::DeadlineExceeded);
    let unavailable = |token: &str| CallError::RevisionUnavailable { token: token.to_owned() };
    assert_eq!(ask(&exact(&later)).unwrap_err(), unavailable(&later));
    let (_, rest) = token.split_once('.').unwrap();
    let foreign = format!("0123.{rest}");
    for request in [exact(&foreign), at_least(&foreign)] {
        assert_eq!(ask(&request).unwrap_err(), unavailable(&foreign));
    }
    for wrong in ["", "x", "a.b.c", &*token.replace(".a", ".b")] {
        assert!(matches!(ask(&exact(wrong)).unwrap_err(), CallError::InvalidRequest { .. }), "{wrong}");
    }
    // Only so many are kept.
    for _ in 0..100 {
        replace("more");
    }
    assert_eq!(ask(&exact(&token)).unwrap_err(), unavailable(&token));
}

/// A cluster of a generated fleet: its set, whether its Services were ever listed, how long ago, and its state.
type Generated = (u8, Option<u64>, bool);

fn generated() -> impl Strategy<Value = Vec<Generated>> {
    prop::collection::vec((0_u8..3, prop::option::of(0_u64..20), any::<bool>()), 1..6)
}

fn fleet_of(clusters: &[Generated], policies: &[Json]) -> Engine {
    let engine = with(policies);
    for (number, (set, age, stale)) in clusters.iter().enumerate() {
        let name = format!("c{number}");
        let set = ["", "one", "two"][usize::from(*set)];
        describe(&engine, &name, set, &[]);
        if let Some(age) = age {
            list(&engine, &name, "Service", &[&*format!("s{number}")], Duration::from_secs(*age));
            if *stale {
                set_state(&engine, &name, "Service", State::Stale);
            }
        }
    }
    engine
}

/// The clusters that one may see.
fn set_of(clusters: &[Generated], own: usize) -> BTreeSet<usize> {
    let set = clusters[own].0;
    (0..clusters.len()).filter(|one| *one == own || (set != 0 && clusters[*one].0 == set)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_object_outside_of_the_set_is_named(clusters in generated()) {
        let engine = fleet_of(&clusters, &[fleet_template("K", SEES, "Service"), constraint("K", "c", json!({}))]);
        for own in 0..clusters.len() {
            let response = review(&engine, &in_cluster(&format!("c{own}")));
            let listed = set_of(&clusters, own).into_iter().filter(|one| clusters[*one].1.is_some());
            let expected: BTreeSet<String> = listed.map(|one| format!("c{one}/s{one}")).collect();
            let seen: BTreeSet<String> = messages(&response).into_iter().map(ToOwned::to_owned).collect();
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn nothing_older_than_its_bound_is_used_without_saying_so(
        clusters in generated(), bound in 1_u64..20, on_stale in 0_usize..4,
    ) {
        let on_stale = ["deny", "warn", "allow", "own-cluster-only"][on_stale];
        let policies = [fleet_template("K", SEES, "Service"), bounded("K", on_stale, &format!("{bound}s"))];
        let engine = fleet_of(&clusters, &policies);
        for own in 0..clusters.len() {
            let response = review(&engine, &in_cluster(&format!("c{own}")));
            // A list of `bound` seconds ago is older than that by now.
            let is_old = |one: &usize| clusters[*one].1.is_none_or(|age| age >= bound);
            let seen = set_of(&clusters, own);
            let said = response.constraint_errors.iter().any(|error| error.reason() == ErrorReason::StaleView);
            prop_assert_eq!(said, seen.iter().any(is_old), "{:?}", response);
            let used: Vec<usize> = seen
                .iter()
                .copied()
                .filter(|one| messages(&response).contains(&&*format!("c{one}/s{one}")))
                .collect();
            match on_stale {
                "deny" if said => prop_assert!(used.is_empty() && !response.allowed),
                "own-cluster-only" if said => prop_assert!(used.iter().all(|one| *one == own && !is_old(one))),
                _ => {}
            }
            let oldest = seen.iter().map(|one| clusters[*one].1).collect::<Option<Vec<_>>>().and_then(|ages| ages.into_iter().max());
            if on_stale == "warn" {
                let revision = response.inventory_revision.unwrap();
                prop_assert_eq!(revision.read_age.map(|age| age.seconds.unsigned_abs()), oldest);
                let is_followed = |one: &usize| clusters[*one].1.is_some() && !clusters[*one].2;
                prop_assert_eq!(revision.read_stale, !seen.iter().all(is_followed));
            }
        }
    }
}
