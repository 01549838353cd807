//! Walks over terms and expressions, to read them or to change them.

use super::ir::{Comprehension, Every, Expr, Kind, Node, Part, Rule, Value, With};

/// Something that a walk meets.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Node(&'a Node),
    Expr(&'a Expr),
    With(&'a With),
}

/// Visits `item` and what is in it, parents first; where `visit` answers `false`, what is inside is left out.
pub(super) fn walk<'a>(item: Item<'a>, visit: &mut dyn FnMut(Item<'a>) -> bool) {
    if visit(item) {
        children(item, &mut |child| walk(child, visit));
    }
}

/// As [`walk`], for every expression of a body.
pub(super) fn walk_body<'a>(body: &'a [Expr], visit: &mut dyn FnMut(Item<'a>) -> bool) {
    body.iter().for_each(|expr| walk(Item::Expr(expr), visit));
}

/// Visits the arguments, the key and the value of a rule's head; not its path.
pub(super) fn walk_head<'a>(rule: &'a Rule, visit: &mut dyn FnMut(Item<'a>) -> bool) {
    rule.args.iter().chain(&rule.key).chain(&rule.value).for_each(|node| walk(Item::Node(node), visit));
}

/// Calls `each` with what is directly inside `item`.
pub(super) fn children<'a>(item: Item<'a>, each: &mut dyn FnMut(Item<'a>)) {
    match item {
        Item::With(with) => [&with.target, &with.value].into_iter().for_each(|node| each(Item::Node(node))),
        Item::Expr(expr) => {
            match &expr.kind {
                Kind::Term(node) => each(Item::Node(node)),
                Kind::Call(nodes) | Kind::Some(nodes) => nodes.iter().for_each(|node| each(Item::Node(node))),
                Kind::Every(every) => {
                    let terms = every.key.iter().chain([&every.value, &every.domain]);
                    terms.for_each(|node| each(Item::Node(node)));
                    every.body.iter().for_each(|expr| each(Item::Expr(expr)));
                }
                Kind::Not(body, _) => body.iter().for_each(|expr| each(Item::Expr(expr))),
                Kind::Logical(logical) => {
                    logical.sides.iter().flat_map(|(body, _)| body).for_each(|expr| each(Item::Expr(expr)));
                }
            }
            expr.with.iter().for_each(|with| each(Item::With(with)));
        }
        Item::Node(node) => match &node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Var(_) => {}
            Value::Template(parts) => parts.iter().for_each(|part| match part {
                Part::Scalar(node) => each(Item::Node(node)),
                Part::Expr(expr) => each(Item::Expr(expr)),
            }),
            Value::Ref(nodes) | Value::Array(nodes) | Value::Set(nodes) | Value::Call(nodes) => {
                nodes.iter().for_each(|node| each(Item::Node(node)));
            }
            Value::Object(pairs) => pairs.iter().for_each(|(key, value)| {
                each(Item::Node(key));
                each(Item::Node(value));
            }),
            Value::Comprehension(inner) => {
                inner.key.iter().chain([&inner.value]).for_each(|node| each(Item::Node(node)));
                inner.body.iter().for_each(|expr| each(Item::Expr(expr)));
            }
        },
    }
}

/// Something that a walk may change.
pub(super) enum ItemMut<'a> {
    Node(&'a mut Node),
    Expr(&'a mut Expr),
    With(&'a mut With),
}

/// As [`children`], to change them.
pub(super) fn children_mut(item: ItemMut<'_>, each: &mut dyn FnMut(ItemMut<'_>)) {
    match item {
        ItemMut::With(with) => {
            each(ItemMut::Node(&mut with.target));
            each(ItemMut::Node(&mut with.value));
        }
        ItemMut::Expr(expr) => {
            match &mut expr.kind {
                Kind::Term(node) => each(ItemMut::Node(node)),
                Kind::Call(nodes) | Kind::Some(nodes) => nodes.iter_mut().for_each(|node| each(ItemMut::Node(node))),
                Kind::Every(every) => {
                    let Every { key, value, domain, body } = &mut **every;
                    let terms = key.iter_mut().chain([value, domain]);
                    terms.for_each(|node| each(ItemMut::Node(node)));
                    body.iter_mut().for_each(|expr| each(ItemMut::Expr(expr)));
                }
                Kind::Not(body, _) => body.iter_mut().for_each(|expr| each(ItemMut::Expr(expr))),
                Kind::Logical(logical) => {
                    logical.sides.iter_mut().flat_map(|(body, _)| body).for_each(|expr| each(ItemMut::Expr(expr)));
                }
            }
            expr.with.iter_mut().for_each(|with| each(ItemMut::With(with)));
        }
        ItemMut::Node(node) => match &mut node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Var(_) => {}
            Value::Template(parts) => parts.iter_mut().for_each(|part| match part {
                Part::Scalar(node) => each(ItemMut::Node(node)),
                Part::Expr(expr) => each(ItemMut::Expr(expr)),
            }),
            Value::Ref(nodes) | Value::Array(nodes) | Value::Set(nodes) | Value::Call(nodes) => {
                nodes.iter_mut().for_each(|node| each(ItemMut::Node(node)));
            }
            Value::Object(pairs) => pairs.iter_mut().for_each(|(key, value)| {
                each(ItemMut::Node(key));
                each(ItemMut::Node(value));
            }),
            Value::Comprehension(inner) => {
                let Comprehension { key, value, body, .. } = &mut **inner;
                key.iter_mut().chain([value]).for_each(|node| each(ItemMut::Node(node)));
                body.iter_mut().for_each(|expr| each(ItemMut::Expr(expr)));
            }
        },
    }
}
