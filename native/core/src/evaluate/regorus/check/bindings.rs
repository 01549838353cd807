//! Bindings that the VM does not hold to be conditions, and the condition that mends them.
//!
//! In Rego `x := value` ends its body when the value is undefined. regorus's VM goes on, with `x` undefined, until some
//! later expression needs `x`; its interpreter ends the body. So a body in which nothing needs `x` strictly (it is
//! unused, or used under `not`, in a comprehension, or as the argument of a function that may ignore it) is one that the
//! VM would answer differently. There the condition `[x] != 0` is written behind the binding: it holds for every value.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, BUILTINS, Expr, Literal, LiteralStmt, Module, Query};

use super::calls;
use super::edits::Edit;
use super::walk::{self, Body, Finding};

pub(super) fn overlooked(module: &Module) -> Vec<Edit> {
    let functions = module.policy.iter().filter_map(|rule| calls::function(rule)).map(|(name, _)| name).collect();
    let mut edits = Vec::new();
    walk::module(module, &mut |finding| {
        let Finding::Query { query, body } = finding else { return };
        let results = if let Body::Rule { results } = body { results } else { Vec::new() };
        in_query(query, &Scope { results: &results, functions: &functions }, &mut edits);
    });
    edits
}

fn in_query(query: &Query, scope: &Scope<'_>, edits: &mut Vec<Edit>) {
    let mut statements = query.stmts.as_slice();
    while let Some((statement, rest)) = statements.split_first() {
        statements = rest;
        let Some((target, value)) = binding(statement) else { continue };
        let bound = variables(target);
        if !always_defined(value) && !bound.iter().any(|name| scope.needs(name, rest)) {
            let variable = bound.iter().find(|name| **name != "_");
            let text = variable.map(|name| format!("; [{name}] != 0"));
            edits.push(Edit { at: super::offset(statement.span.end), text });
        }
    }
}

/// The two sides of `target := value`.
fn binding(statement: &LiteralStmt) -> Option<(&Expr, &Expr)> {
    let Literal::Expr { expr, .. } = &statement.literal else { return None };
    match &**expr {
        Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => Some((lhs, rhs)),
        _ => None,
    }
}

fn variables(target: &Expr) -> Vec<&str> {
    match target {
        Expr::Var { span, .. } => vec![span.text()],
        Expr::Array { items, .. } => items.iter().flat_map(|item| variables(item)).collect(),
        Expr::Object { fields, .. } => fields.iter().flat_map(|(_, _, value)| variables(value)).collect(),
        _ => Vec::new(),
    }
}

/// Whether an expression has a value whatever the input is. Comprehensions do: an empty one.
fn always_defined(value: &Expr) -> bool {
    match value {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::ArrayCompr { .. }
        | Expr::SetCompr { .. }
        | Expr::ObjectCompr { .. } => true,
        Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().all(|item| always_defined(item)),
        Expr::Object { fields, .. } => {
            fields.iter().all(|(_, key, value)| always_defined(key) && always_defined(value))
        }
        _ => false,
    }
}

struct Scope<'a> {
    results: &'a [&'a Expr],
    functions: &'a BTreeSet<&'a str>,
}

impl Scope<'_> {
    /// Whether what follows in the body cannot succeed while a variable is undefined.
    fn needs(&self, name: &str, rest: &[LiteralStmt]) -> bool {
        let mut statements = rest;
        while let Some((statement, after)) = statements.split_first() {
            statements = after;
            let needed = match (&statement.literal, binding(statement)) {
                // Another binding hands the undefinedness on; it counts where its own variable is needed.
                (_, Some((target, value))) => {
                    self.uses(value, name) && variables(target).iter().any(|bound| self.needs(bound, after))
                }
                (Literal::Expr { expr, .. }, None) => self.uses(expr, name),
                (Literal::SomeIn { collection, .. }, None) => self.uses(collection, name),
                (Literal::SomeVars { .. } | Literal::NotExpr { .. } | Literal::Every { .. }, None) => false,
            };
            if needed {
                return true;
            }
        }
        self.results.iter().any(|result| self.uses(result, name))
    }

    /// Whether an expression is undefined while a variable is.
    fn uses(&self, expr: &Expr, name: &str) -> bool {
        match expr {
            Expr::Var { span, .. } => span.text() == name,
            Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference_uses(expr, name),
            Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().any(|item| self.uses(item, name)),
            Expr::Object { fields, .. } => {
                fields.iter().any(|(_, key, value)| self.uses(key, name) || self.uses(value, name))
            }
            Expr::Call { fcn, params, .. } => {
                self.is_builtin(fcn.span().text()) && params.iter().any(|param| self.uses(param, name))
            }
            Expr::UnaryExpr { expr, .. } => self.uses(expr, name),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => self.uses(lhs, name) || self.uses(rhs, name),
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).any(|expr| self.uses(expr, name))
            }
            _ => false,
        }
    }

    /// References may be long: their steps are followed in a loop.
    fn reference_uses(&self, expr: &Expr, name: &str) -> bool {
        let mut at = expr;
        loop {
            match at {
                Expr::RefDot { refr, .. } => at = refr,
                Expr::RefBrack { refr, index, .. } => {
                    if self.uses(index, name) {
                        return true;
                    }
                    at = refr;
                }
                other => return self.uses(other, name),
            }
        }
    }

    fn is_builtin(&self, name: &str) -> bool {
        BUILTINS.contains_key(name) && !self.functions.contains(name)
    }
}
