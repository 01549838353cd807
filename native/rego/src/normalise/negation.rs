//! `not f(x.y)` where `x.y` is undefined: OPA evaluates a call's operands before the call, outside of `not`, so the body
//! has no answer; an engine that negates the whole expression finds that it holds.
//!
//! Hoisted are the operands that can be undefined: references and calls. Of `=` and `==`, and of a bare reference, OPA
//! keeps the outermost reference inside, so that `not x.y == 1` holds where `x.y` is undefined.

use crate::ast::{Body, Call, Expr, ExprKind, Module, Term, TermRef, Value, With};
use crate::fold::{self, Fold};

use super::{Fresh, assign};

/// Moves operands of negated expressions before them.
pub(super) fn hoist(mut module: Module, fresh: &mut Fresh) -> Module {
    let mut hoist = Hoist { fresh };
    module.rules = module.rules.into_iter().map(|rule| fold::rule(&mut hoist, rule)).collect();
    module
}

struct Hoist<'f> {
    fresh: &'f mut Fresh,
}

impl Fold for Hoist<'_> {
    fn body(&mut self, body: Body) -> Body {
        let mut exprs = Vec::with_capacity(body.exprs.len());
        for expr in fold::inner_body(self, body).exprs {
            if expr.negated {
                let mut operands = Operands { fresh: self.fresh, with: &expr.with, before: Vec::new() };
                let kind = operands.of_expr(&expr.kind);
                exprs.append(&mut operands.before);
                exprs.push(Expr { kind, ..expr });
            } else {
                exprs.push(expr);
            }
        }
        Body { exprs }
    }
}

struct Operands<'e> {
    fresh: &'e mut Fresh,
    with: &'e [With],
    before: Vec<Expr>,
}

impl Operands<'_> {
    fn of_expr(&mut self, kind: &ExprKind) -> ExprKind {
        match kind {
            ExprKind::Term(term) => ExprKind::Term(self.outermost(term)),
            ExprKind::Call(call) => {
                let keeps_refs = (call.is("eq") || call.is("equal")) && call.args.len() == 2;
                let operand = |arg| {
                    if keeps_refs { self.outermost(arg) } else { self.operand(arg) }
                };
                let args = call.args.iter().map(operand).collect();
                ExprKind::Call(Call { operator: call.operator.clone(), args })
            }
            other => other.clone(),
        }
    }

    /// A term whose own reference stays, its indices do not.
    fn outermost(&mut self, term: &TermRef) -> TermRef {
        let Value::Ref(parts) = &term.value else {
            return self.operand(term);
        };
        let mut kept = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let is_name = index == 0 && matches!(part.value, Value::Var(_));
            kept.push(match &part.value {
                _ if is_name => part.clone(),
                Value::ArrayComprehension(..) | Value::SetComprehension(..) | Value::ObjectComprehension(..) => {
                    self.bind(part)
                }
                _ => self.operand(part),
            });
        }
        Term::new(term.span, Value::Ref(kept))
    }

    /// A term none of whose references stay.
    fn operand(&mut self, term: &TermRef) -> TermRef {
        let value = match &term.value {
            Value::Ref(_) | Value::Call(_) | Value::Template(_) => return self.bind(term),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.operand(item)).collect()),
            Value::Set(items) => Value::Set(items.iter().map(|item| self.operand(item)).collect()),
            Value::Object(pairs) => {
                Value::Object(pairs.iter().map(|(key, value)| (self.operand(key), self.operand(value))).collect())
            }
            _ => return term.clone(),
        };
        Term::new(term.span, value)
    }

    fn bind(&mut self, term: &TermRef) -> TermRef {
        let variable = self.fresh.var(term.span);
        self.before.push(assign(variable.clone(), term.clone(), self.with));
        variable
    }
}
