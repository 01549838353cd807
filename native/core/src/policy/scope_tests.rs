#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
//! Scopes: custom resources beside bundles, clusters beside the fleet.

use std::sync::Arc;

use super::*;
use crate::evaluate::rego::RegoDriver;

fn policies() -> Policies {
    Policies::new(Arc::new(RegoDriver::default()))
}

fn template(kind: &str, rego: &str) -> String {
    let name = kind.to_lowercase();
    format!(
        "{{apiVersion: templates.gatekeeper.sh/v1beta1, kind: ConstraintTemplate, metadata: {{name: {name}}}, spec: \
         {{crd: {{spec: {{names: {{kind: {kind}}}}}}}, targets: [{{target: admission.k8s.gatekeeper.sh, rego: \
         'package a\n\n  {rego}'}}]}}}}"
    )
}

const RULE: &str = r#"violation[{"msg": "no"}] { true }"#;

fn constraint(kind: &str, name: &str) -> String {
    format!("{{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: {kind}, metadata: {{name: {name}}}}}")
}

fn cluster(name: &str) -> Scope {
    Scope::Cluster(name.into())
}

fn give(policies: &Policies, scope: &Scope, objects: &[(&str, &str)]) -> ResourcesApplied {
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(key, text)| (*key, text.as_bytes())).collect();
    policies.apply_resources(scope, &objects, false)
}

fn bundle(policies: &Policies, name: &str, files: &[(&str, &str)]) -> Result<Applied, Vec<String>> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    policies.apply(name, &files, false).map_err(|found| found.iter().map(ToString::to_string).collect())
}

/// Keys of what was left out, with the first reason.
fn left_out(applied: &ResourcesApplied) -> Vec<(&str, &'static str)> {
    applied.left_out.iter().map(|one| (&*one.key, one.diagnostics[0].code)).collect()
}

fn names(set: &PolicySet) -> Vec<(&str, &str)> {
    set.constraints().iter().map(|one| (&*one.constraint.kind, &*one.constraint.name)).collect()
}

#[test]
fn a_bad_object_is_left_out_and_the_rest_counts() {
    let policies = policies();
    let (good, bad) = (template("K", RULE), template("L", "violation[{\"msg\": \"no\"}] { x }"));
    let objects = [
        ("t/k", &*good),
        ("t/l", &*bad),
        ("c/k", &*constraint("K", "a")),
        ("c/l", &*constraint("L", "b")),
        ("c/m", &*constraint("M", "c")),
        ("pod", "{apiVersion: v1, kind: Pod}"),
        ("broken", "{"),
    ];
    for scope in [Scope::Fleet, cluster("one")] {
        let applied = give(&policies, &scope, &objects);
        assert!(applied.changed);
        assert_eq!(
            left_out(&applied),
            [
                ("broken", code::SYNTAX),
                ("c/l", code::TEMPLATE_NOT_FOUND),
                ("c/m", code::TEMPLATE_NOT_FOUND),
                ("pod", code::UNSUPPORTED_KIND),
                ("t/l", code::INVALID_REGO)
            ]
        );
        let set = applied.generation.scopes().find(|set| *set.scope() == scope).unwrap();
        assert_eq!(names(set), [("K", "a")]);
        let again = give(&policies, &scope, &objects);
        assert!(!again.changed && again.generation.number() == applied.generation.number());
        assert_eq!(again.left_out, applied.left_out);
    }
}

#[test]
fn a_dry_run_publishes_nothing() {
    let policies = policies();
    let applied = policies.apply_resources(&Scope::Fleet, &[("t", template("K", RULE).as_bytes())], true);
    assert!(applied.generation.number() == 0 && policies.current().fleet().is_empty());
}

#[test]
fn a_constraint_is_of_its_own_scope() {
    let policies = policies();
    give(&policies, &Scope::Fleet, &[("t", &template("K", RULE))]);
    let applied = give(&policies, &cluster("one"), &[("c", &constraint("K", "a"))]);
    assert_eq!(left_out(&applied), [("c", code::TEMPLATE_NOT_FOUND)]);
    assert_eq!(applied.generation.clusters().count(), 0);
}

#[test]
fn a_cluster_that_has_no_policies_left_is_no_scope() {
    let policies = policies();
    let before = policies.current().digest().clone();
    let one = give(&policies, &cluster("one"), &[("t", &template("K", RULE))]);
    assert_eq!((one.generation.number(), one.generation.clusters().count()), (1, 1));
    let none = give(&policies, &cluster("one"), &[]);
    assert_eq!((none.generation.number(), none.generation.clusters().count()), (2, 0));
    assert_eq!(*none.generation.digest(), before);
    assert!(!give(&policies, &cluster("one"), &[]).changed);
}

#[test]
fn the_digest_covers_every_scope_and_the_names_of_clusters() {
    let digest = |given: &[(Scope, String)]| {
        let policies = policies();
        for (scope, text) in given {
            give(&policies, scope, &[("t", text)]);
        }
        policies.current().digest().to_string()
    };
    let (k, l) = (template("K", RULE), template("L", RULE));
    let all = [
        digest(&[]),
        digest(&[(Scope::Fleet, k.clone())]),
        digest(&[(cluster("one"), k.clone())]),
        digest(&[(cluster("two"), k.clone())]),
        digest(&[(cluster("one"), k.clone()), (cluster("two"), l.clone())]),
        digest(&[(cluster("one"), l.clone()), (cluster("two"), k.clone())]),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    assert_eq!(all[4], digest(&[(cluster("two"), l), (cluster("one"), k.clone())]));
    // A bundle and custom resources that say the same are the same.
    let policies = policies();
    bundle(&policies, "b", &[("t.yaml", &k)]).unwrap();
    assert_eq!(**policies.current().digest(), *all[1]);
}

#[test]
fn a_program_is_shared_by_all_scopes() {
    let policies = policies();
    bundle(&policies, "b", &[("t.yaml", &template("K", RULE))]).unwrap();
    for name in ["one", "two"] {
        give(&policies, &cluster(name), &[("t", &template("K", RULE))]);
    }
    let generation = policies.current();
    let programs: Vec<_> = generation.scopes().map(|set| &set.templates()[0].program).collect();
    assert_eq!(programs.len(), 3);
    assert!(programs.iter().all(|program| Arc::ptr_eq(program, programs[0])));
}

#[test]
fn a_name_belongs_to_who_had_it_first() {
    let policies = policies();
    bundle(&policies, "b", &[("t.yaml", &template("K", RULE))]).unwrap();
    let applied = give(&policies, &Scope::Fleet, &[("t/k", &template("K", RULE)), ("t/l", &template("L", RULE))]);
    assert_eq!(left_out(&applied), [("t/k", code::DUPLICATE)]);
    let message = applied.left_out[0].diagnostics[0].message.clone();
    assert_eq!(message, r#"ConstraintTemplate "k" is already defined at t.yaml:1:1 in bundle "b""#);
    // What was left out does not stand in the way of other bundles; what is published does.
    bundle(&policies, "other", &[("m.yaml", &template("M", RULE))]).unwrap();
    let refused = bundle(&policies, "late", &[("l.yaml", &template("L", RULE))]).unwrap_err();
    assert_eq!(
        refused,
        [r#"l.yaml:1:1: ConstraintTemplate "l" of bundle "late" is already defined at t/l:1:1 [duplicate]"#]
    );
    // In a cluster's scope the name is free.
    assert_eq!(give(&policies, &cluster("one"), &[("t/k", &template("K", RULE))]).left_out, []);
}

#[test]
fn a_bundle_may_not_take_the_template_of_a_custom_resource_away() {
    let policies = policies();
    bundle(&policies, "b", &[("t.yaml", &template("K", RULE))]).unwrap();
    assert_eq!(give(&policies, &Scope::Fleet, &[("c", &constraint("K", "a"))]).left_out, []);
    assert_eq!(bundle(&policies, "b", &[]).unwrap_err().len(), 1);
    assert_eq!(names(policies.current().fleet()), [("K", "a")]);
    give(&policies, &Scope::Fleet, &[]);
    bundle(&policies, "b", &[]).unwrap();
}

#[test]
fn a_custom_resource_that_waited_for_its_template_counts_when_it_comes() {
    let policies = policies();
    let applied = give(&policies, &Scope::Fleet, &[("c", &constraint("K", "a"))]);
    assert_eq!(left_out(&applied), [("c", code::TEMPLATE_NOT_FOUND)]);
    let applied = bundle(&policies, "b", &[("t.yaml", &template("K", RULE))]).unwrap();
    assert_eq!(names(applied.generation.fleet()), [("K", "a")]);
}

#[test]
fn a_bundle_whose_template_was_a_custom_resource_that_went_is_reported() {
    let policies = policies();
    give(&policies, &Scope::Fleet, &[("t", &template("K", RULE))]);
    bundle(&policies, "b", &[("c.yaml", &constraint("K", "a"))]).unwrap();
    let applied = give(&policies, &Scope::Fleet, &[]);
    assert_eq!(left_out(&applied), [("c.yaml", code::TEMPLATE_NOT_FOUND)]);
    assert!(applied.generation.fleet().constraints().is_empty());
    // It does not keep other bundles from being published, and counts again when its template does.
    bundle(&policies, "other", &[("l.yaml", &template("L", RULE))]).unwrap();
    let applied = give(&policies, &Scope::Fleet, &[("t", &template("K", RULE))]);
    assert_eq!(names(applied.generation.fleet()), [("K", "a")]);
}
