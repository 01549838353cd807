//! What is evaluated together: the audited Constraints of one template in one scope.
//!
//! Gatekeeper asks one query for all Constraints of a kind, and its failure is the result of each of them. So a kind's
//! results are made anew together, where its template, one of its Constraints or what it reads changed. Whether something
//! changed is told by digests: a generation that says the same makes nothing anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleetgate_eval::Locality;

use super::changed::Changed;
use crate::config::GroupVersionKind;
use crate::decide::{Auditor, Positions};
use crate::evaluate::Program;
use crate::policy::{PolicySet, PublishedConstraint, PublishedTemplate, Scoped, digest};

/// A kind of Constraint in one of the scopes that a cluster has. The fleet's come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitName {
    pub(super) of_cluster: bool,
    pub(super) kind: Arc<str>,
}

/// The Constraints of a kind that are audited in a cluster.
#[derive(Clone)]
pub(super) struct Unit {
    /// Of the template and the Constraints.
    pub(super) digest: Arc<str>,
    /// Where they stand in their set, ascending.
    pub(super) positions: Vec<usize>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) actions: Vec<Arc<str>>,
    pub(super) program: Arc<dyn Program>,
    /// Whether Constraints match by the labels of Namespaces.
    pub(super) selects_namespaces: bool,
    /// Whether they depend on the clock, or on how old something is.
    pub(super) is_volatile: bool,
    /// Whether they depend on the cluster's labels.
    pub(super) knows_cluster: bool,
    /// The kinds of other clusters that it reads; none where it reads no other clusters.
    pub(super) declared: Option<Arc<BTreeSet<GroupVersionKind>>>,
    pub(super) locality: Locality,
}

/// The units of a cluster, in the order in which they are asked.
pub(super) type Units = Arc<BTreeMap<UnitName, Unit>>;

/// The units that are audited in a cluster.
pub(super) fn units(auditor: &Auditor<'_>, sets: Scoped<&PolicySet>) -> Units {
    let of_set = |set: &&PolicySet| {
        let units: Vec<_> = set.templates().iter().filter_map(|template| unit(auditor, set, template)).collect();
        units
    };
    Arc::new(sets.iter().flat_map(of_set).collect())
}

fn unit(auditor: &Auditor<'_>, set: &PolicySet, published: &PublishedTemplate) -> Option<(UnitName, Unit)> {
    let positions: Vec<usize> =
        published.constraints.clone().filter(|position| auditor.concerns(set, *position)).collect();
    if positions.is_empty() {
        return None;
    }
    let constraints: Vec<&PublishedConstraint> =
        positions.iter().filter_map(|position| set.constraints().get(*position)).collect();
    let documents = constraints.iter().map(|one| &one.constraint.document);
    let program = published.program.clone();
    let selects = |one: &&PublishedConstraint| one.constraint.matcher.as_ref().is_some_and(|m| m.selects_namespaces());
    let is_fleet = published.template.fleet.is_some();
    let declared = published.template.fleet.clone().filter(|_| program.reads().reads_fleet());
    let is_bounded = constraints.iter().any(|one| one.constraint.reach.freshness.is_some());
    let reads_age = program.reads().reads_cluster_age();
    // Which of them is known best, and so the state of a cluster, changes as time goes by.
    let required = published.template.sync_requirements.as_ref().map(|all| &*all.0).unwrap_or_default();
    let has_alternatives = required.iter().any(|set| set.len() > 1);
    let unit = Unit {
        digest: digest(std::iter::once(&published.template.document).chain(documents)),
        names: constraints.iter().map(|one| one.constraint.name.clone()).collect(),
        actions: constraints.iter().map(|one| one.constraint.actions.declared().into()).collect(),
        selects_namespaces: constraints.iter().any(selects),
        is_volatile: program.volatile() || is_bounded || (declared.is_some() && (reads_age || has_alternatives)),
        knows_cluster: is_fleet,
        declared,
        locality: if is_fleet { Locality::None } else { program.locality() },
        positions,
        program,
    };
    let name = UnitName { of_cluster: set.scope().cluster().is_some(), kind: published.template.kind.clone() };
    Some((name, unit))
}

impl Unit {
    /// Whether its results on an object can be others after parts of the object changed.
    pub(super) fn looks_at(&self, changed: &Changed) -> bool {
        changed.is_matched() || changed.any(|part| self.program.looks_at(&[&["object"], part].concat()))
    }

    /// Whether its results on objects of a Namespace can be others after parts of the Namespace changed.
    pub(super) fn looks_at_namespace(&self, changed: &Changed) -> bool {
        let is_read = |part: &[&str]| {
            // Where the Namespace comes or goes, so does what it stands in.
            let unstable: &[&str] = if part.is_empty() { &["_unstable"] } else { &["_unstable", "namespace"] };
            [&["namespaceObject"], unstable].into_iter().any(|place| self.program.looks_at(&[place, part].concat()))
        };
        (self.selects_namespaces && changed.has_labels()) || changed.any(is_read)
    }

    /// Those of the unit's Constraints that are among some of its set.
    pub(super) fn among(&self, name: &UnitName, positions: &Positions) -> Positions {
        let chosen = |positions: &Vec<usize>| {
            let is_own = |position: &&usize| self.positions.binary_search(position).is_ok();
            positions.iter().filter(is_own).copied().collect::<Vec<_>>()
        };
        if name.of_cluster {
            Scoped { fleet: Vec::new(), cluster: positions.cluster.as_ref().map(chosen) }
        } else {
            Scoped { fleet: chosen(&positions.fleet), cluster: positions.cluster.as_ref().map(|_| Vec::new()) }
        }
    }
}
