//! What of a value matters to somebody.

use std::collections::BTreeMap;

use fleetgate_value::{Str, Value};

/// A step of a path: a field; none for any field or item.
pub(crate) type Step = Option<Str>;

/// Which parts of a value matter. Values that agree in these cannot be told apart by who reads no others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// All of it.
    All,
    /// What it is, where it holds nothing: its type, and which text, number or truth. Where it holds something these parts of
    /// that, and which fields or how many items there are where any can be asked for.
    Within(BTreeMap<Step, Self>),
}

impl Default for Projection {
    fn default() -> Self {
        Self::Within(BTreeMap::new())
    }
}

impl Projection {
    /// Adds parts of what a path leads to.
    pub(crate) fn add(&mut self, path: &[Step], parts: &Self) {
        match (&mut *self, path.split_first()) {
            (Self::All, _) => {}
            (Self::Within(fields), Some((step, rest))) => fields.entry(step.clone()).or_default().add(rest, parts),
            (own, None) => *own = std::mem::take(own).and(parts),
        }
    }

    /// These parts and others.
    #[must_use]
    pub fn and(self, others: &Self) -> Self {
        match (self, others) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Within(mut fields), Self::Within(others)) => {
                for (step, others) in others {
                    let own = fields.entry(step.clone()).or_default();
                    *own = std::mem::take(own).and(others);
                }
                Self::Within(fields)
            }
        }
    }

    /// Whether others are among these.
    #[must_use]
    pub fn includes(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::All, _) => true,
            (Self::Within(_), Self::All) => false,
            (Self::Within(fields), Self::Within(others)) => others.iter().all(|(step, others)| {
                let any = fields.get(&None);
                let named = step.as_ref().and_then(|_| fields.get(step));
                match (named, any) {
                    (Some(named), Some(any)) => named.clone().and(any).includes(others),
                    (Some(one), None) | (None, Some(one)) => one.includes(others),
                    (None, None) => false,
                }
            }),
        }
    }

    /// Whether something is to be seen at the end of a path of fields.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        match (self, path.split_first()) {
            (Self::All, _) | (_, None) => true,
            (Self::Within(fields), Some((step, rest))) => {
                let leading = fields.iter().filter(|(name, _)| name.as_ref().is_none_or(|name| **name == **step));
                leading.into_iter().any(|(_, parts)| parts.has(rest))
            }
        }
    }

    /// A value without other parts.
    #[must_use]
    pub fn of(&self, value: &Value) -> Value {
        let Self::Within(fields) = self else { return value.clone() };
        let any = fields.get(&None);
        match value {
            // Only a number finds an item, which is no constant step.
            Value::Array(items) => {
                let parts = any.map(|any| items.iter().map(|item| any.of(item)).collect());
                Value::array(parts.unwrap_or_default())
            }
            Value::Object(object) => {
                let part = |(key, value): (&Value, &Value)| {
                    let named = key.as_str().and_then(|name| fields.get(&Some(Str::from(name))));
                    let part = match (named, any) {
                        (Some(named), Some(any)) => named.clone().and(any).of(value),
                        (Some(one), None) | (None, Some(one)) => one.of(value),
                        (None, None) => return None,
                    };
                    Some((key.clone(), part))
                };
                Value::object(object.iter().filter_map(part).collect())
            }
            other => other.clone(),
        }
    }
}
