//! Objects: values by key, walked in the order of their keys.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock, Weak};

use crate::Value;

/// Below this many entries a walk finds a name sooner than halving does.
const WALKED: usize = 8;

/// An immutable object. Its entries stand in the order of their keys, and no key is repeated.
#[derive(Debug, Clone)]
pub struct Object(Arc<[(Value, Value)]>);

/// Keeps the address of an object from being another's, and nothing of what was in it.
#[derive(Debug, Clone)]
pub struct Reserved(Weak<[(Value, Value)]>);

impl Reserved {
    /// Whether the object is no more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Object {
    /// The object of `pairs` in any order; of equal keys the last counts.
    #[must_use]
    pub fn from_pairs(mut pairs: Vec<(Value, Value)>) -> Self {
        if pairs.is_empty() {
            return Self::default();
        }
        let sorted = pairs.windows(2).all(|two| matches!(two, [(a, _), (b, _)] if a < b));
        if !sorted {
            // Stable, so that among equal keys the last one written stands last.
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            let mut kept: Vec<(Value, Value)> = Vec::with_capacity(pairs.len());
            for pair in pairs {
                match kept.last_mut() {
                    Some(last) if last.0 == pair.0 => *last = pair,
                    _ => kept.push(pair),
                }
            }
            pairs = kept;
        }
        Self(pairs.into())
    }

    /// Where it is in memory: the same for two objects that are one.
    #[must_use]
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// From now on no other object has this one's address, for as long as what is given here lives.
    #[must_use]
    pub fn reserved(&self) -> Reserved {
        Reserved(Arc::downgrade(&self.0))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Value) -> Option<&Value> {
        if let Value::String(name) = key {
            return self.get_str(name);
        }
        let index = self.0.binary_search_by(|(at, _)| at.cmp(key)).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// The value of a key that is a string.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&Value> {
        if self.0.len() <= WALKED {
            let found = self.0.iter().find(|(key, _)| matches!(key, Value::String(text) if **text == *name));
            return found.map(|(_, value)| value);
        }
        let order = |key: &Value| match key {
            Value::String(text) => (**text).cmp(name),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ordering::Less,
            Value::Array(_) | Value::Object(_) | Value::Set(_) => Ordering::Greater,
        };
        let index = self.0.binary_search_by(|(key, _)| order(key)).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// The entry at a position of the order.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<(&Value, &Value)> {
        self.0.get(index).map(|(key, value)| (key, value))
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> + DoubleEndedIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// Whether both are the same shared object.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Default for Object {
    fn default() -> Self {
        static EMPTY: LazyLock<Arc<[(Value, Value)]>> = LazyLock::new(|| Arc::from(Vec::new()));
        Self(EMPTY.clone())
    }
}

/// As OPA compares objects: entry by entry, first the keys, then the values; the shorter one is less.
impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_same(other) {
            return Ordering::Equal;
        }
        for ((key, value), (other_key, other_value)) in self.iter().zip(other.iter()) {
            let order = key.cmp(other_key).then_with(|| value.cmp(other_value));
            if order != Ordering::Equal {
                return order;
            }
        }
        self.len().cmp(&other.len())
    }
}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl Eq for Object {}

impl FromIterator<(Value, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_keys_counts() {
        let object = Object::from_pairs(vec![
            ("b".into(), 1_i64.into()),
            ("a".into(), 2_i64.into()),
            ("b".into(), 3_i64.into()),
        ]);
        assert_eq!(object.len(), 2);
        assert_eq!(object.get(&"b".into()), Some(&3_i64.into()));
        assert_eq!(object.get_str("c"), None);
    }

    #[test]
    fn names_are_found_in_large_objects_of_mixed_keys() {
        let mut pairs: Vec<(Value, Value)> = (0_i64..20).map(|n| (Value::from(n), Value::Null)).collect();
        pairs.extend((0_i64..20).map(|n| (Value::from(format!("k{n}")), Value::from(n))));
        pairs.push((Value::array(Vec::new()), Value::Null));
        let object = Object::from_pairs(pairs);
        assert_eq!(object.get_str("k7"), Some(&7_i64.into()));
        assert_eq!(object.get(&7_i64.into()), Some(&Value::Null));
        assert_eq!(object.get(&Value::array(Vec::new())), Some(&Value::Null));
    }
}
