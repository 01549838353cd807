//! Gives built-ins other names, for engines that are given functions of their own for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Module, Term, TermRef, Value};
use crate::builtins;
use crate::fold::{self, Fold};

/// How a module uses a built-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinUse {
    /// It is called, by its name or its operator.
    Called,
    /// `with` replaces it.
    Replaced,
}

/// Renames the built-ins that a module calls. `rename` gets each use of one, by its name, and answers with another name,
/// a single word, or none to keep it. What `with` replaces keeps its name in any case, and so does what is called without
/// operands, because only of built-ins is that told from a rule.
#[must_use]
pub fn rename_builtins(mut module: Module, rename: &mut dyn FnMut(&str, BuiltinUse) -> Option<String>) -> Module {
    // A rule or an import with a built-in's name is what its calls mean.
    let rules = module.rules.iter().filter_map(|rule| rule.head.reference.first()?.as_var().cloned());
    let imports = module.imports.iter().filter_map(|import| {
        let last = || Some(Arc::from(import.path.as_ref_parts()?.last()?.as_str()?));
        import.alias.clone().or_else(last)
    });
    let own = rules.chain(imports).collect();
    let mut renaming = Renaming { own, rename };
    module.rules = module.rules.into_iter().map(|rule| fold::rule(&mut renaming, rule)).collect();
    module
}

struct Renaming<'r> {
    own: BTreeSet<Arc<str>>,
    rename: &'r mut dyn FnMut(&str, BuiltinUse) -> Option<String>,
}

impl Fold for Renaming<'_> {
    fn body(&mut self, body: Body) -> Body {
        let exprs = fold::inner_body(self, body).exprs;
        Body { exprs: exprs.into_iter().map(|expr| self.expr(expr)).collect() }
    }

    fn term(&mut self, term: &TermRef) -> TermRef {
        let term = fold::inner_term(self, term);
        match &term.value {
            Value::Call(call) => match self.renamed(call) {
                Some(call) => Term::new(term.span, Value::Call(call)),
                None => term,
            },
            _ => term,
        }
    }
}

impl Renaming<'_> {
    fn expr(&mut self, mut expr: Expr) -> Expr {
        for with in &expr.with {
            let name = with.target.as_var().map(ToString::to_string);
            let path = || Call { operator: with.target.clone(), args: Vec::new() }.path();
            if let Some(name) = name.or_else(path).filter(|name| self.is_builtin(name)) {
                let _ = (self.rename)(&name, BuiltinUse::Replaced);
            }
        }
        if let ExprKind::Call(call) = &expr.kind
            && let Some(call) = self.renamed(call)
        {
            expr.kind = ExprKind::Call(call);
        }
        expr
    }

    fn renamed(&mut self, call: &Call) -> Option<Call> {
        let builtin = call.path().filter(|path| self.is_builtin(path))?;
        let name = (self.rename)(&builtin, BuiltinUse::Called)?;
        (!call.args.is_empty())
            .then(|| Call { operator: Term::path(call.operator.span, &name, &[]), args: call.args.clone() })
    }

    fn is_builtin(&self, path: &str) -> bool {
        let is_own = path.split('.').next().is_some_and(|first| self.own.contains(first));
        !is_own && builtins::find(path).is_some()
    }
}
