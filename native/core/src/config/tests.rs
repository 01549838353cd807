#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::diagnostic::{Diagnostic, code};
use crate::json::{KeyCache, parse};
use crate::matching::Facts;
use crate::yaml;

fn document(value: &Value) -> yaml::Document {
    let mut reading = yaml::read("config.yaml", value.to_string().as_bytes());
    assert_eq!(reading.diagnostics, []);
    reading.documents.pop().unwrap()
}

fn config(spec: Value) -> Result<Config, Vec<Diagnostic>> {
    let value = json!({
        "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"}, "spec": spec,
    });
    read_config(&document(&value), &"b".into())
}

fn excluder(entries: Value) -> Excluder {
    config(json!({"match": entries})).unwrap().excluder
}

fn excludes(excluder: &Excluder, process: Process, object: (&str, &str, &str), namespace: &str) -> bool {
    let (api_version, kind, name) = object;
    let text = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}).to_string();
    let value = parse(text.as_bytes(), &mut KeyCache::default(), crate::json::Numbers::Doubles).unwrap();
    excluder.excludes(process, &Facts::of(&value).unwrap(), namespace)
}

const POD: (&str, &str, &str) = ("v1", "Pod", "p");

/// Source of the rows: `Excluder.Add`, `IsNamespaceExcluded` and `Wildcard.Matches` of Gatekeeper 3.23.1.
#[test]
fn processes_and_wildcards() {
    let excluder = excluder(json!([
        {"processes": ["webhook"], "excludedNamespaces": ["kube-*", "exact"]},
        {"processes": ["webhook"], "excludedNamespaces": ["*-system"]},
        {"processes": ["audit", "sync"], "excludedNamespaces": ["*mid*"]},
        {"processes": ["*"], "excludedNamespaces": ["all"]},
        {"processes": ["unknown"], "excludedNamespaces": ["*"]},
        {"processes": ["mutation-webhook"], "excludedNamespaces": []},
        {"processes": [], "excludedNamespaces": ["*"]},
        {"excludedNamespaces": ["*"]},
        {"processes": ["audit"]},
    ]));
    for (process, namespace, expected) in [
        (Process::Webhook, "kube-public", true),
        (Process::Webhook, "exact", true),
        (Process::Webhook, "exactly", false),
        (Process::Webhook, "my-system", true),
        (Process::Webhook, "amidst", false),
        (Process::Audit, "amidst", true),
        (Process::Sync, "amidst", true),
        (Process::Audit, "kube-public", false),
        (Process::MutationWebhook, "all", true),
        (Process::MutationWebhook, "amidst", false),
        (Process::Webhook, "", false),
    ] {
        assert_eq!(excludes(&excluder, process, POD, namespace), expected, "{process:?} {namespace:?}");
    }
    for process in Process::ALL {
        assert!(excludes(&excluder, process, POD, "all"), "{process:?}");
    }
}

#[test]
fn a_namespace_is_compared_by_its_own_name() {
    let excluder = excluder(json!([{"processes": ["*"], "excludedNamespaces": ["kube-*"]}]));
    let excludes = |object, namespace: &str| excludes(&excluder, Process::Webhook, object, namespace);
    assert!(excludes(("v1", "Namespace", "kube-system"), ""));
    assert!(!excludes(("v1", "Namespace", "default"), "kube-system"));
    assert!(!excludes(("other/v1", "Namespace", "kube-system"), ""));
    assert!(!excludes(("v1", "Pod", "kube-proxy"), "default"));
}

#[test]
fn a_star_excludes_what_is_cluster_scoped() {
    let node = ("v1", "Node", "n");
    for (pattern, expected) in [("*", true), ("**", true), ("", true), ("kube-*", false), ("default", false)] {
        let excluder = excluder(json!([{"processes": ["audit"], "excludedNamespaces": [pattern]}]));
        assert_eq!(excludes(&excluder, Process::Audit, node, ""), expected, "{pattern:?}");
    }
    assert!(!excludes(&Excluder::default(), Process::Audit, node, ""));
}

#[test]
fn what_is_checked_and_unused() {
    let read = config(json!({
        "validation": {"traces": [{"user": "a", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "dump": "All"}]},
        "readiness": {"statsEnabled": true},
        "sync": {"syncOnly": [{"version": "v1", "kind": "Pod"}, {"group": "apps", "version": "v1", "kind": "ReplicaSet"}]},
    }));
    let kinds: Vec<String> = read.unwrap().sync_only.iter().map(ToString::to_string).collect();
    assert_eq!(kinds, ["/v1:Pod", "apps/v1:ReplicaSet"]);
    assert!(config(json!({})).unwrap().sync_only.is_empty());
}

#[track_caller]
fn refused<T>(read: Result<T, Vec<Diagnostic>>) -> Vec<(String, &'static str)> {
    let found = read.err().unwrap_or_default();
    assert!(found.iter().all(|one| one.location.as_ref().is_some_and(|at| at.line != 0)), "{found:?}");
    found.into_iter().map(|one| (one.field, one.code)).collect()
}

/// The schema is `config/crd/bases/config.gatekeeper.sh_configs.yaml` of Gatekeeper 3.23.1.
#[test]
fn refused_configs() {
    for (spec, field, class) in [
        (
            json!({"match": [{"excludedNamespaces": ["a*b"]}]}),
            "spec.match[0].excludedNamespaces[0]",
            code::INVALID_FIELD,
        ),
        (
            json!({"match": [{"excludedNamespaces": ["Upper"]}]}),
            "spec.match[0].excludedNamespaces[0]",
            code::INVALID_FIELD,
        ),
        (json!({"match": [{"processes": "webhook"}]}), "spec.match[0].processes", code::INVALID_FIELD),
        (json!({"match": {}}), "spec.match", code::INVALID_FIELD),
        (json!({"match": [{"namespaces": ["a"]}]}), "spec.match[0].namespaces", code::UNKNOWN_FIELD),
        (json!({"readiness": {"statsEnabled": "yes"}}), "spec.readiness.statsEnabled", code::INVALID_FIELD),
        (json!({"validation": {"traces": [{"kinds": []}]}}), "spec.validation.traces[0].kinds", code::UNKNOWN_FIELD),
        (json!({"sync": {"syncOnly": [{"kind": "Pod"}]}}), "spec.sync.syncOnly[0].version", code::INVALID_CONFIG),
        (
            json!({"sync": {"syncOnly": [{"version": "v1", "kind": ""}]}}),
            "spec.sync.syncOnly[0].kind",
            code::INVALID_CONFIG,
        ),
        (json!([]), "spec", code::INVALID_FIELD),
    ] {
        assert_eq!(refused(config(spec.clone())), [(field.to_owned(), class)], "{spec}");
    }
    let named = json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config", "metadata": {"name": "other"}});
    assert_eq!(
        refused(read_config(&document(&named), &"b".into())),
        [("metadata.name".to_owned(), code::INVALID_CONFIG)]
    );
    let newer = json!({"apiVersion": "config.gatekeeper.sh/v1", "kind": "Config", "metadata": {"name": "config"}});
    assert_eq!(refused(read_config(&document(&newer), &"b".into())), [("apiVersion".to_owned(), code::INVALID_CONFIG)]);
}

#[test]
fn sync_sets() {
    let sync_set = |name: &str, spec: Value| {
        let value = json!({
            "apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": name}, "spec": spec,
        });
        read_sync_set(&document(&value), &"b".into())
    };
    let read = sync_set("s", json!({"gvks": [{"group": "apps", "version": "v1", "kind": "Deployment"}]})).unwrap();
    assert_eq!((&*read.name, read.kinds[0].to_string()), ("s", "apps/v1:Deployment".to_owned()));
    for (name, spec, field, class) in [
        ("Upper", json!({}), "metadata.name", code::INVALID_SYNC_SET),
        ("", json!({}), "metadata.name", code::INVALID_SYNC_SET),
        ("s", json!({"gvks": [{"version": "v1"}]}), "spec.gvks[0].kind", code::INVALID_SYNC_SET),
        ("s", json!({"gvks": [{"version": 1, "kind": "Pod"}]}), "spec.gvks[0].version", code::INVALID_FIELD),
        ("s", json!({"gvk": []}), "spec.gvk", code::UNKNOWN_FIELD),
    ] {
        assert_eq!(refused(sync_set(name, spec.clone())), [(field.to_owned(), class)], "{name} {spec}");
    }
}
