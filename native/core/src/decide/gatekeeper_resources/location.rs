//! The paths of mutators, such as `spec.containers[name: main].image` (`pkg/mutation/path/parser` of Gatekeeper 3.23.1).

use std::fmt;
use std::str::Chars;

use fleetgate_value::go::quote;

/// One step of a [`Location`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A field of an object.
    Field(String),
    /// The elements of a list whose `key` has a value.
    Elements { key: String, value: KeyValue },
}

/// What the key of an element has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyValue {
    Any,
    Text(String),
    Integer(i64),
}

/// A parsed path. The empty text is the path of no steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Location(pub(super) Vec<Node>);

impl Location {
    /// # Errors
    /// Gatekeeper's words for what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Parser::new(text).location()
    }

    /// Whether `self` is the beginning of another path.
    pub(super) fn begins(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// Whether it leads into an object's metadata.
    pub(super) fn is_in_metadata(&self) -> bool {
        matches!(self.0.first(), Some(Node::Field(name)) if name == "metadata")
    }

    /// Whether it ends at elements of a list.
    pub(super) fn ends_at_elements(&self) -> bool {
        matches!(self.0.last(), Some(Node::Elements { .. }))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, node) in self.0.iter().enumerate() {
            match node {
                Node::Field(name) if position == 0 => write!(out, "{}", shown(name))?,
                Node::Field(name) => write!(out, ".{}", shown(name))?,
                Node::Elements { key, value: KeyValue::Any } => write!(out, "[{}: *]", shown(key))?,
                Node::Elements { key, value: KeyValue::Text(text) } => {
                    write!(out, "[{}: {}]", shown(key), shown(text))?
                }
                Node::Elements { key, value: KeyValue::Integer(integer) } => {
                    write!(out, "[{}: {integer}]", shown(key))?
                }
            }
        }
        Ok(())
    }
}

/// A name, in quotes where it would not be read as one without.
fn shown(name: &str) -> String {
    let is_plain = !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_plain && !name.contains(['\'', '"', '\t', '\n', ' ', '\\', '*', '[', ']', ':', '.']) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Integer(String),
    Mark(char),
    Error(String),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, literal) = match self {
            Self::Name(text) => ("IDENT", text.clone()),
            Self::Integer(text) => ("INT", text.clone()),
            Self::Error(text) => ("ERROR", text.clone()),
            Self::End => ("EOF", String::new()),
            Self::Mark(mark) => {
                let kind = match mark {
                    '.' => "SEPARATOR",
                    '[' => "LBRACKET",
                    ']' => "RBRACKET",
                    '*' => "GLOB",
                    _ => "COLON",
                };
                (kind, mark.to_string())
            }
        };
        write!(out, "{kind}: {}", quote(&literal))
    }
}

struct Parser<'text> {
    rest: Chars<'text>,
    next: Token,
}

impl<'text> Parser<'text> {
    fn new(text: &'text str) -> Self {
        let mut parser = Self { rest: text.chars(), next: Token::End };
        parser.advance();
        parser
    }

    /// Takes the next token.
    fn advance(&mut self) -> Token {
        let following = self.scan();
        std::mem::replace(&mut self.next, following)
    }

    fn take(&mut self, mark: char) -> bool {
        let is_next = self.next == Token::Mark(mark);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, String> {
        Err(format!("unexpected token: expected {expected}, got: {}", self.next))
    }

    fn location(mut self) -> Result<Location, String> {
        let mut nodes = Vec::new();
        while self.next != Token::End {
            let Token::Name(name) = self.next.clone() else { return self.unexpected("field name or eof") };
            self.advance();
            nodes.push(Node::Field(name));
            if self.take('[') {
                nodes.push(self.elements()?);
            }
            if self.take('.') {
                if self.next == Token::End {
                    return Err("trailing separators are forbidden".to_owned());
                }
            } else if self.next != Token::End {
                return self.unexpected("'.' or eof");
            }
        }
        Ok(Location(nodes))
    }

    fn elements(&mut self) -> Result<Node, String> {
        let Token::Name(key) = self.next.clone() else { return self.unexpected("keyField in listSpec") };
        self.advance();
        if !self.take(':') {
            return self.unexpected(&format!("':' following keyField {key}"));
        }
        let value = match &self.next {
            Token::Mark('*') => KeyValue::Any,
            Token::Name(text) => KeyValue::Text(text.clone()),
            Token::Integer(digits) => KeyValue::Integer(digits.parse().map_err(|_| {
                format!("invalid integer: overflow in integer string: {digits}: parsing key value for key: {key}")
            })?),
            _ => return self.unexpected("key value or glob in listSpec"),
        };
        self.advance();
        if !self.take(']') {
            return self.unexpected("']' following listSpec");
        }
        Ok(Node::Elements { key, value })
    }

    fn scan(&mut self) -> Token {
        let text = self.rest.as_str().trim_start_matches([' ', '\t', '\r', '\n']);
        self.rest = text.chars();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match self.rest.next() {
            None => Token::End,
            Some(digit) if digit.is_ascii_digit() => Token::Integer(self.rest_of_word(text, |c| c.is_ascii_digit())),
            Some(letter) if is_word(letter) => Token::Name(self.rest_of_word(text, is_word)),
            Some(mark @ ('.' | '[' | ']' | '*' | ':')) => Token::Mark(mark),
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            Some(other) => Token::Error(other.to_string()),
        }
    }

    fn rest_of_word(&mut self, text: &'text str, belongs: impl Fn(char) -> bool) -> String {
        let (word, rest) = text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()));
        self.rest = rest.chars();
        word.to_owned()
    }

    fn quoted(&mut self, quote: char) -> Token {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return Token::Error(text),
                Some(end) if end == quote => return Token::Name(text),
                Some('\\') => text.extend(self.rest.next()),
                Some(other) => text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_shown_reads_as_the_same_path() {
        for text in [
            "",
            "spec",
            "spec.a[name: x].b",
            r#"spec."a b"[key: *]."0"[port: 80]"#,
            r#"a."'\"\\"."#.trim_end_matches('.'),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.to_string(), text);
            assert_eq!(Location::parse(&location.to_string()).unwrap(), location);
        }
    }
}
