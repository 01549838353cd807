//! Units that see other clusters.

use super::*;
use crate::policy::Scope;

const CLAIMED: &str = r#"violation[{"msg": msg}] {
  some cluster
  cluster != input.cluster.name
  other := data.fleet.clusters[cluster].namespace[_]["networking.k8s.io/v1"].Ingress[_]
  other.spec.hosts[_] == input.review.object.spec.hosts[_]
  region := object.get(data.fleet.clusters[cluster].labels, "region", "nowhere")
  msg := sprintf("claimed in %v by %v", [region, other.metadata.name])
}"#;

fn policies() -> Vec<Json> {
    let mut template = template("Claimed", CLAIMED);
    let requires = json!([[{"groups": ["networking.k8s.io"], "versions": ["v1"], "kinds": ["Ingress"]}]]);
    template["metadata"]["annotations"] =
        json!({"fleetgate.dev/fleet": "true", "metadata.gatekeeper.sh/requires-sync-data": requires.to_string()});
    let constraint = constraint("Claimed", "c", json!({"match": {"kinds": of_kinds("networking.k8s.io", "Ingress")}}));
    vec![template, constraint]
}

fn claim(name: &str, host: &str) -> Json {
    let mut claim = object("networking.k8s.io/v1", "Ingress", "n", name);
    claim["spec"] = json!({"hosts": [host]});
    claim
}

fn describe(engine: &Engine, cluster: &str, set: &str, region: &str) {
    let labels = [("region".to_owned(), region.to_owned())].into();
    let facts = ClusterFacts { cluster_set: set.to_owned(), labels, ..ClusterFacts::default() };
    engine.inventories.shard(cluster).describe(facts);
}

#[test]
fn only_what_is_seen_of_other_clusters_is_a_reason_to_judge_anew() {
    let engine = engine(2);
    let (ingress, pods) = (gvk("networking.k8s.io", "Ingress"), gvk("", "Pod"));
    apply(&engine, &policies());
    for (cluster, set) in [("a", "s"), ("b", "s"), ("other", "t")] {
        describe(&engine, cluster, set, "eu");
        follow(&engine, cluster, &[ingress.clone(), pods.clone()]);
        put(&engine, cluster, &ingress, &claim("first", "x"));
    }
    let mut followed = Followed::new(engine.clone());
    // What depends on ages is judged anew from time to time; here that time does not come.
    let settings = ContinuousSettings { volatile_every: Duration::from_secs(3600) };
    followed.audit = ContinuousAudit::new(engine.clone(), settings);
    let mut settles = |reviews: u64, violations: usize| {
        assert_eq!(followed.settle(), reviews);
        followed.is_as_a_run();
        assert_eq!(followed.seen.values().map(Vec::len).sum::<usize>(), violations);
    };
    settles(3, 2);
    // Nobody looks for Pods.
    put(&engine, "b", &pods, &pod("n", "p"));
    settles(0, 2);
    // Those of the set are judged, and no others.
    put(&engine, "b", &ingress, &claim("second", "x"));
    settles(3, 4);
    put(&engine, "other", &ingress, &claim("second", "y"));
    settles(2, 4);
    delete(&engine, "b", &ingress, ("n", "second"));
    settles(2, 2);
    describe(&engine, "b", "s", "us");
    settles(2, 2);
    // What a cluster's Config hides nobody sees, and it is audited all the same.
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": [{"processes": ["sync"], "excludedNamespaces": ["n"]}]},
    })
    .to_string();
    let scope = Scope::Cluster("b".into());
    assert_eq!(engine.policies.apply_resources(&scope, &[("config", config.as_bytes())], false).left_out, []);
    settles(2, 1);
    describe(&engine, "b", "t", "us");
    settles(4, 1);
    engine.inventories.remove("b");
    settles(2, 0);
    put(&engine, "other", &ingress, &claim("second", "x"));
    describe(&engine, "a", "t", "eu");
    settles(3, 4);
    // Who leaves its set is alone.
    describe(&engine, "a", "", "eu");
    settles(3, 0);
}

#[test]
fn what_a_shipped_policy_does_not_look_at_is_no_reason_to_judge_anew() {
    let engine = engine(2);
    let template = include_str!("../../../../../../policies/fleet/no-drift/template.yaml");
    let of_roles = json!({"match": {"kinds": of_kinds("rbac.authorization.k8s.io", "Role")}});
    let constraint = constraint("NoFleetDrift", "c", of_roles).to_string();
    let files = [("template.yaml", template.as_bytes()), ("constraint.json", constraint.as_bytes())];
    engine.policies.apply("test", &files, false).unwrap();
    let (namespaces, roles) = (gvk("", "Namespace"), gvk("rbac.authorization.k8s.io", "Role"));
    let noted = |object: Json, note: &str| {
        let mut object = object;
        object["metadata"]["annotations"] = json!({"note": note});
        object
    };
    let role = |verb: &str| {
        let mut role = object("rbac.authorization.k8s.io/v1", "Role", "n", "r");
        role["rules"] = json!([{"verbs": [verb]}]);
        role
    };
    for cluster in ["a", "b", "c"] {
        describe(&engine, cluster, "s", "eu");
        follow(&engine, cluster, &[namespaces.clone(), roles.clone()]);
        put(&engine, cluster, &namespaces, &object("v1", "Namespace", "", "n"));
        put(&engine, cluster, &roles, &role("get"));
    }
    let mut followed = Followed::new(engine.clone());
    let settings = ContinuousSettings { volatile_every: Duration::from_secs(3600) };
    followed.audit = ContinuousAudit::new(engine.clone(), settings);
    assert_eq!(followed.settle(), 3);
    put(&engine, "b", &namespaces, &noted(object("v1", "Namespace", "", "n"), "x"));
    assert_eq!(followed.settle(), 0);
    // It changed itself; others see the same of it.
    put(&engine, "b", &roles, &noted(role("get"), "x"));
    assert_eq!(followed.settle(), 1);
    put(&engine, "b", &roles, &role("list"));
    assert_eq!(followed.settle(), 3);
    followed.is_as_a_run();
    assert_eq!(followed.seen.values().map(Vec::len).sum::<usize>(), 4);
}
