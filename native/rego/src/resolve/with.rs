//! What `with` may replace, and by what.

use crate::builtins;
use crate::capabilities::Release;
use crate::diagnostic::{Code, Diagnostic};

use super::ir::{Kind, Names, Node, Rule, Value, Var, With};
use super::tree::Tree;
use super::walk::{ItemMut, children_mut};

/// What `with` is checked against.
pub(super) struct Targets<'c> {
    pub(super) release: Release,
    pub(super) tree: &'c Tree,
    /// Whether each rule is a function.
    pub(super) functions: Vec<bool>,
}

impl<'c> Targets<'c> {
    pub(super) fn new(release: Release, tree: &'c Tree, rules: &[Rule]) -> Self {
        Self { release, tree, functions: rules.iter().map(|rule| !rule.args.is_empty()).collect() }
    }

    fn is_function(&self, node: &Tree) -> bool {
        node.rules.iter().any(|number| self.functions.get(*number) == Some(&true))
    }

    fn builtin(&self, names: &Names, node: &Node) -> Option<&'static builtins::Builtin> {
        let name = match &node.value {
            Value::Var(var) => names.text(*var).to_owned(),
            Value::Ref(_) => super::text::operator(names, node),
            _ => return None,
        };
        builtins::find(&name).filter(|builtin| builtin.is_in(self.release))
    }

    /// Whether the value must be evaluated before the expression.
    pub(super) fn check(&self, names: &Names, with: &mut With) -> Result<bool, Diagnostic> {
        let as_reference = |node: &mut Node| {
            if let Value::Var(var) = node.value {
                node.value = Value::Ref(vec![Node::var(node.span, var)]);
            }
        };
        if with.value.as_var().is_some() && self.builtin(names, &with.value).is_some() {
            as_reference(&mut with.value);
        }
        let span = with.target.span;
        let error = |code, message: String| Err(Diagnostic::new(code, span, message));
        match with.target.ref_head() {
            Some(Var::DATA) => {
                let parts = with.target.as_ref().unwrap_or_default();
                let mut node = self.tree;
                let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
                for part in inner {
                    let Some(child) = node.child(part) else {
                        break;
                    };
                    if !child.rules.is_empty() {
                        let message = "with keyword cannot partially replace virtual document(s)";
                        return error(Code::Compile, message.to_owned());
                    }
                    node = child;
                }
                let last = parts.last().filter(|_| parts.len() > 1).and_then(|last| node.child(last));
                if last.is_some_and(|last| self.is_function(last)) && self.is_function_value(names, &with.value) {
                    return Ok(false);
                }
                let value = with.value.as_ref().and_then(|parts| self.tree.find(parts));
                if value.is_some_and(|value| self.is_function(value)) {
                    return Ok(false);
                }
            }
            Some(Var::INPUT) => {}
            _ => {
                let Some(builtin) = self.builtin(names, &with.target) else {
                    let message = "with keyword target must reference existing input, data, or a function";
                    return error(Code::Type, message.to_owned());
                };
                as_reference(&mut with.target);
                let wrong =
                    |what: String| error(Code::Compile, format!("with keyword replacing built-in function: {what}"));
                match builtin.name {
                    name @ ("eq" | "rego.metadata.chain" | "rego.metadata.rule") => {
                        return wrong(format!("replacement of \"{name}\" invalid"));
                    }
                    name if name.starts_with("internal.") => {
                        return wrong(format!("replacement of internal function \"{name}\" invalid"));
                    }
                    _ if builtin.is_relation() => return wrong("target must not be a relation".to_owned()),
                    _ if builtin.void => return wrong("target must not be a void function".to_owned()),
                    _ => {}
                }
                if self.is_function_value(names, &with.value) {
                    return Ok(false);
                }
            }
        }
        Ok(with.value.requires_eval())
    }

    fn is_function_value(&self, names: &Names, value: &Node) -> bool {
        let rule = value.as_ref().and_then(|parts| self.tree.find(parts));
        rule.is_some() || self.builtin(names, value).is_some()
    }
}

/// Calls `visit` on every `with` of a rule: those inside a body before those of the expression that has the body.
pub(super) fn each(rule: &mut Rule, visit: &mut dyn FnMut(&mut With)) {
    for node in rule.args.iter_mut().chain(&mut rule.key).chain(&mut rule.value) {
        each_in(ItemMut::Node(node), visit);
    }
    rule.body.iter_mut().for_each(|expr| each_in(ItemMut::Expr(expr), visit));
}

fn each_in(item: ItemMut<'_>, visit: &mut dyn FnMut(&mut With)) {
    if let ItemMut::Expr(expr) = item {
        match &mut expr.kind {
            Kind::Every(every) => {
                each_in(ItemMut::Node(&mut every.domain), visit);
                every.body.iter_mut().for_each(|expr| each_in(ItemMut::Expr(expr), visit));
            }
            Kind::Term(node) => each_in(ItemMut::Node(node), visit),
            Kind::Call(nodes) | Kind::Some(nodes) => {
                nodes.iter_mut().for_each(|node| each_in(ItemMut::Node(node), visit));
            }
            Kind::Not(body, _) => body.iter_mut().for_each(|expr| each_in(ItemMut::Expr(expr), visit)),
            Kind::Logical(logical) => {
                let bodies = logical.sides.iter_mut().flat_map(|(body, _)| body);
                bodies.for_each(|expr| each_in(ItemMut::Expr(expr), visit));
            }
        }
        expr.with.iter_mut().for_each(|with| children_mut(ItemMut::With(with), &mut |child| each_in(child, visit)));
        expr.with.iter_mut().for_each(visit);
    } else {
        children_mut(item, &mut |child| each_in(child, visit));
    }
}
