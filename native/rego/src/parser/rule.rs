//! Rules: heads, bodies, chains and `else`.

use crate::ast::{Body, Expr, ExprKind, Head, Rule, Term, TermRef, Value};
use crate::capabilities::Release;
use crate::span::Span;
use crate::token::Kind;

use super::term::root_as_ref;
use super::{Parse, Parser, Stop};

/// The body of a rule that has none.
pub(super) fn implicit_body(span: Span) -> Body {
    let mut expr = Expr::new(span, ExprKind::Term(Term::new(span, Value::Bool(true))));
    expr.generated = true;
    Body::of(expr)
}

impl Parser<'_> {
    /// The rules of one statement, several if bodies are chained.
    ///
    /// # Errors
    ///
    /// [`Stop`], with an error recorded if this can be nothing but a rule that is wrong, with none if the statement may
    /// still be an expression.
    pub(super) fn rules(&mut self) -> Parse<Vec<Rule>> {
        let start = self.start();
        self.keyword_as_ref_head();
        let is_default = self.at(Kind::Default);
        if is_default {
            self.scan();
            self.keyword_as_ref_head();
        }
        if !self.at(Kind::Ident) {
            if is_default {
                self.refuse_keyword_name(true);
            }
            return Err(Stop);
        }
        let mut head = self.head()?;
        if is_default {
            return self.default_rule(start, head).map(|rule| vec![rule]);
        }
        let has_if = self.at(Kind::If);
        settle_key(&mut head, has_if)?;
        if !has_if && !self.at(Kind::LBrace) {
            return bare_contains(head);
        }
        head.has_if = has_if;
        let body = if has_if { self.if_body()? } else { self.braced_body()? };
        let mut rule =
            Rule { span: Span::default(), is_default: false, head, body, generated_body: false, else_rule: None };
        if self.at(Kind::Else) && !self.keyword_as_ref_head() {
            self.check_else_allowed(&rule.head)?;
            let head = rule.head.clone();
            rule.else_rule = Some(Box::new(self.else_rule(&head)?));
        }
        rule.span = self.span_from(start);
        self.chained(rule)
    }

    /// Bodies that follow a rule directly: each is a rule with the same head.
    fn chained(&mut self, first: Rule) -> Parse<Vec<Rule>> {
        let head = first.head.clone();
        let has_else = first.else_rule.is_some();
        let mut rules = vec![first];
        while self.at(Kind::LBrace) {
            if has_else {
                return Err(self.unexpected("`else` before another body"));
            }
            let start = self.start();
            let body = self.braced_body()?;
            let head = Head { args: self.fresh_wildcards(&head.args), ..head.clone() };
            let span = self.span_from(start);
            rules.push(Rule { span, is_default: false, head, body, generated_body: false, else_rule: None });
        }
        Ok(rules)
    }

    /// Arguments for another body: each `_` is a variable of its own.
    fn fresh_wildcards(&mut self, args: &[TermRef]) -> Vec<TermRef> {
        let fresh = |arg: &TermRef| match arg.as_var() {
            Some(name) if name.starts_with('$') => Term::var(arg.span, &self.next_wildcard()),
            _ => arg.clone(),
        };
        args.iter().map(fresh).collect()
    }

    fn braced_body(&mut self) -> Parse<Body> {
        self.scan();
        let body = self.body(Kind::RBrace)?;
        self.scan();
        Ok(body)
    }

    /// What follows `if`: one expression, or a body between braces.
    fn if_body(&mut self) -> Parse<Body> {
        self.scan();
        let saved = self.save();
        let braced = self.at(Kind::LBrace) || self.capabilities.release < Release::Opa1_22;
        match self.literal() {
            // A set is never false, so braces that read as one are a body.
            Ok(Expr { kind: ExprKind::Term(term), .. }) if braced && matches!(term.value, Value::Set(_)) => {}
            Ok(expr) => return Ok(Body::of(expr)),
            Err(stop) if !braced => return Err(stop),
            Err(_) => {}
        }
        let first_errors = self.errors.clone();
        let was_brace = {
            self.restore(saved)?;
            self.at(Kind::LBrace)
        };
        let body = self.braced_body();
        if body.is_err() && !was_brace {
            self.errors = first_errors;
        }
        body
    }

    fn check_else_allowed(&mut self, head: &Head) -> Parse<()> {
        let dynamic = head.reference.len() > 1 && !head.reference.iter().skip(1).all(|part| part.is_ground());
        let message = if dynamic {
            "`else` cannot be used on rules with variables in the head"
        } else if head.key.is_some() {
            "`else` cannot be used on rules that add to a set or object"
        } else {
            return Ok(());
        };
        self.error(self.token().span, message);
        Err(Stop)
    }

    /// `else := value { body }`, any of which may be left out, and what follows it.
    fn else_rule(&mut self, head: &Head) -> Parse<Rule> {
        self.nested(|parser| parser.one_else(head))
    }

    fn one_else(&mut self, outer: &Head) -> Parse<Rule> {
        let start = self.start();
        let keyword = self.token().span;
        let mut head = outer.clone();
        head.args = self.fresh_wildcards(&outer.args);
        head.span = keyword;
        (head.generated_value, head.has_if, head.has_contains) = (false, false, false);
        self.scan();
        match self.kind() {
            Kind::LBrace | Kind::If => {
                head.generated_value = true;
                head.value = Some(Term::new(keyword, Value::Bool(true)));
            }
            Kind::Assign | Kind::Unify => {
                head.assign = self.at(Kind::Assign);
                self.scan();
                head.value = Some(self.infix()?);
                head.span = self.span_from(start);
            }
            _ => return Err(self.unexpected("a value or a body after `else`")),
        }
        head.has_if = self.at(Kind::If);
        let generated_body = !head.has_if && !self.at(Kind::LBrace);
        let body = if generated_body { implicit_body(keyword) } else { self.else_body(head.has_if)? };
        let mut rule =
            Rule { span: self.span_from(start), is_default: false, head, body, generated_body, else_rule: None };
        if !generated_body && self.at(Kind::Else) {
            rule.else_rule = Some(Box::new(self.else_rule(outer)?));
        }
        Ok(rule)
    }

    fn else_body(&mut self, has_if: bool) -> Parse<Body> {
        if has_if {
            self.scan();
        }
        match self.kind() {
            Kind::LBrace => self.braced_body(),
            Kind::Eof => Err(self.unexpected("a body")),
            _ => Ok(Body::of(self.literal()?)),
        }
    }

    fn head(&mut self) -> Parse<Head> {
        let start = self.start();
        let name = self.variable();
        let term = self.head_term(name, start)?;
        let mut head = match &term.value {
            Value::Var(name) => Head { name: Some(name.clone()), reference: vec![term.clone()], ..Head::default() },
            Value::Ref(parts) => ref_head(parts),
            Value::Call(call) => {
                let parts = call.operator.as_ref_parts().unwrap_or_default();
                if parts.first().is_none_or(|first| first.as_var().is_none()) {
                    self.error(term.span, "a rule's name cannot be a call");
                    return Err(Stop);
                }
                Head { args: call.args.clone(), ..ref_head(parts) }
            }
            _ => return Err(Stop),
        };
        match self.kind() {
            Kind::Contains => {
                if matches!(term.value, Value::Call(_)) {
                    self.unexpected("no `contains` in the head of a function");
                }
                self.scan();
                head.has_contains = true;
                head.key = Some(self.infix()?);
            }
            Kind::Unify | Kind::Assign => {
                head.assign = self.at(Kind::Assign);
                self.scan();
                head.value = Some(self.infix()?);
            }
            _ => {}
        }
        head.span = self.span_from(start);
        let may_be_set = head.reference.len() == 2 && head.args.is_empty();
        if head.value.is_none() && head.key.is_none() && !may_be_set {
            head.generated_value = true;
            head.value = Some(Term::new(head.span, Value::Bool(true)));
        }
        Ok(head)
    }

    /// The rest of a head's reference. Unlike elsewhere, space may stand before its first step: `p [x] { … }`.
    fn head_term(&mut self, name: TermRef, start: u32) -> Parse<TermRef> {
        self.scan_tight();
        if is_operator(self.kind()) {
            self.unexpected("a rule's body or value");
        }
        if self.at(Kind::Space) {
            self.scan();
        }
        match self.kind() {
            Kind::LParen | Kind::Dot | Kind::LBrack => self.reference(name, start),
            _ => Ok(root_as_ref(name)),
        }
    }

    fn default_rule(&mut self, start: u32, head: Head) -> Parse<Rule> {
        let span = self.span_from(start);
        let Some(value) = &head.value else {
            self.error(span, "a default rule must have a value");
            return Err(Stop);
        };
        if let Some(found) = variable_part(value) {
            self.error(span, format!("a default rule's value cannot contain a {found}"));
            return Err(Stop);
        }
        for (index, arg) in head.args.iter().enumerate() {
            let Some(name) = arg.as_var() else {
                self.error(arg.span, "a default function's arguments are variables");
                return Err(Stop);
            };
            if head.args.iter().take(index).any(|other| other.as_var() == Some(name)) {
                self.error(arg.span, format!("a default function's argument `{name}` is repeated"));
                return Err(Stop);
            }
        }
        Ok(Rule { span, is_default: true, head, body: implicit_body(span), generated_body: false, else_rule: None })
    }
}

/// A head by its path; the name is kept apart only if it is the whole path.
fn ref_head(parts: &[TermRef]) -> Head {
    let name = if let [only] = parts { only.as_var().cloned() } else { None };
    Head { name, reference: parts.to_vec(), ..Head::default() }
}

/// Decides what `name[key]` in a head means: part of the rule's path, or the key that the rule adds.
fn settle_key(head: &mut Head, has_if: bool) -> Parse<()> {
    if head.has_contains || head.reference.len() != 2 {
        return Ok(());
    }
    let Some(key) = head.reference.last().cloned() else {
        return Ok(());
    };
    let name = head.reference.first().and_then(|first| first.as_var()).cloned();
    if has_if {
        if head.args.is_empty() && (!key.is_ground() || matches!(key.value, Value::Ref(_))) {
            head.key = Some(key);
        }
        if head.value.is_none() {
            head.generated_value = true;
            head.value = Some(Term::new(head.span, Value::Bool(true)));
        } else {
            head.name = Some(name.ok_or(Stop)?);
        }
    } else if head.args.is_empty() {
        head.name = Some(name.ok_or(Stop)?);
        head.key = Some(key);
        if head.value.is_none() {
            head.reference.pop();
        }
    }
    Ok(())
}

/// A rule that is a head alone; only `contains` makes one, everything else is read as an expression first.
fn bare_contains(head: Head) -> Parse<Vec<Rule>> {
    if !head.has_contains {
        return Err(Stop);
    }
    let span = head.span;
    let body = implicit_body(span);
    Ok(vec![Rule { span, is_default: false, head, body, generated_body: true, else_rule: None }])
}

/// The first thing in a default rule's value that is not fixed; comprehensions are not looked into.
fn variable_part(term: &TermRef) -> Option<&'static str> {
    match &term.value {
        Value::Ref(_) | Value::Var(_) | Value::Call(_) => Some(term.value.kind_name()),
        Value::Array(items) | Value::Set(items) => items.iter().find_map(variable_part),
        Value::Object(pairs) => {
            pairs.iter().find_map(|(key, value)| variable_part(key).or_else(|| variable_part(value)))
        }
        Value::Template(template) => template.parts.iter().find_map(|part| match part {
            crate::ast::TemplatePart::Scalar(_) => None,
            crate::ast::TemplatePart::Expr(_) => Some("template expression"),
        }),
        _ => None,
    }
}

fn is_operator(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Add
            | Kind::Sub
            | Kind::Mul
            | Kind::Quo
            | Kind::Rem
            | Kind::And
            | Kind::Or
            | Kind::Equal
            | Kind::Neq
            | Kind::Gt
            | Kind::Gte
            | Kind::Lt
            | Kind::Lte
    )
}
