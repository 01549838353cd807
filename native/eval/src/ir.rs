//! The intermediate form that a program runs in.
//!
//! A rule's body is a [`Block`] of steps. A step either holds or does not; where it does not, the nearest step before it
//! that has another answer ([`Op::Scan`], [`Op::Walk`], an expression under `with`) gives that one. Which variables are
//! bound at which step is settled when a program is compiled, so a variable is a slot of the rule's frame that is written
//! before it is read, and nothing is ever unified while a program runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetgate_builtins::Function;
use fleetgate_rego::Span;
use fleetgate_value::{Object, Str, Value};

use crate::error::Error;

/// Index of a [`Rule`] in its program.
pub(crate) type RuleId = usize;

/// Index of a [`Node`] in its program.
pub(crate) type NodeId = usize;

/// Position of a value in a rule's frame.
pub(crate) type Slot = usize;

/// A compiled program: the rules of all its modules.
#[derive(Debug, Clone, Default)]
pub struct Program {
    pub(crate) rules: Vec<Rule>,
    /// The tree of paths below `data` at which rules are; the first node is `data` itself.
    pub(crate) nodes: Vec<Node>,
    /// The modules' names and texts, by their number.
    pub(crate) sources: Vec<Source>,
    /// Whether a base document below `data` is read.
    pub(crate) reads_data: bool,
    /// Whether a built-in is called that prints stored numbers otherwise than others.
    pub(crate) shows_stored: bool,
    /// Whether `time.now_ns` or another built-in whose answer is not fixed by its operands is called.
    pub(crate) volatile: bool,
}

/// Where a module comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) lines: fleetgate_rego::LineIndex,
    pub(crate) text: Arc<str>,
}

/// A place in one of a program's modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) span: Span,
}

/// A step of the tree of rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) children: BTreeMap<Str, NodeId>,
    /// The document that is defined here.
    pub(crate) rule: Option<RuleId>,
    /// The function that is defined here.
    pub(crate) function: Option<RuleId>,
}

/// All definitions of one document or function.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The path below `data`.
    pub(crate) path: Vec<Str>,
    pub(crate) kind: RuleKind,
    /// In the order in which they are asked.
    pub(crate) definitions: Vec<Definition>,
    /// What it is where no definition holds.
    pub(crate) default: Option<Definition>,
    /// Values in its frame.
    pub(crate) slots: usize,
    /// All clauses have one and the same constant for their value: the first that holds is enough.
    pub(crate) is_constant: bool,
    /// Something in it can fail, so that only those clauses may be asked that OPA's index finds.
    pub(crate) is_looked_up: bool,
}

impl Rule {
    /// The clauses of all definitions, without the default.
    pub(crate) fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.definitions.iter().flat_map(|definition| &definition.clauses)
    }

    pub(crate) fn clauses_mut(&mut self) -> impl Iterator<Item = &mut Clause> {
        self.definitions.iter_mut().flat_map(|definition| &mut definition.clauses)
    }
}

/// What definitions of a rule make together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleKind {
    /// One value.
    Complete,
    /// One value for each tuple of arguments, of which there are so many.
    Function(usize),
    /// A set or an object, possibly of sets and objects, of what each definition adds.
    Partial,
}

/// One definition: what is tried in turn until a body holds.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) place: Place,
    /// The rule itself, then each `else`.
    pub(crate) clauses: Vec<Clause>,
}

/// A body and what it defines.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    /// Its text: of a rule from the head on, of a chained body or an `else` from there on.
    pub(crate) place: Place,
    pub(crate) body: Block,
    /// Below the rule's own path.
    pub(crate) suffix: Vec<Operand>,
    pub(crate) leaf: Leaf,
    /// A constant is written as its value.
    pub(crate) is_constant: bool,
    /// What must hold for OPA to find it; nothing is said where that makes no difference.
    pub(crate) found: Vec<Condition>,
}

impl Clause {
    /// Whether it adds a member to a set at the rule's own path.
    pub(crate) fn is_member(&self) -> bool {
        self.suffix.is_empty() && matches!(self.leaf, Leaf::Member(_))
    }
}

/// What a part of a document has to be.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) base: Base,
    pub(crate) path: Vec<Operand>,
    pub(crate) wanted: Wanted,
}

/// What is wanted of a value that is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    Anything,
    /// One of these scalars, or a collection that has one of them among its values.
    OneOf(Vec<Value>),
    /// An array of so many items; anything where nothing is said.
    Array(Vec<Option<Value>>),
}

impl Wanted {
    pub(crate) fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Anything, _) => true,
            (Self::OneOf(scalars), Value::Array(items)) => items.iter().any(|item| scalars.contains(item)),
            (Self::OneOf(scalars), Value::Set(set)) => scalars.iter().any(|scalar| set.contains(scalar)),
            (Self::OneOf(scalars), Value::Object(object)) => object.values().any(|item| scalars.contains(item)),
            (Self::OneOf(scalars), scalar) => scalars.contains(scalar),
            (Self::Array(wanted), Value::Array(items)) => {
                let fits =
                    |(wanted, item): (&Option<Value>, &Value)| wanted.as_ref().is_none_or(|wanted| wanted == item);
                wanted.len() == items.len() && wanted.iter().zip(items.iter()).all(fits)
            }
            (Self::Array(_), _) => false,
        }
    }
}

/// What a clause defines at its path.
#[derive(Debug, Clone)]
pub(crate) enum Leaf {
    /// The value there.
    Value(Operand),
    /// A member of the set there.
    Member(Operand),
}

/// Steps that must all hold.
pub(crate) type Block = Vec<Step>;

/// One step and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) place: Place,
    pub(crate) op: Op,
}

/// A value that is known when its step runs.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Const(Value),
    Slot(Slot),
}

/// What a path starts from.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    Value(Operand),
    Input,
    /// Base documents only: no rule is at or below the path.
    Data,
    Rule(RuleId),
    /// Rules and base documents together.
    Node(NodeId),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same with the sides in turn.
    pub(crate) const fn turned(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// What is called.
#[derive(Debug, Clone)]
pub(crate) enum Callee {
    Builtin { name: Str, function: Function },
    Rule(RuleId),
}

/// The kinds of comprehension.
#[derive(Debug, Clone)]
pub(crate) enum Gather {
    Array(Operand),
    Set(Operand),
    Object(Operand, Operand),
}

/// What a step does. Each holds where nothing else is said.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Holds where the path leads to a value.
    Get {
        base: Base,
        path: Vec<Operand>,
        out: Slot,
    },
    /// Holds for each entry of the collection at a path: key or index (of a set the member itself) and value.
    Scan {
        base: Base,
        path: Vec<Operand>,
        key: Slot,
        value: Slot,
        /// Where it does not hold for a value, no answer is behind the entry.
        probe: Option<Probe>,
    },
    /// Holds where the call has a value; where that is not needed, it must not be false.
    Call {
        callee: Callee,
        args: Vec<Operand>,
        out: Option<Slot>,
    },
    /// Holds for each value inside a value, itself included, with the path to it.
    Walk {
        value: Operand,
        out: Slot,
    },
    /// Holds where two values compare so.
    Compare {
        how: Comparison,
        left: Operand,
        right: Operand,
        out: Option<Slot>,
    },
    /// Holds where the value is not false.
    Test(Operand),
    /// Holds where the value is an array of so many items.
    IsArray(Operand, usize),
    /// Holds where the value is an object of so many entries.
    IsObject(Operand, usize),
    MakeArray {
        items: Vec<Operand>,
        out: Slot,
    },
    MakeSet {
        members: Vec<Operand>,
        out: Slot,
    },
    MakeObject {
        pairs: Vec<(Operand, Operand)>,
        out: Slot,
    },
    Comprehension {
        gather: Gather,
        body: Block,
        out: Slot,
    },
    /// Holds where the block has no answer.
    Not(Block),
    /// Holds where one of the blocks has an answer.
    Any(Vec<Block>),
    /// Holds where the block has an answer for each entry of the domain.
    Every {
        domain: Operand,
        key: Slot,
        value: Slot,
        body: Block,
    },
    /// Holds for each answer of the block under replaced documents and functions.
    With {
        targets: Vec<With>,
        body: Block,
    },
    /// Never holds.
    Fail,
}

/// Steps that must hold one after the other, from a value on. They bind nothing and cannot fail.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// No other probe of the process has it.
    pub(crate) id: u64,
    pub(crate) steps: Vec<ProbeStep>,
    /// As [`ProbeStep::Any::indexed`], of the collection whose entries are probed.
    pub(crate) indexed: Option<usize>,
}

/// A step of a [`Probe`]: on to another value, or a condition.
#[derive(Debug, Clone)]
pub(crate) enum ProbeStep {
    /// To what a path leads to.
    Follow(Vec<Operand>),
    /// To an entry of the collection; one is enough.
    Any {
        /// What is behind it depends on the collection alone but for a last comparison, of equality: it may be remembered of
        /// objects with so many entries.
        indexed: Option<usize>,
    },
    /// The value compares so with another.
    Compare(Comparison, Operand),
}

/// A replacement under `with`.
#[derive(Debug, Clone)]
pub(crate) struct With {
    pub(crate) target: Target,
    pub(crate) value: Replacement,
}

/// What is replaced.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// `input` or what is below it.
    Input(Vec<Str>),
    /// A document below `data`.
    Data(Vec<Str>),
    /// A function or a built-in.
    Builtin(Str),
    Function(RuleId),
}

/// By what it is replaced.
#[derive(Debug, Clone)]
pub(crate) enum Replacement {
    Value(Operand),
    /// Another function, called with the same arguments.
    Callee(Callee),
}

impl Program {
    /// The line and column of a place, from 1.
    pub(crate) fn position(&self, place: Place) -> Option<(Arc<str>, fleetgate_rego::Position)> {
        let source = self.sources.get(place.source)?;
        Some((source.name.clone(), source.lines.position(&source.text, place.span.start)))
    }

    /// The node at a path of names.
    pub(crate) fn node(&self, path: &[Str]) -> Option<NodeId> {
        path.iter().try_fold(0, |node, name| self.nodes.get(node)?.children.get(name).copied())
    }

    /// Whether it reads base documents below `data`.
    #[must_use]
    pub const fn reads_data(&self) -> bool {
        self.reads_data
    }

    /// Whether its answer depends on more than its documents, such as the time.
    #[must_use]
    pub const fn is_volatile(&self) -> bool {
        self.volatile
    }
}

impl Program {
    /// `rego_compile_error` for each rule at a path that base documents fill, as OPA's commands and servers have it.
    pub(crate) fn conflicts_with(&self, data: &Object) -> Vec<Error> {
        let conflict = |rule: &Rule| {
            let (first, rest) = rule.path.split_first()?;
            let mut at = data.get_str(first)?;
            for name in rest {
                match at {
                    Value::Object(object) => at = object.get_str(name)?,
                    _ => break,
                }
            }
            let message = format!("conflicting rule for data path {} found", rule.path.join("/"));
            let place = rule.definitions.iter().chain(&rule.default).next()?.place;
            Some(crate::compile::located(Error::new("rego_compile_error", message), place, self))
        };
        self.rules.iter().filter_map(conflict).collect()
    }
}

impl Program {
    /// A copy that shares no memory with this one, for an evaluation context of its own: threads that count references to
    /// the same constants slow each other down.
    #[must_use]
    pub fn detached(&self) -> Self {
        let mut copy = self.clone();
        for rule in &mut copy.rules {
            for definition in rule.definitions.iter_mut().chain(&mut rule.default) {
                for clause in &mut definition.clauses {
                    detach_block(&mut clause.body);
                    clause.suffix.iter_mut().for_each(detach);
                    clause.found.iter_mut().for_each(detach_condition);
                    let (Leaf::Value(operand) | Leaf::Member(operand)) = &mut clause.leaf;
                    detach(operand);
                }
            }
        }
        copy
    }
}

fn detach(operand: &mut Operand) {
    if let Operand::Const(value) = operand {
        *value = value.detached();
    }
}

fn detach_condition(condition: &mut Condition) {
    condition.path.iter_mut().for_each(detach);
    match &mut condition.wanted {
        Wanted::Anything => {}
        Wanted::OneOf(values) => values.iter_mut().for_each(|value| *value = value.detached()),
        Wanted::Array(items) => items.iter_mut().flatten().for_each(|value| *value = value.detached()),
    }
}

fn detach_block(block: &mut Block) {
    for step in block {
        match &mut step.op {
            Op::Get { base, path, .. } | Op::Scan { base, path, .. } => {
                if let Base::Value(operand) = base {
                    detach(operand);
                }
                path.iter_mut().for_each(detach);
            }
            Op::Call { args, .. } => args.iter_mut().for_each(detach),
            Op::Compare { left, right, .. } => [left, right].into_iter().for_each(detach),
            Op::Walk { value: operand, .. }
            | Op::Test(operand)
            | Op::IsArray(operand, _)
            | Op::IsObject(operand, _) => {
                detach(operand);
            }
            Op::MakeArray { items, .. } | Op::MakeSet { members: items, .. } => items.iter_mut().for_each(detach),
            Op::MakeObject { pairs, .. } => pairs.iter_mut().for_each(|(key, value)| {
                detach(key);
                detach(value);
            }),
            Op::Comprehension { gather, body, .. } => {
                match gather {
                    Gather::Array(operand) | Gather::Set(operand) => detach(operand),
                    Gather::Object(key, value) => [key, value].into_iter().for_each(detach),
                }
                detach_block(body);
            }
            Op::Not(body) => detach_block(body),
            Op::Any(bodies) => bodies.iter_mut().for_each(detach_block),
            Op::Every { domain, body, .. } => {
                detach(domain);
                detach_block(body);
            }
            Op::With { targets, body } => {
                for with in targets {
                    if let Replacement::Value(operand) = &mut with.value {
                        detach(operand);
                    }
                }
                detach_block(body);
            }
            Op::Fail => {}
        }
    }
}
