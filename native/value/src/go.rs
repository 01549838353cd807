//! Texts of numbers and strings as Go's `strconv` makes them.

use std::fmt::Write;

use crate::printable::is_printable;

/// `strconv.FormatFloat(double, 'g', -1, 64)`: the shortest digits that read back as the same double.
#[must_use]
pub fn format_double(double: f64) -> String {
    let sign = if double.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = shortest(double);
    general(sign, &digits, exponent)
}

/// The number as `encoding/json` prints a `float64`: with an exponent below a millionth and from 10²¹ on.
#[must_use]
pub fn json_double(double: f64) -> String {
    let sign = if double.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = shortest(double);
    if double == 0.0 || (-6..21).contains(&exponent) {
        return plain(sign, &digits, exponent);
    }
    // It takes the zero out of `e-09`, but not out of `e+21`, which has none.
    scientific(sign, &digits, exponent).replace("e-0", "e-")
}

/// The shortest digits that read back as the same double, without sign, and the power of ten of the first of them. Of two
/// that are as near Go takes the even one.
#[must_use]
pub fn shortest(double: f64) -> (String, i64) {
    // Rust's `{:e}` gives the shortest digits that read back: `1.25e-7`.
    let text = format!("{:e}", double.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut digits = mantissa.replace('.', "");
    let exponent = exponent.parse().unwrap_or(0);
    // Fewer digits than this are never as near as others.
    if digits.len() >= 16 && digits.ends_with(['1', '3', '5', '7', '9']) {
        let exact = format!("{:.800e}", double.abs()).replace('.', "");
        let (kept, rest) = exact.split_at_checked(digits.len()).unwrap_or((&exact, ""));
        let (half, zeros) = rest.split_at_checked(1).unwrap_or((rest, ""));
        let is_tie = half == "5" && zeros.trim_start_matches('0').starts_with('e');
        if is_tie && format!("{}e{}", with_point(kept), exponent).parse() == Ok(double.abs()) {
            digits = kept.to_owned();
        }
    }
    (digits, exponent)
}

fn with_point(digits: &str) -> String {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    format!("{first}.{rest}0")
}

/// Go's verb `g` with the shortest precision, for which it writes an exponent below -4 and from 6 on. The number is
/// `d₁.d₂…` times ten to `exponent`.
#[must_use]
pub fn general(sign: &str, digits: &str, exponent: i64) -> String {
    if (-4..6).contains(&exponent) { plain(sign, digits, exponent) } else { scientific(sign, digits, exponent) }
}

/// `-1.25e-07`
#[must_use]
pub fn scientific(sign: &str, digits: &str, exponent: i64) -> String {
    let (first, rest) = digits.split_at(digits.len().min(1));
    let point = if rest.is_empty() { "" } else { "." };
    let (exponent_sign, size) = if exponent < 0 { ('-', -exponent) } else { ('+', exponent) };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{size:02}")
}

/// `-0.000125`, `12500`, `12.5`
#[must_use]
pub fn plain(sign: &str, digits: &str, exponent: i64) -> String {
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", zeros(-exponent - 1));
    }
    if exponent + 1 >= length {
        return format!("{sign}{digits}{}", zeros(exponent + 1 - length));
    }
    let (integer, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
    format!("{sign}{integer}.{fraction}")
}

/// `strconv.Quote`: between double quotes, with Go's escapes for what does not print.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(character),
            _ => quote_other(&mut out, character),
        }
    }
    out.push('"');
    out
}

fn quote_other(out: &mut String, character: char) {
    let code = u32::from(character);
    // Writing to a string cannot fail.
    let _ = match code {
        0..0x80 => write!(out, "\\x{code:02x}"),
        _ if is_printable(character) => out.write_char(character),
        0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}
