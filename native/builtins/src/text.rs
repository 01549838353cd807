//! Texts of bounded size.

use std::fmt::{self, Write};

use fleetgate_value::Value;

use crate::{Context, Error};

/// A text under construction that never grows beyond what a result may take.
pub(crate) struct Text<'a> {
    context: &'a Context,
    out: String,
}

impl<'a> Text<'a> {
    pub(crate) const fn new(context: &'a Context) -> Self {
        Self { context, out: String::new() }
    }

    /// Room for `bytes`, as far as they are allowed.
    ///
    /// # Errors
    /// [`Error::Size`]
    pub(crate) fn with_capacity(context: &'a Context, bytes: usize) -> Result<Self, Error> {
        context.fits(bytes)?;
        Ok(Self { context, out: String::with_capacity(bytes) })
    }

    pub(crate) fn push_str(&mut self, text: &str) -> Result<(), Error> {
        self.context.fits(self.out.len().saturating_add(text.len()))?;
        self.out.push_str(text);
        Ok(())
    }

    pub(crate) fn push(&mut self, character: char) -> Result<(), Error> {
        self.push_str(character.encode_utf8(&mut [0; 4]))
    }

    /// The same character many times.
    pub(crate) fn fill(&mut self, character: char, count: usize) -> Result<(), Error> {
        self.context.fits(self.out.len().saturating_add(count.saturating_mul(character.len_utf8())))?;
        self.out.extend(std::iter::repeat_n(character, count));
        Ok(())
    }

    /// What displays itself.
    pub(crate) fn display(&mut self, shown: impl fmt::Display) -> Result<(), Error> {
        // The text is the only thing that can refuse to be written to.
        write!(self, "{shown}").map_err(|_| Error::Size)
    }

    /// A value as `print` and `sprintf` show it: a string as it is, anything else as a Rego term.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::String(text) => self.push_str(text),
            other => self.display(other),
        }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text).map_err(|_| fmt::Error)
    }
}

/// Bytes as a text; each byte that is not UTF-8 becomes U+FFFD, as Go reads it. OPA's strings can hold such bytes, ours not.
pub(crate) fn from_bytes(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut out = String::with_capacity(error.as_bytes().len());
        for chunk in error.as_bytes().utf8_chunks() {
            out.push_str(chunk.valid());
            out.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
        }
        out
    })
}
