//! Sets: distinct values, walked in order.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use crate::Value;

/// An immutable set. Its members stand in order.
#[derive(Debug, Clone)]
pub struct Set(Arc<[Value]>);

impl Set {
    /// The set of `members` in any order, repeated ones included.
    #[must_use]
    pub fn from_members(mut members: Vec<Value>) -> Self {
        if members.is_empty() {
            return Self::default();
        }
        members.sort();
        members.dedup();
        Self(members.into())
    }

    /// The member that equals `value`.
    #[must_use]
    pub fn get(&self, value: &Value) -> Option<&Value> {
        self.0.get(self.0.binary_search(value).ok()?)
    }

    /// Whether `value` is a member.
    #[must_use]
    pub fn contains(&self, value: &Value) -> bool {
        self.get(value).is_some()
    }

    /// The members in order.
    #[must_use]
    pub fn members(&self) -> &[Value] {
        &self.0
    }

    /// The members in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.0.iter()
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are the same shared set.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Default for Set {
    fn default() -> Self {
        static EMPTY: LazyLock<Arc<[Value]>> = LazyLock::new(|| Arc::from(Vec::new()));
        Self(EMPTY.clone())
    }
}

impl Ord for Set {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_same(other) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Set {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl Eq for Set {}

impl FromIterator<Value> for Set {
    fn from_iter<I: IntoIterator<Item = Value>>(members: I) -> Self {
        Self::from_members(members.into_iter().collect())
    }
}
