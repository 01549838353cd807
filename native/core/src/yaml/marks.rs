//! Where the nodes of a document stand: a tree of the same shape as its value.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::events::small;
use super::source::{SourceMap, Stretch};
use crate::diagnostic::Location;

/// The place of one node.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
    /// Index of its first byte in the source.
    pub(super) index: usize,
    pub(super) shape: Shape,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Scalar {
        style: Style,
        /// Whether a tag or an anchor stands before it: the place is then theirs.
        decorated: bool,
    },
    Sequence(Vec<Mark>),
    /// By key. The mark is that of the value; keys stand before it on the same line or above.
    Mapping(BTreeMap<String, Mark>),
}

/// How a scalar is written, as far as it matters for places inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

impl Mark {
    /// The mark of a value that stands in no file.
    pub(super) fn unknown() -> Self {
        Self { line: 0, column: 0, index: 0, shape: Shape::Scalar { style: Style::Plain, decorated: false } }
    }

    pub(super) fn location(&self, path: &Arc<str>) -> Location {
        Location { path: path.clone(), line: self.line, column: self.column }
    }

    pub(super) fn child_of(&self, key: &str) -> Option<&Mark> {
        match &self.shape {
            Shape::Mapping(entries) => entries.get(key),
            _ => None,
        }
    }

    pub(super) fn elements(&self) -> &[Mark] {
        match &self.shape {
            Shape::Sequence(elements) => elements,
            _ => &[],
        }
    }

    /// The mark of a field path, and whether it was found; else that of its deepest ancestor.
    pub(super) fn descend(&self, field: &str) -> (&Mark, bool) {
        let (mut mark, mut rest) = (self, field);
        while !rest.is_empty() {
            match mark.step(rest) {
                Some((next, remaining)) => (mark, rest) = (next, remaining),
                None => return (mark, false),
            }
        }
        (mark, true)
    }

    fn step<'mark, 'field>(&'mark self, field: &'field str) -> Option<(&'mark Mark, &'field str)> {
        match &self.shape {
            Shape::Scalar { .. } => None,
            Shape::Sequence(elements) => {
                let (index, rest) = split_index(field)?;
                Some((elements.get(index)?, rest))
            }
            Shape::Mapping(entries) => {
                let (key, rest) = split_key(field, |key| entries.contains_key(key))?;
                Some((entries.get(key)?, rest))
            }
        }
    }

    /// The way from places in a scalar's text to places in `source`.
    pub(super) fn source_map(&self, source: &str, text: &str) -> SourceMap {
        let raw = || source.get(self.index..).unwrap_or_default();
        let single = !text.contains('\n');
        let stretches = match self.shape {
            Shape::Scalar { style: Style::Literal, .. } => literal_lines(raw(), text, self.line),
            Shape::Scalar { style: Style::DoubleQuoted, decorated: false } => {
                quoted_lines(raw(), self.line, self.column)
            }
            Shape::Scalar { style: Style::Plain, decorated: false } if single => one_line(self.line, self.column),
            Shape::Scalar { style: Style::SingleQuoted, decorated: false } if single => {
                one_line(self.line, self.column + 1)
            }
            _ => None,
        };
        let whole = SourceMap::Whole { line: self.line, column: self.column };
        stretches.map_or(whole, |stretches| SourceMap::Stretches(stretches.into()))
    }
}

/// The value of a field path that the marks of the same document know.
pub(super) fn value_at<'value>(value: &'value Value, field: &str) -> Option<&'value Value> {
    let (mut value, mut rest) = (value, field);
    while !rest.is_empty() {
        (value, rest) = match value {
            Value::Array(elements) => {
                let (index, rest) = split_index(rest)?;
                (elements.get(index)?, rest)
            }
            Value::Object(entries) => {
                let (key, rest) = split_key(rest, |key| entries.contains_key(key))?;
                (entries.get(key)?, rest)
            }
            _ => return None,
        };
    }
    Some(value)
}

/// Splits `[3].rest` or `[3]rest`.
fn split_index(field: &str) -> Option<(usize, &str)> {
    let (digits, rest) = field.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// Splits `key.rest` or `key[0]`. Keys may hold dots and brackets themselves, so the longest key that exists wins.
fn split_key(field: &str, exists: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let ends = field.match_indices(['.', '[']).map(|(at, _)| at).chain([field.len()]);
    let at = ends.filter(|at| field.get(..*at).is_some_and(&exists)).last()?;
    let (key, rest) = field.split_at_checked(at)?;
    Some((key, rest.strip_prefix('.').unwrap_or(rest)))
}

fn one_line(line: u32, column: u32) -> Option<Vec<Stretch>> {
    Some(vec![Stretch { text: (1, 1), file: (line, column) }])
}

/// Lines of a block literal: below its header, source and text run side by side. `raw` begins with the header, or with
/// the tag or anchor before it, on the given line.
fn literal_lines(raw: &str, text: &str, line: u32) -> Option<Vec<Stretch>> {
    let (before, header) = raw.split_at_checked(raw.find('|')?)?;
    let first = line + small(before.matches('\n').count()) + 1;
    let body = header.split_once('\n')?.1;
    let filled = text.split('\n').position(|line| !line.is_empty())?;
    let (raw, filled) = (body.lines().nth(filled)?, text.split('\n').nth(filled)?);
    let column = small(raw.chars().count().saturating_sub(filled.chars().count())) + 1;
    let places = (1..).zip(first..).take(text.split('\n').count());
    Some(places.map(|(text, line)| Stretch { text: (text, 1), file: (line, column) }).collect())
}

/// Stretches of a double-quoted scalar, as all of JSON's texts are: each escape and each line of the file ends one.
fn quoted_lines(raw: &str, line: u32, column: u32) -> Option<Vec<Stretch>> {
    let mut symbols = raw.chars().peekable();
    symbols.next_if_eq(&'"')?;
    let (mut text, mut file) = ((1, 1), (line, column + 1));
    let mut stretches = vec![Stretch { text, file }];
    while let Some(symbol) = symbols.next() {
        match symbol {
            '"' => return Some(stretches),
            // Without an escape the line is folded, and its columns with it.
            '\n' | '\r' => return None,
            '\\' => {
                let escape = symbols.next()?;
                let digits: u32 = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                symbols.by_ref().take(digits as usize).for_each(drop);
                file.1 += 2 + digits;
                match escape {
                    'n' => text = (text.0 + 1, 1),
                    '\n' | '\r' => {
                        if escape == '\r' {
                            symbols.next_if_eq(&'\n');
                        }
                        file = (file.0 + 1, 1);
                        while symbols.next_if(|symbol| matches!(symbol, ' ' | '\t')).is_some() {
                            file.1 += 1;
                        }
                    }
                    _ => text.1 += 1,
                }
                stretches.push(Stretch { text, file });
            }
            _ => (text.1, file.1) = (text.1 + 1, file.1 + 1),
        }
    }
    None
}
