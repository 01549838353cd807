//! JSON text to Rego values in one pass.
//!
//! What a policy sees has to be what the API server stored, so this reader follows Go's `encoding/json` where JSON leaves
//! room: of duplicate keys the last wins, a lone surrogate escape is U+FFFD. It departs from it where a decision point
//! wants it: bytes that are not UTF-8 are an error, and numbers stay what they are written as where [`Numbers`] says so.
//!
//! Nesting is counted and limited ([`MAX_DEPTH`]), because the values are walked recursively later; [`skim`] reads past
//! that limit without recursion, so that an oversized document can still say of which kind it is.

mod reader;
mod skim;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use crate::Value;

pub use reader::KeyCache;
pub use skim::{Skimmed, skim};
pub use write::to_vec;

/// Arrays and objects may be nested this deep.
pub const MAX_DEPTH: usize = 512;

/// What the numbers of a text become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Doubles, as Gatekeeper 3.23 reads reviews and synced objects: integers beyond 2⁵³ are rounded, and from a million on
    /// print with an exponent.
    #[default]
    Doubles,
    /// Exactly what is written, within the range of a double.
    Exact,
    /// Exactly what is written, within the range that OPA calculates in: a binary exponent of 100,000.
    Wide,
}

/// Why a text is no JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Byte of the text at which it shows, counted from 0.
    pub offset: usize,
}

/// Classes of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes are not UTF-8.
    Utf8,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// A number beyond the range of a double.
    NumberRange,
    /// The text ends within a value.
    UnexpectedEnd,
    /// Any other defect: what was expected.
    Expected(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, offset } = self;
        match kind {
            ErrorKind::Utf8 => write!(f, "invalid UTF-8 at byte {offset}"),
            ErrorKind::TooDeep => write!(f, "nested deeper than {MAX_DEPTH} at byte {offset}"),
            ErrorKind::NumberRange => write!(f, "number out of range at byte {offset}"),
            ErrorKind::UnexpectedEnd => write!(f, "unexpected end of JSON at byte {offset}"),
            ErrorKind::Expected(what) => write!(f, "expected {what} at byte {offset}"),
        }
    }
}

impl std::error::Error for Error {}

/// Reads one JSON value that fills the whole text. Keys of objects come from the cache where it holds them.
///
/// # Errors
/// The first defect of the text and its place.
pub fn parse(text: &[u8], keys: &mut KeyCache, numbers: Numbers) -> Result<Value, Error> {
    let text =
        std::str::from_utf8(text).map_err(|error| Error { kind: ErrorKind::Utf8, offset: error.valid_up_to() })?;
    reader::Reader::new(text, keys, numbers).document()
}
