//! The objects of a kind in slices of bounded size, for those who go through all of them.

use std::collections::BTreeSet;

use imbl::ordmap::DiffItem;

use super::kind::Kind;
use super::store::{Key, Objects};

/// Some objects of a kind that follow one another in the order of namespace and name.
#[derive(Debug, Clone)]
pub struct Slice {
    first: Key,
    /// Number of objects.
    pub len: usize,
}

/// An object as it is cached: where it belongs, and its JSON; none where that cannot be read back.
#[derive(Debug)]
pub struct CachedObject<'a> {
    /// Its namespace; empty for a cluster-scoped one.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The object as JSON.
    pub json: Option<Vec<u8>>,
}

impl Kind {
    /// All objects, or those of some namespaces, in slices of at most `size` objects.
    #[must_use]
    pub fn slices(&self, size: usize, namespaces: &BTreeSet<String>) -> Vec<Slice> {
        let mut slices = Vec::new();
        if namespaces.is_empty() {
            cut(self.objects.entries().keys(), size, &mut slices);
        }
        for namespace in namespaces {
            let from = self.objects.entries().range(Key::new(namespace, "")..).map(|(key, _)| key);
            cut(from.take_while(|key| key.namespace() == namespace), size, &mut slices);
        }
        slices
    }

    /// The objects of a slice, terminating ones included.
    pub fn objects_of<'a>(&'a self, slice: &Slice) -> impl Iterator<Item = CachedObject<'a>> + use<'a> {
        self.objects.entries().range(slice.first.clone()..).take(slice.len).map(|(key, packed)| {
            let (namespace, name) = key.parts();
            CachedObject { namespace, name, json: self.objects.json(packed).ok() }
        })
    }
}

/// Objects of a kind that are not the same in two snapshots.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    /// Added or modified.
    pub(crate) written: BTreeSet<Key>,
    pub(crate) removed: Vec<Key>,
}

impl Kind {
    /// What differs from what the kind was before. What two snapshots share is passed over.
    pub(crate) fn differences(&self, before: Option<&Self>) -> Differences {
        let mut differences = Differences::default();
        let nothing = Objects::default();
        let before = before.map_or(&nothing, |before| &before.objects);
        for difference in before.entries().diff(self.objects.entries()) {
            match difference {
                DiffItem::Add(key, _) | DiffItem::Update { new: (key, _), .. } => {
                    differences.written.insert(key.clone());
                }
                DiffItem::Remove(key, _) => differences.removed.push(key.clone()),
            }
        }
        differences
    }

    /// The keys of all objects, or of those of a namespace, ascending.
    pub(crate) fn keys<'a>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let first = Key::new(namespace.unwrap_or_default(), "");
        let from = self.objects.entries().range(first..).map(|(key, _)| key);
        from.take_while(move |key| namespace.is_none_or(|namespace| key.namespace() == namespace))
    }

    /// Whether there is an object of a key.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.objects.entries().contains_key(key)
    }

    /// An object by its key.
    pub(crate) fn object(&self, key: &Key) -> Option<CachedObject<'_>> {
        let (key, packed) = self.objects.entries().get_key_value(key)?;
        let (namespace, name) = key.parts();
        Some(CachedObject { namespace, name, json: self.objects.json(packed).ok() })
    }
}

fn cut<'a>(keys: impl Iterator<Item = &'a Key>, size: usize, slices: &mut Vec<Slice>) {
    let start = slices.len();
    for key in keys {
        match slices.get_mut(start..).and_then(<[Slice]>::last_mut).filter(|last| last.len < size) {
            Some(last) => last.len += 1,
            None => slices.push(Slice { first: key.clone(), len: 1 }),
        }
    }
}
