//! What a program sees otherwise in one snapshot than in another.

use std::collections::BTreeMap;

use fleetgate_eval::InventoryReads;
use fleetgate_value::{Str, Value};
use imbl::ordmap::DiffItem;

use super::Shown;
use super::assembled::{self, Kinds, Stamp};
use crate::compatibility::Presence;
use crate::config::Process;
use crate::inventory::Snapshot;
use crate::inventory::kind::Kind;
use crate::inventory::store::{Key, Objects, Packed};
use crate::json::{self, KeyCache};

/// What a program sees, by the snapshots in which it changed last: equal ones of a shard are of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<Stamp>);

/// The objects that a program sees otherwise, as data documents that hold nothing else.
#[derive(Debug)]
pub(crate) struct Delta {
    /// As they were.
    pub(crate) before: Value,
    /// As they are.
    pub(crate) after: Value,
}

#[derive(Default)]
struct Trees {
    cluster: Kinds,
    namespaces: BTreeMap<Str, Kinds>,
    objects: BTreeMap<(Str, Str, Str), Vec<(Value, Value)>>,
}

impl Snapshot {
    /// What a program sees, to be compared with what it saw.
    pub(crate) fn stamps(&self, reads: &InventoryReads, shown: &Shown<'_>) -> Stamps {
        let seen = self.kinds().filter(|known| is_shown(known, shown));
        Stamps(seen.map(|known| assembled::stamp(known, assembled::covers(reads, known))).collect())
    }

    /// What a program sees otherwise than in a snapshot before, under the same policies. None where more than `limit` objects
    /// differ, or one cannot be read back.
    pub(crate) fn delta(
        &self,
        before: &Self,
        reads: &InventoryReads,
        shown: &Shown<'_>,
        limit: usize,
    ) -> Option<Delta> {
        let seen = |snapshot: &Self, kind: &Kind| {
            let known = snapshot.kind(kind.kind())?;
            (is_shown(known, shown) && assembled::covers(reads, known)).then(|| known.objects.clone())
        };
        let kinds = self.kinds().chain(before.kinds().filter(|known| self.kind(known.kind()).is_none()));
        let (mut old, mut new, mut found) = (Trees::default(), Trees::default(), 0);
        for known in kinds {
            let (was, is) = (seen(before, known).unwrap_or_default(), seen(self, known).unwrap_or_default());
            for difference in was.entries().diff(is.entries()) {
                found += 1;
                if found > limit {
                    return None;
                }
                let (one, other) = match difference {
                    DiffItem::Add(key, packed) => (None, Some((key, packed))),
                    DiffItem::Update { old, new } => (Some(old), Some(new)),
                    DiffItem::Remove(key, packed) => (Some((key, packed)), None),
                };
                old.add(self, known, &was, one, shown)?;
                new.add(self, known, &is, other, shown)?;
            }
        }
        Some(Delta { before: old.into_data(), after: new.into_data() })
    }
}

fn is_shown(known: &Kind, shown: &Shown<'_>) -> bool {
    known.is_given() || shown.synced.contains(known.kind())
}

impl Trees {
    fn add(
        &mut self,
        snapshot: &Snapshot,
        known: &Kind,
        objects: &Objects,
        object: Option<(&Key, &Packed)>,
        shown: &Shown<'_>,
    ) -> Option<()> {
        let compatibility = snapshot.compatibility();
        let Some((key, packed)) = object else { return Some(()) };
        let (namespace, name) = key.parts();
        let belongs_to = if known.kind().is_namespace() { name } else { namespace };
        let is_hidden = packed.is_terminating() && compatibility.terminating_objects == Presence::Absent;
        if is_hidden || shown.excluder.excludes_name(Process::Sync, belongs_to) {
            return Some(());
        }
        let value = json::parse(&objects.json(packed).ok()?, &mut KeyCache::default(), compatibility.numbers).ok()?;
        let place = (namespace.into(), known.kind().group_version().into(), (*known.kind().kind).into());
        self.objects.entry(place).or_default().push((Value::from(name), value));
        Some(())
    }

    fn into_data(mut self) -> Value {
        for ((namespace, group_version, kind), objects) in self.objects {
            let kinds =
                if namespace.is_empty() { &mut self.cluster } else { self.namespaces.entry(namespace).or_default() };
            kinds.entry(group_version).or_default().insert(kind, Value::object(objects));
        }
        assembled::data(self.cluster, self.namespaces, 0).data
    }
}
