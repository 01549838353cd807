//! `walk`: each value inside a value, with its path.

use fleetgate_value::Value;

use super::{Flow, Machine};

/// What is called with each `[path, value]`.
type Each<'e, 'p> = &'e mut dyn FnMut(&mut Machine<'p>, Value) -> Flow;

impl<'p> Machine<'p> {
    pub(super) fn walk(&mut self, value: &Value, each: Each<'_, 'p>) -> Flow {
        self.walk_below(&mut Vec::new(), value, each)
    }

    fn walk_below(&mut self, path: &mut Vec<Value>, value: &Value, each: Each<'_, 'p>) -> Flow {
        self.meter.step()?;
        self.meter.deeper()?;
        self.meter.build(path.len() + 2)?;
        let found = Value::array(vec![Value::array(path.clone()), value.clone()]);
        if !each(self, found)? {
            return Ok(false);
        }
        let mut below = |machine: &mut Self, key: Value, child: &Value| {
            path.push(key);
            let more = machine.walk_below(path, child, each);
            path.pop();
            more
        };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if !below(self, Value::from(index), item)? {
                        return Ok(false);
                    }
                }
            }
            Value::Object(object) => {
                for (key, item) in object.iter() {
                    if !below(self, key.clone(), item)? {
                        return Ok(false);
                    }
                }
            }
            Value::Set(set) => {
                for member in set {
                    if !below(self, member.clone(), member)? {
                        return Ok(false);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(true)
    }
}
