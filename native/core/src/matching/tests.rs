#![allow(clippy::unwrap_used, reason = "tests")]

//! Every row and example of Gatekeeper's match criteria.

use fleetgate_value::Value;
use serde_json::json;

use super::*;

/// A review's object and its surroundings.
struct Case {
    object: Value,
    old_object: Value,
    namespace: Option<Value>,
    source: Source,
}

fn value(json: serde_json::Value) -> Value {
    crate::json::from_serde(&json)
}

fn object(json: serde_json::Value) -> Case {
    Case { object: value(json), old_object: Value::Null, namespace: None, source: Source::Original }
}

fn kind(api_version: &str, kind: &str) -> Case {
    object(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "n"}}))
}

fn pod_in(namespace: &str) -> Case {
    object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}}))
}

impl Case {
    fn with_namespace(mut self, json: serde_json::Value) -> Self {
        self.namespace = Some(value(json));
        self
    }

    fn with_old(mut self, json: serde_json::Value) -> Self {
        self.old_object = value(json);
        self
    }

    fn from(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    fn run(&self, block: serde_json::Value) -> Result<bool, String> {
        let subject = Subject::new(&self.object, &self.old_object, self.namespace.as_ref(), self.source);
        Matcher::parse(&block).unwrap().matches(&subject).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn expect(&self, block: serde_json::Value, matches: bool) {
        assert_eq!(self.run(block.clone()), Ok(matches), "{block}");
    }
}

#[test]
fn kinds() {
    for (block, api_version, name, matches) in [
        (json!([]), "v1", "Pod", true),
        (json!([{}]), "v1", "Pod", true),
        (json!([{"kinds": ["*"]}]), "apps/v1", "Deployment", true),
        (json!([{"apiGroups": ["*"], "kinds": ["Pod"]}]), "v1", "Pod", true),
        (json!([{"apiGroups": [""], "kinds": ["Pod"]}]), "v1", "Pod", true),
        (json!([{"apiGroups": [""], "kinds": ["Pod"]}]), "v2", "Pod", true),
        (json!([{"apiGroups": [""], "kinds": ["Pod"]}]), "other/v1", "Pod", false),
        (json!([{"apiGroups": ["v1"], "kinds": ["Pod"]}]), "v1", "Pod", false),
        (json!([{"apiGroups": ["apps"]}]), "apps/v1", "Deployment", true),
        (json!([{"kinds": ["pod"]}]), "v1", "Pod", false),
        (json!([{"kinds": ["Pods"]}]), "v1", "Pod", false),
        (json!([{"kinds": ["Service"]}, {"kinds": ["Pod"]}]), "v1", "Pod", true),
        (
            json!([{"apiGroups": ["apps"], "kinds": ["Pod"]}, {"apiGroups": [""], "kinds": ["Deployment"]}]),
            "v1",
            "Pod",
            false,
        ),
        (json!([{"kinds": ["Pod"]}]), "v1", "PodExecOptions", false),
        (json!([{"apiGroups": ["autoscaling"], "kinds": ["Scale"]}]), "autoscaling/v1", "Scale", true),
    ] {
        kind(api_version, name).expect(json!({"kinds": block}), matches);
    }
}

#[test]
fn scope() {
    let namespace = kind("v1", "Namespace");
    let node = kind("v1", "Node");
    let pod = pod_in("a");
    let in_namespace = kind("v1", "Pod").with_namespace(json!({"metadata": {"name": "a"}}));
    for (scope, expected) in [
        ("Cluster", [true, true, false, false]),
        ("Namespaced", [false, false, true, true]),
        ("cluster", [true; 4]),
        ("*", [true; 4]),
        ("", [true; 4]),
    ] {
        for (case, matches) in [&namespace, &node, &pod, &in_namespace].into_iter().zip(expected) {
            case.expect(json!({"scope": scope}), matches);
        }
    }
    kind("other/v1", "Namespace").expect(json!({"scope": "Cluster"}), true);
    object(json!({"apiVersion": "other/v1", "kind": "Namespace", "metadata": {"namespace": "a"}}))
        .expect(json!({"scope": "Cluster"}), false);
}

#[test]
fn namespaces_and_excluded_namespaces() {
    let named = |name: &str| object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    for (case, globs, listed) in [
        (pod_in("kube-system"), json!(["kube-*"]), true),
        (pod_in("kube-system"), json!(["*-system"]), true),
        (pod_in("kube-system"), json!(["*be-s*"]), true),
        (pod_in("kube-system"), json!(["kube"]), false),
        (pod_in("kube-system"), json!(["kube", "kube-system"]), true),
        (pod_in("a"), json!(["*"]), true),
        (named("a"), json!(["a"]), true),
        (named("a"), json!(["b"]), false),
        (kind("v1", "Pod").with_namespace(json!({"metadata": {"name": "a"}})), json!(["a"]), true),
        (pod_in("a").with_namespace(json!({"metadata": {"name": "b"}})), json!(["b"]), true),
    ] {
        case.expect(json!({"namespaces": globs}), listed);
        case.expect(json!({"excludedNamespaces": globs}), !listed);
    }
    // Without a namespace to compare, neither list says no.
    let node = kind("v1", "Node");
    node.expect(json!({"namespaces": ["a"]}), true);
    node.expect(json!({"excludedNamespaces": ["*"]}), true);
    named("a").expect(json!({"excludedNamespaces": ["*"]}), false);
    kind("other/v1", "Namespace").expect(json!({"excludedNamespaces": ["*"]}), true);
}

#[test]
fn label_selectors() {
    let pod = object(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "web", "tier": "front"}}
    }));
    let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    for (selector, matches) in [
        (json!({}), true),
        (json!({"matchLabels": {"app": "web"}}), true),
        (json!({"matchLabels": {"app": "web", "tier": "back"}}), false),
        (json!({"matchLabels": {"absent": ""}}), false),
        (expression("app", "In", &["db", "web"]), true),
        (expression("app", "In", &["db"]), false),
        (expression("app", "NotIn", &["db"]), true),
        (expression("app", "NotIn", &["web"]), false),
        (expression("absent", "NotIn", &["web"]), true),
        (expression("absent", "In", &["web"]), false),
        (expression("app", "Exists", &[]), true),
        (expression("absent", "Exists", &[]), false),
        (expression("app", "DoesNotExist", &[]), false),
        (expression("absent", "DoesNotExist", &[]), true),
    ] {
        pod.expect(json!({"labelSelector": selector}), matches);
    }
    let odd = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"app": "web", "n": 1}}}));
    odd.expect(json!({"labelSelector": {"matchLabels": {"app": "web"}}}), false);
}

#[test]
fn namespace_selectors() {
    let block = || json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}});
    let prod = || json!({"metadata": {"name": "a", "labels": {"env": "prod"}}});
    pod_in("a").with_namespace(prod()).expect(block(), true);
    pod_in("a").with_namespace(json!({"metadata": {"name": "a"}})).expect(block(), false);
    kind("v1", "Node").expect(block(), true);
    let own =
        |labels| object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": labels}}));
    own(json!({"env": "prod"})).expect(block(), true);
    own(json!({})).expect(block(), false);
    let missing = "unable to match constraints: error matching the requested object: p :failed to run Match criteria: \
        namespace selector for namespace-scoped object but missing Namespace";
    assert_eq!(pod_in("a").run(block()), Err(missing.to_owned()));
    assert_eq!(pod_in("a").run(json!({"namespaceSelector": {}})), Err(missing.to_owned()));
}

#[test]
fn an_earlier_no_hides_the_error_of_a_later_criterion() {
    for hiding in [
        json!({"kinds": [{"kinds": ["Service"]}]}),
        json!({"scope": "Cluster"}),
        json!({"namespaces": ["b"]}),
        json!({"excludedNamespaces": ["a"]}),
        json!({"labelSelector": {"matchLabels": {"x": "y"}}}),
    ] {
        let mut block = hiding.clone();
        block.as_object_mut().unwrap().insert("namespaceSelector".to_owned(), json!({}));
        pod_in("a").expect(block, false);
    }
    let shown = json!({"namespaceSelector": {}, "name": "other", "source": "Generated"});
    assert!(pod_in("a").run(shown).is_err());
}

#[test]
fn names() {
    let named = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}}));
    let generated = object(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"}}));
    for (pattern, matches_name, matches_generate_name) in [
        ("", true, true),
        ("web-1", true, false),
        ("web-*", true, true),
        ("*-1", true, false),
        ("*eb*", true, true),
        ("*", true, true),
        ("*-web", false, false),
        ("web-", false, false),
    ] {
        named.expect(json!({"name": pattern}), matches_name);
        generated.expect(json!({"name": pattern}), matches_generate_name);
    }
}

#[test]
fn sources() {
    for (wanted, expected) in
        [("", [true, true]), ("All", [true, true]), ("Original", [true, false]), ("Generated", [false, true])]
    {
        for (source, matches) in [Source::Original, Source::Generated].into_iter().zip(expected) {
            pod_in("a").from(source).expect(json!({"source": wanted}), matches);
        }
    }
    pod_in("a").from(Source::Unspecified).expect(json!({"source": "All"}), true);
    let rejected = "unable to match constraints: error matching the requested object: p :failed to run Match criteria: \
        source field not specified for resource p";
    for wanted in ["Original", "Generated"] {
        assert_eq!(pod_in("a").from(Source::Unspecified).run(json!({"source": wanted})), Err(rejected.to_owned()));
    }
}

#[test]
fn object_or_old_object() {
    let block = || json!({"labelSelector": {"matchLabels": {"old": "yes"}}});
    let labelled = || json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"old": "yes"}}});
    kind("v1", "Pod").with_old(labelled()).expect(block(), true);
    kind("v1", "Pod").with_old(json!({"apiVersion": "v1", "kind": "Pod"})).expect(block(), false);
    // One of them has to satisfy all criteria.
    let half_each = json!({"labelSelector": {"matchLabels": {"old": "yes"}}, "name": "n"});
    kind("v1", "Pod").with_old(labelled()).expect(half_each, false);
    Case { object: Value::Null, ..kind("v1", "Pod") }.with_old(labelled()).expect(block(), true);
}

#[test]
fn a_review_without_readable_objects_is_rejected() {
    let none = Case { object: Value::Null, ..kind("v1", "Pod") };
    let text = "unable to match constraints: invalid request object: neither object nor old object are defined";
    assert_eq!(none.run(json!({})), Err(text.to_owned()));
    for unreadable in
        [json!({"apiVersion": "v1"}), json!([]), json!("Pod"), json!({"apiVersion": "a/b/c", "kind": "Pod"})]
    {
        let text = "unable to match constraints: invalid request object: failed to unmarshal gkReview object";
        assert_eq!(object(unreadable).run(json!({"kinds": [{"kinds": ["Service"]}]})), Err(text.to_owned()));
    }
}

#[test]
fn defects_of_a_block() {
    for (block, field) in [
        (json!([]), ""),
        (json!({"foo": 1}), "foo"),
        (json!({"kinds": {}}), "kinds"),
        (json!({"kinds": [{"kind": ["Pod"]}]}), "kinds[0].kind"),
        (json!({"kinds": [{"apiGroups": "apps"}]}), "kinds[0].apiGroups"),
        (json!({"kinds": [{}, {"kinds": [1]}]}), "kinds[1].kinds[0]"),
        (json!({"namespaces": ["ok", "n*1"]}), "namespaces[1]"),
        (json!({"excludedNamespaces": ["Upper"]}), "excludedNamespaces[0]"),
        (json!({"name": "a.b"}), "name"),
        (json!({"scope": 1}), "scope"),
        (json!({"source": "original"}), "source"),
        (json!({"labelSelector": {"matchLabel": {}}}), "labelSelector.matchLabel"),
        (json!({"labelSelector": {"matchLabels": {"a": 1}}}), "labelSelector.matchLabels[a]"),
        (json!({"labelSelector": {"matchLabels": {"a b": "c"}}}), "labelSelector.matchLabels[a b]"),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
            "namespaceSelector.matchExpressions[0].operator",
        ),
        (
            json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            "labelSelector.matchExpressions[0].values",
        ),
        (
            json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}),
            "labelSelector.matchExpressions[0].values",
        ),
    ] {
        let fields: Vec<String> = Matcher::parse(&block).unwrap_err().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, [field], "{block}");
    }
    assert_eq!(Matcher::parse(&json!({"a": 1, "b": 2, "name": "A"})).unwrap_err().len(), 3);
}

#[test]
fn an_object_without_a_namespace_of_its_own_has_the_request_s() {
    let (object, nothing) = (value(json!({"apiVersion": "v1", "kind": "PodExecOptions"})), Value::Null);
    let subject = Subject::new(&object, &nothing, None, Source::Original).in_namespace("prod");
    let run = |block| Matcher::parse(&block).unwrap().matches(&subject).map_err(|error| error.to_string());
    assert_eq!(run(json!({"scope": "Namespaced"})), Ok(true));
    assert_eq!(run(json!({"scope": "Cluster"})), Ok(false));
    assert_eq!(run(json!({"namespaces": ["prod"]})), Ok(true));
    assert_eq!(run(json!({"namespaces": ["other"]})), Ok(false));
    assert_eq!(run(json!({"excludedNamespaces": ["prod"]})), Ok(false));
    assert!(run(json!({"namespaceSelector": {}})).unwrap_err().contains("missing Namespace"));
}

#[test]
fn a_label_that_is_null_is_empty_and_other_types_are_no_labels() {
    let labels = |json: &str| {
        let metadata = crate::json::of_text(&format!(r#"{{"labels": {json}}}"#));
        let labels = super::Labels::of_metadata(&metadata);
        ["a", "b"].map(|name| labels.get(&Value::from(name)).map(str::to_owned))
    };
    assert_eq!(labels(r#"{"a": null, "b": "x"}"#), [Some(String::new()), Some("x".to_owned())]);
    assert_eq!(labels(r#"{"a": 1, "b": "x"}"#), [None, None]);
}
