//! Objects that somebody would write, reviewed as admission would review them.

use fleetgate_value::Value;
use prost::bytes::Bytes;
use serde_json::json;

use crate::audit::findings::audited;
use crate::config::GroupVersionKind;
use crate::inventory::Snapshot;
use crate::json::{self, KeyCache, Numbers};
use crate::matching::Facts;
use crate::wire::{self, review_request::Subject};

/// An object that is asked about.
#[derive(Debug, Clone)]
pub(super) struct Written {
    text: Bytes,
    kind: GroupVersionKind,
    namespace: String,
    name: String,
}

impl Written {
    /// Reads an object.
    pub(super) fn of(text: Bytes) -> Result<Self, String> {
        let object = json::parse(&text, &mut KeyCache::default(), Numbers::Exact).map_err(|error| error.to_string())?;
        let facts = Facts::of(&object).ok_or("a Kubernetes object with apiVersion and kind is expected")?;
        let kind =
            GroupVersionKind { group: facts.group.into(), version: facts.version.into(), kind: facts.kind.into() };
        let (namespace, name) = (facts.namespace.to_owned(), facts.name.to_owned());
        Ok(Self { text, kind, namespace, name })
    }

    /// As findings name it in a cluster.
    pub(super) fn named(&self, cluster: &str) -> wire::AuditedObject {
        audited(cluster, &self.kind, &self.namespace, &self.name)
    }

    /// The review that the API server of a cluster would ask for: a CREATE, or an UPDATE of the object that is cached there. Who
    /// writes is not known. Its Namespace is the cluster's, or else one that is written together with it.
    pub(super) fn review(&self, snapshot: &Snapshot, together: &[Self]) -> wire::ReviewRequest {
        let old = snapshot.object(&self.kind, &self.namespace, &self.name).and_then(Result::ok);
        let GroupVersionKind { group, version, kind } = &self.kind;
        let mut request = json!({
            "uid": "",
            "kind": {"group": &**group, "version": &**version, "kind": &**kind},
            "resource": {"group": &**group, "version": &**version, "resource": ""},
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {},
        });
        for (field, value) in [("name", &self.name), ("namespace", &self.namespace)] {
            if let Some(fields) = request.as_object_mut().filter(|_| !value.is_empty()) {
                fields.insert(field.to_owned(), json!(value));
            }
        }
        // Objects go in as they are written: their numbers would not survive another way.
        let mut text = request.to_string().into_bytes();
        text.pop();
        text.extend(b",\"object\":");
        text.extend(&*self.text);
        if let Some(old) = old {
            text.extend(b",\"oldObject\":");
            text.extend(old);
        }
        text.push(b'}');
        wire::ReviewRequest {
            cluster: snapshot.cluster().to_string(),
            subject: Some(Subject::AdmissionRequest(text.into())),
            namespace: self.namespace_of(snapshot, together),
            source: wire::Source::Original.into(),
            ..Default::default()
        }
    }

    fn namespace_of(&self, snapshot: &Snapshot, together: &[Self]) -> Bytes {
        if self.namespace.is_empty() {
            return Bytes::new();
        }
        let cached = snapshot.namespace(&self.namespace).as_ref().map(json::to_vec).map(Bytes::from);
        let is_it = |one: &&Self| one.kind.is_namespace() && one.name == self.namespace;
        cached.or_else(|| together.iter().find(is_it).map(|one| one.text.clone())).unwrap_or_default()
    }
}

/// The object of an answer's own words, where it cannot be read.
pub(super) fn unread(cluster: &str, number: usize) -> wire::AuditedObject {
    wire::AuditedObject { cluster: cluster.to_owned(), name: format!("objects[{number}]"), ..Default::default() }
}

/// The owner and UID of a written object.
pub(super) fn identified(named: wire::AuditedObject, written: &Written) -> wire::AuditedObject {
    let object = json::parse(&written.text, &mut KeyCache::default(), Numbers::Exact).unwrap_or(Value::Null);
    crate::audit::findings::identified(named, &object)
}
