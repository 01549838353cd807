//! From events to documents: the rules of structure.
//!
//! A document's events are all there before it is composed, so that an alias is its node's events once more, in
//! whatever order anchors nest. What aliases may add is limited by a budget: without one, nine lines of YAML unfold to
//! gigabytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::events::{Defect, Documents, Event, Place};
use super::marks::{Mark, Shape};
use super::scalar;
use super::{Document, MAX_DEPTH, Reading};
use crate::diagnostic::{Diagnostic, Location, code};

/// What the aliases of one document may add, in bytes: text as it is, every node as [`NODE_COST`].
const ALIAS_BUDGET: usize = 16 << 20;
const NODE_COST: usize = 128;

/// Reads all documents of a file. A defect of syntax ends the file, one of structure only its document.
pub(super) fn documents(path: &Arc<str>, text: &str) -> Reading {
    let source: Arc<str> = text.into();
    let mut reading = Reading::default();
    for events in Documents::new(text) {
        match events.and_then(|events| compose(&events)) {
            Ok(None) => {}
            Ok(Some((value, mark))) => {
                reading.documents.push(Document { value, path: path.clone(), source: source.clone(), mark });
            }
            Err(Defect { place, message }) => {
                let location = Location { path: path.clone(), line: place.line, column: place.column };
                reading.diagnostics.push(Diagnostic::new(code::SYNTAX, format!("yaml: {message}")).at(location));
            }
        }
    }
    reading
}

/// The document's value; `None` where it is empty or null.
fn compose(events: &[(Event, Place)]) -> Result<Option<(Value, Mark)>, Defect> {
    if events.is_empty() {
        return Ok(None);
    }
    let mut composer = Composer { events, next: 0, open: Vec::new(), depth: 0, aliased: 0 };
    let node = composer.node()?;
    Ok(Some((node.value, node.mark)).filter(|(value, _)| !value.is_null()))
}

struct Composer<'doc> {
    events: &'doc [(Event, Place)],
    next: usize,
    /// Nodes whose aliases are being unfolded, by their first events.
    open: Vec<usize>,
    depth: usize,
    aliased: usize,
}

struct Node {
    value: Value,
    mark: Mark,
    aliased: bool,
}

impl<'doc> Composer<'doc> {
    fn event(&mut self) -> Result<(&'doc Event, Place), Defect> {
        let event = self.events.get(self.next);
        self.next += 1;
        // The parser closes what it opens, so a document never ends inside a node.
        event.map(|(event, place)| (event, *place)).ok_or_else(|| Defect::new(Place::default(), "unexpected end"))
    }

    fn at(&self, expected: &Event) -> bool {
        self.events.get(self.next).is_none_or(|(event, _)| event == expected)
    }

    fn charge(&mut self, place: Place, text: usize) -> Result<(), Defect> {
        if !self.open.is_empty() {
            self.aliased += NODE_COST + text;
            if self.aliased > ALIAS_BUDGET {
                return Err(Defect::new(place, "document contains excessive aliasing"));
            }
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Node, Defect> {
        let (event, place) = self.event()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Defect::new(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let node = match event {
            Event::Alias(target) => self.alias(*target, place),
            Event::SequenceStart => self.sequence(place),
            Event::MappingStart => self.mapping(place),
            Event::Scalar { text, style, tag, decorated, .. } => {
                self.charge(place, text.len())?;
                let shape = Shape::Scalar { style: *style, decorated: *decorated };
                let value = scalar::resolve(*tag, text).map_err(|message| Defect::new(place, message));
                value.map(|value| node(value, place, shape))
            }
            Event::SequenceEnd | Event::MappingEnd => Err(Defect::new(place, "did not find expected node content")),
        };
        self.depth -= 1;
        node
    }

    fn alias(&mut self, target: usize, place: Place) -> Result<Node, Defect> {
        if self.open.contains(&target) || self.encloses(target) {
            return Err(Defect::new(place, "anchor value contains itself"));
        }
        let back = std::mem::replace(&mut self.next, target);
        self.open.push(target);
        let node = self.node();
        self.open.pop();
        self.next = back;
        Ok(Node { aliased: true, ..node? })
    }

    /// Whether the node that begins at `start` is still open before the event at `next - 1`.
    fn encloses(&self, start: usize) -> bool {
        let between = self.events.get(start..self.next.saturating_sub(1)).unwrap_or_default();
        let mut depth = 0_usize;
        for (event, _) in between {
            match event {
                Event::SequenceStart | Event::MappingStart => depth += 1,
                Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        depth > 0
    }

    fn sequence(&mut self, place: Place) -> Result<Node, Defect> {
        self.charge(place, 0)?;
        let (mut values, mut marks) = (Vec::new(), Vec::new());
        while !self.at(&Event::SequenceEnd) {
            let node = self.node()?;
            values.push(node.value);
            marks.push(node.mark);
        }
        self.next += 1;
        Ok(node(Value::Array(values), place, Shape::Sequence(marks)))
    }

    fn mapping(&mut self, place: Place) -> Result<Node, Defect> {
        self.charge(place, 0)?;
        let (mut values, mut marks) = (Map::new(), BTreeMap::new());
        while !self.at(&Event::MappingEnd) {
            match self.key()? {
                None => {
                    let at = self.events.get(self.next).map_or(place, |(_, place)| *place);
                    let node = self.node()?;
                    merge(node, at, &mut values, &mut marks)?;
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
        Ok(node(Value::Object(values), place, Shape::Mapping(marks)))
    }

    /// The next key; `None` for the merge key `<<`.
    fn key(&mut self) -> Result<Option<String>, Defect> {
        let (mut event, place) = self.event()?;
        if let Event::Alias(target) = event
            && let Some((repeated, _)) = self.events.get(*target)
        {
            event = repeated;
        }
        let Event::Scalar { text, tag, merges, .. } = event else {
            return Err(Defect::new(place, "invalid map key: only scalars can be keys"));
        };
        self.charge(place, text.len())?;
        if *merges && text == "<<" {
            return Ok(None);
        }
        scalar::key(*tag, text).map(Some).map_err(|message| Defect::new(place, message))
    }
}

/// Merges a mapping, or a sequence of mappings of which the first wins, over what is there.
fn merge(
    node: Node,
    place: Place,
    values: &mut Map<String, Value>,
    marks: &mut BTreeMap<String, Mark>,
) -> Result<(), Defect> {
    let sources: Vec<(Value, Shape)> = match (node.value, node.mark.shape) {
        (Value::Array(all), Shape::Sequence(places)) if !node.aliased => {
            all.into_iter().zip(places.into_iter().map(|mark| mark.shape)).rev().collect()
        }
        source => vec![source],
    };
    for source in sources {
        let (Value::Object(entries), Shape::Mapping(mut places)) = source else {
            return Err(Defect::new(place, "map merge requires map or sequence of maps as the value"));
        };
        values.extend(entries);
        marks.append(&mut places);
    }
    Ok(())
}

fn node(value: Value, place: Place, shape: Shape) -> Node {
    let Place { line, column, index } = place;
    Node { value, mark: Mark { line, column, index, shape }, aliased: false }
}
