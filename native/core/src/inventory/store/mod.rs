//! How objects are kept: compressed, immutable and shared between snapshots.

mod dictionary;
mod objects;
mod packed;
mod read;
mod strip;

pub(super) use dictionary::{Dictionary, Library};
pub(super) use objects::{Key, Objects};
pub(super) use packed::{Damaged, Packed, fingerprint};
pub(super) use read::{Read, is_terminating, read, revision_of};
