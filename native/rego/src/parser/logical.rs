//! `and`, `or` and `not` between expressions and bodies.
//!
//! An operand is an expression, a body between braces, or a group between parentheses. Braces and parentheses can also
//! belong to a term (`{1, 2} == s`, `(a + b) > c`), which is what most of this module is about.

use crate::ast::{Body, Call, Expr, ExprKind, Logical, Not, Value};
use crate::builtins;
use crate::capabilities::Release;
use crate::span::Span;
use crate::token::Kind;

use super::{Parse, Parser, Saved, Stop};

/// What stands on one side of `and` or `or`.
pub(super) struct Operand {
    pub(super) body: Body,
    /// Written between braces.
    pub(super) explicit: bool,
    pub(super) span: Span,
}

impl From<Expr> for Operand {
    fn from(expr: Expr) -> Self {
        let span = expr.span;
        Self { body: Body::of(expr), explicit: false, span }
    }
}

impl Parser<'_> {
    /// `{ … } and …` at the start of an expression; `None` when the braces are no operand.
    pub(super) fn leading_body_operand(&mut self) -> Parse<Option<Expr>> {
        // The braces can only be an operand if an operator follows the one that closes them.
        let after = self.lexed.closing.get(&self.state.position).map(|close| self.kind_at(close + 1));
        if !matches!(after, Some(Kind::LogicalAnd | Kind::LogicalOr)) {
            return Ok(None);
        }
        let saved = self.save();
        let start = self.start();
        self.scan();
        let Ok(body) = self.body(Kind::RBrace) else {
            self.restore(saved)?;
            self.forget_from(saved.state.position);
            return Ok(None);
        };
        self.scan();
        if self.is_ambiguous_union(&body) {
            return Err(self.ambiguous_union(self.span_from(start)));
        }
        let chain = self.logical_or_chain(Operand { body, explicit: true, span: self.span_from(start) })?;
        self.attach_with(chain).map(Some)
    }

    /// What follows a whole operand: a chain of operators, or nothing but `with`.
    pub(super) fn logical_tail(&mut self, operand: Operand) -> Parse<Expr> {
        let expr = if matches!(self.kind(), Kind::LogicalAnd | Kind::LogicalOr) {
            self.logical_or_chain(operand)?
        } else {
            operand.body.exprs.into_iter().next().ok_or(Stop)?
        };
        self.attach_with(expr)
    }

    /// Operators after `lhs`; `and` binds tighter than `or`, both join from the left.
    pub(super) fn logical_or_chain(&mut self, lhs: Operand) -> Parse<Expr> {
        self.nested(|parser| parser.logical_or_links(lhs))
    }

    fn logical_or_links(&mut self, mut lhs: Operand) -> Parse<Expr> {
        let start = lhs.span.start;
        let mut links = 0;
        if self.at(Kind::LogicalAnd) {
            lhs = self.logical_and_chain(lhs)?.into();
        }
        while self.at(Kind::LogicalOr) {
            self.count_logical_link(&mut links)?;
            self.scan();
            let mut rhs = self.logical_operand(Some("or"))?;
            if self.at(Kind::LogicalAnd) {
                rhs = self.logical_and_chain(rhs)?.into();
            }
            lhs = self.logical(start, lhs, rhs, ExprKind::Or).into();
        }
        lhs.body.exprs.into_iter().next().ok_or(Stop)
    }

    fn logical_and_chain(&mut self, mut lhs: Operand) -> Parse<Expr> {
        let start = lhs.span.start;
        let mut links = 0;
        while self.at(Kind::LogicalAnd) {
            self.count_logical_link(&mut links)?;
            self.scan();
            let rhs = self.logical_operand(Some("and"))?;
            lhs = self.logical(start, lhs, rhs, ExprKind::And).into();
        }
        lhs.body.exprs.into_iter().next().ok_or(Stop)
    }

    fn count_logical_link(&mut self, links: &mut usize) -> Parse<()> {
        *links += 1;
        if self.depth + *links > super::MAX_DEPTH {
            self.too_deep();
            return Err(Stop);
        }
        Ok(())
    }

    fn logical(&mut self, start: u32, lhs: Operand, rhs: Operand, kind: fn(Box<Logical>) -> ExprKind) -> Expr {
        for side in [&lhs, &rhs] {
            if self.capabilities.release >= Release::Opa1_22 && only_void_calls(&side.body) {
                let hint = "move the call out of the operand, or add an expression that can fail";
                self.hinted(side.span, "operand consists only of calls that always succeed", hint);
            }
        }
        let sides = Logical { explicit_lhs: lhs.explicit, explicit_rhs: rhs.explicit, lhs: lhs.body, rhs: rhs.body };
        Expr::new(self.span_from(start), kind(Box::new(sides)))
    }

    /// One operand; `op` is the operator before it, or `None` where the reading is only tried.
    fn logical_operand(&mut self, op: Option<&str>) -> Parse<Operand> {
        self.nested(|parser| parser.any_operand(op))
    }

    fn any_operand(&mut self, op: Option<&str>) -> Parse<Operand> {
        if self.at(Kind::LBrace) {
            return self.body_operand(op);
        }
        let not_start = self.negation();
        if let Some(start) = not_start
            && self.not_takes_body()
            && self.at(Kind::LBrace)
        {
            return self.not_body(start);
        }
        let may_group = not_start.is_none() || self.not_takes_body();
        if self.at(Kind::LParen)
            && self.logic_is_on()
            && may_group
            && let Some(group) = self.logical_group(true)?
        {
            return Ok(match not_start {
                Some(start) => self.negated(start, group.body, group.explicit),
                None => group,
            });
        }
        let mut expr = self.expr()?;
        match not_start {
            Some(start) if self.not_takes_body() => Ok(self.negated(start, Body::of(expr), false)),
            _ => {
                expr.negated = not_start.is_some();
                Ok(expr.into())
            }
        }
    }

    fn negated(&self, start: u32, body: Body, explicit: bool) -> Operand {
        Expr::new(self.span_from(start), ExprKind::Not(Box::new(Not { body, explicit }))).into()
    }

    fn body_operand(&mut self, op: Option<&str>) -> Parse<Operand> {
        let start = self.start();
        let saved = self.save();
        self.scan();
        let empty = self.at(Kind::RBrace);
        let Ok(body) = self.body(Kind::RBrace) else {
            if let Some(op) = op.filter(|_| !empty) {
                self.explain_value_in_braces(saved, op)?;
            }
            return Err(Stop);
        };
        self.scan();
        if self.is_ambiguous_union(&body) {
            let _recorded = self.ambiguous_union(self.span_from(start));
        }
        Ok(Operand { body, explicit: true, span: self.span_from(start) })
    }

    /// `not { … }`, the brace ahead.
    pub(super) fn not_body(&mut self, start: u32) -> Parse<Operand> {
        let saved = self.save();
        let brace = self.start();
        self.scan();
        let empty = self.at(Kind::RBrace);
        let Ok(body) = self.body(Kind::RBrace) else {
            if !empty {
                self.explain_value_in_braces(saved, "not")?;
            }
            return Err(Stop);
        };
        self.scan();
        if self.capabilities.release >= Release::Opa1_22 && self.is_ambiguous_union(&body) {
            return Err(self.ambiguous_union(self.span_from(brace)));
        }
        Ok(self.negated(start, body, true))
    }

    /// After braces that hold no body: if they hold a value, that is the better error.
    fn explain_value_in_braces(&mut self, at_brace: Saved, op: &str) -> Parse<()> {
        let failed = self.save();
        let errors = self.errors.clone();
        self.restore(at_brace)?;
        let start = self.start();
        if let Ok(term) = self.infix() {
            let message = format!("braces after `{op}` hold expressions, not a {}", term.value.kind_name());
            self.hinted(self.span_from(start), message, "put the value in parentheses");
            return Ok(());
        }
        self.restore(failed)?;
        self.errors = errors;
        Ok(())
    }

    /// `( … )` around operands; `None` when the parentheses belong to a term. `is_operand` says that the parenthesis is
    /// an operand already, so that braces inside hold a body.
    pub(super) fn logical_group(&mut self, is_operand: bool) -> Parse<Option<Operand>> {
        let position = self.state.position;
        let known =
            self.not_groups.get(position).is_some_and(|known| known.get(usize::from(is_operand)) == Some(&true));
        if known {
            return Ok(None);
        }
        let saved = self.save();
        let group = self.nested(|parser| parser.try_group(is_operand))?;
        if group.is_none() {
            self.restore(saved)?;
            let slot = self.not_groups.get_mut(position).and_then(|known| known.get_mut(usize::from(is_operand)));
            if let Some(slot) = slot {
                *slot = true;
            }
        }
        Ok(group)
    }

    fn try_group(&mut self, is_operand: bool) -> Parse<Option<Operand>> {
        let start = self.start();
        let open = self.token().span;
        self.scan();
        if self.at(Kind::RParen) {
            if is_operand {
                self.error(open, "empty parenthesized group");
                return Err(Stop);
            }
            return Ok(None);
        }
        let inside = self.save();
        let Ok(first) = self.logical_operand(None) else {
            return Ok(None);
        };
        match self.kind() {
            Kind::LogicalAnd | Kind::LogicalOr => {
                let chain = self.logical_or_chain(first)?;
                let expr = self.attach_with(chain)?;
                self.close_group()?;
                Ok(Some(Operand { body: Body::of(expr), explicit: false, span: self.span_from(start) }))
            }
            Kind::With if !first.explicit && first.body.exprs.len() == 1 => {
                self.modified_group(start, first, is_operand)
            }
            _ if first.explicit => self.braces_in_parens(open, inside),
            _ if is_logical(&first.body) || is_negated(&first.body) => {
                self.close_group()?;
                Ok(Some(Operand { span: self.span_from(start), ..first }))
            }
            _ => Ok(None),
        }
    }

    /// `(a with x)`: a group only where it is an operand.
    fn modified_group(&mut self, start: u32, first: Operand, is_operand: bool) -> Parse<Option<Operand>> {
        let with_span = self.token().span;
        let expr = first.body.exprs.into_iter().next().ok_or(Stop)?;
        let expr = self.attach_with(expr)?;
        if matches!(self.kind(), Kind::LogicalAnd | Kind::LogicalOr) {
            return Err(self.with_on_operand(with_span));
        }
        self.close_group()?;
        let commits = is_operand || matches!(self.kind(), Kind::LogicalAnd | Kind::LogicalOr);
        Ok(commits.then(|| Operand { body: Body::of(expr), explicit: false, span: self.span_from(start) }))
    }

    /// `({ … })` without an operator: a value, or an error.
    fn braces_in_parens(&mut self, open: Span, inside: Saved) -> Parse<Option<Operand>> {
        self.restore(inside)?;
        if self.term().is_ok() {
            return Ok(None);
        }
        self.restore(inside)?;
        self.hinted(open, "parentheses cannot hold a body", "drop the parentheses");
        Err(Stop)
    }

    fn close_group(&mut self) -> Parse<()> {
        if !self.at(Kind::RParen) {
            return Err(self.unexpected("`)` to close the group"));
        }
        self.scan();
        Ok(())
    }

    pub(super) fn with_on_operand(&mut self, span: Span) -> Stop {
        let hint = "put the operand in parentheses or braces, or move `with` behind the whole expression";
        self.hinted(span, "`with` is not allowed on an operand of `and` or `or`", hint);
        Stop
    }

    /// An operand that starts with a brace but is a value.
    pub(super) fn brace_led_operand(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Term(term)
                if expr.with.is_empty() && matches!(&term.value, Value::Object(pairs) if pairs.is_empty()) =>
            {
                self.error(expr.span, "found empty body");
            }
            _ => self.hinted(
                expr.span,
                "an operand cannot begin with `{` unless the braces hold a body",
                "put the value in parentheses",
            ),
        }
    }

    /// `{ a | b }` as a body: too easily taken for a comprehension.
    fn is_ambiguous_union(&self, body: &Body) -> bool {
        let Some(first) = body.exprs.first() else {
            return false;
        };
        let Some(call) = first.as_call() else {
            return false;
        };
        call.is("or") && self.is_written_as_sign(call) && !first.span.text(self.source).trim_start().starts_with('(')
    }

    fn is_written_as_sign(&self, call: &Call) -> bool {
        call.operator.span.text(self.source) == "|"
    }

    fn ambiguous_union(&mut self, span: Span) -> Stop {
        let hint = "put the whole in parentheses for a comprehension, or the union for a body";
        self.hinted(span, "`{ … | … }` here reads as a body that holds a union, not as a comprehension", hint);
        Stop
    }
}

/// Whether the body is one `and` or `or`.
fn is_logical(body: &Body) -> bool {
    matches!(body.exprs.as_slice(), [Expr { kind: ExprKind::And(_) | ExprKind::Or(_), .. }])
}

/// Whether the body is one negation.
fn is_negated(body: &Body) -> bool {
    matches!(body.exprs.as_slice(), [expr] if expr.negated || matches!(expr.kind, ExprKind::Not(_)))
}

/// Whether the body does nothing but call built-ins without a value, such as `print`.
fn only_void_calls(body: &Body) -> bool {
    let is_void = |expr: &Expr| {
        let name = expr.as_call().and_then(Call::path);
        !expr.negated && name.is_some_and(|name| builtins::find(&name).is_some_and(|builtin| builtin.void))
    };
    !body.exprs.is_empty() && body.exprs.iter().all(is_void)
}
