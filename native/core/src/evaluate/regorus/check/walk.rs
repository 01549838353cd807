//! Walks a module of regorus's AST and reports what the checks ask about.
//!
//! regorus limits the nesting of expressions when it parses, so recursion over them is bounded; a chain of references
//! (`a.b.c…`) is not limited and is followed in a loop.

use regorus::Value;
use regorus::unstable::{Expr, Literal, LiteralStmt, Module, Query, Rule, RuleAssign, RuleHead, Span};

/// Where a reference stands in its expression, because Gatekeeper's library rewriting looks at operands only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The expression itself or an operand of it.
    Operand,
    /// Inside a call's argument, a composite term or a comprehension.
    Nested,
    /// Inside the brackets of another reference.
    InReference,
}

/// What a query is the body of.
pub(super) enum Body<'a> {
    /// A rule, with the expressions that it makes a value of.
    Rule { results: Vec<&'a Expr> },
    /// An array, object or set comprehension.
    Comprehension,
    /// `every`.
    Every,
}

/// Something that a check asks about.
pub(super) enum Finding<'a> {
    /// A reference into `data`, with as much of its path as is constant.
    Data { span: &'a Span, path: Vec<Box<str>>, depth: Depth },
    /// A call by name.
    Call { span: &'a Span, name: &'a str, arguments: usize },
    /// A body.
    Query { query: &'a Query, body: Body<'a> },
    /// A `with` modifier.
    With,
    /// An array, object or set literal and how many literals deep it stands, itself included.
    Literal { span: &'a Span, nesting: usize },
}

pub(super) fn module<'a>(module: &'a Module, report: &mut dyn FnMut(Finding<'a>)) {
    let mut walker = Walker { report, literals: 0 };
    for rule in &module.policy {
        walker.rule(rule);
    }
}

struct Walker<'a, 'r> {
    report: &'r mut dyn FnMut(Finding<'a>),
    literals: usize,
}

impl<'a> Walker<'a, '_> {
    fn rule(&mut self, rule: &'a Rule) {
        match rule {
            Rule::Spec { head, bodies, .. } => {
                self.head(head);
                for body in bodies {
                    self.assign(body.assign.as_ref());
                    let results = results(head).into_iter().chain(body.assign.as_ref().map(|assign| &*assign.value));
                    let rule = Body::Rule { results: results.collect() };
                    (self.report)(Finding::Query { query: &body.query, body: rule });
                    self.statements(&body.query);
                }
            }
            Rule::Default { args, value, .. } => {
                for arg in args {
                    self.expr(arg, Depth::Operand);
                }
                self.expr(value, Depth::Operand);
            }
        }
    }

    fn head(&mut self, head: &'a RuleHead) {
        match head {
            RuleHead::Compr { refr, assign, .. } => {
                self.head_name(refr);
                self.assign(assign.as_ref());
            }
            RuleHead::Set { refr, key, .. } => {
                self.head_name(refr);
                if let Some(key) = key {
                    self.expr(key, Depth::Operand);
                }
            }
            RuleHead::Func { args, assign, .. } => {
                for arg in args {
                    self.expr(arg, Depth::Operand);
                }
                self.assign(assign.as_ref());
            }
        }
    }

    /// The keys in a head such as `p[x]`; the name itself refers to nothing.
    fn head_name(&mut self, refr: &'a Expr) {
        let mut at = refr;
        loop {
            match at {
                Expr::RefBrack { refr, index, .. } => {
                    self.expr(index, Depth::Operand);
                    at = refr;
                }
                Expr::RefDot { refr, .. } => at = refr,
                _ => return,
            }
        }
    }

    fn assign(&mut self, assign: Option<&'a RuleAssign>) {
        if let Some(assign) = assign {
            self.expr(&assign.value, Depth::Operand);
        }
    }

    fn statements(&mut self, query: &'a Query) {
        for statement in &query.stmts {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'a LiteralStmt) {
        for modifier in &statement.with_mods {
            (self.report)(Finding::With);
            self.expr(&modifier.refr, Depth::Operand);
            self.expr(&modifier.r#as, Depth::Operand);
        }
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                for expr in key.iter().chain([value, collection]) {
                    self.expr(expr, Depth::Operand);
                }
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expression(expr),
            Literal::Every { domain, query, .. } => {
                self.expr(domain, Depth::Operand);
                (self.report)(Finding::Query { query, body: Body::Every });
                self.statements(query);
            }
        }
    }

    /// The expression of a statement: its operands are operands still.
    fn expression(&mut self, expr: &'a Expr) {
        match expr {
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs, Depth::Operand);
                self.expr(rhs, Depth::Operand);
            }
            Expr::Membership { key, value, collection, .. } => {
                for expr in key.iter().chain([value, collection]) {
                    self.expr(expr, Depth::Operand);
                }
            }
            Expr::Call { fcn, params, span, .. } => self.call(span, fcn, params, Depth::Operand, Depth::Operand),
            other => self.expr(other, Depth::Operand),
        }
    }

    fn expr(&mut self, expr: &'a Expr, depth: Depth) {
        let inner = if depth == Depth::InReference { depth } else { Depth::Nested };
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr, depth),
            Expr::Array { span, items, .. } | Expr::Set { span, items, .. } => {
                self.literal(span, items.iter().map(|item| &**item), inner);
            }
            Expr::Object { span, fields, .. } => {
                self.literal(span, fields.iter().flat_map(|(_, key, value)| [&**key, &**value]), inner);
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term, inner);
                self.query_within(query, Body::Comprehension, inner);
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.expr(key, inner);
                self.expr(value, inner);
                self.query_within(query, Body::Comprehension, inner);
            }
            Expr::Call { fcn, params, span, .. } => self.call(span, fcn, params, inner, inner),
            Expr::UnaryExpr { expr, .. } => self.expr(expr, inner),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs, inner);
                self.expr(rhs, inner);
            }
            Expr::Membership { key, value, collection, .. } => {
                for expr in key.iter().chain([value, collection]) {
                    self.expr(expr, inner);
                }
            }
        }
    }

    fn query_within(&mut self, query: &'a Query, body: Body<'a>, depth: Depth) {
        (self.report)(Finding::Query { query, body });
        for statement in &query.stmts {
            for modifier in &statement.with_mods {
                (self.report)(Finding::With);
                self.expr(&modifier.refr, depth);
                self.expr(&modifier.r#as, depth);
            }
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    for expr in key.iter().chain([value, collection]) {
                        self.expr(expr, depth);
                    }
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr, depth),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain, depth);
                    self.query_within(query, Body::Every, depth);
                }
            }
        }
    }

    fn literal(&mut self, span: &'a Span, items: impl Iterator<Item = &'a Expr>, depth: Depth) {
        self.literals += 1;
        (self.report)(Finding::Literal { span, nesting: self.literals });
        for item in items {
            self.expr(item, depth);
        }
        self.literals -= 1;
    }

    fn call(
        &mut self,
        span: &'a Span,
        fcn: &'a Expr,
        params: &'a [regorus::unstable::Ref<Expr>],
        name_depth: Depth,
        depth: Depth,
    ) {
        (self.report)(Finding::Call { span, name: fcn.span().text(), arguments: params.len() });
        self.expr(fcn, name_depth);
        for param in params {
            self.expr(param, depth);
        }
    }

    fn reference(&mut self, expr: &'a Expr, depth: Depth) {
        let mut at = expr;
        let mut steps: Vec<Option<Box<str>>> = Vec::new();
        loop {
            match at {
                Expr::RefDot { refr, field, .. } => {
                    steps.push(Some(field.0.text().into()));
                    at = refr;
                }
                Expr::RefBrack { refr, index, .. } => {
                    steps.push(constant(index));
                    self.expr(index, Depth::InReference);
                    at = refr;
                }
                Expr::Var { span, .. } if span.text() == "data" => {
                    let path = steps.into_iter().rev().map_while(|step| step).collect();
                    (self.report)(Finding::Data { span: expr.span(), path, depth });
                    return;
                }
                Expr::Var { .. } => return,
                other => return self.expr(other, if depth == Depth::Operand { Depth::Nested } else { depth }),
            }
        }
    }
}

/// What a head makes of its bodies' variables.
fn results(head: &RuleHead) -> Vec<&Expr> {
    match head {
        RuleHead::Compr { refr, assign, .. } => {
            let key = match &**refr {
                Expr::RefBrack { index, .. } => Some(&**index),
                _ => None,
            };
            key.into_iter().chain(assign.as_ref().map(|assign| &*assign.value)).collect()
        }
        RuleHead::Set { key, .. } => key.iter().map(|key| &**key).collect(),
        RuleHead::Func { assign, .. } => assign.iter().map(|assign| &*assign.value).collect(),
    }
}

fn constant(index: &Expr) -> Option<Box<str>> {
    match index {
        Expr::String { value: Value::String(text), .. } | Expr::RawString { value: Value::String(text), .. } => {
            Some((**text).into())
        }
        _ => None,
    }
}
