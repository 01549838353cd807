//! Takes note of what comes out of the storage and of what is looked at, for built-ins that print stored numbers as Go does;
//! see [`Stored`].

use fleetgate_builtins::Stored;
use fleetgate_value::Value;

use super::Machine;
use crate::ir::{Base, Comparison, Operand};

impl Machine<'_> {
    /// All of a value is looked at, as when it becomes a part of another one.
    pub(super) fn turn(&mut self, value: &Value) {
        if let Some(stored) = &mut self.builtins.stored {
            stored.turn(value);
        }
    }

    /// Only objects are compared with objects, and those of different sizes are not equal at first sight.
    pub(super) fn turn_compared(&mut self, how: Comparison, left: &Operand, right: &Operand) {
        if let (Value::Object(a), Value::Object(b)) = (self.value(left), self.value(right))
            && (how != Comparison::Equal || a.len() == b.len())
        {
            let (left, right) = (Value::Object(a.clone()), Value::Object(b.clone()));
            self.turn(&left);
            self.turn(&right);
        }
    }

    /// Notes what comes out of the storage, and what an object of it hands on.
    pub(super) fn hand_on(&mut self, base: &Base, path: &[Operand]) {
        let Some(mut stored) = self.builtins.stored.take() else { return };
        match base {
            // What is replaced is no storage.
            Base::Data if self.world.replaced.is_none() => {
                let root = Value::Object(self.world.data.clone());
                stored.read(&root);
                self.hand_on_below(&mut stored, &root, path);
            }
            Base::Value(operand) => self.hand_on_below(&mut stored, self.value(operand), path),
            Base::Input => {
                if let Some(input) = &self.world.input {
                    self.hand_on_below(&mut stored, input, path);
                }
            }
            Base::Data | Base::Rule(_) | Base::Node(_) => {}
        }
        self.builtins.stored = Some(stored);
    }

    fn hand_on_below(&self, stored: &mut Stored, root: &Value, path: &[Operand]) {
        let mut at = root;
        for step in path {
            let Some(next) = at.step(self.value(step)) else { return };
            stored.step(at, next);
            at = next;
        }
    }
}
