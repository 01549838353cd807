//! Objects that Gatekeeper's OPA still has as its storage holds them.
//!
//! OPA reads an object of its storage lazily: it hands on Go's own map, and turns it into a value of Rego when somebody looks
//! at all of it. `json.marshal` and `yaml.marshal` print such a map as Go does, in which a million is `1000000`; of a value of
//! Rego they print its numbers, `1e+06` (`lazyObj` in `ast/term.go`, `valueToInterface`). What a lazy object hands on is
//! lazy as long as the object itself was not turned. Objects are told apart by where they are in memory, so that
//! they must live as long as this does.

use std::collections::HashMap;

use fleetgate_value::{Number, Object, Value, go};

/// The objects of the storage that were handed on, and whether each was turned into a value of Rego meanwhile.
#[derive(Debug, Default)]
pub struct Stored {
    turned: HashMap<usize, bool>,
    /// How many were not. While there are none, nobody has to look for them.
    lazy: usize,
}

impl Stored {
    /// An object comes out of the storage.
    pub fn read(&mut self, value: &Value) {
        if let Value::Object(object) = value {
            self.turned.entry(object.address()).or_insert_with(|| {
                self.lazy += 1;
                false
            });
        }
    }

    /// A lazy object hands on what is below it.
    pub fn step(&mut self, from: &Value, to: &Value) {
        if let Value::Object(object) = from
            && self.turned.get(&object.address()) == Some(&false)
        {
            self.read(to);
        }
    }

    /// All of a value is looked at.
    pub fn turn(&mut self, value: &Value) {
        match value {
            _ if self.lazy == 0 => {}
            Value::Object(object) => match self.turned.get_mut(&object.address()) {
                Some(turned) => {
                    self.lazy -= usize::from(!*turned);
                    *turned = true;
                }
                None => object.values().for_each(|value| self.turn(value)),
            },
            Value::Array(items) => items.iter().for_each(|item| self.turn(item)),
            _ => {}
        }
    }

    /// A built-in is called with a value: what it is made of is looked at, an object of the storage itself is not.
    pub fn pass(&mut self, value: &Value) {
        let is_stored = matches!(value, Value::Object(object) if self.turned.contains_key(&object.address()));
        if !is_stored {
            self.turn(value);
        }
    }

    /// The value with the numbers that Go prints: those of a map of the storage are Go's.
    pub(crate) fn printed(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) if self.turned.contains_key(&object.address()) => native(value),
            Value::Object(object) => {
                let pair = |(key, value): (&Value, &Value)| (key.clone(), self.printed(value));
                Value::Object(Object::from_pairs(object.iter().map(pair).collect()))
            }
            Value::Array(items) => Value::array(items.iter().map(|item| self.printed(item)).collect()),
            other => other.clone(),
        }
    }
}

/// A value with each double as Go's `encoding/json` prints it.
fn native(value: &Value) -> Value {
    match value {
        Value::Number(Number::Double(double)) => Value::Number(Number::from_json_text(&go::json_double(*double))),
        Value::Object(object) => {
            let pair = |(key, value): (&Value, &Value)| (key.clone(), native(value));
            Value::Object(Object::from_pairs(object.iter().map(pair).collect()))
        }
        Value::Array(items) => Value::array(items.iter().map(native).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn million() -> Value {
        Value::Number(Number::from_double(1e6))
    }

    #[test]
    fn only_what_is_handed_on_by_a_lazy_object_has_numbers_of_go() {
        let inner = Value::object(vec![("n".into(), million())]);
        let list = Value::array(vec![Value::object(vec![("m".into(), million())])]);
        let outer = Value::object(vec![("inner".into(), inner), ("list".into(), list)]);
        let (inner, list) = (outer.field("inner").unwrap(), outer.field("list").unwrap());
        let mut stored = Stored::default();
        let shown = |stored: &Stored, value: &Value| stored.printed(value).to_string();
        assert_eq!(shown(&stored, inner), r#"{"n": 1e+06}"#);
        stored.read(&outer);
        assert_eq!(shown(&stored, &outer), r#"{"inner": {"n": 1000000}, "list": [{"m": 1000000}]}"#);
        // What stands in a list was turned together with the list.
        stored.step(&outer, list);
        assert_eq!(shown(&stored, list), r#"[{"m": 1e+06}]"#);
        stored.step(&outer, inner);
        assert_eq!(shown(&stored, &Value::array(vec![inner.clone()])), r#"[{"n": 1000000}]"#);
    }

    #[test]
    fn a_turned_object_is_still_gos_but_what_it_hands_on_is_not() {
        let outer = Value::object(vec![("inner".into(), Value::object(vec![("n".into(), million())]))]);
        let inner = outer.field("inner").unwrap();
        let mut stored = Stored::default();
        stored.read(&outer);
        stored.turn(&outer);
        stored.step(&outer, inner);
        assert_eq!(stored.printed(&outer).to_string(), r#"{"inner": {"n": 1000000}}"#);
        assert_eq!(stored.printed(inner).to_string(), r#"{"n": 1e+06}"#);
    }
}
