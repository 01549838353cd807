//! From parser events to documents: the rules of structure.
//!
//! A document's events are collected first, then composed, so that an alias is its anchor's events once more, in
//! whatever order anchors nest. What aliases may add is limited by a budget: without one, nine lines of YAML unfold to
//! gigabytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag as ParserTag};
use serde_json::{Map, Value};

use super::marks::{Mark, Shape, Style};
use super::scalar::{self, Tag};
use super::{Document, MAX_DEPTH, Reading};
use crate::diagnostic::{Diagnostic, Location, code};

/// What the aliases of one document may add, in bytes: text as it is, every node as [`NODE_COST`].
const ALIAS_BUDGET: usize = 16 << 20;
const NODE_COST: usize = 128;

/// Reads all documents of a file. A defect of syntax ends the file, one of structure only its document.
pub(super) fn documents(path: &Arc<str>, text: &str) -> Reading {
    let source: Arc<str> = text.into();
    let mut reading = Reading::default();
    let mut collected = Collected::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                reading.diagnostics.push(defect(path, error.marker(), error.info()));
                return reading;
            }
        };
        let ended = event == Event::DocumentEnd;
        if let Err(error) = collected.push(event, span) {
            reading.diagnostics.push(error.at(path));
            return reading;
        }
        if ended {
            match std::mem::take(&mut collected).compose() {
                Ok(None) => {}
                Ok(Some((value, mark))) => {
                    reading.documents.push(Document { value, path: path.clone(), source: source.clone(), mark });
                }
                Err(error) => reading.diagnostics.push(error.at(path)),
            }
        }
    }
    reading
}

/// A line or column; files of four billion lines are told apart no more.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

struct Defect {
    marker: Marker,
    message: String,
}

impl Defect {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { marker: span.start, message: message.into() }
    }

    fn at(&self, path: &Arc<str>) -> Diagnostic {
        defect(path, &self.marker, &self.message)
    }
}

fn defect(path: &Arc<str>, marker: &Marker, message: &str) -> Diagnostic {
    let location = Location { path: path.clone(), line: small(marker.line()), column: small(marker.col() + 1) };
    Diagnostic::new(code::SYNTAX, format!("yaml: {message}")).at(location)
}

/// The events of one document.
#[derive(Default)]
struct Collected<'text> {
    events: Vec<(Event<'text>, Span)>,
    /// First event of each anchored node, by the parser's number of the anchor.
    anchors: HashMap<usize, usize>,
    depth: usize,
}

impl<'text> Collected<'text> {
    fn push(&mut self, event: Event<'text>, span: Span) -> Result<(), Defect> {
        let anchor = match &event {
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                self.depth += 1;
                *anchor
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.depth = self.depth.saturating_sub(1);
                0
            }
            Event::Scalar(_, _, anchor, _) => *anchor,
            Event::Alias(_) => 0,
            _ => return Ok(()),
        };
        if self.depth > MAX_DEPTH {
            return Err(Defect::new(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, self.events.len());
        }
        self.events.push((event, span));
        Ok(())
    }

    /// The document's value; `None` where it is empty or null.
    fn compose(self) -> Result<Option<(Value, Mark)>, Defect> {
        if self.events.is_empty() {
            return Ok(None);
        }
        let mut composer = Composer { document: &self, next: 0, open: Vec::new(), depth: 0, aliased: 0 };
        let node = composer.node()?;
        Ok(Some((node.value, node.mark)).filter(|(value, _)| !value.is_null()))
    }
}

struct Composer<'doc, 'text> {
    document: &'doc Collected<'text>,
    next: usize,
    /// Anchors whose aliases are being unfolded.
    open: Vec<usize>,
    depth: usize,
    aliased: usize,
}

struct Node {
    value: Value,
    mark: Mark,
    aliased: bool,
}

impl<'doc, 'text> Composer<'doc, 'text> {
    fn event(&mut self) -> Result<&'doc (Event<'text>, Span), Defect> {
        let event = self.document.events.get(self.next);
        self.next += 1;
        // The parser closes what it opens, so a document never ends inside a node.
        event.ok_or_else(|| Defect::new(Span::default(), "unexpected end of document"))
    }

    fn peek(&self) -> Option<&'doc Event<'text>> {
        self.document.events.get(self.next).map(|(event, _)| event)
    }

    fn charge(&mut self, span: Span, text: usize) -> Result<(), Defect> {
        if !self.open.is_empty() {
            self.aliased += NODE_COST + text;
            if self.aliased > ALIAS_BUDGET {
                return Err(Defect::new(span, "document contains excessive aliasing"));
            }
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Node, Defect> {
        let (event, span) = self.event()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Defect::new(*span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let node = match event {
            Event::Alias(anchor) => self.alias(*anchor, *span),
            Event::SequenceStart(..) => self.sequence(*span),
            Event::MappingStart(..) => self.mapping(*span),
            Event::Scalar(text, style, anchor, tag) => {
                self.charge(*span, text.len())?;
                let value = scalar::resolve(tag_of(tag.as_deref(), *style), text);
                let shape = Shape::Scalar { style: style_of(*style), decorated: *anchor != 0 || tag.is_some() };
                value.map(|value| leaf(value, *span, shape)).map_err(|message| Defect::new(*span, message))
            }
            other => Err(Defect::new(*span, format!("unexpected {other:?}"))),
        };
        self.depth -= 1;
        node
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Defect> {
        let start = self.document.anchors.get(&anchor).copied();
        let start = start.filter(|start| *start < self.next).ok_or_else(|| Defect::new(span, "unknown anchor"))?;
        let inside = self.open.contains(&anchor) || self.encloses(start);
        if inside {
            return Err(Defect::new(span, "anchor value contains itself"));
        }
        let back = std::mem::replace(&mut self.next, start);
        self.open.push(anchor);
        let node = self.node();
        self.open.pop();
        self.next = back;
        Ok(Node { aliased: true, ..node? })
    }

    /// Whether the node that begins at `start` is still open before the event at `next - 1`.
    fn encloses(&self, start: usize) -> bool {
        let between = self.document.events.get(start..self.next.saturating_sub(1)).unwrap_or_default();
        let mut depth = 0_usize;
        for (event, _) in between {
            match event {
                Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
                Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        depth > 0
    }

    fn sequence(&mut self, span: Span) -> Result<Node, Defect> {
        self.charge(span, 0)?;
        let (mut values, mut marks) = (Vec::new(), Vec::new());
        while self.peek() != Some(&Event::SequenceEnd) {
            let node = self.node()?;
            values.push(node.value);
            marks.push(node.mark);
        }
        self.next += 1;
        Ok(leaf(Value::Array(values), span, Shape::Sequence(marks)))
    }

    fn mapping(&mut self, span: Span) -> Result<Node, Defect> {
        self.charge(span, 0)?;
        let (mut values, mut marks) = (Map::new(), BTreeMap::new());
        while self.peek() != Some(&Event::MappingEnd) {
            match self.key()? {
                None => {
                    let at = self.document.events.get(self.next).map_or(span, |(_, span)| *span);
                    let first = self.next;
                    let node = self.node()?;
                    self.merge(node, first, at, &mut values, &mut marks)?;
                }
                Some(key) => {
                    let node = self.node()?;
                    // Of two equal keys the last one counts, as in Kubernetes.
                    marks.insert(key.clone(), node.mark);
                    values.insert(key, node.value);
                }
            }
        }
        self.next += 1;
        Ok(leaf(Value::Object(values), span, Shape::Mapping(marks)))
    }

    /// The next key; `None` for the merge key `<<`.
    fn key(&mut self) -> Result<Option<String>, Defect> {
        let (event, span) = match self.event()? {
            (Event::Alias(anchor), span) => {
                let start = self.document.anchors.get(anchor).and_then(|start| self.document.events.get(*start));
                start.ok_or_else(|| Defect::new(*span, "unknown anchor"))?
            }
            event => event,
        };
        let Event::Scalar(text, style, _, tag) = event else {
            return Err(Defect::new(*span, "invalid map key: only scalars can be keys"));
        };
        self.charge(*span, text.len())?;
        let merge_tag = tag.as_deref().is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "merge");
        if text == "<<" && (merge_tag || tag.is_none() && *style == ScalarStyle::Plain) {
            return Ok(None);
        }
        scalar::key(tag_of(tag.as_deref(), *style), text).map(Some).map_err(|message| Defect::new(*span, message))
    }

    /// Merges a mapping, or a sequence of mappings of which the first wins, over what is there.
    fn merge(
        &self,
        node: Node,
        first: usize,
        span: Span,
        values: &mut Map<String, Value>,
        marks: &mut BTreeMap<String, Mark>,
    ) -> Result<(), Defect> {
        let refuse = || Defect::new(span, "map merge requires map or sequence of maps as the value");
        let sources: Vec<(Value, Mark)> = match (node.value, node.mark.shape) {
            (Value::Array(all), Shape::Sequence(places)) if !node.aliased => {
                all.into_iter().zip(places).rev().collect()
            }
            (value, shape) => vec![(value, Mark { shape, ..self.mark_at(first) })],
        };
        for source in sources {
            let (Value::Object(entries), Mark { shape: Shape::Mapping(mut places), .. }) = source else {
                return Err(refuse());
            };
            values.extend(entries);
            marks.append(&mut places);
        }
        Ok(())
    }

    fn mark_at(&self, index: usize) -> Mark {
        let span = self.document.events.get(index).map_or(Span::default(), |(_, span)| *span);
        mark(span, Shape::Scalar { style: Style::Plain, decorated: false })
    }
}

fn leaf(value: Value, span: Span, shape: Shape) -> Node {
    Node { value, mark: mark(span, shape), aliased: false }
}

fn mark(span: Span, shape: Shape) -> Mark {
    let start = span.start;
    Mark { line: small(start.line()), column: small(start.col() + 1), index: start.index(), shape }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn tag_of(tag: Option<&ParserTag>, style: ScalarStyle) -> Tag {
    match tag {
        None if style == ScalarStyle::Plain => Tag::Plain,
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "bool" => Tag::Bool,
            "int" => Tag::Int,
            "float" => Tag::Float,
            "null" => Tag::Null,
            "binary" => Tag::Binary,
            _ => Tag::Text,
        },
        _ => Tag::Text,
    }
}
