//! When the dictionary of a kind is trained, and when it is trained anew.

use std::sync::Arc;

use crate::config::GroupVersionKind;
use crate::inventory::store::{Dictionary, Library, Objects, Packed};

/// Objects that a dictionary is trained on.
const SAMPLES: usize = 1_000;

/// A dictionary fits no longer where objects take this many times the bytes that its samples took.
const DRIFT: f64 = 1.5;

/// Dictionaries that a kind may keep beside the current one before everything is packed anew.
const MAX_FORMER: usize = 2;

/// How well the dictionary of a kind does, counted over the objects that were packed with it last.
#[derive(Debug)]
pub(super) struct Tuning {
    count: usize,
    json: usize,
    stored: usize,
    /// Objects until the next look. It doubles with each training, since a kind without likeness never fits.
    next: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { count: 0, json: 0, stored: 0, next: SAMPLES }
    }
}

impl Tuning {
    /// Gives objects a dictionary before the first one is packed, where their kind has one.
    pub(super) fn prepare(kind: &GroupVersionKind, objects: &mut Objects, library: &Library) {
        if objects.dictionary().is_none()
            && let Some(dictionary) = library.get(kind)
        {
            objects.adopt(dictionary);
            // What cannot be read back stays as it is; whoever reads it says so.
            let _ = objects.repack();
        }
    }

    /// Takes note of an object that was packed, and trains where that is due.
    pub(super) fn packed(
        &mut self,
        kind: &GroupVersionKind,
        objects: &mut Objects,
        packed: &Packed,
        library: &Library,
    ) {
        self.count += 1;
        self.json += packed.json_length();
        self.stored += packed.as_bytes().len();
        if self.count < self.next {
            return;
        }
        let fits = objects.dictionary().is_some_and(|dictionary| self.share() <= dictionary.share() * DRIFT);
        if !fits && objects.len() >= SAMPLES {
            self.train(kind, objects, library);
        }
        *self = Self { next: self.next, ..Self::default() };
    }

    #[allow(clippy::cast_precision_loss, reason = "a ratio")]
    fn share(&self) -> f64 {
        self.stored as f64 / self.json.max(1) as f64
    }

    fn train(&mut self, kind: &GroupVersionKind, objects: &mut Objects, library: &Library) {
        let before = objects.dictionary().cloned();
        // Another cluster may have trained one since.
        let current =
            library.get(kind).filter(|current| before.as_ref().is_none_or(|known| known.id() != current.id()));
        let trained = || {
            let step = (objects.len() / SAMPLES).max(1);
            let samples: Vec<Vec<u8>> =
                objects.entries().values().step_by(step).filter_map(|packed| objects.json(packed).ok()).collect();
            let dictionary = Dictionary::train(samples.iter().map(Vec::as_slice))?;
            Some(library.replace(kind, before.as_ref(), Arc::new(dictionary)))
        };
        let Some(dictionary) = current.or_else(trained) else { return };
        if before.is_some() {
            self.next = self.next.saturating_mul(2);
        }
        objects.adopt(dictionary);
        if before.is_none() || objects.dictionaries().count() > MAX_FORMER + 1 {
            let _ = objects.repack();
        }
    }
}
