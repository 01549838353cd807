//! Binary floating point of 64 bits of mantissa, rounded to nearest and to even: what Go's `big.Float` is by default, and so
//! what OPA calculates in.
//!
//! Calculations are rare on the way of a decision (integers that fit have a faster one), so clarity comes before speed here.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, BigUint, Sign};

use crate::decimal::Decimal;
use crate::go;

/// Bits of the mantissa.
const PRECISION: u64 = 64;

/// Bits of a double's mantissa.
const DOUBLE_PRECISION: u64 = 53;

/// The largest power of five that fits 64 bits.
const LARGEST_WORD_OF_FIVES: u64 = 27;

/// Exponents beyond are zero or infinity to us; Go's reach to 2³¹, but texts of such numbers fill gigabytes.
const MAX_EXPONENT: i64 = 1 << 20;

/// `±mantissa × 2^exponent`; the mantissa has 64 bits, its first set, or is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Float {
    negative: bool,
    mantissa: u64,
    exponent: i64,
}

impl Float {
    const ZERO: Self = Self { negative: false, mantissa: 0, exponent: 0 };

    /// The nearest to `±integer × 2^exponent`.
    fn rounded(negative: bool, integer: &BigUint, exponent: i64) -> Self {
        Self::rounded_to(PRECISION, negative, integer, exponent)
    }

    /// The nearest of `precision` bits to `±integer × 2^exponent`.
    fn rounded_to(precision: u64, negative: bool, integer: &BigUint, exponent: i64) -> Self {
        let bits = integer.bits();
        if bits == 0 {
            return Self { negative, ..Self::ZERO };
        }
        let (mantissa, more) = nearest(integer, precision);
        let exponent = exponent + more;
        let shift = PRECISION.saturating_sub(mantissa.bits());
        Self::bounded(negative, low_bits(&(mantissa << shift)), exponent - signed(shift))
    }

    const fn bounded(negative: bool, mantissa: u64, exponent: i64) -> Self {
        if exponent < -MAX_EXPONENT {
            return Self { negative, mantissa: 0, exponent: 0 };
        }
        let exponent = if exponent > MAX_EXPONENT { MAX_EXPONENT } else { exponent };
        Self { negative, mantissa, exponent }
    }

    /// As Go reads a decimal: digits by a power of five that is itself rounded, to twice the mantissa, where it is long.
    pub(crate) fn of_decimal(decimal: &Decimal) -> Self {
        let (digits, power) = decimal.scaled();
        if decimal.digits.is_empty() || power < -MAX_EXPONENT {
            return Self { negative: decimal.negative, ..Self::ZERO };
        }
        let power = power.min(MAX_EXPONENT);
        let (fives, exponent) = power_of_five(power.unsigned_abs());
        if power >= 0 {
            return Self::rounded(decimal.negative, &(digits * fives), power + exponent);
        }
        Self::quotient(decimal.negative, &digits, &fives, power - exponent)
    }

    /// The nearest to `±dividend ÷ divisor × 2^exponent`.
    fn quotient(negative: bool, dividend: &BigUint, divisor: &BigUint, exponent: i64) -> Self {
        // Two bits more than the mantissa has, so that what is left over only decides what the bits leave open.
        let shift = (PRECISION + 2 + divisor.bits()).saturating_sub(dividend.bits());
        let dividend = dividend << shift;
        let quotient = &dividend / divisor;
        let sticky = &quotient * divisor != dividend;
        Self::rounded(negative, &((quotient << 1_u8) + u8::from(sticky)), exponent - signed(shift) - 1)
    }

    /// The sum.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let low = match (self.mantissa, other.mantissa) {
            (0, 0) => return Self { negative: self.negative && other.negative, ..Self::ZERO },
            (0, _) => return other.clone(),
            (_, 0) => return self.clone(),
            _ => self.exponent.min(other.exponent),
        };
        // Far apart, the smaller one only tips the rounding: a hundred bits say which way as well as all of them.
        let reach = |float: &Self| (float.exponent - low).min(200);
        let aligned = |float: &Self| BigInt::from_biguint(float.sign(), BigUint::from(float.mantissa) << reach(float));
        let low = self.exponent.max(other.exponent) - reach(self).max(reach(other));
        let sum = aligned(self) + aligned(other);
        if sum.sign() == Sign::NoSign {
            return Self::ZERO;
        }
        Self::rounded(sum.sign() == Sign::Minus, sum.magnitude(), low)
    }

    /// The difference.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// The product.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        self.product(other, PRECISION)
    }

    /// The product, rounded to the mantissa of a double.
    #[must_use]
    pub fn mul_rounded_to_double(&self, other: &Self) -> Self {
        self.product(other, DOUBLE_PRECISION)
    }

    fn product(&self, other: &Self, precision: u64) -> Self {
        let product = BigUint::from(self.mantissa) * BigUint::from(other.mantissa);
        let negative = self.negative != other.negative;
        Self::rounded_to(precision, negative, &product, self.exponent + other.exponent)
    }

    /// The quotient; none where the divisor is zero.
    #[must_use]
    pub fn div(&self, other: &Self) -> Option<Self> {
        if other.mantissa == 0 {
            return None;
        }
        let negative = self.negative != other.negative;
        if self.mantissa == 0 {
            return Some(Self { negative, ..Self::ZERO });
        }
        let exponent = self.exponent - other.exponent;
        Some(Self::quotient(negative, &BigUint::from(self.mantissa), &BigUint::from(other.mantissa), exponent))
    }

    /// The negative.
    #[must_use]
    pub const fn neg(&self) -> Self {
        Self { negative: !self.negative, mantissa: self.mantissa, exponent: self.exponent }
    }

    /// Without its sign.
    #[must_use]
    pub const fn abs(&self) -> Self {
        Self { negative: false, mantissa: self.mantissa, exponent: self.exponent }
    }

    /// Whether it is below zero or the negative zero.
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it is zero.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// Whether it has no fraction.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.mantissa == 0 || self.exponent >= 0 || i64::from(self.mantissa.trailing_zeros()) >= -self.exponent
    }

    /// The integer towards zero.
    #[must_use]
    pub fn truncate(&self) -> BigInt {
        let mantissa = BigUint::from(self.mantissa);
        let magnitude = if self.exponent >= 0 {
            mantissa << self.exponent
        } else {
            mantissa >> self.exponent.unsigned_abs().min(64)
        };
        BigInt::from_biguint(self.sign(), magnitude)
    }

    /// The nearest to an integer of any size.
    #[must_use]
    pub fn of_bigint(integer: &BigInt) -> Self {
        Self::rounded(integer.sign() == Sign::Minus, integer.magnitude(), 0)
    }

    const fn sign(&self) -> Sign {
        match (self.mantissa, self.negative) {
            (0, _) => Sign::NoSign,
            (_, true) => Sign::Minus,
            (_, false) => Sign::Plus,
        }
    }

    /// Half of it.
    #[must_use]
    pub const fn halved(&self) -> Self {
        Self { negative: self.negative, mantissa: self.mantissa, exponent: self.exponent - 1 }
    }

    /// The text of a number that was rounded to a double's mantissa.
    #[must_use]
    pub fn double_text(&self) -> String {
        self.text(DOUBLE_PRECISION)
    }

    /// As Go's `Text('f', -1)` where there is no fraction, else `Text('g', -1)`.
    fn text(&self, precision: u64) -> String {
        let sign = if self.negative { "-" } else { "" };
        if self.mantissa == 0 {
            return format!("{sign}0");
        }
        let (digits, exponent) = self.shortest(precision);
        if self.is_integer() { go::plain(sign, &digits, exponent) } else { go::general(sign, &digits, exponent) }
    }

    /// As few decimal digits as tell this number from its neighbours, and the power of ten of the first of them.
    ///
    /// Go takes the neighbours to be equally far on both sides, which below a power of two they are not; its digits are
    /// what counts.
    fn shortest(&self, precision: u64) -> (String, i64) {
        // The last bit is half a step.
        let twice = BigUint::from(self.mantissa) << 1_u8 >> PRECISION.saturating_sub(precision);
        let exponent = self.exponent - 1 + signed(PRECISION.saturating_sub(precision));
        let inclusive = !twice.bit(1);
        let lower = digits(&(&twice - 1_u8), exponent);
        let upper = digits(&(&twice + 1_u8), exponent);
        let mut exact = digits(&twice, exponent);
        for (index, digit) in exact.digits.iter().enumerate() {
            let at = |decimal: &Decimal| decimal.digits.get(index).copied().unwrap_or(0);
            let down = *digit != at(&lower) || (inclusive && index + 1 == lower.digits.len());
            let up = *digit != at(&upper) && (inclusive || digit + 1 < at(&upper) || index + 1 < upper.digits.len());
            if down || up {
                let up = up && (!down || rounds_up(&exact.digits, index + 1));
                cut(&mut exact, index + 1, up);
                break;
            }
        }
        let text = exact.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        (text, exact.point - 1)
    }
}

/// The nearest of at most `precision` bits, halves to even, and the power of two to multiply it by.
fn nearest(integer: &BigUint, precision: u64) -> (BigUint, i64) {
    let Some(excess) = integer.bits().checked_sub(precision).filter(|excess| *excess > 0) else {
        return (integer.clone(), 0);
    };
    let kept = integer >> excess;
    let half = integer.bit(excess - 1);
    let more = integer.trailing_zeros().is_some_and(|zeros| zeros < excess - 1);
    let up = half && (more || kept.bit(0));
    let kept = kept + u8::from(up);
    // A carry gives one bit more, and the last ones are zero then.
    let carry = u8::from(kept.bits() > precision);
    (kept >> carry, signed(excess) + i64::from(carry))
}

/// A power of five as Go's `big.Float` calculates it: to 128 bits, by squares of 192 bits.
fn power_of_five(power: u64) -> (BigUint, i64) {
    let five = BigUint::from(5_u8);
    let exact = power.min(LARGEST_WORD_OF_FIVES);
    let mut result = (five.pow(u32::try_from(exact).unwrap_or(0)), 0);
    let mut square = (five, 0_i64);
    let mut rest = power - exact;
    let times = |a: &(BigUint, i64), b: &(BigUint, i64), precision| {
        let (product, more) = nearest(&(&a.0 * &b.0), precision);
        (product, a.1 + b.1 + more)
    };
    while rest > 0 {
        if rest & 1 == 1 {
            result = times(&result, &square, 2 * PRECISION);
        }
        square = times(&square, &square, 3 * PRECISION);
        rest >>= 1;
    }
    result
}

/// The decimal of `integer × 2^exponent`.
fn digits(integer: &BigUint, exponent: i64) -> Decimal {
    let (integer, scale) = if exponent >= 0 {
        (integer << exponent, 0)
    } else {
        let fives = BigUint::from(5_u8).pow(u32::try_from(-exponent).unwrap_or(0));
        (integer * fives, exponent)
    };
    let mut digits = integer.to_radix_be(10);
    let point = signed(digits.len() as u64) + scale;
    trim(&mut digits);
    Decimal { negative: false, digits, point }
}

/// Whether the digits from `count` on round up; half goes to the even one.
fn rounds_up(digits: &[u8], count: usize) -> bool {
    let (kept, rest) = digits.split_at(count.min(digits.len()));
    match rest {
        [] => false,
        [5] => kept.last().is_some_and(|digit| digit % 2 == 1),
        [first, ..] => *first >= 5,
    }
}

/// Leaves `count` digits, rounded up or down.
fn cut(decimal: &mut Decimal, count: usize, up: bool) {
    if count >= decimal.digits.len() {
        return;
    }
    decimal.digits.truncate(count);
    if !up {
        return trim(&mut decimal.digits);
    }
    while decimal.digits.pop_if(|digit| *digit == 9).is_some() {}
    if let Some(last) = decimal.digits.last_mut() {
        *last += 1;
    } else {
        decimal.digits.push(1);
        decimal.point += 1;
    }
}

fn trim(digits: &mut Vec<u8>) {
    while digits.pop_if(|digit| *digit == 0).is_some() {}
}

/// As Go's `Text('f', -1)` where there is no fraction, else `Text('g', -1)`.
impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(PRECISION))
    }
}

impl From<i64> for Float {
    fn from(value: i64) -> Self {
        Self::rounded(value < 0, &BigUint::from(value.unsigned_abs()), 0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let difference = self.sub(other);
        Some(match difference.sign() {
            Sign::Minus => Ordering::Less,
            Sign::NoSign => Ordering::Equal,
            Sign::Plus => Ordering::Greater,
        })
    }
}

fn low_bits(integer: &BigUint) -> u64 {
    integer.iter_u64_digits().next().unwrap_or(0)
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Number;

    fn float(text: &str) -> Float {
        Number::parse(text).unwrap().to_float()
    }

    /// Answers of OPA 1.22.2.
    #[test]
    fn calculations_are_those_of_opa() {
        let sum = |a, b| float(a).add(&float(b)).to_string();
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("1", "2"), "3");
        assert_eq!(sum("1e30", "1"), "1000000000000000000000000000000");
        assert_eq!(sum("9007199254740993", "0.5"), "9.0071992547409935e+15");
        assert_eq!(float("1").div(&float("3")).unwrap().to_string(), "0.33333333333333333334");
        assert_eq!(float("2").div(&float("3")).unwrap().to_string(), "0.6666666666666666667");
        assert_eq!(float("10").div(&float("4")).unwrap().to_string(), "2.5");
        assert_eq!(float("0.29").mul(&float("100")).to_string(), "29");
        assert_eq!(float("5").sub(&float("5")).to_string(), "0");
        assert!(float("1").div(&float("0")).is_none());
        assert_eq!(float("100").mul(&float("12345.678")).to_string(), "1.2345678e+06");
    }

    #[test]
    fn integers_of_up_to_64_bits_are_exact() {
        for text in ["0", "1", "-1", "18446744073709551615", "-9223372036854775808", "1000000"] {
            assert_eq!(float(text).to_string(), text);
        }
        assert_eq!(float("18446744073709551617").to_string(), "18446744073709551616");
        assert_eq!(float("-7.9").truncate(), BigInt::from(-7));
        assert_eq!(float("7").truncate(), BigInt::from(7));
    }
}
