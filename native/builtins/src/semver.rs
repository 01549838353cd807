//! Semantic versions.

use std::cmp::Ordering;

use fleetgate_value::Value;

use crate::operand::{any, string};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[("semver.compare", compare), ("semver.is_valid", is_valid)];

fn compare(_: &mut Context, operands: &[Value]) -> Answer {
    let (first, second) = (string(operands, 1)?, string(operands, 2)?);
    let version = |position: usize, text| {
        let error =
            || Error::Builtin(format!("operand {position}: string {} is not a valid SemVer", any(operands, position)));
        Version::parse(text).ok_or_else(error)
    };
    let order = version(1, first)?.order(&version(2, second)?);
    Ok((order as i64).into())
}

fn is_valid(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(any(operands, 1).as_str().is_some_and(|text| Version::parse(text).is_some()).into())
}

struct Version<'a> {
    numbers: [i64; 3],
    pre_release: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, metadata) = text.split_once('+').map_or((text, None), |(text, rest)| (text, Some(rest)));
        let (text, pre_release) = text.split_once('-').map_or((text, None), |(text, rest)| (text, Some(rest)));
        if !metadata.is_none_or(are_identifiers)
            || !pre_release.is_none_or(|text| are_identifiers(text) && !is_padded(text))
        {
            return None;
        }
        let mut parts = text.split('.');
        let mut number = || parts.next().and_then(number);
        let numbers = [number()?, number()?, number()?];
        parts.next().is_none().then_some(Self { numbers, pre_release: pre_release.unwrap_or("") })
    }

    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre_release, other.pre_release) {
            (a, b) if a == b => Ordering::Equal,
            // A release comes after what precedes it.
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (a, b) => a.split('.').map(Identifier::from).cmp(b.split('.').map(Identifier::from)),
        })
    }
}

fn are_identifiers(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
}

/// Whether a number has a leading zero.
fn is_padded(identifiers: &str) -> bool {
    identifiers.split('.').any(|part| part.len() > 1 && part.starts_with('0') && is_numeric(part))
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Option<i64> {
    let is_padded = text.len() > 1 && text.starts_with('0');
    if is_numeric(text) && !is_padded { text.parse().ok() } else { None }
}

/// Numbers come before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(i64),
    Word(&'a str),
}

impl<'a> From<&'a str> for Identifier<'a> {
    fn from(text: &'a str) -> Self {
        // All numbers beyond 64 bits are the largest.
        if is_numeric(text) { Self::Number(text.parse().unwrap_or(i64::MAX)) } else { Self::Word(text) }
    }
}
