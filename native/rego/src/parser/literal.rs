//! Bodies and the expressions in them.

use crate::ast::{Body, Every, Expr, ExprKind, Not, Term, Value, With};
use crate::capabilities::{Keywords, Release};
use crate::token::Kind;

use super::{Parse, Parser, Stop};

impl Parser<'_> {
    /// Expressions up to the bracket `end`, which is left ahead.
    pub(super) fn body(&mut self, end: Kind) -> Parse<Body> {
        self.nested(|parser| parser.body_exprs(end))
    }

    fn body_exprs(&mut self, end: Kind) -> Parse<Body> {
        if self.at(end) {
            self.error(self.token().span, "found empty body");
            return Err(Stop);
        }
        let mut body = Body::default();
        loop {
            let before = self.errors.len();
            body.exprs.push(self.literal()?);
            if self.at(Kind::Semicolon) {
                self.scan();
            } else if self.at(end) {
                return Ok(body);
            } else if !self.token().on_new_line {
                if self.errors.len() == before {
                    self.unexpected_after_expr(end);
                }
                return Err(Stop);
            }
        }
    }

    fn unexpected_after_expr(&mut self, end: Kind) {
        let close = if end == Kind::RBrack { "`]`" } else { "`}`" };
        let word = self.text();
        self.unexpected(&format!("a new line, `;` or {close}"));
        if let ("in" | "and" | "or", Some(error)) = (word, self.errors.last_mut()) {
            error.hint = Some(format!("`import future.keywords.{word}` makes `{word}` an operator"));
        }
    }

    /// The expressions of a statement: one, or several between semicolons.
    pub(super) fn query(&mut self) -> Parse<Body> {
        let mut body = Body::default();
        loop {
            body.exprs.push(self.literal()?);
            if !self.at(Kind::Semicolon) {
                return Ok(body);
            }
            self.scan();
        }
    }

    /// Whether `{ … }` or `( … )` may be an operand of `and` or `or`.
    pub(super) fn logic_is_on(&self) -> bool {
        self.keywords.has(Keywords::AND) || self.keywords.has(Keywords::OR)
    }

    /// Whether `not` may stand before a body.
    pub(super) fn not_takes_body(&self) -> bool {
        self.keywords.has(Keywords::NOT)
    }

    /// One expression of a body.
    pub(super) fn literal(&mut self) -> Parse<Expr> {
        let start = self.start();
        let mut expr = self.nested(Self::any_literal)?;
        expr.span = self.span_from(start);
        if let ExprKind::Not(not) = &mut expr.kind
            && !not.explicit
        {
            for inner in &mut not.body.exprs {
                inner.span = expr.span;
            }
        }
        Ok(expr)
    }

    fn any_literal(&mut self) -> Parse<Expr> {
        if self.logic_is_on() {
            if self.at(Kind::LBrace)
                && let Some(expr) = self.leading_body_operand()?
            {
                return Ok(expr);
            }
            if self.at(Kind::LParen)
                && let Some(group) = self.logical_group(false)?
            {
                return self.logical_tail(group);
            }
        }
        if self.keyword_as_ref_head() {
            return self.literal_expr(None);
        }
        let not_start = self.negation();
        if let Some(start) = not_start
            && self.not_takes_body()
            && self.at(Kind::LBrace)
        {
            let operand = self.not_body(start)?;
            return self.logical_tail(operand);
        }
        match self.kind() {
            Kind::Some if not_start.is_some() => Err(self.unexpected("an expression that can be negated")),
            Kind::Every if not_start.is_some() => Err(self.unexpected("an expression that can be negated")),
            Kind::Some => self.some_declaration(),
            Kind::Every => self.every(),
            _ => self.literal_expr(not_start),
        }
    }

    /// Steps over `not`, unless it starts a reference; where it started.
    pub(super) fn negation(&mut self) -> Option<u32> {
        let negates = self.at(Kind::Not) && !matches!(self.peek_tight(), Kind::Dot | Kind::LBrack);
        let start = self.start();
        if negates {
            self.scan();
        }
        negates.then_some(start)
    }

    fn literal_expr(&mut self, not_start: Option<u32>) -> Parse<Expr> {
        let start = self.start();
        if let Some(outer) = not_start
            && self.not_takes_body()
            && self.capabilities.release >= Release::Opa1_22
            && self.at(Kind::LParen)
            && let Some(group) = self.logical_group(true)?
        {
            let span = self.span_from(outer);
            let not = Not { body: group.body, explicit: group.explicit };
            let expr = Expr::new(span, ExprKind::Not(Box::new(not)));
            return self.logical_tail(expr.into());
        }
        let mut expr = self.expr()?;
        let with_span = self.token().span;
        let modified = self.at(Kind::With);
        if modified {
            expr.with = self.with_modifiers()?;
        }
        match not_start {
            Some(outer) if self.not_takes_body() => {
                let with = std::mem::take(&mut expr.with);
                let span = self.span_from(outer);
                expr = Expr::new(span, ExprKind::Not(Box::new(Not { body: Body::of(expr), explicit: false })));
                expr.with = with;
            }
            _ => expr.negated = not_start.is_some(),
        }
        if !matches!(self.kind(), Kind::LogicalAnd | Kind::LogicalOr) {
            return Ok(expr);
        }
        if modified {
            return Err(self.with_on_operand(with_span));
        }
        if not_start.is_none() && self.source.as_bytes().get(start as usize) == Some(&b'{') {
            self.brace_led_operand(&expr);
            return Err(Stop);
        }
        let chain = self.logical_or_chain(expr.into())?;
        self.attach_with(chain)
    }

    /// A term, or two joined by `:=` or `=`.
    pub(super) fn expr(&mut self) -> Parse<Expr> {
        let start = self.start();
        let lhs = self.infix()?;
        let name = match self.kind() {
            Kind::Assign => "assign",
            Kind::Unify => "eq",
            _ => {
                let kind = match &lhs.value {
                    Value::Call(call) => ExprKind::Call(call.clone()),
                    _ => ExprKind::Term(lhs),
                };
                return Ok(Expr::new(self.span_from(start), kind));
            }
        };
        let operator = Term::path(self.token().span, name, &[]);
        self.scan();
        let rhs = self.infix()?;
        let call = crate::ast::Call { operator, args: vec![lhs, rhs] };
        Ok(Expr::new(self.span_from(start), ExprKind::Call(call)))
    }

    /// The `with` modifiers ahead.
    pub(super) fn with_modifiers(&mut self) -> Parse<Vec<With>> {
        let mut all = Vec::new();
        while self.at(Kind::With) {
            let start = self.start();
            self.scan();
            if !self.at(Kind::Ident) {
                return Err(self.unexpected("what to replace, such as `input.user`"));
            }
            let target = self.term()?;
            if !matches!(target.value, Value::Ref(_) | Value::Var(_)) {
                self.error(target.span, format!("`with` cannot replace a {}", target.value.kind_name()));
            }
            if !self.at(Kind::As) {
                return Err(self.unexpected("`as`"));
            }
            self.scan();
            let value = self.infix()?;
            all.push(With { span: self.span_from(start), target, value });
        }
        Ok(all)
    }

    pub(super) fn attach_with(&mut self, mut expr: Expr) -> Parse<Expr> {
        if self.at(Kind::With) {
            expr.with = self.with_modifiers()?;
        }
        Ok(expr)
    }

    fn some_declaration(&mut self) -> Parse<Expr> {
        let start = self.start();
        let saved = self.save();
        self.scan();
        if let Ok(term) = self.infix()
            && let Value::Call(call) = &term.value
        {
            match membership(call) {
                Some(_) => {}
                None => return Err(self.unexpected("`some x in xs` or `some k, v in xs`")),
            }
            let expr = Expr::new(self.span_from(start), ExprKind::Some(vec![term]));
            return self.attach_with(expr);
        }
        self.restore(saved)?;
        self.some_variables(start)
    }

    fn some_variables(&mut self, start: u32) -> Parse<Expr> {
        let mut variables = Vec::new();
        loop {
            self.scan();
            if !self.at(Kind::Ident) {
                return Err(self.unexpected("a variable"));
            }
            variables.push(self.variable());
            self.scan();
            if !self.at(Kind::Comma) {
                break;
            }
        }
        // Without the import `some x in xs` reads as two expressions on one line, which is what the error will be about.
        if self.at(Kind::Ident) && self.text() == "in" && !self.token().on_new_line {
            let span = self.token().span;
            let hint = "`import future.keywords.in` allows `some x in xs`";
            self.hinted(span, "unexpected `in` after the variables of `some`", hint);
            return Err(Stop);
        }
        Ok(Expr::new(self.span_from(start), ExprKind::Some(variables)))
    }

    fn every(&mut self) -> Parse<Expr> {
        const SHAPE: &str = "`every x in xs { … }` or `every k, v in xs { … }`";
        let start = self.start();
        self.scan();
        let term = self.infix()?;
        let Value::Call(call) = &term.value else {
            return Err(self.unexpected(SHAPE));
        };
        let (key, value, domain) = match (membership(call), call.args.as_slice()) {
            (Some(2), [value, domain]) => (None, value, domain),
            (Some(3), [key, value, domain]) => (Some(key), value, domain),
            _ => return Err(self.unexpected(SHAPE)),
        };
        for variable in key.into_iter().chain([value]) {
            if variable.as_var().is_none() {
                self.error(variable.span, "expected a variable");
                return Err(Stop);
            }
        }
        if !self.at(Kind::LBrace) {
            return Err(self.unexpected("`{` and a body"));
        }
        self.scan();
        let body = self.body(Kind::RBrace)?;
        self.scan();
        let every = Every { key: key.cloned(), value: value.clone(), domain: domain.clone(), body };
        let expr = Expr::new(self.span_from(start), ExprKind::Every(Box::new(every)));
        self.attach_with(expr)
    }
}

/// The number of operands if `call` is a membership test with as many as it should have.
fn membership(call: &crate::ast::Call) -> Option<usize> {
    let wanted = match call.path()?.as_str() {
        "internal.member_2" => 2,
        "internal.member_3" => 3,
        _ => return None,
    };
    (call.args.len() == wanted).then_some(wanted)
}
