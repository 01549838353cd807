//! The published policies of one scope: an immutable snapshot that decisions pin.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::index::Index;
use super::scope::Scope;
use crate::config::{Config, Excluder, GroupVersionKind, SyncSet};
use crate::evaluate::Program;
use crate::template::{Constraint, Template};

/// The policies of one scope. Its lists are sorted, so that equal policies give equal reports.
pub struct PolicySet {
    pub(super) id: u64,
    pub(super) scope: Scope,
    pub(super) digest: Arc<str>,
    pub(super) bundles: Vec<Arc<str>>,
    pub(super) templates: Vec<PublishedTemplate>,
    pub(super) constraints: Vec<PublishedConstraint>,
    pub(super) index: Index,
    pub(super) config: Option<Arc<Config>>,
    pub(super) sync_sets: Vec<Arc<SyncSet>>,
    pub(super) excluder: Excluder,
    pub(super) synced: BTreeSet<GroupVersionKind>,
}

/// A template that compiled.
#[derive(Clone)]
pub struct PublishedTemplate {
    /// What the document says.
    pub template: Arc<Template>,
    /// Its compiled code.
    pub program: Arc<dyn Program>,
    /// Positions of its Constraints in [`PolicySet::constraints`].
    pub constraints: Range<usize>,
}

/// A Constraint and its template.
#[derive(Clone, Debug)]
pub struct PublishedConstraint {
    /// What the document says, with defaults.
    pub constraint: Arc<Constraint>,
    /// Position of its template in [`PolicySet::templates`].
    pub template: usize,
}

impl PolicySet {
    /// Tells it from every other set of this process, whatever they hold.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whose policies they are.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// SHA-256 of the canonical content, in lower-case hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// Names of the bundles, sorted. Custom resources belong to none: the name of theirs is empty.
    #[must_use]
    pub fn bundles(&self) -> &[Arc<str>] {
        &self.bundles
    }

    /// Whether nothing stands in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.config.is_none() && self.sync_sets.is_empty()
    }

    /// Templates, sorted by kind.
    #[must_use]
    pub fn templates(&self) -> &[PublishedTemplate] {
        &self.templates
    }

    /// The template whose name is the lower case of a kind.
    #[must_use]
    pub fn template(&self, kind: &str) -> Option<&Template> {
        let name = kind.to_lowercase();
        self.templates.iter().map(|one| &*one.template).find(|template| template.kind.to_lowercase() == name)
    }

    /// Constraints, sorted by (kind, name).
    #[must_use]
    pub fn constraints(&self) -> &[PublishedConstraint] {
        &self.constraints
    }

    /// The Config, where a bundle has one.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.config.as_deref()
    }

    /// SyncSets, sorted by name.
    #[must_use]
    pub fn sync_sets(&self) -> &[Arc<SyncSet>] {
        &self.sync_sets
    }

    /// The namespaces that the Config excludes from processes; from none without a Config.
    #[must_use]
    pub fn excluder(&self) -> &Excluder {
        &self.excluder
    }

    /// The kinds to cache: the union of the Config's and all SyncSets', and what templates require where that is wanted.
    #[must_use]
    pub fn synced(&self) -> &BTreeSet<GroupVersionKind> {
        &self.synced
    }

    /// Whether the same policies stand in the same bundles, given that the digests are equal.
    pub(super) fn same_bundles(&self, other: &Self) -> bool {
        let templates = |set: &Self| set.templates.iter().map(|one| one.template.bundle.clone()).collect::<Vec<_>>();
        let constraints =
            |set: &Self| set.constraints.iter().map(|one| one.constraint.bundle.clone()).collect::<Vec<_>>();
        let config = |set: &Self| set.config.as_ref().map(|config| config.bundle.clone());
        let sync_sets = |set: &Self| set.sync_sets.iter().map(|one| one.bundle.clone()).collect::<Vec<_>>();
        self.bundles == other.bundles
            && templates(self) == templates(other)
            && constraints(self) == constraints(other)
            && config(self) == config(other)
            && sync_sets(self) == sync_sets(other)
    }

    /// Positions of the Constraints that could match an object of a group and kind, ascending. The others cannot.
    #[must_use]
    pub fn candidates(&self, group: &str, kind: &str) -> Cow<'_, [u32]> {
        self.index.candidates(group, kind)
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PolicySet")
            .field("id", &self.id)
            .field("scope", &self.scope)
            .field("digest", &self.digest)
            .field("bundles", &self.bundles)
            .field("templates", &self.templates.len())
            .field("constraints", &self.constraints.len())
            .finish()
    }
}
