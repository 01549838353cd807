//! Expressions and calls of a rule, wherever they stand. Depth is bounded by the parser's own limit.

use fleetgate_rego::Span;
use fleetgate_rego::ast::{Body, Call, Expr, ExprKind, Rule, Value};
use fleetgate_rego::visit::rule_terms;

/// Calls `visit` on every expression of the rule and its `else` chain: those of bodies, of bodies inside them, and of
/// comprehensions.
pub(super) fn exprs(rule: &Rule, visit: &mut impl FnMut(&Expr)) {
    rule.chain().for_each(|rule| body(&rule.body, visit));
    rule_terms(rule, &mut |term| {
        match &term.value {
            Value::ArrayComprehension(_, inner)
            | Value::SetComprehension(_, inner)
            | Value::ObjectComprehension(_, _, inner) => body(inner, visit),
            _ => {}
        }
        true
    });
}

fn body(of: &Body, visit: &mut impl FnMut(&Expr)) {
    for expr in &of.exprs {
        visit(expr);
        match &expr.kind {
            ExprKind::Every(every) => body(&every.body, visit),
            ExprKind::Not(not) => body(&not.body, visit),
            ExprKind::And(sides) | ExprKind::Or(sides) => {
                body(&sides.lhs, visit);
                body(&sides.rhs, visit);
            }
            ExprKind::Term(_) | ExprKind::Call(_) | ExprKind::Some(_) => {}
        }
    }
}

/// Calls `visit` on every call of the rule and its `else` chain, with its place.
pub(super) fn calls(rule: &Rule, visit: &mut impl FnMut(&Call, Span)) {
    exprs(rule, &mut |expr| {
        if let ExprKind::Call(call) = &expr.kind {
            visit(call, expr.span);
        }
    });
    rule_terms(rule, &mut |term| {
        if let Value::Call(call) = &term.value {
            visit(call, term.span);
        }
        true
    });
}
