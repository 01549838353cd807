//! Texts of doubles, as Go's `strconv.FormatFloat` and the flag `#` make them.

/// Digits after the point that a double can have.
const MOST_DIGITS: usize = 1100;

/// A double without sign.
pub(super) fn text(value: f64, verb: char, precision: Option<usize>, sharp: bool) -> String {
    let number = match verb {
        'b' => binary(value),
        'x' | 'X' => hexadecimal(value, precision, verb == 'X'),
        'e' | 'E' => exponential(value, precision.unwrap_or(6), verb),
        'f' | 'F' => fixed(value, precision.unwrap_or(6)),
        _ => general(value, precision, if verb == 'G' { 'E' } else { 'e' }),
    };
    if sharp && verb != 'b' { pointed(&number, verb, precision) } else { number }
}

fn fixed(value: f64, precision: usize) -> String {
    let mut out = format!("{value:.*}", precision.min(MOST_DIGITS));
    out.extend(std::iter::repeat_n('0', precision.saturating_sub(MOST_DIGITS)));
    out
}

/// All significant digits of a rounded double, and the exponent of the first.
fn rounded(value: f64, precision: usize) -> (String, i32) {
    let text = format!("{value:.*e}", precision.min(MOST_DIGITS));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.chars().filter(char::is_ascii_digit).collect(), exponent.parse().unwrap_or(0))
}

fn exponential(value: f64, precision: usize, letter: char) -> String {
    let (mut digits, exponent) = rounded(value, precision);
    digits.extend(std::iter::repeat_n('0', precision.saturating_sub(MOST_DIGITS)));
    scientific(&digits, exponent, letter)
}

fn scientific(digits: &str, exponent: i32, letter: char) -> String {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}{letter}{sign}{:02}", exponent.unsigned_abs())
}

fn general(value: f64, precision: Option<usize>, letter: char) -> String {
    let (digits, exponent, limit) = match precision {
        None => {
            let text = format!("{value:e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            (digits, exponent.parse().unwrap_or(0), 6)
        }
        Some(precision) => {
            let precision = precision.max(1);
            let (digits, exponent) = rounded(value, precision - 1);
            let digits = digits.trim_end_matches('0').to_owned();
            // A number whose digits end before the point does so without exponent up to the precision.
            let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
            let precision = i32::try_from(precision).unwrap_or(i32::MAX);
            let limit = if precision > length && length > exponent { length } else { precision };
            (digits, exponent, limit)
        }
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    if exponent < -4 || exponent >= limit {
        return scientific(&digits, exponent, letter);
    }
    fleetgate_value::go::plain("", &digits, i64::from(exponent))
}

/// Bits of the fraction of a double.
const FRACTION: u32 = 52;
const BIAS: i32 = 1023;

/// Mantissa and exponent of the last bit of the mantissa.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << FRACTION) - 1);
    let exponent = i32::try_from((bits >> FRACTION) & 0x7ff).unwrap_or(0);
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << FRACTION };
    (mantissa, exponent.max(1) - BIAS - 52)
}

/// `4503599627370496p-52`
fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

/// `0x1.8p+01`
fn hexadecimal(value: f64, precision: Option<usize>, upper: bool) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The first digit is 1 and stands at bit 60: fifteen digits follow.
        let shift = mantissa.leading_zeros().saturating_sub(3);
        mantissa <<= shift;
        exponent += 60 - i32::try_from(shift).unwrap_or(0);
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let shift = u32::try_from(precision).unwrap_or(0) * 4;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        let odd = mantissa & 1;
        if extra | odd > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) => {
            let kept = digits.get(..precision.min(15)).unwrap_or_default();
            format!("{kept}{}", "0".repeat(precision.saturating_sub(15)))
        }
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{fraction}p{sign}{:02}", mantissa >> 60, exponent.unsigned_abs());
    if upper { text.to_ascii_uppercase() } else { text }
}

/// With a point, and for some verbs with the zeros that the precision asks for.
fn pointed(number: &str, verb: char, precision: Option<usize>) -> String {
    let mut missing = match verb {
        'v' | 'g' | 'G' | 'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let hex = matches!(verb, 'x' | 'X');
    let tail_at = number.find(|c: char| matches!(c, 'p' | 'P') || !hex && matches!(c, 'e' | 'E')).unwrap_or(number.len());
    let (body, tail) = number.split_at_checked(tail_at).unwrap_or((number, ""));
    let significant = body.chars().filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    missing = missing.saturating_sub(significant);
    let mut out = body.to_owned();
    if !body.contains('.') {
        if body == "0" {
            missing = missing.saturating_sub(1);
        }
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', missing));
    out.push_str(tail);
    out
}
