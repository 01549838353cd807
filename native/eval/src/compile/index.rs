//! Which definitions OPA finds by its index.
//!
//! OPA asks definitions that compare a part of a document with something only where that part fits, and before them those
//! that compare nothing. What is defined is the same in every order, but the error of a conflict names the definition that
//! was asked last.

use crate::ir::{Base, Definition, Op, Operand, Step};

/// Whether the definition's first body says that a part of `input`, of base documents or of an argument equals something.
pub(super) fn is_indexed(definition: &Definition) -> bool {
    let body = definition.clauses.first().map_or(&[][..], |clause| clause.body.as_slice());
    body.iter().enumerate().any(|(at, step)| reads_part(step, body.get(at + 1)))
}

/// A reference alone in an expression compares nothing: it is followed by its own test.
fn reads_part(step: &Step, next: Option<&Step>) -> bool {
    let Op::Get { base: Base::Input | Base::Data, path, out } = &step.op else { return false };
    let is_ground = path.iter().all(|part| matches!(part, Operand::Const(_)));
    let is_tested = next.is_some_and(|next| matches!(&next.op, Op::Test(Operand::Slot(slot)) if slot == out));
    is_ground && !path.is_empty() && !is_tested
}
