//! Calls of built-ins and of functions.

use fleetgate_builtins::{Error as BuiltinError, Function};
use fleetgate_value::Value;

use super::Machine;
use crate::error::{Error, Exhausted};
use crate::ir::{Callee, Operand, Place, Replacement, RuleId, RuleKind};

type Answer = Result<Option<Value>, Box<Error>>;

impl<'p> Machine<'p> {
    pub(super) fn call(&mut self, callee: &'p Callee, args: &[Operand], place: Place) -> Answer {
        if self.world.replaced.is_some() {
            let args: Vec<Value> = args.iter().map(|arg| self.value(arg).clone()).collect();
            return self.call_replaced(callee, args, place);
        }
        match callee {
            Callee::Builtin { name, function } => match args {
                [a] => {
                    let args = [self.value(a).clone()];
                    self.builtin(name, *function, &args, place)
                }
                [a, b] => {
                    let args = [self.value(a).clone(), self.value(b).clone()];
                    self.builtin(name, *function, &args, place)
                }
                _ => {
                    let args: Vec<Value> = args.iter().map(|arg| self.value(arg).clone()).collect();
                    self.builtin(name, *function, &args, place)
                }
            },
            Callee::Rule(rule) => {
                let args: Vec<Value> = args.iter().map(|arg| self.value(arg).clone()).collect();
                // Answers of functions are kept by their arguments, which are hashed for it.
                args.iter().for_each(|arg| self.turn(arg));
                self.function(*rule, args)
            }
        }
    }

    fn call_replaced(&mut self, callee: &'p Callee, args: Vec<Value>, place: Place) -> Answer {
        let replacement = self.world.replaced.as_ref().and_then(|replaced| replaced.function(callee)).cloned();
        match replacement {
            Some(Replacement::Value(Operand::Const(value))) => Ok(Some(value)),
            Some(Replacement::Value(Operand::Slot(_))) => Ok(None),
            // Inside a replacement nothing is replaced: it may call what it stands for.
            Some(Replacement::Callee(callee)) => {
                let mut world = self.world.without_functions();
                std::mem::swap(&mut self.world, &mut world);
                let answer = self.call_with(&callee, args, place);
                std::mem::swap(&mut self.world, &mut world);
                answer
            }
            None => self.call_with(callee, args, place),
        }
    }

    fn call_with(&mut self, callee: &Callee, args: Vec<Value>, place: Place) -> Answer {
        match callee {
            Callee::Builtin { name, function } => self.builtin(name, *function, &args, place),
            Callee::Rule(rule) => self.function(*rule, args),
        }
    }

    fn builtin(&mut self, name: &str, function: Function, args: &[Value], place: Place) -> Answer {
        if self.is_watched {
            self.passed(args);
        }
        let error = match function(&mut self.builtins, args) {
            Ok(value) => {
                if name == "object.get"
                    && let (Some(stored), Some(object)) = (&mut self.builtins.stored, args.first())
                {
                    stored.step(object, &value);
                }
                return Ok(Some(value));
            }
            Err(error) => error,
        };
        let located = |code| Err(self.error(code, format!("{name}: {error}"), place));
        match &error {
            BuiltinError::Undefined => Ok(None),
            BuiltinError::Type(_) if self.strict => located("eval_type_error"),
            BuiltinError::Builtin(_) if self.strict => located("eval_builtin_error"),
            BuiltinError::Type(_) | BuiltinError::Builtin(_) => Ok(None),
            BuiltinError::Halt(_) => located("eval_builtin_error"),
            BuiltinError::Size => Err(Box::new(Error::exhausted(Exhausted::Memory))),
        }
    }

    /// The value of a function's call; of a rule that is called without arguments, its document.
    fn function(&mut self, id: RuleId, args: Vec<Value>) -> Answer {
        let Some(rule) = self.program.rules.get(id) else { return Ok(None) };
        if !matches!(rule.kind, RuleKind::Function(_)) {
            return self.rule_value(id);
        }
        let value = self.in_frame(rule.slots, |machine| {
            for (slot, arg) in args.into_iter().enumerate() {
                machine.set(slot, arg);
            }
            machine.complete(rule, &rule.definitions)
        })?;
        match (value, &rule.default) {
            (None, Some(default)) => self.default_value(rule, default),
            (value, _) => Ok(value),
        }
    }
}
