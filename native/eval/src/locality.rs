//! How a program's answer follows from single objects of the inventory.
//!
//! An audit that follows changes wants to know of an object that did not change whether its result can have, when others
//! did. Two forms of program let it find that out by looking at the changed objects alone.
//!
//! *Distributive*: each clause of the rule walks down to one object of the inventory at most, step by step and without looking
//! at anything on the way but keys, and nothing else in the program reads the inventory. Then each answer is of one object, and
//! the value over two inventories together is the union of the values over each.
//!
//! *Existential*: one clause asks whether there is `not` such an object, before anything in it has several answers, and nothing
//! else reads the inventory. Then it matters only whether there is one among the changed objects before, and after.
//!
//! What is not proved to be of a form is of none.

use crate::ir::{Base, Block, Callee, Clause, Leaf, Op, Operand, Program, Rule, RuleId, RuleKind, Slot};
use crate::run::DocumentId;
use crate::visit::{self, Visitor};
use fleetgate_value::Value;

/// How a document follows from single objects of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locality {
    /// Nothing is known.
    None,
    /// Its value over several objects is the union of its values over each.
    Distributive,
    /// Its value changes only if it does over the objects that changed, alone.
    Existential,
}

impl Program {
    /// How a document follows from single objects of the inventory.
    #[must_use]
    pub fn locality(&self, document: DocumentId) -> Locality {
        if self.volatile || self.shows_stored {
            return Locality::None;
        }
        let others = self.rules.iter().enumerate().filter(|(id, _)| *id != document.0).map(|(_, rule)| rule);
        for rule in others {
            let mut found = Found::default();
            rule_parts(rule, &mut found);
            if found.reads || found.replaces {
                return Locality::None;
            }
        }
        let Some(rule) = self.rules.get(document.0) else { return Locality::None };
        entry(rule, document.0).unwrap_or(Locality::None)
    }
}

/// What a walk finds.
#[derive(Default)]
struct Found {
    /// A base document is read, or something that may be one.
    reads: bool,
    replaces: bool,
    /// A rule or a function of the program is asked.
    asks: bool,
    slots: Vec<Slot>,
    rules: Vec<RuleId>,
}

impl Visitor for Found {
    fn operand(&mut self, operand: &Operand) {
        if let Operand::Slot(slot) = operand {
            self.slots.push(*slot);
        }
    }

    fn reference(&mut self, base: &Base) {
        match base {
            Base::Data | Base::Node(_) => self.reads = true,
            Base::Value(operand) => self.operand(operand),
            Base::Rule(rule) => {
                self.asks = true;
                self.rules.push(*rule);
            }
            Base::Input => {}
        }
    }

    fn call(&mut self, callee: &Callee) {
        if let Callee::Rule(rule) = callee {
            self.asks = true;
            self.rules.push(*rule);
        }
    }

    fn replace(&mut self) {
        self.replaces = true;
    }
}

fn rule_parts(rule: &Rule, found: &mut Found) {
    for clause in rule.definitions.iter().chain(&rule.default).flat_map(|definition| &definition.clauses) {
        visit::block(&clause.body, found);
        head(clause, found);
        for condition in &clause.found {
            found.reference(&condition.base);
        }
    }
}

fn head(clause: &Clause, found: &mut Found) {
    clause.suffix.iter().for_each(|operand| found.operand(operand));
    let (Leaf::Value(operand) | Leaf::Member(operand)) = &clause.leaf;
    found.operand(operand);
}

/// The form of the rule that is asked for; none where it is of no form.
fn entry(rule: &Rule, id: RuleId) -> Option<Locality> {
    if rule.kind != RuleKind::Partial || rule.default.is_some() {
        return None;
    }
    let mut forms = Vec::new();
    for definition in &rule.definitions {
        // What an `else` defines depends on what stands before it.
        let [clause] = &*definition.clauses else { return None };
        if !clause.is_member()
            || clause.found.iter().any(|condition| matches!(condition.base, Base::Data | Base::Node(_)))
        {
            return None;
        }
        let mut found = Found::default();
        visit::block(&clause.body, &mut found);
        if found.replaces || found.rules.contains(&id) {
            return None;
        }
        if found.reads {
            forms.push(form(clause)?);
        }
    }
    match &*forms {
        [] => Some(Locality::Distributive),
        [Locality::Existential] => Some(Locality::Existential),
        forms => forms.iter().all(|form| *form == Locality::Distributive).then_some(Locality::Distributive),
    }
}

/// The form of a clause that reads the inventory.
fn form(clause: &Clause) -> Option<Locality> {
    if let Some(containers) = chain(&clause.body) {
        let mut found = Found::default();
        head(clause, &mut found);
        return found.slots.iter().all(|slot| !containers.contains(slot)).then_some(Locality::Distributive);
    }
    let mut asked = false;
    for step in &clause.body {
        let mut found = Found::default();
        visit::op(&step.op, &mut found);
        match &step.op {
            Op::Not(body) if found.reads => {
                // An error would end the search at a place that depends on the other objects.
                if asked || found.asks {
                    return None;
                }
                chain(body)?;
                asked = true;
            }
            _ if found.reads => return None,
            // Each answer would ask a question of its own.
            Op::Scan { .. } | Op::Walk { .. } if !asked => return None,
            _ => {}
        }
    }
    asked.then_some(Locality::Existential)
}

/// Whether the steps of a block walk down to one object of the inventory: gives the variables that hold what is above it.
fn chain(block: &Block) -> Option<Vec<Slot>> {
    let mut walk = Walk::default();
    for step in block {
        walk.step(&step.op)?;
    }
    walk.is_done.then_some(walk.containers)
}

#[derive(Default)]
struct Walk {
    /// What holds the innermost part that was reached, and how many steps below `data` that is.
    at: Option<(Slot, usize)>,
    /// Steps below `data` at which objects are.
    depth: usize,
    containers: Vec<Slot>,
    is_done: bool,
}

impl Walk {
    fn step(&mut self, op: &Op) -> Option<()> {
        let (base, path, value, scanned) = match op {
            Op::Get { base, path, out } => (base, path, *out, 0),
            Op::Scan { base, path, value, .. } => (base, path, *value, 1),
            other => return self.other(other),
        };
        let start = match base {
            Base::Data if self.at.is_none() && !self.is_done => {
                self.depth = depth(path)?;
                0
            }
            Base::Data | Base::Node(_) => return None,
            Base::Value(Operand::Slot(slot)) => match self.at {
                Some((at, reached)) if at == *slot => reached,
                _ => return self.other(op),
            },
            _ => return self.other(op),
        };
        let mut found = Found::default();
        path.iter().for_each(|operand| found.operand(operand));
        self.is_untouched(&found)?;
        let reached = start + path.len() + scanned;
        if reached >= self.depth {
            (self.at, self.is_done) = (None, true);
        } else {
            self.at = Some((value, reached));
            self.containers.push(value);
        }
        Some(())
    }

    /// Any other step must read no inventory and look at nothing that is above an object.
    fn other(&self, op: &Op) -> Option<()> {
        let mut found = Found::default();
        visit::op(op, &mut found);
        if found.reads {
            return None;
        }
        self.is_untouched(&found)
    }

    fn is_untouched(&self, found: &Found) -> Option<()> {
        found.slots.iter().all(|slot| !self.containers.contains(slot)).then_some(())
    }
}

/// Steps below `data` at which the objects of a tree are.
fn depth(path: &[Operand]) -> Option<usize> {
    let name = |at: usize| match path.get(at) {
        Some(Operand::Const(Value::String(name))) => Some(&**name),
        _ => None,
    };
    match (name(0)?, name(1)?) {
        ("inventory", "cluster") => Some(5),
        ("inventory", "namespace") => Some(6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::compiled;

    fn locality(body: &str) -> Locality {
        let program = compiled(body);
        program.locality(program.document(&["p", "v"]).unwrap())
    }

    const HOSTS: &str = r#"
        same(a, b) { a.metadata.name == b.metadata.name }
        v[{"msg": host}] {
            host := input.review.object.spec.rules[_].host
            other := data.inventory.namespace[_][version]["Ingress"][name]
            regex.match("^networking.k8s.io/.+$", version)
            other.spec.rules[_].host == host
            not same(other, input.review.object)
        }"#;

    #[test]
    fn one_object_for_each_answer() {
        assert_eq!(locality(HOSTS), Locality::Distributive);
        for body in [
            r#"v[{"msg": "m"}] { input.x }"#,
            r#"v[{"msg": n}] { data.inventory.cluster.v1.Node[n].spec.bad }"#,
            r#"v[{"msg": n}] { o := data.inventory.cluster.v1.Node[n]; count(o.spec) > 1 } v[{"msg": "m"}] { input.x }"#,
            r#"v[{"msg": "m"}] { ns := data.inventory.namespace[_]; ks := ns["v1"]; ks.Pod[name].spec.a; name != "b" }"#,
            r#"v[{"msg": "m"}] { o := data.inventory.namespace.a.v1.Pod.b; not o.spec.x; count([1 | o.spec.y[_]]) > 1 }"#,
        ] {
            assert_eq!(locality(body), Locality::Distributive, "{body}");
        }
    }

    #[test]
    fn whether_there_is_an_object() {
        for body in [
            r#"v[{"msg": "m"}] { o := input.review.object; not data.inventory.namespace[o.a][o.b][o.c][o.d] }"#,
            r#"v[{"msg": m}] { not data.inventory.cluster.v1.Node[input.n]; m := input.messages[_] } v[{"msg": "x"}] { input.x }"#,
            r#"v[{"msg": "m"}] { not data.inventory.cluster.v1.Node.a.spec.good }"#,
        ] {
            assert_eq!(locality(body), Locality::Existential, "{body}");
        }
    }

    #[test]
    fn what_is_not_proved() {
        for body in [
            // More than one object to an answer.
            r#"v[{"msg": a}] { x := data.inventory.cluster.v1.Node[a]; y := data.inventory.cluster.v1.Node[b]; x.i == y.i }"#,
            // What is above an object is looked at.
            r#"v[{"msg": "m"}] { ns := data.inventory.namespace.a.v1; count(ns) > 1; ns.Pod[_].x }"#,
            r#"v[{"msg": "m"}] { ks := data.inventory.cluster.v1.Node; ks.a.x; ks.b.x }"#,
            r#"v[{"msg": "m", "details": ks}] { ks := data.inventory.cluster.v1.Node; ks.a.x }"#,
            r#"v[{"msg": "m"}] { data.inventory.cluster.v1.Node }"#,
            r#"v[{"msg": "m"}] { data.inventory[_].v1.Node.a.x }"#,
            // Objects are counted or gathered.
            r#"v[{"msg": "m"}] { count([n | data.inventory.cluster.v1.Node[n]]) > 2 }"#,
            r#"v[{"msg": "m"}] { count(data.inventory.cluster.v1.Node) > 2 }"#,
            // It is asked for each of several, or twice.
            r#"v[{"msg": "m"}] { n := input.names[_]; not data.inventory.cluster.v1.Node[n] }"#,
            r#"v[{"msg": "m"}] { not data.inventory.cluster.v1.Node.a; not data.inventory.cluster.v1.Node.b }"#,
            r#"v[{"msg": "m"}] { not data.inventory.cluster.v1.Node.a } v[{"msg": "m"}] { data.inventory.cluster.v1.Node.a.x }"#,
            r#"f(o) = 1 { o.a } f(o) = 2 { o.b } v[{"msg": "m"}] { not has } has { f(data.inventory.cluster.v1.Node[_]) == 1 }"#,
            // Another rule reads, or something is replaced.
            r#"h { data.inventory.cluster.v1.Node.a } v[{"msg": "m"}] { h }"#,
            r#"v[{"msg": "m"}] { data.inventory.cluster.v1.Node.a.x with input.y as 1 }"#,
            // It depends on more than documents.
            r#"v[{"msg": "m"}] { data.inventory.cluster.v1.Node.a.x < time.now_ns() }"#,
            r#"v[{"msg": m}] { m := json.marshal(data.inventory.cluster.v1.Node.a.x) }"#,
        ] {
            assert_eq!(locality(body), Locality::None, "{body}");
        }
    }
}
