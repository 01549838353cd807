//! One object as it is kept: a header of 24 bytes and the compressed JSON, in one allocation.

use std::cell::RefCell;
use std::sync::Arc;

use zstd_safe::{CCtx, DCtx};

use super::Dictionary;

/// Bytes of the header: resourceVersion (8), hash of the JSON (8), length of the JSON with the flag (4), dictionary (4).
const HEADER: usize = 24;

/// Set in the length where the object has a deletionTimestamp.
const TERMINATING: u32 = 1 << 31;

/// Where no dictionary is used. Level 1 and 3 differ little for texts this short; with a dictionary the level is the
/// dictionary's.
const LEVEL: i32 = 3;

thread_local! {
    static COMPRESSOR: RefCell<Option<CCtx<'static>>> = RefCell::new(CCtx::try_create());
    static DECOMPRESSOR: RefCell<Option<DCtx<'static>>> = RefCell::new(DCtx::try_create());
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A kept object cannot be read back: memory or a file was damaged, or its dictionary is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cached object cannot be read back")]
pub(in crate::inventory) struct Damaged;

/// A compressed object.
#[derive(Debug, Clone, Eq)]
pub(in crate::inventory) struct Packed(Arc<[u8]>);

/// Equal where they were packed from the same text the same way; the same allocation in most cases.
impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Packed {
    /// Compresses a JSON text.
    ///
    /// # Errors
    /// Where there is no memory for it, or the text has 2 GiB.
    pub(in crate::inventory) fn new(
        json: &[u8],
        revision: u64,
        is_terminating: bool,
        dictionary: Option<&Dictionary>,
    ) -> Result<Self, Damaged> {
        let length = u32::try_from(json.len()).ok().filter(|length| length & TERMINATING == 0).ok_or(Damaged)?;
        let flagged = if is_terminating { length | TERMINATING } else { length };
        let mut bytes = Vec::with_capacity(HEADER + zstd_safe::compress_bound(json.len()));
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.reserve(zstd_safe::compress_bound(json.len()));
            COMPRESSOR.with_borrow_mut(|context| {
                let context = context.as_mut().ok_or(Damaged)?;
                match dictionary {
                    Some(dictionary) => context.compress_using_cdict(scratch, json, dictionary.compressor()),
                    None => context.compress(scratch, json, LEVEL),
                }
                .map_err(|_| Damaged)
            })?;
            bytes.extend_from_slice(&revision.to_le_bytes());
            bytes.extend_from_slice(&fingerprint(json).to_le_bytes());
            bytes.extend_from_slice(&flagged.to_le_bytes());
            bytes.extend_from_slice(&dictionary.map_or(0, Dictionary::id).to_le_bytes());
            bytes.extend_from_slice(scratch);
            Ok(())
        })?;
        Ok(Self(bytes.into()))
    }

    /// What was written before; none where it is too short to be an object.
    pub(in crate::inventory) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= HEADER).then(|| Self(bytes.into()))
    }

    /// All of it, to be written somewhere.
    pub(in crate::inventory) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its resourceVersion; 0 where that is no number.
    pub(in crate::inventory) fn revision(&self) -> u64 {
        u64::from_le_bytes(self.field(0))
    }

    /// A hash of the JSON.
    pub(in crate::inventory) fn fingerprint(&self) -> u64 {
        u64::from_le_bytes(self.field(8))
    }

    /// Bytes of the JSON.
    pub(in crate::inventory) fn json_length(&self) -> usize {
        (u32::from_le_bytes(self.field(16)) & !TERMINATING) as usize
    }

    /// Whether somebody asked for its deletion.
    pub(in crate::inventory) fn is_terminating(&self) -> bool {
        u32::from_le_bytes(self.field(16)) & TERMINATING != 0
    }

    /// The dictionary that reads it; 0 for none.
    pub(in crate::inventory) fn dictionary(&self) -> u32 {
        u32::from_le_bytes(self.field(20))
    }

    /// The JSON. `dictionary` is the one that [`Packed::dictionary`] names.
    pub(in crate::inventory) fn json(&self, dictionary: Option<&Dictionary>) -> Result<Vec<u8>, Damaged> {
        let mut json = Vec::with_capacity(self.json_length());
        let compressed = self.0.get(HEADER..).ok_or(Damaged)?;
        DECOMPRESSOR.with_borrow_mut(|context| {
            let context = context.as_mut().ok_or(Damaged)?;
            match (self.dictionary(), dictionary) {
                (0, _) => context.decompress(&mut json, compressed),
                (id, Some(dictionary)) if dictionary.id() == id => {
                    context.decompress_using_ddict(&mut json, compressed, dictionary.decompressor())
                }
                _ => return Err(Damaged),
            }
            .map_err(|_| Damaged)
        })?;
        if json.len() == self.json_length() && fingerprint(&json) == self.fingerprint() {
            Ok(json)
        } else {
            Err(Damaged)
        }
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }
}

/// FNV-1a: it is written to disk, so it has to be the same in every version.
pub(in crate::inventory) fn fingerprint(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
