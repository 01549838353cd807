//! Compiled regular expressions.

use regex::{Regex, RegexBuilder};

use super::translate::translate;

/// Most bytes of a compiled expression.
const SIZE_LIMIT: usize = 2 << 20;
/// Most groups inside one another.
const NEST_LIMIT: u32 = 250;

/// A regular expression with Go's syntax and meaning. To clone one costs a reference count and its groups' names.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(super) regex: Regex,
    names: Vec<Option<String>>,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// A message in Go's words, as far as both know the defect: `error parsing regexp: missing closing ]: …`.
    pub fn new(text: &str) -> Result<Self, String> {
        let translated = translate(text)?;
        let mut builder = RegexBuilder::new(&translated.text);
        let built = builder.size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).nest_limit(NEST_LIMIT).build();
        let regex = built.map_err(|error| reason(&error, text))?;
        Ok(Self { regex, names: translated.names })
    }

    /// Whether it matches somewhere in the text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The numbers of the groups of a name.
    pub(super) fn groups(&self, name: &str) -> Vec<usize> {
        let named = self.names.iter().enumerate().filter(|(_, other)| other.as_deref() == Some(name));
        named.map(|(index, _)| index + 1).collect()
    }
}

/// The crate's message in Go's manner: its last line, because the first ones draw the expression.
fn reason(error: &regex::Error, text: &str) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return format!("error parsing regexp: expression too large: `{text}`");
    }
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default().trim();
    format!("error parsing regexp: {}", last.strip_prefix("error: ").unwrap_or(last))
}
