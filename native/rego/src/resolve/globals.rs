//! References become full paths: what a module's rules and imports call by one name is named from `data` on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::Module;
use crate::diagnostic::Code;

use super::errors::Errors;
use super::ir::{Expr, Kind, Names, Node, Rule, Value, Var, VarSet};
use super::lower;
use super::vars::{declared_in, of_node};
use super::walk::{Item, ItemMut, children_mut, walk};

/// What names stand for.
type Globals = BTreeMap<Var, Vec<Node>>;

/// Resolves the references of every rule.
pub(super) fn resolve(
    names: &mut Names,
    modules: &[Module],
    packages: &[Vec<Node>],
    rules: &mut [Rule],
    errors: &mut Errors,
) {
    let mut exports: BTreeMap<Vec<super::key::Key>, VarSet> = BTreeMap::new();
    let key_of = |package: &[Node]| package.iter().skip(1).filter_map(super::key::Key::of).collect::<Vec<_>>();
    for rule in rules.iter() {
        let package = packages.get(rule.module).map(Vec::as_slice).unwrap_or_default();
        let name = rule.reference.first().and_then(Node::as_var);
        exports.entry(key_of(package)).or_default().extend(name);
    }
    for (number, module) in modules.iter().enumerate() {
        let package = packages.get(number).map(Vec::as_slice).unwrap_or_default();
        let own = exports.get(&key_of(package)).cloned().unwrap_or_default();
        let globals = globals(names, module, package, &own);
        for rule in rules.iter_mut().filter(|rule| rule.module == number) {
            if let Err(shadowed) = resolve_rule(&globals, rule) {
                let message = format!("args must not shadow {} (use a different variable name)", names.text(shadowed));
                errors.fatal(number, Code::Compile, rule.span, message);
            }
        }
    }
}

fn globals(names: &mut Names, module: &Module, package: &[Node], own: &VarSet) -> Globals {
    let mut globals = Globals::new();
    for name in own {
        let mut path = package.to_vec();
        path.push(Node::new(Default::default(), Value::String(Arc::from(names.text(*name)))));
        if let Some(head) = path.first_mut() {
            head.value = Value::Var(Var::OWN_DATA);
        }
        globals.insert(*name, path);
    }
    for import in &module.imports {
        let parts = lower::nodes(names, import.path.as_ref_parts().unwrap_or_default());
        let root = parts.first().and_then(Node::as_var).map(|root| names.text(root).to_owned()).unwrap_or_default();
        if matches!(&*root, "future" | "rego") {
            continue;
        }
        let last =
            parts.last().and_then(|last| if let Value::String(name) = &last.value { Some(&**name) } else { None });
        let name = import.alias.as_deref().or(last).unwrap_or(&root);
        globals.insert(names.var(name), parts);
    }
    globals
}

/// Answers the root document that an argument has the name of, if one has.
fn resolve_rule(globals: &Globals, rule: &mut Rule) -> Result<(), Var> {
    let mut args = VarSet::new();
    for arg in &rule.args {
        arg_variables(arg, &mut args)?;
    }
    let mut scopes = Scopes { globals, local: vec![args, declared_in(&rule.body)] };
    let head = rule.reference.iter_mut().skip(1).chain(&mut rule.key).chain(&mut rule.value);
    head.for_each(|node| scopes.node(node));
    scopes.body(&mut rule.body);
    Ok(())
}

/// The variables that an argument binds; keys of objects, sets, comprehensions and calls bind none.
fn arg_variables(node: &Node, out: &mut VarSet) -> Result<(), Var> {
    if node.is_root_document() {
        return Err(node.ref_head().unwrap_or(Var::INPUT));
    }
    match &node.value {
        Value::Var(var) => {
            out.insert(*var);
        }
        Value::Object(pairs) => pairs.iter().try_for_each(|(_, value)| arg_variables(value, out))?,
        Value::Array(items) | Value::Ref(items) => items.iter().try_for_each(|item| arg_variables(item, out))?,
        Value::Template(_) => of_node(node, out),
        _ => {}
    }
    Ok(())
}

struct Scopes<'g> {
    globals: &'g Globals,
    local: Vec<VarSet>,
}

impl Scopes<'_> {
    fn global(&self, node: &Node) -> Option<Vec<Node>> {
        let var = node.as_var()?;
        if self.local.iter().any(|scope| scope.contains(&var)) {
            return None;
        }
        let mut path = self.globals.get(&var)?.clone();
        path.iter_mut().for_each(|part| part.span = node.span);
        Some(path)
    }

    fn body(&mut self, body: &mut [Expr]) {
        body.iter_mut().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            Kind::Every(every) => {
                let mut bound = VarSet::new();
                every.key.iter().chain([&every.value]).for_each(|node| of_node(node, &mut bound));
                self.local.push(bound);
                self.node(&mut every.domain);
                self.body(&mut every.body);
                self.local.pop();
            }
            Kind::Some(symbols) => {
                symbols
                    .iter_mut()
                    .filter(|symbol| matches!(symbol.value, Value::Call(_)))
                    .for_each(|call| self.node(call));
            }
            Kind::Term(node) => self.node(node),
            Kind::Call(nodes) => nodes.iter_mut().for_each(|node| self.node(node)),
            Kind::Not(body, _) => self.body(body),
            Kind::Logical(logical) => logical.sides.iter_mut().for_each(|(body, _)| self.body(body)),
        }
        for with in &mut expr.with {
            self.node(&mut with.target);
            self.node(&mut with.value);
        }
    }

    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Var(_) => {
                if let Some(path) = self.global(node) {
                    node.value = Value::Ref(path);
                }
            }
            Value::Ref(parts) => {
                let head = parts.first().and_then(|head| self.global(head));
                let skip = usize::from(parts.first().is_some_and(|head| head.as_var().is_some()));
                // A template string in a reference is left as it is.
                for part in parts.iter_mut().skip(skip).filter(|part| !matches!(part.value, Value::Template(_))) {
                    self.node(part);
                }
                if let Some(mut path) = head {
                    path.extend(parts.drain(1..));
                    *parts = path;
                }
            }
            Value::Comprehension(inner) => {
                self.local.push(declared_in(&inner.body));
                inner.key.iter_mut().chain([&mut inner.value]).for_each(|node| self.node(node));
                self.body(&mut inner.body);
                self.local.pop();
            }
            Value::Template(parts) => {
                for part in parts {
                    if let super::ir::Part::Expr(expr) = part {
                        self.expr(expr);
                    }
                }
            }
            _ => children_mut(ItemMut::Node(node), &mut |child| {
                if let ItemMut::Node(node) = child {
                    self.node(node);
                }
            }),
        }
    }
}

/// Refuses, in modules of Rego v1, rules, arguments and variables that are called `input` or `data`.
pub(super) fn check_roots(names: &Names, modules: &[Module], rules: &[Rule], errors: &mut Errors) {
    for (number, module) in modules.iter().enumerate() {
        if !module.rego_v1 {
            continue;
        }
        let mut found = Vec::new();
        let mut report = |span, what: &str, var: Var, which: &str| {
            let message = format!("{what} must not shadow {} (use a different {which} name)", names.text(var));
            found.push(crate::diagnostic::Diagnostic::new(Code::Compile, span, message));
        };
        for rule in rules.iter().filter(|rule| rule.module == number) {
            if rule.first {
                if let Some(name) = rule.reference.first().and_then(Node::as_var).filter(|name| name.is_root()) {
                    report(rule.span, "rules", name, "rule");
                }
                for arg in rule.args.iter().filter(|arg| arg.is_root_document()) {
                    report(arg.span, "args", arg.ref_head().unwrap_or(Var::INPUT), "variable");
                }
            }
            let mut visit = |item: Item<'_>| {
                if let Item::Expr(expr) = item
                    && let Some([target, ..]) = expr.operands_of(Var::ASSIGN)
                {
                    let name =
                        target.as_var().or_else(|| target.is_root_document().then(|| target.ref_head()).flatten());
                    if let Some(name) = name.filter(|name| name.is_root()) {
                        report(expr.span, "variables", name, "variable");
                    }
                }
                true
            };
            super::walk::walk_head(rule, &mut visit);
            rule.body.iter().for_each(|expr| walk(Item::Expr(expr), &mut visit));
        }
        errors.all(number, found, false);
    }
}

/// Refuses, in modules of Rego v1, two imports of one name.
pub(super) fn check_imports(modules: &[Module], errors: &mut Errors) {
    for (number, module) in modules.iter().enumerate() {
        if !module.rego_v1 {
            continue;
        }
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut found = Vec::new();
        for import in &module.imports {
            let mut names = Names::new();
            let parts = lower::nodes(&mut names, import.path.as_ref_parts().unwrap_or_default());
            let last = import.path.as_ref_parts().and_then(<[_]>::last);
            let last = last.and_then(|last| last.as_str().or(last.as_var().map(|name| &**name)));
            let name = import.alias.as_deref().or(last).unwrap_or_default().to_owned();
            let mut text = format!("import {}", super::text::reference(&names, &parts));
            if let Some(alias) = &import.alias {
                text.push_str(" as ");
                text.push_str(alias);
            }
            if let Some(first) = seen.get(&name) {
                let message = format!("import must not shadow {first}");
                found.push(crate::diagnostic::Diagnostic::new(Code::Compile, import.span, message));
            } else {
                seen.insert(name, text);
            }
        }
        errors.all(number, found, false);
    }
}
