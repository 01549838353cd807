//! The syntax of a module as it is written: nothing is resolved, nothing is rewritten.
//!
//! Operators are calls of the built-in they stand for (`a + b` calls `plus`), each `_` is a variable of its own (`$0`,
//! `$1`, …), and a statement that reads as an expression but must be a rule (`p := 1`) is a rule. Terms are shared, not
//! copied, and never change.

use std::sync::Arc;

use crate::span::Span;

/// A shared term.
pub type TermRef = Arc<Term>;

/// A value or an expression of one, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The term's text, brackets around it not included.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The kinds of term.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written, so that no digit is lost.
    Number(Arc<str>),
    /// A string, its escapes resolved.
    String(Arc<str>),
    /// `$"a {x}"`
    Template(Template),
    /// A variable; `_` has a name that starts with `$` and is used once.
    Var(Arc<str>),
    /// `head.name[index]`: the head, then each step. A name is a string. `input` and `data` alone are references too.
    Ref(Vec<TermRef>),
    /// `[a, b]`
    Array(Vec<TermRef>),
    /// `{k: v}` in the order written, repeated keys included.
    Object(Vec<(TermRef, TermRef)>),
    /// `{a, b}` in the order written, repeated members included; `set()`.
    Set(Vec<TermRef>),
    /// `[head | body]`
    ArrayComprehension(TermRef, Body),
    /// `{head | body}`
    SetComprehension(TermRef, Body),
    /// `{key: value | body}`
    ObjectComprehension(TermRef, TermRef, Body),
    /// A call inside a term.
    Call(Call),
}

/// A call of a rule or a built-in.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called; always a reference. Its place is the operator's sign where the call is written with one.
    pub operator: TermRef,
    /// The operands in order.
    pub args: Vec<TermRef>,
}

/// A template string.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Written between backquotes.
    pub raw: bool,
    /// Text and expressions in order; empty text is left out.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a template string.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplatePart {
    /// Text, or an expression that is a scalar written out.
    Scalar(TermRef),
    /// Any other expression; undefined becomes the text `<undefined>`.
    Expr(Box<Expr>),
}

/// Expressions that must all hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// In the order written.
    pub exprs: Vec<Expr>,
}

/// One expression of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// The expression's text with `not` and `with`.
    pub span: Span,
    /// Preceded by `not`, where that is not [`ExprKind::Not`].
    pub negated: bool,
    /// Not written: the `true` of a rule without a body.
    pub generated: bool,
    /// `with target as value`, in order.
    pub with: Vec<With>,
    /// What it says.
    pub kind: ExprKind,
}

/// The kinds of expression.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A term that must be neither undefined nor `false`.
    Term(TermRef),
    /// A call, an operator, `=` or `:=`.
    Call(Call),
    /// `some x, y` (variables) or `some k, v in xs` (one call of a membership built-in).
    Some(Vec<TermRef>),
    /// `every k, v in domain { body }`
    Every(Box<Every>),
    /// `not` with `future.keywords.not`: true when the body has no answer.
    Not(Box<Not>),
    /// `lhs and rhs`
    And(Box<Logical>),
    /// `lhs or rhs`
    Or(Box<Logical>),
}

/// `every key, value in domain { body }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Every {
    /// The key's variable, where there is one.
    pub key: Option<TermRef>,
    /// The value's variable.
    pub value: TermRef,
    /// What is ranged over.
    pub domain: TermRef,
    /// What must hold for each.
    pub body: Body,
}

/// A negated body.
#[derive(Debug, Clone, PartialEq)]
pub struct Not {
    /// What must have no answer.
    pub body: Body,
    /// Written between braces.
    pub explicit: bool,
}

/// The operands of `and` or `or`.
#[derive(Debug, Clone, PartialEq)]
pub struct Logical {
    /// The left operand.
    pub lhs: Body,
    /// The right operand.
    pub rhs: Body,
    /// The left operand is written between braces.
    pub explicit_lhs: bool,
    /// The right operand is written between braces.
    pub explicit_rhs: bool,
}

/// `with target as value`.
#[derive(Debug, Clone, PartialEq)]
pub struct With {
    /// From `with` to the value's end.
    pub span: Span,
    /// What is replaced: a variable or a reference.
    pub target: TermRef,
    /// By what.
    pub value: TermRef,
}

/// The name of a rule, its arguments and what it yields.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// From the name to the value.
    pub span: Span,
    /// The rule's name, where the head is a single name or of the old form `name[key]`.
    pub name: Option<Arc<str>>,
    /// The rule's path below its package, `a.b[x]`.
    pub reference: Vec<TermRef>,
    /// A function's arguments.
    pub args: Vec<TermRef>,
    /// What a set rule adds (`name contains key`, `name[key] { … }`), or the key of an object rule.
    pub key: Option<TermRef>,
    /// The rule's value; a set rule has none.
    pub value: Option<TermRef>,
    /// Written with `:=`.
    pub assign: bool,
    /// The value is not written, so it is `true`.
    pub generated_value: bool,
    /// The body follows `if`.
    pub has_if: bool,
    /// Written with `contains`.
    pub has_contains: bool,
}

/// A rule with its chain of `else`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The rule's text.
    pub span: Span,
    /// `default name := value`
    pub is_default: bool,
    /// What is defined.
    pub head: Head,
    /// When it holds.
    pub body: Body,
    /// The body is not written, so it is `true`.
    pub generated_body: bool,
    /// What holds otherwise.
    pub else_rule: Option<Box<Rule>>,
}

/// `package path`.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The keyword's place.
    pub span: Span,
    /// `data`, then each name.
    pub path: Vec<TermRef>,
}

/// `import path as alias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The keyword's place.
    pub span: Span,
    /// What is imported; always a reference.
    pub path: TermRef,
    /// The name it has in this module, where that is not the path's last.
    pub alias: Option<Arc<str>>,
}

/// A module.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// Where its rules belong.
    pub package: Package,
    /// In the order written.
    pub imports: Vec<Import>,
    /// In the order written; the bodies of a chain are rules of their own.
    pub rules: Vec<Rule>,
    /// Every comment, metadata blocks included.
    pub comments: Vec<Span>,
    /// What Rego v1 forbids is forbidden here, by the version or by `import rego.v1`.
    pub rego_v1: bool,
}

impl Term {
    /// A term at `span`.
    #[must_use]
    pub fn new(span: Span, value: Value) -> TermRef {
        Arc::new(Self { span, value })
    }

    /// A variable at `span`.
    #[must_use]
    pub fn var(span: Span, name: &str) -> TermRef {
        Self::new(span, Value::Var(Arc::from(name)))
    }

    /// A string at `span`.
    #[must_use]
    pub fn string(span: Span, text: &str) -> TermRef {
        Self::new(span, Value::String(Arc::from(text)))
    }

    /// A reference at `span` to the variable `head`, then the strings `steps`.
    #[must_use]
    pub fn path(span: Span, head: &str, steps: &[&str]) -> TermRef {
        let head = std::iter::once(Self::var(span, head));
        Self::new(span, Value::Ref(head.chain(steps.iter().map(|step| Self::string(span, step))).collect()))
    }

    /// The variable's name, if this is one.
    #[must_use]
    pub fn as_var(&self) -> Option<&Arc<str>> {
        if let Value::Var(name) = &self.value { Some(name) } else { None }
    }

    /// The reference's parts, if this is one.
    #[must_use]
    pub fn as_ref_parts(&self) -> Option<&[TermRef]> {
        if let Value::Ref(parts) = &self.value { Some(parts) } else { None }
    }

    /// The string, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// Whether no variable is left to bind. A reference's head does not count, a template string never is.
    #[must_use]
    pub fn is_ground(&self) -> bool {
        match &self.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            Value::Var(_) | Value::Template(_) => false,
            Value::Ref(parts) => parts.iter().skip(1).all(|part| part.is_ground()),
            Value::Array(items) | Value::Set(items) => items.iter().all(|item| item.is_ground()),
            Value::Object(pairs) => pairs.iter().all(|(key, value)| key.is_ground() && value.is_ground()),
            Value::ArrayComprehension(head, body) | Value::SetComprehension(head, body) => {
                head.is_ground() && body.is_ground()
            }
            Value::ObjectComprehension(key, value, body) => key.is_ground() && value.is_ground() && body.is_ground(),
            Value::Call(call) => call.operator.is_ground() && call.args.iter().all(|arg| arg.is_ground()),
        }
    }
}

impl Value {
    /// OPA's word for the kind of term.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Template(_) => "templatestring",
            Self::Var(_) => "var",
            Self::Ref(_) => "ref",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Set(_) => "set",
            Self::ArrayComprehension(..) => "arraycomprehension",
            Self::SetComprehension(..) => "setcomprehension",
            Self::ObjectComprehension(..) => "objectcomprehension",
            Self::Call(_) => "call",
        }
    }
}

impl Call {
    /// The operator as a dotted path of names, where it is one: `plus`, `internal.member_2`, `data.lib.f`.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let parts = self.operator.as_ref_parts()?;
        let mut path = parts.first()?.as_var()?.to_string();
        for part in parts.iter().skip(1) {
            path.push('.');
            path.push_str(part.as_str()?);
        }
        Some(path)
    }

    /// Whether this calls the built-in `name` by that single name, as operators do.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        matches!(self.operator.as_ref_parts(), Some([only]) if only.as_var().is_some_and(|var| **var == *name))
    }
}

impl Body {
    /// A body of one expression.
    #[must_use]
    pub fn of(expr: Expr) -> Self {
        Self { exprs: vec![expr] }
    }

    /// Whether every expression is free of variables; `some` and `every` never are.
    #[must_use]
    pub fn is_ground(&self) -> bool {
        self.exprs.iter().all(|expr| match &expr.kind {
            ExprKind::Term(term) => term.is_ground(),
            ExprKind::Call(call) => call.operator.is_ground() && call.args.iter().all(|arg| arg.is_ground()),
            ExprKind::Not(not) => not.body.is_ground(),
            ExprKind::And(sides) | ExprKind::Or(sides) => sides.lhs.is_ground() && sides.rhs.is_ground(),
            ExprKind::Some(_) | ExprKind::Every(_) => false,
        })
    }
}

impl Expr {
    /// An expression that is neither negated nor modified.
    #[must_use]
    pub fn new(span: Span, kind: ExprKind) -> Self {
        Self { span, negated: false, generated: false, with: Vec::new(), kind }
    }

    /// The call that this is, if it is one.
    #[must_use]
    pub fn as_call(&self) -> Option<&Call> {
        if let ExprKind::Call(call) = &self.kind { Some(call) } else { None }
    }
}

impl Rule {
    /// The rule and each `else` after it, in order.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |rule| rule.else_rule.as_deref())
    }
}
