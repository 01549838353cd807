//! The recursive-descent reader behind [`super::parse`].

use super::{Error, ErrorKind, MAX_DEPTH, Numbers};
use crate::{Number, Object, Value};

/// Object keys that were met before, as ready values. Kubernetes objects repeat few keys, and a key that is found here
/// costs a reference count instead of an allocation. One cache belongs to one evaluation context: sharing it would make
/// threads contend for those counts.
#[derive(Debug, Default)]
pub struct KeyCache {
    /// Empty until the first key.
    slots: Vec<Option<Value>>,
}

impl KeyCache {
    const SLOTS: usize = 1024;
    /// Longer keys are data (annotations, config keys) rather than field names.
    const LONGEST: usize = 40;

    fn key(&mut self, text: &str) -> Value {
        if text.len() > Self::LONGEST {
            return Value::from(text);
        }
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let index = usize::try_from((hash ^ (hash >> 32)) % Self::SLOTS as u64).unwrap_or_default();
        if self.slots.is_empty() {
            self.slots.resize(Self::SLOTS, None);
        }
        let Some(slot) = self.slots.get_mut(index) else { return Value::from(text) };
        match slot {
            Some(Value::String(known)) if **known == *text => Value::String(known.clone()),
            _ => slot.insert(Value::from(text)).clone(),
        }
    }
}

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    numbers: Numbers,
    keys: &'a mut KeyCache,
    /// Fields and items of the containers being read, outermost first: one growing stack serves all of them.
    fields: Vec<(Value, Value)>,
    items: Vec<Value>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, keys: &'a mut KeyCache, numbers: Numbers) -> Self {
        Self { text, at: 0, depth: 0, numbers, keys, fields: Vec::with_capacity(64), items: Vec::with_capacity(32) }
    }

    pub(super) fn document(&mut self) -> Result<Value, Error> {
        let value = self.value()?;
        match self.next_token() {
            None => Ok(value),
            Some(_) => Err(self.expected("the end of the text")),
        }
    }

    fn value(&mut self) -> Result<Value, Error> {
        match self.next_token() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(|text| match text {
                Text::Plain(text) => Value::from(text),
                Text::Unescaped(text) => Value::from(text),
            }),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(_) => Err(self.expected("a value")),
            None => Err(self.end()),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error { kind: ErrorKind::TooDeep, offset: self.at });
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Error> {
        let first = self.fields.len();
        if self.next_token() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object::default()));
        }
        loop {
            if self.next_token() != Some(b'"') {
                return Err(self.expected("a key"));
            }
            let key = match self.string()? {
                Text::Plain(text) => self.keys.key(text),
                Text::Unescaped(text) => self.keys.key(&text),
            };
            self.punctuation(b':', "`:`")?;
            let value = self.value()?;
            self.fields.push((key, value));
            match self.next_token() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.expected("`,` or `}`")),
            }
            self.next_token();
        }
        self.at += 1;
        Ok(Value::object(self.fields.split_off(first)))
    }

    fn array(&mut self) -> Result<Value, Error> {
        let first = self.items.len();
        if self.next_token() == Some(b']') {
            self.at += 1;
            return Ok(Value::array(Vec::new()));
        }
        loop {
            let item = self.value()?;
            self.items.push(item);
            match self.next_token() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.expected("`,` or `]`")),
            }
        }
        self.at += 1;
        Ok(Value::array(self.items.split_off(first)))
    }

    fn string(&mut self) -> Result<Text<'a>, Error> {
        self.at += 1;
        let start = self.at;
        match self.plain_run(start)? {
            (end, b'"') => {
                self.at = end + 1;
                Ok(Text::Plain(self.slice(start, end)))
            }
            (end, _) => self.escaped(start, end).map(Text::Unescaped),
        }
    }

    /// Up to the quote or backslash that ends a run of plain characters, and which of the two it is.
    fn plain_run(&self, start: usize) -> Result<(usize, u8), Error> {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        match rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            Some(length) => match rest.get(length) {
                Some(byte @ (b'"' | b'\\')) => Ok((start + length, *byte)),
                _ => Err(Error {
                    kind: ErrorKind::Expected("an escape of the control character"),
                    offset: start + length,
                }),
            },
            None => Err(Error { kind: ErrorKind::UnexpectedEnd, offset: self.text.len() }),
        }
    }

    fn escaped(&mut self, start: usize, backslash: usize) -> Result<String, Error> {
        let mut text = String::with_capacity((backslash - start) * 2 + 16);
        text.push_str(self.slice(start, backslash));
        self.at = backslash;
        loop {
            self.at += 1;
            text.push(self.escape()?);
            let run = self.at;
            let (end, stop) = self.plain_run(run)?;
            text.push_str(self.slice(run, end));
            self.at = end;
            if stop == b'"' {
                self.at += 1;
                return Ok(text);
            }
        }
    }

    /// The character of an escape; the backslash is read already.
    fn escape(&mut self) -> Result<char, Error> {
        let Some(byte) = self.peek() else { return Err(self.end()) };
        let character = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, Error> {
        let unit = self.hex4()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after = self.at;
        if self.peek() == Some(b'\\') && self.text.as_bytes().get(after + 1) == Some(&b'u') {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                let scalar = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, Error> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.expected("four hexadecimal digits")) };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<Value, Error> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = self.slice(start, self.at);
        let number = match self.numbers {
            Numbers::Exact => in_range(text).then(|| Number::from_json_text(text)),
            Numbers::Wide => in_wide_range(text).then(|| Number::from_json_text(text)),
            // Most numbers are small integers, which are doubles as they stand.
            Numbers::Doubles if integer && text.len() <= 6 && text != "-0" => text.parse().ok().map(Number::Int),
            Numbers::Doubles => text.parse().ok().filter(|double: &f64| double.is_finite()).map(Number::from_double),
        };
        number.map(Value::Number).ok_or(Error { kind: ErrorKind::NumberRange, offset: start })
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Value, Error> {
        if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.expected("a value"))
        }
    }

    fn punctuation(&mut self, byte: u8, name: &'static str) -> Result<(), Error> {
        if self.next_token() != Some(byte) {
            return Err(self.expected(name));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is not white space; it is not consumed.
    fn next_token(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                byte => return byte,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Both ends stand at ASCII characters, so they are boundaries of characters.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn expected(&self, what: &'static str) -> Error {
        if self.at >= self.text.len() {
            return self.end();
        }
        Error { kind: ErrorKind::Expected(what), offset: self.at }
    }

    fn end(&self) -> Error {
        Error { kind: ErrorKind::UnexpectedEnd, offset: self.text.len() }
    }
}

/// Go refuses numbers beyond the range of a double. That also bounds what calculating with them costs.
fn in_range(text: &str) -> bool {
    (text.len() < 17 && !text.contains(['e', 'E'])) || text.parse().is_ok_and(|double: f64| double.is_finite())
}

/// Decimal digits of a number with OPA's greatest binary exponent.
const WIDEST: i64 = 30_103;

fn in_wide_range(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let whole = mantissa.split('.').next().unwrap_or_default().trim_start_matches('-');
    let size = i64::try_from(whole.len())
        .ok()
        .zip(exponent.parse::<i64>().ok())
        .and_then(|(digits, exponent)| digits.checked_add(exponent));
    in_range(text) || size.is_some_and(|size| size.abs() <= WIDEST)
}

enum Text<'a> {
    Plain(&'a str),
    Unescaped(String),
}
