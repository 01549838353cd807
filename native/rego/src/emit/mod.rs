//! Syntax to canonical Rego v1: one spelling for each meaning, so that every engine reads the same.
//!
//! Expressions end with `;`, never with a line break alone, since some engines take a bracket on the next line for an
//! index or a call. Names that are keywords stand in brackets. What has no plain spelling is refused, never approximated.

mod term;
mod writer;

use crate::ast::{Body, Expr, ExprKind, Head, Import, Module, Rule, Term, TermRef};
use crate::span::Span;

use writer::Writer;

/// Canonical text of a module, and where each piece of it comes from.
#[derive(Debug, Clone)]
pub struct Emitted {
    /// The text.
    pub text: String,
    /// Offsets of the text, ascending, with the place of what starts there in the module's own source.
    origins: Vec<(u32, Span)>,
}

impl Emitted {
    /// The place in the module's own source of what stands at `offset` in the text.
    #[must_use]
    pub fn origin(&self, offset: u32) -> Option<Span> {
        let next = self.origins.partition_point(|(start, _)| *start <= offset);
        self.origins.get(next.checked_sub(1)?).map(|(_, span)| *span)
    }

    /// As [`Self::origin`], for the start of line `row` (from one) of the text.
    #[must_use]
    pub fn origin_of_row(&self, row: u32) -> Option<Span> {
        let before = self.text.lines().take(row.saturating_sub(1) as usize);
        let start: usize = before.map(|line| line.len() + 1).sum();
        let line = self.text.get(start..)?.lines().next().unwrap_or("");
        let indent = line.len() - line.trim_start().len();
        self.origin(u32::try_from(start + indent).ok()?)
    }
}

/// Syntax that canonical text cannot say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// What it is.
    pub what: &'static str,
    /// Where it is.
    pub span: Span,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cannot be evaluated", self.what)
    }
}

impl std::error::Error for Unsupported {}

type Emit = Result<(), Unsupported>;

/// Writes `module` as canonical Rego v1.
///
/// # Errors
///
/// The first syntax that has no canonical spelling; [`crate::normalise`] removes most of it beforehand.
pub fn emit(module: &Module) -> Result<Emitted, Unsupported> {
    let mut out = Writer::default();
    out.raw("package ");
    out.path(module.package.path.get(1..).unwrap_or_default());
    out.raw("\n");
    for import in &module.imports {
        emit_import(&mut out, import)?;
    }
    for rule in &module.rules {
        out.raw("\n");
        emit_rule(&mut out, rule)?;
    }
    Ok(Emitted { text: out.text, origins: out.origins })
}

/// Imports of keywords say nothing in Rego v1.
fn emit_import(out: &mut Writer, import: &Import) -> Emit {
    let parts = import.path.as_ref_parts().unwrap_or_default();
    let root = parts.first().and_then(|head| head.as_var()).map_or("", |name| &**name);
    if matches!(root, "future" | "rego") {
        return Ok(());
    }
    let name = import.alias.as_deref().or_else(|| parts.last()?.as_str());
    if name.is_some_and(writer::is_keyword) {
        return Err(Unsupported { what: "an import whose name is a keyword in Rego v1", span: import.span });
    }
    out.mark(import.span);
    out.raw("import ");
    out.path(parts);
    if let Some(alias) = &import.alias {
        out.raw(" as ");
        out.raw(alias);
    }
    out.raw("\n");
    Ok(())
}

fn emit_rule(out: &mut Writer, rule: &Rule) -> Emit {
    out.mark(rule.span);
    if rule.is_default {
        out.raw("default ");
    }
    emit_head(out, &rule.head)?;
    let bare = rule.is_default || rule.generated_body && rule.head.args.is_empty();
    if bare && rule.else_rule.is_none() {
        out.raw("\n");
        return Ok(());
    }
    emit_rule_body(out, &rule.body)?;
    for next in rule.chain().skip(1) {
        out.raw(" else := ");
        out.mark(next.span);
        match &next.head.value {
            Some(value) => term::write(out, value)?,
            None => out.raw("true"),
        }
        emit_rule_body(out, &next.body)?;
    }
    out.raw("\n");
    Ok(())
}

fn emit_rule_body(out: &mut Writer, body: &Body) -> Emit {
    out.raw(" if {\n");
    emit_exprs(out, body, "\t", ";\n")?;
    out.raw("\n}");
    Ok(())
}

fn emit_head(out: &mut Writer, head: &Head) -> Emit {
    emit_head_path(out, head)?;
    if !head.args.is_empty() {
        out.raw("(");
        term::list(out, &head.args)?;
        out.raw(")");
    }
    let (word, term) = match (&head.value, &head.key) {
        (Some(value), _) => (" := ", value),
        (None, Some(key)) => (" contains ", key),
        (None, None) => return Ok(()),
    };
    out.raw(word);
    term::write(out, term)
}

fn emit_head_path(out: &mut Writer, head: &Head) -> Emit {
    let Some(name) = head.reference.first() else {
        return Ok(());
    };
    match name.as_var() {
        Some(word) if !writer::is_keyword(word) => {}
        _ => {
            return Err(Unsupported { what: "a rule whose name is a keyword or a call", span: name.span });
        }
    }
    term::steps(out, name, head.reference.get(1..).unwrap_or_default())
}

/// The expressions of a body, each after `before`, with `between` them.
fn emit_exprs(out: &mut Writer, body: &Body, before: &str, between: &str) -> Emit {
    for (index, item) in body.exprs.iter().enumerate() {
        if index > 0 {
            out.raw(between);
        }
        out.raw(before);
        emit_expr(out, item)?;
    }
    Ok(())
}

fn emit_expr(out: &mut Writer, expr: &Expr) -> Emit {
    out.mark(expr.span);
    if expr.negated {
        out.raw("not ");
    }
    match &expr.kind {
        ExprKind::Term(item) if term::is_union(item) => term::operand(out, item)?,
        ExprKind::Term(item) => term::write(out, item)?,
        ExprKind::Call(call) if term::call_is_union(call) => {
            out.raw("(");
            term::call(out, call, expr.span)?;
            out.raw(")");
        }
        ExprKind::Call(call) => term::call(out, call, expr.span)?,
        ExprKind::Some(symbols) => emit_some(out, symbols)?,
        ExprKind::Every(every) => {
            out.raw("every ");
            if let Some(key) = &every.key {
                term::write(out, key)?;
                out.raw(", ");
            }
            term::write(out, &every.value)?;
            out.raw(" in ");
            term::operand(out, &every.domain)?;
            out.raw(" { ");
            emit_exprs(out, &every.body, "", "; ")?;
            out.raw(" }");
        }
        ExprKind::Not(_) | ExprKind::And(_) | ExprKind::Or(_) => {
            return Err(Unsupported { what: "`and`, `or` or `not` before a body", span: expr.span });
        }
    }
    for with in &expr.with {
        out.raw(" with ");
        term::write(out, &with.target)?;
        out.raw(" as ");
        term::operand(out, &with.value)?;
    }
    Ok(())
}

fn emit_some(out: &mut Writer, symbols: &[TermRef]) -> Emit {
    out.raw("some ");
    match symbols {
        [only] => match &only.value {
            crate::ast::Value::Call(call) => term::membership(out, call, only.span),
            _ => term::write(out, only),
        },
        many => term::list(out, many),
    }
}

/// Whether a term is the variable `_`, whose name in the syntax tree is its own.
fn is_wildcard(term: &Term) -> bool {
    term.as_var().is_some_and(|name| name.starts_with('$'))
}
