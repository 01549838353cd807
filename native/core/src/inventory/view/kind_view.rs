//! The objects of a kind as values, as far as programs read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetgate_eval::Projection;
use fleetgate_value::{Object, Value};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::{ViewTooLarge, footprint};
use crate::compatibility::{Compatibility, Presence};
use crate::inventory::kind::{Kind, Seen};
use crate::inventory::store::{Key, Packed};
use crate::json::{self, KeyCache};

/// The objects of a kind as values, by namespace and name; the empty namespace has what is cluster-scoped.
#[derive(Debug, Clone, Default)]
pub(super) struct KindView {
    /// The snapshot in which the objects that it was made of changed last.
    changed: u64,
    /// The snapshot since which it is the same.
    same_since: u64,
    /// What it was made of.
    entries: OrdMap<Key, Packed>,
    parents: OrdMap<Arc<str>, usize>,
    namespaces: BTreeMap<Arc<str>, Object>,
    /// The parts that are kept of each.
    projection: Arc<Projection>,
    bytes: usize,
}

/// What becomes of the objects of a namespace, by name; none where one goes.
type Edits = BTreeMap<Arc<str>, Option<Value>>;

/// Objects that are looked at to find out what all of them take.
const SAMPLE: usize = 16;

impl KindView {
    /// About how many bytes a view with these parts takes.
    pub(super) fn estimate(known: &Kind, projection: &Projection, compatibility: Compatibility) -> usize {
        let mut keys = KeyCache::default();
        let (mut json_bytes, mut bytes) = (0, 0);
        for packed in known.objects.entries().values().take(SAMPLE) {
            let Ok(json) = known.objects.json(packed) else { continue };
            let Ok(value) = json::parse(&json, &mut keys, compatibility.numbers) else { continue };
            json_bytes += json.len();
            bytes += footprint::of(&projection.of(&value));
        }
        known.json_bytes().saturating_mul(bytes) / json_bytes.max(1)
    }

    pub(super) const fn changed(&self) -> u64 {
        self.changed
    }

    /// What it shows of the objects that it was made of.
    pub(super) fn seen(&self) -> Seen {
        Seen { of: self.changed, since: self.same_since, parts: self.projection.clone() }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The objects of a namespace.
    pub(super) fn of_namespace(&self, namespace: &str) -> Value {
        self.namespaces.get(namespace).map_or_else(Value::empty_object, |objects| Value::Object(objects.clone()))
    }

    /// Whether it is of these objects, and holds these parts.
    pub(super) fn serves(&self, known: &Kind, projection: &Projection) -> bool {
        self.changed == known.changed && self.projection.includes(projection)
    }

    pub(super) fn projection(&self) -> &Projection {
        &self.projection
    }

    /// The view of other objects of the kind, with these parts besides those that it has. Only what differs is made, unless
    /// parts are missing.
    pub(super) fn following(
        &self,
        known: &Kind,
        projection: &Projection,
        compatibility: Compatibility,
        limit: usize,
        keys: &mut KeyCache,
    ) -> Result<Self, ViewTooLarge> {
        if !self.projection.includes(projection) {
            let projection = Arc::new(Projection::clone(&self.projection).and(projection));
            let empty = Self { projection: projection.clone(), ..Self::default() };
            return empty.following(known, &projection, compatibility, limit, keys);
        }
        let mut after = Self {
            changed: known.changed,
            entries: known.objects.entries().clone(),
            parents: known.objects.parents().clone(),
            ..self.clone()
        };
        if self.changed == 0 || self.has_other_parents(known) {
            after.same_since = known.changed;
        }
        let mut edits: BTreeMap<Arc<str>, Edits> = BTreeMap::new();
        for difference in self.entries.diff(known.objects.entries()) {
            let (key, packed) = match difference {
                DiffItem::Add(key, packed) | DiffItem::Update { new: (key, packed), .. } => (key, Some(packed)),
                DiffItem::Remove(key, _) => (key, None),
            };
            let hides =
                |packed: &&Packed| packed.is_terminating() && compatibility.terminating_objects == Presence::Absent;
            let value = packed
                .filter(|packed| !hides(packed))
                .map(|packed| {
                    let json = known.objects.json(packed).map_err(|_| ViewTooLarge::Unreadable)?;
                    let value =
                        json::parse(&json, keys, compatibility.numbers).map_err(|_| ViewTooLarge::Unreadable)?;
                    Ok(self.projection.of(&value))
                })
                .transpose()?;
            let (namespace, name) = key.parts();
            let former = self.find(namespace, name);
            let is_same = match (former, &value) {
                (Some(former), Some(value)) => former.is_written_like(value),
                (former, value) => former.is_none() && value.is_none(),
            };
            if is_same {
                continue;
            }
            after.same_since = known.changed;
            after.bytes = after.bytes.saturating_sub(former.map_or(0, footprint::of));
            after.bytes += value.as_ref().map_or(0, footprint::of);
            if after.bytes > limit {
                return Err(ViewTooLarge::Bytes { limit });
            }
            edits.entry(namespace.into()).or_default().insert(name.into(), value);
        }
        for (namespace, edits) in edits {
            let objects = after.namespaces.entry(namespace.clone()).or_default();
            *objects = edited(objects, edits);
            if objects.is_empty() {
                after.namespaces.remove(&namespace);
            }
        }
        Ok(after)
    }

    /// Whether other namespaces hold objects, or held some: their keys are seen, too.
    fn has_other_parents(&self, known: &Kind) -> bool {
        self.parents.diff(known.objects.parents()).any(|difference| match difference {
            DiffItem::Update { old: (_, before), new: (_, after) } => (*before > 0) != (*after > 0),
            DiffItem::Add(..) | DiffItem::Remove(..) => true,
        })
    }

    fn find(&self, namespace: &str, name: &str) -> Option<&Value> {
        self.namespaces.get(namespace)?.get_str(name)
    }
}

/// Both are in the order of the names, so one pass is enough.
fn edited(objects: &Object, edits: Edits) -> Object {
    let mut pairs = Vec::with_capacity(objects.len() + edits.len());
    let mut edits = edits.into_iter().peekable();
    let add = |pairs: &mut Vec<(Value, Value)>, (name, value): (Arc<str>, Option<Value>)| {
        pairs.extend(value.map(|value| (Value::String(name), value)));
    };
    for (key, value) in objects.iter() {
        let name = key.as_str().unwrap_or_default();
        while let Some(edit) = edits.next_if(|(edited, _)| **edited < *name) {
            add(&mut pairs, edit);
        }
        match edits.next_if(|(edited, _)| **edited == *name) {
            Some(edit) => add(&mut pairs, edit),
            None => pairs.push((key.clone(), value.clone())),
        }
    }
    for edit in edits {
        add(&mut pairs, edit);
    }
    Object::from_pairs(pairs)
}
