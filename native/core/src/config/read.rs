//! From documents to [`Config`] and [`SyncSet`].

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::{Config, Excluder, GroupVersionKind, SyncSet};
use crate::diagnostic::{Diagnostic, code};
use crate::matching::Glob;
use crate::template::fields::Checked;
use crate::template::schema::{self, Schema};
use crate::template::{did_you_mean, subdomain_defect};
use crate::yaml::Document;

const VERSION: &str = "v1alpha1";

static CONFIG: LazyLock<Schema> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let glob = json!({"type": "string", "pattern": r"^\*?[-:a-z0-9]*\*?$"});
    let exclusion = json!({"type": "object", "properties": {
        "processes": {"type": "array", "items": text},
        "excludedNamespaces": {"type": "array", "items": glob},
    }});
    let trace = json!({"type": "object", "properties": {"user": text, "kind": kind(), "dump": text}});
    envelope(&json!({"type": "object", "properties": {
        "sync": {"type": "object", "properties": {"syncOnly": {"type": "array", "items": kind()}}},
        "validation": {"type": "object", "properties": {"traces": {"type": "array", "items": trace}}},
        "match": {"type": "array", "items": exclusion},
        "readiness": {"type": "object", "properties": {"statsEnabled": {"type": "boolean"}}},
    }}))
});

static SYNC_SET: LazyLock<Schema> =
    LazyLock::new(|| envelope(&json!({"type": "object", "properties": {"gvks": {"type": "array", "items": kind()}}})));

fn kind() -> Value {
    let text = json!({"type": "string"});
    json!({"type": "object", "properties": {"group": text, "version": text, "kind": text}})
}

fn envelope(spec: &Value) -> Schema {
    let (schema, _) = schema::read(&json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
        },
        "spec": spec,
        "status": {"x-kubernetes-preserve-unknown-fields": true},
    }}));
    schema
}

/// Reads the Config.
///
/// # Errors
/// Every defect.
pub(crate) fn read_config(document: &Document, bundle: &Arc<str>) -> Result<Config, Vec<Diagnostic>> {
    let mut checked = Checked::new(document);
    shape(&mut checked, &CONFIG, code::INVALID_CONFIG);
    if name(document) != Config::NAME {
        // The text is that of Gatekeeper's webhook.
        checked.refuse(code::INVALID_CONFIG, "metadata.name", "config resource must have name 'config'");
    }
    let sync_only = kinds(&mut checked, "/spec/sync/syncOnly", "spec.sync.syncOnly", code::INVALID_CONFIG);
    if !checked.diagnostics.is_empty() {
        return Err(checked.diagnostics);
    }
    Ok(Config {
        excluder: excluder(&document.value),
        sync_only,
        document: document.value.clone(),
        origin: document.location(),
        bundle: bundle.clone(),
    })
}

/// Reads a SyncSet.
///
/// # Errors
/// Every defect.
pub(crate) fn read_sync_set(document: &Document, bundle: &Arc<str>) -> Result<SyncSet, Vec<Diagnostic>> {
    let mut checked = Checked::new(document);
    shape(&mut checked, &SYNC_SET, code::INVALID_SYNC_SET);
    let name = name(document);
    if let Some(defect) = subdomain_defect(name) {
        let message = format!("Invalid value: {name:?}: {defect}");
        checked.refuse(code::INVALID_SYNC_SET, "metadata.name", message);
    }
    let kinds = kinds(&mut checked, "/spec/gvks", "spec.gvks", code::INVALID_SYNC_SET);
    if !checked.diagnostics.is_empty() {
        return Err(checked.diagnostics);
    }
    Ok(SyncSet {
        name: name.into(),
        kinds,
        document: document.value.clone(),
        origin: document.location(),
        bundle: bundle.clone(),
    })
}

fn name(document: &Document) -> &str {
    document.value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// Version, types and unknown fields.
fn shape(checked: &mut Checked<'_>, schema: &Schema, code: &'static str) {
    let value = &checked.document.value;
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version.split_once('/').map(|(_, version)| version) != Some(VERSION) {
        let message = format!("no kind {kind:?} is registered for version {api_version:?}");
        checked.refuse_with_hint(code, "apiVersion", message, Some(format!("the known version is {VERSION}")));
    }
    for error in schema::validate(value, schema, "") {
        checked.refuse(code::INVALID_FIELD, &error.field, error.message);
    }
    for (field, known) in schema::find_unknown(value, schema, "") {
        let hint = did_you_mean(field.rsplit('.').next().unwrap_or_default(), known);
        checked.refuse_with_hint(code::UNKNOWN_FIELD, &field, format!("unknown field {field:?}"), hint);
    }
}

/// Kinds to cache. Gatekeeper takes one without a version or kind and then fails to watch it.
fn kinds(checked: &mut Checked<'_>, pointer: &str, field: &str, code: &'static str) -> Vec<GroupVersionKind> {
    let entries = checked.document.value.pointer(pointer).and_then(Value::as_array);
    let mut kinds = Vec::new();
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        for name in ["version", "kind"] {
            if entry.get(name).is_none_or(|value| value.as_str() == Some("")) {
                let message = format!("a kind to sync needs its {name}");
                checked.refuse(code, &format!("{field}[{index}].{name}"), message);
            }
        }
        kinds.push(GroupVersionKind {
            group: text("group").into(),
            version: text("version").into(),
            kind: text("kind").into(),
        });
    }
    kinds
}

/// The exclusions of a Config that its schema accepts.
fn excluder(config: &Value) -> Excluder {
    let mut excluder = Excluder::default();
    for entry in config.pointer("/spec/match").and_then(Value::as_array).into_iter().flatten() {
        let texts = |name: &str| -> Vec<&str> {
            entry.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let globs: Vec<Glob> = texts("excludedNamespaces").into_iter().filter_map(Glob::parse).collect();
        excluder.add(&texts("processes"), &globs);
    }
    excluder
}
