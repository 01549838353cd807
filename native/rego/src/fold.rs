//! Rebuilding syntax with some of it changed.

use crate::ast::{Body, Call, Expr, ExprKind, Rule, Template, TemplatePart, Term, TermRef, Value, With};

/// A change of syntax: each method rebuilds what it is given, by default with the same parts, each rebuilt.
pub(crate) trait Fold {
    /// Rebuilds a body.
    fn body(&mut self, body: Body) -> Body {
        inner_body(self, body)
    }

    /// Rebuilds a term.
    fn term(&mut self, term: &TermRef) -> TermRef {
        inner_term(self, term)
    }
}

/// Rebuilds the parts of a rule and of each `else` after it.
pub(crate) fn rule(fold: &mut (impl Fold + ?Sized), mut rule: Rule) -> Rule {
    let head = &mut rule.head;
    let terms = head.args.iter_mut().chain(&mut head.key).chain(&mut head.value);
    for term in terms.chain(head.reference.iter_mut().skip(1)) {
        *term = fold.term(term);
    }
    rule.body = fold.body(rule.body);
    rule.else_rule = rule.else_rule.map(|next| Box::new(self::rule(fold, *next)));
    rule
}

pub(crate) fn inner_body(fold: &mut (impl Fold + ?Sized), body: Body) -> Body {
    Body { exprs: body.exprs.into_iter().map(|item| expr(fold, item)).collect() }
}

pub(crate) fn expr(fold: &mut (impl Fold + ?Sized), mut expr: Expr) -> Expr {
    expr.kind = match expr.kind {
        ExprKind::Term(term) => ExprKind::Term(fold.term(&term)),
        ExprKind::Call(item) => ExprKind::Call(call(fold, &item)),
        ExprKind::Some(symbols) => ExprKind::Some(terms(fold, &symbols)),
        ExprKind::Every(mut every) => {
            every.domain = fold.term(&every.domain);
            every.key = every.key.map(|key| fold.term(&key));
            every.value = fold.term(&every.value);
            every.body = fold.body(every.body);
            ExprKind::Every(every)
        }
        ExprKind::Not(mut not) => {
            not.body = fold.body(not.body);
            ExprKind::Not(not)
        }
        ExprKind::And(mut sides) => {
            (sides.lhs, sides.rhs) = (fold.body(sides.lhs), fold.body(sides.rhs));
            ExprKind::And(sides)
        }
        ExprKind::Or(mut sides) => {
            (sides.lhs, sides.rhs) = (fold.body(sides.lhs), fold.body(sides.rhs));
            ExprKind::Or(sides)
        }
    };
    expr.with = expr.with.into_iter().map(|with| With { value: fold.term(&with.value), ..with }).collect();
    expr
}

fn terms(fold: &mut (impl Fold + ?Sized), items: &[TermRef]) -> Vec<TermRef> {
    items.iter().map(|item| fold.term(item)).collect()
}

fn call(fold: &mut (impl Fold + ?Sized), call: &Call) -> Call {
    Call { operator: call.operator.clone(), args: terms(fold, &call.args) }
}

pub(crate) fn inner_term(fold: &mut (impl Fold + ?Sized), term: &TermRef) -> TermRef {
    let value = match &term.value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Var(_) => {
            return term.clone();
        }
        Value::Template(template) => Value::Template(Template {
            raw: template.raw,
            parts: template.parts.iter().map(|part| template_part(fold, part)).collect(),
        }),
        Value::Ref(parts) => Value::Ref(terms(fold, parts)),
        Value::Array(items) => Value::Array(terms(fold, items)),
        Value::Set(items) => Value::Set(terms(fold, items)),
        Value::Object(pairs) => {
            Value::Object(pairs.iter().map(|(key, value)| (fold.term(key), fold.term(value))).collect())
        }
        Value::ArrayComprehension(head, body) => {
            let head = fold.term(head);
            Value::ArrayComprehension(head, fold.body(body.clone()))
        }
        Value::SetComprehension(head, body) => {
            let head = fold.term(head);
            Value::SetComprehension(head, fold.body(body.clone()))
        }
        Value::ObjectComprehension(key, value, body) => {
            let (key, value) = (fold.term(key), fold.term(value));
            Value::ObjectComprehension(key, value, fold.body(body.clone()))
        }
        Value::Call(item) => Value::Call(call(fold, item)),
    };
    Term::new(term.span, value)
}

fn template_part(fold: &mut (impl Fold + ?Sized), part: &TemplatePart) -> TemplatePart {
    match part {
        TemplatePart::Scalar(term) => TemplatePart::Scalar(term.clone()),
        TemplatePart::Expr(item) => TemplatePart::Expr(Box::new(expr(fold, (**item).clone()))),
    }
}
