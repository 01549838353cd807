//! The driver for Rego: regorus, its bytecode VM first, its interpreter where the VM cannot run a program.
//!
//! Before regorus sees a template, [`check`] refuses what Gatekeeper refuses and finds what the VM would answer
//! differently. The entry module's package is then replaced by `template`, as Gatekeeper does, so that no name an author
//! chose can collide with `data.inventory` or a library.

mod check;
mod diagnose;
mod interpreter;
#[cfg(test)]
mod tests;
mod vm;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use regorus::languages::rego::compiler::{Compiler, CompilerError, SpannedCompilerError};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig, Value};

use super::{Driver, Evaluation, EvaluationError, Program};
use crate::diagnostic::Diagnostic;
use crate::json;
use crate::template::{RegoVersion, Template};
use check::Checked;

/// Where the rule stands once the entry module's package is replaced.
const ENTRY_POINT: &str = "data.template.violation";

/// Work units between looks at the clock: a few microseconds of evaluation.
const CLOCK_INTERVAL: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// Templates hold generated lists in one line; the bundle's own size limit comes first.
const LENGTHS: PolicyLengthConfig = PolicyLengthConfig {
    max_col: NonZeroU32::new(1 << 20).unwrap(),
    max_file_bytes: NonZeroUsize::new(4 << 20).unwrap(),
    max_lines: NonZeroUsize::new(100_000).unwrap(),
};

/// Compiles Rego for regorus.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegorusDriver;

impl Driver for RegorusDriver {
    fn compile(&self, template: &Template) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
        let checked = check::check(template)?;
        let mut engine = engine(template, &checked).map_err(|error| vec![error])?;
        let policy = engine
            .compile_with_entrypoint(&ENTRY_POINT.into())
            .map_err(|error| vec![diagnose::anyhow(template, &checked, &error)])?;
        if checked.vm_fits {
            match Compiler::compile_from_policy(&policy, &[ENTRY_POINT]) {
                Ok(program) => return Ok(Arc::new(vm::VmProgram::new(program, checked.referential))),
                Err(error) if is_defect(&error) => return Err(vec![diagnose::compiler(template, &checked, &error)]),
                Err(_) => {}
            }
        }
        Ok(Arc::new(interpreter::InterpretedProgram::new(engine, checked.referential)))
    }
}

/// Whether a compiler error is the author's rather than a gap of the VM that the interpreter does not have.
fn is_defect(error: &SpannedCompilerError) -> bool {
    match &error.error {
        CompilerError::UnknownFunction { .. }
        | CompilerError::UnknownBuiltinFunction { .. }
        | CompilerError::NotBuiltinFunction { .. } => true,
        CompilerError::General { message } => message.to_lowercase().contains("recursi"),
        _ => false,
    }
}

fn engine(template: &Template, checked: &Checked) -> Result<Engine, Diagnostic> {
    let mut engine = Engine::new();
    engine.set_policy_length_config(LENGTHS);
    engine.set_rego_v0(template.version == RegoVersion::V0);
    engine.set_strict_builtin_errors(false);
    // `print` is erased in Gatekeeper; here its output is gathered and dropped.
    engine.set_gather_prints(true);
    for module in &checked.modules {
        engine
            .add_policy(module.name.clone(), module.text.clone())
            .map_err(|error| diagnose::anyhow(template, checked, &error))?;
    }
    Ok(engine)
}

/// `input` of a program.
fn input(evaluation: &Evaluation<'_>) -> Value {
    json::object(vec![
        (key::parameters().clone(), evaluation.parameters.clone()),
        (key::review().clone(), evaluation.review.clone()),
    ])
}

mod key {
    use regorus::Value;
    use std::sync::LazyLock;

    pub(super) fn parameters() -> &'static Value {
        static KEY: LazyLock<Value> = LazyLock::new(|| Value::from("parameters"));
        &KEY
    }

    pub(super) fn review() -> &'static Value {
        static KEY: LazyLock<Value> = LazyLock::new(|| Value::from("review"));
        &KEY
    }
}

const fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: CLOCK_INTERVAL }
}

/// Evaluation that regorus answered with an error that is no budget.
fn program_error(text: &str) -> EvaluationError {
    EvaluationError::Program(text.to_owned())
}
