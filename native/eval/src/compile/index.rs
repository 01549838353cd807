//! Which definitions OPA finds by its index, and in which order.
//!
//! Before OPA asks the definitions of a rule it looks up which of them can hold at all: an expression of a body that says a
//! part of `input`, of base documents or an argument is something must fit, wherever in the body it stands. A definition
//! that is not found is not asked, so that an error that its body would run into first never happens; and definitions are
//! asked in the order in which the index finds them, which decides whose error is reported. The rules are those of
//! `ast/index.go` of OPA 1.17, glob patterns left out.

use std::collections::BTreeMap;

use fleetgate_value::Value;

use super::atom::{Atom, AtomKind, Root, Term, Var};
use super::flatten::Arguments;
use crate::ir::{Base, Callee, Comparison, Condition, Definition, Leaf, Operand, Place, Rule, Wanted};

/// What of a document is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Input(Vec<Value>),
    Data(Vec<Value>),
    Argument(usize),
}

/// What it has to be.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// Anything. The variable stands for it.
    Var(Option<Var>),
    Scalar(Value),
    /// An array of these; anything where nothing is said.
    Array(Vec<Option<Value>>),
}

/// What the index knows of one clause, as its expressions are read in order.
#[derive(Debug, Default)]
pub(super) struct Indexed {
    /// By position; none where the argument is no variable, which is matched before the body is asked.
    arguments: Vec<Option<Var>>,
    entries: Vec<(Part, Known)>,
    constants: BTreeMap<Var, Value>,
    /// References by the variable that stands for each, and those that end in a variable.
    references: BTreeMap<Var, Part>,
    walks: BTreeMap<Var, Part>,
    /// How often each part was named, and where first.
    named: BTreeMap<Part, (usize, Place)>,
    /// Something is printed, so the clause is always asked.
    skipped: bool,
}

impl Indexed {
    pub(super) fn new(arguments: &Arguments) -> Self {
        let is_pattern = |var: &Var| arguments.patterns.iter().any(|(pattern, _)| pattern == var);
        let arguments = arguments.vars.iter().map(|var| Some(*var).filter(|var| !is_pattern(var))).collect();
        Self { arguments, ..Self::default() }
    }

    /// Reads the next expression of the body.
    pub(super) fn read(&mut self, atom: &Atom) {
        match &atom.kind {
            AtomKind::Reference { root, path, out } => self.reference(root, path, *out, atom.place),
            AtomKind::Unify(left, right) | AtomKind::Compare { how: Comparison::Equal, left, right, out: None } => {
                let known = self.walked(left, right, atom.place)
                    || self.walked(right, left, atom.place)
                    || self.equal(left, right, atom.place);
                if !known {
                    self.equal(right, left, atom.place);
                }
            }
            AtomKind::Call { callee: Callee::Builtin { name, .. }, args, out: None } => {
                match (&**name, args.as_slice()) {
                    ("internal.member_2", [member, collection]) => self.member(member, collection, atom.place),
                    ("internal.print", _) => self.skipped = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, root: &Root, path: &[Term], out: Var, place: Place) {
        let part: fn(Vec<Value>) -> Part = match root {
            Root::Input => Part::Input,
            Root::Data => Part::Data,
            Root::Term(_) | Root::Rule(_) | Root::Node(_) => return,
        };
        let constants = |path: &[Term]| path.iter().map(constant).collect::<Option<Vec<Value>>>();
        if let Some(path) = constants(path) {
            self.references.insert(out, part(path.clone()));
            self.insert(part(path), Known::Var(Some(out)), place);
        } else if let Some((_, front)) = path.split_last()
            && let Some(front) = constants(front)
        {
            self.walks.insert(out, part(front));
        }
    }

    /// `input.list[_] == "x"`
    fn walked(&mut self, left: &Term, right: &Term, place: Place) -> bool {
        let Term::Var(left) = left else { return false };
        let Some(part) = self.walks.get(left).cloned() else { return false };
        let known = match right {
            Term::Const(value) => Some(value),
            Term::Var(var) => self.constants.get(var),
            _ => None,
        };
        let Some(scalar) = known.filter(|value| is_scalar(value)).cloned() else { return false };
        self.insert(part, Known::Scalar(scalar), place);
        true
    }

    fn equal(&mut self, left: &Term, right: &Term, place: Place) -> bool {
        let Term::Var(left) = left else { return false };
        let reference = self.references.get(left).cloned();
        if let (None, Term::Const(value)) = (&reference, right) {
            self.constants.insert(*left, value.clone());
        }
        let known = match right {
            Term::Var(var) if reference.is_some() => {
                self.constants.get(var).map_or(Some(Known::Var(Some(*var))), known)
            }
            Term::Var(var) => Some(Known::Var(Some(*var))),
            Term::Const(value) => known(value),
            Term::Array(items) => items.iter().map(element).collect::<Option<Vec<_>>>().map(Known::Array),
            Term::Object(_) | Term::Set(_) => None,
        };
        let Some(known) = known else { return false };
        if reference.is_some() {
            // One expression with the reference, which until now stood for itself.
            let stood = |(_, known): &&mut (Part, Known)| *known == Known::Var(Some(*left));
            if let Some((_, before)) = self.entries.iter_mut().find(stood) {
                *before = known;
            }
            return true;
        }
        let Some(part) = self.resolved(*left) else { return false };
        self.insert(part, known, place);
        true
    }

    /// `x in xs`
    fn member(&mut self, member: &Term, collection: &Term, place: Place) {
        let value = |indexed: &Self, term: &Term| match term {
            Term::Const(value) => Some(value.clone()),
            Term::Var(var) => indexed.constants.get(var).cloned(),
            _ => None,
        };
        if let Term::Var(var) = member
            && let Some(part) = self.resolved(*var)
        {
            let members: Vec<Value> = match value(self, collection) {
                Some(Value::Array(items)) => items.to_vec(),
                Some(Value::Set(set)) => set.iter().cloned().collect(),
                Some(Value::Object(object)) => object.values().cloned().collect(),
                _ => Vec::new(),
            };
            for member in members {
                self.insert(part.clone(), known(&member).unwrap_or(Known::Var(None)), place);
            }
            return;
        }
        let Term::Var(collection) = collection else { return };
        let Some(part) = self.resolved(*collection) else { return };
        match (member, value(self, member)) {
            (_, Some(value)) if is_scalar(&value) => self.insert(part, Known::Scalar(value), place),
            (Term::Var(var), None) => self.insert(part, Known::Var(Some(*var)), place),
            _ => {}
        }
    }

    /// The part that a variable stands for.
    fn resolved(&self, var: Var) -> Option<Part> {
        let entry = self.entries.iter().find(|(_, known)| *known == Known::Var(Some(var)));
        let argument = || self.arguments.iter().position(|argument| *argument == Some(var)).map(Part::Argument);
        entry.map(|(part, _)| part.clone()).or_else(argument)
    }

    fn insert(&mut self, part: Part, known: Known, place: Place) {
        self.named.entry(part.clone()).or_insert((0, place)).0 += 1;
        let is_var = matches!(known, Known::Var(_));
        for (other, before) in &mut self.entries {
            if *other != part {
                continue;
            }
            if *before == known {
                return;
            }
            if !is_var && matches!(before, Known::Var(_)) {
                *before = known;
                return;
            }
        }
        self.entries.push((part, known));
    }
}

fn constant(term: &Term) -> Option<Value> {
    match term {
        Term::Const(value) if is_scalar(value) => Some(value.clone()),
        _ => None,
    }
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// What is known of a part that equals a constant.
fn known(value: &Value) -> Option<Known> {
    match value {
        Value::Array(items) => {
            items.iter().all(is_scalar).then(|| Known::Array(items.iter().cloned().map(Some).collect()))
        }
        Value::Object(_) | Value::Set(_) => None,
        scalar => Some(Known::Scalar(scalar.clone())),
    }
}

#[allow(clippy::option_option, reason = "an element that is not indexed, one that is anything, one that is known")]
fn element(term: &Term) -> Option<Option<Value>> {
    match term {
        Term::Var(_) => Some(None),
        term => constant(term).map(Some),
    }
}

/// Puts a rule's definitions into OPA's order and says when each of their clauses is found. `indexed` has an entry for each
/// clause of each definition.
pub(super) fn arrange(rule: &mut Rule, indexed: Vec<Vec<Indexed>>) {
    let parts = sorted_parts(&indexed);
    let mut arranged: Vec<(Vec<Rank>, Definition)> = Vec::with_capacity(rule.definitions.len());
    for (mut definition, of_clauses) in rule.definitions.drain(..).zip(indexed) {
        let mut first: Option<Vec<Rank>> = None;
        for (clause, indexed) in definition.clauses.iter_mut().zip(of_clauses) {
            let (path, conditions) = conditions(&parts, indexed);
            clause.found = conditions;
            // Where several clauses are found, the definition is asked when the first of them is.
            first.get_or_insert(path);
        }
        arranged.push((first.unwrap_or_default(), definition));
    }
    arranged.sort_by(|(a, _), (b, _)| a.cmp(b));
    rule.definitions = arranged.into_iter().map(|(_, definition)| definition).collect();
}

/// Where a clause stands in the index, at one part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unsaid,
    Anything,
    Array(Vec<bool>),
    Scalar,
}

/// The parts that any clause names: those that are named more often first, then those that are named earlier.
fn sorted_parts(indexed: &[Vec<Indexed>]) -> Vec<Part> {
    let mut named: BTreeMap<&Part, (usize, Place)> = BTreeMap::new();
    for (part, (count, place)) in indexed.iter().flatten().filter(|one| !one.skipped).flat_map(|one| &one.named) {
        named.entry(part).or_insert((0, *place)).0 += count;
    }
    let mut parts: Vec<(&Part, (usize, Place))> = named.into_iter().collect();
    // An argument has no place of its own, which counts as the last.
    parts.sort_by_key(|(part, (count, place))| {
        (std::cmp::Reverse(*count), matches!(part, Part::Argument(_)), place.source, place.span.start)
    });
    parts.into_iter().map(|(part, _)| part.clone()).collect()
}

fn conditions(parts: &[Part], indexed: Indexed) -> (Vec<Rank>, Vec<Condition>) {
    let (mut path, mut conditions) = (Vec::new(), Vec::new());
    if indexed.skipped || indexed.entries.is_empty() {
        return (path, conditions);
    }
    for part in parts {
        let known: Vec<&Known> =
            indexed.entries.iter().filter(|(other, _)| other == part).map(|(_, known)| known).collect();
        let (rank, wanted) = match known.as_slice() {
            [] => {
                path.push(Rank::Unsaid);
                continue;
            }
            [Known::Scalar(value)] => (Rank::Scalar, Wanted::OneOf(vec![value.clone()])),
            [Known::Array(items)] => {
                (Rank::Array(items.iter().map(Option::is_some).collect()), Wanted::Array(items.clone()))
            }
            known if known.iter().any(|known| matches!(known, Known::Var(_))) => (Rank::Anything, Wanted::Anything),
            known => {
                // OPA files the clause under each of the values, and looks at no other part.
                let scalars = known.iter().filter_map(|known| match known {
                    Known::Scalar(value) => Some(value.clone()),
                    _ => None,
                });
                path.push(Rank::Scalar);
                conditions.push(condition(part, Wanted::OneOf(scalars.collect())));
                return (path, conditions);
            }
        };
        path.push(rank);
        // An argument is always something.
        if !(matches!(part, Part::Argument(_)) && wanted == Wanted::Anything) {
            conditions.push(condition(part, wanted));
        }
    }
    (path, conditions)
}

fn condition(part: &Part, wanted: Wanted) -> Condition {
    let operands = |path: &[Value]| path.iter().cloned().map(Operand::Const).collect();
    let (base, path) = match part {
        Part::Input(path) => (Base::Input, operands(path)),
        Part::Data(path) => (Base::Data, operands(path)),
        Part::Argument(position) => (Base::Value(Operand::Slot(*position)), Vec::new()),
    };
    Condition { base, path, wanted }
}

/// Whether all clauses have one and the same constant for their value.
pub(super) fn is_constant(definitions: &[Definition]) -> bool {
    let mut values = definitions.iter().flat_map(|definition| &definition.clauses).map(|clause| match &clause.leaf {
        Leaf::Value(Operand::Const(value)) if clause.is_constant => Some(value),
        _ => None,
    });
    let Some(Some(first)) = values.next() else { return false };
    values.all(|value| value == Some(first))
}
