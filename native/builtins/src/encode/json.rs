//! `json.marshal`, `json.unmarshal` and the like, as Go's `encoding/json` reads and writes them.

use std::borrow::Cow;

use fleetgate_value::json::{KeyCache, Numbers, parse};
use fleetgate_value::{Object, Value};

use crate::operand::{any, object, string};
use crate::text::Text;
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("json.is_valid", is_valid),
    ("json.marshal", marshal),
    ("json.marshal_with_options", marshal_with_options),
    ("json.unmarshal", unmarshal),
];

fn read(context: &mut Context, text: &str) -> Result<Value, Error> {
    let keys = context.cache::<KeyCache>();
    parse(text.as_bytes(), keys, Numbers::Wide).map_err(|error| Error::Builtin(error.to_string()))
}

fn unmarshal(context: &mut Context, operands: &[Value]) -> Answer {
    read(context, string(operands, 1)?)
}

fn is_valid(context: &mut Context, operands: &[Value]) -> Answer {
    Ok(any(operands, 1).as_str().is_some_and(|text| read(context, text).is_ok()).into())
}

fn marshal(context: &mut Context, operands: &[Value]) -> Answer {
    Ok(text(context, &printed(context, any(operands, 1)))?.into())
}

/// The value with the numbers that are printed: Go's of what Gatekeeper's storage still has.
pub(super) fn printed<'v>(context: &Context, value: &'v Value) -> Cow<'v, Value> {
    context.stored.as_ref().map_or(Cow::Borrowed(value), |stored| Cow::Owned(stored.printed(value)))
}

/// The compact JSON of a value.
///
/// # Errors
/// [`Error::Size`]
pub(super) fn text(context: &Context, value: &Value) -> Result<String, Error> {
    let mut writer = Writer { context, out: Text::new(context), layout: None, depth: 0 };
    writer.value(value)?;
    Ok(writer.out.finish())
}

/// A key of an object as JSON has it: a string as it is, anything else as its JSON.
///
/// # Errors
/// [`Error::Size`]
pub(super) fn key(context: &Context, key: &Value) -> Result<String, Error> {
    match key {
        Value::String(key) => Ok((**key).to_owned()),
        other => text(context, other),
    }
}

/// The entries of an object as JSON has them, sorted by key.
///
/// # Errors
/// [`Error::Size`]
pub(super) fn entries<'v>(context: &Context, object: &'v Object) -> Result<Vec<(String, &'v Value)>, Error> {
    let mut entries = Vec::with_capacity(object.len());
    for (key, value) in object.iter() {
        entries.push((self::key(context, key)?, value));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries)
}

fn marshal_with_options(context: &mut Context, operands: &[Value]) -> Answer {
    let (mut prefix, mut indent, mut asked, mut implied) = ("", "\t", None, false);
    for (index, (key, value)) in object(operands, 2)?.iter().enumerate() {
        let not_string = |value: &Value| format!("operand {index} must be string but got {}", value.kind().name());
        let name = key.as_str().ok_or_else(|| {
            Error::Type(format!("operand 2 failed to stringify key {key} at index {index}: {}", not_string(key)))
        })?;
        let text = || {
            let defect = || Error::Type(format!("operand 2 key {key} failed cast to string: {}", not_string(value)));
            value.as_str().ok_or_else(defect)
        };
        match name {
            "prefix" => (prefix, implied) = (text()?, true),
            "indent" => (indent, implied) = (text()?, true),
            "pretty" => match value {
                Value::Bool(pretty) => asked = Some(*pretty),
                _ => return Err(Error::Type(format!("operand 2 key {key} failed cast to bool"))),
            },
            _ => return Err(Error::Type(format!("operand 2 object contained unknown key {key}"))),
        }
    }
    if !asked.unwrap_or(implied) {
        return marshal(context, operands);
    }
    let layout = Some(Layout { prefix, indent });
    let mut writer = Writer { context, out: Text::new(context), layout, depth: 0 };
    writer.out.push_str(prefix)?;
    writer.value(&printed(context, any(operands, 1)))?;
    Ok(writer.out.finish().into())
}

/// What every line but the first begins with.
#[derive(Clone, Copy)]
struct Layout<'l> {
    prefix: &'l str,
    /// Once for every level.
    indent: &'l str,
}

struct Writer<'w> {
    context: &'w Context,
    out: Text<'w>,
    layout: Option<Layout<'w>>,
    depth: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(holds) => self.out.push_str(if *holds { "true" } else { "false" }),
            Value::Number(number) => self.out.display(number),
            Value::String(text) => self.string(text),
            Value::Array(items) => self.list('[', items, ']', Self::value),
            Value::Set(set) => self.list('[', set.members(), ']', Self::value),
            Value::Object(object) if object.keys().all(|key| key.as_str().is_some()) => {
                let entries: Vec<(&str, &Value)> =
                    object.iter().filter_map(|(key, value)| Some((key.as_str()?, value))).collect();
                self.list('{', &entries, '}', |writer, (key, value)| writer.entry(key, value))
            }
            Value::Object(object) => {
                let entries = entries(self.context, object)?;
                self.list('{', &entries, '}', |writer, (key, value)| writer.entry(key, value))
            }
        }
    }

    fn entry(&mut self, key: &str, value: &Value) -> Result<(), Error> {
        self.string(key)?;
        self.out.push_str(if self.layout.is_some() { ": " } else { ":" })?;
        self.value(value)
    }

    fn list<T>(
        &mut self,
        open: char,
        items: &[T],
        close: char,
        write: impl Fn(&mut Self, &T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open)?;
        self.depth += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',')?;
            }
            self.line()?;
            write(self, item)?;
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.line()?;
        }
        self.out.push(close)
    }

    /// Begins a line, where there are any.
    fn line(&mut self) -> Result<(), Error> {
        let Some(layout) = self.layout else { return Ok(()) };
        self.out.push('\n')?;
        self.out.push_str(layout.prefix)?;
        (0..self.depth).try_for_each(|_| self.out.push_str(layout.indent))
    }

    /// A string with what could end a script escaped too.
    fn string(&mut self, text: &str) -> Result<(), Error> {
        let special = |c: char| matches!(c, '"' | '\\' | '<' | '>' | '&' | '\0'..='\x1f' | '\u{2028}' | '\u{2029}');
        self.out.push('"')?;
        let mut rest = text;
        while let Some((plain, tail)) = rest.find(special).and_then(|at| rest.split_at_checked(at)) {
            self.out.push_str(plain)?;
            let mut characters = tail.chars();
            match characters.next() {
                Some('"') => self.out.push_str("\\\"")?,
                Some('\\') => self.out.push_str("\\\\")?,
                Some('\u{8}') => self.out.push_str("\\b")?,
                Some('\u{c}') => self.out.push_str("\\f")?,
                Some('\n') => self.out.push_str("\\n")?,
                Some('\r') => self.out.push_str("\\r")?,
                Some('\t') => self.out.push_str("\\t")?,
                Some(other) => self.out.display(format_args!("\\u{:04x}", u32::from(other)))?,
                None => {}
            }
            rest = characters.as_str();
        }
        self.out.push_str(rest)?;
        self.out.push('"')
    }
}
