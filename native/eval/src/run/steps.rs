//! The steps of a block.

use fleetgate_value::{Object, Value};

use super::{Flow, Machine, Sink};
use crate::error::Error;
use crate::ir::{Base, Block, Gather, Op, Operand, Probe, Slot, Step};

/// What comes after a value.
type GoOn<'g, 'p> = &'g mut dyn FnMut(&mut Machine<'p>, Value) -> Flow;

impl<'p> Machine<'p> {
    /// Runs a block from a step on and calls `sink` for each answer. Gives false where the sink wanted no more.
    pub(super) fn block(&mut self, block: &'p [Step], from: usize, sink: Sink<'_, 'p>) -> Flow {
        let mut at = from;
        while let Some(step) = block.get(at) {
            self.meter.step()?;
            at += 1;
            let holds = match &step.op {
                Op::Get { base, path, out } => match self.get(base, path) {
                    Ok(Some(value)) => {
                        self.set(*out, value);
                        true
                    }
                    Ok(None) => false,
                    Err(error) => {
                        let value = self.first(base).and_then(|value| self.follow(&value, path).cloned());
                        return self.before(error, value, &mut |machine, value| {
                            machine.set(*out, value);
                            machine.block(block, at, sink)
                        });
                    }
                },
                Op::Scan { base, path, key, value, probe } => {
                    let slots = (*key, *value);
                    let probe = probe.as_ref().filter(|_| self.may_probe());
                    let collection = match self.get(base, path) {
                        Ok(Some(collection)) => collection,
                        Ok(None) => return Ok(true),
                        Err(error) => {
                            let first = self.first(base).and_then(|value| self.follow(&value, path).cloned());
                            return self.before(error, first, &mut |machine, collection| {
                                machine.scan(&collection, slots, probe, &mut |machine| machine.block(block, at, sink))
                            });
                        }
                    };
                    return self.scan(&collection, slots, probe, &mut |machine| machine.block(block, at, sink));
                }
                Op::Call { callee, args, out } => {
                    let answer = match self.call(callee, args, step.place) {
                        Ok(answer) => answer,
                        Err(error) => {
                            let value = self.late.take().filter(|value| out.is_some() || value.is_truthy());
                            return self.before(error, value, &mut |machine, value| {
                                if let Some(out) = out {
                                    machine.set(*out, value);
                                }
                                machine.block(block, at, sink)
                            });
                        }
                    };
                    match (answer, out) {
                        (Some(value), Some(out)) => {
                            self.set(*out, value);
                            true
                        }
                        (Some(value), None) => value.is_truthy(),
                        (None, _) => false,
                    }
                }
                Op::Walk { value, out } => {
                    let value = self.value(value).clone();
                    self.turn(&value);
                    if self.is_watched {
                        self.looked_at(&value);
                    }
                    let out = *out;
                    return self.walk(&value, &mut |machine, found| {
                        machine.set(out, found);
                        machine.block(block, at, sink)
                    });
                }
                Op::Compare { how, left, right, out } => {
                    let holds = how.holds(self.value(left), self.value(right));
                    if self.is_watched {
                        self.compared(*how, left, right);
                    }
                    match out {
                        Some(out) => {
                            self.set(*out, Value::Bool(holds));
                            true
                        }
                        None => holds,
                    }
                }
                Op::Test(operand) => self.value(operand).is_truthy(),
                Op::IsArray(operand, length) => {
                    self.value(operand).as_array().is_some_and(|items| items.len() == *length)
                }
                Op::IsObject(operand, length) => {
                    self.value(operand).as_object().is_some_and(|object| object.len() == *length)
                }
                Op::MakeArray { items, out } => {
                    let items = self.values(items)?;
                    self.set(*out, Value::array(items));
                    true
                }
                Op::MakeSet { members, out } => {
                    let members = self.values(members)?;
                    members.iter().for_each(|member| self.turn(member));
                    self.set(*out, Value::set(members));
                    true
                }
                Op::MakeObject { pairs, out } => {
                    self.meter.build(pairs.len())?;
                    let pair = |(key, value): &(Operand, Operand)| (self.value(key).clone(), self.value(value).clone());
                    let object = Value::object(pairs.iter().map(pair).collect());
                    self.set(*out, object);
                    true
                }
                Op::Comprehension { gather, body, out } => {
                    let value = self.gather(gather, body, step)?;
                    self.set(*out, value);
                    true
                }
                Op::Not(body) => !self.has_answer(body)?,
                Op::Any(bodies) => {
                    let mut found = false;
                    for body in bodies {
                        found = self.has_answer(body)?;
                        if found {
                            break;
                        }
                    }
                    found
                }
                Op::Every { domain, key, value, body } => {
                    let domain = self.value(domain).clone();
                    let mut all = matches!(domain, Value::Array(_) | Value::Object(_) | Value::Set(_));
                    self.scan(&domain, (*key, *value), None, &mut |machine| {
                        all = machine.has_answer(body)?;
                        Ok(all)
                    })?;
                    all
                }
                Op::With { targets, body } => {
                    return self.replaced(targets, body, &mut |machine| machine.block(block, at, sink));
                }
                Op::Fail => false,
            };
            if !holds {
                return Ok(true);
            }
        }
        sink(self)
    }

    /// The value that a rule which failed had before.
    fn first(&mut self, base: &Base) -> Option<Value> {
        self.late.take().filter(|_| matches!(base, Base::Rule(_)))
    }

    /// Goes on with the value that there was before an error, and then fails: with an error that is met on the way, or else
    /// with this one.
    fn before(&mut self, error: Box<Error>, value: Option<Value>, go_on: GoOn<'_, 'p>) -> Flow {
        if let Some(value) = value
            && error.exhausted.is_none()
        {
            go_on(self, value)?;
        }
        self.late = None;
        Err(error)
    }

    pub(super) fn has_answer(&mut self, body: &'p Block) -> Result<bool, Box<Error>> {
        let wants_more = self.block(body, 0, &mut |_| Ok(false))?;
        Ok(!wants_more)
    }

    fn values(&mut self, operands: &[Operand]) -> Result<Vec<Value>, Box<Error>> {
        self.meter.build(operands.len())?;
        Ok(operands.iter().map(|operand| self.value(operand).clone()).collect())
    }

    /// Calls `each` for each entry of a collection whose value passes the probe.
    fn scan(
        &mut self,
        collection: &Value,
        (key, value): (Slot, Slot),
        probe: Option<&Probe>,
        each: Sink<'_, 'p>,
    ) -> Flow {
        self.meter.deeper()?;
        if self.is_watched {
            self.looked_into(collection);
        }
        if let Some(probe) = probe
            && !self.may_hold(probe, collection)?
        {
            return Ok(true);
        }
        match collection {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.meter.step()?;
                    if !self.passes(probe, item)? {
                        continue;
                    }
                    self.set(key, Value::from(index));
                    self.set(value, item.clone());
                    if !each(self)? {
                        return Ok(false);
                    }
                }
            }
            Value::Object(object) => {
                for (name, item) in object.iter() {
                    self.meter.step()?;
                    if !self.passes(probe, item)? {
                        continue;
                    }
                    if let Some(stored) = &mut self.builtins.stored {
                        stored.step(collection, item);
                    }
                    self.set(key, name.clone());
                    self.set(value, item.clone());
                    if !each(self)? {
                        return Ok(false);
                    }
                }
            }
            Value::Set(set) => {
                for member in set {
                    self.meter.step()?;
                    if !self.passes(probe, member)? {
                        continue;
                    }
                    self.set(key, member.clone());
                    self.set(value, member.clone());
                    if !each(self)? {
                        return Ok(false);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(true)
    }

    fn gather(&mut self, gather: &'p Gather, body: &'p Block, step: &Step) -> Result<Value, Box<Error>> {
        self.meter.deeper()?;
        match gather {
            Gather::Array(operand) | Gather::Set(operand) => {
                let mut items = Vec::new();
                self.block(body, 0, &mut |machine| {
                    machine.meter.build(1)?;
                    let item = machine.value(operand).clone();
                    machine.turn(&item);
                    items.push(item);
                    Ok(true)
                })?;
                Ok(if matches!(gather, Gather::Array(_)) { Value::array(items) } else { Value::set(items) })
            }
            Gather::Object(key, value) => {
                let mut pairs: Vec<(Value, Value)> = Vec::new();
                self.block(body, 0, &mut |machine| {
                    machine.meter.build(1)?;
                    let (key, value) = (machine.value(key).clone(), machine.value(value).clone());
                    machine.turn(&value);
                    pairs.push((key, value));
                    Ok(true)
                })?;
                pairs.sort();
                pairs.dedup();
                if pairs.windows(2).any(|two| matches!(two, [(a, _), (b, _)] if a == b)) {
                    return Err(self.error("eval_conflict_error", "object keys must be unique", step.place));
                }
                Ok(Value::object(pairs))
            }
        }
    }

    /// What a path leads to.
    pub(super) fn get(&mut self, base: &'p Base, path: &'p [Operand]) -> Result<Option<Value>, Box<Error>> {
        let found = self.find(base, path)?;
        if self.is_watched {
            self.got(base, path, found.as_ref());
        }
        Ok(found)
    }

    /// [`Machine::get`], of which nobody takes note.
    fn find(&mut self, base: &'p Base, path: &'p [Operand]) -> Result<Option<Value>, Box<Error>> {
        let start = match base {
            Base::Value(operand) => return Ok(self.follow(self.value(operand), path).cloned()),
            Base::Input => return Ok(self.world.input.as_ref().and_then(|input| self.follow(input, path)).cloned()),
            Base::Data => {
                let Some((first, rest)) = path.split_first() else {
                    return Ok(Some(Value::Object(self.world.data.clone())));
                };
                let document = self.base_step(&self.world.data, first);
                let found = rest.iter().try_fold(document, |at, step| {
                    Some(match at? {
                        Value::Object(object) => self.base_step(object, step),
                        at => at.step(self.value(step)),
                    })
                });
                return Ok(found.flatten().cloned());
            }
            Base::Rule(rule) => self.rule_value(*rule)?,
            Base::Node(node) => {
                let Some((first, rest)) = path.split_first() else { return self.node_value(*node) };
                let name = self.value(first).clone();
                return Ok(self.node_child(*node, &name)?.and_then(|child| self.follow(&child, rest).cloned()));
            }
        };
        Ok(start.and_then(|value| self.follow(&value, path).cloned()))
    }

    /// A step into a base document. OPA's storage has paths of strings, so a number finds the key of its text.
    fn base_step<'v>(&self, object: &'v Object, step: &Operand) -> Option<&'v Value> {
        let key = self.value(step);
        object.get(key).or_else(|| match key {
            Value::Number(number) => object.get_str(&number.to_string()),
            _ => None,
        })
    }
}
