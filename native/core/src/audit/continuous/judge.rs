//! One object: what is known of it → what is to be known of it.

use std::collections::BTreeMap;

use fleetgate_eval::Locality;
use fleetgate_value::Value;

use super::changed::Changed;
use super::results::{Counts, Results, UnitResult};
use super::units::{Unit, UnitName};
use super::work::{ClusterWork, Fate, KindWork, Pinned, changed};
use crate::audit::findings::{audited, guarded, identified, parsed};
use crate::audit::plan::{KindPlan, is_none};
use crate::decide::{Auditor, Engine};
use crate::evaluate::Context;
use crate::inventory::{Blob, CachedObject, Key};
use crate::policy::{PolicySet, Scoped};
use crate::review::Review;
use crate::wire::{self, violation_change::Direction};

/// What becomes of an object.
pub(super) struct Judged {
    pub(super) key: Key,
    pub(super) blob: Option<Blob>,
    pub(super) counts: Counts,
    pub(super) changes: Vec<wire::ViolationChange>,
    /// Reviews that were made for it.
    pub(super) reviews: u64,
}

/// Judges objects of one cluster.
pub(super) struct Judge<'a> {
    engine: &'a Engine,
    work: &'a ClusterWork,
    sets: Scoped<&'a PolicySet>,
    auditor: Auditor<'a>,
    /// For units that are checked: what sees only what changed, as it was and as it is.
    deltas: BTreeMap<&'a UnitName, (Auditor<'a>, Auditor<'a>)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(engine: &'a Engine, pinned: &'a Pinned, work: &'a ClusterWork) -> Self {
        let auditor = || Auditor::new(engine, &pinned.generation, &work.plan.snapshot, (&pinned.snapshots, pinned.at));
        let showing = |unit: &Unit, data: &Value| {
            let auditor = auditor();
            auditor.show(unit.program.reads(), data.clone());
            auditor
        };
        let of_delta = |(name, unit): (&'a UnitName, &'a Unit)| {
            let delta = work.deltas.get(name)?;
            Some((name, (showing(unit, &delta.before), showing(unit, &delta.after))))
        };
        Self {
            engine,
            work,
            sets: pinned.generation.of_cluster(work.plan.snapshot.cluster()),
            auditor: auditor(),
            deltas: work.units.iter().filter_map(of_delta).collect(),
        }
    }

    /// Judges one object anew as far as that is to be done; none where nothing becomes of it.
    pub(super) fn object(
        &mut self,
        kind: &KindWork,
        key: &Key,
        before: Option<&Blob>,
        context: &mut Context,
    ) -> Option<Judged> {
        let planned = kind.planned.and_then(|at| self.work.plan.kinds.get(at));
        let cached = self.work.plan.snapshot.kind(&kind.kind).and_then(|known| known.object(key));
        let old = before.map(Results::unpack);
        let (new, reviews) = match (planned, cached) {
            (Some(planned), Some(cached)) => {
                let judged = guarded(|| self.results(kind, planned, key, &cached, old.as_ref(), context));
                judged.unwrap_or_else(|unread| {
                    // What the context holds after a defect is nobody's.
                    *context = Context::default();
                    (Some(Results { unread, ..Results::default() }), 1)
                })
            }
            _ => (Some(Results::default()), 0),
        };
        let new = new?;
        let (old, named) = (old.unwrap_or_default(), self.named(kind, key));
        let mut counts = Counts::default();
        old.count(&mut counts, -1);
        let mut added = Counts::default();
        new.count(&mut added, 1);
        counts.add(&added);
        let changes = changes(&named, &old, &new);
        Some(Judged { key: key.clone(), blob: new.pack(), counts, changes, reviews })
    }

    fn named(&self, kind: &KindWork, key: &Key) -> wire::AuditedObject {
        let (namespace, name) = key.parts();
        audited(self.work.plan.snapshot.cluster(), &kind.kind, namespace, name)
    }

    /// The results, and how many reviews were made for them; none where they are what they were.
    fn results(
        &mut self,
        kind: &KindWork,
        planned: &KindPlan,
        key: &Key,
        cached: &CachedObject<'_>,
        old: Option<&Results>,
        context: &mut Context,
    ) -> (Option<Results>, u64) {
        let known = |name: &UnitName| old.and_then(|old| old.unit(name));
        let changed = self.changed(kind, key, old, context);
        let namespace = kind.namespaces.get(key.namespace());
        let has_failed = |name: &UnitName| known(name).is_some_and(|known| !known.has_answer());
        let is_other = |name: &UnitName, unit: &Unit| {
            // Who gave no answer is asked again.
            let looks = |changed: &Changed| unit.looks_at(changed) || has_failed(name);
            changed.as_ref().is_some_and(looks) || namespace.is_some_and(|changed| unit.looks_at_namespace(changed))
        };
        let fate = |name: &UnitName, unit: &Unit| match kind.unchanged.get(name) {
            Some(Fate::Redo) => Fate::Redo,
            _ if is_other(name, unit) => Fate::Redo,
            Some(Fate::Retry) if has_failed(name) => Fate::Redo,
            Some(Fate::Check) => Fate::Check,
            Some(Fate::Retry | Fate::Keep) | None => Fate::Keep,
        };
        let asked: Vec<(&UnitName, &Unit, Fate)> =
            self.work.units.iter().map(|(name, unit)| (name, unit, fate(name, unit))).collect();
        let is_asked = |(name, unit, fate): &(&UnitName, &Unit, Fate)| match fate {
            Fate::Keep | Fate::Retry => false,
            // Whether a Constraint matches does not depend on the inventory.
            Fate::Check => known(name).is_some(),
            Fate::Redo => !is_none(&unit.among(name, &planned.positions)),
        };
        if !asked.iter().any(is_asked) {
            // What stays is what some unit has still to say of it.
            let stays =
                |result: &UnitResult| asked.iter().any(|(name, _, fate)| result.is_of(name) && *fate != Fate::Redo);
            let old = old.filter(|old| !old.units.iter().all(stays));
            let kept = old.map(|old| Results {
                units: old.units.iter().filter(|unit| stays(unit)).cloned().collect(),
                ..old.clone()
            });
            return (kept, 0);
        }
        let (object, review) = match self.read(cached, context) {
            Ok(read) => read,
            Err(unread) => return (Some(Results { unread, ..Results::default() }), 1),
        };
        let identity = identified(wire::AuditedObject::default(), &object);
        let mut new = Results { uid: identity.uid, owner: identity.owner, ..Results::default() };
        let mut reviews = 0;
        for (name, unit, fate) in asked {
            let known = known(name);
            let result = match fate {
                Fate::Keep | Fate::Retry => known.cloned(),
                Fate::Check => known.map(|known| {
                    reviews = 1;
                    self.check(name, unit, planned, &review, known, context)
                }),
                Fate::Redo => {
                    reviews = 1;
                    Some(self.unit(&self.auditor, name, unit, planned, &review, context))
                }
            };
            new.units.extend(result.filter(|result| !result.matched.is_empty() || !result.is_clean()));
        }
        (Some(new), reviews)
    }

    /// What changed in an object since it was judged; none where nothing did.
    fn changed(&self, kind: &KindWork, key: &Key, old: Option<&Results>, context: &mut Context) -> Option<Changed> {
        if old.is_some_and(|old| !old.unread.is_empty()) {
            return Some(Changed::everything());
        }
        let is = || self.work.plan.snapshot.kind(&kind.kind);
        kind.written.contains(key).then(|| match (&kind.before, is()) {
            (Some(was), Some(is)) => changed(self.engine, was, is, key, &mut context.keys),
            _ => Changed::everything(),
        })
    }

    fn read(&mut self, cached: &CachedObject<'_>, context: &mut Context) -> Result<(Value, Review), String> {
        let object = parsed(cached, &mut context.keys, self.engine.compatibility.numbers)?;
        let review = self.auditor.review(object.clone())?;
        Ok((object, review))
    }

    fn unit(
        &self,
        auditor: &Auditor<'_>,
        name: &UnitName,
        unit: &Unit,
        planned: &KindPlan,
        review: &Review,
        context: &mut Context,
    ) -> UnitResult {
        let among = unit.among(name, &planned.positions);
        if is_none(&among) {
            return UnitResult::default();
        }
        UnitResult::of(name, auditor.judge_review(review, &among, context), self.sets)
    }

    /// The result of a unit that sees the inventory otherwise, of an object that did not change.
    fn check(
        &self,
        name: &UnitName,
        unit: &Unit,
        planned: &KindPlan,
        review: &Review,
        known: &UnitResult,
        context: &mut Context,
    ) -> UnitResult {
        let Some((before, after)) = self.deltas.get(name).filter(|_| known.has_answer()) else {
            return self.unit(&self.auditor, name, unit, planned, review, context);
        };
        let mut over = |auditor: &Auditor<'_>| self.unit(auditor, name, unit, planned, review, context);
        let is_kept = match unit.locality {
            Locality::None => false,
            // Nothing comes from what is there now, and nothing that was found came from what was there.
            Locality::Distributive => over(after).is_clean() && (known.is_clean() || over(before).is_clean()),
            Locality::Existential => {
                let (before, after) = (over(before), over(after));
                before.has_answer() && before == after
            }
        };
        if is_kept { known.clone() } else { self.unit(&self.auditor, name, unit, planned, review, context) }
    }
}

/// What comes and goes, as multisets: an object can have the same result of a Constraint more than once.
fn changes(named: &wire::AuditedObject, old: &Results, new: &Results) -> Vec<wire::ViolationChange> {
    let mut gone = old.violations();
    let mut come = Vec::new();
    for violation in new.violations() {
        match gone.iter().position(|one| *one == violation) {
            Some(at) => drop(gone.swap_remove(at)),
            None => come.push(violation),
        }
    }
    gone.sort_by(|a, b| key(a).cmp(&key(b)));
    let change = |direction: Direction, of: &Results, violation: wire::Violation| wire::ViolationChange {
        direction: direction.into(),
        violation: Some(super::violation(named, of, violation)),
        at: None,
    };
    let fixed = gone.into_iter().map(|violation| change(Direction::Fixed, old, violation));
    fixed.chain(come.into_iter().map(|violation| change(Direction::New, new, violation))).collect()
}

fn key(violation: &wire::Violation) -> (&str, &str, &str) {
    (&violation.constraint_kind, &violation.constraint_name, &violation.message)
}
