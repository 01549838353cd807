//! Exact decimals: what the text of a number says.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint};

/// Beyond this exponent a number is compared by its size only and never written out.
const LONGEST: i64 = 4096;

/// `±0.d₁d₂… × 10^point`, without leading or trailing zeros; zero has no digits, but a sign.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) negative: bool,
    pub(crate) digits: Vec<u8>,
    pub(crate) point: i64,
}

impl Decimal {
    /// Reads a number of JSON; what is none counts as zero.
    pub(crate) fn parse(text: &str) -> Self {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        // An exponent beyond 64 bits is as good as the largest.
        let exponent =
            exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 });
        let all = integer.bytes().chain(fraction.bytes()).map(|byte| byte.wrapping_sub(b'0'));
        let leading = all.clone().take_while(|digit| *digit == 0).count();
        let mut digits: Vec<u8> = all.skip(leading).collect();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Self { negative, digits, point: 0 };
        }
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX / 4);
        let leading = i64::try_from(leading).unwrap_or(i64::MAX / 4);
        let point = exponent.clamp(i64::MIN / 4, i64::MAX / 4) + length(integer) - leading;
        Self { negative, digits, point }
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.digits.len() <= usize::try_from(self.point.max(0)).unwrap_or(usize::MAX)
    }

    pub(crate) fn to_bigint(&self) -> Option<BigInt> {
        if !self.is_integer() || self.point > LONGEST {
            return None;
        }
        let (integer, exponent) = self.scaled();
        let integer = BigInt::from(integer * BigUint::from(10_u8).pow(u32::try_from(exponent).ok()?));
        Some(if self.negative { -integer } else { integer })
    }

    /// The digits as an integer, and the power of ten to multiply it by.
    pub(crate) fn scaled(&self) -> (BigUint, i64) {
        let digits = BigUint::from_radix_be(&self.digits, 10).unwrap_or_default();
        (digits, self.point - i64::try_from(self.digits.len()).unwrap_or(0))
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let below_zero = |decimal: &Self| decimal.negative && !decimal.digits.is_empty();
        match (below_zero(self), below_zero(other)) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
