//! References name what can be there.

use crate::capabilities::Release;
use crate::diagnostic::{Code, Diagnostic};
use crate::resolve::ir::{Expr, Kind, Node, Value, Var};
use crate::resolve::key::Key;
use crate::resolve::text;
use crate::resolve::walk::{Item, children};

use super::check::Checker;
use super::env::{Step, Tree};
use super::ty::{Shape, Type};

/// What should have stood at the place of a part of a reference.
struct Wrong {
    at: usize,
    have: Type,
    want: Type,
    one_of: Vec<String>,
}

impl Checker<'_> {
    /// The errors of the references of an expression, comprehensions left out.
    pub(super) fn references(&mut self, expr: &Expr) -> Vec<Diagnostic> {
        let mut errors = Vec::new();
        self.visit(Item::Expr(expr), &mut errors);
        errors
    }

    fn visit(&mut self, item: Item<'_>, errors: &mut Vec<Diagnostic>) {
        match item {
            Item::Expr(expr) => match &expr.kind {
                Kind::Call(terms) => terms.iter().skip(1).for_each(|term| self.visit(Item::Node(term), errors)),
                Kind::Term(node) => self.visit(Item::Node(node), errors),
                Kind::Not(body, _) => body.iter().for_each(|expr| self.visit(Item::Expr(expr), errors)),
                _ => children(item, &mut |child| self.visit(child, errors)),
            },
            Item::Node(Node { value: Value::Comprehension(_), .. }) => {}
            Item::Node(Node { value: Value::Ref(parts), .. }) => {
                if let Some(error) = self.applied(parts) {
                    errors.push(error);
                    return;
                }
                let level = self.env.top();
                errors.extend(self.reference(level, &mut Vec::new(), parts, 0).err());
                children(item, &mut |child| self.visit(child, errors));
            }
            _ => children(item, &mut |child| self.visit(child, errors)),
        }
    }

    /// A function is called, not read.
    fn applied(&self, parts: &[Node]) -> Option<Diagnostic> {
        let found = self.env.reference(parts);
        found.as_function()?;
        Some(self.unsupported(parts, parts.len().saturating_sub(1), &found))
    }

    fn node(&self, level: usize, path: &[Step]) -> Option<&Tree> {
        let tree = &*self.env.layers.get(level)?.tree;
        path.iter().try_fold(tree, |node, step| node.children.get(step))
    }

    /// Checks a reference from part `at` on, below the node at `path` of a layer.
    fn reference(&mut self, level: usize, path: &mut Vec<Step>, parts: &[Node], at: usize) -> Result<(), Diagnostic> {
        let Some(head) = parts.get(at) else {
            return Ok(());
        };
        // The shortest path of a rule has three parts, and packages are named by strings.
        if (at == 1 || at == 2) && !matches!(head.value, Value::Var(_) | Value::String(_)) {
            let have = self.term(head);
            let one_of = self.names_at(level, path);
            return Err(self.invalid(parts, &Wrong { at, have, want: Type::string(), one_of }));
        }
        if let Some(var) = head.as_var().filter(|_| at != 0) {
            let want = self.node(level, path).map_or_else(Type::unknown, |node| node.extent().keys());
            let have = self.env.var(var);
            if have.is_unknown() {
                self.env.set_var(var, want);
            } else if !want.unifies(&have) {
                let one_of = self.names_at(level, path);
                return Err(self.invalid(parts, &Wrong { at, have, want, one_of }));
            }
        }
        let child = self.node(level, path).and_then(|node| node.child(head));
        let Some((child, step)) = child.zip(Step::of(head)) else {
            if level > 0 {
                return self.reference(level - 1, &mut Vec::new(), parts, 0);
            }
            let root = parts.first().and_then(Node::as_var).is_some_and(Var::is_root);
            if root && at != 0 {
                let steps: Vec<Step> =
                    self.node(level, path).map(|node| node.children.keys().cloned().collect()).unwrap_or_default();
                for step in steps {
                    path.push(step);
                    // Only what is learnt of variables counts: data may be anywhere.
                    drop(self.reference(level, path, parts, at + 1));
                    path.pop();
                }
                return Ok(());
            }
            return self.inside(&Type::any(), parts, usize::from(root));
        };
        if child.is_leaf() {
            let value = child.value.clone();
            return self.inside(&value, parts, at + 1);
        }
        path.push(step);
        let result = self.reference(level, path, parts, at + 1);
        path.pop();
        result
    }

    /// Checks a reference from part `at` on, inside a value.
    fn inside(&mut self, value: &Type, parts: &[Node], at: usize) -> Result<(), Diagnostic> {
        let mut value = value.clone();
        for (at, head) in parts.iter().enumerate().skip(at) {
            if self.world.release == Release::Opa1_22 && value.is_empty_collection() {
                return self.inside_empty(&value, parts, at);
            }
            let keys = value.keys();
            if keys.is_unknown() {
                return Err(self.unsupported(parts, at.saturating_sub(1), &value));
            }
            let wrong = |have: Type, one_of: Vec<String>| Wrong { at, have, want: keys.clone(), one_of };
            match &head.value {
                Value::Var(var) => {
                    let have = self.env.var(*var);
                    if have.is_unknown() {
                        self.env.set_var(*var, keys);
                    } else if !have.unifies(&keys) {
                        return Err(self.invalid(parts, &wrong(have, keys_of(&value))));
                    }
                    value = value.values();
                }
                Value::Ref(inner) => {
                    let have = self.env.reference(inner);
                    if !have.is_unknown() && !have.unifies(&keys) {
                        return Err(self.invalid(parts, &wrong(have, keys_of(&value))));
                    }
                    value = value.values();
                }
                Value::Array(_) | Value::Object(_) | Value::Set(_) => {
                    if !self.fit(head, &keys, false) {
                        let have = self.term(head);
                        return Err(self.invalid(parts, &wrong(have, Vec::new())));
                    }
                    value = value.values();
                }
                _ => {
                    let child = Key::of(head).map_or_else(Type::unknown, |key| value.select(&key));
                    if child.is_unknown() {
                        return Err(self.invalid(parts, &wrong(Type::unknown(), keys_of(&value))));
                    }
                    value = child;
                }
            }
        }
        Ok(())
    }

    /// Nothing is in an empty collection, but it may be looked through.
    fn inside_empty(&mut self, value: &Type, parts: &[Node], at: usize) -> Result<(), Diagnostic> {
        let Some(head) = parts.get(at) else {
            return Ok(());
        };
        if head.is_scalar() {
            let nothing = Wrong { at, have: Type::unknown(), want: Type::unknown(), one_of: Vec::new() };
            return Err(self.invalid(parts, &nothing));
        }
        if let Some(var) = head.as_var() {
            let have = self.env.var(var);
            let keys = value.keys();
            if have.is_unknown() {
                self.env.set_var(var, Type::any());
            } else if !keys.is_unknown() && !have.unifies(&keys) {
                return Err(self.invalid(parts, &Wrong { at, have, want: keys, one_of: Vec::new() }));
            }
        }
        Ok(())
    }

    /// The names below a node, as Rego.
    fn names_at(&self, level: usize, path: &[Step]) -> Vec<String> {
        let steps = self.node(level, path).map(|node| &node.children).into_iter().flat_map(|children| children.keys());
        let name = |step: &Step| match step {
            Step::Var(var) => self.names.text(*var).to_owned(),
            Step::Key(key) => rego(key),
        };
        steps.map(name).collect()
    }

    fn unsupported(&self, parts: &[Node], at: usize, have: &Type) -> Diagnostic {
        let parts = self.written(parts);
        let whole = text::reference(self.names, &parts);
        let span = parts.first().map(|head| head.span).unwrap_or_default();
        let message = if have.as_function().is_some() {
            let last = parts.last().and_then(Node::as_var).is_some_and(|var| self.names.is_generated(var));
            let function = if last { parts.get(..parts.len() - 1).unwrap_or(&parts) } else { &parts };
            format!("function {} used as reference, not called", text::reference(self.names, function))
        } else {
            format!("undefined ref: {whole}")
        };
        let carets = "^".repeat(text::reference(self.names, parts.get(..=at).unwrap_or(&parts)).len());
        Diagnostic::new(Code::Type, span, message).with_details(vec![whole, carets, format!("have: {have}")])
    }

    fn invalid(&self, parts: &[Node], wrong: &Wrong) -> Diagnostic {
        let span = parts.first().map(|head| head.span).unwrap_or_default();
        let parts = self.written(parts);
        let whole = text::reference(self.names, &parts);
        let before = text::reference(self.names, parts.get(..wrong.at).unwrap_or(&parts));
        let pad = " ".repeat(before.len() + 1);
        let have = match parts.get(wrong.at) {
            Some(part) if wrong.have.is_unknown() => format!("{pad}have: {}", text::node(self.names, part)),
            _ => format!("{pad}have (type): {}", wrong.have),
        };
        let want = if wrong.one_of.is_empty() && !wrong.want.is_unknown() {
            format!("{pad}want (type): {}", wrong.want)
        } else {
            format!("{pad}want (one of): [{}]", wrong.one_of.join(" "))
        };
        let message = format!("undefined ref: {whole}");
        Diagnostic::new(Code::Type, span, message).with_details(vec![whole, format!("{pad}^"), have, want])
    }
}

fn rego(key: &Key) -> String {
    let mut out = String::new();
    key.rego(&mut out);
    out
}

/// The constant keys of objects, as Rego and in order.
fn keys_of(value: &Type) -> Vec<String> {
    fn collect(value: &Type, out: &mut Vec<Key>) {
        match value.shape() {
            Shape::Object(fixed, _) => out.extend(fixed.iter().map(|(key, _)| key.clone())),
            Shape::Any(of) => of.iter().for_each(|one| collect(one, out)),
            _ => {}
        }
    }
    let mut keys = Vec::new();
    collect(value, &mut keys);
    keys.sort();
    keys.dedup();
    keys.iter().map(rego).collect()
}
