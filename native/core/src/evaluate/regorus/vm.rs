//! Programs for regorus's bytecode VM.

use std::sync::Arc;

use regorus::rvm::RegoVM;
use regorus::rvm::program::Program as Bytecode;
use regorus::rvm::vm::VmError;
use regorus::{Rc, Value};

use super::super::{Evaluation, EvaluationError, ExhaustedBudget, Instance, Program, Violation, results};

pub(super) struct VmProgram {
    bytecode: Bytecode,
    referential: bool,
}

impl VmProgram {
    pub(super) fn new(bytecode: Arc<Bytecode>, referential: bool) -> Self {
        let bytecode = Arc::try_unwrap(bytecode).unwrap_or_else(|shared| (*shared).clone());
        Self { bytecode: lean(bytecode), referential }
    }
}

impl Program for VmProgram {
    fn engine(&self) -> &'static str {
        "vm"
    }

    fn referential(&self) -> bool {
        self.referential
    }

    fn instance(&self) -> Box<dyn Instance> {
        let mut vm = RegoVM::new();
        vm.set_strict_builtin_errors(false);
        vm.load_program(Arc::new(private_copy(&self.bytecode)));
        Box::new(VmInstance { vm, referential: self.referential, inventory: None })
    }
}

/// Drops what the VM copies at every rule call and never reads: names, and tables that say the same as their absence.
fn lean(mut bytecode: Bytecode) -> Bytecode {
    for rule in &mut bytecode.rule_infos {
        rule.name = String::new();
        if let Some(function) = &mut rule.function_info {
            function.param_names = Vec::new();
        }
        if rule.else_bodies.iter().flatten().all(|is_else| !is_else) {
            rule.else_bodies = Vec::new();
        }
        if rule.destructuring_blocks.iter().all(Option::is_none) {
            rule.destructuring_blocks = Vec::new();
        }
    }
    bytecode
}

/// A copy that shares no reference count with the original.
fn private_copy(bytecode: &Bytecode) -> Bytecode {
    let mut copy = bytecode.clone();
    copy.literals = bytecode.literals.iter().map(private_value).collect();
    for (rule, original) in copy.rule_infos.iter_mut().zip(&bytecode.rule_infos) {
        rule.definitions = Rc::new((*original.definitions).clone());
    }
    copy
}

fn private_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(&**text),
        Value::Array(items) => Value::from(items.iter().map(private_value).collect::<Vec<_>>()),
        Value::Set(items) => {
            Value::from(items.iter_sorted().map(private_value).collect::<std::collections::BTreeSet<_>>())
        }
        Value::Object(fields) => crate::json::object(
            fields.iter_sorted().map(|(key, value)| (private_value(key), private_value(value))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => value.clone(),
    }
}

struct VmInstance {
    vm: RegoVM,
    referential: bool,
    /// The data document that the VM holds, to tell whether it is still the pinned one.
    inventory: Option<Value>,
}

impl Instance for VmInstance {
    fn evaluate(&mut self, evaluation: &Evaluation<'_>) -> Result<Vec<Violation>, EvaluationError> {
        self.set_inventory(evaluation)?;
        let time = evaluation.budget.time_left();
        self.vm.set_max_instructions(evaluation.budget.instructions);
        self.vm.set_execution_timer_config(Some(super::timer(time)));
        self.vm.set_input(super::input(evaluation));
        let result = self.vm.execute_entry_point_by_index(0);
        // The registers hold on to the review otherwise, and values that are shared cannot be changed in place.
        self.vm.set_input(Value::Null);
        match result {
            Ok(document) => results::violations(&document),
            Err(error) => Err(evaluation_error(&error)),
        }
    }
}

impl VmInstance {
    fn set_inventory(&mut self, evaluation: &Evaluation<'_>) -> Result<(), EvaluationError> {
        let data = evaluation.inventory.data();
        if !self.referential || self.inventory.as_ref().is_some_and(|held| is_same(held, data)) {
            return Ok(());
        }
        self.vm.set_data(data.clone()).map_err(|error| super::program_error(&error.to_string()))?;
        self.inventory = Some(data.clone());
        Ok(())
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Object(a), Value::Object(b)) if Rc::ptr_eq(a, b))
}

fn evaluation_error(error: &VmError) -> EvaluationError {
    let exhausted = match error {
        VmError::InstructionLimitExceeded { limit, .. } => ExhaustedBudget::Instructions(*limit),
        VmError::TimeLimitExceeded { limit, .. } => ExhaustedBudget::Time(*limit),
        VmError::MemoryLimitExceeded { .. }
        | VmError::MemoryBudgetExceeded { .. }
        | VmError::RegexSizeLimitExceeded { .. } => ExhaustedBudget::Memory,
        other => return super::program_error(&other.to_string()),
    };
    EvaluationError::Budget(exhausted)
}
