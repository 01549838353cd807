//! Which references of a rule leave it.
//!
//! A variable is local where its body, an enclosing body or the rule's arguments declare it, anywhere in that body; else
//! it is what the module's rules and imports say. Bodies of comprehensions have declarations of their own; those of
//! other nested bodies count for the body around them, as in OPA.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast::{Body, Call, Expr, ExprKind, Rule, TemplatePart, TermRef, Value};
use crate::span::Span;

use super::index::{Globals, Step};

/// A reference that leaves its rule.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    /// Where it stands.
    pub(super) span: Span,
    /// What it names.
    pub(super) target: Target,
    /// The call whose operator it is.
    pub(super) call: Option<CallShape>,
}

/// How something is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallShape {
    pub(super) args: usize,
    /// Inside a term, where a call cannot name its result.
    pub(super) nested: bool,
}

/// What a reference names.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A path below `data`.
    Data(Vec<Step>),
    /// A built-in, or nothing known; only operators of calls.
    Name(String),
}

/// The references of `rule` and its `else` chain.
pub(super) fn references(globals: &Globals, rule: &Rule) -> Vec<Reference> {
    let mut walk = Walk { globals, scopes: Vec::new(), out: Vec::new() };
    for rule in rule.chain() {
        let mut declared = BTreeSet::new();
        rule.head.args.iter().for_each(|arg| pattern_variables(arg, &mut declared));
        declared_in(&rule.body, &mut declared);
        walk.scopes.push(declared);
        let head =
            rule.head.reference.iter().skip(1).chain(&rule.head.args).chain(&rule.head.key).chain(&rule.head.value);
        head.for_each(|term| walk.term(term));
        walk.body(&rule.body);
        walk.scopes.pop();
    }
    walk.out
}

struct Walk<'g> {
    globals: &'g Globals,
    scopes: Vec<BTreeSet<Arc<str>>>,
    out: Vec<Reference>,
}

impl Walk<'_> {
    fn is_local(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }

    /// What the parts of a reference name below `data`.
    fn data_path(&self, parts: &[TermRef]) -> Option<Vec<Step>> {
        let (head, rest) = parts.split_first()?;
        let name = head.as_var()?;
        if self.is_local(name) {
            return None;
        }
        let mut path = match self.globals.get(name) {
            Some(path) => path.clone()?,
            None if &**name == "data" => Vec::new(),
            None => return None,
        };
        path.extend(rest.iter().map(Step::of));
        Some(path)
    }

    fn body(&mut self, body: &Body) {
        body.exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Term(term) => self.term(term),
            ExprKind::Call(call) => self.call(call, expr.span, false),
            ExprKind::Some(symbols) => symbols.iter().for_each(|symbol| self.term(symbol)),
            ExprKind::Every(every) => {
                let mut declared = BTreeSet::new();
                every.key.iter().chain([&every.value]).for_each(|term| pattern_variables(term, &mut declared));
                self.scopes.push(declared);
                self.term(&every.domain);
                self.body(&every.body);
                self.scopes.pop();
            }
            ExprKind::Not(not) => self.body(&not.body),
            ExprKind::And(sides) | ExprKind::Or(sides) => {
                self.body(&sides.lhs);
                self.body(&sides.rhs);
            }
        }
        for with in &expr.with {
            self.term(&with.target);
            self.term(&with.value);
        }
    }

    fn call(&mut self, call: &Call, span: Span, nested: bool) {
        let parts = call.operator.as_ref_parts().unwrap_or_default();
        let target = match self.data_path(parts) {
            Some(path) => Target::Data(path),
            None => Target::Name(call.path().unwrap_or_default()),
        };
        self.out.push(Reference { span, target, call: Some(CallShape { args: call.args.len(), nested }) });
        parts.iter().skip(1).chain(&call.args).for_each(|term| self.term(term));
    }

    fn term(&mut self, term: &TermRef) {
        match &term.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            Value::Var(_) => self.data_reference(std::slice::from_ref(term), term.span),
            Value::Ref(parts) => {
                self.data_reference(parts, term.span);
                let head_is_name = parts.first().is_some_and(|head| head.as_var().is_some());
                parts.iter().skip(usize::from(head_is_name)).for_each(|part| self.term(part));
            }
            Value::Array(items) | Value::Set(items) => items.iter().for_each(|item| self.term(item)),
            Value::Object(pairs) => pairs.iter().for_each(|(key, value)| {
                self.term(key);
                self.term(value);
            }),
            Value::ArrayComprehension(head, body) | Value::SetComprehension(head, body) => {
                self.comprehension(&[head], body);
            }
            Value::ObjectComprehension(key, value, body) => self.comprehension(&[key, value], body),
            Value::Call(call) => self.call(call, term.span, true),
            Value::Template(template) => {
                for part in &template.parts {
                    if let TemplatePart::Expr(expr) = part {
                        self.expr(expr);
                    }
                }
            }
        }
    }

    fn data_reference(&mut self, parts: &[TermRef], span: Span) {
        if let Some(path) = self.data_path(parts) {
            self.out.push(Reference { span, target: Target::Data(path), call: None });
        }
    }

    fn comprehension(&mut self, heads: &[&TermRef], body: &Body) {
        let mut declared = BTreeSet::new();
        declared_in(body, &mut declared);
        self.scopes.push(declared);
        heads.iter().for_each(|head| self.term(head));
        self.body(body);
        self.scopes.pop();
    }
}

/// The variables that a pattern binds: those of arrays and of objects' values.
fn pattern_variables(term: &TermRef, out: &mut BTreeSet<Arc<str>>) {
    match &term.value {
        Value::Var(name) => {
            out.insert(name.clone());
        }
        Value::Ref(parts) => parts.iter().for_each(|part| pattern_variables(part, out)),
        Value::Array(items) => items.iter().for_each(|item| pattern_variables(item, out)),
        Value::Object(pairs) => pairs.iter().for_each(|(_, value)| pattern_variables(value, out)),
        _ => {}
    }
}

/// The variables that `some` and `:=` declare in `body` and in the bodies inside it, comprehensions left out.
fn declared_in(body: &Body, out: &mut BTreeSet<Arc<str>>) {
    for expr in &body.exprs {
        match &expr.kind {
            ExprKind::Call(call) if call.is("assign") => {
                if let [lhs, _] = call.args.as_slice() {
                    all_variables(lhs, out);
                }
            }
            ExprKind::Some(symbols) => {
                for symbol in symbols {
                    match &symbol.value {
                        Value::Call(call) => {
                            let bound = call.args.len().saturating_sub(1);
                            call.args.iter().take(bound).for_each(|term| all_variables(term, out));
                        }
                        _ => all_variables(symbol, out),
                    }
                }
            }
            ExprKind::Every(every) => declared_in(&every.body, out),
            ExprKind::Not(not) => declared_in(&not.body, out),
            ExprKind::And(sides) | ExprKind::Or(sides) => {
                declared_in(&sides.lhs, out);
                declared_in(&sides.rhs, out);
            }
            _ => {}
        }
    }
}

fn all_variables(term: &TermRef, out: &mut BTreeSet<Arc<str>>) {
    crate::visit::walk_term(term, &mut |inner| {
        out.extend(inner.as_var().cloned());
        true
    });
}
