//! Go's `fmt.Sprintf`, byte for byte, for the types that OPA hands to it.

mod float;
mod integer;
mod quote;
mod state;

use std::borrow::Cow;

use num_bigint::BigInt;

use crate::text::Text;
use crate::{Context, Error};
use state::State;

/// Widths and precisions beyond are none.
const LARGEST: i64 = 1_000_000;

/// An argument, of one of the types that OPA converts terms to.
#[derive(Debug, Clone)]
pub(crate) enum Argument<'a> {
    /// `int`
    Integer(i64),
    /// `*big.Int`
    Big(BigInt),
    /// `float64`
    Float(f64),
    /// `string`
    String(Cow<'a, str>),
}

impl Argument<'_> {
    /// The name of the Go type.
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Integer(_) => "int",
            Self::Big(_) => "*big.Int",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
        }
    }

    /// As a width or a precision.
    fn as_count(&self) -> Option<i64> {
        match self {
            Self::Integer(count) if (-LARGEST..=LARGEST).contains(count) => Some(*count),
            _ => None,
        }
    }
}

/// `fmt.Sprintf(format, arguments...)`
///
/// # Errors
/// [`Error::Size`] where the text would be too large.
pub(crate) fn sprintf(context: &Context, format: &str, arguments: &[Argument<'_>]) -> Result<String, Error> {
    let mut printer = Printer {
        out: Text::with_capacity(context, format.len())?,
        format,
        at: 0,
        arguments,
        next: 0,
        reordered: false,
        good_index: true,
        after_index: false,
    };
    printer.run()?;
    Ok(printer.out.finish())
}

struct Printer<'a> {
    out: Text<'a>,
    format: &'a str,
    /// Byte of the format that is read next.
    at: usize,
    arguments: &'a [Argument<'a>],
    /// Argument that is taken next.
    next: usize,
    /// An index such as `[2]` was seen anywhere.
    reordered: bool,
    /// The indexes of the verb at hand are sound.
    good_index: bool,
    /// The part of the verb before this one was an index.
    after_index: bool,
}

impl Printer<'_> {
    fn run(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.format.get(self.at..).unwrap_or_default();
            let Some(percent) = rest.find('%') else {
                self.out.push_str(rest)?;
                break;
            };
            self.out.push_str(rest.get(..percent).unwrap_or_default())?;
            self.at += percent + 1;
            if !self.simple_verb()? && !self.verb()? {
                break;
            }
        }
        self.extra()
    }

    /// A bare `%v`, `%s` or `%d` of what it is for, which nearly all verbs are; false where it is something else.
    fn simple_verb(&mut self) -> Result<bool, Error> {
        match (self.peek(), self.arguments.get(self.next)) {
            (Some(b'v' | b's'), Some(Argument::String(text))) => self.out.push_str(text)?,
            (Some(b'v' | b'd'), Some(Argument::Integer(integer))) => self.out.display(integer)?,
            _ => return Ok(false),
        }
        self.at += 1;
        self.next += 1;
        Ok(true)
    }

    fn peek(&self) -> Option<u8> {
        self.format.as_bytes().get(self.at).copied()
    }

    /// One verb, after its `%`; false where the format ends within it.
    fn verb(&mut self) -> Result<bool, Error> {
        let mut state = State::default();
        self.good_index = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => state.sharp = true,
                b'0' => state.zero = true,
                b'+' => state.plus = true,
                b'-' => state.minus = true,
                b' ' => state.space = true,
                _ => break,
            }
            self.at += 1;
        }
        self.index();
        self.width(&mut state)?;
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            self.precision(&mut state)?;
        }
        if !self.after_index {
            self.index();
        }
        let Some(verb) = self.format.get(self.at..).and_then(|rest| rest.chars().next()) else {
            self.out.push_str("%!(NOVERB)")?;
            return Ok(false);
        };
        self.at += verb.len_utf8();
        match self.arguments.get(self.next) {
            _ if verb == '%' => self.out.push('%')?,
            _ if !self.good_index => self.defect(verb, "(BADINDEX)")?,
            None => self.defect(verb, "(MISSING)")?,
            Some(argument) => {
                if matches!(verb, 'v' | 'w') {
                    state.go_syntax();
                }
                state.argument(&mut self.out, argument, verb)?;
                self.next += 1;
            }
        }
        Ok(true)
    }

    fn defect(&mut self, verb: char, what: &str) -> Result<(), Error> {
        self.out.push_str("%!")?;
        self.out.push(verb)?;
        self.out.push_str(what)
    }

    fn width(&mut self, state: &mut State) -> Result<(), Error> {
        if self.peek() != Some(b'*') {
            state.width = self.number();
            if self.after_index && state.width.is_some() {
                self.good_index = false;
            }
            return Ok(());
        }
        self.at += 1;
        match self.count() {
            Some(width) => {
                if width < 0 {
                    state.minus = true;
                    state.zero = false;
                }
                state.width = usize::try_from(width.unsigned_abs()).ok();
            }
            None => self.out.push_str("%!(BADWIDTH)")?,
        }
        self.after_index = false;
        Ok(())
    }

    fn precision(&mut self, state: &mut State) -> Result<(), Error> {
        if self.after_index {
            self.good_index = false;
        }
        self.index();
        if self.peek() != Some(b'*') {
            state.precision = Some(self.number().unwrap_or(0));
            return Ok(());
        }
        self.at += 1;
        match self.count().and_then(|count| usize::try_from(count).ok()) {
            Some(precision) => state.precision = Some(precision),
            None => self.out.push_str("%!(BADPREC)")?,
        }
        self.after_index = false;
        Ok(())
    }

    /// The argument at hand as a count; one of another type is used up all the same.
    fn count(&mut self) -> Option<i64> {
        let argument = self.arguments.get(self.next)?;
        self.next += 1;
        argument.as_count()
    }

    /// A number of the format; one that is too large takes all the rest of the format with it.
    fn number(&mut self) -> Option<usize> {
        match digits(self.format, self.at, self.format.len()) {
            Digits::None => None,
            Digits::TooLarge => {
                self.at = self.format.len();
                None
            }
            Digits::Number(number, end) => {
                self.at = end;
                Some(number)
            }
        }
    }

    /// An index such as `[2]`, if one stands here.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = self.format.get(self.at..).unwrap_or_default();
        let Some(close) = rest.find(']').filter(|_| rest.len() >= 3) else {
            self.good_index = false;
            self.at += 1;
            return;
        };
        let start = self.at + 1;
        let end = self.at + close;
        self.at = end + 1;
        match digits(self.format, start, end) {
            Digits::Number(number, stop) if stop == end => {
                self.after_index = true;
                match number.checked_sub(1).filter(|index| *index < self.arguments.len()) {
                    Some(index) => self.next = index,
                    None => self.good_index = false,
                }
            }
            _ => self.good_index = false,
        }
    }

    /// Arguments that no verb took.
    fn extra(&mut self) -> Result<(), Error> {
        let extra = self.arguments.get(self.next..).unwrap_or_default();
        if self.reordered || extra.is_empty() {
            return Ok(());
        }
        self.out.push_str("%!(EXTRA ")?;
        for (index, argument) in extra.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ")?;
            }
            self.out.push_str(argument.type_name())?;
            self.out.push('=')?;
            State::default().argument(&mut self.out, argument, 'v')?;
        }
        self.out.push(')')
    }
}

enum Digits {
    None,
    TooLarge,
    /// The number, and the byte after its last digit.
    Number(usize, usize),
}

fn digits(format: &str, start: usize, end: usize) -> Digits {
    let mut number = 0;
    let text = format.as_bytes().get(start..end).unwrap_or_default();
    let mut length = 0;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        if number > LARGEST {
            return Digits::TooLarge;
        }
        number = number * 10 + i64::from(digit - b'0');
        length += 1;
    }
    if length == 0 {
        return Digits::None;
    }
    usize::try_from(number).map_or(Digits::TooLarge, |number| Digits::Number(number, start + length))
}
