//! Engines pass few arguments: what is beyond is dropped without a word. Functions of many arguments take one array.

use crate::ast::{Body, Call, Expr, ExprKind, Module, Rule, Term, TermRef, Value};
use crate::fold::{self, Fold};

use super::Fresh;

/// How many arguments every engine passes. No built-in takes more.
const MOST: usize = 8;

/// Packs the arguments of wide functions and of the calls to them, in whichever module they are.
pub(super) fn pack(mut module: Module, _: &mut Fresh) -> Module {
    let pack = |rule| pack_head(fold::rule(&mut Wide, rule));
    module.rules = module.rules.into_iter().map(pack).collect();
    module
}

fn pack_head(mut rule: Rule) -> Rule {
    rule.head.args = packed(std::mem::take(&mut rule.head.args));
    if let ([only], true) = (rule.head.args.as_mut_slice(), rule.is_default)
        && matches!(only.value, Value::Array(_))
    {
        // The arguments of a default are only counted.
        *only = Term::var(only.span, "$");
    }
    rule.else_rule = rule.else_rule.map(|next| Box::new(pack_head(*next)));
    rule
}

struct Wide;

impl Fold for Wide {
    fn body(&mut self, body: Body) -> Body {
        let mut exprs = fold::inner_body(self, body).exprs;
        for expr in &mut exprs {
            pack_expr(expr);
        }
        Body { exprs }
    }

    fn term(&mut self, term: &TermRef) -> TermRef {
        let term = fold::inner_term(self, term);
        match &term.value {
            Value::Call(call) if call.args.len() > MOST => Term::new(term.span, Value::Call(pack_call(call))),
            _ => term,
        }
    }
}

fn pack_expr(expr: &mut Expr) {
    if let ExprKind::Call(call) = &mut expr.kind {
        *call = pack_call(call);
    }
}

fn pack_call(call: &Call) -> Call {
    Call { operator: call.operator.clone(), args: packed(call.args.clone()) }
}

fn packed(args: Vec<TermRef>) -> Vec<TermRef> {
    match args.as_slice() {
        [first, .., last] if args.len() > MOST => {
            let span = crate::span::Span::new(first.span.start, last.span.end);
            vec![Term::new(span, Value::Array(args))]
        }
        _ => args,
    }
}
