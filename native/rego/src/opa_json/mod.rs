//! A module in the JSON form that OPA gives its own syntax tree.
//!
//! Only for comparing with OPA: places and comments are left out and numbers are strings, so that no digit is lost on
//! the way through JSON libraries. OPA keeps the items of sets and objects sorted, those of sets once each; so does this form.

mod order;

use serde_json::{Map, Value as Json, json};

use crate::ast::{
    Body, Call, Expr, ExprKind, Head, Import, Logical, Module, Rule, TemplatePart, Term, TermRef, Value, With,
};

/// `module` as OPA writes it.
#[must_use]
pub fn module(module: &Module) -> Json {
    let mut out = Map::new();
    out.insert("package".into(), json!({ "path": terms(&module.package.path) }));
    if !module.imports.is_empty() {
        out.insert("imports".into(), module.imports.iter().map(import).collect());
    }
    if !module.rules.is_empty() {
        out.insert("rules".into(), module.rules.iter().map(rule).collect());
    }
    Json::Object(out)
}

fn import(import: &Import) -> Json {
    let mut out = Map::new();
    out.insert("path".into(), term(&import.path));
    if let Some(alias) = &import.alias {
        out.insert("alias".into(), json!(**alias));
    }
    Json::Object(out)
}

fn rule(rule: &Rule) -> Json {
    let mut out = Map::new();
    out.insert("head".into(), head(&rule.head));
    out.insert("body".into(), body(&rule.body));
    if rule.is_default {
        out.insert("default".into(), json!(true));
    }
    if let Some(next) = &rule.else_rule {
        out.insert("else".into(), self::rule(next));
    }
    Json::Object(out)
}

fn head(head: &Head) -> Json {
    let mut out = Map::new();
    out.insert("ref".into(), terms(&head.reference));
    if let Some(name) = &head.name {
        out.insert("name".into(), json!(**name));
    }
    if !head.args.is_empty() {
        out.insert("args".into(), terms(&head.args));
    }
    if let Some(key) = &head.key {
        out.insert("key".into(), term(key));
    }
    if let Some(value) = &head.value {
        out.insert("value".into(), term(value));
    }
    if head.assign {
        out.insert("assign".into(), json!(true));
    }
    Json::Object(out)
}

fn body(body: &Body) -> Json {
    body.exprs.iter().enumerate().map(|(index, item)| expr(index, item)).collect()
}

fn expr(index: usize, expr: &Expr) -> Json {
    let mut out = Map::new();
    out.insert("index".into(), json!(index));
    out.insert("terms".into(), expr_terms(&expr.kind));
    if expr.generated {
        out.insert("generated".into(), json!(true));
    }
    if expr.negated {
        out.insert("negated".into(), json!(true));
    }
    if !expr.with.is_empty() {
        out.insert("with".into(), expr.with.iter().map(with).collect());
    }
    Json::Object(out)
}

fn expr_terms(kind: &ExprKind) -> Json {
    match kind {
        ExprKind::Term(item) => term(item),
        ExprKind::Call(item) => call(item),
        ExprKind::Some(symbols) => json!({ "symbols": terms(symbols) }),
        ExprKind::Every(every) => json!({
            "key": every.key.as_ref().map(|key| term(key)),
            "value": term(&every.value),
            "domain": term(&every.domain),
            "body": body(&every.body),
        }),
        ExprKind::Not(not) => {
            json!({ "type": "not", "body": body(&not.body), "explicit_body": not.explicit })
        }
        ExprKind::And(sides) => logical("and", sides),
        ExprKind::Or(sides) => logical("or", sides),
    }
}

fn logical(name: &str, sides: &Logical) -> Json {
    let mut out = Map::new();
    out.insert("type".into(), json!(name));
    out.insert("lhs".into(), body(&sides.lhs));
    out.insert("rhs".into(), body(&sides.rhs));
    for (name, explicit) in [("explicit_lhs", sides.explicit_lhs), ("explicit_rhs", sides.explicit_rhs)] {
        if explicit {
            out.insert(name.into(), json!(true));
        }
    }
    Json::Object(out)
}

fn with(with: &With) -> Json {
    json!({ "target": term(&with.target), "value": term(&with.value) })
}

fn terms(items: &[TermRef]) -> Json {
    items.iter().map(|item| term(item)).collect()
}

fn call(call: &Call) -> Json {
    std::iter::once(&call.operator).chain(&call.args).map(|item| term(item)).collect()
}

fn term(term: &Term) -> Json {
    json!({ "type": term.value.kind_name(), "value": value(&term.value) })
}

fn value(value: &Value) -> Json {
    match value {
        Value::Null => json!({}),
        Value::Bool(value) => json!(value),
        Value::Number(text) | Value::String(text) | Value::Var(text) => json!(**text),
        Value::Template(template) => {
            let part = |part: &TemplatePart| match part {
                TemplatePart::Scalar(item) => term(item),
                TemplatePart::Expr(item) => expr(0, item),
            };
            let parts: Option<Json> = (!template.parts.is_empty()).then(|| template.parts.iter().map(part).collect());
            json!({ "parts": parts, "multi_line": template.raw })
        }
        Value::Ref(items) | Value::Array(items) => terms(items),
        Value::Object(pairs) => {
            order::object(pairs).into_iter().map(|(key, value)| json!([term(key), term(value)])).collect()
        }
        Value::Set(items) => order::set(items).into_iter().map(term).collect(),
        Value::ArrayComprehension(head, items) | Value::SetComprehension(head, items) => {
            json!({ "term": term(head), "body": body(items) })
        }
        Value::ObjectComprehension(key, value, items) => {
            json!({ "key": term(key), "value": term(value), "body": body(items) })
        }
        Value::Call(item) => call(item),
    }
}
