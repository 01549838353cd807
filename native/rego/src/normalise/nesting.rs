//! Collections within collections within collections: engines take time that doubles with each level, so what is deep and
//! fixed is bound to variables first.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Module, Rule, Term, TermRef, Value};
use crate::fold::{self, Fold};

use super::{Fresh, assign};

/// How many levels of a collection stay together.
const LEVELS: usize = 4;

/// Binds inner collections of deep ones. Left alone are patterns, which bind variables themselves, and defaults.
pub(super) fn lift(mut module: Module, fresh: &mut Fresh) -> Module {
    module.rules = module.rules.into_iter().map(|rule| lift_rule(rule, fresh)).collect();
    module
}

fn lift_rule(mut rule: Rule, fresh: &mut Fresh) -> Rule {
    if rule.is_default {
        return rule;
    }
    // The chain is walked here, one rule at a time.
    let next = rule.else_rule.take();
    let mut rule = fold::rule(&mut Bodies { fresh }, rule);
    let mut levels = Levels { fresh, before: Vec::new(), made: BTreeSet::new() };
    for part in rule.head.key.iter_mut().chain(&mut rule.head.value) {
        *part = levels.outermost(part);
    }
    if !levels.before.is_empty() {
        if rule.generated_body || rule.body.exprs.iter().all(|expr| expr.generated) {
            rule.body.exprs.clear();
            rule.generated_body = false;
        }
        rule.body.exprs.append(&mut levels.before);
    }
    rule.else_rule = next.map(|next| Box::new(lift_rule(*next, fresh)));
    rule
}

struct Bodies<'f> {
    fresh: &'f mut Fresh,
}

impl Fold for Bodies<'_> {
    fn body(&mut self, body: Body) -> Body {
        let mut exprs = Vec::with_capacity(body.exprs.len());
        for expr in fold::inner_body(self, body).exprs {
            let mut levels = Levels { fresh: self.fresh, before: Vec::new(), made: BTreeSet::new() };
            let kind = match &expr.kind {
                ExprKind::Term(term) => ExprKind::Term(levels.outermost(term)),
                ExprKind::Call(call) => ExprKind::Call(Call {
                    operator: call.operator.clone(),
                    args: call.args.iter().map(|arg| levels.outermost(arg)).collect(),
                }),
                other => other.clone(),
            };
            exprs.append(&mut levels.before);
            exprs.push(Expr { kind, ..expr });
        }
        Body { exprs }
    }
}

struct Levels<'f> {
    fresh: &'f mut Fresh,
    before: Vec<Expr>,
    /// The variables bound so far.
    made: BTreeSet<Arc<str>>,
}

impl Levels<'_> {
    fn outermost(&mut self, term: &TermRef) -> TermRef {
        if height(term) <= LEVELS {
            return term.clone();
        }
        self.items(term).0
    }

    /// The term with what is deep inside it bound, and the levels that are left.
    fn items(&mut self, term: &TermRef) -> (TermRef, usize) {
        let mut deepest = 0;
        let mut item = |item: &TermRef| {
            let (item, levels) = self.item(item);
            deepest = deepest.max(levels);
            item
        };
        let value = match &term.value {
            Value::Array(items) => Value::Array(items.iter().map(&mut item).collect()),
            Value::Set(items) => Value::Set(items.iter().map(&mut item).collect()),
            Value::Object(pairs) => Value::Object(pairs.iter().map(|(key, value)| (item(key), item(value))).collect()),
            _ => return (term.clone(), 0),
        };
        (Term::new(term.span, value), deepest + 1)
    }

    fn item(&mut self, term: &TermRef) -> (TermRef, usize) {
        let (term, levels) = self.items(term);
        if levels < LEVELS || !self.is_fixed(&term) {
            return (term, levels);
        }
        let variable = self.fresh.var(term.span);
        self.made.extend(variable.as_var().cloned());
        self.before.push(assign(variable.clone(), term, &[]));
        (variable, 0)
    }

    /// Whether a term holds nothing but scalars, and variables that this pass made of such.
    fn is_fixed(&self, term: &TermRef) -> bool {
        match &term.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            Value::Var(name) => self.made.contains(name),
            Value::Array(items) | Value::Set(items) => items.iter().all(|item| self.is_fixed(item)),
            Value::Object(pairs) => pairs.iter().all(|(key, value)| self.is_fixed(key) && self.is_fixed(value)),
            _ => false,
        }
    }
}

/// How many levels of collections a term has.
fn height(term: &TermRef) -> usize {
    let deepest = match &term.value {
        Value::Array(items) | Value::Set(items) => items.iter().map(height).max(),
        Value::Object(pairs) => pairs.iter().map(|(key, value)| height(key).max(height(value))).max(),
        _ => return 0,
    };
    1 + deepest.unwrap_or(0)
}
