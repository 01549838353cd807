//! Terms as text.

use crate::ast::{Call, Term, TermRef, Value};
use crate::builtins;
use crate::span::Span;

use super::writer::{Writer, is_keyword};
use super::{Emit, Unsupported, emit_exprs, is_wildcard};

/// The sign of a built-in that has one and how tightly it binds.
fn sign(call: &Call) -> Option<(u8, &'static str)> {
    let [only] = call.operator.as_ref_parts()? else {
        return None;
    };
    Some(match &**only.as_var()? {
        "assign" => (0, ":="),
        "eq" => (0, "="),
        "equal" => (2, "=="),
        "neq" => (2, "!="),
        "lt" => (2, "<"),
        "lte" => (2, "<="),
        "gt" => (2, ">"),
        "gte" => (2, ">="),
        "or" => (3, "|"),
        "and" => (4, "&"),
        "plus" => (5, "+"),
        "minus" => (5, "-"),
        "mul" => (6, "*"),
        "div" => (6, "/"),
        "rem" => (6, "%"),
        _ => return None,
    })
}

pub(super) fn write(out: &mut Writer, term: &Term) -> Emit {
    out.mark(term.span);
    match &term.value {
        Value::Null => out.raw("null"),
        Value::Bool(true) => out.raw("true"),
        Value::Bool(false) => out.raw("false"),
        Value::Number(text) => number(out, text),
        Value::String(text) => out.string(text),
        Value::Var(_) if is_wildcard(term) => out.raw("_"),
        Value::Var(name) if is_keyword(name) => {
            return Err(Unsupported { what: "a variable that is a keyword in Rego v1", span: term.span });
        }
        Value::Var(name) => out.raw(name),
        Value::Template(_) => {
            return Err(Unsupported { what: "a template string", span: term.span });
        }
        Value::Ref(parts) => {
            let Some((head, rest)) = parts.split_first() else {
                return Ok(());
            };
            return steps(out, head, rest);
        }
        Value::Array(items) => bracketed(out, "[", items, "]")?,
        Value::Set(items) if items.is_empty() => out.raw("set()"),
        Value::Set(items) => bracketed(out, "{", items, "}")?,
        Value::Object(pairs) => object(out, pairs)?,
        Value::ArrayComprehension(head, body) => {
            out.raw("[");
            operand(out, head)?;
            out.raw(" | ");
            emit_exprs(out, body, "", "; ")?;
            out.raw("]");
        }
        Value::SetComprehension(head, body) => {
            out.raw("{");
            operand(out, head)?;
            out.raw(" | ");
            emit_exprs(out, body, "", "; ")?;
            out.raw("}");
        }
        Value::ObjectComprehension(key, value, body) => {
            out.raw("{");
            operand(out, key)?;
            out.raw(": ");
            operand(out, value)?;
            out.raw(" | ");
            emit_exprs(out, body, "", "; ")?;
            out.raw("}");
        }
        Value::Call(item) => return call(out, item, term.span),
    }
    Ok(())
}

/// A number without a point at its start, which not every engine reads.
fn number(out: &mut Writer, text: &str) {
    let (minus, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    out.raw(minus);
    if digits.starts_with('.') {
        out.raw("0");
    }
    out.raw(digits);
}

/// A term where an operator or bracket may follow: between parentheses if it has a sign of its own.
pub(super) fn operand(out: &mut Writer, term: &Term) -> Emit {
    if !has_sign(term) {
        return write(out, term);
    }
    out.raw("(");
    write(out, term)?;
    out.raw(")");
    Ok(())
}

fn has_sign(term: &Term) -> bool {
    matches!(&term.value, Value::Call(call) if sign(call).is_some() || is_membership(call))
}

fn is_membership(call: &Call) -> bool {
    call.path().is_some_and(|path| path.starts_with("internal.member_"))
}

/// Terms between commas.
pub(super) fn list(out: &mut Writer, items: &[TermRef]) -> Emit {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.raw(", ");
        }
        operand(out, item)?;
    }
    Ok(())
}

fn bracketed(out: &mut Writer, open: &str, items: &[TermRef], close: &str) -> Emit {
    out.raw(open);
    list(out, items)?;
    out.raw(close);
    Ok(())
}

fn object(out: &mut Writer, pairs: &[(TermRef, TermRef)]) -> Emit {
    out.raw("{");
    for (index, (key, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.raw(", ");
        }
        operand(out, key)?;
        out.raw(": ");
        operand(out, value)?;
    }
    out.raw("}");
    Ok(())
}

/// A reference: its head, then `.name` or `[term]` for each step.
pub(super) fn steps(out: &mut Writer, head: &Term, rest: &[TermRef]) -> Emit {
    out.mark(head.span);
    operand(out, head)?;
    for step in rest {
        match step.as_str() {
            Some(name) => out.name_step(name),
            None => {
                out.raw("[");
                write(out, step)?;
                out.raw("]");
            }
        }
    }
    Ok(())
}

/// A call with its sign, or by name.
pub(super) fn call(out: &mut Writer, call: &Call, span: Span) -> Emit {
    out.mark(span);
    if is_membership(call) {
        return membership(out, call, span);
    }
    match (sign(call), call.args.as_slice()) {
        (Some((level, sign)), [lhs, rhs]) => {
            side(out, lhs, level, false)?;
            out.raw(" ");
            out.raw(sign);
            out.raw(" ");
            side(out, rhs, level, true)
        }
        (Some(_), _) => Err(Unsupported { what: "an operator with more or fewer than two operands", span }),
        (None, args) => {
            // The name of a built-in can be a keyword: `contains`.
            match call.path().filter(|path| builtins::find(path).is_some()) {
                Some(path) => out.raw(&path),
                None => write(out, &call.operator)?,
            }
            // A function without arguments is a rule.
            if args.is_empty() && call.path().is_none_or(|path| builtins::find(&path).is_none()) {
                return Ok(());
            }
            bracketed(out, "(", args, ")")
        }
    }
}

/// Whether a term is a union: behind the brace of a body, `a | b` would be read as a comprehension.
pub(super) fn is_union(term: &Term) -> bool {
    matches!(&term.value, Value::Call(call) if call_is_union(call))
}

pub(super) fn call_is_union(call: &Call) -> bool {
    sign(call).is_some_and(|(_, sign)| sign == "|")
}

/// One side of an operator of `level`; parentheses where the side's own operator does not bind tighter.
fn side(out: &mut Writer, term: &Term, level: u8, is_right: bool) -> Emit {
    let own = match &term.value {
        Value::Call(call) if is_membership(call) => Some(1),
        Value::Call(call) => sign(call).map(|(level, _)| level),
        _ => None,
    };
    match own {
        Some(own) if own < level || own == level && is_right => operand(out, term),
        // Between operators of less strength, at the start of an expression.
        Some(own) if own > level && !is_right && is_union(term) => operand(out, term),
        _ => write(out, term),
    }
}

/// `value in domain` or `key, value in domain`, without parentheses.
pub(super) fn membership(out: &mut Writer, call: &Call, span: Span) -> Emit {
    let Some((domain, left)) = call.args.split_last() else {
        return Err(Unsupported { what: "a membership test without operands", span });
    };
    list(out, left)?;
    out.raw(" in ");
    operand(out, domain)
}
