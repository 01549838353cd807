//! Settles what engines read differently from OPA, by rewriting it into what they all read alike.
//!
//! Each pass is small and stands alone. What a pass adds carries the place of what it was made from, so that an error in
//! it still names the policy's own line.

mod builtins;
mod heads;
mod keywords;
mod logic;
mod negation;
mod nesting;
mod outputs;
mod templates;
mod wide;

pub use builtins::{BuiltinUse, rename_builtins};

use std::collections::BTreeSet;

use crate::ast::{Call, Expr, ExprKind, Module, Term, TermRef, With};
use crate::span::Span;
use crate::visit;

/// Runs every pass on `module`.
#[must_use]
pub fn normalise(module: Module) -> Module {
    let mut fresh = Fresh::of(&module);
    PASSES.iter().fold(module, |module, pass| pass(module, &mut fresh))
}

/// Moves the operands of negated expressions before them, as OPA's compiler does. [`normalise()`] includes it.
#[must_use]
pub fn hoist_negated(module: Module) -> Module {
    let mut fresh = Fresh::of(&module);
    negation::hoist(module, &mut fresh)
}

/// In the order they run: what one pass makes, later ones read.
const PASSES: &[fn(Module, &mut Fresh) -> Module] = &[
    keywords::rename,
    templates::lower,
    logic::lower,
    // Before calls become equations, of which negation keeps more inside.
    negation::hoist,
    outputs::bind,
    wide::pack,
    heads::bind,
    nesting::lift,
];

/// Names that the module does not use.
pub(crate) struct Fresh {
    taken: BTreeSet<String>,
    next: usize,
}

impl Fresh {
    fn of(module: &Module) -> Self {
        let mut taken = BTreeSet::new();
        for rule in &module.rules {
            visit::rule_terms(rule, &mut |term| {
                taken.extend(term.as_var().filter(|name| name.starts_with(PREFIX)).map(ToString::to_string));
                true
            });
        }
        Self { taken, next: 0 }
    }

    /// A variable at `span` that is used nowhere else.
    pub(crate) fn var(&mut self, span: Span) -> TermRef {
        loop {
            let name = format!("{PREFIX}{}", self.next);
            self.next += 1;
            if !self.taken.contains(&name) {
                return Term::var(span, &name);
            }
        }
    }
}

const PREFIX: &str = "__fg";

/// `variable := term`, under the same modifiers as the expression it comes from.
pub(crate) fn assign(variable: TermRef, term: TermRef, with: &[With]) -> Expr {
    let span = term.span;
    let call = Call { operator: Term::path(span, "assign", &[]), args: vec![variable, term] };
    Expr { with: with.to_vec(), ..Expr::new(span, ExprKind::Call(call)) }
}
