//! Writing to a cluster: constraint CRDs, statuses, requests for credentials.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;

use crate::cluster::Cluster;
use crate::dial::{Call, Connection, JSON};
use crate::discovery::Resource;
use crate::error::{CallError, Cause};
use crate::scope::escape;

const MOST: usize = 32 << 20;

/// What to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// POST to the collection.
    Create,
    /// Server-side apply, taking over fields of other managers.
    Apply,
    /// PUT of the object.
    Update,
    /// PUT of its status.
    UpdateStatus,
    /// DELETE.
    Delete,
    /// GET.
    Get,
}

impl Verb {
    /// The verb of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Create, Self::Apply, Self::Update, Self::UpdateStatus, Self::Delete, Self::Get];
        all.into_iter().find(|verb| verb.name() == name)
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Apply => "apply",
            Self::Update => "update",
            Self::UpdateStatus => "update-status",
            Self::Delete => "delete",
            Self::Get => "get",
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Create => Method::POST,
            Self::Apply => Method::PATCH,
            Self::Update | Self::UpdateStatus => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Get => Method::GET,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// What to do.
    pub verb: Verb,
    /// The object as JSON; apiVersion, kind, namespace and name say which.
    pub object: Bytes,
    /// Who writes, as the server notes it.
    pub field_manager: String,
    /// Where, instead of what the object says; empty for that.
    pub path: String,
    /// Within which time.
    pub limit: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

pub(crate) async fn write(cluster: &Cluster, request: &WriteRequest) -> Result<Bytes, CallError> {
    let unconnected = || CallError::new(Cause::Unreachable, "the cluster is not connected");
    let connection = cluster.connection().ok_or_else(unconnected)?;
    let path = if request.path.is_empty() {
        let head: Head = serde_json::from_slice(&request.object)
            .map_err(|error| CallError::new(Cause::Invalid, format!("the object cannot be read: {error}")))?;
        let resource = resource(cluster, &connection, &head).await?;
        url(request.verb, &resource, &head.metadata)?
    } else {
        request.path.clone()
    };
    let path = match request.verb {
        Verb::Get | Verb::Delete => path,
        verb => {
            let mut path = format!("{path}{}fieldManager=", if path.contains('?') { '&' } else { '?' });
            escape(&request.field_manager, &mut path);
            path + if verb == Verb::Apply { "&force=true" } else { "" }
        }
    };
    let body = match request.verb {
        Verb::Get | Verb::Delete => None,
        // JSON is YAML.
        Verb::Apply => Some(("application/apply-patch+yaml", &*request.object)),
        Verb::Create | Verb::Update | Verb::UpdateStatus => Some((JSON, &*request.object)),
    };
    let call = Call { method: request.verb.method(), path: &path, accept: JSON, body };
    connection.call(call, request.limit, MOST).await
}

async fn resource(cluster: &Cluster, connection: &Connection, head: &Head) -> Result<Resource, CallError> {
    let (group, version) = head.api_version.split_once('/').unwrap_or(("", &head.api_version));
    let find = |served: &crate::discovery::Discovery| served.find(group, version, &head.kind).cloned();
    if let Some(found) = cluster.served().as_deref().and_then(find) {
        return Ok(found);
    }
    let served = cluster.discover(connection).await?;
    find(&served).ok_or_else(|| {
        let message = format!("the API server does not serve {} {}", head.api_version, head.kind);
        CallError { code: 404, reason: "NotFound".into(), ..CallError::new(Cause::Other, message) }
    })
}

fn url(verb: Verb, resource: &Resource, metadata: &Metadata) -> Result<String, CallError> {
    let invalid = |words: &str| CallError::new(Cause::Invalid, format!("{}: {words}", resource.kind));
    let namespace = Some(metadata.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    if resource.namespaced && namespace.is_none() {
        return Err(invalid("the object names no namespace"));
    }
    // Names are path segments: whatever is in them must not lead elsewhere.
    let segment = |text: &str| {
        let mut escaped = String::new();
        escape(text, &mut escaped);
        escaped
    };
    let collection = resource.path(namespace.map(segment).as_deref());
    if verb == Verb::Create {
        return Ok(collection);
    }
    if matches!(metadata.name.as_str(), "" | "." | "..") {
        return Err(invalid("the object has no name"));
    }
    let status = if verb == Verb::UpdateStatus { "/status" } else { "" };
    Ok(format!("{collection}/{}{status}", segment(&metadata.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::gvk;

    #[test]
    fn urls_follow_scope_verb_and_name() {
        let deployments = Resource {
            kind: gvk("apps", "v1", "Deployment"),
            plural: "deployments".into(),
            namespaced: true,
            watchable: true,
        };
        let named = |namespace: &str, name: &str| Metadata { name: name.into(), namespace: namespace.into() };
        let path = |verb, metadata: &Metadata| url(verb, &deployments, metadata).map_err(|error| error.message);
        assert_eq!(path(Verb::Create, &named("n", "")), Ok("/apis/apps/v1/namespaces/n/deployments".into()));
        assert_eq!(path(Verb::Apply, &named("n", "d")), Ok("/apis/apps/v1/namespaces/n/deployments/d".into()));
        assert_eq!(
            path(Verb::UpdateStatus, &named("n", "d")),
            Ok("/apis/apps/v1/namespaces/n/deployments/d/status".into())
        );
        assert_eq!(
            path(Verb::Get, &named("n", "../../../api/v1/secrets")),
            Ok("/apis/apps/v1/namespaces/n/deployments/..%2F..%2F..%2Fapi%2Fv1%2Fsecrets".into())
        );
        assert!(path(Verb::Get, &named("", "d")).is_err());
        assert!(path(Verb::Get, &named("n", "..")).is_err());
    }
}
