//! Template strings become calls of the built-in that fills them in.

use crate::builtins;
use crate::diagnostic::{Code, Diagnostic};

use super::errors::Errors;
use super::ir::{Body, Collection, Comprehension, Expr, Kind, Node, Part, Rule, Value, Var, VarSet, is_empty_body};
use super::outputs::{self, Functions};
use super::tree::Tree;
use super::vars::{SAFETY, collect, has_template, of_node};
use super::walk::{Item, ItemMut, children_mut, walk_body, walk_head};

/// The built-in's name.
const FILL: [&str; 2] = ["internal", "template_string"];

/// What is known before any template string is rewritten.
struct Templates<'c> {
    functions: Functions<'c>,
    /// Numbers of rules that always have a value.
    defined: Vec<usize>,
    /// The variables that may be made up.
    fresh: Vec<Var>,
    fill: Node,
    errors: Vec<Diagnostic>,
}

/// Rewrites every rule that has template strings.
pub(super) fn rewrite(
    names: &mut super::ir::Names,
    release: crate::capabilities::Release,
    tree: &Tree,
    rules: &mut [Rule],
    errors: &mut Errors,
) {
    let mut count = 0;
    for rule in rules.iter() {
        let mut visit = |item: Item<'_>| {
            if let Item::Node(Node { value: Value::Template(parts), .. }) = item {
                count += parts.len();
            }
            true
        };
        walk_head(rule, &mut visit);
        walk_body(&rule.body, &mut visit);
    }
    if count == 0 {
        return;
    }
    let fresh = (0..count).map(|_| names.fresh()).collect();
    let head = Node::var(Default::default(), names.var(FILL[0]));
    let name = Node::new(Default::default(), Value::String(std::sync::Arc::from(FILL[1])));
    let arities = outputs::arities(rules);
    let mut defined = Vec::new();
    tree.walk(&mut |node| {
        if always_defined(&node.rules, rules) {
            defined.extend(node.rules.first());
        }
    });
    let functions = Functions { names, release, tree, arities: &arities };
    let fill = Node::new(Default::default(), Value::Ref(vec![head, name]));
    let mut templates = Templates { functions, defined, fresh, fill, errors: Vec::new() };
    for rule in rules {
        let head = rule.args.iter().chain(&rule.key).chain(&rule.value);
        let any = head.map(Item::Node).chain(rule.body.iter().map(Item::Expr)).any(has_template);
        if !any {
            continue;
        }
        let mut safe = VarSet::from([Var::DATA, Var::INPUT]);
        rule.args.iter().for_each(|arg| of_node(arg, &mut safe));
        let safe = templates.body(&mut rule.body, &safe);
        for node in rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value) {
            templates.item(ItemMut::Node(node), &safe);
        }
        errors.all(rule.module, std::mem::take(&mut templates.errors), true);
    }
}

/// Whether the rules of one path give it a value whatever the input.
fn always_defined(numbers: &[usize], rules: &[Rule]) -> bool {
    let all: Vec<&Rule> = numbers.iter().filter_map(|number| rules.get(*number)).collect();
    let Some(first) = all.first().filter(|first| first.args.is_empty()) else {
        return false;
    };
    let partial_set = first.value.is_none();
    let constant = |rule: &Rule| {
        let constant = |node: &Node| {
            node.is_ground() && !matches!(node.value, Value::Ref(_) | Value::Call(_) | Value::Comprehension(_))
        };
        is_empty_body(&rule.body)
            && rule.value.as_ref().is_some_and(|value| value.as_var().is_some() || constant(value))
    };
    first.is_default
        || partial_set
        || if all.len() == 1 { constant(first) } else { all.iter().any(|rule| rule.is_default) }
}

impl Templates<'_> {
    /// Rewrites a body and answers what is bound after it.
    fn body(&mut self, body: &mut Body, outer: &VarSet) -> VarSet {
        let mut safe = outputs::of_body(&self.functions, body, outer);
        safe.extend(outer);
        body.iter_mut().for_each(|expr| self.item(ItemMut::Expr(expr), &safe));
        safe
    }

    fn item(&mut self, item: ItemMut<'_>, safe: &VarSet) {
        match item {
            ItemMut::Node(node) => match &mut node.value {
                Value::Comprehension(inner) => {
                    let inner_safe = self.body(&mut inner.body, safe);
                    let inner = &mut **inner;
                    for node in inner.key.iter_mut().chain([&mut inner.value]) {
                        self.item(ItemMut::Node(node), &inner_safe);
                    }
                }
                Value::Template(_) => self.template(node, safe),
                _ => children_mut(ItemMut::Node(node), &mut |child| self.item(child, safe)),
            },
            ItemMut::Expr(expr) => {
                if let Kind::Every(every) = &mut expr.kind {
                    self.item(ItemMut::Node(&mut every.domain), safe);
                    let mut inner = safe.clone();
                    inner.extend(every.key.iter().chain([&every.value]).filter_map(Node::as_var));
                    self.body(&mut every.body, &inner);
                    expr.with.iter_mut().for_each(|with| self.item(ItemMut::With(with), safe));
                } else {
                    children_mut(ItemMut::Expr(expr), &mut |child| self.item(child, safe));
                }
            }
            other @ ItemMut::With(_) => children_mut(other, &mut |child| self.item(child, safe)),
        }
    }

    fn template(&mut self, node: &mut Node, safe: &VarSet) {
        let Value::Template(parts) = &mut node.value else {
            return;
        };
        let span = node.span;
        let before = self.errors.len();
        let mut terms = Vec::with_capacity(parts.len());
        for part in std::mem::take(parts) {
            match part {
                Part::Scalar(node) => terms.push(node),
                Part::Expr(expr) => {
                    let mut term = self.part(*expr, safe);
                    // What is inside counts as it was written, so it comes after.
                    term.iter_mut().for_each(|term| self.item(ItemMut::Node(term), safe));
                    terms.extend(term);
                }
            }
        }
        if terms.is_empty() {
            terms.push(Node::new(span, Value::String(std::sync::Arc::from(""))));
        }
        if self.errors.len() == before {
            let mut fill = self.fill.clone();
            fill.span = span;
            node.value = Value::Call(vec![fill, Node::new(span, Value::Array(terms))]);
        }
    }

    /// The set of the values of an expression, of which there is one or none.
    fn part(&mut self, expr: Expr, safe: &VarSet) -> Option<Node> {
        let span = expr.span;
        let term = match expr.kind {
            Kind::Call(terms) => {
                let name = terms.first().map(|operator| super::text::operator(self.functions.names, operator));
                if let Some(builtin) = name.and_then(|name| builtins::find(&name)).filter(|found| found.is_relation()) {
                    let name = builtin.name;
                    let message = format!("illegal call to relation built-in '{name}' that may cause multiple outputs");
                    self.errors.push(Diagnostic::new(Code::Compile, span, message));
                    return None;
                }
                Node::new(span, Value::Call(terms))
            }
            Kind::Term(node) => node,
            _ => {
                let message = "unexpected template-string expression type";
                self.errors.push(Diagnostic::new(Code::Compile, span, message));
                return None;
            }
        };
        let defined = term.as_ref().filter(|parts| parts.len() > 1).and_then(|parts| self.functions.tree.find(parts));
        let defined = defined.and_then(|node| node.rules.first()).is_some_and(|rule| self.defined.contains(rule));
        if defined || term.as_var().is_some() {
            return Some(Node::new(term.span, Value::Set(vec![term])));
        }
        let mut read = VarSet::new();
        collect(Item::Node(&term), SAFETY, &mut read);
        read.retain(|var| !safe.contains(var));
        for var in self.functions.names.sorted(&read) {
            let name = self.functions.names.text(self.functions.names.written(var));
            let message = format!("var {name} is undeclared");
            self.errors.push(Diagnostic::new(Code::Compile, term.span, message));
        }
        let var = Node::var(term.span, self.fresh.pop()?);
        let mut equality = Expr::equality(var.clone(), term);
        equality.generated = false;
        equality.with = expr.with;
        let inner = Comprehension { makes: Collection::Set, key: None, value: var, body: vec![equality] };
        Some(Node::new(span, Value::Comprehension(Box::new(inner))))
    }
}
