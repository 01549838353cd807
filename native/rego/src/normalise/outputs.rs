//! `count(xs, n)` says `n = count(xs)`: a call may take its result as one more argument, which engines do not read. Not so
//! `walk`, the one built-in with many results. Functions of other modules are left: how many arguments they take is not
//! known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Module, Rule, Term, Value};
use crate::builtins;
use crate::fold::{self, Fold};

use super::Fresh;

/// Makes an equation of every call that names its result.
pub(super) fn bind(mut module: Module, _: &mut Fresh) -> Module {
    // A rule of the module with a built-in's name is what its calls mean.
    let arity = |rule: &Rule| {
        let name = rule.head.reference.first()?.as_var()?.clone();
        Some((name, (rule.head.reference.len() == 1).then_some(rule.head.args.len())))
    };
    let own = module.rules.iter().filter_map(arity).collect();
    let mut outputs = Outputs { own };
    module.rules = module.rules.into_iter().map(|rule| fold::rule(&mut outputs, rule)).collect();
    module
}

struct Outputs {
    /// The first names of the module's rules, with how many arguments those take that have no longer path.
    own: BTreeMap<Arc<str>, Option<usize>>,
}

impl Fold for Outputs {
    fn body(&mut self, body: Body) -> Body {
        let exprs = fold::inner_body(self, body).exprs;
        Body { exprs: exprs.into_iter().map(|expr| self.equation(expr)).collect() }
    }
}

impl Outputs {
    fn arity(&self, call: &Call) -> Option<usize> {
        let path = call.path().filter(|path| path != "walk")?;
        match self.own.get(path.split('.').next()?) {
            Some(arity) => arity.filter(|_| !path.contains('.')),
            None => builtins::find(&path).filter(|builtin| !builtin.void).map(|builtin| builtin.arity),
        }
    }

    fn equation(&self, expr: Expr) -> Expr {
        let ExprKind::Call(call) = &expr.kind else {
            return expr;
        };
        let arity = self.arity(call);
        let Some((output, inputs)) = call.args.split_last().filter(|(_, inputs)| Some(inputs.len()) == arity) else {
            return expr;
        };
        let value = Value::Call(Call { operator: call.operator.clone(), args: inputs.to_vec() });
        let args = vec![output.clone(), Term::new(expr.span, value)];
        let kind = ExprKind::Call(Call { operator: Term::path(expr.span, "eq", &[]), args });
        Expr { kind, ..expr }
    }
}
