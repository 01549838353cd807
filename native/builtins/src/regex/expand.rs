//! Replacement templates: `$1`, `$name`, `${name}` and `$$`, as Go's `Regexp.Expand` reads them.

use regex::Captures;

use super::pattern::Pattern;
use crate::Error;
use crate::text::Text;

/// A piece of a template.
enum Piece<'t> {
    Text(&'t str),
    /// Numbers of groups, of which the first that matched counts; without one it is empty.
    Groups(Vec<usize>),
}

/// A template whose names are resolved.
pub(super) struct Template<'t>(Vec<Piece<'t>>);

impl<'t> Template<'t> {
    pub(super) fn new(text: &'t str, pattern: &Pattern) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            pieces.push(Piece::Text(before));
            if let Some(after) = after.strip_prefix('$') {
                pieces.push(Piece::Text("$"));
                rest = after;
            } else if let Some((name, after)) = name(after) {
                pieces.push(Piece::Groups(groups(name, pattern)));
                rest = after;
            } else {
                pieces.push(Piece::Text("$"));
                rest = after;
            }
        }
        pieces.push(Piece::Text(rest));
        Self(pieces)
    }

    /// Writes the template with a match's groups filled in.
    pub(super) fn expand(&self, captures: &Captures<'_>, out: &mut Text<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Groups(groups) => {
                let found = groups.iter().find_map(|group| captures.get(*group));
                out.push_str(found.map_or("", |found| found.as_str()))
            }
        })
    }
}

/// The name after a `$`, in braces or as long as it goes, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let text = braced.unwrap_or(text);
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    if braced.is_some() { rest.strip_prefix('}').map(|rest| (name, rest)) } else { Some((name, rest)) }
}

fn is_word(character: char) -> bool {
    // Go asks for letters and decimal digits; beyond ASCII neither can be part of a group's name.
    character == '_' || character.is_alphanumeric()
}

fn groups(name: &str, pattern: &Pattern) -> Vec<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number { name.parse().into_iter().collect() } else { pattern.groups(name) }
}
