//! What a scalar means: the rules of go-yaml v2, which sigs.k8s.io/yaml builds on, and of Go's JSON after it.
//!
//! They are YAML 1.1's without base 60 and with more spellings of integers. A float that is written as an integer in
//! JSON (`1e3`, `1.0`) is an integer to Kubernetes, so it becomes one here.

use serde_json::{Number, Value};

/// Tag of a scalar, as far as it changes the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// None was written, on a plain scalar.
    Plain,
    /// `!!str`, quotes, or a tag that nobody knows: the text as it stands.
    Text,
    Bool,
    Int,
    Float,
    Null,
    Binary,
}

/// The value of a scalar, or what is wrong with it.
pub(super) fn resolve(tag: Tag, text: &str) -> Result<Value, String> {
    match tag {
        Tag::Text => return Ok(Value::from(text)),
        Tag::Binary => return binary(text),
        _ => {}
    }
    let value = plain(text)?;
    let (fits, wanted) = match tag {
        Tag::Bool => (matches!(value, Plain::Bool(_)), "!!bool"),
        Tag::Int => (matches!(value, Plain::Int(_) | Plain::Uint(_)), "!!int"),
        Tag::Float => (matches!(value, Plain::Int(_) | Plain::Uint(_) | Plain::Float(_)), "!!float"),
        Tag::Null => (matches!(value, Plain::Null), "!!null"),
        _ => (true, ""),
    };
    if fits { value.into_json() } else { Err(format!("cannot decode {} `{text}` as a {wanted}", value.tag())) }
}

/// The string that a scalar becomes as a key of a mapping.
pub(super) fn key(tag: Tag, text: &str) -> Result<String, String> {
    if tag == Tag::Plain
        && let Plain::Float(number) = plain(text)?
    {
        return Ok(float_key(number));
    }
    match resolve(tag, text)? {
        Value::String(text) => Ok(text),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        other => Err(format!("unsupported map key: {other}")),
    }
}

/// What a plain scalar can be.
enum Plain<'text> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(&'text str),
}

impl Plain<'_> {
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Text(_) => "!!str",
        }
    }

    fn into_json(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::from(flag),
            Self::Int(number) => Value::from(number),
            Self::Uint(number) => Value::from(number),
            Self::Float(number) => json_number(number)?,
            Self::Text(text) => Value::from(text),
        })
    }
}

fn plain(text: &str) -> Result<Plain<'_>, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Plain::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Plain::Float(f64::NEG_INFINITY),
        _ => match text.as_bytes().first() {
            Some(b'.') => float(text).map_or(Plain::Text(text), Plain::Float),
            Some(b'+' | b'-' | b'0'..=b'9') => number(text),
            _ => Plain::Text(text),
        },
    })
}

fn number(text: &str) -> Plain<'_> {
    let digits = text.replace('_', "");
    if let Some(whole) = integer(&digits) {
        return i64::try_from(whole)
            .map_or_else(|_| u64::try_from(whole).map_or_else(|_| decimal(&digits, text), Plain::Uint), Plain::Int);
    }
    decimal(&digits, text)
}

fn decimal<'text>(digits: &str, text: &'text str) -> Plain<'text> {
    float(digits).map_or(Plain::Text(text), Plain::Float)
}

/// An integer with Go's prefixes; a leading zero means octal. Wider than 64 bits so that the caller sees an overflow.
fn integer(digits: &str) -> Option<i128> {
    let (negative, signed, magnitude) = match digits.as_bytes().first()? {
        b'-' => (true, true, digits.get(1..)?),
        b'+' => (false, true, digits.get(1..)?),
        _ => (false, false, digits),
    };
    let (radix, body) = match magnitude.get(..2) {
        Some("0x" | "0X") => (16, magnitude.get(2..)?),
        Some("0b" | "0B") => (2, magnitude.get(2..)?),
        Some("0o" | "0O") => (8, magnitude.get(2..)?),
        Some(two) if two.starts_with('0') => (8, magnitude.get(1..)?),
        _ => (10, magnitude),
    };
    if !body.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(body, radix).ok()?;
    let value = if negative { -value } else { value };
    // A sign goes with signed integers only: `+9223372036854775808` is a float to go-yaml.
    if signed && i64::try_from(value).is_err() { None } else { Some(value) }
}

/// A float in YAML's spelling; `None` for other text and beyond the range of doubles.
fn float(digits: &str) -> Option<f64> {
    let spelled = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    digits.parse::<f64>().ok().filter(|number| spelled && number.is_finite())
}

/// A double as Kubernetes gets it through JSON text: an integer where the text is one.
fn json_number(number: f64) -> Result<Value, String> {
    let text = format!("{number}");
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Value::from(whole));
    }
    let unsupported = || format!("unsupported value: {}", text.replace("inf", "Inf"));
    Number::from_f64(number).map(Value::Number).ok_or_else(unsupported)
}

/// A double as a key: Go's shortest `g` text in single precision.
fn float_key(number: f64) -> String {
    let single = number as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, text)| text.parse().ok()).unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let mantissa = scientific.split_once('e').map_or("", |(mantissa, _)| mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{single}")
}

fn binary(text: &str) -> Result<Value, String> {
    let bytes = base64(text).ok_or("!!binary value contains invalid base64 data")?;
    Ok(Value::from(String::from_utf8_lossy(&bytes)))
}

/// Standard base64 with padding; line ends are skipped, as Go's decoder does.
fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    if !symbols.len().is_multiple_of(4) {
        return None;
    }
    let padding = symbols.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = symbols.get(..symbols.len().checked_sub(padding).filter(|_| padding <= 2)?)?;
    let (mut bits, mut width, mut bytes) = (0_u32, 0_u32, Vec::with_capacity(body.len()));
    for symbol in body {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push((bits >> width) as u8);
        }
    }
    Some(bytes)
}
