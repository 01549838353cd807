//! OPA's order of terms, by which it keeps the members of sets and objects.

use std::cmp::Ordering;

use crate::ast::{Term, TermRef, Value};

/// The members of a set, sorted, equal ones once.
pub(super) fn set(items: &[TermRef]) -> Vec<&Term> {
    let mut out: Vec<&Term> = items.iter().map(|item| &**item).collect();
    out.sort_by(|a, b| compare(a, b));
    out.dedup_by(|later, first| compare(later, first).is_eq());
    out
}

/// The items of an object by sorted key. OPA keeps repeated keys in its syntax tree, in the order written.
pub(super) fn object(pairs: &[(TermRef, TermRef)]) -> Vec<(&Term, &Term)> {
    let mut out: Vec<(&Term, &Term)> = pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
    out.sort_by(|a, b| compare(a.0, b.0));
    out
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Template(_) => 4,
        Value::Var(_) => 5,
        Value::Ref(_) => 6,
        Value::Array(_) => 7,
        Value::Object(_) => 8,
        Value::Set(_) => 9,
        Value::ArrayComprehension(..) => 10,
        Value::ObjectComprehension(..) => 11,
        Value::SetComprehension(..) => 12,
        Value::Call(_) => 13,
    }
}

fn compare(a: &Term, b: &Term) -> Ordering {
    match (&a.value, &b.value) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => Decimal::new(a).compare(&Decimal::new(b)),
        (Value::String(a), Value::String(b)) | (Value::Var(a), Value::Var(b)) => a.cmp(b),
        (Value::Ref(a), Value::Ref(b)) | (Value::Array(a), Value::Array(b)) => {
            compare_all(a.iter().map(|item| &**item), b.iter().map(|item| &**item))
        }
        (Value::Set(a), Value::Set(b)) => compare_all(set(a), set(b)),
        (Value::Object(a), Value::Object(b)) => compare_objects(&object(a), &object(b)),
        (Value::Call(a), Value::Call(b)) => compare(&a.operator, &b.operator)
            .then_with(|| compare_all(a.args.iter().map(|item| &**item), b.args.iter().map(|item| &**item))),
        (x, y) => rank(x).cmp(&rank(y)).then_with(|| super::term(a).to_string().cmp(&super::term(b).to_string())),
    }
}

fn compare_all<'a>(a: impl IntoIterator<Item = &'a Term>, b: impl IntoIterator<Item = &'a Term>) -> Ordering {
    let mut b = b.into_iter();
    for item in a {
        let Some(other) = b.next() else {
            return Ordering::Greater;
        };
        let order = compare(item, other);
        if order.is_ne() {
            return order;
        }
    }
    if b.next().is_some() { Ordering::Less } else { Ordering::Equal }
}

/// Item by item: the keys, then the values of equal keys.
fn compare_objects(a: &[(&Term, &Term)], b: &[(&Term, &Term)]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        let order = compare(x.0, y.0).then_with(|| compare(x.1, y.1));
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// A number by its digits, exact at any size.
struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
    /// The power of ten of the first digit, plus one.
    scale: i64,
}

impl Decimal {
    fn new(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let integers = mantissa.find('.').unwrap_or(mantissa.len());
        let all: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        let zeros = all.iter().take_while(|digit| **digit == b'0').count();
        let mut digits: Vec<u8> = all.into_iter().skip(zeros).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let position = i64::try_from(integers).unwrap_or(0) - i64::try_from(zeros).unwrap_or(0);
        Self { negative: negative && !digits.is_empty(), digits, scale: position + exponent }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| (!number.digits.is_empty()).then_some(!number.negative);
        match (sign(self), sign(other)) {
            (None, None) => Ordering::Equal,
            (Some(true), None | Some(false)) | (None, Some(false)) => Ordering::Greater,
            (None | Some(false), Some(true)) | (Some(false), None) => Ordering::Less,
            (Some(positive), Some(_)) => {
                let magnitude = self.scale.cmp(&other.scale).then_with(|| self.digits.cmp(&other.digits));
                if positive { magnitude } else { magnitude.reverse() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        let order = |a: &str, b: &str| Decimal::new(a).compare(&Decimal::new(b));
        assert!(order("1", "1.0").is_eq() && order("1e2", "100").is_eq() && order("-0", "0.0").is_eq());
        assert!(order("2", "10").is_lt() && order("-2", "-10").is_gt() && order("-1", "0").is_lt());
        assert!(order("12345678901234567890", "12345678901234567891").is_lt());
    }
}
