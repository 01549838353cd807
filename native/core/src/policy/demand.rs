//! What the inventories are told of a generation.

use fleetgate_eval::Projection;

use super::generation::Generation;
use super::set::{PolicySet, PublishedConstraint, PublishedTemplate};
use super::watch_plan::AUDIT;
use crate::config::{Excluder, GroupVersionKind};
use crate::inventory::{self, Kind, Snapshot};
use crate::template::Constraint;

impl inventory::Demand for Generation {
    fn reads(&self, snapshot: &Snapshot, kind: &Kind) -> Option<Projection> {
        let is_shown = kind.is_given() || self.synced(snapshot.cluster()).contains(kind.kind());
        let read_by = |set: &PolicySet, published: &PublishedTemplate| {
            let reads = published.program.reads();
            // A Constraint of a fleet template reads this cluster wherever it applies.
            let is_declared = reads.reads_fleet()
                && published.template.fleet.as_ref().is_some_and(|declared| declared.contains(kind.kind()));
            (is_declared && !published.constraints.is_empty())
                || (is_shown && kind.is_read_by(reads) && applies(set, published, snapshot))
        };
        let read_of = |set: &PolicySet| {
            let reading = set.templates().iter().filter(|one| one.program.referential() && read_by(set, one));
            reading.map(|one| kind.projection(one.program.reads())).reduce(|parts, more| parts.and(&more))
        };
        self.of_cluster(snapshot.cluster()).iter().filter_map(|set| read_of(set)).reduce(|parts, more| parts.and(&more))
    }

    /// Whatever labels a cluster has: they change without anything being published.
    fn reads_bookkeeping(&self, cluster: &str, kind: &GroupVersionKind) -> bool {
        let (group_version, is_synced) = (kind.group_version(), self.synced(cluster).contains(kind));
        self.of_cluster(cluster).iter().any(|set| {
            set.templates().iter().any(|published| {
                let reads = published.program.reads();
                let constraints = of_template(set, published);
                let is_declared = published.template.fleet.as_ref().is_some_and(|declared| declared.contains(kind));
                let of_cache = (is_synced || is_declared) && reads.covers_bookkeeping(&group_version, &kind.kind);
                let of_audit = || {
                    reads.covers_reviewed_bookkeeping() && constraints.iter().any(|one| audits(&one.constraint, kind))
                };
                !constraints.is_empty() && (of_cache || of_audit())
            })
        })
    }
}

fn of_template<'s>(set: &'s PolicySet, published: &PublishedTemplate) -> &'s [PublishedConstraint] {
    set.constraints().get(published.constraints.clone()).unwrap_or_default()
}

/// Whether a Constraint of a template applies to a cluster.
fn applies(set: &PolicySet, published: &PublishedTemplate, snapshot: &Snapshot) -> bool {
    let labels = &snapshot.facts().labels;
    let mut selectors = of_template(set, published).iter().map(|one| one.constraint.reach.clusters.as_ref());
    selectors.any(|clusters| clusters.is_none_or(|clusters| clusters.matches_labels(labels)))
}

/// Whether audits show objects of a kind to a Constraint.
fn audits(constraint: &Constraint, kind: &GroupVersionKind) -> bool {
    let is_matched = constraint.matcher.as_ref().is_none_or(|matcher| matcher.selects_kind(&kind.group, &kind.kind));
    is_matched && constraint.actions.at(AUDIT).is_some()
}

impl inventory::Excluders for Generation {
    fn shows(&self) -> u64 {
        Self::shows(self)
    }

    fn sync_excluder(&self, cluster: &str) -> &Excluder {
        Self::sync_excluder(self, cluster)
    }
}
