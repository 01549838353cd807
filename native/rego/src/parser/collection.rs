//! Arrays, sets, objects and their comprehensions.
//!
//! After the first item a `|` may start a comprehension's body or be the union operator. OPA prefers the comprehension
//! and falls back to the operator when a comma shows that the body was a list.

use crate::ast::{Term, TermRef, Value};
use crate::span::Span;
use crate::token::Kind;

use super::{Parse, Parser, Saved};

impl Parser<'_> {
    /// The span of a bracketed term whose closing bracket is ahead.
    fn span_to_bracket(&self, start: u32) -> Span {
        Span::new(start, self.token().span.end)
    }

    /// Steps over a comma before the first item, which OPA allows; with one there is no comprehension.
    fn leading_comma(&mut self) -> bool {
        let found = self.at(Kind::Comma);
        if found {
            self.scan();
        }
        found
    }

    /// An array or array comprehension. Stops at the closing bracket.
    pub(super) fn array(&mut self) -> Parse<TermRef> {
        let start = self.start();
        self.scan();
        if self.at(Kind::RBrack) {
            return Ok(Term::new(self.span_to_bracket(start), Value::Array(Vec::new())));
        }
        let may_comprehend = !self.leading_comma();
        let saved = self.save();
        let head = self.term()?;
        match self.kind() {
            Kind::RBrack => {
                return Ok(Term::new(self.span_to_bracket(start), Value::Array(vec![head])));
            }
            Kind::Comma => {
                self.scan();
                let items = self.terms_until(Kind::RBrack, vec![head])?;
                return Ok(Term::new(self.span_to_bracket(start), Value::Array(items)));
            }
            Kind::Or if may_comprehend => {
                self.scan();
                match self.body(Kind::RBrack) {
                    Ok(body) => {
                        let value = Value::ArrayComprehension(head, body);
                        return Ok(Term::new(self.span_to_bracket(start), value));
                    }
                    Err(stop) if !self.at(Kind::Comma) => return Err(stop),
                    Err(_) => {}
                }
            }
            _ => {}
        }
        self.restore(saved)?;
        let items = self.terms_until(Kind::RBrack, Vec::new())?;
        Ok(Term::new(self.span_to_bracket(start), Value::Array(items)))
    }

    /// A set, an object or a comprehension of one. Stops at the closing brace.
    pub(super) fn set_or_object(&mut self) -> Parse<TermRef> {
        let start = self.start();
        self.scan();
        if self.at(Kind::RBrace) {
            return Ok(Term::new(self.span_to_bracket(start), Value::Object(Vec::new())));
        }
        let may_comprehend = !self.leading_comma();
        let saved = self.save();
        let head = self.term()?;
        match self.kind() {
            Kind::Or if may_comprehend => return self.set_comprehension(start, saved, head),
            Kind::RBrace | Kind::Comma => return self.set(start, head),
            Kind::Colon => return self.object(start, head, may_comprehend),
            _ => {}
        }
        self.restore(saved)?;
        let head = self.infix_in_list()?;
        match self.kind() {
            Kind::RBrace | Kind::Comma => self.set(start, head),
            Kind::Colon => self.object(start, head, may_comprehend),
            _ => Err(self.unexpected("`,`, `:` or `}`")),
        }
    }

    fn set(&mut self, start: u32, first: TermRef) -> Parse<TermRef> {
        let mut items = vec![first];
        if self.at(Kind::Comma) {
            self.scan();
            items = self.terms_until(Kind::RBrace, items)?;
        }
        Ok(Term::new(self.span_to_bracket(start), Value::Set(items)))
    }

    fn set_comprehension(&mut self, start: u32, saved: Saved, head: TermRef) -> Parse<TermRef> {
        self.scan();
        match self.body(Kind::RBrace) {
            Ok(body) => {
                return Ok(Term::new(self.span_to_bracket(start), Value::SetComprehension(head, body)));
            }
            Err(stop) if !self.at(Kind::Comma) => return Err(stop),
            Err(_) => {}
        }
        self.restore(saved)?;
        let items = self.terms_until(Kind::RBrace, Vec::new())?;
        Ok(Term::new(self.span_to_bracket(start), Value::Set(items)))
    }

    /// The rest of an object whose first key is read and whose colon is ahead.
    fn object(&mut self, start: u32, key: TermRef, may_comprehend: bool) -> Parse<TermRef> {
        self.scan();
        let saved = self.save();
        let value = self.term()?;
        if may_comprehend {
            match self.kind() {
                Kind::RBrace | Kind::Comma => return self.object_items(start, key, value),
                Kind::Or => {
                    self.scan();
                    if let Ok(body) = self.body(Kind::RBrace) {
                        let value = Value::ObjectComprehension(key, value, body);
                        return Ok(Term::new(self.span_to_bracket(start), value));
                    }
                }
                _ => {}
            }
        }
        self.restore(saved)?;
        let value = self.infix_in_list()?;
        match self.kind() {
            Kind::RBrace | Kind::Comma => self.object_items(start, key, value),
            _ => Err(self.unexpected("`,` or `}`")),
        }
    }

    fn object_items(&mut self, start: u32, key: TermRef, value: TermRef) -> Parse<TermRef> {
        let mut items = vec![(key, value)];
        while self.at(Kind::Comma) {
            self.scan();
            if self.at(Kind::RBrace) {
                break;
            }
            let key = self.infix_in_list()?;
            if !self.at(Kind::Colon) {
                return Err(self.unexpected("`:` after the key"));
            }
            self.scan();
            let value = self.infix_in_list()?;
            if !matches!(self.kind(), Kind::Comma | Kind::RBrace) {
                return Err(self.unexpected("`,` or `}`"));
            }
            items.push((key, value));
        }
        Ok(Term::new(self.span_to_bracket(start), Value::Object(items)))
    }

    /// Terms between commas up to the bracket `end`, which is left ahead; a comma before it is allowed.
    pub(super) fn terms_until(&mut self, end: Kind, mut items: Vec<TermRef>) -> Parse<Vec<TermRef>> {
        while !self.at(end) {
            items.push(self.infix_in_list()?);
            match self.kind() {
                kind if kind == end => break,
                Kind::Comma => self.scan(),
                _ => {
                    let close = if end == Kind::RBrack {
                        "`,` or `]`"
                    } else if end == Kind::RBrace {
                        "`,` or `}`"
                    } else {
                        "`,` or `)`"
                    };
                    return Err(self.unexpected(close));
                }
            }
        }
        Ok(items)
    }
}
