#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn value(json: &str) -> Value {
    crate::json::of_text(json)
}

fn admission(request: &str, namespace: &str) -> Result<Review, ReviewError> {
    let keys = &mut KeyCache::default();
    Review::of_admission_request(
        request.as_bytes(),
        namespace.as_bytes(),
        Source::Unspecified,
        keys,
        &Compatibility::default(),
    )
}

const ALWAYS: &str = r#"{
    "uid": "", "kind": {"group": "", "version": "", "kind": ""}, "resource": {"group": "", "version": "", "resource": ""},
    "operation": "", "userInfo": {}, "object": null, "oldObject": null, "options": null, "namespaceObject": {}
}"#;

#[test]
fn keys_that_are_always_present() {
    assert_eq!(admission("{}", "").unwrap().value, value(ALWAYS));
}

#[test]
fn keys_that_appear_when_set() {
    let request = r#"{
        "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "subResource": "scale",
        "requestKind": {"group": "apps", "version": "v1beta1", "kind": "Deployment"},
        "requestResource": {"version": "v1beta1"}, "requestSubResource": "scale", "name": "d", "namespace": "ns",
        "operation": "UPDATE", "userInfo": {"username": "me", "uid": "", "groups": ["g"], "extra": {}},
        "object": {"a": 1}, "oldObject": {"a": 2}, "dryRun": false, "options": {"kind": "UpdateOptions"}, "unknown": 1
    }"#;
    let expected = r#"{
        "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "subResource": "scale",
        "requestKind": {"group": "apps", "version": "v1beta1", "kind": "Deployment"},
        "requestResource": {"group": "", "version": "v1beta1", "resource": ""}, "requestSubResource": "scale",
        "name": "d", "namespace": "ns", "operation": "UPDATE", "userInfo": {"username": "me", "groups": ["g"]},
        "object": {"a": 1}, "oldObject": {"a": 2}, "dryRun": false, "options": {"kind": "UpdateOptions"},
        "namespaceObject": {"metadata": {"name": "ns"}, "spec": {}, "status": {}}
    }"#;
    let review = admission(request, r#"{"metadata": {"name": "ns"}}"#).unwrap();
    assert_eq!(review.value, value(expected));
    assert_eq!((&*review.operation, review.dry_run, &*review.namespace_name), ("UPDATE", false, "ns"));
}

#[test]
fn delete_shows_the_old_object_as_the_object() {
    let review = admission(r#"{"operation": "DELETE", "oldObject": {"a": 1}}"#, "").unwrap();
    assert_eq!(*review.value.field("object").unwrap(), value(r#"{"a": 1}"#));
    assert_eq!(*review.value.field("oldObject").unwrap(), value(r#"{"a": 1}"#));
    for request in [r#"{"operation": "DELETE"}"#, r#"{"operation": "DELETE", "object": {}, "oldObject": null}"#] {
        let expected = ReviewError::Failed("oldObject cannot be nil for DELETE operations".to_owned());
        assert_eq!(admission(request, "").err(), Some(expected));
    }
}

#[test]
fn connect_shows_the_options_object() {
    let request = r#"{
        "operation": "CONNECT", "subResource": "exec", "name": "p", "namespace": "ns",
        "object": {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]}, "dryRun": true
    }"#;
    let review = admission(request, "").unwrap();
    assert_eq!(*review.value.field("object").unwrap().field("kind").unwrap(), Value::from("PodExecOptions"));
    assert_eq!(*review.value.field("subResource").unwrap(), Value::from("exec"));
    assert_eq!(*review.value.field("oldObject").unwrap(), Value::Null);
    assert!(review.dry_run);
}

#[test]
fn a_namespace_lives_in_no_namespace() {
    let request = r#"{"kind": {"version": "v1", "kind": "Namespace"}, "name": "ns", "namespace": "ns", "object": {}}"#;
    let review = admission(request, r#"{"metadata": {"name": "ns"}}"#).unwrap();
    assert_eq!(*review.value.field("namespaceObject").unwrap(), Value::empty_object());
    assert_eq!(review.value.field("namespace"), None);
    let other_group = request.replace(r#""version""#, r#""group": "other", "version""#);
    assert_eq!(admission(&other_group, "").unwrap().namespace_name, "ns");
}

#[test]
fn a_plain_object_is_reviewed_as_audit_does() {
    let object = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"}}"#;
    let expected = format!(
        r#"{{
            "uid": "", "kind": {{"group": "apps", "version": "v1", "kind": "Deployment"}},
            "resource": {{"group": "", "version": "", "resource": ""}}, "operation": "", "userInfo": {{}},
            "object": {object}, "oldObject": null, "options": null, "name": "d", "namespace": "ns",
            "namespaceObject": {{}}
        }}"#
    );
    let keys = &mut KeyCache::default();
    let review =
        Review::of_object(object.as_bytes(), b"", Source::Unspecified, keys, &Compatibility::default()).unwrap();
    assert_eq!(review.value, value(&expected));
    assert!(!review.has_namespace());
    let cluster_scoped = br#"{"apiVersion": "v1", "kind": "Node"}"#;
    let review = Review::of_object(cluster_scoped, b"", Source::Unspecified, keys, &Compatibility::default()).unwrap();
    assert_eq!((review.value.field("name"), review.value.field("namespace")), (None, None));
    assert!(review.has_namespace());
}

#[test]
fn malformed_fields_are_named() {
    for (request, field) in [
        ("[]", "admission_request"),
        ("{", "admission_request"),
        (r#"{"uid": 1}"#, "admission_request.uid"),
        (r#"{"kind": "Pod"}"#, "admission_request.kind"),
        (r#"{"kind": {"kind": 1}}"#, "admission_request.kind.kind"),
        (r#"{"dryRun": "yes"}"#, "admission_request.dryRun"),
        (r#"{"userInfo": []}"#, "admission_request.userInfo"),
    ] {
        match admission(request, "") {
            Err(ReviewError::Malformed(malformed)) => assert_eq!(malformed.field, field),
            other => unreachable!("{request}: {other:?}"),
        }
    }
    assert!(matches!(admission("{}", "[]"), Err(ReviewError::Malformed(malformed)) if malformed.field == "namespace"));
    let deep = format!(r#"{{"object": {}{}}}"#, "[".repeat(600), "]".repeat(600));
    assert_eq!(admission(&deep, "").err(), Some(ReviewError::TooDeep("admission_request")));
}
