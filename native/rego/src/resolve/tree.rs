//! Every rule by the part of its path that has no variables.

use std::collections::BTreeMap;

use super::ir::{Node, Rule, Value, ground_prefix};
use super::key::Key;

/// Rules and packages below `data`.
#[derive(Default)]
pub(super) struct Tree {
    /// Rules whose path ends here, by number.
    pub(super) rules: Vec<usize>,
    /// Modules whose package this is, by number.
    pub(super) modules: Vec<usize>,
    pub(super) children: BTreeMap<Key, Tree>,
}

impl Tree {
    /// The tree of all rules that start a chain, by their full `paths`.
    pub(super) fn new(packages: &[Vec<Node>], rules: &[Rule], paths: &[Vec<Node>]) -> Self {
        let mut root = Self::default();
        for (module, package) in packages.iter().enumerate() {
            root.at(package).modules.push(module);
        }
        for (number, (rule, path)) in rules.iter().zip(paths).enumerate() {
            if rule.first {
                root.at(ground_prefix(path)).rules.push(number);
            }
        }
        root
    }

    fn at(&mut self, path: &[Node]) -> &mut Self {
        let mut node = self;
        for part in path.iter().skip(1) {
            node = node.children.entry(Key::of(part).unwrap_or(Key::Null)).or_default();
        }
        node
    }

    pub(super) fn child(&self, part: &Node) -> Option<&Self> {
        self.children.get(&Key::of(part)?)
    }

    /// The node at exactly the reference, which must start with `data`.
    pub(super) fn find(&self, parts: &[Node]) -> Option<&Self> {
        let (head, rest) = parts.split_first()?;
        if head.as_var() != Some(super::ir::Var::DATA) {
            return None;
        }
        rest.iter().try_fold(self, |node, part| node.child(part))
    }

    /// The rules here and below, in the order of their paths.
    pub(super) fn below(&self, out: &mut Vec<usize>) {
        out.extend(&self.rules);
        self.children.values().for_each(|child| child.below(out));
    }

    /// Calls `visit` on this node and all below it, in the order of their paths.
    pub(super) fn walk<'t>(&'t self, visit: &mut dyn FnMut(&'t Self)) {
        visit(self);
        self.children.values().for_each(|child| child.walk(visit));
    }

    /// The rules that a reference may read: those on the way, those at its end and those below it. Since OPA 1.22
    /// (`exact`) a rule whose constant parts differ from the reference's is not one of them.
    pub(super) fn reached(&self, parts: &[Node], paths: &[Vec<Node>], exact: bool) -> Vec<usize> {
        let mut out = Vec::new();
        if parts.first().and_then(Node::as_var) == Some(super::ir::Var::DATA) {
            self.reach(parts, 1, paths, exact, &mut out);
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    fn reach(&self, parts: &[Node], at: usize, paths: &[Vec<Node>], exact: bool, out: &mut Vec<usize>) {
        let mut add = |node: &Self| {
            let meets = |number: &&usize| {
                let path = paths.get(**number).map(Vec::as_slice).unwrap_or_default();
                !exact || may_intersect(path, parts, at + 1)
            };
            out.extend(node.rules.iter().filter(meets));
        };
        match parts.get(at) {
            None => self.below(out),
            Some(part) if part.is_constant() => {
                if let Some(child) = self.child(part) {
                    add(child);
                    child.reach(parts, at + 1, paths, exact, out);
                }
            }
            Some(_) => {
                for child in self.children.values() {
                    add(child);
                }
                for child in self.children.values() {
                    child.reach(parts, at + 1, paths, exact, out);
                }
            }
        }
    }
}

/// Whether two paths agree wherever both are constant, from part `from` on.
fn may_intersect(a: &[Node], b: &[Node], from: usize) -> bool {
    a.iter().zip(b).skip(from).all(|(a, b)| match (Key::of(a), Key::of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    })
}

/// `rule.reference` with its first name as a string, which it is in the rule's path.
pub(super) fn as_path(mut reference: Vec<Node>, names: &super::ir::Names) -> Vec<Node> {
    if let Some(head) = reference.first_mut()
        && let Value::Var(var) = head.value
    {
        head.value = Value::String(std::sync::Arc::from(names.text(var)));
    }
    reference
}
