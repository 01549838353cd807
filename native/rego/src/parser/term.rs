//! Terms: scalars, variables, references, calls, and the operators between them.

use crate::ast::{Call, Term, TermRef, Value};
use crate::number;
use crate::span::Span;
use crate::text;
use crate::token::Kind;

use super::{Parse, Parser, Remembered, Stop};

/// How tightly a sign binds, and the built-in it calls.
fn operator(kind: Kind) -> Option<(u8, &'static str)> {
    Some(match kind {
        Kind::Equal => (RELATION, "equal"),
        Kind::Neq => (RELATION, "neq"),
        Kind::Lt => (RELATION, "lt"),
        Kind::Gt => (RELATION, "gt"),
        Kind::Lte => (RELATION, "lte"),
        Kind::Gte => (RELATION, "gte"),
        Kind::Or => (2, "or"),
        Kind::And => (3, "and"),
        Kind::Add => (4, "plus"),
        Kind::Sub => (4, "minus"),
        Kind::Mul => (5, "mul"),
        Kind::Quo => (5, "div"),
        Kind::Rem => (5, "rem"),
        _ => return None,
    })
}

/// Comparisons bind least of all signs; only `in` binds less.
const RELATION: u8 = 1;

impl Parser<'_> {
    /// A term with its operators, where `k, v in xs` may stand.
    pub(super) fn infix(&mut self) -> Parse<TermRef> {
        self.nested(|parser| parser.membership(true))
    }

    /// A term with its operators as an item of a list, where a comma ends it.
    pub(super) fn infix_in_list(&mut self) -> Parse<TermRef> {
        self.nested(|parser| parser.membership(false))
    }

    fn membership(&mut self, with_key: bool) -> Parse<TermRef> {
        let start = self.start();
        let mut lhs = self.binary(RELATION)?;
        let mut links = 0;
        loop {
            if with_key && self.at(Kind::Comma) {
                let saved = self.save();
                if let Ok(member) = self.keyed_membership(&lhs, start) {
                    lhs = member;
                    if self.at(Kind::In) {
                        continue;
                    }
                    return Ok(lhs);
                }
                self.restore(saved)?;
            }
            self.keyword_as_ref_head();
            if !self.at(Kind::In) {
                return Ok(lhs);
            }
            self.count_link(&mut links)?;
            let operator = self.membership_operator("member_2");
            let rhs = self.binary(RELATION)?;
            lhs = self.call(start, operator, vec![lhs, rhs]);
            if !self.at(Kind::In) {
                return Ok(lhs);
            }
        }
    }

    /// `, value in domain` after a key.
    fn keyed_membership(&mut self, key: &TermRef, start: u32) -> Parse<TermRef> {
        self.scan();
        let value = self.binary(RELATION)?;
        if !self.at(Kind::In) {
            return Err(Stop);
        }
        let operator = self.membership_operator("member_3");
        let domain = self.binary(RELATION)?;
        Ok(self.call(start, operator, vec![key.clone(), value, domain]))
    }

    fn membership_operator(&mut self, name: &str) -> TermRef {
        let operator = Term::path(self.token().span, "internal", &[name]);
        self.scan();
        operator
    }

    /// Terms joined by signs that bind at least as tightly as `least`; equal signs join from the left.
    fn binary(&mut self, least: u8) -> Parse<TermRef> {
        let start = self.start();
        let mut lhs = self.term()?;
        let mut links = 0;
        while let Some((level, name)) = operator(self.kind()).filter(|(level, _)| *level >= least) {
            self.count_link(&mut links)?;
            let operator = Term::path(self.token().span, name, &[]);
            self.scan();
            let rhs = self.binary(level + 1)?;
            lhs = self.call(start, operator, vec![lhs, rhs]);
        }
        Ok(lhs)
    }

    /// A chain of operators nests to the left, so each link makes the tree one level deeper.
    fn count_link(&mut self, links: &mut usize) -> Parse<()> {
        *links += 1;
        if self.depth + *links > super::MAX_DEPTH {
            self.too_deep();
            return Err(Stop);
        }
        Ok(())
    }

    fn call(&self, start: u32, operator: TermRef, args: Vec<TermRef>) -> TermRef {
        Term::new(self.span_from(start), Value::Call(Call { operator, args }))
    }

    /// One term without operators; remembered by where it starts.
    pub(super) fn term(&mut self) -> Parse<TermRef> {
        let position = self.state.position;
        let known = self.remembered.binary_search_by_key(&position, |known| known.position);
        if let Some(known) = known.ok().and_then(|index| self.remembered.get(index)) {
            self.state = known.after;
            self.errors.extend(known.errors.iter().cloned());
            return known.term.clone().ok_or(Stop);
        }
        let before = self.errors.len();
        let result = self.nested(Self::fresh_term);
        let errors = self.errors.get(before..).unwrap_or_default().to_vec();
        let term = result.as_ref().ok().cloned();
        self.forget_from(position);
        self.remembered.push(Remembered { position, term, after: self.state, errors });
        result
    }

    /// Forgets the terms that were read at `position` or behind it.
    pub(super) fn forget_from(&mut self, position: usize) {
        let kept = self.remembered.partition_point(|known| known.position < position);
        self.remembered.truncate(kept);
    }

    fn fresh_term(&mut self) -> Parse<TermRef> {
        let span = self.token().span;
        // Where a term must stand, `and(` and `or(` can only call the built-ins of those names.
        if matches!(self.kind(), Kind::LogicalAnd | Kind::LogicalOr) && self.peek_tight() == Kind::LParen {
            self.state.as_ident = true;
        }
        let term = match self.kind() {
            Kind::Null => Term::new(span, Value::Null),
            Kind::True => Term::new(span, Value::Bool(true)),
            Kind::False => Term::new(span, Value::Bool(false)),
            Kind::Sub if matches!(self.kind_at(self.state.position + 1), Kind::Ident | Kind::Contains) => {
                return self.negative_ref();
            }
            Kind::Sub | Kind::Dot | Kind::Number => self.number()?,
            Kind::String => self.string()?,
            Kind::RawString => {
                let text = self.text();
                Term::string(span, text.get(1..text.len() - 1).unwrap_or(""))
            }
            Kind::TemplatePart | Kind::TemplateEnd => self.template_string(false)?,
            Kind::RawTemplatePart | Kind::RawTemplateEnd => self.template_string(true)?,
            Kind::Ident | Kind::Contains => self.variable(),
            Kind::LBrack => self.array()?,
            Kind::LBrace => self.set_or_object()?,
            Kind::LParen => {
                self.scan();
                let inner = self.infix()?;
                if !self.at(Kind::RParen) {
                    return Err(self.unexpected("`)`"));
                }
                inner
            }
            _ => return Err(self.unexpected("")),
        };
        self.finish_term(term, span.start)
    }

    /// `-x.y` is `0 - x.y`.
    fn negative_ref(&mut self) -> Parse<TermRef> {
        let sign = self.token().span;
        self.scan();
        let start = self.start();
        let variable = self.variable();
        let reference = self.finish_term(variable, start)?;
        let zero = Term::new(sign, Value::Number("0".into()));
        let minus = Term::path(sign, "minus", &[]);
        Ok(self.call(sign.start, minus, vec![zero, reference]))
    }

    /// The variable named by the word ahead; each `_` is one of its own. The word is not stepped over.
    pub(super) fn variable(&mut self) -> TermRef {
        let span = self.token().span;
        if self.text() == "_" {
            return Term::var(span, &self.next_wildcard());
        }
        Term::var(span, self.text())
    }

    pub(super) fn next_wildcard(&mut self) -> String {
        let name = format!("${}", self.state.wildcards);
        self.state.wildcards += 1;
        name
    }

    /// After a term's last token: a dot, bracket or parenthesis directly behind it makes it a reference or call.
    pub(super) fn finish_term(&mut self, head: TermRef, start: u32) -> Parse<TermRef> {
        self.scan_tight();
        match self.kind() {
            Kind::LParen | Kind::Dot | Kind::LBrack => return self.reference(head, start),
            Kind::Space => self.scan(),
            _ => {}
        }
        Ok(root_as_ref(head))
    }

    /// The steps of a reference whose head is read: `.name`, `[term]`, `(args)`.
    pub(super) fn reference(&mut self, head: TermRef, start: u32) -> Parse<TermRef> {
        self.nested(|parser| parser.reference_steps(head, start))
    }

    fn reference_steps(&mut self, head: TermRef, start: u32) -> Parse<TermRef> {
        if matches!(
            head.value,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Template(_) | Value::Ref(_)
        ) {
            let message = format!("a reference cannot start with a {}", head.value.kind_name());
            self.hinted(head.span, message, "bind it to a variable first, or drop the parentheses");
        }
        let mut parts = vec![head];
        loop {
            match self.kind() {
                Kind::Dot => {
                    self.scan_tight();
                    if self.kind() != Kind::Ident && !self.kind().is_keyword() {
                        return Err(self.unexpected("a name directly after the dot"));
                    }
                    parts.push(Term::string(self.token().span, self.text()));
                    self.scan_tight();
                }
                Kind::LBrack => {
                    self.scan();
                    let index = self.infix()?;
                    if !self.at(Kind::RBrack) {
                        return Err(self.unexpected("`]`"));
                    }
                    parts.push(index);
                    self.scan_tight();
                }
                Kind::LParen => {
                    let operator = Term::new(self.span_from(start), Value::Ref(parts));
                    let call = self.call_args(operator, start)?;
                    return match self.kind() {
                        Kind::Space => {
                            self.scan();
                            Ok(call)
                        }
                        Kind::Dot | Kind::LBrack => self.reference(call, start),
                        _ => Ok(call),
                    };
                }
                Kind::Space => {
                    let span = self.span_from(start);
                    self.scan();
                    return Ok(Term::new(span, Value::Ref(parts)));
                }
                _ => return Ok(Term::new(self.span_from(start), Value::Ref(parts))),
            }
        }
    }

    /// The arguments of a call, the parenthesis ahead; `set()` is the empty set.
    fn call_args(&mut self, operator: TermRef, start: u32) -> Parse<TermRef> {
        self.scan();
        let args = if self.at(Kind::RParen) { Vec::new() } else { self.terms_until(Kind::RParen, Vec::new())? };
        self.scan_tight();
        let span = self.span_from(start);
        let call = Call { operator, args };
        if call.args.is_empty() && call.is("set") {
            return Ok(Term::new(span, Value::Set(Vec::new())));
        }
        Ok(Term::new(span, Value::Call(call)))
    }

    fn number(&mut self) -> Parse<TermRef> {
        let start = self.start();
        let mut written = String::new();
        if self.at(Kind::Sub) {
            written.push('-');
            self.scan();
            if !matches!(self.kind(), Kind::Number | Kind::Dot) {
                return Err(self.unexpected("a number"));
            }
        }
        if self.at(Kind::Dot) {
            written.push('.');
            self.scan();
            if !self.at(Kind::Number) {
                return Err(self.unexpected("a number"));
            }
        }
        let digits = self.text();
        let fraction = written.ends_with('.');
        if fraction && digits.contains('.') {
            return Err(self.unexpected("a number with one point"));
        }
        if !fraction && number::has_leading_zero(digits) {
            return Err(self.unexpected("a number without leading zero"));
        }
        written.push_str(digits);
        let span = Span::new(start, self.token().span.end);
        if number::is_too_big(&written) {
            self.error(span, "number too big");
            return Err(Stop);
        }
        Ok(Term::new(span, Value::Number(written.into())))
    }

    fn string(&mut self) -> Parse<TermRef> {
        let span = self.token().span;
        let quoted = self.text();
        let inner = quoted.get(1..quoted.len() - 1).unwrap_or("");
        let Some(text) = text::unescape(inner, false) else {
            self.error(span, "illegal string literal");
            return Err(Stop);
        };
        Ok(Term::string(span, &text))
    }
}

/// `input` and `data` are references even alone.
pub(super) fn root_as_ref(term: TermRef) -> TermRef {
    match term.as_var() {
        Some(name) if matches!(&**name, "input" | "data") => Term::new(term.span, Value::Ref(vec![term])),
        _ => term,
    }
}
