//! Numbers as OPA has them: the decimal text is the number.
//!
//! OPA keeps a number as the text that it was written as or that an operation gave, compares numbers by their exact decimal
//! value, and calculates in binary floating point of 64 bits of mantissa. The representation here is a function of the text:
//! integers that fit are [`Number::Int`], what Go would print for a double is [`Number::Double`], anything else is the text.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::decimal::Decimal;
use crate::float::Float;
use crate::go;

/// A number.
#[derive(Debug, Clone)]
pub enum Number {
    /// An integer, written without exponent.
    Int(i64),
    /// A finite double, written as Go's `strconv.FormatFloat(f, 'g', -1, 64)` writes it: integers from a million on have an
    /// exponent.
    Double(f64),
    /// Any other text of a number.
    Text(Arc<str>),
}

impl Number {
    /// The number of a JSON text (`-12.5e3`); none where it is no such text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !is_json_number(text) {
            return None;
        }
        Some(Self::from_json_text(text))
    }

    /// The number of a text that is known to be JSON's; of any other text the result has that text.
    #[must_use]
    pub fn from_json_text(text: &str) -> Self {
        if let Ok(integer) = text.parse::<i64>()
            && (integer != 0 || !text.starts_with('-'))
        {
            return Self::Int(integer);
        }
        match text.parse::<f64>() {
            Ok(double) if double.is_finite() && go::format_double(double) == text => Self::from_double(double),
            _ => Self::Text(text.into()),
        }
    }

    /// A finite double as Go's `float64` becomes a number of OPA; others are 0, which no reader lets through.
    #[must_use]
    pub fn from_double(double: f64) -> Self {
        if double.is_finite()
            && double.fract() == 0.0
            && double.abs() < 1e6
            && !(double == 0.0 && double.is_sign_negative())
        {
            #[allow(clippy::cast_possible_truncation, reason = "an integer below a million")]
            return Self::Int(double as i64);
        }
        if double.is_finite() { Self::Double(double) } else { Self::Int(0) }
    }

    /// The integer, where the text is that of one that fits: `1e6` and `1.0` are none, as in OPA.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        if let Self::Int(integer) = self { Some(*integer) } else { None }
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "nearest is what is asked for")]
            Self::Int(integer) => *integer as f64,
            Self::Double(double) => *double,
            Self::Text(text) => text.parse().unwrap_or(0.0),
        }
    }

    /// As binary floating point of 64 bits of mantissa, in which OPA calculates.
    #[must_use]
    pub fn to_float(&self) -> Float {
        match self {
            Self::Int(integer) => Float::from(*integer),
            _ => Float::of_decimal(&self.decimal()),
        }
    }

    /// Whether the number has no fraction, however it is written.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        match self {
            Self::Int(_) => true,
            Self::Double(double) => double.fract() == 0.0,
            Self::Text(_) => self.decimal().is_integer(),
        }
    }

    /// The exact integer of any size, where the number has no fraction and is below 10^4096.
    #[must_use]
    pub fn to_bigint(&self) -> Option<num_bigint::BigInt> {
        match self {
            Self::Int(integer) => Some((*integer).into()),
            _ => self.decimal().to_bigint(),
        }
    }

    /// Whether both are written the same: `1`, `1.0` and `1e0` are equal, and are not.
    #[must_use]
    pub fn is_written_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }

    fn decimal(&self) -> Decimal {
        Decimal::parse(&self.to_string())
    }
}

/// Whether `text` is a number of JSON.
fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = rest.find(['e', 'E']).map_or((rest, None), |at| {
        let (mantissa, exponent) = rest.split_at(at);
        (mantissa, exponent.get(1..))
    });
    let (integer, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(integer, rest)| (integer, Some(rest)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(integer)
        && (integer.len() == 1 || !integer.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(integer) => write!(f, "{integer}"),
            Self::Double(double) => f.write_str(&go::format_double(*double)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            // The shortest decimals of two doubles are in the order of the doubles; -0 equals 0.
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
            _ => self.decimal().cmp(&other.decimal()),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        i64::try_from(value).map_or_else(|_| Self::Text(value.to_string().into()), Self::Int)
    }
}

impl From<&num_bigint::BigInt> for Number {
    fn from(value: &num_bigint::BigInt) -> Self {
        i64::try_from(value).map_or_else(|_| Self::Text(value.to_string().into()), Self::Int)
    }
}

impl From<&Float> for Number {
    /// As OPA turns the result of a calculation into a number.
    fn from(value: &Float) -> Self {
        Self::from_json_text(&value.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn the_text_is_kept() {
        for text in
            ["0", "-0", "1", "1.0", "1e6", "1e+06", "1000000", "0.10", "123456789012345678901234567890", "1E400", "-5"]
        {
            assert_eq!(number(text).to_string(), text);
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "+1", "0x1", "1_0", " 1", "NaN"] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn order_is_that_of_exact_decimals() {
        for (a, order, b) in [
            ("1", Ordering::Equal, "1.0"),
            ("1000000", Ordering::Equal, "1e+06"),
            ("-0", Ordering::Equal, "0"),
            ("12345678901234567", Ordering::Less, "1.2345678901234568e+16"),
            ("0.1", Ordering::Less, "0.10000000000000000000001"),
            ("1e400", Ordering::Greater, "1e399"),
            ("-1e400", Ordering::Less, "-9e399"),
            ("2", Ordering::Less, "10"),
            ("-2", Ordering::Greater, "-10.5"),
        ] {
            assert_eq!(number(a).cmp(&number(b)), order, "{a} {b}");
            assert_eq!(number(b).cmp(&number(a)), order.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn doubles_print_as_go_prints_them() {
        for (double, text) in [
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (20_971_520.0, "2.097152e+07"),
            (-0.0, "-0"),
            (0.0001, "0.0001"),
            (1e-5, "1e-05"),
            (1_217_384_407_607_098.2, "1.2173844076070982e+15"),
        ] {
            assert_eq!(Number::from_double(double).to_string(), text);
        }
        assert_eq!(Number::from_double(1e6), Number::Int(1_000_000));
        assert_eq!(Number::from_double(1e6).as_i64(), None);
        assert_eq!(Number::from_double(5.0).as_i64(), Some(5));
    }
}
