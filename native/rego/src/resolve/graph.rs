//! Which rules read which.

use std::collections::BTreeMap;

use crate::capabilities::Release;

use super::ir::{Expr, Node, Rule, Value, Var};
use super::key::Key;
use super::tree::Tree;
use super::walk::{Item, walk, walk_head};

/// As many references as one with known variables is narrowed into.
const MAX_EXPANSION: usize = 64;

/// The constants that variables are known to be one of.
type Known = BTreeMap<Var, Vec<Node>>;

/// Dependencies between rules; each `else` is a rule of its own.
pub(super) struct Graph {
    /// What each rule reads, by number, in order.
    pub(super) dependencies: Vec<Vec<usize>>,
    /// What reads each rule.
    pub(super) dependents: Vec<Vec<usize>>,
}

impl Graph {
    /// No rules.
    pub(super) fn empty() -> Self {
        Self { dependencies: Vec::new(), dependents: Vec::new() }
    }

    pub(super) fn new(release: Release, tree: &Tree, rules: &[Rule], paths: &[Vec<Node>]) -> Self {
        let exact = release == Release::Opa1_22;
        let mut dependencies = Vec::with_capacity(rules.len());
        for rule in rules {
            let mut out = Vec::new();
            for parts in references(rule, exact) {
                for number in tree.reached(&parts, paths, exact) {
                    let chain = std::iter::successors(Some(number), |at| rules.get(*at)?.otherwise);
                    out.extend(chain);
                }
            }
            out.sort_unstable();
            out.dedup();
            dependencies.push(out);
        }
        let mut dependents = vec![Vec::new(); rules.len()];
        for (number, list) in dependencies.iter().enumerate() {
            for dependency in list {
                if let Some(slot) = dependents.get_mut(*dependency) {
                    slot.push(number);
                }
            }
        }
        Self { dependencies, dependents }
    }

    /// The rules, each after those that it reads; there must be no recursion.
    pub(super) fn sorted(&self) -> Vec<usize> {
        let count = self.dependencies.len();
        let mut done = vec![false; count];
        let mut out = Vec::with_capacity(count);
        for root in 0..count {
            let mut work = vec![(root, 0)];
            while let Some((node, next)) = work.pop() {
                if done.get(node) != Some(&false) {
                    continue;
                }
                if let Some(dependency) = self.dependencies.get(node).and_then(|list| list.get(next)) {
                    work.push((node, next + 1));
                    work.push((*dependency, 0));
                } else {
                    if let Some(slot) = done.get_mut(node) {
                        *slot = true;
                    }
                    out.push(node);
                }
            }
        }
        out
    }

    /// The rules and all that depend on them.
    pub(super) fn with_dependents(&self, start: Vec<usize>) -> Vec<usize> {
        let mut seen = vec![false; self.dependents.len()];
        let mut work = start;
        let mut out = Vec::new();
        while let Some(node) = work.pop() {
            if let Some(slot @ false) = seen.get_mut(node) {
                *slot = true;
                out.push(node);
                work.extend(self.dependents.get(node).into_iter().flatten());
            }
        }
        out
    }
}

/// The references of a rule; since OPA 1.22 (`narrow`) those with variables of known values are one for each value.
fn references(rule: &Rule, narrow: bool) -> Vec<Vec<Node>> {
    let mut out = Vec::new();
    let mut known = Known::new();
    for expr in &rule.body {
        walk(Item::Expr(expr), &mut |item| add(item, &known, &mut out));
        if narrow && let Some((var, values)) = binding(expr, &known) {
            known.entry(var).or_insert(values);
        }
    }
    walk_head(rule, &mut |item| add(item, &known, &mut out));
    out
}

fn add(item: Item<'_>, known: &Known, out: &mut Vec<Vec<Node>>) -> bool {
    if let Item::Node(Node { value: Value::Ref(parts), .. }) = item
        && parts.first().and_then(Node::as_var) == Some(Var::DATA)
    {
        out.extend(expand(parts, known));
    }
    true
}

/// The variable that an expression makes one of several constants.
fn binding(expr: &Expr, known: &Known) -> Option<(Var, Vec<Node>)> {
    if expr.negated || !expr.with.is_empty() {
        return None;
    }
    let (left, right) = expr.sides()?;
    let one = |var: &Node, other: &Node| Some((var.as_var()?, values(other, known)?));
    one(left, right).or_else(|| one(right, left))
}

/// The constants that a term may be.
fn values(node: &Node, known: &Known) -> Option<Vec<Node>> {
    match &node.value {
        Value::Var(var) => known.get(var).cloned(),
        Value::Ref(parts) => {
            let (head, rest) = parts.split_first()?;
            let mut all = values(head, known)?;
            for part in rest {
                let mut next = Vec::new();
                for value in &all {
                    if part.is_constant() {
                        next.extend(member(value, part));
                    } else {
                        next.extend(members(value)?);
                    }
                }
                if next.len() > MAX_EXPANSION {
                    return None;
                }
                all = next;
            }
            Some(all)
        }
        _ => node.is_constant().then(|| vec![node.clone()]),
    }
}

fn member(collection: &Node, key: &Node) -> Option<Node> {
    let key = Key::of(key)?;
    match &collection.value {
        Value::Array(items) => items.get(key.index()?).cloned(),
        Value::Set(items) => items.iter().find(|item| Key::of(item).as_ref() == Some(&key)).cloned(),
        Value::Object(pairs) => {
            pairs.iter().find(|(other, _)| Key::of(other).as_ref() == Some(&key)).map(|(_, value)| value.clone())
        }
        _ => None,
    }
}

fn members(collection: &Node) -> Option<Vec<Node>> {
    match &collection.value {
        Value::Array(items) | Value::Set(items) => Some(items.clone()),
        Value::Object(pairs) => Some(pairs.iter().map(|(_, value)| value.clone()).collect()),
        _ => None,
    }
}

fn expand(parts: &[Node], known: &Known) -> Vec<Vec<Node>> {
    let mut all = vec![parts.to_vec()];
    if known.is_empty() {
        return all;
    }
    for (at, part) in parts.iter().enumerate().skip(1).filter(|(_, part)| !part.is_constant()) {
        let Some(values) = values(part, known).filter(|values| !values.is_empty()) else {
            continue;
        };
        if all.len() * values.len() > MAX_EXPANSION {
            continue;
        }
        let mut next = Vec::with_capacity(all.len() * values.len());
        for parts in &all {
            for value in &values {
                let mut parts = parts.clone();
                if let Some(slot) = parts.get_mut(at) {
                    *slot = value.clone();
                }
                next.push(parts);
            }
        }
        all = next;
    }
    all
}
