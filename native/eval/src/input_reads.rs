//! Whether a program can look at a part of its input.

use std::collections::{BTreeMap, BTreeSet};

use fleetgate_value::Value;

use crate::ir::{Base, Block, Callee, Gather, Leaf, Op, Operand, Program, RuleId, Slot};
use crate::variables::{Frame, Variable, frames, keys_of, parameter};
use crate::visit::{self, Visitor};

impl Program {
    /// Whether it can look at what is at a path of `input`, below it, or at all that is around it. What a program hands on as a
    /// whole counts as looked at, but for arguments of its own functions, which are followed.
    #[must_use]
    pub fn may_read_input(&self, path: &[&str]) -> bool {
        let mut search = Search { program: self, wanted: path, slots: BTreeMap::new(), reads: false, grown: true };
        // What one rule passes to another need not be known in one pass.
        while std::mem::take(&mut search.grown) && !search.reads {
            for id in 0..self.rules.len() {
                search.rule(id);
            }
        }
        search.reads
    }
}

struct Search<'p> {
    program: &'p Program,
    wanted: &'p [&'p str],
    /// How many steps of the path were taken to what a variable holds.
    slots: BTreeMap<Variable, BTreeSet<usize>>,
    reads: bool,
    grown: bool,
}

/// A search in one definition.
struct Trace<'s, 'p> {
    search: &'s mut Search<'p>,
    frame: Frame,
}

impl Search<'_> {
    fn rule(&mut self, id: RuleId) {
        let program = self.program;
        let Some(rule) = program.rules.get(id) else { return };
        for (frame, definition) in frames(id, rule) {
            let mut trace = Trace { search: self, frame };
            for clause in &definition.clauses {
                for condition in &clause.found {
                    trace.follow(&condition.base, &condition.path, None);
                }
                trace.block(&clause.body);
                clause.suffix.iter().for_each(|operand| trace.operand(operand));
                let (Leaf::Value(operand) | Leaf::Member(operand)) = &clause.leaf;
                trace.operand(operand);
            }
        }
    }
}

impl Trace<'_, '_> {
    fn block(&mut self, block: &Block) {
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
                Op::Call { callee: Callee::Rule(called), args, .. } => self.passed(*called, args),
                Op::With { .. } => self.search.reads = true,
                other => visit::op(other, self),
            }
        }
    }

    /// What a function is given, it looks at or not.
    fn passed(&mut self, called: RuleId, args: &[Operand]) {
        for (position, arg) in args.iter().enumerate() {
            for taken in self.held(arg) {
                self.search.note(parameter(called, position), taken);
            }
        }
    }

    fn held(&self, operand: &Operand) -> Vec<usize> {
        let Operand::Slot(slot) = operand else { return Vec::new() };
        self.search.slots.get(&self.frame.variable(*slot)).into_iter().flatten().copied().collect()
    }

    /// What a step with a body of its own uses beside it.
    fn outside(&mut self, op: &Op) {
        match op {
            Op::Comprehension { gather, .. } => match gather {
                Gather::Array(operand) | Gather::Set(operand) => self.operand(operand),
                Gather::Object(key, value) => {
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
                let steps: Vec<Operand> = keys_of(key).iter().cloned().map(Operand::Const).collect();
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
            Base::Value(operand) => self.held(operand),
            _ => Vec::new(),
        };
        for start in starts {
            let wanted = self.search.wanted.get(start..).unwrap_or_default();
            // A number finds the key of its text too.
            let diverges = |(step, wanted): (&Operand, &&str)| matches!(step, Operand::Const(Value::String(name)) if **name != **wanted);
            if path.iter().zip(wanted).any(diverges) {
                continue;
            }
            match out {
                Some((slot, walked)) if start + path.len() + walked < self.search.wanted.len() => {
                    self.search.note(self.frame.variable(slot), start + path.len() + walked);
                }
                _ => self.search.reads = true,
            }
        }
    }
}

impl Search<'_> {
    fn note(&mut self, variable: Variable, taken: usize) {
        self.grown |= self.slots.entry(variable).or_default().insert(taken);
    }
}

impl Visitor for Trace<'_, '_> {
    fn operand(&mut self, operand: &Operand) {
        self.search.reads |= !self.held(operand).is_empty();
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
            ("x { input.review[1] }", true),
            ("x { input[k].namespaceObject }", true),
            ("x { f(input.review) } f(r) { r.object }", false),
            ("x { f(input.review) } f(r) { r.namespaceObject }", true),
            ("x { f(1, input.review) } f(_, r) { g(r) } g(r) { h(r) } h(r) { r.namespaceObject.a }", true),
            ("x { f(1, input.review) } f(_, r) { g(r) } g(r) { h(r) } h(r) { r.object.a }", false),
            ("x { f(input.review) } f(r) = y { y := r.object } f(r) = y { y := [r] }", true),
            ("x { y := f(input.review); y.namespaceObject } f(r) = r { true }", true),
            ("x { f(input.review, 1) } f(r, n) { n > 1 } f(r, n) { r[n] }", true),
            ("x { walk(input.review, [p, v]); p; v }", true),
            ("f(r) = 1 { r.object } x { [y | y := f(input.review)] == [1] }", false),
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
