//! Which variables an expression binds.

use std::collections::BTreeMap;

use super::ir::{Collection, Expr, Kind, Names, Node, Rule, Value, Var, VarSet};
use super::tree::Tree;
use super::vars::{BOUND, OUTPUTS, SAFETY, Skip, collect, of_node};
use super::walk::{Item, walk};
use crate::builtins;
use crate::capabilities::Release;

/// What can be called.
pub(super) struct Functions<'c> {
    pub(super) names: &'c Names,
    pub(super) release: Release,
    pub(super) tree: &'c Tree,
    /// The number of arguments of each rule.
    pub(super) arities: &'c [usize],
}

impl Functions<'_> {
    /// The number of arguments that `operator` takes, if anything is called so.
    pub(super) fn arity(&self, operator: &Node) -> Option<usize> {
        let name = super::text::operator(self.names, operator);
        if let Some(builtin) = builtins::find(&name).filter(|builtin| builtin.is_in(self.release)) {
            return Some(builtin.arity);
        }
        let first = self.tree.find(operator.as_ref()?)?.rules.first()?;
        self.arities.get(*first).copied()
    }
}

/// The number of arguments of each rule.
pub(super) fn arities(rules: &[Rule]) -> Vec<usize> {
    rules.iter().map(|rule| rule.args.len()).collect()
}

/// The variables that a body binds, given those that are bound.
pub(super) fn of_body(functions: &Functions<'_>, body: &[Expr], safe: &VarSet) -> VarSet {
    let mut all = safe.clone();
    for expr in body {
        let new = of_expr(functions, expr, &all);
        all.extend(new);
    }
    all.difference(safe).copied().collect()
}

/// The variables that an expression binds, given those that are bound.
pub(super) fn of_expr(functions: &Functions<'_>, expr: &Expr, safe: &VarSet) -> VarSet {
    if expr.negated || matches!(expr.kind, Kind::Not(..) | Kind::Logical(_) | Kind::Some(_)) {
        return VarSet::new();
    }
    let mut read = VarSet::new();
    expr.with.iter().for_each(|with| collect(Item::With(with), SAFETY, &mut read));
    if !read.is_subset(safe) {
        return VarSet::new();
    }
    match &expr.kind {
        Kind::Every(every) => of_terms(Item::Node(&every.domain), safe),
        Kind::Call(terms) => {
            if expr.operands_of(Var::EQ).is_some() {
                return of_equality(expr, safe);
            }
            let arity = terms.first().and_then(|operator| functions.arity(operator));
            arity.map_or_else(VarSet::new, |arity| of_call(expr, terms, arity, safe))
        }
        _ => of_terms(Item::Expr(expr), safe),
    }
}

fn of_call(expr: &Expr, terms: &[Node], arity: usize, safe: &VarSet) -> VarSet {
    let mut output = of_terms(Item::Expr(expr), safe);
    let Some((inputs, rest)) = terms.split_at_checked(arity + 1).filter(|(_, rest)| !rest.is_empty()) else {
        return output;
    };
    let mut read = VarSet::new();
    inputs.iter().for_each(|node| collect(Item::Node(node), OUTPUTS, &mut read));
    if read.iter().any(|var| !output.contains(var) && !safe.contains(var)) {
        return VarSet::new();
    }
    rest.iter().for_each(|node| collect(Item::Node(node), OUTPUTS, &mut output));
    output
}

/// The variables in the indices of references whose head is bound.
fn of_terms(item: Item<'_>, safe: &VarSet) -> VarSet {
    let mut output = VarSet::new();
    walk(item, &mut |item| {
        match item {
            Item::Node(Node { value: Value::Comprehension(_) | Value::Template(_), .. }) => return false,
            Item::Node(node @ Node { value: Value::Ref(parts), .. }) => {
                if !parts.first().is_some_and(|head| is_safe(head, safe)) {
                    return false;
                }
                if !node.is_ground() {
                    collect(item, Skip { ref_heads: true, ..Skip::default() }, &mut output);
                }
            }
            _ => {}
        }
        true
    });
    output
}

fn is_safe(head: &Node, safe: &VarSet) -> bool {
    if let Some(var) = head.as_var() {
        return safe.contains(&var);
    }
    let mut read = VarSet::new();
    collect(Item::Node(head), SAFETY, &mut read);
    read.is_subset(safe)
}

/// The variables that an equality binds.
pub(super) fn of_equality(expr: &Expr, safe: &VarSet) -> VarSet {
    let Some((left, right)) = expr.sides() else {
        return safe.clone();
    };
    let mut known = Known { safe, also: of_terms(Item::Expr(expr), safe), target: VarSet::new() };
    if expr.from_assignment {
        of_node(left, &mut known.target);
    }
    let mut unifier = Unifier { known, unified: VarSet::new(), waiting: BTreeMap::new() };
    unifier.unify(left, right);
    let Unifier { known, unified, .. } = unifier;
    let also = known.also.iter().filter(|var| !known.target.contains(var));
    also.chain(&unified).filter(|var| !safe.contains(var)).copied().collect()
}

/// The variables that are bound before an equality: the safe ones and those that its indices bind, without the target of
/// an assignment.
struct Known<'s> {
    safe: &'s VarSet,
    also: VarSet,
    target: VarSet,
}

impl Known<'_> {
    fn has(&self, var: Var) -> bool {
        (self.safe.contains(&var) || self.also.contains(&var)) && !self.target.contains(&var)
    }

    fn has_all(&self, node: &Node) -> bool {
        let mut read = VarSet::new();
        collect(Item::Node(node), SAFETY, &mut read);
        read.into_iter().all(|var| self.has(var))
    }
}

/// Finds what becomes bound when two terms are made equal.
struct Unifier<'s> {
    known: Known<'s>,
    unified: VarSet,
    /// Variables that are bound once all of a set are.
    waiting: BTreeMap<Var, VarSet>,
}

impl Unifier<'_> {
    fn is_bound(&self, var: Var) -> bool {
        self.known.has(var) || self.unified.contains(&var)
    }

    fn unify(&mut self, a: &Node, b: &Node) {
        match (&a.value, &b.value) {
            (Value::Var(a), Value::Var(b)) => {
                if self.is_bound(*b) {
                    self.bind(*a);
                } else if self.is_bound(*a) {
                    self.bind(*b);
                } else {
                    self.wait(*a, *b);
                    self.wait(*b, *a);
                }
            }
            (Value::Var(var), Value::Array(_) | Value::Object(_)) => self.unify_all(*var, b),
            (Value::Array(_) | Value::Object(_), Value::Var(var)) => self.unify_all(*var, a),
            (Value::Var(_), Value::Ref(_) | Value::Call(_)) => self.bind_from(a, b),
            (Value::Ref(_) | Value::Call(_), Value::Var(_) | Value::Array(_) | Value::Object(_)) => {
                self.bind_from(b, a)
            }
            (Value::Array(_) | Value::Object(_), Value::Ref(_) | Value::Call(_)) => self.bind_from(a, b),
            (Value::Var(var), _) | (_, Value::Var(var)) => self.bind(*var),
            (Value::Comprehension(inner), Value::Array(_)) if inner.makes == Collection::Array => self.bind_all(b),
            (Value::Comprehension(inner), Value::Object(_)) if inner.makes == Collection::Object => self.bind_all(b),
            (Value::Array(_), Value::Comprehension(_)) => self.bind_all(a),
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).for_each(|(a, b)| self.unify(a, b));
            }
            (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
                for (key, value) in a {
                    let same = |other: &&(Node, Node)| same_key(key, &other.0);
                    if let Some((_, other)) = b.iter().find(same) {
                        self.unify(value, other);
                    }
                }
            }
            _ => {}
        }
    }

    fn is_readable(&self, node: &Node) -> bool {
        match &node.value {
            Value::Ref(parts) => parts.first().is_some_and(|head| match head.value {
                Value::Var(var) => self.known.has(var),
                _ => self.known.has_all(head),
            }),
            _ => self.known.has_all(node),
        }
    }

    /// Binds what is in `node` if `from` can be read.
    fn bind_from(&mut self, node: &Node, from: &Node) {
        if self.is_readable(from) {
            self.bind_all(node);
        }
    }

    fn unify_all(&mut self, var: Var, node: &Node) {
        if self.is_bound(var) {
            self.bind_all(node);
            return;
        }
        let mut inside = VarSet::new();
        collect(Item::Node(node), BOUND, &mut inside);
        inside.retain(|var| !self.is_bound(*var));
        if inside.is_empty() {
            self.bind(var);
        }
        inside.into_iter().for_each(|other| self.wait(var, other));
    }

    fn bind_all(&mut self, node: &Node) {
        let mut inside = VarSet::new();
        collect(Item::Node(node), BOUND, &mut inside);
        inside.into_iter().for_each(|var| self.bind(var));
    }

    fn wait(&mut self, var: Var, on: Var) {
        self.waiting.entry(var).or_default().insert(on);
    }

    /// Binds a variable, those that it waits for, and those that wait for nothing more.
    fn bind(&mut self, first: Var) {
        let mut work = vec![first];
        while let Some(var) = work.pop() {
            self.unified.insert(var);
            work.extend(self.waiting.remove(&var).into_iter().flatten());
            let mut ready = Vec::new();
            for (other, on) in &mut self.waiting {
                if on.remove(&var) && on.is_empty() {
                    ready.push(*other);
                }
            }
            for other in ready {
                self.waiting.remove(&other);
                work.push(other);
            }
        }
    }
}

/// Whether two keys of objects are the same constant or variable.
pub(super) fn same_key(a: &Node, b: &Node) -> bool {
    match (super::key::Key::of(a), super::key::Key::of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_var().is_some() && a.as_var() == b.as_var(),
    }
}
