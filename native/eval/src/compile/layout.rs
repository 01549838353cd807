//! Where each rule stands in the tree of documents, and which rules define one document together.
//!
//! `p.a := 1` alone is a document at `p.a`. Beside `p[x] := 2 if …` both define parts of the document at `p`: the shortest
//! path below which something is not a name holds the whole document.

use std::sync::Arc;

use fleetgate_rego::ast::{Module, Rule as SyntaxRule};

use super::names::{package, static_prefix};
use super::{PartialRoots, new_rule};
use crate::ir::{Node, NodeId, Program, RuleId, RuleKind};

/// A syntactic rule's place.
pub(super) struct Placed {
    pub(super) rule: RuleId,
    /// How many parts of its head's path are names.
    pub(super) static_parts: usize,
    /// Those of the names that are below the rule's own path.
    pub(super) inner: Vec<Arc<str>>,
}

pub(super) struct Layout {
    modules: Vec<Vec<Placed>>,
}

impl Layout {
    /// Places the rules of all modules, and adds their documents to the program.
    pub(super) fn new(modules: &[&Module], program: &mut Program) -> Self {
        let roots = partial_roots(modules);
        program.nodes.push(Node::default());
        for module in modules {
            // A package is a document, even where nothing is in it.
            node_at(&package(module), program);
        }
        let place = |module: &&Module| module.rules.iter().map(|rule| placed(module, rule, &roots, program)).collect();
        Self { modules: modules.iter().map(place).collect() }
    }

    pub(super) fn of_module(&self, number: usize) -> &[Placed] {
        self.modules.get(number).map_or(&[], Vec::as_slice)
    }
}

fn is_function(rule: &SyntaxRule) -> bool {
    !rule.head.args.is_empty()
}

fn full_path(module: &Module, rule: &SyntaxRule) -> Vec<Arc<str>> {
    let mut path = package(module);
    path.extend(static_prefix(&rule.head.reference));
    path
}

fn is_partial(rule: &SyntaxRule) -> bool {
    rule.head.value.is_none() || static_prefix(&rule.head.reference).len() < rule.head.reference.len()
}

fn partial_roots(modules: &[&Module]) -> PartialRoots {
    let rules = modules.iter().flat_map(|module| module.rules.iter().map(move |rule| (module, rule)));
    rules
        .filter(|(_, rule)| !is_function(rule) && is_partial(rule))
        .map(|(module, rule)| full_path(module, rule))
        .collect()
}

fn placed(module: &Module, rule: &SyntaxRule, roots: &PartialRoots, program: &mut Program) -> Placed {
    let path = full_path(module, rule);
    let static_parts = static_prefix(&rule.head.reference).len();
    if is_function(rule) {
        let rule = rule_at(&path, RuleKind::Function(rule.head.args.len()), program);
        return Placed { rule, static_parts, inner: Vec::new() };
    }
    let root = (1..=path.len()).find(|length| path.get(..*length).is_some_and(|prefix| roots.contains(prefix)));
    let (path, inner) = path.split_at(root.unwrap_or(path.len()));
    let kind = if root.is_some() { RuleKind::Partial } else { RuleKind::Complete };
    Placed { rule: rule_at(path, kind, program), static_parts, inner: inner.to_vec() }
}

/// The node at a path, made where there is none yet.
fn node_at(path: &[Arc<str>], program: &mut Program) -> NodeId {
    path.iter().fold(0, |at, name| {
        let next = program.nodes.len();
        let Some(node) = program.nodes.get_mut(at) else { return at };
        let child = *node.children.entry(name.clone()).or_insert(next);
        if child == next {
            program.nodes.push(Node::default());
        }
        child
    })
}

/// The rule at a path, made where there is none yet.
fn rule_at(path: &[Arc<str>], kind: RuleKind, program: &mut Program) -> RuleId {
    let at = node_at(path, program);
    let next = program.rules.len();
    let Some(node) = program.nodes.get_mut(at) else { return next };
    let slot = if matches!(kind, RuleKind::Function(_)) { &mut node.function } else { &mut node.rule };
    let rule = *slot.get_or_insert(next);
    if rule == next {
        program.rules.push(new_rule(path.to_vec(), kind));
    }
    rule
}
