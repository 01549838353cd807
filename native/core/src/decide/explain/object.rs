//! The object that is explained.

use std::sync::Arc;

use fleetgate_value::Value;

use crate::audit::{audited, identified};
use crate::config::GroupVersionKind;
use crate::decide::{CallError, Caller};
use crate::inventory::Snapshot;
use crate::json::{self, KeyCache, Numbers};
use crate::matching::Facts;
use crate::wire::{self, review_request::Subject};

const AUDIT: &str = "audit.gatekeeper.sh";

/// The review that audit makes of a cached object, and the snapshot of its cluster.
pub(super) fn as_audited<'a>(
    all: &'a [Arc<Snapshot>],
    cached: &wire::CachedObject,
    caller: &Caller<'_>,
) -> Result<(wire::ReviewRequest, &'a Arc<Snapshot>), CallError> {
    let name = if cached.cluster.is_empty() { caller.cluster.unwrap_or_default() } else { &cached.cluster };
    // Who is bound to a cluster learns nothing of others, not even whether they are there.
    let snapshot = of_name(all, name).filter(|one| caller.cluster.is_none_or(|own| *own == **one.cluster()));
    let Some(snapshot) = snapshot else {
        return Err(match caller.cluster {
            Some(certificate) => {
                CallError::ClusterMismatch { certificate: certificate.to_owned(), request: name.to_owned() }
            }
            None => CallError::invalid("cached.cluster", &format!("there is no cluster {name:?}")),
        });
    };
    let cluster = snapshot.cluster();
    let Some(kind) = snapshot.kind_named(&cached.kind) else {
        let message = format!("no kind {:?} is cached of cluster {cluster:?}", cached.kind);
        return Err(CallError::invalid("cached.kind", &message));
    };
    let kind = kind.kind();
    let Some(object) = snapshot.object(kind, &cached.namespace, &cached.name) else {
        let place = [&*cached.namespace, &*cached.name].join("/");
        let message =
            format!("no object {:?} of kind {kind} is cached of cluster {cluster:?}", place.trim_matches('/'));
        return Err(CallError::invalid("cached.name", &message));
    };
    let object = object.map_err(|error| CallError::invalid("cached.name", &error.to_string()))?;
    let review = wire::ReviewRequest {
        cluster: cluster.to_string(),
        namespace: namespace(snapshot, &cached.namespace).into(),
        subject: Some(Subject::Object(object.into())),
        enforcement_point: AUDIT.to_owned(),
        source: wire::Source::Original.into(),
        ..Default::default()
    };
    Ok((review, snapshot))
}

/// The cluster of a name, or else the first one of that alias.
fn of_name<'a>(all: &'a [Arc<Snapshot>], name: &str) -> Option<&'a Arc<Snapshot>> {
    let has_alias = |one: &&Arc<Snapshot>| one.facts().aliases.iter().any(|alias| alias == name);
    all.iter().find(|one| **one.cluster() == *name).or_else(|| all.iter().find(has_alias))
}

fn namespace(snapshot: &Snapshot, name: &str) -> Vec<u8> {
    let namespace = (!name.is_empty()).then(|| snapshot.existing_namespace(name)).flatten();
    namespace.map(|namespace| json::to_vec(&namespace)).unwrap_or_default()
}

/// The names of a review's object, of a DELETE those of the old one; none where it cannot be read.
pub(super) fn named(review: &wire::ReviewRequest, cluster: &str) -> Option<wire::AuditedObject> {
    let parsed = |text: &[u8]| json::parse(text, &mut KeyCache::default(), Numbers::Exact).ok();
    let object = match &review.subject {
        Some(Subject::Object(text)) => parsed(text)?,
        Some(Subject::AdmissionRequest(text)) => {
            let request = parsed(text)?;
            let field = |name| request.field(name).filter(|value| **value != Value::Null);
            field("object").or_else(|| field("oldObject"))?.clone()
        }
        None => return None,
    };
    let facts = Facts::of(&object)?;
    let kind = GroupVersionKind { group: facts.group.into(), version: facts.version.into(), kind: facts.kind.into() };
    Some(identified(audited(cluster, &kind, facts.namespace, facts.name), &object))
}
