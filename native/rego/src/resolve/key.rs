//! Constants as keys of objects and of types.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::ir::{Node, Value};

/// A constant, sets as arrays, in OPA's order of such values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Null,
    Bool(bool),
    Number(Number),
    String(Arc<str>),
    Array(Vec<Key>),
    Object(Vec<(Key, Key)>),
}

/// A number by its value: `1`, `1.0` and `1e0` are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Number {
    negative: bool,
    /// Power of ten of the first digit.
    scale: i64,
    /// Without zeros at either end; empty for zero.
    digits: String,
    text: NumberText,
}

/// How the number is written, which does not tell numbers apart.
#[derive(Debug, Clone)]
struct NumberText(Arc<str>);

impl PartialEq for NumberText {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for NumberText {}

impl std::hash::Hash for NumberText {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Number {
    pub(super) fn of(text: &str) -> Self {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let leading = all.len() - significant.len();
        let digits = significant.trim_end_matches('0').to_owned();
        let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(0);
        let place = i64::try_from(whole.len()).unwrap_or(0) - i64::try_from(leading).unwrap_or(0);
        let zero = digits.is_empty();
        let scale = if zero { 0 } else { place.saturating_add(exponent) };
        Self { negative: negative && !zero, scale, digits, text: NumberText(Arc::from(text)) }
    }

    /// The value if it is a position in an array.
    fn index(&self) -> Option<usize> {
        self.text.0.parse().ok()
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let magnitude = || self.scale.cmp(&other.scale).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { magnitude().reverse() } else { magnitude() })
    }
}

impl Key {
    /// The key that a constant is; `None` for what is not constant.
    pub(super) fn of(node: &Node) -> Option<Self> {
        Some(match &node.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(text) => Self::Number(Number::of(text)),
            Value::String(text) => Self::String(text.clone()),
            Value::Array(items) | Value::Set(items) => Self::Array(items.iter().map(Self::of).collect::<Option<_>>()?),
            Value::Object(pairs) => {
                let pair = |(key, value): &(Node, Node)| Some((Self::of(key)?, Self::of(value)?));
                let mut pairs: Vec<_> = pairs.iter().map(pair).collect::<Option<_>>()?;
                pairs.sort();
                Self::Object(pairs)
            }
            Value::Template(_) | Value::Var(_) | Value::Ref(_) | Value::Comprehension(_) | Value::Call(_) => {
                return None;
            }
        })
    }

    pub(super) fn string(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    /// The position in an array that this is.
    pub(super) fn index(&self) -> Option<usize> {
        if let Self::Number(number) = self { number.index() } else { None }
    }

    /// The key as Rego.
    pub(super) fn rego(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.text.0),
            Self::String(text) => super::text::quote(text, out),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    item.rego(out);
                }
                out.push(']');
            }
            Self::Object(pairs) => {
                out.push('{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    key.rego(out);
                    out.push_str(": ");
                    value.rego(out);
                }
                out.push('}');
            }
        }
    }
}

/// The key as Go prints it, which is how it stands in the text of types.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(&number.text.0),
            Self::String(text) => f.write_str(text),
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Self::Object(pairs) => {
                f.write_str("map[")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if at == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_apart_by_value() {
        for (a, b) in [("1", "1.0"), ("1e2", "100"), ("0", "-0"), ("0.05", "5e-2"), ("120", "1.2e2")] {
            assert_eq!(Number::of(a), Number::of(b), "{a} {b}");
        }
        for (a, b) in
            [("1", "2"), ("-2", "-1"), ("-1", "0"), ("0", "0.001"), ("9", "10"), ("0.02", "0.1"), ("-10", "-9")]
        {
            assert!(Number::of(a) < Number::of(b), "{a} {b}");
        }
    }
}
