//! What the names around an expression stand for.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::builtins::BUILTINS;
use crate::capabilities::Release;
use crate::resolve::ir::{Names, Node, Value, Var};
use crate::resolve::key::Key;

use super::signature;
use super::ty::{Shape, Type};

/// One step of a path: a variable or a constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Var(Var),
    Key(Key),
}

impl Step {
    /// `None` for what is neither.
    pub(super) fn of(node: &Node) -> Option<Self> {
        node.as_var().map(Self::Var).or_else(|| Key::of(node).map(Self::Key))
    }
}

/// Types by path.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Unknown where no path ends.
    pub(super) value: Type,
    pub(super) children: BTreeMap<Step, Tree>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { value: Type::unknown(), children: BTreeMap::new() }
    }
}

impl Tree {
    pub(super) fn is_leaf(&self) -> bool {
        !self.value.is_unknown()
    }

    pub(super) fn child(&self, node: &Node) -> Option<&Self> {
        self.children.get(&Step::of(node)?)
    }

    /// Sets the type at `path`.
    pub(super) fn put(&mut self, path: &[Node], value: Type) {
        let mut node = self;
        for part in path {
            let Some(step) = Step::of(part) else {
                return;
            };
            node = node.children.entry(step).or_default();
        }
        node.value = value;
    }

    /// Adds a type at a path without variables, also to the objects on the way.
    pub(super) fn insert(&mut self, path: &[Node], value: &Type) {
        let mut node = self;
        for (at, part) in path.iter().enumerate() {
            let Some(step) = Step::of(part) else {
                return;
            };
            let rest = path.get(at + 1..).unwrap_or_default();
            let child = node.children.entry(step).or_default();
            if !rest.is_empty() && matches!(child.value.shape(), Shape::Object(..)) {
                child.value = with_path(&child.value, rest, value);
            }
            node = child;
        }
        node.value = merge(&node.value, value);
        if matches!(value.shape(), Shape::Object(..)) && !node.children.is_empty() {
            let mut leaves = Vec::new();
            node.leaves(&mut Vec::new(), &mut leaves);
            for (path, leaf) in leaves {
                node.value = with_keys(&node.value, &path, &leaf);
            }
        }
    }

    fn leaves(&self, path: &mut Vec<Type>, out: &mut Vec<(Vec<Type>, Type)>) {
        for (step, child) in &self.children {
            path.push(match step {
                Step::Key(key) => Type::of_key(key),
                Step::Var(_) => Type::unknown(),
            });
            if child.is_leaf() {
                out.push((path.clone(), child.value.clone()));
            } else {
                child.leaves(path, out);
            }
            path.pop();
        }
    }

    /// The type of all that is at and below this node.
    pub(super) fn extent(&self) -> Type {
        if self.is_leaf() {
            return self.value.clone();
        }
        let child = |(step, child): (&Step, &Self)| match step {
            Step::Key(key @ (Key::String(_) | Key::Number(_) | Key::Bool(_))) => Some((key.clone(), child.extent())),
            _ => None,
        };
        // Data may be beside the rules.
        let rest = Some((Type::string(), Type::any()));
        Type::object(self.children.iter().filter_map(child).collect(), rest)
    }
}

/// An object with one more property somewhere inside it.
fn with_path(object: &Type, path: &[Node], value: &Type) -> Type {
    let keys: Vec<Type> =
        path.iter().map(|part| Key::of(part).map_or_else(Type::unknown, |key| Type::of_key(&key))).collect();
    with_keys(object, &keys, value)
}

fn with_keys(object: &Type, keys: &[Type], value: &Type) -> Type {
    let Some((key, rest)) = keys.split_first() else {
        return object.clone();
    };
    let Shape::Object(fixed, dynamic) = object.shape() else {
        return object.clone();
    };
    let value = if rest.is_empty() { value.clone() } else { with_keys(&Type::object(Vec::new(), None), rest, value) };
    let dynamic = match dynamic {
        Some((keys, values)) => (keys.or(key), values.or(&value)),
        None => (key.clone(), value),
    };
    Type::object(fixed.clone(), Some(dynamic))
}

/// The type of a path that two rules give a value to.
fn merge(a: &Type, b: &Type) -> Type {
    if a.is_unknown() {
        return b.clone();
    }
    if b.is_unknown() {
        return a.clone();
    }
    match (a.shape(), b.shape()) {
        (Shape::Object(a_fixed, a_rest), Shape::Object(b_fixed, b_rest))
            if a_fixed.is_empty() && b_fixed.is_empty() =>
        {
            match (a_rest, b_rest) {
                (None, _) => b.clone(),
                (_, None) => a.clone(),
                (Some((a_key, a_value)), Some((b_key, b_value))) => {
                    Type::object(Vec::new(), Some((a_key.or(b_key), merge(a_value, b_value))))
                }
            }
        }
        (Shape::Object(fixed, Some((key, value))), Shape::Any(of)) if fixed.is_empty() => {
            let mut all = of.clone();
            let open = all.iter_mut().find_map(|one| match one.shape() {
                Shape::Object(fixed, Some(rest)) if fixed.is_empty() => Some((rest.clone(), one)),
                _ => None,
            });
            match open {
                Some(((other_key, other_value), slot)) => {
                    *slot = Type::object(Vec::new(), Some((other_key.or(key), other_value.or(value))));
                    Type::one_of(all)
                }
                None => a.or(b),
            }
        }
        (Shape::Set(a), Shape::Set(b)) => Type::set(a.or(b)),
        (Shape::Any(_), Shape::Any(_)) => a.or(b),
        (Shape::Any(_), _) => merge(b, a),
        _ => a.or(b),
    }
}

/// One layer of names.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) tree: Rc<Tree>,
    /// The layer that new variables go to.
    pub(super) vars: usize,
}

/// Layers of names, the innermost last.
#[derive(Debug)]
pub(super) struct Env {
    pub(super) layers: Vec<Layer>,
}

impl Env {
    /// The outermost layers: built-ins, then rules, of which there are none yet.
    pub(super) fn new(names: &Names, release: Release) -> Self {
        let mut tree = Tree::default();
        for builtin in BUILTINS.iter().filter(|builtin| builtin.is_in(release)) {
            let mut steps = builtin.name.split('.');
            // What no module names needs no type.
            let Some(head) = names.find(steps.next().unwrap_or_default()) else {
                continue;
            };
            let Some(signature) = signature::of(builtin, release) else {
                continue;
            };
            let mut node = tree.children.entry(Step::Var(head)).or_default();
            for step in steps {
                node = node.children.entry(Step::Key(Key::string(step))).or_default();
            }
            node.value = Type::function(signature.function());
        }
        let builtins = Layer { tree: Rc::new(tree), vars: 0 };
        Self { layers: vec![builtins, Layer { tree: Rc::default(), vars: 1 }] }
    }

    pub(super) fn top(&self) -> usize {
        self.layers.len().saturating_sub(1)
    }

    /// A new innermost layer, for the variables of a body.
    pub(super) fn push(&mut self) {
        let vars = self.layers.len();
        self.layers.push(Layer { tree: Rc::default(), vars });
    }

    /// A new innermost layer whose variables go where those of the one around it go.
    pub(super) fn push_with(&mut self, tree: Rc<Tree>) {
        let vars = self.layers.last().map_or(0, |layer| layer.vars);
        self.layers.push(Layer { tree, vars });
    }

    pub(super) fn pop_to(&mut self, count: usize) {
        self.layers.truncate(count);
    }

    /// The type of a variable; unknown if it has none yet.
    pub(super) fn var(&self, var: Var) -> Type {
        let step = Step::Var(var);
        let found = self.layers.iter().rev().find_map(|layer| layer.tree.children.get(&step));
        found.map_or_else(Type::unknown, |node| node.value.clone())
    }

    /// Gives a variable a type.
    pub(super) fn set_var(&mut self, var: Var, value: Type) {
        let at = self.layers.last().map_or(0, |layer| layer.vars);
        if let Some(layer) = self.layers.get_mut(at) {
            Rc::make_mut(&mut layer.tree).children.entry(Step::Var(var)).or_default().value = value;
        }
    }

    /// The types of rules by their paths.
    pub(super) fn rules(&mut self) -> Option<&mut Tree> {
        self.layers.get_mut(1).map(|layer| Rc::make_mut(&mut layer.tree))
    }

    /// The type of what a reference refers to.
    pub(super) fn reference(&self, parts: &[Node]) -> Type {
        self.reference_from(self.layers.len(), parts)
    }

    fn reference_from(&self, count: usize, parts: &[Node]) -> Type {
        let Some((head, rest)) = parts.split_first() else {
            return Type::unknown();
        };
        for layer in self.layers.iter().take(count).rev() {
            if let Some(node) = layer.tree.child(head)
                && let Some(found) = below(node, rest)
            {
                return found;
            }
        }
        let is_root = head.as_var().is_some_and(Var::is_root);
        if is_root { Type::any() } else { Type::unknown() }
    }
}

/// The type at a path below a node; `None` if the tree says nothing of it.
fn below(node: &Tree, path: &[Node]) -> Option<Type> {
    let Some((part, rest)) = path.split_first() else {
        return Some(node.extent());
    };
    if node.is_leaf() {
        if let Some(child) = node.child(part) {
            return below(child, rest).or_else(|| Some(select(&node.value, path)));
        }
        return Some(select(&node.value, path));
    }
    if !part.is_constant() {
        return Some(select(&node.extent(), path));
    }
    below(node.child(part)?, rest)
}

/// The type of what a path selects from a value.
pub(super) fn select(value: &Type, path: &[Node]) -> Type {
    let mut value = value.clone();
    for part in path {
        if value.is_unknown() {
            break;
        }
        let by_value =
            !matches!(part.value, Value::Var(_) | Value::Ref(_) | Value::Array(_) | Value::Object(_) | Value::Set(_));
        if by_value {
            value = Key::of(part).map_or_else(Type::unknown, |key| value.select(&key));
        } else if value.is_empty_collection() {
            return Type::any();
        } else {
            value = value.values();
        }
    }
    value
}
