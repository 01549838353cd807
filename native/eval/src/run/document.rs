//! Documents that rules define.

use fleetgate_rego::Release;
use fleetgate_value::Value;

use super::partial::Parts;
use super::{Cached, Machine};
use crate::error::Error;
use crate::ir::{Clause, Definition, Leaf, NodeId, Operand, Rule, RuleId, RuleKind};

type Answer = Result<Option<Value>, Box<Error>>;
type Done = Result<(), Box<Error>>;

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
            None => match self.define(rule) {
                Ok(value) => value,
                Err(error) => {
                    if rule.kind == RuleKind::Partial {
                        self.late = None;
                    }
                    // What comes next is asked with the first value, and then the error is reported.
                    if let (Some(value), Some(slot)) = (&self.late, self.world.cache.get_mut(id)) {
                        *slot = Cached::Defined(value.clone());
                    }
                    return Err(error);
                }
            },
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
        let result = if rule.is_looked_up {
            self.complete_looked_up(rule, definitions, &mut found)
        } else {
            self.complete_plain(rule, definitions, &mut found)
        };
        match result {
            Ok(()) => Ok(found),
            Err(error) => {
                self.late = found;
                Err(error)
            }
        }
    }

    fn complete_plain(&mut self, rule: &'p Rule, definitions: &'p [Definition], found: &mut Option<Value>) -> Done {
        for definition in definitions {
            for clause in &definition.clauses {
                if self.clause(rule, definition, clause, is_constant(clause), found)? {
                    if rule.is_constant {
                        return Ok(());
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// As [`Machine::complete_plain`], where it matters what OPA's index finds: clauses that are not found are not asked,
    /// and only where those that are found have one constant for their value is the first answer enough.
    fn complete_looked_up(&mut self, rule: &'p Rule, definitions: &'p [Definition], found: &mut Option<Value>) -> Done {
        let mut clauses: Vec<(&'p Definition, Vec<&'p Clause>)> = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let asked = self.looked_up(definition)?;
            clauses.push((definition, asked));
        }
        let mut values = clauses.iter().flat_map(|(_, clauses)| clauses).map(|clause| constant(clause));
        let first = values.next().flatten();
        let is_constant = first.is_some() && values.all(|value| value == first);
        for (definition, clauses) in clauses {
            for clause in clauses {
                if self.clause(rule, definition, clause, is_constant, found)? {
                    if is_constant {
                        return Ok(());
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// The clauses of a definition that OPA's index finds.
    fn looked_up(&mut self, definition: &'p Definition) -> Result<Vec<&'p Clause>, Box<Error>> {
        let mut found = Vec::with_capacity(definition.clauses.len());
        for clause in &definition.clauses {
            if self.is_found(clause)? {
                found.push(clause);
            }
        }
        Ok(found)
    }

    fn is_found(&mut self, clause: &'p Clause) -> Result<bool, Box<Error>> {
        for condition in &clause.found {
            let value = self.get(&condition.base, &condition.path)?;
            if !value.is_some_and(|value| condition.wanted.fits(&value)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Asks one clause and says whether it holds.
    fn clause(
        &mut self,
        rule: &'p Rule,
        definition: &'p Definition,
        clause: &'p Clause,
        one_is_enough: bool,
        found: &mut Option<Value>,
    ) -> Result<bool, Box<Error>> {
        let Leaf::Value(leaf) = &clause.leaf else { return Ok(false) };
        let mut held = false;
        self.block(&clause.body, 0, &mut |machine| {
            held = true;
            let value = machine.value(leaf);
            match found {
                Some(other) if other == value => {}
                Some(_) => return Err(machine.conflict(rule, definition)),
                None => *found = Some(value.clone()),
            }
            if machine.watcher.is_some() {
                machine.gave_value(rule, clause, leaf);
            }
            Ok(!one_is_enough)
        })?;
        Ok(held)
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
        let is_set = rule.definitions.iter().flat_map(|definition| &definition.clauses).all(Clause::is_member);
        let mut parts = if is_set { Parts::set() } else { Parts::object() };
        for definition in &rule.definitions {
            for clause in &definition.clauses {
                if rule.is_looked_up && !self.is_found(clause)? {
                    continue;
                }
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
                    if machine.watcher.is_some() {
                        machine.gave_part(rule, clause);
                    }
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

fn is_constant(clause: &Clause) -> bool {
    matches!(clause.leaf, Leaf::Value(Operand::Const(_)))
}

/// The constant that is written as the clause's value.
const fn constant(clause: &Clause) -> Option<&Value> {
    match &clause.leaf {
        Leaf::Value(Operand::Const(value)) if clause.is_constant => Some(value),
        _ => None,
    }
}
