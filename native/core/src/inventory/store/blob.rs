//! Bytes that are kept compressed.

use super::Packed;

/// Compressed bytes. Equal where they were made of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob(Packed);

impl Blob {
    /// Compresses bytes; none where there is no memory for it.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        Packed::new(bytes, 0, false, None).ok().map(Self)
    }

    /// The bytes; none where memory was damaged.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        self.0.json(None).ok()
    }
}
