//! What an API server serves: kinds, their URLs, and which version it prefers.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::change::Gvk;
use crate::dial::{Call, Connection};
use crate::error::{CallError, Cause};

/// Aggregated discovery (stable since Kubernetes 1.30, on by default since 1.27), and the old form where it is unknown.
const AGGREGATED: &str = concat!(
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,",
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
);
const LIMIT: Duration = Duration::from_secs(20);
const MOST: usize = 64 << 20;

/// A kind that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Resource {
    pub(crate) kind: Gvk,
    /// Name in URLs.
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    /// Whether it can be listed and watched; some can only be read or created.
    pub(crate) watchable: bool,
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.kind.group, &self.kind.version)
    }

    /// Path of the collection, of one namespace where that is given.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.kind.group.is_empty() {
            format!("/api/{}", self.kind.version)
        } else {
            format!("/apis/{}/{}", self.kind.group, self.kind.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// What one API server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// In the server's order: groups by priority, in each group the preferred version first.
    pub(crate) resources: Vec<Resource>,
    /// (group, version) pairs of which the server does not know now: their aggregated API server is away.
    pub(crate) unknown: BTreeSet<(Box<str>, Box<str>)>,
}

impl Discovery {
    /// Asks a server.
    pub(crate) async fn of(connection: &Connection) -> Result<Self, CallError> {
        let mut all = Self::default();
        for root in ["/api", "/apis"] {
            let body = connection.call(Call { accept: AGGREGATED, ..Call::get(root) }, LIMIT, MOST).await?;
            match parse(root, &body)? {
                Answer::Aggregated(groups) => all.add(groups),
                Answer::Versions(versions) => all.ask_each(connection, &versions).await?,
            }
        }
        Ok(all)
    }

    /// A kind at exactly this version.
    pub(crate) fn exact(&self, kind: &Gvk) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.kind == *kind)
    }

    /// Resources of these groups and kinds (`*` is any), each at the version that the server prefers among those that
    /// serve it.
    pub(crate) fn matching<'a>(
        &'a self,
        groups: &'a [String],
        kinds: &'a [String],
    ) -> impl Iterator<Item = &'a Resource> {
        let mut seen = BTreeSet::new();
        let any = |names: &[String], name: &str| names.iter().any(|wanted| wanted == "*" || wanted == name);
        self.resources.iter().filter(move |Resource { kind, .. }| {
            any(groups, &kind.group) && any(kinds, &kind.kind) && seen.insert((&kind.group, &kind.kind))
        })
    }

    /// One resource by kind or by its name in URLs, at a version or (empty) at the preferred one.
    pub(crate) fn find(&self, group: &str, version: &str, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| {
            *resource.kind.group == *group
                && (version.is_empty() || *resource.kind.version == *version)
                && (*resource.kind.kind == *name || resource.plural == name)
        })
    }

    fn add(&mut self, groups: Vec<Group>) {
        for Group { metadata, versions } in groups {
            for GroupVersion { version, resources, freshness } in versions {
                if freshness == "Stale" {
                    self.unknown.insert((metadata.name.clone(), version.clone()));
                }
                for found in resources {
                    let group = found.response_kind.group.filter(|group| !group.is_empty());
                    let kind = Gvk {
                        group: group.unwrap_or_else(|| metadata.name.clone()),
                        version: found
                            .response_kind
                            .version
                            .filter(|v| !v.is_empty())
                            .unwrap_or_else(|| version.clone()),
                        kind: found.response_kind.kind,
                    };
                    self.resources.push(Resource {
                        kind,
                        plural: found.resource,
                        namespaced: found.scope == "Namespaced",
                        watchable: watchable(&found.verbs),
                    });
                }
            }
        }
    }

    /// Servers without aggregated discovery are asked group by group.
    async fn ask_each(&mut self, connection: &Connection, versions: &[(Box<str>, Box<str>)]) -> Result<(), CallError> {
        for (group, version) in versions {
            let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
            match connection.call(Call::get(&path), LIMIT, MOST).await {
                Ok(body) => self.add_list(&path, group, version, &body)?,
                // The API server behind this group is away; that says nothing of the others.
                Err(error) if error.code >= 500 || error.code == 404 => {
                    self.unknown.insert((group.clone(), version.clone()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add_list(&mut self, path: &str, group: &str, version: &str, body: &Bytes) -> Result<(), CallError> {
        let list: ResourceList = serde_json::from_slice(body).map_err(|error| unreadable(path, &error))?;
        for found in list.resources.into_iter().filter(|found| !found.name.contains('/')) {
            self.resources.push(Resource {
                kind: Gvk { group: group.into(), version: version.into(), kind: found.kind },
                plural: found.name,
                namespaced: found.namespaced,
                watchable: watchable(&found.verbs),
            });
        }
        Ok(())
    }
}

fn watchable(verbs: &[String]) -> bool {
    ["list", "watch"].iter().all(|needed| verbs.iter().any(|verb| verb == needed))
}

fn unreadable(path: &str, error: &serde_json::Error) -> CallError {
    CallError::new(Cause::Other, format!("GET {path}: discovery cannot be read: {error}"))
}

enum Answer {
    Aggregated(Vec<Group>),
    /// (group, version) pairs, preferred versions first.
    Versions(Vec<(Box<str>, Box<str>)>),
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupName,
    #[serde(default)]
    versions: Vec<GroupVersion>,
}

#[derive(Default, Deserialize)]
struct GroupName {
    #[serde(default)]
    name: Box<str>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: Box<str>,
    #[serde(default)]
    resources: Vec<Found>,
    #[serde(default)]
    freshness: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    resource: String,
    response_kind: ResponseKind,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    group: Option<Box<str>>,
    #[serde(default)]
    version: Option<Box<str>>,
    #[serde(default)]
    kind: Box<str>,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    kind: Box<str>,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

fn parse(root: &str, body: &Bytes) -> Result<Answer, CallError> {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    #[derive(Deserialize)]
    struct Groups {
        #[serde(default)]
        items: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Versions {
        versions: Vec<Box<str>>,
    }
    #[derive(Deserialize)]
    struct OldGroups {
        groups: Vec<OldGroup>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct OldGroup {
        name: Box<str>,
        versions: Vec<OldVersion>,
        preferred_version: OldVersion,
    }
    #[derive(Deserialize)]
    struct OldVersion {
        version: Box<str>,
    }
    let bad = |error: serde_json::Error| unreadable(root, &error);
    let Head { kind } = serde_json::from_slice(body).map_err(bad)?;
    Ok(match kind.as_str() {
        "APIGroupDiscoveryList" => Answer::Aggregated(serde_json::from_slice::<Groups>(body).map_err(bad)?.items),
        "APIVersions" => {
            let Versions { versions } = serde_json::from_slice(body).map_err(bad)?;
            Answer::Versions(versions.into_iter().map(|version| (Box::default(), version)).collect())
        }
        "APIGroupList" => {
            let OldGroups { groups } = serde_json::from_slice(body).map_err(bad)?;
            let mut pairs = Vec::new();
            for OldGroup { name, mut versions, preferred_version } in groups {
                versions.sort_by_key(|version| version.version != preferred_version.version);
                pairs.extend(versions.into_iter().map(|version| (name.clone(), version.version)));
            }
            Answer::Versions(pairs)
        }
        other => {
            return Err(CallError::new(Cause::Other, format!("GET {root}: {other:?} is not an answer to discovery")));
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    pub(crate) const AGGREGATED_GROUPS: &str = r#"{"kind":"APIGroupDiscoveryList","items":[
        {"metadata":{"name":"apps"},"versions":[
            {"version":"v1","freshness":"Current","resources":[
                {"resource":"deployments","responseKind":{"group":"","version":"","kind":"Deployment"},
                 "scope":"Namespaced","verbs":["list","watch","get"]}]},
            {"version":"v1beta1","freshness":"Current","resources":[
                {"resource":"deployments","responseKind":{"kind":"Deployment"},"scope":"Namespaced","verbs":["list","watch"]},
                {"resource":"relics","responseKind":{"kind":"Relic"},"scope":"Cluster","verbs":["list","watch"]}]}]},
        {"metadata":{"name":"metrics.k8s.io"},"versions":[
            {"version":"v1beta1","freshness":"Stale","resources":[]}]},
        {"metadata":{"name":"authentication.k8s.io"},"versions":[
            {"version":"v1","resources":[{"resource":"tokenreviews","responseKind":{"kind":"TokenReview"},
             "scope":"Cluster","verbs":["create"]}]}]}]}"#;

    pub(crate) fn gvk(group: &str, version: &str, kind: &str) -> Gvk {
        Gvk { group: group.into(), version: version.into(), kind: kind.into() }
    }

    pub(crate) fn discovered() -> Discovery {
        let core = r#"{"kind":"APIGroupDiscoveryList","items":[{"versions":[{"version":"v1","resources":[
            {"resource":"namespaces","responseKind":{"kind":"Namespace"},"scope":"Cluster","verbs":["list","watch"]},
            {"resource":"pods","responseKind":{"kind":"Pod"},"scope":"Namespaced","verbs":["list","watch"]},
            {"resource":"bindings","responseKind":{"kind":"Binding"},"scope":"Namespaced","verbs":["create"]},
            {"resource":"secrets","responseKind":{"kind":"Secret"},"scope":"Namespaced","verbs":["list","watch"]}]}]}]}"#;
        let mut all = Discovery::default();
        for (root, text) in [("/api", core), ("/apis", AGGREGATED_GROUPS)] {
            let Answer::Aggregated(groups) = parse(root, &Bytes::from(text)).unwrap() else { unreachable!() };
            all.add(groups);
        }
        all
    }

    #[test]
    fn kinds_are_found_with_their_urls() {
        let all = discovered();
        let deployment = all.exact(&gvk("apps", "v1", "Deployment")).unwrap();
        assert_eq!(deployment.path(None), "/apis/apps/v1/deployments");
        assert_eq!(deployment.path(Some("n")), "/apis/apps/v1/namespaces/n/deployments");
        let namespace = all.exact(&gvk("", "v1", "Namespace")).unwrap();
        assert_eq!(namespace.path(Some("n")), "/api/v1/namespaces");
        assert_eq!(all.exact(&gvk("apps", "v2", "Deployment")), None);
        assert_eq!(all.unknown, [("metrics.k8s.io".into(), "v1beta1".into())].into());
        assert!(!all.find("authentication.k8s.io", "", "tokenreviews").unwrap().watchable);
    }

    #[test]
    fn patterns_take_the_preferred_version_that_serves_a_kind() {
        let all = discovered();
        let found = |groups: &[&str], kinds: &[&str]| -> Vec<String> {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let (groups, kinds) = (own(groups), own(kinds));
            all.matching(&groups, &kinds).map(|resource| resource.kind.to_string()).collect()
        };
        assert_eq!(found(&["apps"], &["*"]), ["apps/v1:Deployment", "apps/v1beta1:Relic"]);
        assert_eq!(found(&["", "apps"], &["Pod", "Relic"]), ["/v1:Pod", "apps/v1beta1:Relic"]);
        assert_eq!(found(&["*"], &["Nothing"]), [""; 0]);
    }

    #[test]
    fn old_servers_name_groups_and_versions() {
        let groups = Bytes::from_static(
            br#"{"kind":"APIGroupList","groups":[{"name":"apps","versions":[{"version":"v1beta1"},{"version":"v1"}],
                "preferredVersion":{"version":"v1"}}]}"#,
        );
        let Answer::Versions(versions) = parse("/apis", &groups).unwrap() else { unreachable!() };
        assert_eq!(versions, [("apps".into(), "v1".into()), ("apps".into(), "v1beta1".into())]);
        let mut all = Discovery::default();
        let list = Bytes::from_static(
            br#"{"resources":[{"name":"deployments","kind":"Deployment","namespaced":true,"verbs":["list","watch"]},
                {"name":"deployments/status","kind":"Deployment","namespaced":true,"verbs":["get"]}]}"#,
        );
        all.add_list("/apis/apps/v1", "apps", "v1", &list).unwrap();
        assert_eq!(all.resources.len(), 1);
        assert!(parse("/apis", &Bytes::from_static(b"{\"kind\":\"Status\"}")).is_err());
    }
}
