//! `count(xs, n)` says `n = count(xs)`: a built-in may take its result as one more argument, which engines do not read.
//! Not so `walk`, the one built-in with many results.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Module, Term, Value};
use crate::builtins;
use crate::fold::{self, Fold};

use super::Fresh;

/// Makes an equation of every call that names its result.
pub(super) fn bind(mut module: Module, _: &mut Fresh) -> Module {
    // A rule of the module with a built-in's name is what its calls mean.
    let own = module
        .rules
        .iter()
        .filter_map(|rule| rule.head.reference.first()?.as_var().cloned())
        .collect();
    let mut outputs = Outputs { own };
    module.rules = module
        .rules
        .into_iter()
        .map(|rule| fold::rule(&mut outputs, rule))
        .collect();
    module
}

struct Outputs {
    own: BTreeSet<Arc<str>>,
}

impl Fold for Outputs {
    fn body(&mut self, body: Body) -> Body {
        let exprs = fold::inner_body(self, body).exprs;
        Body {
            exprs: exprs.into_iter().map(|expr| self.equation(expr)).collect(),
        }
    }
}

impl Outputs {
    fn is_own(&self, path: &str) -> bool {
        self.own.contains(path.split('.').next().unwrap_or(path))
    }

    fn equation(&self, expr: Expr) -> Expr {
        let ExprKind::Call(call) = &expr.kind else {
            return expr;
        };
        let arity = call
            .path()
            .filter(|path| path != "walk" && !self.is_own(path))
            .and_then(|path| builtins::find(&path).map(|builtin| builtin.arity));
        let Some((output, inputs)) = call
            .args
            .split_last()
            .filter(|(_, inputs)| Some(inputs.len()) == arity)
        else {
            return expr;
        };
        let value = Value::Call(Call {
            operator: call.operator.clone(),
            args: inputs.to_vec(),
        });
        let args = vec![output.clone(), Term::new(expr.span, value)];
        let kind = ExprKind::Call(Call {
            operator: Term::path(expr.span, "eq", &[]),
            args,
        });
        Expr { kind, ..expr }
    }
}
