//! What a plain scalar means to go-yaml v2: YAML 1.1 without base 60, with Go's spellings of integers.

/// The meaning of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond the range of an `i64`.
    Uint(u64),
    Float(f64),
    /// A date or a time; it stays a text.
    Timestamp,
    Text,
}

/// What plain scalars mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// As to go-yaml v2.
    Old,
    /// As to go-yaml v3, which follows YAML 1.2 in that only `true` and `false` are booleans.
    Core,
}

/// Resolves the text of a scalar without quotes and without a tag.
pub(super) fn resolve(text: &str, schema: Schema) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if schema == Schema::Core => Scalar::Text,
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if schema == Schema::Core => Scalar::Text,
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => match text.bytes().next() {
            Some(b'.') => float(text).map_or(Scalar::Text, Scalar::Float),
            Some(b'+' | b'-' | b'0'..=b'9') if is_timestamp(text) => Scalar::Timestamp,
            Some(b'+' | b'-' | b'0'..=b'9') => number(&text.replace('_', "")),
            _ => Scalar::Text,
        },
    }
}

fn number(digits: &str) -> Scalar {
    match integer(digits) {
        Some(Ok(integer)) => Scalar::Int(integer),
        Some(Err(integer)) => Scalar::Uint(integer),
        None => float(digits).map_or(Scalar::Text, Scalar::Float),
    }
}

/// An integer with Go's prefixes, where a leading zero means octal: one of 64 bits with sign, or without.
fn integer(digits: &str) -> Option<Result<i64, u64>> {
    let signed = digits.starts_with(['+', '-']);
    let magnitude = if signed { digits.get(1..)? } else { digits };
    let (radix, body) = match magnitude.get(..2) {
        Some("0x" | "0X") => (16, magnitude.get(2..)?),
        Some("0b" | "0B") => (2, magnitude.get(2..)?),
        Some("0o" | "0O") => (8, magnitude.get(2..)?),
        Some(two) if two.starts_with('0') => (8, magnitude.get(1..)?),
        _ => (10, magnitude),
    };
    if body.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(body, radix).ok()?;
    let value = if digits.starts_with('-') { -value } else { value };
    match i64::try_from(value) {
        Ok(integer) => Some(Ok(integer)),
        Err(_) if signed => None,
        Err(_) => u64::try_from(value).ok().map(Err),
    }
}

/// A float in YAML's spelling; none for other text and beyond the range of doubles.
fn float(digits: &str) -> Option<f64> {
    let spelled = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    digits.parse::<f64>().ok().filter(|number| spelled && number.is_finite())
}

/// Whether go-yaml would read a point in time: a date, or a date and a time.
fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_at_checked(4) else { return false };
    let Some(rest) = rest.strip_prefix('-').filter(|_| year.bytes().all(|byte| byte.is_ascii_digit())) else {
        return false;
    };
    let (Ok(year), Some((month, rest))) = (year.parse::<u32>(), short(rest, 12)) else { return false };
    let Some((day, rest)) = rest.strip_prefix('-').and_then(|rest| short(rest, days(year, month))) else {
        return false;
    };
    if month == 0 || day == 0 {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let zoned = rest.starts_with(['T', 't']);
    let Some(time) = rest.strip_prefix(['T', 't', ' ']) else { return false };
    let Some(rest) = time_of_day(time) else { return false };
    if zoned { is_zone(rest) } else { rest.is_empty() }
}

const fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A number of one digit or two, up to `most`, and what follows it.
fn short(text: &str, most: u32) -> Option<(u32, &str)> {
    let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length)?;
    let number = digits.parse().ok().filter(|number| *number <= most)?;
    Some((number, rest))
}

/// What follows `15:4:5.9`.
fn time_of_day(text: &str) -> Option<&str> {
    let (_, rest) = short(text, 23)?;
    let (_, rest) = short(rest.strip_prefix(':')?, 59)?;
    let (_, rest) = short(rest.strip_prefix(':')?, 59)?;
    let fraction = rest.strip_prefix(['.', ',']).filter(|fraction| fraction.starts_with(|c: char| c.is_ascii_digit()));
    Some(fraction.map_or(rest, |fraction| fraction.trim_start_matches(|c: char| c.is_ascii_digit())))
}

/// `Z` or `+07:00`
fn is_zone(text: &str) -> bool {
    let two = |text: &str, most: u32| text.len() == 2 && short(text, most).is_some_and(|(_, rest)| rest.is_empty());
    let offset = text.strip_prefix(['+', '-']).and_then(|offset| offset.split_once(':'));
    text == "Z" || offset.is_some_and(|(hours, minutes)| two(hours, 24) && two(minutes, 60))
}
