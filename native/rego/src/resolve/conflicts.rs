//! Rules of one path fit together, and rules and packages do not have each other's paths.

use crate::capabilities::Release;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::{LineIndex, Span};

use super::Sources;
use super::errors::Errors;
use super::ir::{Names, Node, Rule, Value, compare_all, ground_prefix};
use super::key::Key;
use super::text;
use super::tree::Tree;
use super::walk::{ItemMut, children_mut};

/// What is checked.
pub(super) struct Conflicts<'c> {
    pub(super) names: &'c Names,
    pub(super) release: Release,
    pub(super) rules: &'c [Rule],
    pub(super) paths: &'c [Vec<Node>],
    pub(super) packages: &'c [Vec<Node>],
    pub(super) package_spans: &'c [Span],
    pub(super) sources: &'c Sources<'c>,
}

impl Conflicts<'_> {
    /// Checks the rules of `tree`.
    pub(super) fn check(&self, tree: &Tree, errors: &mut Errors) {
        let mut found = Vec::new();
        tree.walk(&mut |node| found.extend(self.at(node)));
        for (module, error) in found {
            errors.all(module, [error], true);
        }
        self.packages(tree, errors);
    }

    fn rule(&self, number: usize) -> Option<(&Rule, &[Node])> {
        Some((self.rules.get(number)?, self.paths.get(number)?))
    }

    fn at(&self, node: &Tree) -> Option<(usize, Diagnostic)> {
        let rules: Vec<(&Rule, &[Node])> = node.rules.iter().filter_map(|number| self.rule(*number)).collect();
        let (first, _) = rules.first()?;
        let (_, last_path) = rules.last()?;
        let name = self.written(last_path);
        let error = |message: String| Some((first.module, Diagnostic::new(Code::Type, first.span, message)));
        let is_ground = |path: &[Node]| path.iter().skip(1).all(Node::is_ground);
        let head_is_ground = |rule: &Rule| rule.reference.iter().skip(1).all(Node::is_ground);

        let mut below = Vec::new();
        if rules.iter().any(|(_, path)| is_ground(path)) {
            below = self.below(node, false);
        }
        if below.is_empty() && rules.iter().any(|(_, path)| !is_ground(path)) {
            below = self.below(node, true);
        }
        if !below.is_empty() {
            return error(format!("rule {name} conflicts with{}", self.list(&below)));
        }

        let single = |rule: &Rule| rule.value.is_some();
        let mixed_kinds = rules.iter().any(|(rule, _)| single(rule) != single(first));
        let mixed_arities = rules.iter().any(|(rule, _)| rule.args.len() != first.args.len());
        let complete = rules.iter().filter(|(rule, _)| single(rule) && head_is_ground(rule)).count();
        let mixed_completeness = complete > 0 && complete < rules.len();
        let sets = || rules.iter().filter(|(rule, _)| !single(rule));
        let mixed_sets = self.release == Release::Opa1_22
            && sets().any(|(_, path)| is_ground(path))
            && sets().any(|(_, path)| !is_ground(path));
        if mixed_kinds || mixed_arities || mixed_completeness || mixed_sets {
            return error(format!("conflicting rules {name} found"));
        }

        let defaults: Vec<&Rule> = rules.iter().map(|(rule, _)| *rule).filter(|rule| rule.is_default).collect();
        if let [first, _, ..] = defaults.as_slice() {
            let places: Vec<String> = defaults.iter().map(|rule| self.place(rule)).collect();
            let message = format!("multiple default rules {name} found at {}", places.join(", "));
            let span = self.package_spans.get(first.module).copied().unwrap_or_default();
            return Some((first.module, Diagnostic::new(Code::Type, span, message)));
        }
        None
    }

    fn written(&self, path: &[Node]) -> String {
        text::reference(self.names, &renamed(self.names, path))
    }

    /// The rules below a node in the order of their paths, only functions if so asked; those inside others are left out.
    fn below(&self, node: &Tree, functions: bool) -> Vec<usize> {
        let mut all = Vec::new();
        node.children.values().for_each(|child| child.below(&mut all));
        let mut kept: Vec<usize> = Vec::new();
        for number in all {
            let Some((rule, path)) = self.rule(number) else {
                continue;
            };
            if functions && rule.args.is_empty() || kept.iter().any(|other| self.has_prefix(path, *other)) {
                continue;
            }
            kept.retain(|other| !self.rule(*other).is_some_and(|(_, longer)| starts_with(self.names, longer, path)));
            kept.push(number);
        }
        kept.sort_by(|a, b| match (self.rule(*a), self.rule(*b)) {
            (Some((_, a)), Some((_, b))) => compare_all(self.names, a, b),
            _ => std::cmp::Ordering::Equal,
        });
        kept
    }

    fn has_prefix(&self, path: &[Node], other: usize) -> bool {
        self.rule(other).is_some_and(|(_, prefix)| starts_with(self.names, path, prefix))
    }

    fn list(&self, numbers: &[usize]) -> String {
        let rules: Vec<(&Rule, &[Node])> = numbers.iter().filter_map(|number| self.rule(*number)).collect();
        if self.release == Release::Opa1_17 {
            let paths: Vec<String> = rules.iter().map(|(_, path)| text::reference(self.names, path)).collect();
            return format!(" [{}]", paths.join(" "));
        }
        let line = |(rule, path): &(&Rule, &[Node])| format!("  rule {} at {}", self.written(path), self.place(rule));
        format!(":\n{}", rules.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// `name:row`, as OPA writes places.
    fn place(&self, rule: &Rule) -> String {
        let Some((name, source)) = self.sources.get(rule.module) else {
            return String::new();
        };
        format!("{name}:{}", LineIndex::new(source).position(source, rule.span.start).row)
    }

    /// No package has the path of a rule.
    fn packages(&self, tree: &Tree, errors: &mut Errors) {
        for (number, rule) in self.rules.iter().enumerate() {
            if !rule.first || ground_prefix(&rule.reference).len() < rule.reference.len() {
                continue;
            }
            let package = self.packages.get(rule.module).map(Vec::as_slice).unwrap_or_default();
            let path = self.paths.get(number).map(Vec::as_slice).unwrap_or_default();
            // A path of more than one package is looked for from the root, as packages are.
            let Some(node) = tree.find(path).filter(|_| path.len() > package.len()) else {
                continue;
            };
            for other in &node.modules {
                let span = self.package_spans.get(rule.module).copied().unwrap_or_default();
                let package = self.packages.get(*other).map(Vec::as_slice).unwrap_or_default();
                let package = text::reference(self.names, package.get(1..).unwrap_or_default());
                let name = text::reference(self.names, &rule.reference);
                let message = format!("package {package} conflicts with rule {name} defined at {}", self.place(rule));
                errors.fatal(rule.module, Code::Type, span, message);
            }
        }
    }
}

/// A path with the variables' own names.
pub(super) fn renamed(names: &Names, path: &[Node]) -> Vec<Node> {
    let mut path = path.to_vec();
    path.iter_mut().for_each(|part| rename(names, ItemMut::Node(part)));
    path
}

/// Gives variables back the names that their author gave them.
pub(super) fn rename(names: &Names, item: ItemMut<'_>) {
    match item {
        ItemMut::Node(Node { value: Value::Var(var), .. }) => *var = names.written(*var),
        item => children_mut(item, &mut |child| rename(names, child)),
    }
}

fn starts_with(names: &Names, path: &[Node], prefix: &[Node]) -> bool {
    let same = |a: &Node, b: &Node| match (Key::of(a), Key::of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => super::ir::compare(names, a, b).is_eq(),
    };
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(a, b)| same(a, b))
}
