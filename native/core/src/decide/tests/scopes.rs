//! Policies of the fleet and of clusters, side by side.

use super::*;
use crate::policy::Scope;

#[track_caller]
fn resources(engine: &Engine, scope: &str, documents: &[Json]) {
    let scope = if scope.is_empty() { Scope::Fleet } else { Scope::Cluster(scope.into()) };
    let objects: Vec<(String, Vec<u8>)> = documents
        .iter()
        .map(|one| (format!("{}/{}", one["kind"], one["metadata"]["name"]), serde_json::to_vec(one).unwrap()))
        .collect();
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(key, json)| (&**key, &**json)).collect();
    assert_eq!(engine.policies.apply_resources(&scope, &objects, false).left_out, []);
}

fn saying(text: &str) -> String {
    format!(r#"violation[{{"msg": m}}] {{ m := sprintf("{text} %v", [input.parameters]) }}"#)
}

fn in_cluster(cluster: &str) -> wire::ReviewRequest {
    let request = admission(&json!({"operation": "CREATE", "namespace": "ns", "object": pod()}));
    wire::ReviewRequest { cluster: cluster.to_owned(), ..request }
}

fn said(engine: &Engine, cluster: &str) -> Vec<(String, String, String)> {
    let response = review(engine, &in_cluster(cluster));
    response.violations.into_iter().map(|v| (v.constraint_name, v.message, v.scope)).collect()
}

fn row(name: &str, message: &str, scope: &str) -> (String, String, String) {
    (name.to_owned(), message.to_owned(), scope.to_owned())
}

#[test]
fn both_scopes_apply_and_say_which() {
    let engine = with(&[
        template("K", &saying("fleet")),
        constraint("K", "a", json!({"parameters": {}})),
        constraint("K", "c", json!({"enforcementAction": "warn"})),
    ]);
    resources(
        &engine,
        "one",
        &[
            template("K", &saying("one")),
            constraint("K", "a", json!({"enforcementAction": "dryrun"})),
            constraint("K", "b", json!({})),
        ],
    );
    resources(&engine, "two", &[template("L", &saying("two")), constraint("L", "d", json!({}))]);
    let fleet = [row("a", "fleet {}", "fleet"), row("c", "fleet {}", "fleet")];
    assert_eq!(said(&engine, "other"), fleet);
    let both = [
        row("a", "fleet {}", "fleet"),
        row("a", "one {}", "cluster"),
        row("b", "one {}", "cluster"),
        row("c", "fleet {}", "fleet"),
    ];
    assert_eq!(said(&engine, "one"), both);
    assert_eq!(said(&engine, "two"), [&fleet[..], &[row("d", "two {}", "cluster")]].concat());
    // What the fleet allows a cluster may still refuse, and the other way round.
    apply(&engine, &[]);
    assert!(review(&engine, &in_cluster("other")).allowed);
    assert!(!review(&engine, &in_cluster("one")).allowed);
    resources(&engine, "one", &[]);
    assert!(review(&engine, &in_cluster("one")).allowed);
}

#[test]
fn a_batch_may_be_of_many_clusters() {
    let engine = with(&[template("K", &saying("fleet")), constraint("K", "a", json!({}))]);
    let clusters: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    for cluster in &clusters {
        resources(&engine, cluster, &[template("K", &saying(cluster)), constraint("K", "z", json!({}))]);
    }
    let requests = clusters.iter().map(|cluster| in_cluster(cluster)).collect();
    let batch = wire::BatchReviewRequest { requests };
    let decided = engine.batch_review(&batch.encode_to_vec(), &Caller::default()).unwrap();
    let response = wire::BatchReviewResponse::decode(&*decided.response).unwrap();
    assert_eq!(response.items.len(), clusters.len());
    for (item, cluster) in response.items.iter().zip(&clusters) {
        let Some(Item::Response(response)) = &item.result else { panic!("{item:?}") };
        assert_eq!(found(response), [("a", "fleet {}", "deny"), ("z", &*format!("{cluster} {{}}"), "deny")]);
    }
}

#[test]
fn a_config_concerns_its_own_scope() {
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": [{"processes": ["*"], "excludedNamespaces": ["ns"]}]},
    });
    let engine = with(&[template("K", &saying("fleet")), constraint("K", "a", json!({}))]);
    let own = [template("K", &saying("one")), constraint("K", "b", json!({}))];
    resources(&engine, "one", &[&own[..], std::slice::from_ref(&config)].concat());
    assert_eq!(said(&engine, "one"), [row("a", "fleet {}", "fleet")]);
    // The fleet's Config takes nothing away from what a cluster wants for itself.
    apply(&engine, &[template("K", &saying("fleet")), constraint("K", "a", json!({})), config.clone()]);
    assert!(said(&engine, "one").is_empty());
    let response = review(&engine, &in_cluster("one"));
    assert_eq!(response.status_message, exclusion::MESSAGE);
    resources(&engine, "one", &own);
    assert_eq!(said(&engine, "one"), [row("b", "one {}", "cluster")]);
}

#[test]
fn a_limit_is_no_way_around_a_cluster_s_own_policies() {
    let engine = engine();
    resources(&engine, "one", &[template("K", &saying("one")), constraint("K", "a", json!({}))]);
    let mut large = pod();
    large["data"] = "x".repeat(MAX_OBJECT_BYTES).into();
    let request = |cluster: &str| wire::ReviewRequest { cluster: cluster.to_owned(), ..create(&large) };
    assert!(review(&engine, &request("other")).allowed);
    let refused = review(&engine, &request("one"));
    assert_eq!((refused.allowed, refused.review_error.unwrap().code), (false, 413));
}

#[test]
fn constraints_at_admission_are_held_against_the_cluster_s_templates_first() {
    let engine = with(&[template("K", &saying("fleet")), template("L", &saying("fleet"))]);
    let mut own = template("K", &saying("one"));
    own["spec"]["crd"]["spec"]["validation"] =
        json!({"openAPIV3Schema": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}}});
    resources(&engine, "one", &[own]);
    let admits = |cluster: &str, kind: &str| {
        let object = constraint(kind, "c", json!({"parameters": {}}));
        let group = json!({"group": "constraints.gatekeeper.sh", "version": "v1beta1", "kind": kind});
        let request = admission(&json!({"operation": "CREATE", "kind": group, "name": "c", "object": object}));
        review(&engine, &wire::ReviewRequest { cluster: cluster.to_owned(), ..request }).review_error.is_none()
    };
    assert!(admits("other", "K") && admits("one", "L"));
    assert!(!admits("one", "K") && !admits("other", "M"));
}
