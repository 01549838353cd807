//! Calls of built-ins and of functions.

use fleetgate_builtins::{Error as BuiltinError, Function};
use fleetgate_value::Value;

use super::Machine;
use crate::error::{Error, Exhausted};
use crate::ir::{Callee, Operand, Place, Replacement, Rule, RuleId, RuleKind};

/// Calls whose values are kept in an evaluation, which bounds the memory for them.
const MAX_CALLS: usize = 100_000;

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
    ///
    /// It is found out once, and equal arguments get it again, as in OPA's `topdown.evalFunc`. That shows in a value: 0 and
    /// -0.0 are equal arguments and are printed differently.
    fn function(&mut self, id: RuleId, args: Vec<Value>) -> Answer {
        let Some(rule) = self.program.rules.get(id) else { return Ok(None) };
        if !matches!(rule.kind, RuleKind::Function(_)) {
            return self.rule_value(id);
        }
        let call = (id, args);
        let known = self.world.calls.get(&call).cloned();
        // Who watches sees each call's own clauses and reads.
        if known.is_some() && self.watcher.is_none() {
            return Ok(known);
        }
        let value = self.defined(rule, &call.1)?;
        if known.is_some() {
            return Ok(known);
        }
        if let Some(value) = &value
            && self.world.calls.len() < MAX_CALLS
        {
            self.world.calls.insert(call, value.clone());
        }
        Ok(value)
    }

    fn defined(&mut self, rule: &'p Rule, args: &[Value]) -> Answer {
        let value = self.in_frame(rule.slots, |machine| {
            for (slot, arg) in args.iter().enumerate() {
                machine.set(slot, arg.clone());
            }
            machine.complete(rule, &rule.definitions)
        })?;
        match (value, &rule.default) {
            (None, Some(default)) => self.default_value(rule, default),
            (value, _) => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use fleetgate_rego::Release;

    use crate::testing::compiled;
    use crate::{Budget, Documents, Settings, Workspace, read_document};

    fn value(body: &str) -> String {
        let program = compiled(body);
        let document = program.document(&["p", "x"]).unwrap();
        let input = Some(read_document("", br#"{"none": 0, "minus": -0.0}"#).unwrap());
        let documents = || Documents { input: input.clone(), data: fleetgate_value::Object::default(), stored: None };
        let settings = Settings { budget: Budget::default(), strict: false, now_nanos: 0, release: Release::Opa1_17 };
        let plain = program.evaluate(document, documents(), settings, &mut Workspace::default()).unwrap();
        let (traced, _) = program.trace(document, documents(), settings, &mut Workspace::default());
        assert_eq!(plain.as_ref().map(ToString::to_string), traced.unwrap().map(|value| value.to_string()), "{body}");
        plain.unwrap().to_string()
    }

    const SHOWN: &str = "shown(n) = s { s := sprintf(\"%v\", [n]) }\n";

    #[test]
    fn equal_arguments_get_the_first_calls_value() {
        assert_eq!(value(&format!("{SHOWN}x = [shown(input.none), shown(input.minus)]")), r#"["0", "0"]"#);
        assert_eq!(value(&format!("{SHOWN}x = [shown(input.minus), shown(input.none)]")), r#"["-0", "-0"]"#);
        assert_eq!(
            value(&format!("{SHOWN}x = [shown([input.minus]), shown([input.none])]")),
            r#"["[-0.0]", "[-0.0]"]"#
        );
    }

    #[test]
    fn a_call_under_replaced_documents_starts_anew() {
        let body = format!("{SHOWN}x = [a, b] {{ a := shown(input.minus)\n b := shown(0) with input as {{}} }}");
        assert_eq!(value(&body), r#"["-0", "0"]"#);
    }

    #[test]
    fn an_undefined_call_is_asked_again() {
        assert_eq!(value("f(n) = 1 { n > 0 }\nx = [1 | not f(input.none); not f(input.minus)]"), "[1]");
    }
}
