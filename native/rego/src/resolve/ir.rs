//! Modules as the compiler's stages rewrite them.
//!
//! The same shapes as [`crate::ast`], owned and mutable, with variables as numbers.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::span::Span;

use super::walk::{Item, walk};

/// A variable, by its number in [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Var(u32);

/// Several variables.
pub(super) type VarSet = BTreeSet<Var>;

impl Var {
    pub(super) const DATA: Self = Self(0);
    pub(super) const INPUT: Self = Self(1);
    pub(super) const EQ: Self = Self(2);
    pub(super) const EQUAL: Self = Self(3);
    pub(super) const ASSIGN: Self = Self(4);
    pub(super) const PRINT: Self = Self(5);
    /// `data` where a rule's own name was resolved: no local variable hides that.
    pub(super) const OWN_DATA: Self = Self(6);

    /// Whether this is `input` or `data`.
    pub(super) fn is_root(self) -> bool {
        self == Self::DATA || self == Self::INPUT
    }
}

/// The names of variables.
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Var>,
    next: usize,
    /// What the variables that stages made up were called.
    pub(super) original: HashMap<Var, Var>,
}

impl Names {
    pub(super) fn new() -> Self {
        let mut names = Self { texts: Vec::new(), numbers: HashMap::new(), next: 0, original: HashMap::new() };
        for name in ["data", "input", "eq", "equal", "assign", "print"] {
            names.var(name);
        }
        names.texts.push(Arc::from("data"));
        names
    }

    /// The variable called `name`.
    pub(super) fn var(&mut self, name: &str) -> Var {
        if let Some(var) = self.numbers.get(name) {
            return *var;
        }
        let var = Var(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let text: Arc<str> = Arc::from(name);
        self.texts.push(text.clone());
        self.numbers.insert(text, var);
        var
    }

    /// The variable called `name`, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<Var> {
        self.numbers.get(name).copied()
    }

    /// A variable that no module has.
    pub(super) fn fresh(&mut self) -> Var {
        loop {
            let name = format!("__local{}__", self.next);
            self.next += 1;
            if !self.numbers.contains_key(name.as_str()) {
                return self.var(&name);
            }
        }
    }

    pub(super) fn text(&self, var: Var) -> &str {
        self.texts.get(var.0 as usize).map_or("", |text| text)
    }

    /// Whether a stage made the variable up.
    pub(super) fn is_generated(&self, var: Var) -> bool {
        self.text(var).starts_with("__local")
    }

    /// Whether the variable was written `_`.
    pub(super) fn is_wildcard(&self, var: Var) -> bool {
        self.text(var).starts_with('$')
    }

    /// The variable as its author called it.
    pub(super) fn written(&self, var: Var) -> Var {
        self.original.get(&var).copied().unwrap_or(var)
    }

    /// The variables in the order of their names.
    pub(super) fn sorted(&self, vars: &VarSet) -> Vec<Var> {
        let mut list: Vec<Var> = vars.iter().copied().collect();
        list.sort_by(|a, b| self.text(*a).cmp(self.text(*b)));
        list
    }
}

/// A term with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

/// The kinds of term.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Arc<str>),
    String(Arc<str>),
    Template(Vec<Part>),
    Var(Var),
    Ref(Vec<Node>),
    Array(Vec<Node>),
    Object(Vec<(Node, Node)>),
    Set(Vec<Node>),
    Comprehension(Box<Comprehension>),
    /// The operator, always a reference, then the operands.
    Call(Vec<Node>),
}

/// A piece of a template string.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Scalar(Node),
    Expr(Box<Expr>),
}

/// What a comprehension makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    Array,
    Set,
    Object,
}

/// A comprehension.
#[derive(Debug, Clone)]
pub(super) struct Comprehension {
    pub(super) makes: Collection,
    /// The key of an object's.
    pub(super) key: Option<Node>,
    pub(super) value: Node,
    pub(super) body: Body,
}

/// Expressions in order.
pub(super) type Body = Vec<Expr>;

/// An expression.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) negated: bool,
    /// A stage made it up.
    pub(super) generated: bool,
    /// Was written with `:=`.
    pub(super) from_assignment: bool,
    pub(super) with: Vec<With>,
    pub(super) kind: Kind,
}

/// The kinds of expression.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Term(Node),
    /// The operator, always a reference, then the operands.
    Call(Vec<Node>),
    Some(Vec<Node>),
    Every(Box<Every>),
    /// With whether it was written between braces.
    Not(Body, bool),
    Logical(Box<Logical>),
}

/// `every key, value in domain { body }`.
#[derive(Debug, Clone)]
pub(super) struct Every {
    pub(super) key: Option<Node>,
    pub(super) value: Node,
    pub(super) domain: Node,
    pub(super) body: Body,
}

/// `and`, `or`.
#[derive(Debug, Clone)]
pub(super) struct Logical {
    pub(super) or: bool,
    /// The operands, each with whether it was written between braces.
    pub(super) sides: [(Body, bool); 2],
}

/// `with target as value`.
#[derive(Debug, Clone)]
pub(super) struct With {
    pub(super) span: Span,
    pub(super) target: Node,
    pub(super) value: Node,
}

/// A rule, or one `else` of it.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) module: usize,
    pub(super) span: Span,
    pub(super) is_default: bool,
    /// The path below the package.
    pub(super) reference: Vec<Node>,
    pub(super) args: Vec<Node>,
    pub(super) key: Option<Node>,
    pub(super) value: Option<Node>,
    pub(super) body: Body,
    /// The first of its chain.
    pub(super) first: bool,
    /// Number of the rule that is its `else`.
    pub(super) otherwise: Option<usize>,
}

impl Node {
    pub(super) fn new(span: Span, value: Value) -> Self {
        Self { span, value }
    }

    pub(super) fn var(span: Span, var: Var) -> Self {
        Self::new(span, Value::Var(var))
    }

    pub(super) fn as_var(&self) -> Option<Var> {
        if let Value::Var(var) = self.value { Some(var) } else { None }
    }

    pub(super) fn as_ref(&self) -> Option<&[Self]> {
        if let Value::Ref(parts) = &self.value { Some(parts) } else { None }
    }

    /// The variable that a reference starts with.
    pub(super) fn ref_head(&self) -> Option<Var> {
        self.as_ref()?.first()?.as_var()
    }

    /// Whether this is `input` or `data` alone.
    pub(super) fn is_root_document(&self) -> bool {
        matches!(self.as_ref(), Some([head]) if head.as_var().is_some_and(Var::is_root))
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self.value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
    }

    /// Whether nothing in it must be evaluated.
    pub(super) fn is_constant(&self) -> bool {
        let mut constant = true;
        walk(Item::Node(self), &mut |item| {
            if let Item::Node(node) = item {
                constant &= !matches!(
                    node.value,
                    Value::Var(_) | Value::Ref(_) | Value::Comprehension(_) | Value::Call(_) | Value::Template(_)
                );
            }
            constant
        });
        constant
    }

    /// Whether no variable is in it; heads of references do not count.
    pub(super) fn is_ground(&self) -> bool {
        match &self.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            Value::Var(_) | Value::Template(_) => false,
            Value::Ref(parts) => parts.iter().skip(1).all(Self::is_ground),
            Value::Array(items) | Value::Set(items) | Value::Call(items) => items.iter().all(Self::is_ground),
            Value::Object(pairs) => pairs.iter().all(|(key, value)| key.is_ground() && value.is_ground()),
            Value::Comprehension(inner) => {
                inner.key.iter().chain([&inner.value]).all(Self::is_ground) && inner.body.iter().all(Expr::is_ground)
            }
        }
    }

    /// Whether a reference or a comprehension is in it.
    pub(super) fn requires_eval(&self) -> bool {
        let mut found = false;
        walk(Item::Node(self), &mut |item| {
            if let Item::Node(node) = item {
                found |= matches!(node.value, Value::Ref(_) | Value::Comprehension(_));
            }
            !found
        });
        found
    }
}

impl Expr {
    pub(super) fn new(span: Span, kind: Kind) -> Self {
        Self { span, negated: false, generated: false, from_assignment: false, with: Vec::new(), kind }
    }

    /// `left = right`, made up by a stage.
    pub(super) fn equality(left: Node, right: Node) -> Self {
        let span = right.span;
        let operator = Node::new(span, Value::Ref(vec![Node::var(span, Var::EQ)]));
        let mut expr = Self::new(span, Kind::Call(vec![operator, left, right]));
        expr.generated = true;
        expr
    }

    pub(super) fn always(span: Span) -> Self {
        Self::new(span, Kind::Term(Node::new(span, Value::Bool(true))))
    }

    /// The operator and operands of a call.
    pub(super) fn call(&self) -> Option<(&Node, &[Node])> {
        if let Kind::Call(terms) = &self.kind { terms.split_first() } else { None }
    }

    /// The operands of a call of the built-in that has the single name `var`.
    pub(super) fn operands_of(&self, var: Var) -> Option<&[Node]> {
        let (operator, operands) = self.call()?;
        matches!(operator.as_ref(), Some([head]) if head.as_var() == Some(var)).then_some(operands)
    }

    /// The two sides of an equality.
    pub(super) fn sides(&self) -> Option<(&Node, &Node)> {
        if let Some([left, right]) = self.operands_of(Var::EQ) { Some((left, right)) } else { None }
    }

    /// The first term of a call's, or the term.
    fn is_ground(&self) -> bool {
        match &self.kind {
            Kind::Term(node) => node.is_ground(),
            Kind::Call(nodes) => nodes.iter().all(Node::is_ground),
            Kind::Not(body, _) => body.iter().all(Self::is_ground),
            Kind::Some(_) | Kind::Every(_) => false,
            Kind::Logical(logical) => logical.sides.iter().flat_map(|(body, _)| body).all(Self::is_ground),
        }
    }
}

/// The part of a reference before its first variable; the head counts as none.
pub(super) fn ground_prefix(parts: &[Node]) -> &[Node] {
    let end = parts.iter().skip(1).position(|part| !part.is_ground()).map_or(parts.len(), |at| at + 1);
    parts.get(..end).unwrap_or(parts)
}

/// Whether a body says no more than `true`.
pub(super) fn is_empty_body(body: &[Expr]) -> bool {
    matches!(body, [Expr { kind: Kind::Term(Node { value: Value::Bool(true), .. }), .. }])
}

/// Adds to a body, in place of the `true` of one that says no more.
pub(super) fn append(body: &mut Body, exprs: Vec<Expr>) {
    if !exprs.is_empty() && is_empty_body(body) {
        body.clear();
    }
    body.extend(exprs);
}

/// The order of terms in sets and objects. Bodies compare as equal: their texts alone tell them apart.
pub(super) fn compare(names: &Names, a: &Node, b: &Node) -> Ordering {
    let both = (&a.value, &b.value);
    match both {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => super::key::Number::of(a).cmp(&super::key::Number::of(b)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Var(a), Value::Var(b)) => names.text(*a).cmp(names.text(*b)),
        (Value::Ref(a), Value::Ref(b)) | (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => {
            compare_all(names, a, b)
        }
        (Value::Object(a), Value::Object(b)) => {
            let flat = |pairs: &[(Node, Node)]| -> Vec<Node> {
                pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect()
            };
            compare_all(names, &flat(a), &flat(b))
        }
        (Value::Null, Value::Null) => Ordering::Equal,
        _ => rank(&a.value).cmp(&rank(&b.value)).then(a.span.start.cmp(&b.span.start)),
    }
}

/// As [`compare`], item by item.
pub(super) fn compare_all(names: &Names, a: &[Node], b: &[Node]) -> Ordering {
    let first = a.iter().zip(b).map(|(a, b)| compare(names, a, b)).find(|order| order.is_ne());
    first.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Template(_) => 4,
        Value::Var(_) => 5,
        Value::Ref(_) => 6,
        Value::Array(_) => 7,
        Value::Object(_) => 8,
        Value::Set(_) => 9,
        Value::Comprehension(_) => 10,
        Value::Call(_) => 11,
    }
}
