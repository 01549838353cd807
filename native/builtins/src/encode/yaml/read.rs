//! YAML to values.
//!
//! A document's events are all there before it is composed, so that an alias is its node's events once more. What aliases
//! may add is limited by a budget: without one, nine lines of YAML unfold to gigabytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use fleetgate_value::json::MAX_DEPTH;
use fleetgate_value::{Number, Value, go};
use fleetgate_yaml::{ErrorKind, EventData, Events, Failure, Mark, ScalarStyle};

use super::scalar::{Scalar, Schema, resolve};
use crate::encode::base64;
use crate::text::from_bytes;

/// What the aliases of a document may add, in bytes: text as it is, every node as [`NODE_COST`].
const ALIAS_BUDGET: usize = 16 << 20;
const NODE_COST: usize = 128;

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

enum Event {
    Scalar {
        text: String,
        plain: bool,
        tag: Option<String>,
    },
    /// The first event of the node that it repeats.
    Alias(usize),
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
}

/// The first document of a text; null where there is none. What follows it is not read under [`Schema::Old`], as in go-yaml, and
/// must be YAML under [`Schema::Core`].
///
/// # Errors
/// What is wrong with it.
pub(super) fn first_document(text: &str, schema: Schema) -> Result<Value, String> {
    let events = events(text.strip_prefix('\u{feff}').unwrap_or(text), schema)?;
    if events.is_empty() {
        return Ok(Value::Null);
    }
    Composer { events: &events, schema, next: 0, open: Vec::new(), depth: 0, aliased: 0 }.node()
}

fn events(text: &str, schema: Schema) -> Result<Vec<Event>, String> {
    let (mut events, mut anchors, mut depth) = (Vec::new(), HashMap::new(), 0_usize);
    let mut first = None;
    for event in Events::new(text) {
        let event = event.map_err(|failure| problem(&failure))?;
        let (event, anchor) = match event.data {
            EventData::DocumentEnd { .. } if schema == Schema::Core => {
                first.get_or_insert(events.len());
                anchors.clear();
                continue;
            }
            EventData::StreamEnd | EventData::DocumentEnd { .. } => break,
            EventData::StreamStart { .. } | EventData::DocumentStart { .. } => continue,
            EventData::Scalar { anchor, tag, value, style, .. } => {
                (Event::Scalar { text: value, plain: style == ScalarStyle::Plain, tag }, anchor)
            }
            EventData::Alias { anchor } => match anchors.get(&anchor) {
                Some(target) => (Event::Alias(*target), None),
                None => return Err(format!("unknown anchor '{anchor}' referenced")),
            },
            EventData::SequenceStart { anchor, .. } => (Event::SequenceStart, anchor),
            EventData::MappingStart { anchor, .. } => (Event::MappingStart, anchor),
            EventData::SequenceEnd => (Event::SequenceEnd, None),
            EventData::MappingEnd => (Event::MappingEnd, None),
        };
        match event {
            Event::SequenceStart | Event::MappingStart => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            Event::Scalar { .. } | Event::Alias(_) => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        if let Some(anchor) = anchor {
            anchors.insert(anchor, events.len());
        }
        events.push(event);
    }
    events.truncate(first.unwrap_or(events.len()));
    Ok(events)
}

/// The problem in go-yaml's words, with the line where it is not the first one.
fn problem(failure: &Failure) -> String {
    let Failure::Syntax(error) = failure else { return "the parser failed".to_owned() };
    let line = |mark: Option<Mark>| mark.map(|mark| mark.line).filter(|line| *line != 0);
    let scanned = u64::from(error.kind() == ErrorKind::Scanner);
    match line(error.context_mark()).or_else(|| line(error.problem_mark())) {
        Some(line) => format!("line {}: {}", line + scanned, error.problem()),
        None => error.problem().to_owned(),
    }
}

struct Composer<'e> {
    events: &'e [Event],
    schema: Schema,
    next: usize,
    /// Nodes whose aliases are being unfolded, by their first events.
    open: Vec<usize>,
    depth: usize,
    aliased: usize,
}

impl<'e> Composer<'e> {
    fn event(&mut self) -> Result<&'e Event, String> {
        let event = self.events.get(self.next).ok_or("unexpected end")?;
        self.next += 1;
        Ok(event)
    }

    /// Whether the next event ends a collection; consumes it if so.
    fn ends(&mut self) -> bool {
        let ends = matches!(self.events.get(self.next), Some(Event::SequenceEnd | Event::MappingEnd) | None);
        self.next += usize::from(ends);
        ends
    }

    fn charge(&mut self, text: usize) -> Result<(), String> {
        if !self.open.is_empty() {
            self.aliased += NODE_COST + text;
            if self.aliased > ALIAS_BUDGET {
                return Err("document contains excessive aliasing".to_owned());
            }
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let value = match self.event()? {
            Event::Alias(target) => self.alias(*target, Self::node),
            Event::SequenceStart => self.sequence(),
            Event::MappingStart => self.mapping(),
            Event::Scalar { text, plain, tag } => {
                self.charge(text.len())?;
                scalar(text, *plain, tag.as_deref(), self.schema)
            }
            Event::SequenceEnd | Event::MappingEnd => Err("did not find expected node content".to_owned()),
        };
        self.depth -= 1;
        value
    }

    /// Reads the node of an anchor once more.
    fn alias<T>(&mut self, target: usize, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.open.contains(&target) || self.encloses(target) {
            return Err("anchor value contains itself".to_owned());
        }
        let back = std::mem::replace(&mut self.next, target);
        self.open.push(target);
        let node = read(self);
        self.open.pop();
        self.next = back;
        node
    }

    /// Whether the node that begins at `start` is still open before the event at `next - 1`.
    fn encloses(&self, start: usize) -> bool {
        let between = self.events.get(start..self.next.saturating_sub(1)).unwrap_or_default();
        let mut depth = 0_usize;
        for event in between {
            match event {
                Event::SequenceStart | Event::MappingStart => depth += 1,
                Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
                Event::Scalar { .. } | Event::Alias(_) => {}
            }
            if depth == 0 {
                return false;
            }
        }
        depth > 0
    }

    fn sequence(&mut self) -> Result<Value, String> {
        self.charge(0)?;
        let mut items = Vec::new();
        while !self.ends() {
            items.push(self.node()?);
        }
        Ok(Value::array(items))
    }

    fn mapping(&mut self) -> Result<Value, String> {
        self.charge(0)?;
        let mut entries = BTreeMap::new();
        while !self.ends() {
            match self.key()? {
                Some(key) => {
                    let value = self.node()?;
                    // Of equal keys the last one counts.
                    entries.insert(key, value);
                }
                None => self.merge(&mut entries)?,
            }
        }
        Ok(Value::object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// The next key; none for the merge key `<<`.
    fn key(&mut self) -> Result<Option<String>, String> {
        let event = match self.event()? {
            Event::Alias(target) => self.events.get(*target).ok_or("unexpected end")?,
            other => other,
        };
        let Event::Scalar { text, plain, tag } = event else {
            return Err("invalid map key: only scalars can be keys".to_owned());
        };
        self.charge(text.len())?;
        let merges = tag.as_deref().map_or(*plain, |tag| tag.strip_prefix(TAG_PREFIX) == Some("merge"));
        if merges && text == "<<" {
            return Ok(None);
        }
        key(text, *plain, tag.as_deref(), self.schema).map(Some)
    }

    /// Merges a mapping, or a sequence of mappings of which the first wins, over what is there.
    fn merge(&mut self, entries: &mut BTreeMap<String, Value>) -> Result<(), String> {
        let in_sequence = matches!(self.events.get(self.next), Some(Event::SequenceStart));
        let node = self.node()?;
        let sources = match &node {
            Value::Array(items) if in_sequence => &**items,
            other => std::slice::from_ref(other),
        };
        for source in sources.iter().rev() {
            let source = source.as_object().ok_or("map merge requires map or sequence of maps as the value")?;
            for (key, value) in source.iter() {
                entries.insert(key.as_str().unwrap_or_default().to_owned(), value.clone());
            }
        }
        Ok(())
    }
}

/// A scalar with what its tag asks for.
enum Tagged<'t> {
    Resolved(Scalar),
    Text(Cow<'t, str>),
}

fn tagged<'t>(text: &'t str, plain: bool, tag: Option<&str>, schema: Schema) -> Result<Tagged<'t>, String> {
    let wanted = match tag.map(|tag| tag.strip_prefix(TAG_PREFIX).unwrap_or_default()) {
        None if plain => return Ok(Tagged::Resolved(resolve(text, schema))),
        Some("binary") => {
            let bytes = base64::standard(text).map_err(|_| "!!binary value contains invalid base64 data")?;
            return Ok(Tagged::Text(from_bytes(bytes).into()));
        }
        Some(wanted @ ("bool" | "int" | "float" | "null" | "timestamp")) => wanted,
        // A tag that nobody knows leaves the text as it is.
        _ => return Ok(Tagged::Text(text.into())),
    };
    let resolved = resolve(text, schema);
    let found = match resolved {
        Scalar::Null => "null",
        Scalar::Bool(_) => "bool",
        Scalar::Int(_) if wanted == "float" => "float",
        Scalar::Int(_) | Scalar::Uint(_) => "int",
        Scalar::Float(_) => "float",
        Scalar::Timestamp => "timestamp",
        Scalar::Text => "str",
    };
    if found == wanted {
        Ok(Tagged::Resolved(resolved))
    } else {
        Err(format!("cannot decode !!{found} `{text}` as a !!{wanted}"))
    }
}

fn scalar(text: &str, plain: bool, tag: Option<&str>, schema: Schema) -> Result<Value, String> {
    Ok(match tagged(text, plain, tag, schema)? {
        Tagged::Text(text) => text.into_owned().into(),
        Tagged::Resolved(Scalar::Null) => Value::Null,
        Tagged::Resolved(Scalar::Bool(holds)) => holds.into(),
        Tagged::Resolved(Scalar::Int(integer)) => integer.into(),
        Tagged::Resolved(Scalar::Uint(integer)) => {
            Number::parse(&integer.to_string()).map_or(Value::Null, Value::Number)
        }
        Tagged::Resolved(Scalar::Float(double)) => Value::Number(number(double)?),
        Tagged::Resolved(Scalar::Timestamp | Scalar::Text) => text.into(),
    })
}

/// The string that a scalar becomes as a key.
fn key(text: &str, plain: bool, tag: Option<&str>, schema: Schema) -> Result<String, String> {
    Ok(match tagged(text, plain, tag, schema)? {
        Tagged::Text(text) => text.into_owned(),
        Tagged::Resolved(Scalar::Bool(holds)) => holds.to_string(),
        Tagged::Resolved(Scalar::Int(integer)) => integer.to_string(),
        Tagged::Resolved(Scalar::Float(double)) => float_key(double),
        Tagged::Resolved(Scalar::Timestamp | Scalar::Text) => text.to_owned(),
        Tagged::Resolved(Scalar::Null | Scalar::Uint(_)) => return Err(format!("unsupported map key: {text}")),
    })
}

/// A double as Go's JSON writes it: with an exponent from 10²¹ on and below a millionth.
fn number(double: f64) -> Result<Number, String> {
    if !double.is_finite() {
        return Err("json: unsupported value".to_owned());
    }
    let size = double.abs();
    let text = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{double:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    } else {
        format!("{double}")
    };
    Number::parse(&text).ok_or_else(|| format!("json: unsupported value: {text}"))
}

/// A double as a key: Go's shortest text of verb `g` in single precision.
fn float_key(double: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "single precision is what Go takes here")]
    let single = double as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let shortest = format!("{single:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    go::general(sign, &mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}
