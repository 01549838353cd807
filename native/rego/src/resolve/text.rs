//! Terms as OPA writes them in its errors.

use std::fmt::Write as _;

use crate::builtins;

use super::ir::{Body, Collection, Expr, Kind, Names, Node, Part, Value};

/// A term as Rego.
pub(super) fn node(names: &Names, node: &Node) -> String {
    let mut out = String::new();
    write_node(names, node, &mut out);
    out
}

/// A reference as Rego.
pub(super) fn reference(names: &Names, parts: &[Node]) -> String {
    let mut out = String::new();
    write_reference(names, parts, &mut out);
    out
}

/// The name of what a call calls, as built-ins are found by.
pub(super) fn operator(names: &Names, operator: &Node) -> String {
    let parts = operator.as_ref().unwrap_or_default();
    dotted(names, parts).unwrap_or_else(|| reference(names, parts))
}

/// A reference of names alone, dots between them.
fn dotted(names: &Names, parts: &[Node]) -> Option<String> {
    let (head, rest) = parts.split_first()?;
    let mut out = names.text(head.as_var()?).to_owned();
    for part in rest {
        let Value::String(name) = &part.value else {
            return None;
        };
        out.push('.');
        out.push_str(name);
    }
    Some(out)
}

/// Quotes as Go does.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    const KEYWORDS: &[&str] = &[
        "not", "package", "import", "as", "default", "else", "with", "null", "true", "false", "some", "if", "contains",
        "in", "every",
    ];
    starts && text.chars().all(word) && !KEYWORDS.contains(&text)
}

fn write_reference(names: &Names, parts: &[Node], out: &mut String) {
    let Some((head, rest)) = parts.split_first() else {
        return;
    };
    if !rest.is_empty()
        && let Some(name) = dotted(names, parts)
        && builtins::find(&name).is_some()
    {
        out.push_str(&name);
        return;
    }
    match &head.value {
        Value::String(text) => out.push_str(text),
        _ => write_node(names, head, out),
    }
    for part in rest {
        match &part.value {
            Value::String(text) if is_name(text) => {
                out.push('.');
                out.push_str(text);
            }
            Value::String(text) if !text.chars().any(|c| c.is_control() || c == '\\') => {
                let _ = write!(out, "[\"{text}\"]");
            }
            _ => {
                out.push('[');
                write_node(names, part, out);
                out.push(']');
            }
        }
    }
}

fn list<'n>(names: &Names, nodes: impl IntoIterator<Item = &'n Node>, out: &mut String) {
    for (at, node) in nodes.into_iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        write_node(names, node, out);
    }
}

fn write_node(names: &Names, node: &Node, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(text) => out.push_str(text),
        Value::String(text) => quote(text, out),
        Value::Var(var) if names.is_wildcard(*var) => out.push('_'),
        Value::Var(var) => out.push_str(names.text(*var)),
        Value::Ref(parts) => write_reference(names, parts, out),
        Value::Array(items) => {
            out.push('[');
            list(names, items, out);
            out.push(']');
        }
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => {
            out.push('{');
            list(names, items, out);
            out.push('}');
        }
        Value::Object(pairs) => {
            out.push('{');
            for (at, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write_node(names, key, out);
                out.push_str(": ");
                write_node(names, value, out);
            }
            out.push('}');
        }
        Value::Call(terms) => {
            if let Some((operator, operands)) = terms.split_first() {
                write_node(names, operator, out);
                out.push('(');
                list(names, operands, out);
                out.push(')');
            }
        }
        Value::Comprehension(inner) => {
            let (open, close) = if inner.makes == Collection::Array { ('[', ']') } else { ('{', '}') };
            out.push(open);
            if let Some(key) = &inner.key {
                write_node(names, key, out);
                out.push_str(": ");
            }
            write_node(names, &inner.value, out);
            out.push_str(" | ");
            write_body(names, &inner.body, out);
            out.push(close);
        }
        Value::Template(parts) => {
            out.push_str("$\"");
            for part in parts {
                match part {
                    Part::Scalar(Node { value: Value::String(text), .. }) => out.push_str(text),
                    Part::Scalar(node) => write_node(names, node, out),
                    Part::Expr(expr) => {
                        out.push('{');
                        write_expr(names, expr, out);
                        out.push('}');
                    }
                }
            }
            out.push('"');
        }
    }
}

fn write_body(names: &Names, body: &Body, out: &mut String) {
    for (at, expr) in body.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "; " });
        write_expr(names, expr, out);
    }
}

fn write_expr(names: &Names, expr: &Expr, out: &mut String) {
    if expr.negated {
        out.push_str("not ");
    }
    match &expr.kind {
        Kind::Term(node) => write_node(names, node, out),
        Kind::Call(terms) => match terms.split_first() {
            Some((operator, [left, right])) if infix(&super::text::operator(names, operator)).is_some() => {
                write_node(names, left, out);
                let sign = infix(&super::text::operator(names, operator)).unwrap_or_default();
                let _ = write!(out, " {sign} ");
                write_node(names, right, out);
            }
            Some((operator, operands)) => {
                write_node(names, operator, out);
                out.push('(');
                list(names, operands, out);
                out.push(')');
            }
            None => {}
        },
        Kind::Some(symbols) => {
            out.push_str("some ");
            list(names, symbols, out);
        }
        Kind::Every(every) => {
            out.push_str("every ");
            list(names, every.key.iter().chain([&every.value]), out);
            out.push_str(" in ");
            write_node(names, &every.domain, out);
            out.push_str(" { ");
            write_body(names, &every.body, out);
            out.push_str(" }");
        }
        Kind::Not(body, _) => {
            out.push_str("not {");
            write_body(names, body, out);
            out.push('}');
        }
        Kind::Logical(logical) => {
            for (at, (body, _)) in logical.sides.iter().enumerate() {
                out.push_str(if at == 0 {
                    ""
                } else if logical.or {
                    " or "
                } else {
                    " and "
                });
                write_body(names, body, out);
            }
        }
    }
    for with in &expr.with {
        out.push_str(" with ");
        write_node(names, &with.target, out);
        out.push_str(" as ");
        write_node(names, &with.value, out);
    }
}

fn infix(name: &str) -> Option<&'static str> {
    Some(match name {
        "eq" => "=",
        "assign" => ":=",
        "equal" => "==",
        "neq" => "!=",
        "lt" => "<",
        "lte" => "<=",
        "gt" => ">",
        "gte" => ">=",
        "plus" => "+",
        "minus" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "and" => "&",
        "or" => "|",
        _ => return None,
    })
}
