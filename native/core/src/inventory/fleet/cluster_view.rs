//! A cluster of a fleet as one template sees it.

use std::sync::{Arc, OnceLock, Weak};

use fleetgate_eval::Projection;
use fleetgate_value::Value;

use super::{FleetTrees, Look};
use crate::config::GroupVersionKind;
use crate::inventory::extent::{self, Known};
use crate::inventory::view::Views;
use crate::inventory::{ClusterFacts, Snapshot, State, ViewTooLarge};
use crate::template::EquivalenceSet;

/// A declared kind, and the parts of its objects that the program reads.
pub(super) type Parts = (GroupVersionKind, Projection);

/// A cluster as a template sees it, the same for every decision on one snapshot.
#[derive(Debug)]
pub(super) struct ClusterView {
    snapshot: Weak<Snapshot>,
    pub(super) name: Arc<str>,
    /// How far each required set is known.
    pub(super) required: Vec<Known>,
    /// All of them together.
    pub(super) known: Known,
    pub(super) content: Arc<Content>,
}

/// What a template sees of a cluster, as long as none of that changes.
#[derive(Debug)]
pub(super) struct Content {
    /// Snapshots of other shards count otherwise.
    shard: Weak<Views>,
    facts: Arc<ClusterFacts>,
    pub(super) state: State,
    /// One for each declared kind.
    stamps: Vec<Option<Stamp>>,
    /// Made when they are first asked for.
    trees: OnceLock<Result<FleetTrees, ViewTooLarge>>,
    /// What Rego sees of the cluster, but for its age.
    pub(super) ageless: OnceLock<Value>,
}

/// Numbers of snapshots: with the same, a template sees the same of a kind.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    /// That in which the objects changed last.
    changed: u64,
    /// That since which what the program reads of them is the same.
    same_since: u64,
}

impl ClusterView {
    /// The view of a snapshot, with the content of the view before where that is the same.
    pub(super) fn following(before: Option<&Self>, snapshot: &Arc<Snapshot>, look: Look<'_>, parts: &[Parts]) -> Self {
        let known_of =
            |set: &EquivalenceSet| extent::best(set.iter().filter_map(|kind| snapshot.kind(kind)), snapshot.is_given());
        let required: Vec<Known> = look.requirements.0.iter().map(known_of).collect();
        let known = required.iter().copied().fold(Known::ALWAYS, Known::and);
        let before = before.map(|before| &before.content).filter(|before| before.is_of_shard(snapshot));
        let content = Content::new(before.map(|before| &**before), snapshot, known.state, parts);
        let content = before.filter(|before| before.is_same(&content)).cloned().unwrap_or_else(|| Arc::new(content));
        Self { snapshot: Arc::downgrade(snapshot), name: snapshot.cluster().clone(), required, known, content }
    }

    pub(super) fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
    }
}

impl Content {
    fn new(before: Option<&Self>, snapshot: &Snapshot, state: State, parts: &[Parts]) -> Self {
        let stamp = |(at, (kind, parts)): (usize, &Parts)| {
            let known = snapshot.kind(kind)?;
            let was = before.and_then(|before| *before.stamps.get(at)?).filter(|was| was.changed == known.changed);
            Some(was.unwrap_or_else(|| Stamp { changed: known.changed, same_since: known.same_since(parts) }))
        };
        Self {
            shard: Arc::downgrade(&snapshot.views),
            facts: snapshot.shared_facts(),
            state,
            stamps: parts.iter().enumerate().map(stamp).collect(),
            trees: OnceLock::new(),
            ageless: OnceLock::new(),
        }
    }

    fn is_of_shard(&self, snapshot: &Snapshot) -> bool {
        std::ptr::eq(self.shard.as_ptr(), Arc::as_ptr(&snapshot.views))
    }

    /// Whether a template sees the same in both, which are of one shard. What was too large may be so no more.
    fn is_same(&self, other: &Self) -> bool {
        let since = |one: &Self| one.stamps.iter().map(|stamp| stamp.map(|stamp| stamp.same_since)).collect::<Vec<_>>();
        self.state == other.state
            && Arc::ptr_eq(&self.facts, &other.facts)
            && since(self) == since(other)
            && self.trees.get().is_none_or(Result::is_ok)
    }

    /// The trees, which `make` makes the first time.
    pub(super) fn trees(
        &self,
        make: impl FnOnce() -> Result<FleetTrees, ViewTooLarge>,
    ) -> Result<&FleetTrees, ViewTooLarge> {
        self.trees.get_or_init(make).as_ref().map_err(|error| *error)
    }
}
