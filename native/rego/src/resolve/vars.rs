//! Which variables are in a piece of a module.

use super::ir::{Expr, Kind, Node, Value, Var, VarSet};
use super::walk::{Item, children, walk};

/// What a search for variables leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Skip {
    /// The first part of references.
    pub(super) ref_heads: bool,
    /// The name that a call calls, and the names of `with` targets.
    pub(super) call_heads: bool,
    pub(super) object_keys: bool,
    /// Comprehensions, template strings and bodies of their own.
    pub(super) closures: bool,
    pub(super) sets: bool,
    pub(super) templates: bool,
}

/// What counts for the safety of an expression.
pub(super) const SAFETY: Skip =
    Skip { ref_heads: false, call_heads: true, object_keys: false, closures: true, sets: false, templates: false };

/// What an expression may bind.
pub(super) const BOUND: Skip =
    Skip { ref_heads: true, call_heads: false, object_keys: true, closures: true, sets: false, templates: false };

/// What the outputs of a call may bind.
pub(super) const OUTPUTS: Skip = Skip { sets: true, ..BOUND };

/// Every variable of a term.
pub(super) fn of_node(node: &Node, out: &mut VarSet) {
    collect(Item::Node(node), Skip::default(), out);
}

/// Every variable of a body.
pub(super) fn of_body(body: &[Expr], skip: Skip, out: &mut VarSet) {
    body.iter().for_each(|expr| collect(Item::Expr(expr), skip, out));
}

/// Adds the variables of `item`.
pub(super) fn collect(item: Item<'_>, skip: Skip, out: &mut VarSet) {
    match item {
        Item::Node(node) => match &node.value {
            Value::Var(var) => {
                out.insert(*var);
                return;
            }
            Value::Object(pairs) if skip.object_keys => {
                pairs.iter().for_each(|(_, value)| collect(Item::Node(value), skip, out));
                return;
            }
            Value::Ref(parts) if skip.ref_heads => {
                parts.iter().skip(1).for_each(|part| collect(Item::Node(part), skip, out));
                return;
            }
            Value::Comprehension(_) if skip.closures => return,
            Value::Template(_) if skip.closures || skip.templates => return,
            Value::Set(_) if skip.sets => return,
            Value::Call(terms) if skip.call_heads => {
                call(terms, skip, out);
                return;
            }
            _ => {}
        },
        Item::Expr(expr) => match &expr.kind {
            Kind::Not(..) | Kind::Logical(_) if skip.closures => {
                expr.with.iter().for_each(|with| collect(Item::With(with), skip, out));
                return;
            }
            Kind::Every(every) if skip.closures => {
                collect(Item::Node(&every.domain), skip, out);
                return;
            }
            Kind::Call(terms) if skip.call_heads => {
                call(terms, skip, out);
                expr.with.iter().for_each(|with| collect(Item::With(with), skip, out));
                return;
            }
            _ => {}
        },
        Item::With(with) if skip.call_heads => {
            for (node, target) in [(&with.target, true), (&with.value, false)] {
                match &node.value {
                    Value::Ref(parts) => parts.iter().skip(1).for_each(|part| collect(Item::Node(part), skip, out)),
                    _ if target => {}
                    _ => collect(Item::Node(node), skip, out),
                }
            }
            return;
        }
        Item::With(_) => {}
    }
    children(item, &mut |child| collect(child, skip, out));
}

fn call(terms: &[Node], skip: Skip, out: &mut VarSet) {
    let Some((operator, operands)) = terms.split_first() else {
        return;
    };
    let parts = operator.as_ref().unwrap_or_default().iter().skip(1);
    parts.chain(operands).for_each(|node| collect(Item::Node(node), skip, out));
}

/// The variables that `some` and `:=` declare in `body` and in the bodies inside it, comprehensions left out.
pub(super) fn declared_in(body: &[Expr]) -> VarSet {
    let mut out = VarSet::new();
    body.iter().for_each(|expr| declared_by(expr, &mut out));
    out
}

/// As [`declared_in`], by one expression.
pub(super) fn declared_by(expr: &Expr, out: &mut VarSet) {
    walk(Item::Expr(expr), &mut |item| {
        match item {
            Item::Node(Node { value: Value::Comprehension(_), .. }) => return false,
            Item::Expr(expr) => {
                if let Some([target, _]) = expr.operands_of(Var::ASSIGN) {
                    of_node(target, out);
                } else if let Kind::Some(symbols) = &expr.kind {
                    for symbol in symbols {
                        match &symbol.value {
                            Value::Var(var) => {
                                out.insert(*var);
                            }
                            Value::Call(terms) => {
                                let bound = terms.len().saturating_sub(2);
                                terms.iter().skip(1).take(bound).for_each(|node| of_node(node, out));
                            }
                            _ => {}
                        }
                    }
                }
            }
            _ => {}
        }
        true
    });
}

/// Whether a template string is in the rule's head or body.
pub(super) fn has_template(item: Item<'_>) -> bool {
    let mut found = false;
    walk(item, &mut |item| {
        found |= matches!(item, Item::Node(Node { value: Value::Template(_), .. }));
        !found
    });
    found
}
