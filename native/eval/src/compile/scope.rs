//! Which variable a name is, where.
//!
//! A body owns the variables that it declares (`some x`, `x := …`), and those that it names directly where no body around
//! it, no rule and no import has that name. Bodies of comprehensions, of `every`, of `not` and of template strings are
//! bodies of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleetgate_rego::Span;
use fleetgate_rego::ast::{Body, Call, Expr, ExprKind, TermRef, Value as Syntax};

use super::atom::Var;
use super::names::Globals;

/// A variable: its name (empty for what the compiler adds), its body and the first place it is named at.
#[derive(Debug, Clone)]
pub(super) struct VarInfo {
    pub(super) name: Arc<str>,
    pub(super) scope: usize,
    pub(super) span: Span,
}

#[derive(Debug)]
struct Frame {
    id: usize,
    names: BTreeMap<Arc<str>, Var>,
    /// Declared further down: until then, bodies inside mean something else by the name.
    pending: BTreeSet<Arc<str>>,
}

/// The variables of a clause, and the bodies that are open.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    pub(super) vars: Vec<VarInfo>,
    frames: Vec<Frame>,
    next_scope: usize,
}

impl Scopes {
    /// Opens a body and gives its number: variables of bodies inside it have larger ones.
    pub(super) fn open(&mut self) -> usize {
        let id = self.next_scope;
        self.next_scope += 1;
        self.frames.push(Frame { id, names: BTreeMap::new(), pending: BTreeSet::new() });
        id
    }

    pub(super) fn close(&mut self) {
        self.frames.pop();
    }

    /// A variable that no name finds.
    pub(super) fn fresh(&mut self, span: Span) -> Var {
        self.new_var(Arc::from(""), span)
    }

    fn new_var(&mut self, name: Arc<str>, span: Span) -> Var {
        let scope = self.frames.last().map_or(0, |frame| frame.id);
        self.vars.push(VarInfo { name, scope, span });
        self.vars.len() - 1
    }

    /// Declares a name in the innermost body.
    pub(super) fn declare(&mut self, name: &Arc<str>, span: Span) -> Var {
        let known = self.frames.last().and_then(|frame| frame.names.get(name)).copied();
        known.unwrap_or_else(|| {
            let var = self.new_var(name.clone(), span);
            if let Some(frame) = self.frames.last_mut() {
                frame.names.insert(name.clone(), var);
            }
            var
        })
    }

    /// The variable that a name is here.
    pub(super) fn find(&self, name: &str) -> Option<Var> {
        let visible = self.frames.iter().rev().filter(|frame| !frame.pending.contains(name));
        visible.filter_map(|frame| frame.names.get(name)).next().copied()
    }

    /// From here on the names of a pattern mean what the innermost body declares.
    pub(super) fn activate(&mut self, pattern: &TermRef) {
        if let Some(name) = declared_name(pattern)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.pending.remove(name);
            return;
        }
        match &pattern.value {
            Syntax::Array(items) | Syntax::Set(items) => items.iter().for_each(|item| self.activate(item)),
            Syntax::Object(pairs) => pairs.iter().for_each(|(_, value)| self.activate(value)),
            _ => {}
        }
    }

    /// The names of the innermost open body and their variables.
    pub(super) fn innermost(&self) -> Vec<(Arc<str>, Var)> {
        let names = self.frames.last().map(|frame| &frame.names);
        names.into_iter().flatten().map(|(name, var)| (name.clone(), *var)).collect()
    }

    /// Registers the variables that a body owns, which is open already; `terms` belong to it as well.
    pub(super) fn own(&mut self, body: &Body, terms: &[TermRef], globals: &Globals) {
        let before: BTreeSet<Arc<str>> =
            self.frames.last().into_iter().flat_map(|frame| frame.names.keys()).cloned().collect();
        for expr in &body.exprs {
            self.declarations(expr);
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.pending = frame.names.keys().filter(|name| !before.contains(*name)).cloned().collect();
        }
        let mut found: Vec<(Arc<str>, Span)> = Vec::new();
        for expr in &body.exprs {
            direct_in_expr(expr, &mut found);
        }
        terms.iter().for_each(|term| direct_in_term(term, &mut found));
        for (name, span) in found {
            let own = self.frames.last().is_some_and(|frame| frame.names.contains_key(&name));
            let taken =
                own || matches!(&*name, "input" | "data") || globals.contains_key(&name) || self.find(&name).is_some();
            if !taken {
                self.declare(&name, span);
            }
        }
    }

    fn declarations(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Call(call) if call.is("assign") => {
                if let [left, _] = call.args.as_slice() {
                    self.declare_pattern(left);
                }
            }
            ExprKind::Some(symbols) => {
                for symbol in symbols {
                    match &symbol.value {
                        Syntax::Call(call) => {
                            let bound = call.args.len().saturating_sub(1);
                            call.args.iter().take(bound).for_each(|term| self.declare_pattern(term));
                        }
                        _ => self.declare_pattern(symbol),
                    }
                }
            }
            _ => {}
        }
    }

    /// Declares the variables of a pattern: keys of objects and references declare nothing.
    pub(super) fn declare_pattern(&mut self, term: &TermRef) {
        if let Some(name) = declared_name(term) {
            self.declare(name, term.span);
            return;
        }
        match &term.value {
            Syntax::Array(items) | Syntax::Set(items) => items.iter().for_each(|item| self.declare_pattern(item)),
            Syntax::Object(pairs) => pairs.iter().for_each(|(_, value)| self.declare_pattern(value)),
            _ => {}
        }
    }
}

/// The name that a term declares: a variable, or `input` or `data` alone, which read as references.
fn declared_name(term: &TermRef) -> Option<&Arc<str>> {
    match &term.value {
        Syntax::Var(name) => Some(name),
        Syntax::Ref(parts) => match parts.as_slice() {
            [only] => only.as_var(),
            _ => None,
        },
        _ => None,
    }
}

/// The variables named directly in an expression, those of bodies inside it left out.
fn direct_in_expr(expr: &Expr, found: &mut Vec<(Arc<str>, Span)>) {
    match &expr.kind {
        ExprKind::Term(term) => direct_in_term(term, found),
        ExprKind::Call(call) => direct_in_call(call, found),
        ExprKind::Some(symbols) => symbols.iter().for_each(|symbol| direct_in_term(symbol, found)),
        ExprKind::Every(every) => direct_in_term(&every.domain, found),
        ExprKind::Not(_) | ExprKind::And(_) | ExprKind::Or(_) => {}
    }
    let values = expr.with.iter().map(|with| &with.value).filter(|value| !names_builtin(value));
    values.for_each(|value| direct_in_term(value, found));
}

/// Whether a term is the name of a built-in, which may stand for another one under `with`.
fn names_builtin(term: &TermRef) -> bool {
    let parts = match &term.value {
        Syntax::Var(_) => vec![term.clone()],
        Syntax::Ref(parts) => parts.clone(),
        _ => return false,
    };
    let call = Call { operator: fleetgate_rego::ast::Term::new(term.span, Syntax::Ref(parts)), args: Vec::new() };
    call.path().is_some_and(|name| fleetgate_rego::builtins::find(&name).is_some())
}

fn direct_in_call(call: &Call, found: &mut Vec<(Arc<str>, Span)>) {
    call.args.iter().for_each(|arg| direct_in_term(arg, found));
}

fn direct_in_term(term: &TermRef, found: &mut Vec<(Arc<str>, Span)>) {
    match &term.value {
        Syntax::Var(name) => found.push((name.clone(), term.span)),
        Syntax::Ref(items) | Syntax::Array(items) | Syntax::Set(items) => {
            items.iter().for_each(|item| direct_in_term(item, found));
        }
        Syntax::Object(pairs) => pairs.iter().for_each(|(key, value)| {
            direct_in_term(key, found);
            direct_in_term(value, found);
        }),
        Syntax::Call(call) => direct_in_call(call, found),
        Syntax::Null | Syntax::Bool(_) | Syntax::Number(_) | Syntax::String(_) | Syntax::Template(_) => {}
        Syntax::ArrayComprehension(..) | Syntax::SetComprehension(..) | Syntax::ObjectComprehension(..) => {}
    }
}
