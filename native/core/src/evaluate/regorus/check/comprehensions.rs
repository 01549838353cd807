//! Comprehensions in which regorus's VM would turn in circles.
//!
//! Where a condition of a comprehension fails outside of any loop, the VM forgets to leave the comprehension: the next
//! condition that fails behind it jumps back to it, until the time budget ends the evaluation. A comprehension whose body
//! begins with a loop is left in the right way, so one that does not gets a loop over one element to begin with.

use regorus::unstable::{Expr, Literal, LiteralStmt, Module};

use super::edits::Edit;
use super::walk::{self, Body, Finding};

const LOOP: &str = "[0][_] == 0; ";

pub(super) fn endless(module: &Module) -> Vec<Edit> {
    let mut edits = Vec::new();
    walk::module(module, &mut |finding| {
        let Finding::Query { query, body: Body::Comprehension } = finding else { return };
        if let Some(first) = query.stmts.first().filter(|first| !begins_with_loop(first)) {
            edits.push(Edit { at: super::offset(first.span.start), text: Some(LOOP.to_owned()) });
        }
    });
    edits
}

/// Whether a statement loops for certain: over what it names, or by a wildcard in a plain reference.
fn begins_with_loop(statement: &LiteralStmt) -> bool {
    match &statement.literal {
        Literal::SomeIn { .. } => true,
        Literal::Expr { expr, .. } => match &**expr {
            Expr::AssignExpr { rhs, .. } => has_wildcard(rhs),
            Expr::BoolExpr { lhs, .. } => has_wildcard(lhs),
            other => has_wildcard(other),
        },
        _ => false,
    }
}

fn has_wildcard(reference: &Expr) -> bool {
    let mut at = reference;
    loop {
        match at {
            Expr::RefDot { refr, .. } => at = refr,
            Expr::RefBrack { refr, index, .. } => {
                if matches!(&**index, Expr::Var { span, .. } if span.text() == "_") {
                    return true;
                }
                at = refr;
            }
            _ => return false,
        }
    }
}
