//! What has to be watched in a cluster so that its policies can be decided and audited.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::generation::Generation;
use super::set::{PolicySet, PublishedTemplate};
use crate::config::GroupVersionKind;
use crate::matching::KindSelector;
use crate::template::{Constraint, SyncRequirements};

/// The kinds to watch in a cluster. Secrets are in none of it as far as a plan can tell, and nobody may watch them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchPlan {
    /// Namespaces, what `data.inventory` shows, and what fleet templates read.
    pub kinds: BTreeSet<GroupVersionKind>,
    /// What audited Constraints match.
    pub matching: BTreeSet<KindPattern>,
    /// How fresh kinds have to be kept: the shortest max-staleness of the Constraints that read them.
    pub bounds: BTreeMap<GroupVersionKind, Duration>,
}

/// Kinds at whatever version the API server prefers; `*` stands for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindPattern {
    /// API groups.
    pub groups: Vec<Box<str>>,
    /// Kinds.
    pub kinds: Vec<Box<str>>,
}

pub(super) const AUDIT: &str = "audit.gatekeeper.sh";

impl Generation {
    /// What to watch in a cluster that has these labels.
    #[must_use]
    pub fn watch_plan(&self, cluster: &str, labels: &BTreeMap<String, String>) -> WatchPlan {
        let namespaces = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Namespace".into() };
        let mut plan = WatchPlan { kinds: self.synced(cluster).clone(), ..WatchPlan::default() };
        plan.kinds.insert(namespaces);
        for set in self.of_cluster(cluster).iter() {
            for template in set.templates() {
                plan.add(set, template, labels, self.synced(cluster));
            }
        }
        plan.kinds.retain(|kind| !kind.is_secret());
        plan.bounds.retain(|kind, _| !kind.is_secret());
        plan
    }
}

impl WatchPlan {
    fn add(
        &mut self,
        set: &PolicySet,
        published: &PublishedTemplate,
        labels: &BTreeMap<String, String>,
        synced: &BTreeSet<GroupVersionKind>,
    ) {
        let template = &published.template;
        let of_template = set.constraints().get(published.constraints.clone()).unwrap_or_default();
        for constraint in of_template.iter().map(|one| &*one.constraint) {
            let applies = constraint.reach.clusters.as_ref().is_none_or(|clusters| clusters.matches_labels(labels));
            if applies && constraint.actions.at(AUDIT).is_some() {
                self.matching.extend(patterns(constraint));
            }
            // A Constraint of a fleet template reads this cluster wherever it applies.
            let reads: Vec<&GroupVersionKind> = match (&template.fleet, &template.sync_requirements) {
                (Some(declared), _) => {
                    self.kinds.extend(declared.iter().cloned());
                    declared.iter().collect()
                }
                (None, _) if !applies || !published.program.referential() => Vec::new(),
                (None, Ok(SyncRequirements(sets))) if !sets.is_empty() => sets.iter().flatten().collect(),
                (None, _) => synced.iter().collect(),
            };
            let Some(freshness) = constraint.reach.freshness else { continue };
            for kind in reads {
                let bound = self.bounds.entry(kind.clone()).or_insert(freshness.max_staleness);
                *bound = freshness.max_staleness.min(*bound);
            }
        }
    }
}

fn patterns(constraint: &Constraint) -> Vec<KindPattern> {
    let any = || vec!["*".into()];
    let selectors = constraint.matcher.as_ref().map(|matcher| matcher.kinds()).unwrap_or_default();
    if selectors.is_empty() {
        return vec![KindPattern { groups: any(), kinds: any() }];
    }
    let listed = |names: Option<&[Box<str>]>| {
        let mut names: Vec<Box<str>> = names.map_or_else(any, <[_]>::to_vec);
        names.sort();
        names.dedup();
        names
    };
    let pattern = |one: &KindSelector| KindPattern { groups: listed(one.groups()), kinds: listed(one.kinds()) };
    selectors.iter().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::{Policies, Scope};
    use super::*;
    use crate::compatibility::AutoSync;
    use crate::evaluate::rego::RegoDriver;

    const READS: &str = r#"violation[{"msg": "no"}] { data.inventory.cluster }"#;
    const READS_FLEET: &str = r#"violation[{"msg": "no"}] { data.fleet.clusters }"#;
    const READS_NOTHING: &str = r#"violation[{"msg": "no"}] { true }"#;

    fn template(kind: &str, rego: &str, requires: &str, fleet: bool) -> Value {
        let mut annotations = json!({"metadata.gatekeeper.sh/requires-sync-data": requires});
        if fleet {
            annotations["fleetgate.dev/fleet"] = "true".into();
        }
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1beta1", "kind": "ConstraintTemplate",
            "metadata": {"name": kind.to_lowercase(), "annotations": annotations},
            "spec": {
                "crd": {"spec": {"names": {"kind": kind}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": format!("package p\n{rego}")}],
            },
        })
    }

    fn requires(kind: &str) -> String {
        json!([[{"groups": [""], "versions": ["v1"], "kinds": [kind]}]]).to_string()
    }

    fn constraint(kind: &str, name: &str, annotations: Value, spec: Value) -> Value {
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind,
            "metadata": {"name": name, "annotations": annotations}, "spec": spec,
        })
    }

    fn config(kind: &str) -> Value {
        json!({
            "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config", "namespace": "gatekeeper-system"},
            "spec": {"sync": {"syncOnly": [{"group": "", "version": "v1", "kind": kind}]}},
        })
    }

    fn give(policies: &Policies, scope: &Scope, documents: &[Value]) {
        let texts: Vec<(String, String)> =
            documents.iter().enumerate().map(|(index, one)| (index.to_string(), one.to_string())).collect();
        let objects: Vec<(&str, &[u8])> = texts.iter().map(|(key, text)| (&**key, text.as_bytes())).collect();
        assert_eq!(policies.apply_resources(scope, &objects, false).left_out, []);
    }

    fn kinds(plan: &WatchPlan) -> Vec<&str> {
        plan.kinds.iter().map(|kind| &*kind.kind).collect()
    }

    fn plan(policies: &Policies, cluster: &str, labels: &[(&str, &str)]) -> WatchPlan {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        policies.current().watch_plan(cluster, &labels)
    }

    fn policies(auto_sync: AutoSync) -> Policies {
        Policies::with_auto_sync(Arc::new(RegoDriver::default()), auto_sync)
    }

    #[test]
    fn namespaces_are_always_watched_and_nothing_that_nobody_needs() {
        let policies = policies(AutoSync::Off);
        assert_eq!(kinds(&plan(&policies, "c", &[])), ["Namespace"]);
        // A template without Constraints needs nothing.
        let unused =
            [template("K", READS, &requires("Service"), false), template("F", READS_FLEET, &requires("Pod"), true)];
        give(&policies, &Scope::Fleet, &unused);
        let plan = plan(&policies, "c", &[]);
        assert_eq!((kinds(&plan), plan.matching.len(), plan.bounds.len()), (vec!["Namespace"], 0, 0));
    }

    #[test]
    fn both_scopes_want_their_kinds() {
        let policies = policies(AutoSync::Off);
        give(&policies, &Scope::Fleet, &[config("Service")]);
        give(&policies, &Scope::Cluster("one".into()), &[config("Pod")]);
        assert_eq!(kinds(&plan(&policies, "one", &[])), ["Namespace", "Pod", "Service"]);
        assert_eq!(kinds(&plan(&policies, "two", &[])), ["Namespace", "Service"]);
        give(&policies, &Scope::Fleet, &[config("Secret")]);
        assert_eq!(kinds(&plan(&policies, "two", &[])), ["Namespace"]);
    }

    #[test]
    fn what_policies_require_is_synced_on_request() {
        let given = [
            template("K", READS, &requires("Service"), false),
            constraint("K", "c", json!({}), json!({"enforcementAction": "dryrun"})),
        ];
        for (auto_sync, expected) in
            [(AutoSync::Off, vec!["Namespace"]), (AutoSync::Referenced, vec!["Namespace", "Service"])]
        {
            let policies = policies(auto_sync);
            give(&policies, &Scope::Cluster("one".into()), &given);
            assert_eq!(kinds(&plan(&policies, "one", &[])), expected);
            assert_eq!(kinds(&plan(&policies, "two", &[])), ["Namespace"]);
        }
    }

    #[test]
    fn what_is_audited_is_watched_where_it_applies() {
        let policies = policies(AutoSync::Off);
        let only_here = json!({
            "enforcementAction": "scoped",
            "scopedEnforcementActions": [{"action": "deny", "enforcementPoints": [{"name": "validation.gatekeeper.sh"}]}],
        });
        let of_kinds = |kinds: Value| json!({"match": {"kinds": kinds}});
        let pods = json!([{"apiGroups": ["", "x", "x"], "kinds": ["Pod"]}, {"apiGroups": ["*"], "kinds": ["Service"]}]);
        give(
            &policies,
            &Scope::Fleet,
            &[
                template("K", READS_NOTHING, "[]", false),
                constraint("K", "a", json!({}), of_kinds(pods)),
                constraint("K", "b", json!({"fleetgate.dev/clusters": "env=prod"}), json!({})),
                constraint("K", "c", json!({}), only_here),
            ],
        );
        let shown = |plan: &WatchPlan| {
            plan.matching
                .iter()
                .map(|one| format!("{} {}", one.groups.join(","), one.kinds.join(",")))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&plan(&policies, "c", &[])), [",x Pod", "* Service"]);
        assert_eq!(shown(&plan(&policies, "c", &[("env", "prod")])), [",x Pod", "* *", "* Service"]);
    }

    #[test]
    fn the_shortest_bound_counts() {
        let policies = policies(AutoSync::Off);
        let bound = |bound: &str| json!({"fleetgate.dev/max-staleness": bound});
        let here = json!({"fleetgate.dev/max-staleness": "1s", "fleetgate.dev/clusters": "env=prod"});
        give(
            &policies,
            &Scope::Fleet,
            &[
                config("Node"),
                template("K", READS, &requires("Service"), false),
                constraint("K", "a", bound("5s"), json!({})),
                constraint("K", "b", bound("7s"), json!({})),
                constraint("K", "c", here.clone(), json!({})),
                template("F", READS_FLEET, &requires("Pod"), true),
                constraint("F", "a", here, json!({})),
                template("L", READS, "[]", false),
                constraint("L", "a", bound("2s"), json!({})),
                template("N", READS_NOTHING, &requires("Role"), false),
                constraint("N", "a", bound("2s"), json!({})),
            ],
        );
        let bounds = |labels: &[(&str, &str)]| {
            let plan = plan(&policies, "c", labels);
            plan.bounds.iter().map(|(kind, bound)| (kind.kind.to_string(), bound.as_secs())).collect::<Vec<_>>()
        };
        let row = |kind: &str, secs: u64| (kind.to_owned(), secs);
        // A fleet template's Constraint reads this cluster from wherever it applies.
        assert_eq!(bounds(&[]), [row("Node", 2), row("Pod", 1), row("Service", 5)]);
        assert_eq!(bounds(&[("env", "prod")]), [row("Node", 2), row("Pod", 1), row("Service", 1)]);
    }
}
