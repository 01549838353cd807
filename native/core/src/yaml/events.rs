//! The parser's events, reduced to what a document means and where it stands.
//!
//! Aliases are resolved to the event that they repeat.

use std::collections::HashMap;

use fleetgate_yaml::{EventData, Events, Failure, Mark, ScalarStyle};

use super::MAX_DEPTH;
use super::marks::Style;
use super::scalar::Tag;

/// A place in the source. Line and column count from 1, in characters; the index counts bytes from 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) index: usize,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Scalar {
        text: String,
        style: Style,
        tag: Tag,
        /// Whether it merges as a key, if its text is `<<`.
        merges: bool,
        /// Whether a tag or an anchor stands before it: the place is then theirs.
        decorated: bool,
    },
    /// The position of the first event of the node that it repeats.
    Alias(usize),
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
}

/// A defect of syntax.
#[derive(Debug)]
pub(super) struct Defect {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Defect {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

/// The documents of a file, as events.
pub(super) struct Documents<'text> {
    events: Events<'text>,
    place: Place,
    failed: bool,
}

impl<'text> Documents<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self { events: Events::new(text), place: Place { line: 1, column: 1, index: 0 }, failed: false }
    }

    fn next_document(&mut self) -> Result<Option<Vec<(Event, Place)>>, Defect> {
        let mut document = Collected::default();
        while let Some(event) = self.events.next() {
            let event = event.map_err(|failure| self.defect(&failure))?;
            self.place = place(event.start_mark);
            match event.data {
                EventData::DocumentEnd { .. } => return Ok(Some(document.events)),
                data => document.push(data, self.place)?,
            }
        }
        Ok(None)
    }

    fn defect(&self, failure: &Failure) -> Defect {
        match failure {
            Failure::Syntax(error) => Defect::new(error.problem_mark().map_or(self.place, place), error.problem()),
            Failure::Parser => Defect::new(self.place, "the parser failed behind this place"),
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Vec<(Event, Place)>, Defect>;

    /// The next document; nothing after a defect, since the parser has lost its place.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let document = self.next_document().transpose();
        self.failed = matches!(document, Some(Err(_)));
        document
    }
}

#[derive(Default)]
struct Collected {
    events: Vec<(Event, Place)>,
    /// First event of the latest node of each anchor.
    anchors: HashMap<String, usize>,
    depth: usize,
}

impl Collected {
    fn push(&mut self, data: EventData, place: Place) -> Result<(), Defect> {
        let (event, anchor) = match data {
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let style = style_of(style);
                let merges = match tag.as_deref() {
                    None => style == Style::Plain,
                    Some(tag) => tag == "tag:yaml.org,2002:merge",
                };
                let decorated = tag.is_some() || anchor.is_some();
                (Event::Scalar { text: value, style, tag: tag_of(tag.as_deref(), style), merges, decorated }, anchor)
            }
            EventData::Alias { anchor } => match self.anchors.get(&anchor) {
                Some(target) => (Event::Alias(*target), None),
                None => return Err(Defect::new(place, format!("unknown anchor '{anchor}' referenced"))),
            },
            EventData::SequenceStart { anchor, .. } => (Event::SequenceStart, anchor),
            EventData::MappingStart { anchor, .. } => (Event::MappingStart, anchor),
            EventData::SequenceEnd => (Event::SequenceEnd, None),
            EventData::MappingEnd => (Event::MappingEnd, None),
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => return Ok(()),
            EventData::StreamEnd | EventData::DocumentEnd { .. } => return Ok(()),
        };
        match event {
            Event::SequenceStart | Event::MappingStart => self.depth += 1,
            Event::SequenceEnd | Event::MappingEnd => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth > MAX_DEPTH {
            return Err(Defect::new(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, self.events.len());
        }
        self.events.push((event, place));
        Ok(())
    }
}

/// A line or column; files of four billion lines are told apart no more.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn place(mark: Mark) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Place {
        line: small(number(mark.line).saturating_add(1)),
        column: small(number(mark.column).saturating_add(1)),
        index: number(mark.index),
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        _ => Style::Plain,
    }
}

fn tag_of(tag: Option<&str>, style: Style) -> Tag {
    match tag.map(|tag| tag.strip_prefix("tag:yaml.org,2002:").unwrap_or_default()) {
        None if style == Style::Plain => Tag::Plain,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("null") => Tag::Null,
        Some("binary") => Tag::Binary,
        _ => Tag::Text,
    }
}
