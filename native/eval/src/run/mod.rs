//! Running a program.
//!
//! A [`Machine`] holds what an evaluation needs and keeps its memory for the next one. A block runs its steps one after the
//! other in a loop; a step with several answers runs the rest of its block once for each and so goes one call deeper.
//! What stands behind a block (the rest of a rule, the gathering of a comprehension) is a sink that is called for each of
//! its answers and says whether another one is wanted.

mod budget;
mod call;
mod compare;
mod document;
mod index;
mod partial;
mod probe;
mod replace;
mod steps;
mod stored;
mod trace;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetgate_builtins::{Context, Stored};
use fleetgate_rego::Release;
use fleetgate_value::{Object, Value};

use crate::error::Error;
use crate::ir::{Operand, Place, Program, RuleId, Slot};
pub use budget::Budget;
use budget::Meter;
use index::Indexes;
use replace::Replaced;
use trace::Watcher;
pub use trace::{Part, ReadObject, Trace};

/// Whether more answers are wanted, or the error that ends the evaluation.
type Flow = Result<bool, Box<Error>>;

/// What is called with each answer of a block.
type Sink<'s, 'p> = &'s mut dyn FnMut(&mut Machine<'p>) -> Flow;

/// The documents that an evaluation reads.
#[derive(Debug, Clone)]
pub struct Documents {
    /// `input`, where there is one.
    pub input: Option<Value>,
    /// Base documents below `data`.
    pub data: Object,
    /// A part of `input` that comes out of the storage: Gatekeeper's parameters.
    pub stored: Option<Value>,
}

/// What lives longer than an evaluation: memory and the caches of built-ins. It belongs to one evaluation context.
#[derive(Debug, Default)]
pub struct Workspace {
    frame: Vec<Value>,
    cache: Vec<Cached>,
    indexes: Indexes,
    /// What built-ins know.
    pub builtins: Context,
}

/// What is known of a rule's document.
#[derive(Debug, Clone, Default)]
enum Cached {
    #[default]
    Unknown,
    Undefined,
    Defined(Value),
}

/// An evaluation in progress.
struct Machine<'p> {
    program: &'p Program,
    /// The frames of all rules that are being evaluated, one behind the other.
    frame: Vec<Value>,
    /// Where the innermost one starts.
    base: usize,
    world: World,
    builtins: Context,
    strict: bool,
    release: Release,
    meter: Meter,
    indexes: Indexes,
    /// The value that a rule or function had when its error was met. OPA goes on with a value before it asks whether there
    /// is another one, so that an error further on is met first.
    late: Option<Value>,
    /// Somebody takes note of what is looked at: the storage of `builtins`, or `watcher`.
    is_watched: bool,
    /// Takes note of how the answer comes about.
    watcher: Option<Box<Watcher>>,
}

/// What `with` replaces, and what was found out under it.
struct World {
    input: Option<Value>,
    data: Object,
    replaced: Option<Arc<Replaced>>,
    /// By rule.
    cache: Vec<Cached>,
    /// Values of functions, by their arguments.
    calls: BTreeMap<(RuleId, Vec<Value>), Value>,
}

/// How to evaluate.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What an evaluation may spend.
    pub budget: Budget,
    /// Errors of built-ins end the evaluation; otherwise their calls are undefined.
    pub strict: bool,
    /// The time, in nanoseconds since 1970.
    pub now_nanos: i64,
    /// Whose words errors have, and how YAML is read.
    pub release: Release,
}

impl Program {
    /// The rule of a document at a path below `data`.
    #[must_use]
    pub fn document(&self, path: &[&str]) -> Option<DocumentId> {
        let path: Vec<fleetgate_value::Str> = path.iter().map(|name| (*name).into()).collect();
        let node = self.nodes.get(self.node(&path)?)?;
        node.rule.map(DocumentId)
    }

    /// The value of a document; none where it is undefined.
    ///
    /// # Errors
    /// OPA's `eval_*` errors, and budgets that run out.
    pub fn evaluate(
        &self,
        document: DocumentId,
        documents: Documents,
        settings: Settings,
        workspace: &mut Workspace,
    ) -> Result<Option<Value>, Error> {
        self.with_machine(documents, settings, workspace, None, |machine| machine.rule_value(document.0))
    }

    /// As [`Program::evaluate`], and says how the value came about, as far as the evaluation came.
    pub fn trace(
        &self,
        document: DocumentId,
        documents: Documents,
        settings: Settings,
        workspace: &mut Workspace,
    ) -> (Result<Option<Value>, Error>, Trace) {
        let watcher = Box::new(Watcher::new(document.0, &documents.data));
        let mut trace = Trace::default();
        let result = self.with_machine(documents, settings, workspace, Some(watcher), |machine| {
            let value = machine.rule_value(document.0);
            trace = machine.watcher.take().map(|watcher| watcher.trace(self)).unwrap_or_default();
            value
        });
        (result, trace)
    }

    /// Runs a query and calls `each` with the values of its bindings, in order, for each answer.
    pub(crate) fn answers(
        &self,
        query: &crate::compile::CompiledQuery,
        documents: Documents,
        settings: Settings,
        workspace: &mut Workspace,
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<(), Error> {
        self.with_machine(documents, settings, workspace, None, |machine| {
            machine.in_frame(query.slots, |machine| {
                machine.block(&query.body, 0, &mut |machine| {
                    each(query.bindings.iter().map(|(_, operand)| machine.value(operand).clone()).collect());
                    Ok(true)
                })
            })
        })?;
        Ok(())
    }

    fn with_machine<'p, T>(
        &'p self,
        documents: Documents,
        settings: Settings,
        workspace: &mut Workspace,
        watcher: Option<Box<Watcher>>,
        run: impl FnOnce(&mut Machine<'p>) -> Result<T, Box<Error>>,
    ) -> Result<T, Error> {
        let Documents { input, data, stored } = documents;
        let mut cache = std::mem::take(&mut workspace.cache);
        cache.clear();
        cache.resize(self.rules.len(), Cached::Unknown);
        let mut builtins = std::mem::take(&mut workspace.builtins);
        builtins.start(settings.now_nanos);
        builtins.yaml_core_schema = settings.release == Release::Opa1_22;
        builtins.rounded_integers = settings.release == Release::Opa1_17;
        builtins.stored = (self.shows_stored && settings.release == Release::Opa1_17).then(|| {
            let mut objects = Box::<Stored>::default();
            if let Some(value) = &stored {
                // It became a part of `input`, for which all of it was looked at.
                objects.read(value);
                objects.turn(value);
            }
            objects
        });
        let mut machine = Machine {
            program: self,
            frame: std::mem::take(&mut workspace.frame),
            base: 0,
            world: World { input, data, replaced: None, cache, calls: BTreeMap::new() },
            builtins,
            strict: settings.strict,
            release: settings.release,
            meter: Meter::start(settings.budget),
            indexes: std::mem::take(&mut workspace.indexes),
            late: None,
            is_watched: watcher.is_some(),
            watcher,
        };
        machine.is_watched |= machine.builtins.stored.is_some();
        let result = run(&mut machine);
        // What a frame holds on to would keep the review alive.
        machine.frame.clear();
        workspace.frame = machine.frame;
        machine.world.cache.clear();
        workspace.cache = std::mem::take(&mut machine.world.cache);
        machine.builtins.stored = None;
        workspace.builtins = machine.builtins;
        // What it read is gone with it.
        drop(machine.world);
        machine.indexes.sweep();
        workspace.indexes = machine.indexes;
        result.map_err(|error| *error)
    }
}

/// A document of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentId(pub(crate) RuleId);

/// The values that are bound in the innermost frame.
#[derive(Clone, Copy)]
struct Known<'f> {
    frame: &'f [Value],
    /// Where it starts.
    base: usize,
}

impl<'f> Known<'f> {
    fn value<'a>(self, operand: &'a Operand) -> &'a Value
    where
        'f: 'a,
    {
        match operand {
            Operand::Const(value) => value,
            Operand::Slot(slot) => self.frame.get(self.base + slot).unwrap_or(&Value::Null),
        }
    }

    fn follow<'v>(self, mut value: &'v Value, path: &[Operand]) -> Option<&'v Value> {
        for step in path {
            value = value.step(self.value(step))?;
        }
        Some(value)
    }
}

impl<'p> Machine<'p> {
    fn value<'a>(&'a self, operand: &'a Operand) -> &'a Value {
        self.known().value(operand)
    }

    fn follow<'v>(&self, value: &'v Value, path: &[Operand]) -> Option<&'v Value> {
        self.known().follow(value, path)
    }

    fn known(&self) -> Known<'_> {
        Known { frame: &self.frame, base: self.base }
    }

    fn set(&mut self, slot: Slot, value: Value) {
        if let Some(at) = self.frame.get_mut(self.base + slot) {
            *at = value;
        }
    }

    /// Runs with a frame of its own.
    fn in_frame<T>(
        &mut self,
        slots: usize,
        run: impl FnOnce(&mut Self) -> Result<T, Box<Error>>,
    ) -> Result<T, Box<Error>> {
        let base = self.frame.len();
        self.meter.deeper()?;
        self.frame.resize(base + slots, Value::Null);
        let before = std::mem::replace(&mut self.base, base);
        let result = run(self);
        self.base = before;
        self.frame.truncate(base);
        result
    }

    fn error(&self, code: &'static str, message: impl Into<String>, place: Place) -> Box<Error> {
        Box::new(crate::compile::located(Error::new(code, message), place, self.program))
    }
}
