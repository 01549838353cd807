//! Whether two globs can match the same text: `regex.globs_match`.
//!
//! These globs are small regular expressions: characters, `.`, classes, and `*` or `+` after any of them. OPA decides by a
//! search that backtracks and is not always right; its answers are these.

use std::collections::BTreeSet;
use std::fmt;
use std::str::Chars;

use crate::Error;

/// Steps of one search. OPA has no bound; the search can take exponential time.
const MOST_STEPS: usize = 200_000;
/// Calls inside one another.
const MOST_DEPTH: usize = 500;
/// Characters of all classes of a glob.
const MOST_CHARACTERS: usize = 1 << 21;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Character(char),
    Any,
    Class(BTreeSet<char>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    None,
    Plus,
    Star,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    flag: Flag,
}

impl Token {
    fn meets(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Any, _) | (_, Kind::Any) => true,
            (Kind::Character(a), Kind::Character(b)) => a == b,
            (Kind::Character(one), Kind::Class(class)) | (Kind::Class(class), Kind::Character(one)) => {
                class.contains(one)
            }
            (Kind::Class(a), Kind::Class(b)) => !a.is_disjoint(b),
        }
    }
}

/// Whether some text matches both globs.
///
/// # Errors
/// A defect of a glob, or [`Error::Size`] where the search takes too long.
pub(super) fn intersect(left: &str, right: &str) -> Result<bool, Error> {
    let (left, right) = (tokens(left)?, tokens(right)?);
    let Some((left, right)) = trimmed(&left, &right) else { return Ok(false) };
    Search { steps: 0 }.normal(left, right, 0)
}

/// What is wrong with a glob, of which `rest` is still to be read.
fn invalid(glob: &str, rest: &Chars<'_>, what: impl fmt::Display) -> Error {
    let read = glob.chars().count() - rest.clone().count();
    Error::Builtin(format!("input:{glob}, pos:{read}, {what}: the input provided is invalid"))
}

/// A character of the text, and whether it is escaped.
fn character(glob: &str, rest: &mut Chars<'_>) -> Result<Option<(char, bool)>, Error> {
    let before = rest.clone();
    match rest.next() {
        Some('\\') => {
            let escaped =
                rest.next().ok_or_else(|| invalid(glob, &before, "input ends with a \\ (escape) character"))?;
            Ok(Some((escaped, true)))
        }
        other => Ok(other.map(|plain| (plain, false))),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut rest = text.chars();
    let mut room = MOST_CHARACTERS;
    let mut tokens: Vec<Token> = Vec::new();
    while let Some(next) = character(text, &mut rest)? {
        let kind = match next {
            ('.', false) => Kind::Any,
            ('[', false) => Kind::Class(class(text, &mut rest, &mut room)?),
            (']', false) => return Err(invalid(text, &rest, "set-close ']' with no preceding '['")),
            (flag @ ('*' | '+'), false) => {
                return Err(invalid(text, &rest, format_args!("flag '{flag}' must be preceded by a non-flag")));
            }
            (other, _) => Kind::Character(other),
        };
        let flag = match rest.clone().next() {
            Some('*') => Flag::Star,
            Some('+') => Flag::Plus,
            _ => Flag::None,
        };
        if flag != Flag::None {
            rest.next();
        }
        // Of `a*a+` one repetition is left.
        match tokens.last_mut().filter(|last| last.flag != Flag::None && flag != Flag::None && last.kind == kind) {
            Some(last) if flag == Flag::Plus => last.flag = Flag::Plus,
            Some(_) => {}
            None => tokens.push(Token { kind, flag }),
        }
    }
    Ok(tokens)
}

/// A class, after its `[`.
fn class(glob: &str, rest: &mut Chars<'_>, room: &mut usize) -> Result<BTreeSet<char>, Error> {
    let mut members = BTreeSet::new();
    let mut previous = None;
    loop {
        let Some(next) = character(glob, rest)? else { return Err(invalid(glob, rest, "found [ without matching ]")) };
        match next {
            (']', false) => return Ok(members),
            ('-', false) => {
                let range =
                    |rest: &Chars<'_>, what: &str| invalid(glob, rest, format_args!("range character '-' {what}"));
                let low: char =
                    previous.take().ok_or_else(|| range(rest, "must be preceded by a Unicode character"))?;
                if rest.clone().nth(1).is_none() {
                    return Err(range(rest, "must be followed by a Unicode character"));
                }
                let high = match character(glob, rest)? {
                    None | Some((']' | '-', false)) => {
                        return Err(range(rest, "cannot be followed by a special symbol"));
                    }
                    Some((high, _)) => high,
                };
                if high < low {
                    let what = format_args!("range is out of order: '{high}' comes before '{low}' in Unicode");
                    return Err(invalid(glob, rest, what));
                }
                let width = usize::try_from(u32::from(high) - u32::from(low)).unwrap_or(usize::MAX);
                *room = room.checked_sub(width).ok_or(Error::Size)?;
                members.extend(low..=high);
            }
            (other, _) => {
                members.insert(other);
                previous = Some(other);
            }
        }
    }
}

/// Both without what is plain and the same at either end, one token of it excepted; none where they differ there.
fn trimmed<'g>(left: &'g [Token], right: &'g [Token]) -> Option<(&'g [Token], &'g [Token])> {
    let plain = |(a, b): &(&Token, &Token)| a.flag == Flag::None && b.flag == Flag::None;
    let head = left.iter().zip(right).take_while(plain);
    let mut kept = 0;
    for (a, b) in head {
        if !a.meets(b) {
            return None;
        }
        kept += 1;
    }
    let start = usize::max(kept, 1) - 1;
    let (left, right) = (left.get(start..)?, right.get(start..)?);
    let mut dropped = 0;
    for (a, b) in left.iter().rev().zip(right.iter().rev()).take_while(plain) {
        if !a.meets(b) {
            return None;
        }
        dropped += 1;
    }
    let dropped = usize::max(dropped, 1) - 1;
    Some((left.get(..left.len() - dropped)?, right.get(..right.len() - dropped)?))
}

struct Search {
    steps: usize,
}

impl Search {
    fn step(&mut self, depth: usize) -> Result<(), Error> {
        self.steps += 1;
        if self.steps > MOST_STEPS || depth > MOST_DEPTH { Err(Error::Size) } else { Ok(()) }
    }

    fn normal(&mut self, left: &[Token], right: &[Token], depth: usize) -> Result<bool, Error> {
        self.step(depth)?;
        for (at, (a, b)) in left.iter().zip(right).enumerate() {
            if a.flag != Flag::None || b.flag != Flag::None {
                let (left, right) = (left.get(at..).unwrap_or_default(), right.get(at..).unwrap_or_default());
                let (flagged, other) = if a.flag == Flag::None { (right, left) } else { (left, right) };
                return match flagged.first().map(|first| first.flag) {
                    Some(Flag::Plus) => self.plus(flagged, other, depth + 1),
                    _ => self.star(flagged, other, depth + 1),
                };
            }
            if !a.meets(b) {
                return Ok(false);
            }
        }
        Ok(left.len() == right.len())
    }

    fn plus(&mut self, plussed: &[Token], other: &[Token], depth: usize) -> Result<bool, Error> {
        self.step(depth)?;
        let (Some((repeated, after)), Some((first, rest))) = (plussed.split_first(), other.split_first()) else {
            return Ok(false);
        };
        if !repeated.meets(first) {
            return Ok(false);
        }
        // Either the repetition takes the other's first token, or is taken by it.
        Ok(self.star(plussed, rest, depth + 1)? || first.flag != Flag::None && self.normal(after, other, depth + 1)?)
    }

    fn star(&mut self, starred: &[Token], other: &[Token], depth: usize) -> Result<bool, Error> {
        self.step(depth)?;
        let Some((repeated, after)) = starred.split_first() else { return Ok(false) };
        for (at, token) in other.iter().enumerate() {
            let goes_on = after.first().is_some_and(|next| token.meets(next));
            if goes_on && self.normal(after, other.get(at..).unwrap_or_default(), depth + 1)? {
                return Ok(true);
            }
            self.step(depth)?;
            if !token.meets(repeated) {
                return Ok(false);
            }
        }
        Ok(after.is_empty())
    }
}
