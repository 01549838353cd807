//! Walks through everything that a step holds.

use crate::ir::{Base, Block, Callee, Gather, Op, Operand, Replacement};

/// What a walk meets, in no order that matters.
pub(crate) trait Visitor {
    /// A value that is used as a whole.
    fn operand(&mut self, operand: &Operand);
    /// A reference, whose steps are met as operands of their own.
    fn reference(&mut self, base: &Base);
    /// Something is called.
    fn call(&mut self, _callee: &Callee) {}
    /// Documents or functions are replaced.
    fn replace(&mut self) {}
}

pub(crate) fn block(block: &Block, visitor: &mut impl Visitor) {
    block.iter().for_each(|step| op(&step.op, visitor));
}

pub(crate) fn op(op: &Op, visitor: &mut impl Visitor) {
    match op {
        Op::Get { base, path, .. } | Op::Scan { base, path, .. } => {
            visitor.reference(base);
            path.iter().for_each(|step| visitor.operand(step));
        }
        Op::Call { callee, args, .. } => {
            visitor.call(callee);
            args.iter().for_each(|arg| visitor.operand(arg));
        }
        Op::Compare { left, right, .. } => {
            visitor.operand(left);
            visitor.operand(right);
        }
        Op::Walk { value: operand, .. } | Op::Test(operand) | Op::IsArray(operand, _) | Op::IsObject(operand, _) => {
            visitor.operand(operand);
        }
        Op::MakeArray { items, .. } | Op::MakeSet { members: items, .. } => {
            items.iter().for_each(|item| visitor.operand(item));
        }
        Op::MakeObject { pairs, .. } => pairs.iter().for_each(|(key, value)| {
            visitor.operand(key);
            visitor.operand(value);
        }),
        Op::Comprehension { gather, body, .. } => {
            block(body, visitor);
            match gather {
                Gather::Array(operand) | Gather::Set(operand) => visitor.operand(operand),
                Gather::Object(key, value) => {
                    visitor.operand(key);
                    visitor.operand(value);
                }
            }
        }
        Op::Not(body) => block(body, visitor),
        Op::Any(bodies) => bodies.iter().for_each(|body| block(body, visitor)),
        Op::Every { domain, body, .. } => {
            visitor.operand(domain);
            block(body, visitor);
        }
        Op::With { targets, body } => {
            visitor.replace();
            for with in targets {
                match &with.value {
                    Replacement::Value(operand) => visitor.operand(operand),
                    Replacement::Callee(callee) => visitor.call(callee),
                }
            }
            block(body, visitor);
        }
        Op::Fail => {}
    }
}
