//! Whether units see something else of other clusters than when they were judged last.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

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

/// A cluster set, and the kinds that are looked at.
type Asked = (String, Arc<BTreeSet<GroupVersionKind>>);

impl<'a> FleetChanges<'a> {
    /// Where nothing was judged before, everything changed.
    pub(super) fn new(before: Option<(&'a [Arc<Snapshot>], &'a Arc<Generation>)>, now: &'a Pinned) -> Self {
        Self { before, now, known: RefCell::default() }
    }

    /// Whether a unit of a cluster sees other clusters than it did, other objects there, or knows other things of them.
    pub(super) fn are_seen_by(&self, unit: &Unit, own: &Snapshot) -> bool {
        let Some(declared) = &unit.declared else { return false };
        let set = &own.facts().cluster_set;
        if set.is_empty() {
            return self.concern(declared, |one| one.cluster() == own.cluster());
        }
        let mut known = self.known.borrow_mut();
        let is_asked = |(of, kinds): &Asked| of == set && Arc::ptr_eq(kinds, declared);
        if let Some((_, concerned)) = known.iter().find(|(asked, _)| is_asked(asked)) {
            return *concerned;
        }
        let concerned = self.concern(declared, |one| one.facts().cluster_set == *set);
        known.push(((set.clone(), declared.clone()), concerned));
        concerned
    }

    fn concern(&self, declared: &BTreeSet<GroupVersionKind>, is_seen: impl Fn(&Snapshot) -> bool) -> bool {
        let Some((before, generation)) = self.before else { return true };
        let [before, now] =
            [before, &self.now.snapshots].map(|all| all.iter().filter(|one| is_seen(one)).collect::<Vec<_>>());
        let hides_otherwise = |cluster: &str| {
            let hidden = |generation: &Generation| sync(generation.sync_excluder(cluster));
            !Arc::ptr_eq(generation, &self.now.generation) && hidden(generation) != hidden(&self.now.generation)
        };
        let is_other = |(was, is): (&&Arc<Snapshot>, &&Arc<Snapshot>)| {
            !Arc::ptr_eq(was.cluster(), is.cluster()) || hides_otherwise(is.cluster()) || differ(was, is, declared)
        };
        before.len() != now.len() || before.iter().zip(&now).any(is_other)
    }
}

/// Whether two snapshots of a cluster look different to who sees these kinds.
fn differ(was: &Arc<Snapshot>, is: &Arc<Snapshot>, declared: &BTreeSet<GroupVersionKind>) -> bool {
    let stamp = |one: &Snapshot, kind| one.kind(kind).map(|known| (known.changed(), known.state()));
    let described = |one: &Snapshot| (one.is_given(), one.facts().cluster_set.clone(), one.facts().labels.clone());
    !Arc::ptr_eq(was, is)
        && (described(was) != described(is) || declared.iter().any(|kind| stamp(was, kind) != stamp(is, kind)))
}
