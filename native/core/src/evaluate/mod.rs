//! Running a ConstraintTemplate's program.
//!
//! A [`Driver`] compiles a template for its engine once, when a bundle is loaded. The [`Program`] that results is shared
//! by a generation; it makes an [`Instance`] for each evaluation context, because engines share state over reference
//! counts and threads that contend for them lose more than half of their speed. An instance evaluates one Constraint's
//! parameters against one review and answers with a set of violations.
//!
//! Errors are of three kinds ([`EvaluationError`]) because Gatekeeper treats them differently: a failing program is
//! reported as a violation of every matching Constraint of its kind, a `msg` that is no string fails the review, and a
//! budget (ours alone) makes that one Constraint unanswered.

mod context;
mod pool;
pub mod rego;
pub mod regorus;
mod results;
mod trace;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgate_eval::{InventoryReads, Locality};
use fleetgate_value::Value;

use crate::compatibility::NonstringMsg;
use crate::diagnostic::Diagnostic;
use crate::inventory::ViewTooLarge;
use crate::template::Template;

use self::regorus::SecondProgram;
pub use context::{Context, Entered, Within};
pub use pool::{Busy, Lease, Pool};
pub use results::Violation;
pub use trace::{Produced, Trace};

/// Compiles the code of templates for one engine.
pub trait Driver: Send + Sync {
    /// Compiles a template. Compiling is pure: the same template gives an equal program.
    ///
    /// # Errors
    /// Every defect of the template's code, located in the policy file.
    fn compile(&self, template: &Template) -> Result<Arc<dyn Program>, Vec<Diagnostic>>;
}

/// A compiled template, immutable and shared.
pub trait Program: Send + Sync {
    /// The engine that runs it.
    fn engine(&self) -> &'static str;
    /// Whether it reads `data.inventory` or `data.fleet`.
    fn referential(&self) -> bool;
    /// Whether its answer depends on more than what it is evaluated on: the clock, or others that it asks.
    fn volatile(&self) -> bool {
        false
    }
    /// Whether it can look at a part of `input.review`, at what is below it, or at all that is around it.
    fn looks_at(&self, part: &[&str]) -> bool {
        let _ = part;
        true
    }
    /// How its answer follows from single objects of the inventory.
    fn locality(&self) -> Locality {
        Locality::None
    }
    /// What it can read of the inventory.
    fn reads(&self) -> &Arc<InventoryReads>;
    /// Makes it ready to run in one evaluation context.
    fn instance(&self) -> Box<dyn Instance>;
    /// The same program for the engine that cross-checks; none where it is not cross-checked.
    fn second(&self) -> Option<&Arc<SecondProgram>> {
        None
    }
}

/// A program that is ready to run, private to one evaluation context.
pub trait Instance: Send {
    /// Evaluates the program for one Constraint.
    ///
    /// # Errors
    /// See [`EvaluationError`].
    fn evaluate(&mut self, evaluation: &Evaluation<'_>) -> Result<Vec<Violation>, EvaluationError>;

    /// As [`Instance::evaluate`], and says how the violations came about. It takes longer.
    ///
    /// # Errors
    /// As [`Instance::evaluate`]; the trace then goes as far as the evaluation came.
    fn trace(&mut self, evaluation: &Evaluation<'_>) -> (Result<Vec<Violation>, EvaluationError>, Trace);
}

/// What a program is evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// `input.review`.
    pub review: &'a Value,
    /// `input.parameters`.
    pub parameters: &'a Value,
    /// `input.cluster` of a fleet template: name and labels of the review's cluster. None for any other.
    pub cluster: Option<&'a Value>,
    /// `data`: `{"inventory": …}` with what the program can read at least; for a fleet template `fleet` beside it.
    pub data: &'a Value,
    /// What it may spend.
    pub budget: Budget,
    /// What a `msg` that is no string does.
    pub nonstring_msg: NonstringMsg,
}

/// What one evaluation may spend.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Steps of the program.
    pub instructions: usize,
    /// Wall time.
    pub time: Duration,
    /// The review's own end, which cuts `time` short.
    pub deadline: Instant,
}

impl Budget {
    /// The time that is left for an evaluation that starts now.
    pub fn time_left(&self) -> Duration {
        self.time.min(self.deadline.saturating_duration_since(Instant::now()))
    }
}

/// Why an evaluation gave no violations to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvaluationError {
    /// The program failed at run time, as OPA's `eval_*` errors.
    Program(String),
    /// A violation's `msg` is not a string, and [`NonstringMsg::FailReview`] holds.
    Message(String),
    /// A budget ran out.
    Budget(ExhaustedBudget),
}

/// The budget that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExhaustedBudget {
    /// [`Budget::instructions`], and how many they were.
    Instructions(usize),
    /// [`Budget::time`], or what the review's deadline left of it.
    Time(Duration),
    /// The size of what a built-in may make.
    Memory,
    /// The size of what the program reads of the inventory, in bytes, and what it may be.
    Inventory(ViewTooLarge),
}
