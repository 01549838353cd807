//! What declares variables: `:=`, `some`, `every`, and bodies with scopes of their own.

use crate::capabilities::Release;
use crate::span::Span;

use super::ir::{Collection, Expr, Kind, Node, Value, Var, VarSet};
use super::locals::{Locals, Occurrence, Scope};
use super::outputs;
use super::vars::{self, Skip, collect, of_node};
use super::walk::Item;

impl Locals<'_> {
    pub(super) fn assignment(&mut self, expr: &mut Expr) {
        if expr.negated {
            self.error(expr.span, "cannot assign vars inside negated expression");
            return;
        }
        let Kind::Call(terms) = &mut expr.kind else {
            return;
        };
        let [operator, target, value] = terms.as_mut_slice() else {
            return;
        };
        let before = self.errors.len();
        self.deep(value);
        expr.with.iter_mut().for_each(|with| self.deep(&mut with.value));
        self.target(target);
        if self.errors.len() == before {
            operator.value = Value::Ref(vec![Node::var(operator.span, Var::EQ)]);
            // Since OPA 1.22 what is assigned does not bind what it is assigned from.
            expr.from_assignment = self.release == Release::Opa1_22;
        }
    }

    fn target(&mut self, node: &mut Node) {
        if node.is_root_document() {
            if let Some(new) = node.ref_head().and_then(|var| self.declare(var, Occurrence::Assigned, node.span)) {
                node.value = Value::Var(new);
            }
            return;
        }
        match &mut node.value {
            Value::Var(var) => {
                if let Some(new) = self.declare(*var, Occurrence::Assigned, node.span) {
                    *var = new;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.target(item)),
            Value::Object(pairs) => pairs.iter_mut().for_each(|(_, value)| self.target(value)),
            other => {
                let message = format!("cannot assign to {}", kind_name(other));
                self.error(node.span, message);
            }
        }
    }

    /// `some x` declares; `some x in xs` declares and is `x = xs[_]`.
    pub(super) fn some(&mut self, mut expr: Expr) -> Option<Expr> {
        let Kind::Some(symbols) = &expr.kind else {
            return None;
        };
        for symbol in symbols {
            match &symbol.value {
                Value::Var(var) => {
                    self.declare(*var, Occurrence::Declared, expr.span)?;
                }
                Value::Call(terms) => {
                    let (key, value, domain) = match terms.as_slice() {
                        [_, key, value, domain] => (key.clone(), value.clone(), domain.clone()),
                        [_, value, domain] => {
                            let key = Node::var(value.span, self.names.fresh());
                            (key, value.clone(), domain.clone())
                        }
                        _ => return None,
                    };
                    if !self.apart(&key, &value, &domain, expr.span) {
                        return None;
                    }
                    let mut safe = VarSet::new();
                    of_node(&domain, &mut safe);
                    let parts = match domain.value {
                        Value::Ref(mut parts) => {
                            parts.push(key);
                            parts
                        }
                        value => vec![Node::new(domain.span, value), key],
                    };
                    let indexed = Node::new(domain.span, Value::Ref(parts));
                    let operator = Node::new(expr.span, Value::Ref(vec![Node::var(expr.span, Var::EQ)]));
                    expr.kind = Kind::Call(vec![operator, value, indexed]);
                    for var in self.names.sorted(&outputs::of_equality(&expr, &safe)) {
                        self.declare(var, Occurrence::Declared, expr.span)?;
                    }
                    self.expr(&mut expr);
                    return Some(expr);
                }
                _ => {}
            }
        }
        None
    }

    /// Since OPA 1.22 what `some … in` binds must not be in what it ranges over.
    fn apart(&mut self, key: &Node, value: &Node, domain: &Node, span: Span) -> bool {
        if self.release == Release::Opa1_17 {
            return true;
        }
        let mut bound = VarSet::new();
        collect(Item::Node(key), vars::BOUND, &mut bound);
        collect(Item::Node(value), vars::BOUND, &mut bound);
        let mut read = VarSet::new();
        collect(Item::Node(domain), Skip { closures: true, ..Skip::default() }, &mut read);
        let both: VarSet = bound.intersection(&read).copied().collect();
        let mut apart = true;
        for var in self.names.sorted(&both) {
            if !self.names.is_wildcard(var) {
                let message = format!("var {} assigned before", self.names.text(var));
                self.error(span, message);
                apart = false;
            }
        }
        apart
    }

    pub(super) fn every(&mut self, expr: &mut Expr) {
        let span = expr.span;
        if let Kind::Every(every) = &mut expr.kind {
            self.deep(&mut every.domain);
            self.scopes.push(Scope::new());
            let missing = every.key.is_none();
            for node in every.key.iter_mut().chain([&mut every.value]) {
                if let Some(var) = node.as_var().filter(|var| !self.names.is_wildcard(*var)) {
                    match self.declare(var, Occurrence::Declared, span) {
                        Some(new) => node.value = Value::Var(new),
                        None => {
                            self.scopes.pop();
                            return;
                        }
                    }
                }
            }
            if missing {
                every.key = Some(Node::var(every.value.span, self.names.fresh()));
            }
            self.body(&mut every.body, &VarSet::new());
        }
        self.expr(expr);
        self.scopes.pop();
    }

    pub(super) fn nested(&mut self, expr: &mut Expr) {
        let before = self.errors.len();
        let mut pushed = false;
        match &mut expr.kind {
            Kind::Not(body, true) => {
                self.scopes.push(Scope::new());
                pushed = true;
                self.body(body, &VarSet::new());
            }
            Kind::Not(body, false) => self.implicit(body, "cannot assign vars inside negated expression"),
            Kind::Logical(logical) => {
                let operand = if logical.or { "or" } else { "and" };
                let message = format!("cannot assign vars inside implicit {operand} operand");
                for (body, explicit) in &mut logical.sides {
                    if *explicit {
                        self.scopes.push(Scope::new());
                        self.body(body, &VarSet::new());
                        self.scopes.pop();
                    } else {
                        self.implicit(body, &message);
                    }
                }
            }
            _ => {}
        }
        if pushed || self.errors.len() == before {
            self.expr(expr);
        }
        if pushed {
            self.scopes.pop();
        }
    }

    /// A body without braces cannot declare anything.
    fn implicit(&mut self, body: &mut [Expr], message: &str) {
        for expr in body {
            if expr.operands_of(Var::ASSIGN).is_some() {
                self.error(expr.span, message);
            } else if matches!(expr.kind, Kind::Not(..) | Kind::Logical(_)) {
                self.nested(expr);
            }
        }
    }
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Template(_) => "templatestring",
        Value::Var(_) => "var",
        Value::Ref(_) => "ref",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Set(_) => "set",
        Value::Comprehension(inner) => match inner.makes {
            Collection::Array => "arraycomprehension",
            Collection::Set => "setcomprehension",
            Collection::Object => "objectcomprehension",
        },
        Value::Call(_) => "call",
    }
}
