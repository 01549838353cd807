//! What is behind collections, remembered between evaluations.
//!
//! Objects of clusters stand in collections that stay as they are until one of them changes, and rules ask again and again
//! whether one of them has this host or that name. What is there to be found is remembered by the collection's address,
//! as hashes: what has none of them has no answer; the rest is looked at as ever.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use fleetgate_value::{Object, Reserved, Value};

/// A collection is remembered once it was met so often: to go through it once more costs no more than to look at it did.
const MET: u8 = 3;

/// All hashes of a workspace.
const MAX_HASHES: usize = 1 << 20;

/// All collections of a workspace.
const MAX_KNOWN: usize = 1 << 18;

/// Collections that come before those that are gone are looked for.
const SWEEP: usize = 4_096;

/// Entries of collections that come before that: an address is kept with the memory behind it.
const SWEEP_ENTRIES: usize = 1 << 16;

/// What is larger is not remembered. It would take too long to do so at once, and its parts are, where they are collections.
pub(super) const LARGEST: usize = 1 << 14;

/// A collection at a step of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) probe: u64,
    pub(super) step: usize,
    pub(super) address: usize,
}

/// Of keys of our own making: addresses and counters, which nobody chooses for us.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio's bits: odd, and spread.
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

/// What is remembered. It belongs to a workspace.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    known: HashMap<Key, Known, BuildHasherDefault<Mixed>>,
    hashes: usize,
    /// Collections since the last sweep.
    came: usize,
    /// Their entries.
    entries: usize,
}

#[derive(Debug)]
struct Known {
    reserved: Reserved,
    behind: Behind,
}

/// What is behind a collection.
#[derive(Debug)]
enum Behind {
    /// It is not known yet: the collection was met so often.
    Met(u8),
    /// Hashes, sorted.
    Hashes(Box<[u64]>),
    /// More than can be remembered.
    TooMuch,
}

/// What is known of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Whether what is looked for may be behind it.
    Known(bool),
    /// Nothing.
    Unknown,
    /// Nothing, and it is to be remembered now.
    Wanted,
}

impl Indexes {
    pub(super) fn look(&mut self, key: Key, object: &Object, sought: u64) -> Found {
        if object.len() > LARGEST {
            return Found::Unknown;
        }
        let Some(known) = self.known.get_mut(&key) else {
            self.came += 1;
            if self.known.len() < MAX_KNOWN {
                self.entries += object.len();
                self.known.insert(key, Known { reserved: object.reserved(), behind: Behind::Met(1) });
            }
            return Found::Unknown;
        };
        match &mut known.behind {
            Behind::Hashes(hashes) => Found::Known(hashes.binary_search(&sought).is_ok()),
            Behind::TooMuch => Found::Unknown,
            Behind::Met(times) => {
                *times = times.saturating_add(1);
                if *times >= MET && self.hashes < MAX_HASHES { Found::Wanted } else { Found::Unknown }
            }
        }
    }

    /// The hashes of a collection, where they are remembered.
    pub(super) fn hashes(&self, key: Key) -> Option<&[u64]> {
        match &self.known.get(&key)?.behind {
            Behind::Hashes(hashes) => Some(hashes),
            Behind::Met(_) | Behind::TooMuch => None,
        }
    }

    /// There is more behind a collection than can be remembered.
    pub(super) fn refuse(&mut self, key: Key) {
        if let Some(known) = self.known.get_mut(&key) {
            known.behind = Behind::TooMuch;
        }
    }

    pub(super) fn remember(&mut self, key: Key, mut hashes: Vec<u64>) {
        hashes.sort_unstable();
        hashes.dedup();
        if let Some(known) = self.known.get_mut(&key) {
            self.hashes += hashes.len();
            known.behind = Behind::Hashes(hashes.into());
        }
    }

    /// Forgets collections that are gone, now and then.
    pub(super) fn sweep(&mut self) {
        if self.came < SWEEP.max(self.known.len() / 2) && self.entries < SWEEP_ENTRIES {
            return;
        }
        (self.came, self.entries) = (0, 0);
        let hashes = &mut self.hashes;
        self.known.retain(|_, known| {
            let stays = !known.reserved.is_gone();
            if let (false, Behind::Hashes(gone)) = (stays, &known.behind) {
                *hashes -= gone.len();
            }
            stays
        });
    }
}

/// Equal values have equal hashes. Of other values than strings only the type counts: equal numbers may be written apart.
pub(super) fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    match value {
        Value::String(text) => text.hash(&mut hasher),
        other => (other.kind() as u8).hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> Object {
        Object::from_pairs(vec![(name.into(), Value::Null)])
    }

    fn key(object: &Object) -> Key {
        Key { probe: 1, step: 0, address: object.address() }
    }

    #[test]
    fn what_is_met_again_is_remembered_until_it_is_gone() {
        let mut indexes = Indexes::default();
        let kept = object("a");
        for _ in 1..MET {
            assert_eq!(indexes.look(key(&kept), &kept, 7), Found::Unknown);
        }
        assert_eq!(indexes.look(key(&kept), &kept, 7), Found::Wanted);
        indexes.remember(key(&kept), vec![9, 7, 9]);
        assert_eq!(indexes.look(key(&kept), &kept, 7), Found::Known(true));
        assert_eq!(indexes.look(key(&kept), &kept, 8), Found::Known(false));
        for _ in 0..SWEEP {
            let gone = object("b");
            let _ = indexes.look(key(&gone), &gone, 7);
        }
        indexes.sweep();
        assert_eq!((indexes.known.len(), indexes.hashes), (1, 2));
        drop(kept);
        indexes.came = SWEEP;
        indexes.sweep();
        assert_eq!((indexes.known.len(), indexes.hashes), (0, 0));
    }

    #[test]
    fn the_memory_behind_addresses_is_bounded() {
        let large = |mark: usize| {
            let pairs = (0..LARGEST).map(|number| (Value::from(number), Value::from(mark))).collect();
            Object::from_pairs(pairs)
        };
        let mut indexes = Indexes::default();
        for mark in 0..100 {
            let gone = large(mark);
            let _ = indexes.look(key(&gone), &gone, 7);
            drop(gone);
            indexes.sweep();
            assert!(indexes.known.len() <= SWEEP_ENTRIES / LARGEST + 1, "{mark}");
        }
        let larger = Object::from_pairs((0..=LARGEST).map(|number| (Value::from(number), Value::Null)).collect());
        assert_eq!(indexes.look(key(&larger), &larger, 7), Found::Unknown);
        assert!(!indexes.known.contains_key(&key(&larger)));
    }

    #[test]
    fn equal_values_have_equal_hashes() {
        let number = |text: &str| crate::read_document("", text.as_bytes()).unwrap_or(Value::Null);
        assert_eq!(hash(&number("1")), hash(&number("1.0")));
        assert_eq!(hash(&"a".into()), hash(&Value::from("a")));
        assert_ne!(hash(&"a".into()), hash(&"b".into()));
        assert_ne!(hash(&"1".into()), hash(&number("1")));
    }
}
