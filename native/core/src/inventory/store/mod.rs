//! How objects are kept: compressed, immutable and shared between snapshots.

mod blob;
mod dictionary;
mod objects;
mod packed;
mod read;
mod strip;

pub(crate) use blob::Blob;
pub(super) use dictionary::{Dictionary, Library};
pub(crate) use objects::Key;
pub(super) use objects::Objects;
pub(super) use packed::{Damaged, Packed, fingerprint};
pub(super) use read::{Read, is_terminating, read, revision_of};
