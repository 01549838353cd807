use super::*;

#[track_caller]
fn explained(engine: &Engine, request: &wire::ReviewRequest) -> Vec<wire::ConstraintExplanation> {
    let plain = review(engine, request);
    assert_eq!(plain.explanation, None);
    let response = review(engine, &wire::ReviewRequest { explain: true, ..request.clone() });
    assert_eq!(
        (response.violations, response.constraint_errors),
        (plain.violations, plain.constraint_errors),
        "being explained changes nothing"
    );
    response.explanation.unwrap().constraints
}

fn criterion(explained: &wire::ConstraintExplanation) -> (&str, &str, &str) {
    let criterion = explained.criterion.as_ref().unwrap();
    (&criterion.name, &criterion.expected, &criterion.found)
}

fn at<'a>(name: &str, explained: &'a [wire::ConstraintExplanation]) -> &'a wire::ConstraintExplanation {
    explained.iter().find(|one| one.constraint_name == name).unwrap()
}

/// Criteria that none holds of the object, in the order in which they are asked.
fn unmet() -> Vec<(&'static str, Json, &'static str)> {
    vec![
        ("kinds", json!([{"apiGroups": ["apps"], "kinds": ["Pod"]}]), r#"{"apiGroup":"","kind":"Pod"}"#),
        ("scope", json!("Cluster"), r#""Namespaced""#),
        ("namespaces", json!(["other", "x-*"]), r#""ns""#),
        ("excludedNamespaces", json!(["n*"]), r#""ns""#),
        ("labelSelector", json!({"matchLabels": {"app": "db"}}), r#"{"app":"web"}"#),
        ("namespaceSelector", json!({"matchLabels": {"env": "prod"}}), r#"{"env":"test"}"#),
        ("name", json!("q"), r#""p""#),
        ("source", json!("Generated"), r#""Original""#),
    ]
}

#[test]
fn the_first_criterion_that_does_not_hold_is_named() {
    let mut documents = vec![template("K", DENY_ALL), constraint("K", "matches", json!({"match": {"scope": "*"}}))];
    let criteria = unmet();
    for (index, (field, ..)) in criteria.iter().enumerate() {
        let block: serde_json::Map<String, Json> =
            criteria.iter().skip(index).map(|(field, wanted, _)| ((*field).to_owned(), wanted.clone())).collect();
        documents.push(constraint("K", &field.to_lowercase(), json!({"match": block})));
    }
    let engine = with(&documents);
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns", "labels": {"app": "web"}},
    });
    let namespace = json!({"metadata": {"name": "ns", "labels": {"env": "test"}}});
    let request = wire::ReviewRequest { namespace: namespace.to_string().into(), ..create(&object) };
    let explained = explained(&engine, &request);
    assert_eq!(explained.len(), documents.len() - 1);
    for (field, expected, found) in criteria {
        let one = at(&field.to_lowercase(), &explained);
        assert!(!one.matched && one.violations.is_empty() && one.time.is_none());
        assert_eq!(criterion(one), (&*format!("spec.match.{field}"), &*expected.to_string(), found));
    }
    let matches = at("matches", &explained);
    assert!(matches.matched && matches.criterion.is_none() && matches.time.is_some());
    assert_eq!(matches.violations.len(), 1);
}

#[test]
fn what_stands_before_the_match_block_is_named() {
    let scoped = json!({
        "enforcementAction": "scoped",
        "scopedEnforcementActions": [{"action": "deny", "enforcementPoints": [{"name": "audit.gatekeeper.sh"}]}],
        "match": {"name": "q"},
    });
    let mut only_delete = template("OnDelete", DENY_ALL);
    only_delete["spec"]["targets"][0]["operations"] = json!(["DELETE"]);
    let mut elsewhere = constraint("K", "elsewhere", json!({"match": {"name": "q"}}));
    elsewhere["metadata"]["annotations"] = json!({"fleetgate.dev/clusters": "env in (prod)"});
    let config = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config", "metadata": {"name": "config"},
        "spec": {"match": [{"processes": ["audit"], "excludedNamespaces": ["kube-*"]},
                           {"processes": ["webhook"], "excludedNamespaces": ["*-system", "x"]}]},
    });
    let engine = with(&[
        template("K", DENY_ALL),
        only_delete,
        constraint("K", "scoped", scoped),
        constraint("OnDelete", "operation", json!({"match": {"name": "q"}})),
        elsewhere,
        config,
    ]);
    let explained_in = |namespace: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}});
        explained(&engine, &admission(&json!({"operation": "CREATE", "namespace": namespace, "object": object})))
    };
    let explained = explained_in("ns");
    assert_eq!(
        criterion(at("scoped", &explained)),
        ("enforcementPoint", r#"["audit.gatekeeper.sh"]"#, r#""validation.gatekeeper.sh""#)
    );
    assert_eq!(criterion(at("operation", &explained)), ("operations", r#"["DELETE"]"#, r#""CREATE""#));
    assert_eq!(criterion(at("elsewhere", &explained)), ("clusters", "env in (prod)", "{}"));
    let excluded = explained_in("kube-system");
    assert_eq!(excluded.len(), 3);
    for one in &excluded {
        let expected = r#"a namespace that is not excluded from webhook, as ["*-system","x"] are"#;
        assert_eq!(criterion(one), ("Config", expected, r#""kube-system""#));
    }
}

#[test]
fn a_constraint_that_cannot_be_matched_rejects_and_says_so() {
    let selector = json!({"match": {"namespaceSelector": {"matchLabels": {"a": "b"}}}});
    let engine = with(&[template("K", DENY_ALL), constraint("K", "c", selector)]);
    let explained = explained(&engine, &create(&pod()));
    let one = at("c", &explained);
    assert!(one.matched && one.criterion.is_none());
    let violation = &one.violations[0];
    assert!(violation.violation.as_ref().unwrap().message.contains("missing Namespace"));
    assert!(violation.positions.is_empty());
}

#[test]
fn a_violation_names_each_clause_that_gave_it() {
    let file = r#"# a comment
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k}
spec:
  crd:
    spec:
      names: {kind: K}
      validation: {openAPIV3Schema: {type: object, properties: {a: {type: string, default: z}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k

        violation[{"msg": msg}] {
          msg := names[_]
        }
        names := {"one", "two"}
          violation[{"msg": "two", "details": {}}] { true } {
          input.review.object.kind == "Pod"
        }
        violation[{"msg": "three", "details": {"n": 1}}] { helper }
        helper { input.review.object.kind == "Node" }
        helper { input.parameters.a == "z" }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K
metadata: {name: c}
spec: {enforcementAction: warn, parameters: {}}
"#;
    let engine = engine();
    engine.policies.apply("test", &[("dir/policy.yaml", file.as_bytes())], false).unwrap();
    let explained = explained(&engine, &create(&pod()));
    let one = at("c", &explained);
    assert_eq!((&*one.scope, &*one.enforcement_action, &*one.parameters), ("fleet", "warn", &br#"{"a":"z"}"#[..]));
    let place = |at: &wire::RegoPosition| (at.line, at.column, at.source_line);
    let places = |found: &wire::ExplainedViolation| {
        let message = found.violation.as_ref().unwrap().message.clone();
        (message, found.positions.iter().map(place).collect::<Vec<_>>())
    };
    let positions: Vec<_> = one.violations.iter().map(places).collect();
    let positions: Vec<_> = positions.iter().map(|(message, places)| (&**message, places.clone())).collect();
    assert_eq!(
        positions,
        [("one", vec![(15, 9, 3)]), ("three", vec![(22, 9, 10)]), ("two", vec![(15, 9, 3), (19, 11, 7), (19, 61, 7)]),]
    );
    let first = &one.violations[0].positions[0];
    assert_eq!(
        (&*first.path, &*first.source, &*first.text),
        ("dir/policy.yaml", "rego", "violation[{\"msg\": msg}] {")
    );
}

const UNIQUE: &str = r#"violation[{"msg": msg}] {
  other := data.inventory.namespace[ns].v1.Pod[name]
  other.spec.host == input.review.object.spec.host
  msg := sprintf("%v/%v", [ns, name])
}"#;

fn pod_with_host(namespace: &str, name: &str, host: &str) -> Json {
    let owner = json!([{"kind": "ReplicaSet", "name": "r", "controller": true, "apiVersion": "apps/v1", "uid": "1"}]);
    json!({
        "apiVersion": "v1", "kind": "Pod", "spec": {"host": host},
        "metadata": {"name": name, "namespace": namespace, "uid": "u", "ownerReferences": owner},
    })
}

fn with_inventory() -> Engine {
    let engine = with(&[
        template("Unique", UNIQUE),
        constraint("Unique", "host", json!({})),
        template("K", DENY_ALL),
        constraint("K", "pods", json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}})),
    ]);
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"env": "prod"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b", "labels": {"env": "test"}}}),
        pod_with_host("a", "p", "x"),
        pod_with_host("b", "q", "y"),
    ];
    let texts: Vec<Vec<u8>> = objects.iter().map(|object| serde_json::to_vec(object).unwrap()).collect();
    engine.inventories.replace("c", texts.iter().map(|text| &**text)).unwrap();
    engine
}

fn objects_read(explained: &wire::ConstraintExplanation) -> Vec<String> {
    let shown = |read: &wire::ReadObject| {
        format!("{} {} {}/{}", read.cluster, read.kind.as_ref().unwrap().kind, read.namespace, read.name)
    };
    explained.reads.iter().map(shown).collect()
}

#[test]
fn objects_without_what_is_looked_for_were_read_too() {
    let engine = with(&[template("Unique", UNIQUE), constraint("Unique", "host", json!({}))]);
    let bare = |namespace, name| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}});
    let texts = [bare("a", "p"), bare("b", "q")].map(|object| serde_json::to_vec(&object).unwrap());
    engine.inventories.replace("c", texts.iter().map(|text| &**text)).unwrap();
    let explained = explained(&engine, &create(&pod_with_host("ns", "new", "x")));
    assert_eq!(objects_read(at("host", &explained)), ["c Pod a/p", "c Pod b/q"]);
}

#[test]
fn objects_of_the_inventory_that_were_read_are_named() {
    let explained = explained(&with_inventory(), &create(&pod_with_host("ns", "new", "x")));
    let one = at("host", &explained);
    assert_eq!(objects_read(one), ["c Pod a/p", "c Pod b/q"]);
    assert_eq!(one.read_objects, 2);
    assert_eq!(one.violations[0].violation.as_ref().unwrap().message, "a/p");
}

#[track_caller]
fn explain(
    engine: &Engine,
    subject: wire::explain_request::Subject,
    own: Option<&str>,
) -> Result<wire::ExplainResponse, CallError> {
    let request = wire::ExplainRequest { subject: Some(subject) };
    let caller = Caller { cluster: own, deadline: None };
    engine.explain(&request.encode_to_vec(), &caller).map(|answer| wire::ExplainResponse::decode(&*answer).unwrap())
}

fn cached(cluster: &str, kind: &str, namespace: &str, name: &str) -> wire::explain_request::Subject {
    let [cluster, kind, namespace, name] = [cluster, kind, namespace, name].map(str::to_owned);
    wire::explain_request::Subject::Cached(wire::CachedObject { cluster, kind, namespace, name })
}

#[test]
fn a_cached_object_is_explained_as_audit_reviews_it() {
    let engine = with_inventory();
    let answer = explain(&engine, cached("c", "pods", "a", "p"), None).unwrap();
    let object = answer.object.unwrap();
    assert_eq!((&*object.cluster, &*object.namespace, &*object.name), ("c", "a", "p"));
    assert_eq!((&*object.uid, &*object.owner), ("u", "ReplicaSet/r"));
    assert_eq!(object.kind.unwrap().version, "v1");
    let decision = answer.decision.unwrap();
    assert_eq!(found(&decision), [("pods", "no", "deny"), ("host", "a/p", "deny")]);
    assert_eq!(decision.explanation, None);
    assert_eq!(answer.explanation.unwrap().constraints.len(), 2);
    let other = explain(&engine, cached("c", "Pod", "b", "q"), Some("c")).unwrap();
    let explanation = other.explanation.unwrap().constraints;
    assert_eq!(
        criterion(at("pods", &explanation)),
        ("spec.match.namespaceSelector", r#"{"matchLabels":{"env":"prod"}}"#, r#"{"env":"test"}"#)
    );
    let review = wire::explain_request::Subject::Review(create(&pod_with_host("a", "p", "x")));
    let answer = explain(&engine, review, None).unwrap();
    assert_eq!((&*answer.object.unwrap().name, answer.decision.unwrap().allowed), ("p", false));
}

#[test]
fn an_object_that_is_not_cached_is_named() {
    let engine = with_inventory();
    for (subject, expected) in [
        (cached("d", "Pod", "a", "p"), "cached.cluster"),
        (cached("c", "Ingress", "a", "p"), "cached.kind"),
        (cached("c", "Pod", "a", "none"), "cached.name"),
        (cached("c", "Pod", "", "p"), "cached.name"),
    ] {
        let error = explain(&engine, subject, None).unwrap_err();
        assert!(matches!(&error, CallError::InvalidRequest { field, .. } if field == expected), "{error:?}");
    }
    for name in ["c", "nowhere"] {
        let error = explain(&engine, cached(name, "Pod", "a", "p"), Some("d")).unwrap_err();
        assert!(matches!(error, CallError::ClusterMismatch { .. }));
    }
    let nothing = engine.explain(&[], &Caller::default());
    assert!(matches!(nothing, Err(CallError::InvalidRequest { field, .. }) if field == "subject"));
}

#[test]
fn a_constraint_without_an_answer_says_why() {
    let mut engine = with(&[
        template("K", r#"violation[{"msg": "m"}] { numbers.range(1, 100000)[_] == input.review.object.n }"#),
        constraint("K", "c", json!({})),
    ]);
    engine.limits.constraint_instructions = 1_000;
    let explained = explained(&engine, &create(&pod()));
    let one = at("c", &explained);
    assert!(one.matched && one.violations.is_empty());
    assert_eq!(one.error.as_ref().unwrap().reason(), ErrorReason::InstructionBudget);
}
