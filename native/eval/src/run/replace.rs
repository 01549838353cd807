//! `with`: documents and functions replaced for one expression.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetgate_value::{Object, Str, Value};

use super::{Cached, Flow, Machine, Sink, World};
use crate::ir::{Block, Callee, Operand, Replacement, Rule, Target, With};

/// Everything that is replaced here.
#[derive(Debug, Clone, Default)]
pub(super) struct Replaced {
    /// Paths below `data`, the newest first.
    documents: Vec<(Vec<Str>, Value)>,
    functions: Vec<(Target, Replacement)>,
}

impl Replaced {
    pub(super) fn function(&self, callee: &Callee) -> Option<&Replacement> {
        let is_target = |target: &Target| match (target, callee) {
            (Target::Builtin(name), Callee::Builtin { name: called, .. }) => name == called,
            (Target::Function(rule), Callee::Rule(called)) => rule == called,
            _ => false,
        };
        self.functions.iter().find(|(target, _)| is_target(target)).map(|(_, replacement)| replacement)
    }
}

impl World {
    /// The same documents, with all functions their own.
    pub(super) fn without_functions(&self) -> Self {
        let replaced = self
            .replaced
            .as_deref()
            .map(|replaced| Arc::new(Replaced { documents: replaced.documents.clone(), functions: Vec::new() }));
        let cache = vec![Cached::Unknown; self.cache.len()];
        Self { input: self.input.clone(), data: self.data.clone(), replaced, cache, calls: BTreeMap::new() }
    }
}

impl<'p> Machine<'p> {
    /// Runs a block under replacements, and what comes after each of its answers without them.
    pub(super) fn replaced(&mut self, targets: &'p [With], body: &'p Block, after: Sink<'_, 'p>) -> Flow {
        self.meter.deeper()?;
        let mut other = self.replacing(targets);
        std::mem::swap(&mut self.world, &mut other);
        let result = self.block(body, 0, &mut |machine| {
            std::mem::swap(&mut machine.world, &mut other);
            let more = after(machine);
            std::mem::swap(&mut machine.world, &mut other);
            more
        });
        std::mem::swap(&mut self.world, &mut other);
        result
    }

    fn replacing(&self, targets: &[With]) -> World {
        let mut input = self.world.input.clone();
        let mut data = self.world.data.clone();
        let mut replaced = self.world.replaced.as_deref().cloned().unwrap_or_default();
        for with in targets {
            let value = match &with.value {
                Replacement::Value(operand) => Some(self.value(operand).clone()),
                Replacement::Callee(_) => None,
            };
            match (&with.target, value) {
                (Target::Input(path), Some(value)) => input = Some(patched(input.as_ref(), path, value)),
                (Target::Data(path), Some(value)) => {
                    if let Value::Object(object) = patched(Some(&Value::Object(data.clone())), path, value.clone()) {
                        data = object;
                    }
                    replaced.documents.insert(0, (path.clone(), value));
                }
                (target, Some(value)) => {
                    let replacement = Replacement::Value(Operand::Const(value));
                    replaced.functions.insert(0, (target.clone(), replacement));
                }
                (target, None) => replaced.functions.insert(0, (target.clone(), with.value.clone())),
            }
        }
        let cache = vec![Cached::Unknown; self.program.rules.len()];
        World { input, data, replaced: Some(Arc::new(replaced)), cache, calls: BTreeMap::new() }
    }

    /// What replaces a rule's document, if anything does: undefined where a document above it is replaced by one that
    /// has no such part.
    pub(super) fn replaced_document(&self, rule: &Rule) -> Option<Option<Value>> {
        self.replaced_at(&rule.path)
    }

    pub(super) fn replaced_at(&self, path: &[Str]) -> Option<Option<Value>> {
        let replaced = self.world.replaced.as_ref()?;
        let (target, value) = replaced.documents.iter().find(|(target, _)| path.starts_with(target))?;
        let rest = path.get(target.len()..).unwrap_or_default();
        Some(rest.iter().try_fold(value, |at, name| at.field(name)).cloned())
    }
}

/// A document with the value at a path replaced. What stands in the way of the path is replaced by objects.
fn patched(document: Option<&Value>, path: &[Str], value: Value) -> Value {
    let Some((name, rest)) = path.split_first() else { return value };
    let object = document.and_then(Value::as_object);
    let inner = patched(object.and_then(|object| object.get_str(name)), rest, value);
    let mut pairs: Vec<(Value, Value)> =
        object.into_iter().flat_map(Object::iter).map(|(key, value)| (key.clone(), value.clone())).collect();
    pairs.push((Value::String(name.clone()), inner));
    Value::object(pairs)
}
