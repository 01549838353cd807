//! A list that is being gathered, and what was deleted lately.

use std::collections::{BTreeMap, VecDeque};

use crate::inventory::store::{Key, Objects};

/// Deletions that are remembered.
const MAX_GRAVES: usize = 4_096;

/// A list that is being gathered apart.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    pub(super) objects: Objects,
    pub(super) graves: Graves,
    /// The highest resourceVersion of an event that went into it.
    pub(super) newest: u64,
    /// As that of the kind.
    pub(super) is_stripped: bool,
}

/// The resourceVersions of the last deletions: an older version of such an object that comes late is no new object.
#[derive(Debug, Default)]
pub(super) struct Graves {
    by_key: BTreeMap<Key, u64>,
    order: VecDeque<Key>,
}

impl Graves {
    pub(super) fn bury(&mut self, key: Key, revision: u64) {
        if revision == 0 {
            return;
        }
        if self.by_key.insert(key.clone(), revision).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MAX_GRAVES
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_key.remove(&oldest);
        }
    }

    /// Whether the object was deleted at or after this version of it.
    pub(super) fn hold(&self, key: &Key, revision: u64) -> bool {
        revision != 0 && self.by_key.get(key).is_some_and(|deleted| *deleted >= revision)
    }
}
