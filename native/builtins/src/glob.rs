//! Globs: `glob.match` and `glob.quote_meta`, as `gobwas/glob` reads them.
//!
//! A glob becomes a regular expression, and so cannot take more than linear time.

use std::fmt::Write;

use fleetgate_value::{Kind, Value};
use regex::{Regex, RegexBuilder};

use crate::cache::Cache;
use crate::operand::{any, element, mismatch, string};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[("glob.match", is_match), ("glob.quote_meta", quote_meta)];

/// Most bytes of a compiled glob.
const SIZE_LIMIT: usize = 2 << 20;
/// Most braces inside one another.
const NEST_LIMIT: u32 = 250;

/// Globs that were met before, by pattern and delimiters.
#[derive(Debug, Default)]
struct Globs(Cache<Result<Regex, String>>);

fn is_match(context: &mut Context, operands: &[Value]) -> Answer {
    let pattern = string(operands, 1)?;
    let delimiters = delimiters(operands)?;
    let text = string(operands, 3)?;
    let mut key = String::with_capacity(pattern.len() + 8);
    key.extend([&*delimiters, "\0", pattern]);
    let make = || translate(pattern, &delimiters).and_then(|translated| compile(&translated));
    let matched = context.cache::<Globs>().0.with(&key, make, |made| match made {
        Ok(regex) => Ok(regex.is_match(text)),
        Err(defect) => Err(Error::Builtin(defect.clone())),
    });
    Ok(matched?.into())
}

/// The characters that `*` and `?` do not match: none for null, the dot for an empty array.
fn delimiters(operands: &[Value]) -> Result<String, Error> {
    let given = any(operands, 2);
    let items = match given {
        Value::Null => return Ok(String::new()),
        Value::Array(items) => items,
        other => return Err(mismatch(2, other, &[Kind::Array, Kind::Null])),
    };
    if items.is_empty() {
        return Ok(".".to_owned());
    }
    let mut delimiters = String::new();
    for item in items.iter() {
        let text = item.as_str().ok_or_else(|| element(2, given, item, "string"))?;
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(one), None) => delimiters.push(one),
            _ => return Err(element(2, given, item, "rune")),
        }
    }
    Ok(delimiters)
}

fn compile(translated: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(translated);
    let built = builder.size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).nest_limit(NEST_LIMIT).build();
    built.map_err(|_| "glob: the pattern is too large".to_owned())
}

fn defect(pattern: &str, rest: &str, reason: &str) -> String {
    format!("glob: syntax error at {}: {reason}", pattern.len() - rest.len())
}

/// The glob as an expression of the `regex` crate.
fn translate(pattern: &str, delimiters: &str) -> Result<String, String> {
    let mut out = String::from("(?s)\\A(?:");
    let mut level = 0_usize;
    let mut rest = pattern.chars();
    let one = if delimiters.is_empty() { ".".to_owned() } else { class(delimiters, true) };
    while let Some(symbol) = rest.next() {
        match symbol {
            '*' if rest.as_str().starts_with('*') => {
                rest.next();
                out.push_str(".*");
            }
            '*' => out.extend([&*one, "*"]),
            '?' => out.push_str(&one),
            '[' => {
                let (class, after) = range(rest.as_str()).map_err(|reason| defect(pattern, rest.as_str(), reason))?;
                out.push_str(&class);
                rest = after.chars();
            }
            '{' => {
                level += 1;
                out.push_str("(?:");
            }
            ',' if level > 0 => out.push('|'),
            '}' if level > 0 => {
                level -= 1;
                out.push(')');
            }
            '\\' => match rest.next() {
                Some(escaped) => push_literal(&mut out, escaped),
                None => return Err(defect(pattern, "", "trailing backslash")),
            },
            other => push_literal(&mut out, other),
        }
    }
    if level > 0 {
        return Err(defect(pattern, "", "unclosed `{`"));
    }
    out.push_str(")\\z");
    Ok(out)
}

fn push_literal(out: &mut String, character: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{{{:X}}}", u32::from(character));
}

fn class(members: &str, negative: bool) -> String {
    let mut out = String::from(if negative { "[^" } else { "[" });
    members.chars().for_each(|member| push_literal(&mut out, member));
    out.push(']');
    out
}

/// A class after its `[`, and what follows it: a single range, in which a backslash is a character, or a list.
fn range(text: &str) -> Result<(String, &str), &'static str> {
    let (negative, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let mut rest = text.chars();
    let low = rest.next().ok_or("unexpected end of input")?;
    if let Some(after) = rest.as_str().strip_prefix('-') {
        let mut rest = after.chars();
        let high = rest.next().ok_or("unexpected end of input")?;
        let after = rest.as_str().strip_prefix(']').ok_or("expected close range character")?;
        if high < low {
            return Err("range hi character is less than lo");
        }
        let mut out = String::from(if negative { "[^" } else { "[" });
        push_literal(&mut out, low);
        out.push('-');
        push_literal(&mut out, high);
        out.push(']');
        return Ok((out, after));
    }
    let mut members = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next() {
            Some('\\') => members.push(rest.next().ok_or("trailing backslash")?),
            Some(']') if members.is_empty() => return Err("could not parse range"),
            Some(']') => return Ok((class(&members, negative), rest.as_str())),
            Some(other) => members.push(other),
            None => return Err("unexpected end of input"),
        }
    }
}

fn quote_meta(context: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    context.fits(text.len().saturating_mul(2))?;
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if matches!(character, '*' | '?' | '\\' | '[' | ']' | '{' | '}') {
            out.push('\\');
        }
        out.push(character);
    }
    Ok(out.into())
}
