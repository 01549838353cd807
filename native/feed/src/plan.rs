//! What is to be watched in a cluster, and what becomes of it there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::change::Gvk;
use crate::discovery::{Discovery, Resource};

/// What is to be watched in a cluster. Namespaces always are, Secrets never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchPlan {
    /// Kinds at exactly these versions.
    pub kinds: BTreeSet<Gvk>,
    /// Groups and kinds as a constraint matches them (`*` is any), watched at the version that the server prefers.
    pub matching: Vec<(Vec<String>, Vec<String>)>,
    /// How old the view of a kind may be at most; those kinds are probed every half of it.
    pub bounds: BTreeMap<Gvk, Duration>,
}

/// A plan, as one cluster can follow it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) watched: BTreeMap<Gvk, Resource>,
    /// Exact kinds that the server does not serve now.
    pub(crate) absent: BTreeSet<Gvk>,
    /// Exact kinds of groups whose own API server is away: neither there nor gone.
    pub(crate) unknown: BTreeSet<Gvk>,
    /// Kinds that are wanted and never read, with the reason.
    pub(crate) refused: BTreeMap<Gvk, &'static str>,
}

const SECRETS: &str = "Secrets are never read";
const UNWATCHABLE: &str = "the API server can not list and watch it";

pub(crate) fn namespaces() -> Gvk {
    Gvk { group: Box::default(), version: "v1".into(), kind: "Namespace".into() }
}

impl WatchPlan {
    /// Resolves the plan against what a server serves.
    pub(crate) fn resolve(&self, served: &Discovery) -> Resolved {
        let mut resolved = Resolved::default();
        let namespaces = namespaces();
        for kind in self.kinds.iter().chain([&namespaces]) {
            match served.exact(kind) {
                _ if kind.is_secret() => resolved.refuse(kind, SECRETS),
                Some(resource) => resolved.watch(resource),
                None if served.unknown.contains(&(kind.group.clone(), kind.version.clone())) => {
                    resolved.unknown.insert(kind.clone());
                }
                None => {
                    resolved.absent.insert(kind.clone());
                }
            }
        }
        for (groups, kinds) in &self.matching {
            for resource in served.matching(groups, kinds) {
                resolved.watch(resource);
            }
        }
        resolved
    }

    /// Whether patterns may reach kinds of this group.
    pub(crate) fn reaches(&self, kind: &Gvk) -> bool {
        self.kinds.contains(kind)
            || self.matching.iter().any(|(groups, kinds)| {
                groups.iter().any(|group| group == "*" || **group == *kind.group)
                    && kinds.iter().any(|name| name == "*" || **name == *kind.kind)
            })
    }
}

impl Resolved {
    fn watch(&mut self, resource: &Resource) {
        let kind = &resource.kind;
        if kind.is_secret() {
            self.refuse(kind, SECRETS);
        } else if resource.watchable {
            self.watched.insert(kind.clone(), resource.clone());
        } else {
            self.refuse(kind, UNWATCHABLE);
        }
    }

    fn refuse(&mut self, kind: &Gvk, reason: &'static str) {
        self.refused.insert(kind.clone(), reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::{discovered, gvk};

    fn plan(kinds: &[Gvk], matching: &[(&str, &str)]) -> WatchPlan {
        WatchPlan {
            kinds: kinds.iter().cloned().collect(),
            matching: matching.iter().map(|(group, kind)| (vec![(*group).into()], vec![(*kind).into()])).collect(),
            ..WatchPlan::default()
        }
    }

    fn watched(resolved: &Resolved) -> Vec<String> {
        resolved.watched.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn namespaces_are_watched_whatever_the_plan_says() {
        assert_eq!(watched(&plan(&[], &[]).resolve(&discovered())), ["/v1:Namespace"]);
    }

    #[test]
    fn secrets_are_refused_by_name_and_through_wildcards() {
        for plan in [plan(&[gvk("", "v1", "Secret")], &[]), plan(&[], &[("*", "*")]), plan(&[], &[("", "Secret")])] {
            let resolved = plan.resolve(&discovered());
            assert!(!resolved.watched.keys().any(|kind| &*kind.kind == "Secret"));
            assert_eq!(resolved.refused.get(&gvk("", "v1", "Secret")), Some(&SECRETS));
        }
        assert!(gvk("", "v9", "Secret").is_secret());
        assert!(!gvk("example.com", "v1", "Secret").is_secret());
    }

    #[test]
    fn a_kind_that_is_not_served_waits() {
        let later = gvk("example.com", "v1", "Widget");
        let metrics = gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
        let resolved = plan(&[later.clone(), metrics.clone()], &[]).resolve(&discovered());
        assert_eq!(resolved.absent, [later].into());
        assert_eq!(resolved.unknown, [metrics].into());
    }

    #[test]
    fn an_exact_version_and_a_pattern_stand_side_by_side() {
        let old = gvk("apps", "v1beta1", "Deployment");
        let resolved = plan(&[old], &[("apps", "Deployment"), ("*", "Pod")]).resolve(&discovered());
        assert_eq!(watched(&resolved), ["/v1:Namespace", "/v1:Pod", "apps/v1:Deployment", "apps/v1beta1:Deployment"]);
    }

    #[test]
    fn what_cannot_be_watched_is_named() {
        let resolved = plan(&[], &[("*", "*")]).resolve(&discovered());
        assert_eq!(resolved.refused.get(&gvk("", "v1", "Binding")), Some(&UNWATCHABLE));
    }

    #[test]
    fn a_plan_reaches_what_it_names_or_matches() {
        let plan = plan(&[gvk("a", "v1", "A")], &[("b", "*")]);
        assert!(plan.reaches(&gvk("a", "v1", "A")));
        assert!(!plan.reaches(&gvk("a", "v2", "A")));
        assert!(plan.reaches(&gvk("b", "v7", "X")));
    }
}
