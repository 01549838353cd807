//! Declared variables get names of their own, and what declares them becomes an equality.
//!
//! A variable may be declared once in a body, and only before it is used there.

use std::collections::BTreeMap;

use crate::builtins;
use crate::capabilities::Release;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;

use super::errors::Errors;
use super::ir::{Comprehension, Expr, Kind, Names, Node, Part, Rule, Value, Var, VarSet, With};
use super::vars::{Skip, collect, declared_by, declared_in, of_body, of_node};
use super::walk::{Item, ItemMut, children_mut};

/// How a variable first occurred in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    Argument,
    Seen,
    Assigned,
    Declared,
}

/// The variables of one scope: what each became, and how it first occurred.
pub(super) type Scope = BTreeMap<Var, (Var, Occurrence)>;

/// Rewrites every rule.
pub(super) fn rewrite(names: &mut Names, release: Release, rules: &mut [Rule], errors: &mut Errors) {
    let mut number = 0;
    while number < rules.len() {
        let mut chain = Some(number);
        let mut args = Scope::new();
        while let Some(rule) = chain.and_then(|at| rules.get_mut(at)) {
            let mut pass =
                Locals { names, release, scopes: vec![args.clone()], errors: Vec::new(), unused: Vec::new() };
            let mut recoverable = Vec::new();
            if rule.first {
                rule.args.iter_mut().for_each(|arg| pass.argument(arg));
                args.clone_from(pass.scopes.first().unwrap_or(&Scope::new()));
            }
            pass.rule(rule, &mut recoverable);
            let all = rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value);
            let all = all.chain(rule.reference.iter_mut().skip(1)).map(ItemMut::Node);
            all.chain(rule.body.iter_mut().map(ItemMut::Expr)).for_each(own_data);
            let Locals { errors: fatal, unused, .. } = pass;
            errors.all(rule.module, fatal, true);
            errors.all(rule.module, recoverable.into_iter().chain(unused), false);
            chain = rule.otherwise;
            number += 1;
        }
    }
}

pub(super) struct Locals<'n> {
    pub(super) names: &'n mut Names,
    pub(super) release: Release,
    pub(super) scopes: Vec<Scope>,
    pub(super) errors: Vec<Diagnostic>,
    /// Declared and never used: an error that does not stop the compilation.
    unused: Vec<Diagnostic>,
}

impl Locals<'_> {
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors.push(Diagnostic::new(Code::Compile, span, message));
    }

    fn scope(&mut self) -> Option<&mut Scope> {
        self.scopes.last_mut()
    }

    /// What `var` became in the innermost scope that has it.
    pub(super) fn current(&self, var: Var) -> Option<(Var, Occurrence)> {
        self.scopes.iter().rev().find_map(|scope| scope.get(&var).copied())
    }

    fn insert(&mut self, var: Var, new: Var, occurrence: Occurrence) {
        if let Some(scope) = self.scope() {
            scope.insert(var, (new, occurrence));
        }
        if var != new {
            self.names.original.insert(new, var);
        }
    }

    pub(super) fn declare(&mut self, var: Var, occurrence: Occurrence, span: Span) -> Option<Var> {
        let name = self.names.text(var);
        let before = self.scopes.last().and_then(|scope| scope.get(&var)).map(|(_, occurrence)| *occurrence);
        let message = match before {
            None => {
                let new = self.names.fresh();
                self.insert(var, new, occurrence);
                return Some(new);
            }
            Some(Occurrence::Seen) => format!("var {name} referenced above"),
            Some(Occurrence::Assigned) => format!("var {name} assigned above"),
            Some(Occurrence::Declared) => format!("var {name} declared above"),
            Some(Occurrence::Argument) => format!("arg {name} redeclared"),
        };
        self.error(span, message);
        None
    }

    fn argument(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Var(var) => {
                let old = *var;
                *var = match self.current(old) {
                    Some((new, _)) => new,
                    None => {
                        let new = self.names.fresh();
                        self.insert(old, new, Occurrence::Argument);
                        new
                    }
                };
            }
            Value::Object(pairs) => pairs.iter_mut().for_each(|(_, value)| self.argument(value)),
            Value::Ref(items) | Value::Array(items) => items.iter_mut().for_each(|item| self.argument(item)),
            Value::Call(_) => self.error(node.span, "rule arguments cannot contain calls"),
            _ => {}
        }
    }

    fn rule(&mut self, rule: &mut Rule, recoverable: &mut Vec<Diagnostic>) {
        let terms = rule.args.iter().chain(&rule.key).chain(&rule.value).chain(rule.reference.iter().skip(1));
        let only_scalars = terms.clone().all(Node::is_scalar);
        let mut used = VarSet::new();
        // What is wrong with a head does not keep its body's variables from being checked.
        let mut before = std::mem::take(&mut self.errors);
        if !only_scalars {
            self.head(rule, recoverable);
            before.append(&mut self.errors);
            let head = rule.key.iter().chain(&rule.value).chain(rule.reference.iter().skip(1));
            head.for_each(|node| of_node(node, &mut used));
        }
        if self.release == Release::Opa1_22 {
            self.set_builtins_apart(rule);
        }
        self.body(&mut rule.body, &used);
        before.append(&mut self.errors);
        self.errors = before;
        if !only_scalars {
            let declared = self.scopes.first().cloned().unwrap_or_default();
            let head = rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value);
            for node in head.chain(rule.reference.iter_mut().skip(1)) {
                rename(ItemMut::Node(node), &declared);
            }
        }
    }

    /// Comprehensions in the head have scopes of their own and come first.
    fn head(&mut self, rule: &mut Rule, recoverable: &mut Vec<Diagnostic>) {
        let scopes = std::mem::take(&mut self.scopes);
        for node in rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value) {
            self.head_term(node, recoverable);
        }
        self.scopes = scopes;
    }

    fn head_term(&mut self, node: &mut Node, recoverable: &mut Vec<Diagnostic>) {
        self.scopes = vec![Scope::new()];
        match &mut node.value {
            Value::Comprehension(inner) => self.comprehension(inner),
            Value::Template(parts) => self.template(parts),
            Value::Object(pairs) => pairs.iter_mut().for_each(|(key, value)| {
                self.head_term(key, recoverable);
                self.head_term(value, recoverable);
            }),
            Value::Ref(items) | Value::Array(items) | Value::Set(items) | Value::Call(items) => {
                items.iter_mut().for_each(|item| self.head_term(item, recoverable));
            }
            _ => {}
        }
        recoverable.append(&mut self.unused);
    }

    /// Variables that have the name of a built-in get another, so that they are not taken for it.
    fn set_builtins_apart(&mut self, rule: &Rule) {
        let visible = Skip { call_heads: true, closures: true, ..Skip::default() };
        let mut all = VarSet::new();
        of_body(&rule.body, visible, &mut all);
        let declared = declared_in(&rule.body);
        let mut in_with = VarSet::new();
        let mut visit = |item: Item<'_>| {
            if let Item::With(with) = item {
                let skip = Skip { call_heads: true, ..Skip::default() };
                collect(Item::Node(&with.target), skip, &mut in_with);
                collect(Item::Node(&with.value), skip, &mut in_with);
            }
            true
        };
        super::walk::walk_head(rule, &mut visit);
        super::walk::walk_body(&rule.body, &mut visit);
        for var in self.names.sorted(&all) {
            let is_builtin = builtins::find(self.names.text(var)).is_some_and(|builtin| builtin.is_in(self.release));
            if is_builtin && !declared.contains(&var) && !in_with.contains(&var) && self.current(var).is_none() {
                let new = self.names.fresh();
                self.insert(var, new, Occurrence::Seen);
            }
        }
    }

    /// Rewrites a body in the current scope. `used` are the variables that what stands around it reads.
    pub(super) fn body(&mut self, body: &mut Vec<Expr>, used: &VarSet) {
        let span = body.first().map_or(Span::default(), |expr| expr.span);
        let mut declaring = Vec::new();
        let mut out = Vec::with_capacity(body.len());
        for mut expr in body.drain(..) {
            let mut declared = VarSet::new();
            declared_by(&expr, &mut declared);
            declaring.push((expr.span, declared));
            if expr.operands_of(Var::ASSIGN).is_some() {
                self.assignment(&mut expr);
                out.push(expr);
                continue;
            }
            match &expr.kind {
                Kind::Some(_) => out.extend(self.some(expr)),
                Kind::Every(_) => {
                    self.every(&mut expr);
                    out.push(expr);
                }
                Kind::Not(..) | Kind::Logical(_) => {
                    self.nested(&mut expr);
                    out.push(expr);
                }
                _ => {
                    self.expr(&mut expr);
                    out.push(expr);
                }
            }
        }
        if out.is_empty() {
            out.push(Expr::always(span));
        }
        *body = out;
        self.check_declared(body, used, &declaring);
    }

    /// Reports what `some` and `every` declare and nothing uses.
    fn check_declared(&mut self, body: &[Expr], used: &VarSet, declaring: &[(Span, VarSet)]) {
        if !self.errors.is_empty() || !self.unused.is_empty() {
            return;
        }
        let scope = self.scopes.last().cloned().unwrap_or_default();
        let declared: Vec<(Var, Var)> = scope
            .iter()
            .filter(|(_, (_, occurrence))| *occurrence == Occurrence::Declared)
            .map(|(var, (new, _))| (*var, *new))
            .collect();
        if declared.is_empty() {
            return;
        }
        let mut visible = VarSet::new();
        of_body(body, Skip::default(), &mut visible);
        visible.extend(used.iter().map(|var| self.current(*var).map_or(*var, |(new, _)| new)));
        for (var, new) in declared {
            if visible.contains(&new) || used.contains(&new) || self.names.is_generated(var) {
                continue;
            }
            let by = declaring.iter().find(|(_, vars)| vars.contains(&var)).or(declaring.first());
            let span = by.map_or(Span::default(), |(span, _)| *span);
            let message = format!("declared var {} unused", self.names.text(var));
            self.unused.push(Diagnostic::new(Code::Compile, span, message));
        }
    }

    /// Rewrites what an expression reads, bodies inside it included.
    pub(super) fn expr(&mut self, expr: &mut Expr) {
        children_mut(ItemMut::Expr(expr), &mut |child| self.item(child));
    }

    fn item(&mut self, item: ItemMut<'_>) {
        match item {
            ItemMut::Node(node) => self.deep(node),
            ItemMut::Expr(expr) => self.expr(expr),
            ItemMut::With(with) => self.with(with),
        }
    }

    fn with(&mut self, with: &mut With) {
        self.deep(&mut with.target);
        // The target names the document even where a variable hides it.
        if let Some((hidden, _)) = self.current(Var::INPUT) {
            let root = |span| Value::Ref(vec![Node::var(span, Var::INPUT)]);
            match &mut with.target.value {
                Value::Var(var) if *var == hidden => with.target.value = root(with.target.span),
                Value::Ref(parts) => {
                    if let Some(head) = parts.first_mut().filter(|head| head.as_var() == Some(hidden)) {
                        head.value = Value::Var(Var::INPUT);
                    }
                }
                _ => {}
            }
        }
        self.deep(&mut with.value);
    }

    pub(super) fn deep(&mut self, node: &mut Node) {
        if node.is_root_document() {
            let occurrence = node.ref_head().and_then(|var| self.current(var));
            if let Some((new, occurrence)) = occurrence
                && occurrence != Occurrence::Seen
            {
                node.value = Value::Var(new);
            }
            return;
        }
        match &mut node.value {
            Value::Var(Var::OWN_DATA) => {
                if self.current(Var::DATA).is_none() {
                    self.insert(Var::DATA, Var::DATA, Occurrence::Seen);
                }
            }
            Value::Var(var) => match self.current(*var) {
                Some((new, _)) => *var = new,
                None => self.insert(*var, *var, Occurrence::Seen),
            },
            Value::Call(terms) => {
                self.check_called(terms, node.span);
                terms.iter_mut().for_each(|term| self.deep(term));
            }
            Value::Comprehension(inner) => self.comprehension(inner),
            _ => children_mut(ItemMut::Node(node), &mut |child| self.item(child)),
        }
    }

    fn check_called(&mut self, terms: &[Node], span: Span) {
        let Some(operator) = terms.first() else {
            return;
        };
        let mut read = VarSet::new();
        of_node(operator, &mut read);
        for var in read {
            let var = if var == Var::OWN_DATA { Var::DATA } else { var };
            if self.current(var).is_some_and(|(new, _)| new != var) {
                let message = format!("called function {} shadowed", super::text::node(self.names, operator));
                self.error(span, message);
            }
        }
    }

    fn comprehension(&mut self, inner: &mut Comprehension) {
        let mut used = VarSet::new();
        inner.key.iter().chain([&inner.value]).for_each(|node| of_node(node, &mut used));
        self.scopes.push(Scope::new());
        self.body(&mut inner.body, &used);
        inner.key.iter_mut().chain([&mut inner.value]).for_each(|node| self.deep(node));
        self.scopes.pop();
    }

    /// In a head, each expression of a template string has a scope of its own.
    fn template(&mut self, parts: &mut [Part]) {
        for part in parts {
            if let Part::Expr(expr) = part {
                self.scopes.push(Scope::new());
                self.expr(expr);
                self.scopes.pop();
            }
        }
    }
}

/// Makes `data` of rules' own names the `data` that all stages after this one know.
fn own_data(item: ItemMut<'_>) {
    match item {
        ItemMut::Node(Node { value: Value::Var(var), .. }) if *var == Var::OWN_DATA => *var = Var::DATA,
        item => children_mut(item, &mut own_data),
    }
}

/// Gives variables the names that the body gave them.
fn rename(item: ItemMut<'_>, declared: &Scope) {
    if let ItemMut::Node(Node { value: Value::Var(var), .. }) = item {
        if let Some((new, _)) = declared.get(var) {
            *var = *new;
        }
        return;
    }
    children_mut(item, &mut |child| rename(child, declared));
}
