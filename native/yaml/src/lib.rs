//! The syntax of YAML: a text as events.
//!
//! It is read by a port of libyaml, of which go-yaml is another: what one of them reads, the other reads, down to
//! continuation lines without indentation. The port panics in places, and texts come from strangers, so a panic is
//! contained as a failure to read on.

#![forbid(unsafe_code)]

mod contain;

use std::borrow::Cow;
use std::io::Cursor;

use libyaml_safer::{Encoding, Parser};
pub use libyaml_safer::{Error, ErrorKind, Event, EventData, Mark, ScalarStyle};

use contain::contain;

/// Why a text cannot be read on.
#[derive(Debug)]
pub enum Failure {
    /// It is not YAML.
    Syntax(Error),
    /// The parser gave up behind the last event.
    Parser,
}

/// The events of a text, the end of its stream included. Nothing follows the end or a failure.
pub struct Events<'text> {
    parser: Parser<Cursor<Cow<'text, [u8]>>>,
    /// Where the text ends, if it ends within a line that is not blank.
    unended: Option<usize>,
    ended: bool,
}

impl<'text> Events<'text> {
    /// Reads `text` from its beginning.
    #[must_use]
    pub fn new(text: &'text str) -> Self {
        let ended = text.is_empty() || text.ends_with('\n');
        // The parser does not survive a block scalar that the end of the text cuts off.
        let bytes = if ended { Cow::Borrowed(text.as_bytes()) } else { Cow::Owned(format!("{text}\n").into_bytes()) };
        let mut parser = Parser::new();
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(Cursor::new(bytes));
        let cut_off = text.rsplit('\n').next().is_some_and(|line| !line.trim().is_empty());
        Self { parser, unended: cut_off.then_some(text.len()), ended: false }
    }

    fn read(&mut self) -> Result<Event, Failure> {
        let parser = &mut self.parser;
        let mut event = contain(|| parser.parse()).ok_or(Failure::Parser)?.map_err(Failure::Syntax)?;
        let reaches_beyond =
            self.unended.is_some_and(|end| usize::try_from(event.end_mark.index).is_ok_and(|reached| reached > end));
        if let EventData::Scalar { value, style: ScalarStyle::Literal | ScalarStyle::Folded, .. } = &mut event.data
            && reaches_beyond
            && value.ends_with('\n')
        {
            value.pop();
        }
        Ok(event)
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = self.read();
        self.ended = match &event {
            Ok(event) => matches!(event.data, EventData::StreamEnd),
            Err(_) => true,
        };
        Some(event)
    }
}
