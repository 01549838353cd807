//! Programs for regorus's interpreter: what the VM cannot run, or would answer differently.

use regorus::{Engine, LimitError, Rc, Value};

use super::super::{Evaluation, EvaluationError, ExhaustedBudget, Instance, Program, Violation, results};

pub(super) struct InterpretedProgram {
    engine: Engine,
    referential: bool,
}

impl InterpretedProgram {
    pub(super) const fn new(engine: Engine, referential: bool) -> Self {
        Self { engine, referential }
    }
}

impl Program for InterpretedProgram {
    fn engine(&self) -> &'static str {
        "interpreter"
    }

    fn referential(&self) -> bool {
        self.referential
    }

    fn instance(&self) -> Box<dyn Instance> {
        Box::new(InterpreterInstance { engine: self.engine.clone(), inventory: None })
    }
}

struct InterpreterInstance {
    engine: Engine,
    /// The data document that the engine holds, to tell whether it is still the pinned one.
    inventory: Option<Value>,
}

impl Instance for InterpreterInstance {
    fn evaluate(&mut self, evaluation: &Evaluation<'_>) -> Result<Vec<Violation>, EvaluationError> {
        self.set_inventory(evaluation)?;
        self.engine.set_execution_timer_config(super::timer(evaluation.budget.time_left()));
        self.engine.set_input(super::input(evaluation));
        let result = self.engine.eval_rule(super::ENTRY_POINT.to_owned());
        self.engine.set_input(Value::Null);
        // Gathered output would grow for as long as the engine lives.
        let _ = self.engine.take_prints();
        match result {
            Ok(document) => results::violations(&document),
            Err(error) => Err(match error.downcast_ref::<LimitError>() {
                Some(LimitError::TimeLimitExceeded { limit, .. }) => {
                    EvaluationError::Budget(ExhaustedBudget::Time(*limit))
                }
                Some(_) => EvaluationError::Budget(ExhaustedBudget::Memory),
                None => super::program_error(&super::diagnose::run_time(&error)),
            }),
        }
    }
}

impl InterpreterInstance {
    fn set_inventory(&mut self, evaluation: &Evaluation<'_>) -> Result<(), EvaluationError> {
        let data = evaluation.inventory.data();
        if self.inventory.as_ref().is_some_and(|held| is_same(held, data)) {
            return Ok(());
        }
        self.engine.clear_data();
        self.engine.add_data(data.clone()).map_err(|error| super::program_error(&error.to_string()))?;
        self.inventory = Some(data.clone());
        Ok(())
    }
}

fn is_same(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Object(a), Value::Object(b)) if Rc::ptr_eq(a, b))
}
