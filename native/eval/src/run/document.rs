//! Documents that rules define.

use fleetgate_rego::Release;
use fleetgate_value::Value;

use super::partial::Parts;
use super::{Cached, Machine};
use crate::error::Error;
use crate::ir::{Clause, Definition, Leaf, NodeId, Rule, RuleId, RuleKind};

type Answer = Result<Option<Value>, Box<Error>>;

impl<'p> Machine<'p> {
    /// The value of a rule's document. It is found out once.
    pub(super) fn rule_value(&mut self, id: RuleId) -> Answer {
        match self.world.cache.get(id) {
            Some(Cached::Defined(value)) => return Ok(Some(value.clone())),
            Some(Cached::Undefined) => return Ok(None),
            Some(Cached::Unknown) | None => {}
        }
        let Some(rule) = self.program.rules.get(id) else { return Ok(None) };
        let value = match self.replaced_document(rule) {
            Some(replacement) => replacement,
            None => self.define(rule)?,
        };
        if let Some(slot) = self.world.cache.get_mut(id) {
            *slot = value.clone().map_or(Cached::Undefined, Cached::Defined);
        }
        Ok(value)
    }

    fn define(&mut self, rule: &'p Rule) -> Answer {
        let value = self.in_frame(rule.slots, |machine| match rule.kind {
            RuleKind::Partial => machine.partial(rule).map(Some),
            RuleKind::Complete | RuleKind::Function(_) => machine.complete(rule, &rule.definitions),
        })?;
        match (value, &rule.default) {
            (None, Some(default)) => self.default_value(rule, default),
            (value, _) => Ok(value),
        }
    }

    pub(super) fn default_value(&mut self, rule: &'p Rule, default: &'p Definition) -> Answer {
        self.in_frame(rule.slots, |machine| machine.complete(rule, std::slice::from_ref(default)))
    }

    /// The one value of all definitions, which are of the rule.
    pub(super) fn complete(&mut self, rule: &'p Rule, definitions: &'p [Definition]) -> Answer {
        let mut found: Option<Value> = None;
        for definition in definitions {
            for clause in &definition.clauses {
                let Leaf::Value(leaf) = &clause.leaf else { continue };
                let is_constant = matches!(leaf, crate::ir::Operand::Const(_));
                let mut held = false;
                self.block(&clause.body, 0, &mut |machine| {
                    held = true;
                    let value = machine.value(leaf);
                    match &found {
                        Some(other) if other == value => {}
                        Some(_) => return Err(machine.conflict(rule, definition)),
                        None => found = Some(value.clone()),
                    }
                    Ok(!is_constant)
                })?;
                if held {
                    break;
                }
            }
        }
        Ok(found)
    }

    fn conflict(&self, rule: &Rule, definition: &Definition) -> Box<Error> {
        let is_function = matches!(rule.kind, RuleKind::Function(_));
        let path = || reference(&rule.path);
        let message = match (self.release, is_function) {
            (Release::Opa1_17, true) => "functions must not produce multiple outputs for same inputs".to_owned(),
            (Release::Opa1_17, false) => "complete rules must not produce multiple outputs".to_owned(),
            (Release::Opa1_22, true) => {
                format!("function {} produced conflicting values for the same inputs", path())
            }
            (Release::Opa1_22, false) => format!("rule {} produced conflicting values", path()),
        };
        self.error("eval_conflict_error", message, definition.place)
    }

    /// The document of all parts that definitions add.
    fn partial(&mut self, rule: &'p Rule) -> Result<Value, Box<Error>> {
        let is_set = rule.definitions.iter().flat_map(|definition| &definition.clauses).all(is_member_of_rule);
        let mut parts = if is_set { Parts::set() } else { Parts::object() };
        for definition in &rule.definitions {
            for clause in &definition.clauses {
                let mut held = false;
                self.block(&clause.body, 0, &mut |machine| {
                    held = true;
                    machine.meter.build(1)?;
                    let path = clause.suffix.iter().map(|step| machine.value(step));
                    let added = match &clause.leaf {
                        Leaf::Member(member) => parts.add_member(path, machine.value(member)),
                        Leaf::Value(value) => parts.add_value(path, machine.value(value)),
                    };
                    added.map_err(|_| {
                        machine.error("eval_conflict_error", "object keys must be unique", definition.place)
                    })?;
                    Ok(true)
                })?;
                if held {
                    break;
                }
            }
        }
        Ok(parts.into_value())
    }

    /// The document at a node of the tree: base documents, and what rules define below.
    pub(super) fn node_value(&mut self, node: NodeId) -> Answer {
        let path = self.path_of(node);
        if let Some(replacement) = self.replaced_at(&path) {
            return Ok(replacement);
        }
        let Some(here) = self.program.nodes.get(node) else { return Ok(None) };
        if let Some(rule) = here.rule {
            return self.rule_value(rule);
        }
        let base = self.base_document(&path);
        if here.children.is_empty() && here.function.is_some() {
            return Ok(base);
        }
        let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(here.children.len());
        for (name, child) in &here.children {
            if let Some(value) = self.node_value(*child)? {
                pairs.push((Value::String(name.clone()), value));
            }
        }
        let defined = Value::object(pairs);
        Ok(Some(base.map_or(defined.clone(), |base| merged(base, &defined))))
    }

    /// A child of [`Machine::node_value`], without the others.
    pub(super) fn node_child(&mut self, node: NodeId, name: &Value) -> Answer {
        let mut path = self.path_of(node);
        let Value::String(text) = name else {
            return Ok(self.base_document(&path).and_then(|base| base.step(name).cloned()));
        };
        let child = self.program.nodes.get(node).and_then(|here| here.children.get(text)).copied();
        match child {
            Some(child) => self.node_value(child),
            None => {
                path.push(text.clone());
                Ok(self.base_document(&path))
            }
        }
    }

    fn base_document(&self, path: &[fleetgate_value::Str]) -> Option<Value> {
        let Some((first, rest)) = path.split_first() else { return Some(Value::Object(self.world.data.clone())) };
        let start = self.world.data.get_str(first)?;
        rest.iter().try_fold(start, |at, name| at.field(name)).cloned()
    }

    /// The path of a node below `data`.
    fn path_of(&self, node: NodeId) -> Vec<fleetgate_value::Str> {
        let mut path = Vec::new();
        let mut at = node;
        while at != 0 {
            let parent = self.program.nodes.iter().enumerate().find_map(|(parent, candidate)| {
                let name = candidate.children.iter().find(|(_, child)| **child == at)?.0;
                Some((parent, name.clone()))
            });
            let Some((parent, name)) = parent else { break };
            path.push(name);
            at = parent;
        }
        path.reverse();
        path
    }
}

/// A path below `data` as Rego writes it.
fn reference(path: &[fleetgate_value::Str]) -> String {
    let mut text = "data".to_owned();
    for name in path {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name {
            text.push('.');
            text.push_str(name);
        } else {
            text.push('[');
            text.push_str(&Value::String(name.clone()).to_string());
            text.push(']');
        }
    }
    text
}

/// Both documents in one. Where both say something, it is the base document that counts.
fn merged(base: Value, defined: &Value) -> Value {
    let (Value::Object(over), Value::Object(under)) = (&base, defined) else { return base };
    let mut pairs: Vec<(Value, Value)> = under.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in over.iter() {
        let value = under.get(key).map_or_else(|| value.clone(), |below| merged(value.clone(), below));
        pairs.push((key.clone(), value));
    }
    Value::object(pairs)
}

fn is_member_of_rule(clause: &Clause) -> bool {
    clause.suffix.is_empty() && matches!(clause.leaf, Leaf::Member(_))
}
