//! Whether a program can look at a part of its input.

use std::collections::{BTreeMap, BTreeSet};

use fleetgate_value::Value;

use crate::ir::{Base, Callee, Definition, Leaf, Op, Operand, Program, Slot};
use crate::visit::{self, Visitor};

impl Program {
    /// Whether it can look at what is at a path of `input`, or at all that is around it. What a program hands on as a whole
    /// counts as looked at.
    #[must_use]
    pub fn may_read_input(&self, path: &[&str]) -> bool {
        let mut definitions = self.rules.iter().flat_map(|rule| rule.definitions.iter().chain(&rule.default));
        definitions.any(|one| Trace { wanted: path, slots: BTreeMap::new(), reads: false }.definition(one))
    }
}

/// What is known of the variables of a definition: each has its own.
struct Trace<'w> {
    wanted: &'w [&'w str],
    /// How many steps of the path were taken to what a variable holds.
    slots: BTreeMap<Slot, BTreeSet<usize>>,
    reads: bool,
}

impl Trace<'_> {
    fn definition(mut self, definition: &Definition) -> bool {
        loop {
            let known = self.slots.clone();
            for clause in &definition.clauses {
                for condition in &clause.found {
                    self.follow(&condition.base, &condition.path, None);
                }
                self.block(&clause.body);
                clause.suffix.iter().for_each(|operand| self.operand(operand));
                let (Leaf::Value(operand) | Leaf::Member(operand)) = &clause.leaf;
                self.operand(operand);
            }
            if self.reads || self.slots == known {
                return self.reads;
            }
        }
    }

    fn block(&mut self, block: &[crate::ir::Step]) {
        for step in block {
            match &step.op {
                Op::Get { base, path, out } => self.follow(base, path, Some((*out, 0))),
                Op::Scan { base, path, value, .. } => self.follow(base, path, Some((*value, 1))),
                Op::Comprehension { body, .. } | Op::Not(body) | Op::Every { body, .. } => {
                    self.block(body);
                    self.outside(&step.op);
                }
                Op::Any(bodies) => bodies.iter().for_each(|body| self.block(body)),
                Op::Call { callee: Callee::Builtin { name, .. }, args, out: Some(out) } if **name == *"object.get" => {
                    self.got(args, *out);
                }
                Op::With { .. } => self.reads = true,
                other => visit::op(other, self),
            }
        }
    }

    /// What a step with a body of its own uses beside it.
    fn outside(&mut self, op: &Op) {
        match op {
            Op::Comprehension { gather, .. } => match gather {
                crate::ir::Gather::Array(operand) | crate::ir::Gather::Set(operand) => self.operand(operand),
                crate::ir::Gather::Object(key, value) => {
                    self.operand(key);
                    self.operand(value);
                }
            },
            Op::Every { domain, .. } => self.operand(domain),
            _ => {}
        }
    }

    /// `object.get` with a constant key leads where a reference would.
    fn got(&mut self, args: &[Operand], out: Slot) {
        match args {
            [object, Operand::Const(key), default] => {
                let steps: Vec<Operand> = match key {
                    Value::Array(steps) => steps.iter().cloned().map(Operand::Const).collect(),
                    key => vec![Operand::Const(key.clone())],
                };
                self.operand(default);
                self.follow(&Base::Value(object.clone()), &steps, Some((out, 0)));
            }
            _ => args.iter().for_each(|arg| self.operand(arg)),
        }
    }

    /// Follows a reference; what it leads to is held by `out`, or one step further where it is walked through.
    fn follow(&mut self, base: &Base, path: &[Operand], out: Option<(Slot, usize)>) {
        path.iter().for_each(|step| self.operand(step));
        let starts: Vec<usize> = match base {
            Base::Input => vec![0],
            Base::Value(Operand::Slot(slot)) => self.slots.get(slot).into_iter().flatten().copied().collect(),
            _ => Vec::new(),
        };
        for start in starts {
            let wanted = self.wanted.get(start..).unwrap_or_default();
            let diverges = |(step, wanted): (&Operand, &&str)| match step {
                Operand::Const(Value::String(name)) => **name != **wanted,
                Operand::Const(_) => true,
                Operand::Slot(_) => false,
            };
            if path.iter().zip(wanted).any(diverges) {
                continue;
            }
            match out {
                Some((slot, walked)) if start + path.len() + walked < self.wanted.len() => {
                    self.slots.entry(slot).or_default().insert(start + path.len() + walked);
                }
                _ => self.reads = true,
            }
        }
    }
}

impl Visitor for Trace<'_> {
    fn operand(&mut self, operand: &Operand) {
        if let Operand::Slot(slot) = operand {
            self.reads |= self.slots.contains_key(slot);
        }
    }

    fn reference(&mut self, _: &Base) {}

    fn call(&mut self, _: &Callee) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use crate::testing::compiled;

    #[test]
    fn a_part_of_the_input() {
        for (body, reads) in [
            ("x { input.review.object.spec.a }", false),
            ("x { o := input.review.object; count(o) > 1; not o.spec }", false),
            ("x { c := input.review.object.spec.containers[_]; f(c) } f(c) { c.name }", false),
            ("x { input.parameters[_] == input.review.kind.kind }", false),
            ("x { r := input.review; r.object.a; r.operation == \"\" }", false),
            ("x { input.review.namespaceObject.metadata.labels.a }", true),
            ("x { r := input.review; r.namespaceObject }", true),
            ("x { input.review[k] }", true),
            ("x { input[k].object }", false),
            ("x { input[k].namespaceObject }", true),
            ("x { f(input.review) } f(r) { r.object }", true),
            ("x { count(input) > 1 }", true),
            ("x = input.review { true }", true),
            ("x { y := [r | r := input.review]; y }", true),
            ("x { not input.review.namespaceObject }", true),
            ("x { object.get(input.review, \"namespace\", \"\") == \"\" }", false),
            ("x = 1 { input.review.a == 2 } x = 1 { object.get(input.review, \"a\", 1) == 1 }", false),
            ("x { object.get(input, [\"review\", \"object\"], {}) != {} }", false),
            ("x { object.get(input.review, \"namespaceObject\", {}) != {} }", true),
            ("x { object.get(input, [\"review\", \"namespaceObject\", \"metadata\"], {}) != {} }", true),
            ("x { r := object.get(input, \"review\", {}); r.namespaceObject }", true),
            ("x { r := object.get(input, \"review\", {}); r.object }", false),
            ("x { object.get(input, [], {}) != {} }", true),
            ("x { object.get(input.review, input.parameters.key, {}) != {} }", true),
            ("x { object.get(input.parameters, \"a\", input.review) != {} }", true),
            ("x { input.review.object with input.review as {} }", true),
        ] {
            let program = compiled(body);
            assert_eq!(program.may_read_input(&["review", "namespaceObject"]), reads, "{body}");
        }
    }
}
