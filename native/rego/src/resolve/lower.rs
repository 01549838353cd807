//! From the syntax to the form that the stages rewrite.

use crate::ast::{self, ExprKind, TemplatePart, TermRef};

use super::ir::{Collection, Comprehension, Every, Expr, Kind, Logical, Names, Node, Part, Rule, Value, With, compare};

/// The rules of a module, each followed by its `else` chain.
pub(super) fn rules(names: &mut Names, module: usize, syntax: &ast::Module, out: &mut Vec<Rule>) {
    for chain in &syntax.rules {
        let mut first = true;
        for rule in chain.chain() {
            let next = out.len() + 1;
            let head = &rule.head;
            let lowered = Rule {
                module,
                span: rule.span,
                is_default: rule.is_default,
                reference: nodes(names, &head.reference),
                args: nodes(names, &head.args),
                key: head.key.as_ref().map(|key| node(names, key)),
                value: head.value.as_ref().map(|value| node(names, value)),
                body: body(names, &rule.body),
                first,
                otherwise: rule.else_rule.as_ref().map(|_| next),
            };
            out.push(lowered);
            first = false;
        }
    }
}

/// A list of terms.
pub(super) fn nodes(names: &mut Names, terms: &[TermRef]) -> Vec<Node> {
    terms.iter().map(|term| node(names, term)).collect()
}

fn body(names: &mut Names, body: &ast::Body) -> Vec<Expr> {
    body.exprs.iter().map(|item| expr(names, item)).collect()
}

fn expr(names: &mut Names, expr: &ast::Expr) -> Expr {
    let kind = match &expr.kind {
        ExprKind::Term(term) => Kind::Term(node(names, term)),
        ExprKind::Call(item) => Kind::Call(call(names, item)),
        ExprKind::Some(symbols) => Kind::Some(nodes(names, symbols)),
        ExprKind::Every(every) => Kind::Every(Box::new(Every {
            key: every.key.as_ref().map(|key| node(names, key)),
            value: node(names, &every.value),
            domain: node(names, &every.domain),
            body: body(names, &every.body),
        })),
        ExprKind::Not(not) => Kind::Not(body(names, &not.body), not.explicit),
        ExprKind::And(sides) => Kind::Logical(Box::new(logical(names, sides, false))),
        ExprKind::Or(sides) => Kind::Logical(Box::new(logical(names, sides, true))),
    };
    let with = expr.with.iter().map(|with| With {
        span: with.span,
        target: node(names, &with.target),
        value: node(names, &with.value),
    });
    Expr {
        span: expr.span,
        negated: expr.negated,
        generated: false,
        from_assignment: false,
        with: with.collect(),
        kind,
    }
}

fn logical(names: &mut Names, sides: &ast::Logical, or: bool) -> Logical {
    let lhs = (body(names, &sides.lhs), sides.explicit_lhs);
    Logical { or, sides: [lhs, (body(names, &sides.rhs), sides.explicit_rhs)] }
}

fn call(names: &mut Names, call: &ast::Call) -> Vec<Node> {
    let mut terms = vec![node(names, &call.operator)];
    terms.extend(call.args.iter().map(|arg| node(names, arg)));
    terms
}

/// A term. Members of sets and keys of objects are put in order, and once only.
fn node(names: &mut Names, term: &TermRef) -> Node {
    let comprehension =
        |makes, key, value, body| Value::Comprehension(Box::new(Comprehension { makes, key, value, body }));
    let value = match &term.value {
        ast::Value::Null => Value::Null,
        ast::Value::Bool(value) => Value::Bool(*value),
        ast::Value::Number(text) => Value::Number(text.clone()),
        ast::Value::String(text) => Value::String(text.clone()),
        ast::Value::Var(name) => Value::Var(names.var(name)),
        ast::Value::Template(template) => {
            let part = |part: &TemplatePart| match part {
                TemplatePart::Scalar(term) => Part::Scalar(node(names, term)),
                TemplatePart::Expr(item) => Part::Expr(Box::new(expr(names, item))),
            };
            Value::Template(template.parts.iter().map(part).collect())
        }
        ast::Value::Ref(parts) => Value::Ref(nodes(names, parts)),
        ast::Value::Array(items) => Value::Array(nodes(names, items)),
        ast::Value::Set(items) => {
            let mut items = nodes(names, items);
            items.sort_by(|a, b| compare(names, a, b));
            items.dedup_by(|a, b| compare(names, a, b).is_eq());
            Value::Set(items)
        }
        ast::Value::Object(pairs) => {
            let mut all: Vec<(Node, Node)> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                let pair = (node(names, key), node(names, value));
                all.push(pair);
            }
            // The last of equal keys counts, so that one must come first among them.
            all.reverse();
            all.sort_by(|a, b| compare(names, &a.0, &b.0));
            all.dedup_by(|a, b| compare(names, &a.0, &b.0).is_eq());
            Value::Object(all)
        }
        ast::Value::ArrayComprehension(head, inner) => {
            comprehension(Collection::Array, None, node(names, head), body(names, inner))
        }
        ast::Value::SetComprehension(head, inner) => {
            comprehension(Collection::Set, None, node(names, head), body(names, inner))
        }
        ast::Value::ObjectComprehension(key, value, inner) => {
            let key = Some(node(names, key));
            comprehension(Collection::Object, key, node(names, value), body(names, inner))
        }
        ast::Value::Call(item) => Value::Call(call(names, item)),
    };
    Node::new(term.span, value)
}
