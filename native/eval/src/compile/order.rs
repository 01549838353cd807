//! The order in which a body's atoms are answered, and their steps.
//!
//! OPA takes, again and again, the first expression in the order written all of whose inputs are bound; so does this. What
//! is left when no expression can be taken is unsafe. An atom binds variables by what it is: an equation those of a
//! pattern whose other side is known, a reference those among its steps, a call its result.

use std::sync::Arc;

use fleetgate_value::Value;

use super::atom::{Atom, AtomKind, GatherTerms, Nested, Root, Term, Var, WithValue};
use super::flatten::Arguments;
use super::scope::VarInfo;
use crate::ir::{Base, Block, Comparison, Gather, Op, Operand, Place, Replacement, Slot, Step, With};

/// What each variable is, once it is bound.
pub(super) type Bound = Vec<Option<Operand>>;

/// Plans the bodies of one clause.
pub(super) struct Order {
    vars: Vec<VarInfo>,
    source: usize,
    slots: usize,
    unsafe_vars: Vec<(Arc<str>, Place)>,
}

impl Order {
    pub(super) const fn new(vars: Vec<VarInfo>, source: usize) -> Self {
        Self { vars, source, slots: 0, unsafe_vars: Vec::new() }
    }

    /// The arguments are the frame's first values.
    pub(super) fn bind_arguments(&mut self, arguments: &Arguments) -> Bound {
        let mut bound: Bound = vec![None; self.vars.len()];
        for var in &arguments.vars {
            let slot = self.slot();
            set(&mut bound, *var, Operand::Slot(slot));
        }
        bound
    }

    /// Values that a frame needs.
    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// The variables that no order bound, each once.
    pub(super) fn unsafe_vars(self) -> Vec<(Arc<str>, Place)> {
        let mut out: Vec<(Arc<str>, Place)> = Vec::new();
        for (name, place) in self.unsafe_vars {
            if !out.iter().any(|(other, _)| *other == name) {
                out.push((name, place));
            }
        }
        // What the compiler added is unsafe because of something that has a name, where there is such.
        if out.iter().any(|(name, _)| !name.is_empty()) {
            out.retain(|(name, _)| !name.is_empty());
        }
        out
    }

    fn slot(&mut self) -> Slot {
        self.slots += 1;
        self.slots - 1
    }

    /// Orders the atoms and appends their steps. Variables that stay unbound are noted.
    pub(super) fn plan(&mut self, atoms: Vec<Atom>, bound: &mut Bound, steps: &mut Block) {
        self.plan_seen(atoms, bound, steps, &mut |_| {});
    }

    /// [`Order::plan`] that shows each atom in the order found, without those of bodies inside.
    pub(super) fn plan_seen(
        &mut self,
        atoms: Vec<Atom>,
        bound: &mut Bound,
        steps: &mut Block,
        see: &mut dyn FnMut(&Atom),
    ) {
        let mut left: Vec<Option<Atom>> = atoms.into_iter().map(Some).collect();
        loop {
            let next = left.iter_mut().find(|atom| atom.as_ref().is_some_and(|atom| is_ready(atom, bound)));
            let Some(atom) = next.and_then(Option::take) else { break };
            see(&atom);
            self.emit(atom, bound, steps);
        }
        for atom in left.into_iter().flatten() {
            atom.vars(&mut |var| self.note_unsafe(var, bound));
        }
    }

    fn note_unsafe(&mut self, var: Var, bound: &Bound) {
        if !is_bound(bound, var)
            && let Some(info) = self.vars.get(var)
        {
            self.unsafe_vars.push((info.name.clone(), Place { source: self.source, span: info.span }));
        }
    }

    /// The term's value as an operand; collections are made by steps before. Unbound variables are noted as unsafe.
    pub(super) fn operand(&mut self, term: &Term, bound: &Bound, place: Place, steps: &mut Block) -> Operand {
        match term {
            Term::Const(value) => Operand::Const(value.clone()),
            Term::Var(var) => bound.get(*var).cloned().flatten().unwrap_or_else(|| {
                self.note_unsafe(*var, bound);
                Operand::Const(Value::Null)
            }),
            Term::Array(items) => {
                let items = self.operands(items, bound, place, steps);
                let out = self.slot();
                steps.push(Step { place, op: Op::MakeArray { items, out } });
                Operand::Slot(out)
            }
            Term::Set(members) => {
                let members = self.operands(members, bound, place, steps);
                let out = self.slot();
                steps.push(Step { place, op: Op::MakeSet { members, out } });
                Operand::Slot(out)
            }
            Term::Object(pairs) => {
                let pair = |(key, value): &(Term, Term)| {
                    (self.operand(key, bound, place, steps), self.operand(value, bound, place, steps))
                };
                let pairs = pairs.iter().map(pair).collect();
                let out = self.slot();
                steps.push(Step { place, op: Op::MakeObject { pairs, out } });
                Operand::Slot(out)
            }
        }
    }

    fn operands(&mut self, terms: &[Term], bound: &Bound, place: Place, steps: &mut Block) -> Vec<Operand> {
        terms.iter().map(|term| self.operand(term, bound, place, steps)).collect()
    }

    fn emit(&mut self, atom: Atom, bound: &mut Bound, steps: &mut Block) {
        let place = atom.place;
        let mut push = |op: Op| steps.push(Step { place, op });
        match atom.kind {
            AtomKind::Unify(left, right) => {
                let (known, pattern) = if is_ground(&left, bound) { (left, right) } else { (right, left) };
                let known = self.operand(&known, bound, place, steps);
                self.matching(known, &pattern, bound, place, steps);
            }
            AtomKind::Reference { root, path, out } => self.reference(root, &path, out, bound, place, steps),
            AtomKind::Call { callee, args, out } => {
                let args = self.operands(&args, bound, place, steps);
                let out = out.map(|var| self.bind(var, bound));
                steps.push(Step { place, op: Op::Call { callee, args, out } });
            }
            AtomKind::Compare { how, left, right, out } => {
                let left = self.operand(&left, bound, place, steps);
                let right = self.operand(&right, bound, place, steps);
                let out = out.map(|var| self.bind(var, bound));
                steps.push(Step { place, op: Op::Compare { how, left, right, out } });
            }
            AtomKind::Walk { value, out } => {
                let value = self.operand(&value, bound, place, steps);
                let out = self.bind(out, bound);
                steps.push(Step { place, op: Op::Walk { value, out } });
            }
            AtomKind::Test(Term::Const(value)) if value.is_truthy() => {}
            AtomKind::Test(Term::Const(_)) => push(Op::Fail),
            AtomKind::Test(term) => {
                let operand = self.operand(&term, bound, place, steps);
                steps.push(Step { place, op: Op::Test(operand) });
            }
            AtomKind::Comprehension { gather, body, out } => {
                let (body, gather) = self.gathered(gather, body, bound, place);
                let out = self.bind(out, bound);
                steps.push(Step { place, op: Op::Comprehension { gather, body, out } });
            }
            AtomKind::Not(body) => {
                let body = self.nested(body, bound);
                push(Op::Not(body));
            }
            AtomKind::Any(bodies) => {
                let bodies = bodies.into_iter().map(|body| self.nested(body, bound)).collect();
                push(Op::Any(bodies));
            }
            AtomKind::Every { domain, key, value, body } => {
                let domain = self.operand(&domain, bound, place, steps);
                let mut inner = bound.clone();
                let (key, value) = (self.bind(key, &mut inner), self.bind(value, &mut inner));
                let mut block = Block::new();
                self.plan(body.atoms, &mut inner, &mut block);
                steps.push(Step { place, op: Op::Every { domain, key, value, body: block } });
            }
            AtomKind::With { targets, body } => {
                let mut replaced = Vec::with_capacity(targets.len());
                for with in targets {
                    let value = match with.value {
                        WithValue::Callee(callee) => Replacement::Callee(callee),
                        WithValue::Term(term) => Replacement::Value(self.operand(&term, bound, place, steps)),
                    };
                    replaced.push(With { target: with.target, value });
                }
                let mut block = Block::new();
                self.plan(body, bound, &mut block);
                steps.push(Step { place, op: Op::With { targets: replaced, body: block } });
            }
        }
    }

    fn bind(&mut self, var: Var, bound: &mut Bound) -> Slot {
        let slot = self.slot();
        set(bound, var, Operand::Slot(slot));
        slot
    }

    fn nested(&mut self, body: Nested, bound: &Bound) -> Block {
        let mut block = Block::new();
        self.plan(body.atoms, &mut bound.clone(), &mut block);
        block
    }

    fn gathered(&mut self, gather: GatherTerms, body: Nested, bound: &Bound, place: Place) -> (Block, Gather) {
        let mut block = Block::new();
        let mut inner = bound.clone();
        self.plan(body.atoms, &mut inner, &mut block);
        let mut operand = |term: &Term| self.operand(term, &inner, place, &mut block);
        let gather = match &gather {
            GatherTerms::Array(term) => Gather::Array(operand(term)),
            GatherTerms::Set(term) => Gather::Set(operand(term)),
            GatherTerms::Object(key, value) => Gather::Object(operand(key), operand(value)),
        };
        (block, gather)
    }

    fn reference(&mut self, root: Root, path: &[Term], out: Var, bound: &mut Bound, place: Place, steps: &mut Block) {
        let mut base = match root {
            Root::Term(term) => Base::Value(self.operand(&term, bound, place, steps)),
            Root::Input => Base::Input,
            Root::Data => Base::Data,
            Root::Rule(rule) => Base::Rule(rule),
            Root::Node(node) => Base::Node(node),
        };
        let mut known: Vec<Operand> = Vec::new();
        for term in path {
            if is_ground(term, bound) {
                known.push(self.operand(term, bound, place, steps));
                continue;
            }
            let (key, value) = (self.slot(), self.slot());
            let path = std::mem::take(&mut known);
            steps.push(Step { place, op: Op::Scan { base, path, key, value, probe: None } });
            self.matching(Operand::Slot(key), term, bound, place, steps);
            base = Base::Value(Operand::Slot(value));
        }
        if let (Base::Value(operand), true) = (&base, known.is_empty()) {
            set(bound, out, operand.clone());
            return;
        }
        let slot = self.bind(out, bound);
        steps.push(Step { place, op: Op::Get { base, path: known, out: slot } });
    }

    /// Matches a known value against a pattern, whose unbound variables it binds.
    fn matching(&mut self, known: Operand, pattern: &Term, bound: &mut Bound, place: Place, steps: &mut Block) {
        match pattern {
            Term::Var(var) if !is_bound(bound, *var) => set(bound, *var, known),
            _ if is_ground(pattern, bound) => {
                let right = self.operand(pattern, bound, place, steps);
                steps.push(Step { place, op: Op::Compare { how: Comparison::Equal, left: known, right, out: None } });
            }
            Term::Array(items) => {
                steps.push(Step { place, op: Op::IsArray(known.clone(), items.len()) });
                for (index, item) in items.iter().enumerate() {
                    self.part(&known, Operand::Const(Value::from(index)), item, bound, place, steps);
                }
            }
            Term::Object(pairs) => {
                steps.push(Step { place, op: Op::IsObject(known.clone(), pairs.len()) });
                for (key, value) in pairs {
                    let key = self.operand(key, bound, place, steps);
                    self.part(&known, key, value, bound, place, steps);
                }
            }
            Term::Const(_) | Term::Var(_) | Term::Set(_) => {
                pattern.vars(&mut |var| self.note_unsafe(var, bound));
            }
        }
    }

    fn part(
        &mut self,
        whole: &Operand,
        key: Operand,
        pattern: &Term,
        bound: &mut Bound,
        place: Place,
        steps: &mut Block,
    ) {
        let out = self.slot();
        steps.push(Step { place, op: Op::Get { base: Base::Value(whole.clone()), path: vec![key], out } });
        self.matching(Operand::Slot(out), pattern, bound, place, steps);
    }
}

fn set(bound: &mut Bound, var: Var, operand: Operand) {
    if let Some(slot) = bound.get_mut(var) {
        *slot = Some(operand);
    }
}

fn is_bound(bound: &Bound, var: Var) -> bool {
    bound.get(var).is_some_and(Option::is_some)
}

fn is_ground(term: &Term, bound: &Bound) -> bool {
    let mut ground = true;
    term.vars(&mut |var| ground &= is_bound(bound, var));
    ground
}

/// Whether a known value can be matched against the term: its unbound variables stand where a value has parts.
fn is_pattern(term: &Term, bound: &Bound) -> bool {
    match term {
        Term::Const(_) | Term::Var(_) => true,
        Term::Array(items) => items.iter().all(|item| is_pattern(item, bound)),
        Term::Object(pairs) => pairs.iter().all(|(key, value)| is_ground(key, bound) && is_pattern(value, bound)),
        Term::Set(_) => is_ground(term, bound),
    }
}

fn is_ready(atom: &Atom, bound: &Bound) -> bool {
    outputs(atom, bound).is_some()
}

/// The variables that the atom binds, where it can be answered now.
fn outputs(atom: &Atom, bound: &Bound) -> Option<Vec<Var>> {
    let ground = |term: &Term| is_ground(term, bound);
    let all = |vars: &[Var]| vars.iter().all(|var| is_bound(bound, *var));
    let mut found = Vec::new();
    match &atom.kind {
        AtomKind::Unify(left, right) => {
            let pattern = match (ground(left), ground(right)) {
                (true, _) => right,
                (_, true) => left,
                _ => return None,
            };
            if !is_pattern(pattern, bound) {
                return None;
            }
            pattern.vars(&mut |var| found.push(var));
        }
        AtomKind::Reference { root, path, out } => {
            if let Root::Term(term) = root
                && !ground(term)
            {
                return None;
            }
            if !path.iter().all(|term| is_pattern(term, bound)) {
                return None;
            }
            path.iter().for_each(|term| term.vars(&mut |var| found.push(var)));
            found.push(*out);
        }
        AtomKind::Call { args, out, .. } => {
            if !args.iter().all(ground) {
                return None;
            }
            found.extend(out);
        }
        AtomKind::Compare { left, right, out, .. } => {
            if !ground(left) || !ground(right) {
                return None;
            }
            found.extend(out);
        }
        AtomKind::Walk { value, out } => {
            if !ground(value) {
                return None;
            }
            found.push(*out);
        }
        AtomKind::Test(term) => {
            if !ground(term) {
                return None;
            }
        }
        AtomKind::Comprehension { body, out, .. } => {
            if !all(&body.needs) {
                return None;
            }
            found.push(*out);
        }
        AtomKind::Not(body) => {
            if !all(&body.needs) {
                return None;
            }
        }
        AtomKind::Any(bodies) => {
            if !bodies.iter().all(|body| all(&body.needs)) {
                return None;
            }
        }
        AtomKind::Every { domain, body, .. } => {
            if !ground(domain) || !all(&body.needs) {
                return None;
            }
        }
        AtomKind::With { targets, body } => {
            for with in targets {
                if let WithValue::Term(term) = &with.value
                    && !ground(term)
                {
                    return None;
                }
            }
            found = outputs_of_all(body, bound)?;
        }
    }
    Some(found)
}

/// The variables that a body binds, where all of it can be answered in some order.
fn outputs_of_all(atoms: &[Atom], bound: &Bound) -> Option<Vec<Var>> {
    let mut bound = bound.clone();
    let mut left: Vec<&Atom> = atoms.iter().collect();
    let mut found = Vec::new();
    while !left.is_empty() {
        let next = left.iter().enumerate().find_map(|(at, atom)| Some((at, outputs(atom, &bound)?)));
        let (at, vars) = next?;
        left.remove(at);
        for var in vars {
            set(&mut bound, var, Operand::Const(Value::Null));
            found.push(var);
        }
    }
    Some(found)
}
