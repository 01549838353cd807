//! Dictionaries: what the objects of a kind have in common.
//!
//! An object of Kubernetes is short, and most of it stands in every other object of its kind too. A dictionary that was
//! trained on some of them makes the rest several times smaller. There is one for each kind, trained when a cluster has
//! enough objects of it and shared by all clusters; what is packed with an earlier one keeps that.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use zstd_safe::{CDict, DDict};

use super::packed::{Packed, fingerprint};
use crate::config::GroupVersionKind;

/// Bytes of a dictionary. More of them gain little for objects of a few KiB.
const SIZE: usize = 64 << 10;

/// Level 1 costs a quarter more bytes for half of the time; 3 is what the writer affords.
const LEVEL: i32 = 3;

/// Bytes of samples that a dictionary is trained on at most: its trainer's time grows with them.
const MAX_SAMPLES: usize = 4 << 20;

/// A trained dictionary, ready for both directions.
pub(in crate::inventory) struct Dictionary {
    id: u32,
    /// Bytes of the samples it was trained on, packed with it, for each byte of theirs.
    share: f64,
    content: Box<[u8]>,
    compressor: CDict<'static>,
    decompressor: DDict<'static>,
}

impl Dictionary {
    /// A dictionary of its content; none where zstd does not take it.
    pub(in crate::inventory) fn new(content: &[u8], share: f64) -> Option<Self> {
        let compressor = CDict::try_create(content, LEVEL)?;
        let decompressor = DDict::try_create(content)?;
        // 0 means none.
        #[allow(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let id = (fingerprint(content) as u32).max(1);
        Some(Self { id, share, content: content.into(), compressor, decompressor })
    }

    /// Trains one on texts; none where they are too few or too much alike.
    pub(in crate::inventory) fn train<'a>(samples: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let (mut buffer, mut sizes) = (Vec::new(), Vec::new());
        for sample in samples {
            if buffer.len() + sample.len() > MAX_SAMPLES {
                break;
            }
            buffer.extend_from_slice(sample);
            sizes.push(sample.len());
        }
        let mut content = Vec::with_capacity(SIZE);
        zstd_safe::train_from_buffer(&mut content, &buffer, &sizes).ok()?;
        let mut trained = Self::new(&content, 1.0)?;
        trained.share = trained.share_of(&buffer, &sizes)?;
        Some(trained)
    }

    #[allow(clippy::cast_precision_loss, reason = "a ratio")]
    fn share_of(&self, samples: &[u8], sizes: &[usize]) -> Option<f64> {
        let (mut at, mut stored) = (0, 0);
        for size in sizes {
            let packed = Packed::new(samples.get(at..at + size)?, 0, false, Some(self)).ok()?;
            stored += packed.as_bytes().len();
            at += size;
        }
        Some(stored as f64 / samples.len().max(1) as f64)
    }

    /// Bytes of an object that it fits for each byte of its JSON.
    pub(in crate::inventory) const fn share(&self) -> f64 {
        self.share
    }

    /// Its name: never 0, the same for the same content.
    pub(in crate::inventory) const fn id(&self) -> u32 {
        self.id
    }

    /// The content, to be written somewhere.
    pub(in crate::inventory) const fn content(&self) -> &[u8] {
        &self.content
    }

    pub(super) const fn compressor(&self) -> &CDict<'static> {
        &self.compressor
    }

    pub(super) const fn decompressor(&self) -> &DDict<'static> {
        &self.decompressor
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Dictionary").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The current dictionary of each kind, for all clusters.
#[derive(Debug, Default)]
pub(in crate::inventory) struct Library(Mutex<BTreeMap<GroupVersionKind, Arc<Dictionary>>>);

impl Library {
    /// The current dictionary of a kind.
    pub(in crate::inventory) fn get(&self, kind: &GroupVersionKind) -> Option<Arc<Dictionary>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    /// Makes a dictionary the current one, unless another took the place of `before` meanwhile. Gives the current one.
    pub(in crate::inventory) fn replace(
        &self,
        kind: &GroupVersionKind,
        before: Option<&Arc<Dictionary>>,
        dictionary: Arc<Dictionary>,
    ) -> Arc<Dictionary> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(kind) {
            Some(current) if before.is_none_or(|before| before.id() != current.id()) => current.clone(),
            _ => {
                all.insert(kind.clone(), dictionary.clone());
                dictionary
            }
        }
    }
}
