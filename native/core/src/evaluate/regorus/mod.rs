//! The second engine: regorus runs a template's program beside ours, so that two implementations watch each other.
//!
//! Nothing here decides. A [`SecondProgram`] is made of the same modules as the program that decides, as canonical text
//! that both read alike, with our built-ins in place of regorus's ([`builtins`]). What cannot be said in that text, what
//! regorus refuses and what [`exclusions`] names is not cross-checked.

mod builtins;
mod convert;
mod driver;
mod exclusions;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fleetgate_rego::gatekeeper::load_template;
use fleetgate_rego::{BuiltinUse, emit, normalise, rename_builtins};
use fleetgate_value::Value;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, PolicyLengthConfig, Value as Foreign};

pub use driver::CrossCheckedDriver;

use super::{Evaluation, EvaluationError, ExhaustedBudget, Violation, rego, results};
use crate::compatibility::LibRewrite;
use crate::template::Template;
use convert::{from_regorus, to_regorus};

/// Where the rule stands once the entry module's package is replaced.
const ENTRY_POINT: &str = "data.template.violation";

/// Work units between looks at the clock: a few microseconds of evaluation.
const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// Canonical text has generated lists in one line; the bundle's own size limit comes first.
const LENGTHS: PolicyLengthConfig = PolicyLengthConfig {
    max_col: NonZeroU32::new(1 << 20).unwrap(),
    max_file_bytes: NonZeroUsize::new(8 << 20).unwrap(),
    max_lines: NonZeroUsize::new(200_000).unwrap(),
};

/// A template's program for regorus, immutable and shared.
#[derive(Debug)]
pub struct SecondProgram {
    /// Canonical texts: the entry module, then the libraries.
    modules: Vec<String>,
    /// The built-ins of ours that they call.
    builtins: BTreeSet<String>,
    referential: bool,
}

impl SecondProgram {
    /// Compiles a template that the first engine accepted.
    ///
    /// # Errors
    /// Why the template is not cross-checked.
    pub fn compile(template: &Template, referential: bool, lib_rewrite: LibRewrite) -> Result<Self, String> {
        if template.fleet.is_some() {
            return Err("it reads data.fleet".to_owned());
        }
        let source = rego::source(template);
        let loaded = load_template(&source, true, lib_rewrite).map_err(|error| error.to_string())?;
        let (mut names, mut excluded) = (BTreeSet::new(), None);
        let mut modules = Vec::new();
        for module in std::iter::once(loaded.entry).chain(loaded.libs) {
            let module = rename_builtins(normalise(module), &mut |name, used| {
                if used == BuiltinUse::Replaced {
                    excluded.get_or_insert_with(|| exclusions::REPLACED_BUILTIN.to_owned());
                    return None;
                }
                if exclusions::is_evaluation(name) {
                    return None;
                }
                if let Some(reason) = exclusions::of_call(name) {
                    excluded.get_or_insert_with(|| format!("{name}: {reason}"));
                }
                names.insert(name.to_owned());
                Some(builtins::name(name))
            });
            excluded = excluded.or_else(|| exclusions::of_module(&module).map(ToOwned::to_owned));
            modules.push(emit(&module).map_err(|error| error.to_string())?.text);
        }
        if let Some(reason) = excluded {
            return Err(reason);
        }
        let program = Self { modules, builtins: names, referential };
        // Whatever regorus has against it shows when it prepares the first evaluation.
        let mut engine = caught(|| program.engine(&builtins::Shared::default()))?;
        caught(|| {
            engine.set_input(Foreign::new_object());
            engine.compile_with_entrypoint(&ENTRY_POINT.into()).map(drop).map_err(|error| error.to_string())
        })?;
        Ok(program)
    }

    /// Makes it ready to run in one evaluation context.
    pub fn instance(self: &Arc<Self>) -> SecondInstance {
        SecondInstance { program: self.clone(), ready: None, broken: false }
    }

    fn engine(&self, shared: &builtins::Shared) -> Result<Engine, String> {
        let mut engine = Engine::new();
        engine.set_policy_length_config(LENGTHS);
        engine.set_rego_v0(false);
        engine.set_strict_builtin_errors(false);
        // Gathered output is dropped; otherwise it would go to standard error.
        engine.set_gather_prints(true);
        builtins::add(&mut engine, self.builtins.iter().map(String::as_str), shared)?;
        for (index, module) in self.modules.iter().enumerate() {
            engine.add_policy(format!("module{index}"), module.clone()).map_err(|error| error.to_string())?;
        }
        Ok(engine)
    }
}

/// A panic of regorus is a finding about regorus, and must not reach the review.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("regorus panicked".to_owned()))
}

/// A program that is ready to run, private to one evaluation context.
pub struct SecondInstance {
    program: Arc<SecondProgram>,
    /// Made at the first evaluation: most contexts of a small share never see one.
    ready: Option<Ready>,
    /// It panicked once; what it left behind is not to be trusted.
    broken: bool,
}

struct Ready {
    engine: Engine,
    shared: builtins::Shared,
    /// The data document that the engine holds, to tell whether it is still the pinned one.
    data: Option<Value>,
}

impl std::fmt::Debug for SecondInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondInstance").field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl SecondInstance {
    /// What regorus answers; none where nothing follows from it: a budget ran out, or a value has no form in regorus.
    pub fn evaluate(&mut self, evaluation: &Evaluation<'_>) -> Option<Result<Vec<Violation>, EvaluationError>> {
        if self.broken {
            return None;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.answer(evaluation)));
        outcome.unwrap_or_else(|_| {
            (self.broken, self.ready) = (true, None);
            None
        })
    }

    fn answer(&mut self, evaluation: &Evaluation<'_>) -> Option<Result<Vec<Violation>, EvaluationError>> {
        if self.ready.is_none() {
            let shared = builtins::Shared::default();
            let engine = self.program.engine(&shared).ok()?;
            self.ready = Some(Ready { engine, shared, data: None });
        }
        let ready = self.ready.as_mut()?;
        if self.program.referential {
            ready.set_data(evaluation.data)?;
        }
        let outcome = ready.run(evaluation)?;
        match outcome {
            Ok(Foreign::Undefined) => Some(Ok(Vec::new())),
            Ok(document) => Some(results::violations(&from_regorus(&document)?, evaluation.nonstring_msg)),
            Err(EvaluationError::Budget(_)) => None,
            Err(EvaluationError::Program(text)) if exclusions::of_error(&text).is_some() => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl Ready {
    /// Converting an inventory is the dear part of a referential template's cross-check, so it is done once.
    fn set_data(&mut self, data: &Value) -> Option<()> {
        if self.data.as_ref().is_some_and(|held| held.is_same(data)) {
            return Some(());
        }
        self.data = None;
        self.engine.clear_data();
        self.engine.add_data(to_regorus(data)?).ok()?;
        self.data = Some(data.clone());
        Some(())
    }

    fn run(&mut self, evaluation: &Evaluation<'_>) -> Option<Result<Foreign, EvaluationError>> {
        let input = to_regorus(&rego::input(evaluation))?;
        let time = ExecutionTimerConfig { limit: evaluation.budget.time_left(), check_interval: CLOCK_INTERVAL };
        self.engine.set_execution_timer_config(time);
        builtins::start(&self.shared);
        self.engine.set_input(input);
        let result = self.engine.eval_rule(ENTRY_POINT.to_owned());
        self.engine.set_input(Foreign::Null);
        // Gathered output would grow for as long as the engine lives.
        let _ = self.engine.take_prints();
        if !builtins::comparable(&self.shared) {
            return None;
        }
        Some(result.map_err(|error| match error.downcast_ref::<LimitError>() {
            Some(LimitError::TimeLimitExceeded { limit, .. }) => EvaluationError::Budget(ExhaustedBudget::Time(*limit)),
            Some(_) => EvaluationError::Budget(ExhaustedBudget::Memory),
            None => EvaluationError::Program(error.to_string()),
        }))
    }
}
