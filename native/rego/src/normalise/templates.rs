//! `$"a {x}"` is text with the values of expressions in it, `<undefined>` for those that have none. Strings stand as they
//! are, everything else as Rego writes it.
//!
//! Each expression is written twice, so those that nest are written as often as two to the power of their depth. Beyond
//! [`MOST_LEVELS`] they are left: no policy comes near.

use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Module, Template, TemplatePart, Term, TermRef, Value};
use crate::fold::{self, Fold};
use crate::span::Span;

use super::{Fresh, assign};

/// How deep template strings may stand in one another.
const MOST_LEVELS: usize = 4;

/// Replaces template strings by calls of `concat`. Those that could have several values are left.
pub(super) fn lower(mut module: Module, fresh: &mut Fresh) -> Module {
    let mut lower = Lower { fresh, levels: 0 };
    module.rules = module.rules.into_iter().map(|rule| fold::rule(&mut lower, rule)).collect();
    module
}

struct Lower<'f> {
    fresh: &'f mut Fresh,
    /// Template strings in one another inside the term that was folded last.
    levels: usize,
}

impl Fold for Lower<'_> {
    fn term(&mut self, term: &TermRef) -> TermRef {
        let outside = std::mem::take(&mut self.levels);
        let term = fold::inner_term(self, term);
        let inside = self.levels;
        self.levels = outside.max(inside);
        let Value::Template(template) = &term.value else {
            return term;
        };
        self.levels = outside.max(inside + 1);
        if inside >= MOST_LEVELS {
            return term;
        }
        match self.parts(template) {
            Some(parts) => {
                let parts = Term::new(term.span, Value::Array(parts));
                call(term.span, &["concat"], vec![Term::string(term.span, ""), parts])
            }
            None => term,
        }
    }
}

impl Lower<'_> {
    fn parts(&mut self, template: &Template) -> Option<Vec<TermRef>> {
        let part = |part: &TemplatePart| match part {
            TemplatePart::Scalar(term) => Some(scalar(term)),
            TemplatePart::Expr(expr) => self.shown(expr),
        };
        template.parts.iter().map(part).collect()
    }

    /// The text of an expression's value, or of its absence: the first of what is a string, what is none, and nothing.
    fn shown(&mut self, expr: &Expr) -> Option<TermRef> {
        let span = expr.span;
        let value = match &expr.kind {
            ExprKind::Term(term) => term.clone(),
            ExprKind::Call(call) if !call.is("walk") => Term::new(span, Value::Call(call.clone())),
            _ => return None,
        };
        let is_string = |variable: &TermRef| {
            let call = Call { operator: Term::path(span, "is_string", &[]), args: vec![variable.clone()] };
            Expr::new(span, ExprKind::Call(call))
        };
        let bind = |variable: &TermRef| assign(variable.clone(), value.clone(), &expr.with);
        let (text, other) = (self.fresh.var(span), self.fresh.var(span));
        let strings = Body { exprs: vec![bind(&text), is_string(&text)] };
        let no_string = Expr { negated: true, ..is_string(&other) };
        let others = Body { exprs: vec![bind(&other), no_string] };
        let written = self.written(&other);
        let strings = Term::new(span, Value::ArrayComprehension(text, strings));
        let others = Term::new(span, Value::ArrayComprehension(written, others));
        let nothing = Term::new(span, Value::Array(vec![Term::string(span, "<undefined>")]));
        let concat = |first, second| call(span, &["array", "concat"], vec![first, second]);
        let first = Term::new(span, Value::Number(Arc::from("0")));
        Some(Term::new(span, Value::Ref(vec![concat(strings, concat(others, nothing)), first])))
    }

    /// A value as Rego writes it: inside an array, without the brackets, since `sprintf` has its own way with numbers.
    fn written(&mut self, value: &TermRef) -> TermRef {
        let span = value.span;
        let array = |items| Term::new(span, Value::Array(items));
        let number = |text: &str| Term::new(span, Value::Number(Arc::from(text)));
        let text = call(span, &["sprintf"], vec![Term::string(span, "%v"), array(vec![array(vec![value.clone()])])]);
        let length = call(span, &["minus"], vec![call(span, &["count"], vec![text.clone()]), number("2")]);
        call(span, &["substring"], vec![text, number("1"), length])
    }
}

fn scalar(term: &TermRef) -> TermRef {
    let text = match &term.value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(text) => text,
        _ => return term.clone(),
    };
    Term::string(term.span, text)
}

fn call(span: Span, path: &[&str], args: Vec<TermRef>) -> TermRef {
    let (head, steps) = path.split_first().map_or(("", path), |(head, steps)| (*head, steps));
    Term::new(span, Value::Call(Call { operator: Term::path(span, head, steps), args }))
}
