//! What a program sees otherwise in one snapshot than in another.

use std::collections::BTreeMap;

use fleetgate_eval::InventoryReads;
use fleetgate_value::{Str, Value};
use imbl::ordmap::DiffItem;

use super::assembled::{self, Kinds, Stamp};
use super::{Shown, ViewTooLarge};
use crate::compatibility::Presence;
use crate::config::Process;
use crate::inventory::Snapshot;
use crate::inventory::kind::Kind;
use crate::inventory::store::{Key, Objects, Packed};
use crate::json::{self, KeyCache};

/// What a program sees, by snapshots since which it is the same: equal ones of a shard are of the same.
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
        let read = |known: &Kind| assembled::covers(reads, known).then(|| known.projection(reads));
        Stamps(seen.map(|known| assembled::stamp(known, read(known).as_ref())).collect())
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
            let read = known.projection(reads);
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
                let one = self.seen_object(known, &was, one, shown).ok()?;
                let other = self.seen_object(known, &is, other, shown).ok()?;
                let is_same = |one: &Value, other: &Value| read.of(one).is_written_like(&read.of(other));
                if one.as_ref().zip(other.as_ref()).is_some_and(|((_, one), (_, other))| is_same(one, other)) {
                    continue;
                }
                old.add(known, one);
                new.add(known, other);
            }
        }
        Some(Delta { before: old.into_data(), after: new.into_data() })
    }

    /// An object as programs see it, where they do.
    fn seen_object<'k>(
        &self,
        known: &Kind,
        objects: &Objects,
        object: Option<(&'k Key, &Packed)>,
        shown: &Shown<'_>,
    ) -> Result<Option<(&'k Key, Value)>, ViewTooLarge> {
        let compatibility = self.compatibility();
        let Some((key, packed)) = object else { return Ok(None) };
        let (namespace, name) = key.parts();
        let belongs_to = if known.kind().is_namespace() { name } else { namespace };
        let is_hidden = packed.is_terminating() && compatibility.terminating_objects == Presence::Absent;
        if is_hidden || shown.excluder.excludes_name(Process::Sync, belongs_to) {
            return Ok(None);
        }
        let json = objects.json(packed).map_err(|_| ViewTooLarge::Unreadable)?;
        let value = json::parse(&json, &mut KeyCache::default(), compatibility.numbers);
        Ok(Some((key, value.map_err(|_| ViewTooLarge::Unreadable)?)))
    }
}

fn is_shown(known: &Kind, shown: &Shown<'_>) -> bool {
    known.is_given() || shown.synced.contains(known.kind())
}

impl Trees {
    fn add(&mut self, known: &Kind, object: Option<(&Key, Value)>) {
        let Some((key, value)) = object else { return };
        let (namespace, name) = key.parts();
        let place = (namespace.into(), known.kind().group_version().into(), (*known.kind().kind).into());
        self.objects.entry(place).or_default().push((Value::from(name), value));
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
