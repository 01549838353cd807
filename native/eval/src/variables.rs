//! Variables of a program, for those who follow what they hold.

use fleetgate_value::Value;

use crate::ir::{Definition, Rule, RuleId, RuleKind, Slot};

/// Where variables belong: each definition has its own, beside the parameters that all of a function share.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    rule: RuleId,
    definition: usize,
    parameters: usize,
}

/// A rule, the definition where it is none of the parameters, and the slot.
pub(crate) type Variable = (RuleId, Option<usize>, Slot);

/// The definitions of a rule, the default one last.
pub(crate) fn frames(id: RuleId, rule: &Rule) -> impl Iterator<Item = (Frame, &Definition)> {
    let parameters = if let RuleKind::Function(count) = rule.kind { count } else { 0 };
    let definitions = rule.definitions.iter().chain(&rule.default).enumerate();
    definitions.map(move |(definition, it)| (Frame { rule: id, definition, parameters }, it))
}

/// A parameter of a function.
pub(crate) const fn parameter(of: RuleId, position: usize) -> Variable {
    (of, None, position)
}

impl Frame {
    pub(crate) fn variable(self, slot: Slot) -> Variable {
        (self.rule, (slot >= self.parameters).then_some(self.definition), slot)
    }
}

/// The steps that `object.get` takes with a key.
pub(crate) fn keys_of(key: &Value) -> &[Value] {
    match key {
        Value::Array(steps) => steps,
        key => std::slice::from_ref(key),
    }
}
