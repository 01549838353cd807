//! What a request chooses to audit.

use std::collections::BTreeSet;

use crate::config::GroupVersionKind;
use crate::decide::CallError;
use crate::inventory::{Chosen, Inventories};
use crate::policy::PublishedConstraint;
use crate::wire;

/// What a request chooses; whatever it says nothing of is chosen as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    clusters: Vec<String>,
    cluster_selector: String,
    constraints: Vec<String>,
    pub(super) namespaces: BTreeSet<String>,
    kinds: Vec<String>,
}

impl Scope {
    pub(super) fn of(scope: Option<wire::AuditScope>) -> Self {
        let wire::AuditScope { clusters, cluster_selector, constraints, namespaces, kinds } = scope.unwrap_or_default();
        Self { clusters, cluster_selector, constraints, namespaces: namespaces.into_iter().collect(), kinds }
    }

    /// The clusters, sorted by name. `only` is the cluster that the caller is bound to.
    pub(super) fn clusters(&self, inventories: &Inventories, only: Option<&str>) -> Result<Chosen, CallError> {
        let selector = ("scope.cluster_selector", &*self.cluster_selector);
        inventories.chosen(&self.clusters, selector, only).map_err(CallError::from)
    }

    pub(super) fn has_kind(&self, kind: &GroupVersionKind) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|text| crate::inventory::is_meant(text, kind))
    }

    /// Whether some Constraint of a kind is chosen. The others of the kind are evaluated with it, because one query asks for
    /// all of them and fails for all.
    pub(super) fn has_constraint_kind(&self, kind: &str) -> bool {
        let is_of = |text: &String| text.split('/').next() == Some(kind);
        self.constraints.is_empty() || self.constraints.iter().any(is_of)
    }

    pub(super) fn has_constraint(&self, kind: &str, name: &str) -> bool {
        let is_it = |text: &String| match text.split_once('/') {
            Some((of_kind, named)) => of_kind == kind && named == name,
            None => *text == *kind,
        };
        self.constraints.is_empty() || self.constraints.iter().any(is_it)
    }

    pub(super) fn has(&self, published: &PublishedConstraint) -> bool {
        self.has_constraint(&published.constraint.kind, &published.constraint.name)
    }
}
