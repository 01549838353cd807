//! A module as a sequence of statements.

use std::sync::Arc;

use crate::ast::{Body, Call, ExprKind, Head, Import, Module, Package, Rule, Term, TermRef, Value};
use crate::builtins;
use crate::capabilities::{Release, Version};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::token::Kind;

use super::rule::implicit_body;
use super::{Parse, Parser, Stop};

/// Errors in more statements than this are not told.
const MAX_BROKEN_STATEMENTS: usize = 10;

enum Statement {
    Package(Package),
    Import(Import),
    Rules(Vec<Rule>),
    /// An expression, which must read as a rule.
    Body(Body),
}

impl Parser<'_> {
    /// Reads the whole text.
    pub(super) fn module(mut self) -> Result<Module, Vec<Diagnostic>> {
        let mut statements = Vec::new();
        let mut broken = 0;
        while !self.at(Kind::Eof) && !self.fatal {
            let (before, from) = (self.errors.len(), self.state.position);
            let statement = self.statement();
            let failed = statement.is_err() || self.errors.len() > before;
            statements.extend(statement);
            if failed {
                broken += 1;
                // Every failure records why, unless the lexer did already.
                if self.errors.is_empty() {
                    self.unexpected("");
                }
                // What follows from the first error of a statement would only confuse.
                self.errors.truncate(before + 1);
                if broken == MAX_BROKEN_STATEMENTS || !self.skip_to_margin(from) {
                    break;
                }
            }
        }
        let mut errors = std::mem::take(&mut self.errors);
        let fatal = self.fatal;
        let module = self.assemble(statements, errors.is_empty());
        match module {
            Ok(module) if errors.is_empty() => Ok(module),
            Err(more) if !fatal => {
                errors.extend(more);
                errors.sort_by_key(|error| error.span.start);
                Err(errors)
            }
            _ => Err(errors),
        }
    }

    /// Reads the whole text as one body.
    pub(super) fn whole_query(mut self) -> Result<Body, Vec<Diagnostic>> {
        let body = self.body(Kind::Eof);
        if body.is_err() && self.errors.is_empty() {
            self.unexpected("");
        }
        match body {
            Ok(body) if self.errors.is_empty() => Ok(body),
            _ => Err(std::mem::take(&mut self.errors)),
        }
    }

    /// Steps to the next word at the margin behind the statement that began at `from`.
    fn skip_to_margin(&mut self, from: usize) -> bool {
        let from = self.state.position.max(from + 1);
        let rest = self.lexed.tokens.iter().enumerate().skip(from);
        let starts = |token: &crate::token::Token| {
            let word = token.kind == Kind::Ident || token.kind.is_keyword();
            let start = token.span.start as usize;
            let margin = start == 0 || self.source.as_bytes().get(start - 1) == Some(&b'\n');
            word && margin && token.kind != Kind::Else
        };
        let Some(position) = rest.filter(|(_, token)| starts(token)).map(|(position, _)| position).next() else {
            return false;
        };
        self.state.position = position;
        self.state.at_space = false;
        self.state.as_ident = false;
        self.state.plain_at = None;
        true
    }

    fn statement(&mut self) -> Parse<Statement> {
        if self.capabilities.release >= Release::Opa1_22 && self.refuse_keyword_name(false) {
            return Err(Stop);
        }
        let errors = self.errors.len();
        let saved = self.save();
        if self.at(Kind::Package) {
            if let Some(package) = self.package()? {
                self.refuse_trailing_minus()?;
                return Ok(Statement::Package(package));
            }
            self.restore(saved)?;
        }
        if self.at(Kind::Import) {
            if let Some(import) = self.import()? {
                self.refuse_trailing_minus()?;
                return Ok(Statement::Import(import));
            }
            self.restore(saved)?;
        }
        match self.rules() {
            Ok(rules) => return Ok(Statement::Rules(rules)),
            Err(stop) if self.errors.len() > errors => return Err(stop),
            Err(_) => self.restore(saved)?,
        }
        self.query().map(Statement::Body)
    }

    fn refuse_trailing_minus(&mut self) -> Parse<()> {
        if self.at(Kind::Sub) && self.capabilities.release >= Release::Opa1_22 {
            return Err(self.unexpected("the end of the path"));
        }
        Ok(())
    }

    /// Refuses a keyword where only a rule's name can stand, and says whether it did. After `default` nothing else can.
    pub(super) fn refuse_keyword_name(&mut self, after_default: bool) -> bool {
        let followers: &[Kind] = match self.kind() {
            Kind::Every | Kind::If | Kind::In | Kind::Some | Kind::As => {
                &[Kind::Assign, Kind::Unify, Kind::If, Kind::Contains, Kind::LParen]
            }
            Kind::Not | Kind::LogicalAnd | Kind::LogicalOr => &[Kind::Assign, Kind::Unify, Kind::If, Kind::Contains],
            Kind::Package | Kind::Import => &[Kind::Assign, Kind::Unify, Kind::LParen],
            Kind::Contains => &[Kind::If, Kind::Contains],
            _ => return false,
        };
        let next = self.kind_at(self.state.position + 1);
        let refused = after_default && self.capabilities.release >= Release::Opa1_22 || followers.contains(&next);
        if refused {
            let message = format!("the keyword `{}` cannot be a rule's name", self.text());
            self.error(self.token().span, message);
        }
        refused
    }

    /// Sorts statements into a module. Only if there are `all` of them can one be missing.
    fn assemble(self, statements: Vec<Statement>, all: bool) -> Result<Module, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut statements = statements.into_iter();
        let nowhere = Package { span: Span::default(), path: Vec::new() };
        let package = match statements.next() {
            Some(Statement::Package(package)) => package,
            None if all => {
                return Err(vec![Diagnostic::new(Code::Parse, Span::default(), "empty module")]);
            }
            Some(other) => {
                if all {
                    errors.push(Diagnostic::new(Code::Parse, other.span(), "a module begins with its package"));
                }
                nowhere
            }
            None => nowhere,
        };
        let comments = self.lexed.comments.iter().map(|comment| comment.span).collect();
        let mut module = Module { package, imports: Vec::new(), rules: Vec::new(), comments, rego_v1: false };
        for statement in statements {
            match statement {
                Statement::Package(package) => {
                    errors.push(Diagnostic::new(Code::Parse, package.span, "a module has one package"));
                }
                Statement::Import(import) => module.imports.push(import),
                Statement::Rules(rules) => module.rules.extend(rules),
                Statement::Body(body) => match rule_from_body(body) {
                    Ok(rule) => module.rules.push(rule),
                    Err(error) => errors.push(error),
                },
            }
        }
        module.rego_v1 = self.requires_v1(&module.imports);
        if module.rego_v1 {
            let rules = module.rules.iter().flat_map(Rule::chain);
            errors.extend(rules.flat_map(|rule| self.check_v1(rule)));
        }
        if errors.is_empty() { Ok(module) } else { Err(errors) }
    }

    fn requires_v1(&self, imports: &[Import]) -> bool {
        let is_rego = |import: &Import| match import.path.as_ref_parts() {
            Some([root, version]) => {
                root.as_var().is_some_and(|name| &**name == "rego") && matches!(version.as_str(), Some("v1" | "v2"))
            }
            _ => false,
        };
        self.capabilities.version == Version::V1 || imports.iter().any(is_rego)
    }

    /// What Rego v1 asks of a rule beyond its syntax.
    fn check_v1(&self, rule: &Rule) -> Vec<Diagnostic> {
        const V1_KEYWORDS: &[&str] = &[
            "not", "package", "import", "as", "default", "else", "with", "null", "true", "false", "some", "if",
            "contains", "in", "every",
        ];
        let head = &rule.head;
        let what = if head.args.is_empty() { "rule" } else { "function" };
        let mut errors = Vec::new();
        let mut error = |message: String, hint: &str| {
            errors.push(Diagnostic::new(Code::Parse, rule.span, message).with_hint(hint));
        };
        if let Some(name) = head.name.as_deref().filter(|name| head.reference.len() < 2 && V1_KEYWORDS.contains(name)) {
            error(format!("the keyword `{name}` cannot be a rule's name"), "rename the rule");
        }
        if rule.generated_body && head.generated_value {
            error(format!("a {what} must have a value or a body"), "assign a value with `:=`");
        }
        if !rule.generated_body && !head.has_if && !rule.is_default {
            error(format!("`if` is required before a {what}'s body"), "write `if` before the body");
        }
        if head.value.is_none() && !head.has_contains {
            error("`contains` is required in a rule that adds to a set".to_owned(), "write `name contains member`");
        }
        errors
    }
}

impl Statement {
    fn span(&self) -> Span {
        match self {
            Self::Package(package) => package.span,
            Self::Import(import) => import.span,
            Self::Rules(rules) => rules.first().map_or_else(Span::default, |rule| rule.span),
            Self::Body(body) => body.exprs.first().map_or_else(Span::default, |expr| expr.span),
        }
    }
}

/// Reads an expression at the start of a statement as the rule it must be.
fn rule_from_body(body: Body) -> Result<Rule, Diagnostic> {
    let span = body.exprs.first().map_or_else(Span::default, |expr| expr.span);
    let refuse = |why: &str| Diagnostic::new(Code::Parse, span, why);
    let mut exprs = body.exprs.into_iter();
    let (Some(expr), None) = (exprs.next(), exprs.next()) else {
        return Err(refuse("several expressions cannot be a rule's head"));
    };
    if !expr.with.is_empty() {
        return Err(refuse("an expression with `with` cannot be a rule's head"));
    }
    if expr.negated {
        return Err(refuse("a negated expression cannot be a rule's head"));
    }
    let mut rule = match expr.kind {
        ExprKind::Term(term) => rule_from_term(&term).map_err(|why| refuse(&why))?,
        ExprKind::Call(call) => rule_from_call(&call, expr.span).map_err(|why| refuse(&why))?,
        _ => return Err(refuse("this expression cannot be a rule's head")),
    };
    rule.generated_body = true;
    Ok(rule)
}

fn bare_rule(span: Span, head: Head) -> Rule {
    let body = implicit_body(span);
    Rule { span, is_default: false, head, body, generated_body: true, else_rule: None }
}

/// The name that a head's reference must start with.
fn head_name(parts: &[TermRef]) -> Result<Arc<str>, String> {
    let name = parts.first().and_then(|first| first.as_var()).cloned();
    name.ok_or_else(|| "a rule's name cannot be the result of an expression".to_owned())
}

/// `a.b.c` is a rule that is true; `a.b` adds `b` to the set `a`.
fn rule_from_term(term: &TermRef) -> Result<Rule, String> {
    let Some(parts) = term.as_ref_parts() else {
        return Err(format!("a {} cannot be a rule's name", term.value.kind_name()));
    };
    let name = head_name(parts)?;
    let head = match parts {
        [_] => return Err("a document cannot be a rule's head".to_owned()),
        [first, key] => Head {
            span: term.span,
            name: Some(name),
            reference: vec![first.clone()],
            key: Some(key.clone()),
            ..Head::default()
        },
        _ => Head {
            span: term.span,
            reference: parts.to_vec(),
            value: Some(Term::new(term.span, Value::Bool(true))),
            generated_value: true,
            ..Head::default()
        },
    };
    Ok(bare_rule(term.span, head))
}

fn rule_from_call(call: &Call, span: Span) -> Result<Rule, String> {
    if call.is("eq") || call.is("assign") {
        let mut rule = rule_from_equation(call, span)?;
        rule.head.assign = call.is("assign");
        return Ok(rule);
    }
    if call.path().is_some_and(|path| builtins::find(&path).is_some()) {
        return Err("a rule's name conflicts with a built-in function".to_owned());
    }
    if call.args.is_empty() {
        return Err("a function takes at least one argument".to_owned());
    }
    let parts = call.operator.as_ref_parts().unwrap_or_default();
    let value = Some(Term::new(call.operator.span, Value::Bool(true)));
    let head = Head { args: call.args.clone(), ..path_head(parts, value, call.operator.span)? };
    Ok(bare_rule(span, head))
}

fn path_head(parts: &[TermRef], value: Option<TermRef>, span: Span) -> Result<Head, String> {
    let name = head_name(parts)?;
    let name = (parts.len() == 1).then_some(name);
    Ok(Head { span, name, reference: parts.to_vec(), value, ..Head::default() })
}

/// `f(x) = y`, `a[k] = v` or `a = v`.
fn rule_from_equation(call: &Call, span: Span) -> Result<Rule, String> {
    let [lhs, rhs, ..] = call.args.as_slice() else {
        return Err("an assignment needs two operands".to_owned());
    };
    let value = Some(rhs.clone());
    let head = match &lhs.value {
        Value::Call(function) => {
            let parts = function.operator.as_ref_parts().unwrap_or_default();
            Head { args: function.args.clone(), ..path_head(parts, value, span)? }
        }
        Value::Ref(parts) => {
            let mut head = path_head(parts, value, span)?;
            if let [first, key] = parts.as_slice() {
                head.name = first.as_var().cloned();
                head.key = Some(key.clone());
            }
            head
        }
        Value::Var(name) => {
            Head { span, name: Some(name.clone()), reference: vec![lhs.clone()], value, ..Head::default() }
        }
        other => return Err(format!("a {} cannot be a rule's name", other.kind_name())),
    };
    Ok(bare_rule(span, head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Expr;

    #[test]
    fn a_negated_expression_is_no_rule() {
        let mut expr = Expr::new(Span::default(), ExprKind::Term(Term::path(Span::default(), "a", &["b", "c"])));
        assert!(rule_from_body(Body::of(expr.clone())).is_ok());
        expr.negated = true;
        assert!(rule_from_body(Body::of(expr)).is_err());
    }
}
