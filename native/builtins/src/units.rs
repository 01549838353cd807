//! Quantities with units: `units.parse` and `units.parse_bytes`.

use fleetgate_value::{Number, Value};
use num_bigint::{BigInt, Sign};

use crate::operand::string;
use crate::{Answer, Context, Error, Table, integer};

pub(crate) const TABLE: Table = &[("units.parse", parse), ("units.parse_bytes", parse_bytes)];

/// Digits that an exponent may have.
const MAX_EXPONENT_DIGITS: usize = 6;

/// Exponents beyond make numbers that are refused, or that are zero as far as they are shown.
const MAX_EXPONENT: i64 = 4096;

/// Decimals that are shown of what is no integer.
const DECIMALS: i64 = 10;

/// The double next to a thousandth is this by two to [`MILLI_SHIFT`].
const MILLI: u64 = 1_152_921_504_606_847;
const MILLI_SHIFT: u32 = 60;

/// Amounts of Kubernetes: `10Mi`, `100m`, `1e3`.
fn parse(_: &mut Context, operands: &[Value]) -> Answer {
    let error = |text: &str| Error::Builtin(format!("units.parse: {text}"));
    let text = string(operands, 1)?.replace('"', "");
    if text.contains(' ') {
        return Err(error("spaces not allowed in resource strings"));
    }
    let (amount, unit) = split(&text).ok_or_else(|| error("exponent too large"))?;
    if amount.is_empty() {
        return Err(error("no amount provided"));
    }
    let unit = from_second_lower(unit);
    let (factor, shift) = match unit.as_str() {
        "m" => (MILLI, MILLI_SHIFT),
        other => (factor(other).ok_or_else(|| error(&format!("unit {other} not recognized")))?, 0),
    };
    let amount = Amount::parse(amount).ok_or_else(|| error("could not parse amount to a number"))?;
    Ok(Value::Number(amount.times(factor, shift)?))
}

/// Upper and lower case tell `m` from `M`, and nothing else.
fn factor(unit: &str) -> Option<u64> {
    const POWERS: &str = "kmgtpe";
    let (prefix, base) = unit.strip_suffix('i').map_or((unit, 1000_u64), |prefix| (prefix, 1024));
    match prefix {
        "" => unit.is_empty().then_some(1),
        prefix if prefix.len() == 1 => {
            let power = POWERS.find(&prefix.to_ascii_lowercase())?;
            base.checked_pow(u32::try_from(power).ok()? + 1)
        }
        _ => None,
    }
}

fn from_second_lower(unit: &str) -> String {
    let mut characters = unit.chars();
    let first = characters.next();
    first.into_iter().chain(characters.as_str().to_lowercase().chars()).collect()
}

/// Amounts of bytes: `10MB`, `1.5KiB`, `1e3`.
fn parse_bytes(_: &mut Context, operands: &[Value]) -> Answer {
    let error = |text: &str| Error::Builtin(format!("units.parse_bytes: {text}"));
    let text = string(operands, 1)?.to_lowercase().replace('"', "");
    if text.contains(' ') {
        return Err(error("spaces not allowed in resource strings"));
    }
    let (amount, unit) = split(&text).ok_or_else(|| error("exponent too large"))?;
    if amount.is_empty() {
        return Err(error("no byte amount provided"));
    }
    let prefix = unit.strip_suffix('b').filter(|prefix| !prefix.is_empty()).unwrap_or(unit);
    let factor = factor(prefix).ok_or_else(|| error(&format!("byte unit {unit} not recognized")))?;
    let amount = Amount::parse(amount).ok_or_else(|| error("could not parse byte amount to a number"))?;
    amount.check_size()?;
    let factor = Number::from(&BigInt::from(factor)).to_float();
    integer::answer(&amount.to_number().to_float().mul(&factor).truncate())
}

/// Number and unit; none where the exponent is too long. The unit begins where no number goes on, so `1e` is one `e`.
fn split(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let mut index = 0;
    while index < bytes.len() {
        match at(index) {
            b'e' | b'E' => {
                if !matches!(at(index + 1), b'0'..=b'9' | b'+' | b'-') {
                    break;
                }
                if matches!(at(index + 1), b'+' | b'-') {
                    index += 1;
                }
                let digits = bytes.iter().skip(index + 1).take_while(|byte| byte.is_ascii_digit()).count();
                if digits > MAX_EXPONENT_DIGITS {
                    return None;
                }
            }
            b'0'..=b'9' | b'.' | b'+' | b'-' => {}
            _ => break,
        }
        index += 1;
    }
    text.split_at_checked(index)
}

/// `±digits × 10^exponent`
struct Amount {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Amount {
    /// Reads what Go reads as a decimal: `-1.5e3`, `+.5`, `1.`.
    fn parse(text: &str) -> Option<Self> {
        let (negative, rest) =
            text.strip_prefix('-').map_or_else(|| (false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
        let (mantissa, exponent) =
            rest.split_once(['e', 'E']).map_or((rest, None), |(mantissa, e)| (mantissa, Some(e)));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{integer}{fraction}");
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(&digits) || !exponent.is_none_or(|exponent| are_digits(exponent.trim_start_matches(['+', '-'])))
        {
            return None;
        }
        let exponent: i64 = exponent.map_or(Some(0), |exponent| exponent.parse().ok())?;
        Some(Self { negative, digits, exponent: exponent - i64::try_from(fraction.len()).ok()? })
    }

    fn is_zero(&self) -> bool {
        self.digits.bytes().all(|digit| digit == b'0')
    }

    fn magnitude(&self) -> i64 {
        self.exponent.saturating_add(i64::try_from(self.digits.len()).unwrap_or(i64::MAX))
    }

    fn check_size(&self) -> Result<(), Error> {
        if !self.is_zero() && self.magnitude() > MAX_EXPONENT { Err(Error::Size) } else { Ok(()) }
    }

    fn to_number(&self) -> Number {
        let sign = if self.negative { "-" } else { "" };
        Number::from_json_text(&format!("{sign}{}e{}", self.digits, self.exponent))
    }

    /// The product with `factor ÷ 2^shift`: an integer where it is one, else to ten decimals, halves away from zero.
    fn times(&self, factor: u64, shift: u32) -> Result<Number, Error> {
        self.check_size()?;
        let digits: BigInt = self.digits.parse().unwrap_or_default();
        if self.is_zero() {
            return Ok(Number::from(0_i64));
        }
        if self.magnitude() < -MAX_EXPONENT {
            return Ok(shown(self.negative, &BigInt::ZERO));
        }
        let ten = |power: i64| BigInt::from(10).pow(u32::try_from(power.max(0)).unwrap_or(0));
        let dividend = digits * factor * ten(self.exponent);
        let divisor = ten(-self.exponent) << shift;
        let quotient = &dividend / &divisor;
        if &quotient * &divisor == dividend {
            return Ok(Number::from(&if self.negative { -quotient } else { quotient }));
        }
        let rounded = (dividend * ten(DECIMALS) * 2 + &divisor) / (divisor * 2);
        Ok(shown(self.negative, &rounded))
    }
}

/// A number by its digits with [`DECIMALS`] of them after the point.
fn shown(negative: bool, digits: &BigInt) -> Number {
    let sign = if negative { "-" } else { "" };
    let one = BigInt::from_biguint(Sign::Plus, 10_000_000_000_u64.into());
    Number::from_json_text(&format!("{sign}{}.{:010}", digits / &one, digits % &one))
}
