//! Walks over syntax.

use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Rule, TemplatePart, Term, TermRef, Value};

/// Calls `visit` on every outermost term of the rule and its `else` chain, in the order of OPA's walk: a head's path is
/// not visited, calls give their operator and each operand.
pub(crate) fn outer_terms_mut(rule: &mut Rule, visit: &mut impl FnMut(&mut TermRef)) {
    rule.head.args.iter_mut().for_each(&mut *visit);
    rule.head.key.iter_mut().for_each(&mut *visit);
    rule.head.value.iter_mut().for_each(&mut *visit);
    body_outer_terms_mut(&mut rule.body, visit);
    if let Some(next) = &mut rule.else_rule {
        outer_terms_mut(next, visit);
    }
}

fn body_outer_terms_mut(body: &mut Body, visit: &mut impl FnMut(&mut TermRef)) {
    body.exprs.iter_mut().for_each(|expr| expr_outer_terms_mut(expr, visit));
}

fn expr_outer_terms_mut(expr: &mut Expr, visit: &mut impl FnMut(&mut TermRef)) {
    match &mut expr.kind {
        ExprKind::Term(term) => visit(term),
        ExprKind::Call(call) => call_outer_terms_mut(call, visit),
        ExprKind::Some(symbols) => symbols.iter_mut().for_each(&mut *visit),
        ExprKind::Every(every) => {
            every.key.iter_mut().for_each(&mut *visit);
            visit(&mut every.value);
            visit(&mut every.domain);
            body_outer_terms_mut(&mut every.body, visit);
        }
        ExprKind::Not(not) => body_outer_terms_mut(&mut not.body, visit),
        ExprKind::And(sides) | ExprKind::Or(sides) => {
            body_outer_terms_mut(&mut sides.lhs, visit);
            body_outer_terms_mut(&mut sides.rhs, visit);
        }
    }
    for with in &mut expr.with {
        visit(&mut with.target);
        visit(&mut with.value);
    }
}

fn call_outer_terms_mut(call: &mut Call, visit: &mut impl FnMut(&mut TermRef)) {
    visit(&mut call.operator);
    call.args.iter_mut().for_each(&mut *visit);
}

/// Calls `visit` on a term and then on every term inside what it became, at any depth.
pub(crate) fn walk_term_mut(term: &mut TermRef, visit: &mut impl FnMut(&mut TermRef)) {
    visit(term);
    let mut walk = |inner: &mut TermRef| walk_term_mut(inner, visit);
    match &mut Arc::make_mut(term).value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Var(_) => {}
        Value::Template(template) => template.parts.iter_mut().for_each(|part| match part {
            TemplatePart::Scalar(term) => walk(term),
            TemplatePart::Expr(expr) => expr_outer_terms_mut(expr, &mut walk),
        }),
        Value::Ref(items) | Value::Array(items) | Value::Set(items) => items.iter_mut().for_each(walk),
        Value::Object(pairs) => pairs.iter_mut().for_each(|(key, value)| {
            walk(key);
            walk(value);
        }),
        Value::ArrayComprehension(head, body) | Value::SetComprehension(head, body) => {
            walk(head);
            body_outer_terms_mut(body, &mut walk);
        }
        Value::ObjectComprehension(key, value, body) => {
            walk(key);
            walk(value);
            body_outer_terms_mut(body, &mut walk);
        }
        Value::Call(call) => call_outer_terms_mut(call, &mut walk),
    }
}

/// Calls `visit` on every term of the rule and its `else` chain, at any depth, parents first; where it answers `false`
/// what is inside the term is left out. A head's path is not visited.
pub fn rule_terms(rule: &Rule, visit: &mut impl FnMut(&TermRef) -> bool) {
    for rule in rule.chain() {
        let head = rule.head.args.iter().chain(&rule.head.key).chain(&rule.head.value);
        head.for_each(|term| walk_term(term, visit));
        body_terms(&rule.body, visit);
    }
}

/// As [`rule_terms`], for a body.
pub fn body_terms(body: &Body, visit: &mut impl FnMut(&TermRef) -> bool) {
    body.exprs.iter().for_each(|expr| expr_terms(expr, visit));
}

/// As [`rule_terms`], for an expression.
pub fn expr_terms(expr: &Expr, visit: &mut impl FnMut(&TermRef) -> bool) {
    match &expr.kind {
        ExprKind::Term(term) => walk_term(term, visit),
        ExprKind::Call(call) => call_terms(call, visit),
        ExprKind::Some(symbols) => symbols.iter().for_each(|term| walk_term(term, visit)),
        ExprKind::Every(every) => {
            every.key.iter().chain([&every.value, &every.domain]).for_each(|term| walk_term(term, visit));
            body_terms(&every.body, visit);
        }
        ExprKind::Not(not) => body_terms(&not.body, visit),
        ExprKind::And(sides) | ExprKind::Or(sides) => {
            body_terms(&sides.lhs, visit);
            body_terms(&sides.rhs, visit);
        }
    }
    for with in &expr.with {
        walk_term(&with.target, visit);
        walk_term(&with.value, visit);
    }
}

fn call_terms(call: &Call, visit: &mut impl FnMut(&TermRef) -> bool) {
    walk_term(&call.operator, visit);
    call.args.iter().for_each(|term| walk_term(term, visit));
}

/// As [`rule_terms`], for a term and what is inside it.
pub fn walk_term(term: &TermRef, visit: &mut impl FnMut(&TermRef) -> bool) {
    if !visit(term) {
        return;
    }
    inner_terms(term, visit);
}

fn inner_terms(term: &Term, visit: &mut impl FnMut(&TermRef) -> bool) {
    match &term.value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Var(_) => {}
        Value::Template(template) => template.parts.iter().for_each(|part| match part {
            TemplatePart::Scalar(term) => walk_term(term, visit),
            TemplatePart::Expr(expr) => expr_terms(expr, visit),
        }),
        Value::Ref(items) | Value::Array(items) | Value::Set(items) => {
            items.iter().for_each(|item| walk_term(item, visit));
        }
        Value::Object(pairs) => pairs.iter().for_each(|(key, value)| {
            walk_term(key, visit);
            walk_term(value, visit);
        }),
        Value::ArrayComprehension(head, body) | Value::SetComprehension(head, body) => {
            walk_term(head, visit);
            body_terms(body, visit);
        }
        Value::ObjectComprehension(key, value, body) => {
            walk_term(key, visit);
            walk_term(value, visit);
            body_terms(body, visit);
        }
        Value::Call(call) => call_terms(call, visit),
    }
}
