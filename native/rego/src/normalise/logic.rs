//! `and`, `or` and `not` before a body ask whether a body has an answer and bind nothing: that is what comparing a
//! comprehension with the empty array asks.

use crate::ast::{Body, Call, Expr, ExprKind, Module, Term, TermRef, Value};
use crate::fold::{self, Fold};
use crate::span::Span;

use super::Fresh;

/// Replaces the operators between bodies.
pub(super) fn lower(mut module: Module, _: &mut Fresh) -> Module {
    module.rules = module.rules.into_iter().map(|rule| fold::rule(&mut Lower, rule)).collect();
    module
}

struct Lower;

impl Fold for Lower {
    fn body(&mut self, body: Body) -> Body {
        let mut exprs = Vec::with_capacity(body.exprs.len());
        for expr in fold::inner_body(self, body).exprs {
            let span = expr.span;
            let lowered = match &expr.kind {
                ExprKind::Not(not) => vec![compare("equal", span, answers(span, &not.body))],
                ExprKind::And(sides) => {
                    [&sides.lhs, &sides.rhs].map(|side| compare("neq", span, answers(span, side))).to_vec()
                }
                ExprKind::Or(sides) => {
                    let args = vec![answers(span, &sides.lhs), answers(span, &sides.rhs)];
                    let operator = Term::path(span, "array", &["concat"]);
                    let both = Term::new(span, Value::Call(Call { operator, args }));
                    vec![compare("neq", span, both)]
                }
                _ => {
                    exprs.push(expr);
                    continue;
                }
            };
            exprs.extend(lowered.into_iter().map(|new| Expr { with: expr.with.clone(), ..new }));
        }
        Body { exprs }
    }
}

/// `[true | body]`
fn answers(span: Span, body: &Body) -> TermRef {
    Term::new(span, Value::ArrayComprehension(Term::new(span, Value::Bool(true)), body.clone()))
}

/// `term == []` or `term != []`
fn compare(operator: &str, span: Span, term: TermRef) -> Expr {
    let args = vec![term, Term::new(span, Value::Array(Vec::new()))];
    Expr::new(span, ExprKind::Call(Call { operator: Term::path(span, operator, &[]), args }))
}
