//! Types that are too long to read, cut down to where they differ.
//!
//! What is left out is marked by three dots.

use super::ty::{Shape, Type};

const DOTS: &str = "...";
/// Lines that are no wider than this are left alone.
const MAX_LINE: usize = 80;
/// A type that no error is about is cut if it is wider than this.
const MAX_TYPE: usize = 32;
/// Types are compared to this depth.
const MAX_DEPTH: usize = 8;

/// Whether a line of an error is to be cut.
pub(super) fn is_too_wide(lines: &[&str]) -> bool {
    lines.iter().any(|line| line.chars().count() > MAX_LINE)
}

/// A type, cut to its outermost kind unless it is short with `name` before it.
pub(super) fn short(name: &str, ty: &Type) -> String {
    let full = format!("{name}{ty}");
    if full.chars().count() <= MAX_TYPE { full } else { format!("{name}{}", cut(ty, 0)) }
}

/// A type with what is nested more than `depth` levels cut.
fn cut(ty: &Type, depth: usize) -> String {
    let inner = |ty: &Type| depth.checked_sub(1).map_or_else(|| DOTS.to_owned(), |depth| cut(ty, depth));
    let all = |types: &mut dyn Iterator<Item = String>, any: bool| -> Vec<String> {
        if depth == 0 && any { vec![DOTS.to_owned()] } else { types.collect() }
    };
    match ty.shape() {
        Shape::Set(of) if !of.is_unknown() => format!("set[{}]", inner(of)),
        Shape::Array(items, rest) => {
            let fixed = all(&mut items.iter().map(inner), !items.is_empty());
            composite("array", &fixed, &if rest.is_unknown() { String::new() } else { inner(rest) })
        }
        Shape::Object(fixed, rest) => {
            let any = !fixed.is_empty();
            let fixed = all(&mut fixed.iter().map(|(key, value)| format!("{key}: {}", inner(value))), any);
            let rest = match rest {
                None => String::new(),
                Some(_) if depth == 0 => DOTS.to_owned(),
                Some((key, value)) => format!("{}: {}", inner(key), inner(value)),
            };
            composite("object", &fixed, &rest)
        }
        Shape::Any(of) if !of.is_empty() => union(&all(&mut of.iter().map(inner), true)),
        Shape::Function(function) => {
            let mut args = all(&mut function.args.iter().map(inner), !function.args.is_empty());
            if !function.more.is_unknown() {
                args.push(if depth == 0 { DOTS.to_owned() } else { format!("{}...", inner(&function.more)) });
            }
            let result = if function.result.is_unknown() { "???".to_owned() } else { inner(&function.result) };
            format!("({}) => {result}", args.join(", "))
        }
        _ => ty.to_string(),
    }
}

fn same(a: &Type, b: &Type) -> bool {
    a.to_string() == b.to_string()
}

/// Two types, cut to where they differ.
pub(super) fn differing(a: &Type, b: &Type) -> (String, String) {
    differ(a, b, 0)
}

fn differ(a: &Type, b: &Type, depth: usize) -> (String, String) {
    let ends = || (short("", a), short("", b));
    if depth >= MAX_DEPTH || a.is_unknown() || b.is_unknown() || same(a, b) {
        return ends();
    }
    match (a.shape(), b.shape()) {
        (Shape::Set(a), Shape::Set(b)) if !a.is_unknown() && !b.is_unknown() => {
            let (left, right) = differ(a, b, depth + 1);
            (format!("set[{left}]"), format!("set[{right}]"))
        }
        (Shape::Array(items, rest), Shape::Array(others, other_rest)) => {
            if items.len() != others.len() || rest.is_unknown() != other_rest.is_unknown() {
                return (cut(a, 1), cut(b, 1));
            }
            let (left, right): (Vec<_>, Vec<_>) =
                items.iter().zip(others).map(|(a, b)| differ(a, b, depth + 1)).unzip();
            let (left_rest, right_rest) =
                if rest.is_unknown() { Default::default() } else { differ(rest, other_rest, depth + 1) };
            (composite("array", &left, &left_rest), composite("array", &right, &right_rest))
        }
        (Shape::Object(..), Shape::Object(..)) => differ_objects(a, b, depth),
        (Shape::Any(a), Shape::Any(b)) => {
            let only = |these: &[Type], others: &[Type]| -> Vec<String> {
                let own = these.iter().filter(|one| !others.iter().any(|other| same(one, other)));
                own.map(|one| short("", one)).collect()
            };
            let (mut left, mut right) = (only(a, b), only(b, a));
            if left.len() < a.len() {
                left.push(DOTS.to_owned());
                right.push(DOTS.to_owned());
            }
            (union(&left), union(&right))
        }
        (Shape::Function(a), Shape::Function(b)) if a.args.len() == b.args.len() => {
            let (left, right): (Vec<_>, Vec<_>) =
                a.args.iter().zip(&b.args).map(|(a, b)| differ(a, b, depth + 1)).unzip();
            let (left_result, right_result) = differ(&a.result, &b.result, depth + 1);
            (format!("({}) => {left_result}", left.join(", ")), format!("({}) => {right_result}", right.join(", ")))
        }
        _ => ends(),
    }
}

fn differ_objects(a: &Type, b: &Type, depth: usize) -> (String, String) {
    let (Shape::Object(a_fixed, a_rest), Shape::Object(b_fixed, b_rest)) = (a.shape(), b.shape()) else {
        return (short("", a), short("", b));
    };
    let (mut left, mut right, mut cut) = (Vec::new(), Vec::new(), false);
    for (key, value) in a_fixed {
        match b_fixed.iter().find(|(other, _)| other == key) {
            None => left.push(format!("{key}: {}", short("", value))),
            Some((_, other)) if same(value, other) => cut = true,
            Some((_, other)) => {
                let (mine, theirs) = differ(value, other, depth + 1);
                left.push(format!("{key}: {mine}"));
                right.push((key, format!("{key}: {theirs}")));
            }
        }
    }
    let alone = b_fixed.iter().filter(|(key, _)| !a_fixed.iter().any(|(other, _)| other == key));
    right.extend(alone.map(|(key, value)| (key, format!("{key}: {}", short("", value)))));
    right.sort_by(|a, b| a.0.cmp(b.0));
    let mut right: Vec<String> = right.into_iter().map(|(_, text)| text).collect();
    if cut {
        left.push(DOTS.to_owned());
        right.push(DOTS.to_owned());
    }
    let alone = |(key, value): &(Type, Type)| format!("{}: {}", short("", key), short("", value));
    let (left_rest, right_rest) = match (a_rest, b_rest) {
        (Some((a_key, a_value)), Some((b_key, b_value))) => {
            let (left_key, right_key) = differ(a_key, b_key, depth + 1);
            let (left_value, right_value) = differ(a_value, b_value, depth + 1);
            (format!("{left_key}: {left_value}"), format!("{right_key}: {right_value}"))
        }
        (a, b) => (a.as_ref().map(alone).unwrap_or_default(), b.as_ref().map(alone).unwrap_or_default()),
    };
    (composite("object", &left, &left_rest), composite("object", &right, &right_rest))
}

fn composite(kind: &str, fixed: &[String], rest: &str) -> String {
    let mut out = kind.to_owned();
    if !fixed.is_empty() {
        out = format!("{out}<{}>", fixed.join(", "));
    }
    if rest.is_empty() { out } else { format!("{out}[{rest}]") }
}

fn union(of: &[String]) -> String {
    if of.is_empty() { "any".to_owned() } else { format!("any<{}>", of.join(", ")) }
}
