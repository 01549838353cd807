//! Finds the fields of a JSON object without building it: no recursion, no allocation per value, no depth limit.

use std::ops::Range;

/// The fields of a JSON object as ranges of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skimmed {
    fields: Vec<(Range<usize>, Range<usize>)>,
    has_escaped_key: bool,
    is_whole: bool,
}

impl Skimmed {
    /// Whether a key is written with escapes, so that two spellings could name one field.
    pub fn is_ambiguous(&self) -> bool {
        self.has_escaped_key
    }

    /// Whether the object was read up to its closing bracket.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Where the fields' names (without their quotes) and values stand, in the order of the text.
    pub fn ranges(&self) -> impl Iterator<Item = &(Range<usize>, Range<usize>)> {
        self.fields.iter()
    }

    /// The text of a field's value; of duplicate keys the last.
    pub fn get<'a>(&self, text: &'a [u8], key: &str) -> Option<&'a [u8]> {
        let is_key = |range: &Range<usize>| text.get(range.clone()) == Some(key.as_bytes());
        let (_, value) = self.fields.iter().rev().find(|(name, _)| is_key(name))?;
        text.get(value.clone())
    }

    /// The text of a field that holds a string without escapes.
    pub fn string<'a>(&self, text: &'a [u8], key: &str) -> Option<&'a str> {
        let value = self.get(text, key)?.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        std::str::from_utf8(value).ok().filter(|value| !value.contains(['\\', '"']))
    }
}

/// Reads an object's fields as far as its brackets and quotes balance; what it holds is not checked. A text that is no
/// object, or breaks off, gives the fields before the break.
pub fn skim(text: &[u8]) -> Skimmed {
    let mut found = Skimmed::default();
    let mut at = after_space(text, 0);
    if text.get(at) != Some(&b'{') {
        return found;
    }
    at += 1;
    loop {
        at = after_space(text, at);
        let Some(key_end) = string_end(text, at) else { return found };
        let key = at + 1..key_end - 1;
        at = after_space(text, key_end);
        if text.get(at) != Some(&b':') {
            return found;
        }
        let start = after_space(text, at + 1);
        let Some(end) = value_end(text, start) else { return found };
        found.has_escaped_key |= text.get(key.clone()).is_some_and(|key| key.contains(&b'\\'));
        found.fields.push((key, start..end));
        at = after_space(text, end);
        if text.get(at) != Some(&b',') {
            found.is_whole = text.get(at) == Some(&b'}');
            return found;
        }
        at += 1;
    }
}

fn after_space(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// One past the closing quote of the string that starts here.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    if text.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn value_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut open = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at = string_end(text, at)?,
            b'{' | b'[' => {
                open += 1;
                at += 1;
            }
            b'}' | b']' => {
                let Some(rest) = open.checked_sub(1) else { return (at > start).then_some(at) };
                open = rest;
                at += 1;
            }
            b',' if open == 0 => return (at > start).then_some(at),
            _ => at += 1,
        }
        if open == 0 && matches!(text.get(at - 1), Some(b'"' | b'}' | b']')) {
            return Some(at);
        }
    }
}
