//! Label selectors as kubectl writes them (`labels.Parse` of apimachinery).

use std::collections::BTreeMap;

/// A selector: all requirements have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TextSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl TextSelector {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`; an empty text admits everything.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
        parts.map(requirement).collect::<Result<_, _>>().map(Self)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|Requirement { key, operator }| {
            let value = labels.get(key);
            match operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::Absent => value.is_none(),
            }
        })
    }
}

/// At commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let made = |key: &str, operator| {
        let key = key.trim();
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if is_key {
            Ok(Requirement { key: key.to_owned(), operator })
        } else {
            Err(format!("{part:?} is no requirement"))
        }
    };
    if let Some(list) = part.strip_suffix(')') {
        let Some((head, values)) = list.split_once('(') else { return Err(format!("{part:?} is no requirement")) };
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match head.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => made(key, Operator::In(values)),
            Some((key, "notin")) => made(key, Operator::NotIn(values)),
            _ => Err(format!("{part:?} is no requirement")),
        };
    }
    if let Some(key) = part.strip_prefix('!') {
        return made(key, Operator::Absent);
    }
    for (sign, is_negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let values = vec![value.trim().to_owned()];
            return made(key, if is_negated { Operator::NotIn(values) } else { Operator::In(values) });
        }
    }
    made(part, Operator::Exists)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn as_kubectl_reads_them() {
        let labels: BTreeMap<String, String> =
            [("a", "b"), ("x/y", "1"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        for (text, expected) in [
            ("", true),
            ("a=b", true),
            ("a==b, x/y = 1", true),
            ("a!=b", false),
            ("c!=b", true),
            ("a in (b, c)", true),
            ("a notin (b)", false),
            ("c notin (b)", true),
            ("a,!c", true),
            ("!a", false),
            ("c", false),
            ("empty=", true),
            ("a in (c,d),a", false),
        ] {
            assert_eq!(TextSelector::parse(text).unwrap().matches(&labels), expected, "{text}");
        }
        for text in ["a b", "=b", "a of (b)", "(a)", "!", "a in b)"] {
            assert!(TextSelector::parse(text).is_err(), "{text}");
        }
    }
}
