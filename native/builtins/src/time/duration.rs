//! Durations: Go's `time.ParseDuration`, and OPA's days, weeks and years.

use fleetgate_value::go;

use super::parse::quote;

/// The largest number that Go lets a duration have before its sign is looked at.
const LIMIT: u64 = 1 << 63;

/// The nanoseconds of `1h30m`, `-1.5d`, `2w3d`.
///
/// # Errors
/// Go's and OPA's texts.
pub(super) fn parse_extended(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", go::quote(text));
    if text.is_empty() {
        return Err(invalid());
    }
    if !text.contains(['d', 'w', 'y']) {
        return parse(text);
    }
    let rewritten = in_hours(text).ok_or_else(invalid)?;
    parse(&rewritten).map_err(|error| {
        // The text that was given instead of the rewritten one.
        let message = error.rsplit_once(' ').map_or(error.as_str(), |(message, _)| message);
        format!("{message} {}", go::quote(text))
    })
}

/// Days, weeks and years as hours; the other parts stay.
fn in_hours(text: &str) -> Option<String> {
    let (sign, mut rest) = text.split_at(usize::from(text.starts_with(['-', '+'])));
    let mut out = sign.to_owned();
    while !rest.is_empty() {
        let digits;
        (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()));
        let unit = ["ms", "us", "µs", "ns"].into_iter().find(|unit| rest.starts_with(unit));
        let unit = unit.or_else(|| rest.get(..1).filter(|unit| unit.bytes().all(|byte| byte.is_ascii_lowercase())))?;
        rest = rest.get(unit.len()..)?;
        let hours = match unit {
            "d" => 24.0,
            "w" => 7.0 * 24.0,
            "y" => 365.0 * 24.0,
            _ if digits.is_empty() => return None,
            _ => {
                out.push_str(digits);
                out.push_str(unit);
                continue;
            }
        };
        let count: f64 = digits.parse().ok().filter(|count: &f64| count.is_finite())?;
        out.push_str(&format!("{}h", count * hours));
    }
    Some(out)
}

/// The nanoseconds of `1h30m`, `-1.5s`, `100ms`.
fn parse(text: &str) -> Result<i64, String> {
    let error = |message: &str| format!("time: {message} {}", quote(text.as_bytes()));
    let invalid = || error("invalid duration");
    let (negative, mut rest) =
        text.strip_prefix('-').map_or_else(|| (false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let integer = leading_digits(&mut rest);
        let fraction = rest.strip_prefix('.').map(|after| {
            rest = after;
            leading_digits(&mut rest)
        });
        let fraction = fraction.unwrap_or_default();
        if integer.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let value: u64 = if integer.is_empty() { 0 } else { integer.parse().map_err(|_| invalid())? };
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let name;
        (name, rest) = rest.split_at(end);
        if name.is_empty() {
            return Err(error("missing unit in duration"));
        }
        let unit = unit(name).ok_or_else(|| error(&format!("unknown unit {} in duration", quote(name.as_bytes()))))?;
        let whole =
            value.checked_mul(unit).filter(|whole| *whole <= LIMIT && value <= LIMIT / unit).ok_or_else(invalid)?;
        let part = whole.checked_add(part_of(fraction, unit)).filter(|part| *part <= LIMIT).ok_or_else(invalid)?;
        total = total.checked_add(part).filter(|total| *total <= LIMIT).ok_or_else(invalid)?;
    }
    if negative {
        return Ok(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| invalid())
}

const fn unit(name: &str) -> Option<u64> {
    Some(match name.as_bytes() {
        b"ns" => 1,
        // The sign for micro, and the Greek letter.
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn leading_digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits
}

/// A decimal fraction of a unit, in doubles as Go calculates it; digits beyond 63 bits are dropped.
fn part_of(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in fraction.bytes() {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|next| value <= (LIMIT - 1) / 10 && *next <= LIMIT) else { break };
        value = next;
        scale *= 10.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "Go's doubles")]
    let part = value as f64 * (unit as f64 / scale);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than the unit, and not negative")]
    let part = part as u64;
    part
}
