//! Values to YAML, in the layout and with the quotes of go-yaml v2.

use std::cmp::Ordering;

use fleetgate_value::{Number, Value, go};

use super::scalar::{Scalar, Schema, resolve};
use crate::encode::json;
use crate::text::Text;
use crate::{Context, Error};

/// Longest key that stands on the line of its value, in bytes.
const LONGEST_KEY: usize = 128;
/// Columns of one level.
const INDENT: usize = 2;
/// Beyond this column a text goes on in the next line, where a single space allows it.
const WIDTH: usize = 80;

/// The YAML of a value.
///
/// # Errors
/// [`Error::Size`]; a builtin error where a string has characters that go-yaml does not read.
pub(super) fn document(context: &Context, value: &Value) -> Result<String, Error> {
    let mut writer = Writer { context, out: Text::new(context), fresh: true };
    writer.node(value, 0, Place::Root)?;
    writer.end_line()?;
    Ok(writer.out.finish())
}

/// Where a node stands, which decides how a collection begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// After `- `, `? ` or the `: ` of a key of its own line.
    Item,
    /// After `key:`.
    Value,
}

struct Writer<'w> {
    context: &'w Context,
    out: Text<'w>,
    /// The line is empty so far.
    fresh: bool,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) -> Result<(), Error> {
        self.fresh = false;
        self.out.push_str(text)
    }

    fn end_line(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.fresh, true) {
            self.out.push('\n')?;
        }
        Ok(())
    }

    fn indent(&mut self, columns: usize) -> Result<(), Error> {
        self.end_line()?;
        self.out.fill(' ', columns)
    }

    /// A node whose collection's lines begin at column `indent`.
    fn node(&mut self, value: &Value, indent: usize, place: Place) -> Result<(), Error> {
        let space = if place == Place::Value { " " } else { "" };
        match value {
            Value::Array(items) => self.sequence(items, indent, place),
            Value::Set(set) => self.sequence(set.members(), indent, place),
            Value::Object(object) if object.is_empty() => self.put(&format!("{space}{{}}")),
            Value::Object(object) => {
                let mut entries = json::entries(self.context, object)?;
                entries.sort_by(|(a, _), (b, _)| natural(a, b));
                let indent = if place == Place::Value { indent + INDENT } else { indent };
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 || place == Place::Value {
                        self.indent(indent)?;
                    }
                    self.entry(key, value, indent)?;
                }
                Ok(())
            }
            scalar => {
                self.put(space)?;
                self.scalar(scalar, indent, place)
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize, place: Place) -> Result<(), Error> {
        if items.is_empty() {
            return self.put(if place == Place::Value { " []" } else { "[]" });
        }
        // go-yaml v3 indents what a key has, v2 does not.
        let indent = if place == Place::Value && self.context.yaml_core_schema { indent + INDENT } else { indent };
        for (index, item) in items.iter().enumerate() {
            if index > 0 || place == Place::Value {
                self.indent(indent)?;
            }
            self.put("- ")?;
            self.node(item, indent + INDENT, Place::Item)?;
        }
        Ok(())
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) -> Result<(), Error> {
        check(key)?;
        if key.len() <= LONGEST_KEY && !key.contains(is_break) {
            let key = Quotes::of(key, true).on_one_line(key);
            self.put(&key)?;
            self.put(":")?;
            return self.node(value, indent, Place::Value);
        }
        self.put("? ")?;
        self.string(key, indent + INDENT)?;
        self.indent(indent)?;
        self.put(": ")?;
        self.node(value, indent + INDENT, Place::Item)
    }

    fn scalar(&mut self, value: &Value, indent: usize, place: Place) -> Result<(), Error> {
        match value {
            Value::Bool(holds) => self.put(if *holds { "true" } else { "false" }),
            Value::Number(value) => self.put(&number(value)),
            Value::String(text) => {
                check(text)?;
                // The lines of a text stand deeper than what they belong to.
                let indent = if place == Place::Item { indent } else { indent + INDENT };
                self.string(text, indent)
            }
            _ => self.put("null"),
        }
    }

    fn string(&mut self, text: &str, indent: usize) -> Result<(), Error> {
        if !text.contains('\n') || !Form::of(text).block {
            let text = Quotes::of(text, false).folded(text, self.out.column(), indent);
            return self.put(&text);
        }
        self.put("|")?;
        if text.starts_with([' ', '\n']) {
            self.put("2")?;
        }
        match text.strip_suffix('\n') {
            None => self.put("-")?,
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.put("+")?,
            Some(_) => {}
        }
        self.end_line()?;
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            if !content.is_empty() {
                self.indent(indent)?;
                self.put(content)?;
            }
            if content.len() < line.len() {
                self.fresh = true;
                self.out.push('\n')?;
            }
        }
        Ok(())
    }
}

/// Refuses what go-yaml cannot read back, since OPA goes through it.
fn check(text: &str) -> Result<(), Error> {
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(refused) {
        return Err(Error::Builtin("yaml: control characters are not allowed".to_owned()));
    }
    Ok(())
}

/// A number by way of Go's types: integers of 64 bits, doubles beyond.
fn number(number: &Number) -> String {
    let text = number.to_string();
    match resolve(&text, Schema::Old) {
        Scalar::Int(integer) => integer.to_string(),
        Scalar::Float(double) => go::format_double(double),
        _ => text,
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What forms a text can take.
struct Form {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Form {
    fn of(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut breaks, mut special, mut break_space, mut space_break) = (false, false, false, false);
        let (mut after_space, mut after_break, mut after_blank) = (false, false, true);
        let mut characters = text.chars().peekable();
        let mut first = true;
        while let Some(character) = characters.next() {
            let before_blank = characters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicators |= match character {
                '#' if first => true,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                '?' | '-' => first && before_blank,
                ':' => before_blank,
                '#' => after_blank,
                _ => false,
            };
            special |= !is_printable(character);
            break_space |= character == ' ' && after_break;
            space_break |= is_break(character) && after_space;
            breaks |= is_break(character);
            after_space = character == ' ';
            after_break = is_break(character);
            after_blank = matches!(character, ' ' | '\t' | '\0') || after_break;
            first = false;
        }
        let is_edge = |c: char| c == ' ' || is_break(c);
        let edged = text.starts_with(is_edge) || text.ends_with(is_edge);
        let odd = break_space || space_break || special;
        Self {
            plain: !edged && !odd && !breaks && !indicators,
            single_quoted: !odd,
            block: !text.is_empty() && !text.ends_with(' ') && !space_break && !special,
        }
    }
}

/// What go-yaml prints as it is; characters beyond the basic plane are not among it.
fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// What a text stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    /// With escapes.
    Double,
}

impl Quotes {
    fn of(text: &str, is_key: bool) -> Self {
        let form = Form::of(text);
        if !matches!(resolve(text, Schema::Old), Scalar::Text) || is_base_60(text) || text.contains('\n') {
            return Self::Double;
        }
        match form {
            Form { plain: true, .. } if !(is_key && text.is_empty()) => Self::None,
            Form { single_quoted: true, .. } => Self::Single,
            _ => Self::Double,
        }
    }

    fn on_one_line(self, text: &str) -> String {
        self.written(text, |_, _| None)
    }

    /// The text from a column on; further lines begin at column `indent`.
    fn folded(self, text: &str, column: usize, indent: usize) -> String {
        let margin = " ".repeat(indent);
        let (mut at, mut first) = (column + usize::from(self != Self::None), true);
        let (mut after_space, mut after_break) = (false, false);
        let mut rest = text.chars();
        self.written(text, |character, shown| {
            rest.next();
            let next = rest.clone().next();
            let inner = self == Self::None || !first && next.is_some();
            let alone = !after_space && (self == Self::Double || next != Some(' '));
            let folds = character == ' ' && alone && inner && at > WIDTH;
            let begins = self == Self::Single && after_break && !is_break(character);
            (after_space, after_break, first) = (character == ' ', is_break(character), false);
            if folds {
                at = indent;
                let escape = if next == Some(' ') { "\\" } else { "" };
                return Some(format!("\n{margin}{escape}"));
            }
            at = if after_break { 0 } else { at + shown.chars().count() };
            begins.then(|| {
                at += indent;
                format!("{margin}{shown}")
            })
        })
    }

    /// The text in its quotes; `instead` may put something in place of a character, whose own form it is shown.
    fn written(self, text: &str, mut instead: impl FnMut(char, &str) -> Option<String>) -> String {
        let quote = match self {
            Self::None => "",
            Self::Single => "'",
            Self::Double => "\"",
        };
        // With a byte order mark at the beginning go-yaml escapes everything.
        let all = text.starts_with('\u{feff}');
        let mut out = String::from(quote);
        for character in text.chars() {
            let shown = match self {
                Self::Double => escaped(character, all),
                Self::Single if character == '\'' => "''".to_owned(),
                _ => character.to_string(),
            };
            out.push_str(&instead(character, &shown).unwrap_or(shown));
        }
        out.push_str(quote);
        out
    }
}

fn escaped(character: char, all: bool) -> String {
    let code = u32::from(character);
    if !all && is_printable(character) && !is_break(character) && !matches!(character, '"' | '\\') {
        return character.to_string();
    }
    let short = match character {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ if code <= 0xff => return format!("\\x{code:02X}"),
        _ if code <= 0xffff => return format!("\\u{code:04X}"),
        _ => return format!("\\U{code:08X}"),
    };
    short.to_owned()
}

/// Whether YAML 1.1 would read a number of base 60, such as `1:30`.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let head = parts.next().unwrap_or_default();
    let is_head =
        head.starts_with(|c: char| c.is_ascii_digit()) && head.chars().all(|c| c.is_ascii_digit() || c == '_');
    let sixtieth = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
        _ => false,
    };
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop().filter(|_| is_head) else { return false };
    let (whole, fraction) = last.split_once('.').unwrap_or((last, ""));
    sixtieth(whole) && rest.into_iter().all(sixtieth) && fraction.chars().all(|c| c.is_ascii_digit() || c == '_')
}

/// go-yaml's order of keys: numbers within them count as numbers, letters come last.
fn natural(a: &str, b: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let differ = left.iter().zip(&right).position(|(a, b)| a != b);
    let Some(at) = differ else { return left.len().cmp(&right.len()) };
    let (Some(x), Some(y)) = (left.get(at), right.get(at)) else { return Ordering::Equal };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Zeros within a number, such as the second of `100`, do not lead it.
    let inside = (*x == '0' || *y == '0') && {
        let before = left.get(..at).unwrap_or_default();
        before.iter().rev().take_while(|c| c.is_numeric()).any(|c| *c != '0')
    };
    let number = |characters: &[char]| {
        let digits = characters.get(at..).unwrap_or_default().iter().map_while(|c| c.to_digit(10));
        digits.fold((i64::from(inside), 0_usize), |(number, length), digit| {
            (number.wrapping_mul(10).wrapping_add(i64::from(digit)), length + 1)
        })
    };
    number(&left).cmp(&number(&right)).then_with(|| x.cmp(y))
}
