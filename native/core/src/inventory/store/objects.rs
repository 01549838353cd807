//! The objects of one kind of a cluster: a map that shares its structure with the maps it was made from.

use std::borrow::Borrow;
use std::sync::Arc;

use imbl::OrdMap;

use super::{Damaged, Dictionary, Packed};
use crate::compatibility::{Compatibility, Presence};

/// Between the namespace and the name in a key; names hold no such character.
const SEPARATOR: char = '\0';

/// Where an object belongs: its namespace, which is empty for a cluster-scoped one, and its name. Ordered by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}{SEPARATOR}{name}").into())
    }

    /// The key of its text.
    pub(in crate::inventory) fn of_text(text: &str) -> Option<Self> {
        text.contains(SEPARATOR).then(|| Self(text.into()))
    }

    pub(in crate::inventory) fn text(&self) -> &str {
        &self.0
    }

    /// Namespace and name.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.0.split_once(SEPARATOR).unwrap_or(("", &self.0))
    }

    pub(crate) fn namespace(&self) -> &str {
        self.parts().0
    }

    pub(crate) fn name(&self) -> &str {
        self.parts().1
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The objects of a kind. To clone it costs a few reference counts.
#[derive(Debug, Clone, Default)]
pub(in crate::inventory) struct Objects {
    entries: OrdMap<Key, Packed>,
    /// For each namespace that ever held an object that policies see, how many it holds; the empty one is for
    /// cluster-scoped objects.
    parents: OrdMap<Arc<str>, usize>,
    /// Whether policies see terminating objects.
    shows_terminating: bool,
    json_bytes: usize,
    stored_bytes: usize,
    /// What new objects are packed with.
    dictionary: Option<Arc<Dictionary>>,
    /// What some older ones are packed with.
    former: Vec<Arc<Dictionary>>,
}

impl Objects {
    pub(in crate::inventory) fn new(compatibility: Compatibility) -> Self {
        Self { shows_terminating: compatibility.terminating_objects == Presence::Present, ..Self::default() }
    }

    fn shows(&self, packed: &Packed) -> bool {
        self.shows_terminating || !packed.is_terminating()
    }

    pub(in crate::inventory) const fn entries(&self) -> &OrdMap<Key, Packed> {
        &self.entries
    }

    pub(in crate::inventory) fn get(&self, key: &Key) -> Option<&Packed> {
        self.entries.get(key)
    }

    pub(in crate::inventory) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Namespaces and how many objects that policies see each holds.
    pub(in crate::inventory) const fn parents(&self) -> &OrdMap<Arc<str>, usize> {
        &self.parents
    }

    /// Bytes of all objects as JSON.
    pub(in crate::inventory) const fn json_bytes(&self) -> usize {
        self.json_bytes
    }

    /// Bytes of all objects as they are kept, without what the map itself takes.
    pub(in crate::inventory) const fn stored_bytes(&self) -> usize {
        self.stored_bytes
    }

    /// What new objects are packed with.
    pub(in crate::inventory) const fn dictionary(&self) -> Option<&Arc<Dictionary>> {
        self.dictionary.as_ref()
    }

    /// Every dictionary that reads one of the objects.
    pub(in crate::inventory) fn dictionaries(&self) -> impl Iterator<Item = &Arc<Dictionary>> {
        self.dictionary.iter().chain(&self.former)
    }

    pub(in crate::inventory) fn insert(&mut self, key: Key, packed: Packed) {
        self.json_bytes += packed.json_length();
        self.stored_bytes += packed.as_bytes().len() + key.text().len();
        if self.shows(&packed) {
            *self.parents.entry(key.namespace().into()).or_insert(0) += 1;
        }
        if let Some(before) = self.entries.insert(key.clone(), packed) {
            self.left(&key, &before);
        }
    }

    pub(in crate::inventory) fn remove(&mut self, key: &Key) -> bool {
        let removed = self.entries.remove(key);
        if let Some(before) = &removed {
            self.left(key, before);
        }
        removed.is_some()
    }

    fn left(&mut self, key: &Key, packed: &Packed) {
        self.json_bytes = self.json_bytes.saturating_sub(packed.json_length());
        self.stored_bytes = self.stored_bytes.saturating_sub(packed.as_bytes().len() + key.text().len());
        if self.shows(packed)
            && let Some(count) = self.parents.get_mut(key.namespace())
        {
            *count = count.saturating_sub(1);
        }
    }

    /// Remembers the namespaces that another map ever held something in.
    pub(in crate::inventory) fn keep_parents(&mut self, of: &Self) {
        for (namespace, _) in &of.parents {
            self.parents.entry(namespace.clone()).or_insert(0);
        }
    }

    /// The same dictionaries as another map, and none of its objects.
    pub(in crate::inventory) fn like(other: &Self) -> Self {
        Self {
            dictionary: other.dictionary.clone(),
            former: other.former.clone(),
            shows_terminating: other.shows_terminating,
            ..Self::default()
        }
    }

    /// Makes sure that an object which was packed with a dictionary can be read back.
    pub(in crate::inventory) fn know(&mut self, dictionary: &Arc<Dictionary>) {
        if !self.dictionaries().any(|known| known.id() == dictionary.id()) {
            self.former.push(dictionary.clone());
        }
    }

    /// Packs new objects with a dictionary from now on.
    pub(in crate::inventory) fn adopt(&mut self, dictionary: Arc<Dictionary>) {
        self.former.retain(|known| known.id() != dictionary.id());
        self.former.extend(self.dictionary.replace(dictionary));
    }

    /// Packs everything anew that was packed otherwise, so that one dictionary reads all of it.
    pub(in crate::inventory) fn repack(&mut self) -> Result<(), Damaged> {
        let Some(dictionary) = self.dictionary.clone() else { return Ok(()) };
        let others: Vec<(Key, Packed)> = self
            .entries
            .iter()
            .filter(|(_, packed)| packed.dictionary() != dictionary.id())
            .map(|(key, packed)| (key.clone(), packed.clone()))
            .collect();
        for (key, packed) in others {
            let json = self.json(&packed)?;
            let packed = Packed::new(&json, packed.revision(), packed.is_terminating(), Some(&dictionary))?;
            self.insert(key, packed);
        }
        self.former.clear();
        Ok(())
    }

    /// An object's JSON.
    pub(in crate::inventory) fn json(&self, packed: &Packed) -> Result<Vec<u8>, Damaged> {
        let dictionary = self.dictionaries().find(|dictionary| dictionary.id() == packed.dictionary());
        packed.json(dictionary.map(|dictionary| &**dictionary))
    }
}
