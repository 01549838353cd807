//! Expressions taken apart: what a body says, before it is known in which order it can be answered.
//!
//! OPA's compiler moves references, calls and comprehensions out of the terms that they stand in, into expressions of their
//! own. An [`Atom`] is such an expression. Its terms hold nothing but constants, variables and collections of them.

use fleetgate_value::Value;

use crate::ir::{Callee, Comparison, NodeId, Place, RuleId};

/// A variable of a clause; each declaration is one of its own.
pub(super) type Var = usize;

/// A term without references, calls or comprehensions.
#[derive(Debug, Clone)]
pub(super) enum Term {
    Const(Value),
    Var(Var),
    Array(Vec<Term>),
    Object(Vec<(Term, Term)>),
    Set(Vec<Term>),
}

/// What a reference starts from.
#[derive(Debug, Clone)]
pub(super) enum Root {
    Term(Term),
    Input,
    Data,
    Rule(RuleId),
    Node(NodeId),
}

/// An expression and its place.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    pub(super) place: Place,
    pub(super) kind: AtomKind,
}

#[derive(Debug, Clone)]
pub(super) enum AtomKind {
    Unify(Term, Term),
    Reference { root: Root, path: Vec<Term>, out: Var },
    Call { callee: Callee, args: Vec<Term>, out: Option<Var> },
    Compare { how: Comparison, left: Term, right: Term, out: Option<Var> },
    Walk { value: Term, out: Var },
    Test(Term),
    Comprehension { gather: GatherTerms, body: Nested, out: Var },
    Not(Nested),
    Any(Vec<Nested>),
    Every { domain: Term, key: Var, value: Var, body: Nested },
    With { targets: Vec<WithTerm>, body: Vec<Atom> },
}

/// What a comprehension gathers.
#[derive(Debug, Clone)]
pub(super) enum GatherTerms {
    Array(Term),
    Set(Term),
    Object(Term, Term),
}

/// A body inside an expression. It binds nothing outside.
#[derive(Debug, Clone)]
pub(super) struct Nested {
    pub(super) atoms: Vec<Atom>,
    /// The variables of bodies around it that it reads.
    pub(super) needs: Vec<Var>,
}

#[derive(Debug, Clone)]
pub(super) struct WithTerm {
    pub(super) target: crate::ir::Target,
    pub(super) value: WithValue,
}

#[derive(Debug, Clone)]
pub(super) enum WithValue {
    Term(Term),
    Callee(Callee),
}

impl Term {
    /// Calls `visit` on each variable.
    pub(super) fn vars(&self, visit: &mut impl FnMut(Var)) {
        match self {
            Self::Const(_) => {}
            Self::Var(var) => visit(*var),
            Self::Array(items) | Self::Set(items) => items.iter().for_each(|item| item.vars(visit)),
            Self::Object(pairs) => pairs.iter().for_each(|(key, value)| {
                key.vars(visit);
                value.vars(visit);
            }),
        }
    }
}

impl Atom {
    /// Calls `visit` on each variable, those of nested bodies included.
    pub(super) fn vars(&self, visit: &mut impl FnMut(Var)) {
        match &self.kind {
            AtomKind::Unify(left, right) => {
                left.vars(visit);
                right.vars(visit);
            }
            AtomKind::Reference { root, path, out } => {
                if let Root::Term(term) = root {
                    term.vars(visit);
                }
                path.iter().for_each(|term| term.vars(visit));
                visit(*out);
            }
            AtomKind::Call { args, out, .. } => {
                args.iter().for_each(|term| term.vars(visit));
                out.iter().for_each(|out| visit(*out));
            }
            AtomKind::Compare { left, right, out, .. } => {
                left.vars(visit);
                right.vars(visit);
                out.iter().for_each(|out| visit(*out));
            }
            AtomKind::Walk { value, out } => {
                value.vars(visit);
                visit(*out);
            }
            AtomKind::Test(term) => term.vars(visit),
            AtomKind::Comprehension { body, out, gather } => {
                gather.vars(visit);
                body.vars(visit);
                visit(*out);
            }
            AtomKind::Not(body) => body.vars(visit),
            AtomKind::Any(bodies) => bodies.iter().for_each(|body| body.vars(visit)),
            AtomKind::Every { domain, key, value, body } => {
                domain.vars(visit);
                visit(*key);
                visit(*value);
                body.vars(visit);
            }
            AtomKind::With { targets, body } => {
                for with in targets {
                    if let WithValue::Term(term) = &with.value {
                        term.vars(visit);
                    }
                }
                body.iter().for_each(|atom| atom.vars(visit));
            }
        }
    }
}

impl Nested {
    fn vars(&self, visit: &mut impl FnMut(Var)) {
        self.atoms.iter().for_each(|atom| atom.vars(visit));
        self.needs.iter().for_each(|var| visit(*var));
    }
}

impl GatherTerms {
    pub(super) fn vars(&self, visit: &mut impl FnMut(Var)) {
        match self {
            Self::Array(term) | Self::Set(term) => term.vars(visit),
            Self::Object(key, value) => {
                key.vars(visit);
                value.vars(visit);
            }
        }
    }
}
