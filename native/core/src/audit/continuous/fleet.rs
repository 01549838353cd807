//! Whether units see something else of other clusters than when they were judged last.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use fleetgate_eval::{InventoryReads, Projection};

use super::units::Unit;
use super::work::{Pinned, sync};
use crate::config::GroupVersionKind;
use crate::inventory::Snapshot;
use crate::policy::Generation;

/// All clusters as they were judged last, and as they are judged now.
pub(super) struct FleetChanges<'a> {
    before: Option<(&'a [Arc<Snapshot>], &'a Arc<Generation>)>,
    now: &'a Pinned,
    /// Clusters of a set see the same of one another.
    known: RefCell<Vec<(Asked, bool)>>,
}

/// A cluster set, the kinds that are looked at, and what is read of them.
type Asked = (String, Arc<BTreeSet<GroupVersionKind>>, Arc<InventoryReads>);

impl<'a> FleetChanges<'a> {
    /// Where nothing was judged before, everything changed.
    pub(super) fn new(before: Option<(&'a [Arc<Snapshot>], &'a Arc<Generation>)>, now: &'a Pinned) -> Self {
        Self { before, now, known: RefCell::default() }
    }

    /// Whether a unit of a cluster sees other clusters than it did, other objects there, or knows other things of them.
    pub(super) fn are_seen_by(&self, unit: &Unit, own: &Snapshot) -> bool {
        let Some(declared) = &unit.declared else { return false };
        let (set, reads) = (&own.facts().cluster_set, unit.program.reads());
        if set.is_empty() {
            return self.concern(declared, reads, |one| one.cluster() == own.cluster());
        }
        let mut known = self.known.borrow_mut();
        let is_asked =
            |(of, kinds, read): &Asked| of == set && Arc::ptr_eq(kinds, declared) && Arc::ptr_eq(read, reads);
        if let Some((_, concerned)) = known.iter().find(|(asked, _)| is_asked(asked)) {
            return *concerned;
        }
        let concerned = self.concern(declared, reads, |one| one.facts().cluster_set == *set);
        known.push(((set.clone(), declared.clone(), reads.clone()), concerned));
        concerned
    }

    fn concern(
        &self,
        declared: &BTreeSet<GroupVersionKind>,
        reads: &InventoryReads,
        is_seen: impl Fn(&Snapshot) -> bool,
    ) -> bool {
        let Some((before, generation)) = self.before else { return true };
        let parts_of = |kind: &GroupVersionKind| reads.projection(&kind.group_version(), &kind.kind);
        let seen: Vec<_> = declared.iter().map(|kind| (kind, parts_of(kind))).collect();
        let [before, now] =
            [before, &self.now.snapshots].map(|all| all.iter().filter(|one| is_seen(one)).collect::<Vec<_>>());
        let hides_otherwise = |cluster: &str| {
            let hidden = |generation: &Generation| sync(generation.sync_excluder(cluster));
            !Arc::ptr_eq(generation, &self.now.generation) && hidden(generation) != hidden(&self.now.generation)
        };
        let is_other = |(was, is): (&&Arc<Snapshot>, &&Arc<Snapshot>)| {
            !Arc::ptr_eq(was.cluster(), is.cluster()) || hides_otherwise(is.cluster()) || differ(was, is, &seen)
        };
        before.len() != now.len() || before.iter().zip(&now).any(is_other)
    }
}

/// Whether two snapshots of a cluster look different to who sees these parts of these kinds.
fn differ(was: &Arc<Snapshot>, is: &Arc<Snapshot>, seen: &[(&GroupVersionKind, Projection)]) -> bool {
    let stamp = |one: &Snapshot, kind, parts| one.kind(kind).map(|known| (known.same_since(parts), known.state()));
    let described = |one: &Snapshot| (one.is_given(), one.facts().cluster_set.clone(), one.facts().labels.clone());
    !Arc::ptr_eq(was, is)
        && (described(was) != described(is)
            || seen.iter().any(|(kind, parts)| stamp(was, kind, parts) != stamp(is, kind, parts)))
}
