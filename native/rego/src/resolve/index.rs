//! Every rule by its path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast::{Module, Rule, TermRef, Value};

/// One step of a path below `data`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A name.
    Name(Arc<str>),
    /// A constant that is no string: no rule has such a name.
    Other,
    /// Anything.
    Any,
}

impl Step {
    pub(super) fn of(term: &TermRef) -> Self {
        match &term.value {
            Value::String(name) => Self::Name(name.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Other,
            _ => Self::Any,
        }
    }
}

/// What the variables of a module that are not local stand for: paths below `data`, or `None` for other documents.
pub(super) type Globals = BTreeMap<Arc<str>, Option<Vec<Step>>>;

#[derive(Default)]
struct Node {
    names: BTreeMap<Arc<str>, Node>,
    any: Option<Box<Node>>,
    /// The rules whose path ends here, by their number in the order of all modules.
    rules: Vec<usize>,
}

/// Rules of several modules as a tree of path steps.
pub(super) struct RuleIndex {
    root: Node,
    arities: Vec<usize>,
    /// The first names of the rules of each package.
    names: BTreeMap<Vec<Step>, BTreeSet<Arc<str>>>,
}

impl RuleIndex {
    pub(super) fn new(modules: &[Module]) -> Self {
        let mut index = Self { root: Node::default(), arities: Vec::new(), names: BTreeMap::new() };
        for module in modules {
            let names = index.names.entry(package(module)).or_default();
            names.extend(module.rules.iter().filter_map(|rule| rule.head.reference.first()?.as_var().cloned()));
            for rule in &module.rules {
                let mut node = &mut index.root;
                for step in package(module).into_iter().chain(rule_steps(rule)) {
                    node = match step {
                        Step::Name(name) => node.names.entry(name).or_default(),
                        Step::Other | Step::Any => node.any.get_or_insert_default(),
                    };
                }
                node.rules.push(index.arities.len());
                index.arities.push(rule.head.args.len());
            }
        }
        index
    }

    /// The names that the rules of the module's package and its imports give to its variables.
    pub(super) fn globals(&self, module: &Module) -> Globals {
        let mut globals = Globals::new();
        let package = package(module);
        for name in self.names.get(&package).into_iter().flatten() {
            let path = package.iter().cloned().chain([Step::Name(name.clone())]);
            globals.insert(name.clone(), Some(path.collect()));
        }
        for import in &module.imports {
            let parts = import.path.as_ref_parts().unwrap_or_default();
            let Some((root, rest)) = parts.split_first() else {
                continue;
            };
            let root = root.as_var().map_or("", |name| &**name);
            let last = rest.last().and_then(|last| last.as_str());
            let name = import.alias.as_deref().or(last).unwrap_or(root);
            let path = (root == "data").then(|| rest.iter().map(Step::of).collect());
            if !matches!(root, "future" | "rego") {
                globals.insert(Arc::from(name), path);
            }
        }
        globals
    }

    /// The number of arguments of the rules at exactly `path`.
    pub(super) fn arity(&self, path: &[Step]) -> Option<usize> {
        let mut node = &self.root;
        for step in path {
            node = match step {
                Step::Name(name) => node.names.get(name)?,
                Step::Other | Step::Any => node.any.as_deref()?,
            };
        }
        self.arities.get(*node.rules.first()?).copied()
    }

    /// The rules that a reference to `path` may read: those on the way, those at its end and those below it.
    pub(super) fn reached(&self, path: &[Step]) -> Vec<usize> {
        let mut out = Vec::new();
        reach(&self.root, path, &mut out);
        out.sort_unstable();
        out.dedup();
        out
    }
}

fn reach(node: &Node, path: &[Step], out: &mut Vec<usize>) {
    out.extend(&node.rules);
    let below =
        node.names.iter().map(|(name, child)| (Some(name), child)).chain(node.any.as_deref().map(|any| (None, any)));
    match path.split_first() {
        None => below.for_each(|(_, child)| reach(child, path, out)),
        Some((Step::Any, rest)) => below.for_each(|(_, child)| reach(child, rest, out)),
        Some((Step::Other, rest)) => {
            node.any.iter().for_each(|child| reach(child, rest, out));
        }
        Some((Step::Name(wanted), rest)) => {
            let matching = node.names.get(wanted).into_iter().chain(node.any.as_deref());
            matching.for_each(|child| reach(child, rest, out));
        }
    }
}

/// The path of the module's package below `data`.
pub(super) fn package(module: &Module) -> Vec<Step> {
    module.package.path.iter().skip(1).map(Step::of).collect()
}

/// The path of a rule below its package.
fn rule_steps(rule: &Rule) -> impl Iterator<Item = Step> {
    let name = rule.head.reference.first().and_then(|first| first.as_var()).cloned();
    let first = name.map_or(Step::Any, Step::Name);
    std::iter::once(first).chain(rule.head.reference.iter().skip(1).map(Step::of))
}
