//! Template strings.

use crate::ast::{Expr, ExprKind, Template, TemplatePart, Term, TermRef, Value};
use crate::span::Span;
use crate::text;
use crate::token::Kind;

use super::{Parse, Parser, Stop};

impl Parser<'_> {
    /// A template string whose first piece of text is ahead. Stops at its last piece.
    pub(super) fn template_string(&mut self, raw: bool) -> Parse<TermRef> {
        let start = self.start();
        if !self.capabilities.template_strings {
            self.hinted(self.token().span, "template strings are not in this version of Rego", "use sprintf");
            return Err(Stop);
        }
        let mut parts = Vec::new();
        // The first piece opens with `$` and a quote, each further one where its expression's brace closed.
        let mut opening = 2;
        loop {
            let span = self.token().span;
            let text = self.template_text(raw, opening)?;
            opening = 0;
            if !text.is_empty() {
                parts.push(TemplatePart::Scalar(Term::string(span, &text)));
            }
            if matches!(self.kind(), Kind::TemplateEnd | Kind::RawTemplateEnd) {
                break;
            }
            self.scan();
            parts.push(self.template_expr()?);
            if !self.at(Kind::RBrace) {
                return Err(self.unexpected("`}` after the template's expression"));
            }
            self.scan_tight();
        }
        let span = Span::new(start, self.token().span.end);
        Ok(Term::new(span, Value::Template(Template { raw, parts })))
    }

    fn template_text(&mut self, raw: bool, opening: usize) -> Parse<String> {
        let token = self.token();
        let written = token.span.text(self.source);
        let inner = written.get(opening..written.len().saturating_sub(1)).unwrap_or("");
        if raw {
            return Ok(text::unescape_raw(inner));
        }
        let Some(text) = text::unescape(inner, true) else {
            self.error(token.span, "illegal text in template string");
            return Err(Stop);
        };
        Ok(text.into_owned())
    }

    fn template_expr(&mut self) -> Parse<TemplatePart> {
        let after_comment = self.token().after_comment;
        let Ok(expr) = self.literal() else {
            self.error(self.token().span, "invalid expression in template string");
            return Err(Stop);
        };
        if let Some(what) = forbidden(&expr) {
            self.error(expr.span, format!("unexpected {what} in template string"));
            return Err(Stop);
        }
        Ok(match &expr.kind {
            ExprKind::Term(term)
                if !after_comment
                    && matches!(term.value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) =>
            {
                TemplatePart::Scalar(term.clone())
            }
            _ => TemplatePart::Expr(Box::new(expr)),
        })
    }
}

/// What a template string cannot show.
fn forbidden(expr: &Expr) -> Option<&'static str> {
    match &expr.kind {
        _ if expr.negated => Some("negation"),
        ExprKind::Call(call) if call.is("eq") => Some("unification"),
        ExprKind::Call(call) if call.is("assign") => Some("assignment"),
        ExprKind::Every(_) => Some("`every`"),
        ExprKind::Some(_) => Some("`some`"),
        _ => None,
    }
}
