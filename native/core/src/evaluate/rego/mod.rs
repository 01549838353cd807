//! The driver for Rego: our front end and evaluator.
//!
//! [`front_end`] puts a template's modules together and refuses what Gatekeeper refuses; the evaluator compiles them once
//! into a program that every evaluation context runs with memory of its own.

mod front_end;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use fleetgate_eval::{
    Budget, DocumentId, Documents, Error, Exhausted, InventoryReads, Locality, Options, Settings, Workspace, compile,
};
use fleetgate_rego::Release;
use fleetgate_value::Value;

pub(super) use front_end::source;
pub(crate) use front_end::source_named;

use super::{
    Driver, Evaluation, EvaluationError, ExhaustedBudget, Instance, Produced, Program, Trace, Violation, results,
};
use crate::compatibility::LibRewrite;
use crate::diagnostic::Diagnostic;
use crate::template::Template;

/// Where the rule stands once the entry module's package is replaced.
const ENTRY_POINT: &[&str] = &["template", "violation"];

/// Entries of collections that one evaluation may build: beyond what any policy needs, below what fills the memory of a
/// small machine.
const MAX_ENTRIES: u64 = 5_000_000;

/// Parts of reviews of which it is remembered whether a program can look at them.
const MAX_LOOKS: usize = 1024;

/// Compiles Rego.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegoDriver {
    /// Which references to libraries a template's Rego may use.
    pub lib_rewrite: LibRewrite,
}

impl Driver for RegoDriver {
    fn compile(&self, template: &Template) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
        let units = front_end::read(template, self.lib_rewrite)?;
        let program = compile(&units, Options::default()).map_err(|errors| {
            errors.iter().map(|error| front_end::diagnostic_of(template, error)).collect::<Vec<_>>()
        })?;
        let entry = program.document(ENTRY_POINT).ok_or_else(|| front_end::no_entry(template))?;
        let reads = Arc::new(program.inventory_reads());
        Ok(Arc::new(RegoProgram { program: Arc::new(program), entry, reads, looks: Mutex::default() }))
    }
}

struct RegoProgram {
    program: Arc<fleetgate_eval::Program>,
    entry: DocumentId,
    reads: Arc<InventoryReads>,
    /// Parts of reviews, and whether it can look at them.
    looks: Mutex<HashMap<String, bool>>,
}

impl Program for RegoProgram {
    fn engine(&self) -> &'static str {
        "rego"
    }

    fn referential(&self) -> bool {
        self.program.reads_data()
    }

    fn volatile(&self) -> bool {
        self.program.is_volatile()
    }

    fn looks_at(&self, part: &[&str]) -> bool {
        let may_read = || {
            let part: Vec<&str> = std::iter::once("review").chain(part.iter().copied()).collect();
            self.program.may_read_input(&part)
        };
        // Names of fields are somebody's choice, and no two parts are one here.
        if part.iter().any(|step| step.contains('\0')) {
            return may_read();
        }
        let name = part.join("\0");
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = looks.get(&name) {
            return *known;
        }
        if looks.len() >= MAX_LOOKS {
            looks.clear();
        }
        *looks.entry(name).or_insert_with(may_read)
    }

    fn locality(&self) -> Locality {
        self.program.locality(self.entry)
    }

    fn reads(&self) -> &Arc<InventoryReads> {
        &self.reads
    }

    fn instance(&self) -> Box<dyn Instance> {
        let program = self.program.detached();
        Box::new(RegoInstance { program, entry: self.entry, workspace: Workspace::default() })
    }
}

struct RegoInstance {
    program: fleetgate_eval::Program,
    entry: DocumentId,
    workspace: Workspace,
}

impl Instance for RegoInstance {
    fn evaluate(&mut self, evaluation: &Evaluation<'_>) -> Result<Vec<Violation>, EvaluationError> {
        let (documents, settings) = asked(evaluation);
        let result = self.program.evaluate(self.entry, documents, settings, &mut self.workspace);
        violations(result, evaluation)
    }

    fn trace(&mut self, evaluation: &Evaluation<'_>) -> (Result<Vec<Violation>, EvaluationError>, Trace) {
        let (documents, settings) = asked(evaluation);
        let (result, trace) = self.program.trace(self.entry, documents, settings, &mut self.workspace);
        let produced = trace.parts.iter().flat_map(|part| {
            // What cannot be reported is told by the result.
            let violations = results::violations(&part.document, evaluation.nonstring_msg).unwrap_or_default();
            let of = |violation| Produced { violation, module: part.module.clone(), position: part.position };
            violations.into_iter().map(of)
        });
        let produced = produced.collect();
        let trace = Trace { produced, reads: trace.reads, read_objects: trace.read_objects };
        (violations(result, evaluation), trace)
    }
}

fn asked(evaluation: &Evaluation<'_>) -> (Documents, Settings) {
    let budget = Budget {
        steps: evaluation.budget.instructions as u64,
        time: evaluation.budget.time_left(),
        entries: MAX_ENTRIES,
    };
    let settings = Settings { budget, strict: false, now_nanos: now_nanos(), release: Release::Opa1_17 };
    let data = evaluation.data.as_object().cloned().unwrap_or_default();
    let documents = Documents { input: Some(input(evaluation)), data, stored: Some(evaluation.parameters.clone()) };
    (documents, settings)
}

fn violations(
    result: Result<Option<Value>, Error>,
    evaluation: &Evaluation<'_>,
) -> Result<Vec<Violation>, EvaluationError> {
    match result {
        Ok(Some(document)) => results::violations(&document, evaluation.nonstring_msg),
        Ok(None) => Ok(Vec::new()),
        Err(error) => Err(evaluation_error(&error, evaluation)),
    }
}

fn evaluation_error(error: &Error, evaluation: &Evaluation<'_>) -> EvaluationError {
    match error.exhausted {
        Some(Exhausted::Steps(_)) => {
            EvaluationError::Budget(ExhaustedBudget::Instructions(evaluation.budget.instructions))
        }
        Some(Exhausted::Time(limit)) => EvaluationError::Budget(ExhaustedBudget::Time(limit)),
        Some(Exhausted::Memory) => EvaluationError::Budget(ExhaustedBudget::Memory),
        None => EvaluationError::Program(error.to_string()),
    }
}

/// `input` of a program.
pub(super) fn input(evaluation: &Evaluation<'_>) -> Value {
    static KEYS: LazyLock<[Value; 3]> =
        LazyLock::new(|| [Value::from("cluster"), Value::from("parameters"), Value::from("review")]);
    let [cluster, parameters, review] = &*KEYS;
    let gatekeepers =
        [(parameters.clone(), evaluation.parameters.clone()), (review.clone(), evaluation.review.clone())];
    Value::object(match evaluation.cluster {
        Some(named) => std::iter::once((cluster.clone(), named.clone())).chain(gatekeepers).collect(),
        None => gatekeepers.into(),
    })
}

fn now_nanos() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
