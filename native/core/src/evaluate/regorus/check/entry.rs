//! The entry rule: `violation` must be there, and its elements must be able to have a `msg`.

use regorus::unstable::{Expr, Rule, RuleHead, Span};

use super::super::diagnose;
use super::Parsed;
use crate::diagnostic::Diagnostic;
use crate::template::Template;

const NAME: &str = "violation";

/// What a definition of the rule contributes to `data.template.violation[r]`.
enum Form {
    /// Elements that may have a `msg`.
    Elements,
    /// Elements of a type without `msg`: strings, numbers, objects with other keys only.
    WithoutMessage(String),
    /// A value or function that cannot be indexed by `[r]`.
    NoCollection,
}

pub(super) fn check(template: &Template, entry: &Parsed<'_>, defects: &mut Vec<Diagnostic>) {
    let definitions: Vec<(&Span, Form)> = entry.module.policy.iter().filter_map(|rule| definition(rule)).collect();
    if definitions.is_empty() {
        let message = format!("missing required rules: [{NAME}]");
        defects.push(diagnose::diagnostic(&message, template.module.start()));
        return;
    }
    for (span, form) in &definitions {
        if matches!(form, Form::NoCollection) {
            let message = "rego_type_error: undefined ref: data.template.violation[r]";
            defects.push(diagnose::diagnostic(message, entry.at(span)));
        }
    }
    // A union with one definition that can have a message can have one.
    let without: Vec<_> = definitions
        .iter()
        .map_while(|(span, form)| if let Form::WithoutMessage(have) = form { Some((span, have)) } else { None })
        .collect();
    if let (Some((span, have)), true) = (without.first(), without.len() == definitions.len()) {
        let message = format!("rego_type_error: undefined ref: r.msg ({have})");
        defects.push(diagnose::diagnostic(&message, entry.at(span)));
    }
}

fn definition(rule: &Rule) -> Option<(&Span, Form)> {
    match rule {
        Rule::Default { span, refr, .. } => is_name(refr).then_some((span, Form::NoCollection)),
        Rule::Spec { span, head, .. } => match head {
            RuleHead::Set { refr, key, .. } if is_name(refr) => {
                Some((span, key.as_ref().map_or(Form::NoCollection, |key| element(key))))
            }
            RuleHead::Compr { refr, assign, .. } if is_name(refr) => Some((
                span,
                match assign.as_ref().map(|assign| &*assign.value) {
                    None => Form::NoCollection,
                    Some(value) if is_scalar(value) => Form::NoCollection,
                    Some(Expr::Array { .. } | Expr::ArrayCompr { .. }) => Form::WithoutMessage("number".to_owned()),
                    Some(_) => Form::Elements,
                },
            )),
            RuleHead::Compr { refr, .. } => match &**refr {
                Expr::RefBrack { refr, .. } if is_name(refr) => Some((span, Form::WithoutMessage("string".to_owned()))),
                _ => None,
            },
            RuleHead::Func { refr, .. } if is_name(refr) => Some((span, Form::NoCollection)),
            RuleHead::Set { .. } | RuleHead::Func { .. } => None,
        },
    }
}

fn is_name(refr: &Expr) -> bool {
    matches!(refr, Expr::Var { span, .. } if span.text() == NAME)
}

fn is_scalar(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. }
    )
}

fn element(key: &Expr) -> Form {
    match key {
        key if is_scalar(key) => Form::WithoutMessage(key.span().text().to_owned()),
        Expr::Object { fields, .. } => {
            let names: Option<Vec<&str>> = fields.iter().map(|(_, key, _)| constant(key)).collect();
            match names {
                Some(names) if !names.contains(&"msg") => Form::WithoutMessage(format!("want (one of): {names:?}")),
                _ => Form::Elements,
            }
        }
        _ => Form::Elements,
    }
}

fn constant(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::String { value: regorus::Value::String(text), .. }
        | Expr::RawString { value: regorus::Value::String(text), .. } => Some(text),
        _ => None,
    }
}
