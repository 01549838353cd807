//! Label selectors as kubectl writes them: `env=prod,region in (eu, us),!edge`.

use fleetgate_value::Value;

use super::Selector;
use super::parse::{is_label_key, is_label_value};
use super::selector::{Operator, Requirement};

impl Selector {
    /// Reads a selector of requirements with commas between them: `k`, `!k`, `k=v`, `k==v`, `k!=v`, `k in (v, w)`,
    /// `k notin (v, w)`. An empty text selects everything.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn of_text(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::new(Vec::new()));
        }
        pieces(text).into_iter().map(requirement).collect::<Result<_, _>>().map(Self::new)
    }
}

/// The text between commas that stand in no parentheses.
fn pieces(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let outside = |symbol: char| {
        match symbol {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        symbol == ',' && depth == 0
    };
    text.split(outside).map(str::trim).collect()
}

fn requirement(piece: &str) -> Result<Requirement, String> {
    if let Some(key) = piece.strip_prefix('!') {
        return of(key, Operator::DoesNotExist);
    }
    if let Some((key, value)) = piece.split_once("!=") {
        return of(key, Operator::NotIn(vec![value_of(value)?]));
    }
    if let Some((key, value)) = piece.split_once("==").or_else(|| piece.split_once('=')) {
        return of(key, Operator::In(vec![value_of(value)?]));
    }
    let Some((key, rest)) = piece.split_once(|symbol: char| symbol.is_whitespace() || symbol == '(') else {
        return of(piece, Operator::Exists);
    };
    // The parenthesis that may have ended the key belongs to what follows it.
    let rest = piece.get(key.len()..).unwrap_or(rest).trim();
    let listed = |rest: &str| {
        let inner = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let inner = inner.ok_or_else(|| format!("{piece:?}: values in parentheses are expected"))?;
        inner.split(',').map(value_of).collect::<Result<Vec<_>, String>>()
    };
    if let Some(rest) = rest.strip_prefix("notin") {
        return of(key, Operator::NotIn(listed(rest)?));
    }
    if let Some(rest) = rest.strip_prefix("in") {
        return of(key, Operator::In(listed(rest)?));
    }
    Err(format!("{piece:?}: `=`, `!=`, `in` or `notin` is expected"))
}

fn of(key: &str, operator: Operator) -> Result<Requirement, String> {
    let key = key.trim();
    if !is_label_key(key) {
        return Err(format!("{key:?} is not a valid label key"));
    }
    Ok(Requirement { key: Value::from(key), operator })
}

fn value_of(value: &str) -> Result<Box<str>, String> {
    let value = value.trim();
    if is_label_value(value) { Ok(value.into()) } else { Err(format!("{value:?} is not a valid label value")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use super::*;

    fn admits(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<String, String> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Selector::of_text(selector).unwrap().matches_labels(&labels)
    }

    /// As `labels.Parse` of apimachinery.
    #[test]
    fn selects_as_kubectl() {
        let labels = [("env", "prod"), ("region", "eu"), ("example.com/tier", "gold"), ("empty", "")];
        for (selector, admitted) in [
            ("", true),
            ("env", true),
            ("!env", false),
            ("edge", false),
            ("!edge", true),
            ("! edge", true),
            ("env=prod", true),
            ("env==prod", true),
            ("env = prod , region=eu", true),
            ("env=test", false),
            ("env!=test", true),
            ("edge!=x", true),
            ("env!=prod", false),
            ("env in (test, prod)", true),
            ("env in (test)", false),
            ("env in(prod)", true),
            ("env notin (prod)", false),
            ("edge notin (x,y)", true),
            ("example.com/tier=gold,region in (eu,us),!edge", true),
            ("empty=", true),
            ("empty", true),
            ("in in (in)", false),
            ("env=prod,region in (us,asia)", false),
            ("env==prod, example.com/tier = gold", true),
            ("edge in (a,b),env", false),
        ] {
            assert_eq!(admits(selector, &labels), admitted, "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            ",",
            "env,",
            "=prod",
            "!",
            "env in",
            "env in prod",
            "env in (prod",
            "env of (prod)",
            "env prod",
            "-x=y",
            "env=a b",
            "env=a=b",
            "env>1",
            "(a)",
            "env in ((a))",
            "env in prod)",
        ] {
            assert!(Selector::of_text(text).is_err(), "{text}");
        }
    }
}
