//! Where the nodes of a document stand: a tree of the same shape as its value.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::events::small;
use super::source::{LineStart, SourceMap};
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
        let starts = match self.shape {
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
        starts.map_or(whole, |starts| SourceMap::Lines(starts.into()))
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
fn split_key<'field>(field: &'field str, exists: impl Fn(&str) -> bool) -> Option<(&'field str, &'field str)> {
    let ends = field.match_indices(['.', '[']).map(|(at, _)| at).chain([field.len()]);
    let at = ends.filter(|at| field.get(..*at).is_some_and(&exists)).last()?;
    let (key, rest) = field.split_at_checked(at)?;
    Some((key, rest.strip_prefix('.').unwrap_or(rest)))
}

fn one_line(line: u32, column: u32) -> Option<Vec<LineStart>> {
    Some(vec![LineStart { line, column, ahead: Vec::new() }])
}

/// Lines of a block literal: below its header, source and text run side by side. `raw` begins with the header, or with
/// the tag or anchor before it, on the given line.
fn literal_lines(raw: &str, text: &str, line: u32) -> Option<Vec<LineStart>> {
    let (before, header) = raw.split_at_checked(raw.find('|')?)?;
    let first = line + small(before.matches('\n').count()) + 1;
    let body = header.split_once('\n')?.1;
    let filled = text.split('\n').position(|line| !line.is_empty())?;
    let (raw, filled) = (body.lines().nth(filled)?, text.split('\n').nth(filled)?);
    let column = small(raw.chars().count().saturating_sub(filled.chars().count())) + 1;
    Some((first..).take(text.split('\n').count()).map(|line| LineStart { line, column, ahead: Vec::new() }).collect())
}

/// Lines of a double-quoted scalar that stands on one line of the source, as all of JSON's do.
fn quoted_lines(raw: &str, line: u32, column: u32) -> Option<Vec<LineStart>> {
    let mut symbols = raw.chars();
    if symbols.next() != Some('"') {
        return None;
    }
    let (mut starts, mut at, mut text_column) = (Vec::new(), column + 1, 1);
    let mut start = LineStart { line, column: at, ahead: Vec::new() };
    while let Some(symbol) = symbols.next() {
        match symbol {
            '"' => {
                starts.push(start);
                return Some(starts);
            }
            '\n' => return None,
            '\\' => {
                let escape = symbols.next()?;
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                at += 2 + digits;
                symbols.by_ref().take(digits as usize).for_each(drop);
                if escape == 'n' {
                    let next = LineStart { line, column: at, ahead: Vec::new() };
                    starts.push(std::mem::replace(&mut start, next));
                    text_column = 1;
                } else {
                    text_column += 1;
                    start.ahead.push((text_column, at.saturating_sub(start.column + text_column - 1)));
                }
            }
            _ => {
                at += 1;
                text_column += 1;
            }
        }
    }
    None
}
