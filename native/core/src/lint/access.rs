//! What a module reads: every reference with the variables in it followed to what they were assigned.
//!
//! Followed are `x := input.review.object`, `some x in …`, `object.get(x, "key", default)` and complete rules that are
//! nothing but a reference. What a function's argument stands for is not known; its references have another root.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetgate_rego::Span;
use fleetgate_rego::ast::{Call, ExprKind, Module, Rule, TermRef, Value};
use fleetgate_rego::visit::{rule_terms, walk_term};

use super::walk;

/// Most steps of a path that are kept: longer ones come from variables that are followed in circles.
const MAX_STEPS: usize = 64;

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Input,
    Data,
    /// A variable whose value is not known.
    Other,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A name that is written out.
    Name(Arc<str>),
    /// `_`, or a variable that nothing else uses.
    Wildcard,
    /// Anything else: a variable, a number, an expression.
    Other,
}

/// A path into what Rego reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
}

/// A path and where it is read.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) path: Path,
    pub(super) span: Span,
}

impl Path {
    /// The step's name, where it is one.
    pub(super) fn name(&self, index: usize) -> Option<&str> {
        match self.steps.get(index) {
            Some(Step::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether it is `input.a.b` or below, for the names `a`, `b`.
    pub(super) fn is_input(&self, names: &[&str]) -> bool {
        self.root == Root::Input && self.starts_with(names)
    }

    /// Whether it is `data.a.b` or below, for the names `a`, `b`.
    pub(super) fn is_data(&self, names: &[&str]) -> bool {
        self.root == Root::Data && self.starts_with(names)
    }

    fn starts_with(&self, names: &[&str]) -> bool {
        names.iter().enumerate().all(|(index, name)| self.name(index) == Some(name))
    }

    /// Index of the first of these names, where they follow each other.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        (0..self.steps.len()).find(|start| {
            names.iter().enumerate().all(|(index, name)| self.name(start.saturating_add(index)) == Some(name))
        })
    }
}

/// What a module's variables stand for.
pub(super) struct Aliases {
    rules: BTreeMap<Arc<str>, Path>,
}

type Locals = BTreeMap<Arc<str>, Option<Path>>;

impl Aliases {
    pub(super) fn new(module: &Module) -> Self {
        let mut aliases = Self { rules: BTreeMap::new() };
        let mut counts: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for name in module.rules.iter().filter_map(|rule| rule.head.name.as_ref()) {
            *counts.entry(name).or_default() += 1;
        }
        for rule in &module.rules {
            let Some(name) = &rule.head.name else { continue };
            let is_only = counts.get(name) == Some(&1);
            let is_plain = rule.head.args.is_empty() && rule.head.key.is_none() && rule.else_rule.is_none();
            let value = rule.head.value.as_ref().filter(|_| is_only && is_plain);
            if let Some(path) = value.and_then(|value| aliases.path(value, &Locals::new())) {
                aliases.rules.insert(name.clone(), path);
            }
        }
        aliases
    }

    /// Everything that a rule reads, in the order of its text.
    pub(super) fn accesses(&self, rule: &Rule) -> Vec<Access> {
        let locals = self.locals(rule);
        let mut found = Vec::new();
        rule_terms(rule, &mut |term| {
            // A variable alone is where it is bound, or hands on what was read there.
            if term.as_var().is_none()
                && let Some(path) = self.path(term, &locals)
            {
                found.push(Access { path, span: term.span });
            }
            true
        });
        walk::exprs(rule, &mut |expr| {
            if let ExprKind::Call(call) = &expr.kind
                && let Some(path) = self.looked_up(call, &locals)
            {
                found.push(Access { path, span: expr.span });
            }
        });
        found.sort_by_key(|access| (access.span.start, access.span.end));
        found
    }

    /// What a term of the rule reads, if it is a reference.
    pub(super) fn path_in(&self, rule: &Rule, term: &TermRef) -> Option<Path> {
        self.path(term, &self.locals(rule))
    }

    fn path(&self, term: &TermRef, locals: &Locals) -> Option<Path> {
        match &term.value {
            Value::Ref(parts) => {
                let (head, rest) = parts.split_first()?;
                let mut path = match &head.value {
                    Value::Call(call) => self.looked_up(call, locals)?,
                    Value::Var(name) => self.variable(name, locals),
                    _ => return None,
                };
                path.steps.extend(rest.iter().map(step));
                (path.steps.len() <= MAX_STEPS).then_some(path)
            }
            Value::Var(name) => Some(self.variable(name, locals)).filter(|path| path.root != Root::Other),
            Value::Call(call) => self.looked_up(call, locals),
            _ => None,
        }
    }

    fn variable(&self, name: &Arc<str>, locals: &Locals) -> Path {
        let bare = |root| Path { root, steps: Vec::new() };
        match (&**name, locals.get(name)) {
            (_, Some(known)) => known.clone().unwrap_or_else(|| bare(Root::Other)),
            ("input", None) => bare(Root::Input),
            ("data", None) => bare(Root::Data),
            (_, None) => self.rules.get(name).cloned().unwrap_or_else(|| bare(Root::Other)),
        }
    }

    /// `object.get(object, key, default)`, where the key is written out.
    fn looked_up(&self, call: &Call, locals: &Locals) -> Option<Path> {
        if call.path()? != "object.get" {
            return None;
        }
        let [object, key, ..] = call.args.as_slice() else { return None };
        let mut path = self.path(object, locals)?;
        match &key.value {
            Value::Array(keys) => path.steps.extend(keys.iter().map(step)),
            _ => path.steps.push(step(key)),
        }
        (path.steps.len() <= MAX_STEPS).then_some(path)
    }

    /// Variables of a rule. What is assigned more than once, or is an argument, has no path.
    fn locals(&self, rule: &Rule) -> Locals {
        let mut locals = Locals::new();
        for argument in rule.head.args.iter().filter_map(|argument| argument.as_var()) {
            locals.insert(argument.clone(), None);
        }
        walk::exprs(rule, &mut |expr| match &expr.kind {
            ExprKind::Call(call) if call.is("assign") || call.is("eq") => {
                let [left, right] = call.args.as_slice() else { return };
                match left.as_var() {
                    Some(name) => {
                        let path = self.path(right, &locals);
                        bind(&mut locals, name, path);
                    }
                    None if call.is("assign") => {
                        walk_term(left, &mut |part| {
                            part.as_var().into_iter().for_each(|name| bind(&mut locals, name, None));
                            true
                        });
                    }
                    None => {}
                }
            }
            ExprKind::Some(symbols) => {
                for call in symbols.iter().filter_map(membership) {
                    let (Some(domain), bound) = (call.args.last(), call.args.len().saturating_sub(1)) else { continue };
                    let element = self.path(domain, &locals).map(|mut path| {
                        path.steps.push(Step::Other);
                        path
                    });
                    let names: Vec<_> = call.args.iter().take(bound).filter_map(|term| term.as_var()).collect();
                    for (position, name) in names.iter().enumerate() {
                        let is_value = position + 1 == names.len();
                        bind(&mut locals, name, element.clone().filter(|_| is_value));
                    }
                }
            }
            _ => {}
        });
        locals
    }
}

fn bind(locals: &mut Locals, name: &Arc<str>, path: Option<Path>) {
    locals
        .entry(name.clone())
        .and_modify(|known| *known = known.take().filter(|known| Some(known) == path.as_ref()))
        .or_insert(path);
}

fn membership(symbol: &TermRef) -> Option<&Call> {
    if let Value::Call(call) = &symbol.value { Some(call) } else { None }
}

fn step(term: &TermRef) -> Step {
    match &term.value {
        Value::String(name) => Step::Name(name.clone()),
        Value::Var(name) if name.starts_with('$') => Step::Wildcard,
        _ => Step::Other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use fleetgate_rego::{Capabilities, Release, Version, parse_module};

    use super::*;

    /// What `p` reads, as text.
    fn read(body: &str) -> Vec<String> {
        let rego = format!("package a\nimport future.keywords.in\nobj = input.review.object\np {{ {body} }}");
        let module = parse_module(&rego, &Capabilities::of(Release::Opa1_17, Version::V0)).unwrap();
        let aliases = Aliases::new(&module);
        let known = |access: &Access| access.path.root != Root::Other;
        let texts = aliases.accesses(module.rules.last().unwrap());
        texts.into_iter().filter(known).map(|access| text(&access.path)).collect()
    }

    fn text(path: &Path) -> String {
        let root = format!("{:?}", path.root).to_lowercase();
        path.steps.iter().fold(root, |text, step| match step {
            Step::Name(name) => format!("{text}.{name}"),
            Step::Wildcard => format!("{text}._"),
            Step::Other => format!("{text}.?"),
        })
    }

    #[test]
    fn variables_are_followed() {
        assert!(read("x := input.review; x.object.spec").contains(&"input.review.object.spec".to_owned()));
        assert!(
            read("obj.spec.containers[_].image").contains(&"input.review.object.spec.containers._.image".to_owned())
        );
        assert!(
            read("some c in obj.spec.containers; c.image")
                .contains(&"input.review.object.spec.containers.?.image".to_owned())
        );
        assert!(
            read("x := object.get(obj, [\"a\", \"b\"], {}); x.c").contains(&"input.review.object.a.b.c".to_owned())
        );
        assert!(read("object.get(input.parameters, \"a\", 1) == 1").contains(&"input.parameters.a".to_owned()));
        assert!(
            read("y := [c | c := obj.spec.x[_]]; z := {c | c := obj.spec.y[_]}; c := 1")
                .iter()
                .all(|path| !path.ends_with("c"))
        );
    }

    #[test]
    fn what_is_assigned_twice_is_not_known() {
        let paths = read("a := [x.k | x := input.one[_]]; b := [x.k | x := input.two[_]]");
        assert!(paths.iter().all(|path| !path.ends_with(".k")), "{paths:?}");
    }

    #[test]
    fn circles_end() {
        assert!(read("x = x.a").is_empty());
    }
}
