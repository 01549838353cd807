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

    /// The nearest to `±integer × 2^exponent`, where `sticky` says that there is a little more than that.
    fn rounded(negative: bool, integer: &BigUint, exponent: i64, sticky: bool) -> Self {
        let bits = integer.bits();
        if bits == 0 {
            return Self { negative, ..Self::ZERO };
        }
        let Some(excess) = bits.checked_sub(PRECISION).filter(|excess| *excess > 0) else {
            let shift = PRECISION - bits;
            let mantissa = low_bits(&(integer << shift));
            return Self::bounded(negative, mantissa, exponent - signed(shift));
        };
        let mut mantissa = low_bits(&(integer >> excess));
        let mut exponent = exponent + signed(excess);
        let half = integer.bit(excess - 1);
        let more = sticky || integer.trailing_zeros().is_some_and(|zeros| zeros < excess - 1);
        if half && (more || mantissa & 1 == 1) {
            mantissa = mantissa.wrapping_add(1);
            if mantissa == 0 {
                mantissa = 1 << 63;
                exponent += 1;
            }
        }
        Self::bounded(negative, mantissa, exponent)
    }

    const fn bounded(negative: bool, mantissa: u64, exponent: i64) -> Self {
        if exponent < -MAX_EXPONENT {
            return Self { negative, mantissa: 0, exponent: 0 };
        }
        let exponent = if exponent > MAX_EXPONENT { MAX_EXPONENT } else { exponent };
        Self { negative, mantissa, exponent }
    }

    pub(crate) fn of_decimal(decimal: &Decimal) -> Self {
        let (digits, power) = decimal.scaled();
        let bound = MAX_EXPONENT / 4;
        if decimal.digits.is_empty() || power < -bound {
            return Self { negative: decimal.negative, ..Self::ZERO };
        }
        let ten = BigUint::from(10_u8).pow(u32::try_from(power.abs().min(bound)).unwrap_or(0));
        if power >= 0 {
            return Self::rounded(decimal.negative, &(digits * ten), 0, false);
        }
        Self::quotient(decimal.negative, &digits, &ten, 0)
    }

    /// The nearest to `±dividend ÷ divisor × 2^exponent`.
    fn quotient(negative: bool, dividend: &BigUint, divisor: &BigUint, exponent: i64) -> Self {
        // Two bits more than the mantissa has, so that what is left over only decides what the bits leave open.
        let shift = (PRECISION + 2 + divisor.bits()).saturating_sub(dividend.bits());
        let dividend = dividend << shift;
        let quotient = &dividend / divisor;
        let sticky = &quotient * divisor != dividend;
        Self::rounded(negative, &((quotient << 1_u8) + u8::from(sticky)), exponent - signed(shift) - 1, false)
    }

    /// The sum.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let low = match (self.mantissa, other.mantissa) {
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
        Self::rounded(sum.sign() == Sign::Minus, sum.magnitude(), low, false)
    }

    /// The difference.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }

    /// The product.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        let product = BigUint::from(self.mantissa) * BigUint::from(other.mantissa);
        Self::rounded(self.negative != other.negative, &product, self.exponent + other.exponent, false)
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
        Self::rounded(integer.sign() == Sign::Minus, integer.magnitude(), 0, false)
    }

    const fn sign(&self) -> Sign {
        match (self.mantissa, self.negative) {
            (0, _) => Sign::NoSign,
            (_, true) => Sign::Minus,
            (_, false) => Sign::Plus,
        }
    }

    /// The fewest decimal digits that read back as this number, and the power of ten of the first of them.
    fn shortest(&self) -> (String, i64) {
        let (digits, scale) = if self.exponent >= 0 {
            (BigUint::from(self.mantissa) << self.exponent, 0)
        } else {
            let fives = BigUint::from(5_u8).pow(u32::try_from(-self.exponent).unwrap_or(0));
            (BigUint::from(self.mantissa) * fives, self.exponent)
        };
        let exact = digits.to_radix_be(10);
        let point = signed(exact.len() as u64) + scale;
        for count in 1..=exact.len() {
            let (kept, rest) = exact.split_at(count);
            let down = Decimal { negative: false, digits: kept.to_vec(), point };
            let mut up = Decimal { negative: false, digits: kept.to_vec(), point };
            increment(&mut up);
            let candidates = if rounds_up(kept, rest) { [up, down] } else { [down, up] };
            if let Some(found) = candidates.into_iter().find(|candidate| Self::of_decimal(candidate) == self.abs()) {
                return written(&found);
            }
        }
        written(&Decimal { negative: false, digits: exact, point })
    }
}

/// Digits and power of ten of the first, trailing zeros dropped.
fn written(decimal: &Decimal) -> (String, i64) {
    let digits: String = decimal.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
    (digits.trim_end_matches('0').to_owned(), decimal.point - 1)
}

/// Whether digits that go on with `rest` are nearer to the next larger of `kept`; half goes to the even one.
fn rounds_up(kept: &[u8], rest: &[u8]) -> bool {
    match rest.split_first() {
        None => false,
        Some((5, rest)) if rest.iter().all(|digit| *digit == 0) => kept.last().is_some_and(|digit| digit % 2 == 1),
        Some((first, _)) => *first >= 5,
    }
}

/// The next larger decimal of as many digits.
fn increment(decimal: &mut Decimal) {
    for digit in decimal.digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    decimal.digits.insert(0, 1);
    decimal.digits.pop();
    decimal.point += 1;
}

/// As Go's `Text('f', -1)` where there is no fraction, else `Text('g', -1)`.
impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        if self.mantissa == 0 {
            return write!(f, "{sign}0");
        }
        let (digits, exponent) = self.shortest();
        f.write_str(&if self.is_integer() {
            go::plain(sign, &digits, exponent)
        } else {
            go::general(sign, &digits, exponent)
        })
    }
}

impl From<i64> for Float {
    fn from(value: i64) -> Self {
        Self::rounded(value < 0, &BigUint::from(value.unsigned_abs()), 0, false)
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
