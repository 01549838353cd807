//! Label selectors of apimachinery's meta/v1.

use std::collections::BTreeMap;

use fleetgate_value::Value;
use serde_json::Value as Json;

/// The labels of an object.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a>(Option<&'a fleetgate_value::Object>);

impl<'a> Labels<'a> {
    /// The labels of an object's `metadata`. As in apimachinery's accessors a null is an empty label, and a map with a value
    /// of another type counts as none at all.
    pub fn of_metadata(metadata: &'a Value) -> Self {
        let Value::Object(metadata) = metadata else { return Self(None) };
        let Some(Value::Object(labels)) = metadata.get(super::facts::key::labels()) else { return Self(None) };
        Self(labels.values().all(|value| matches!(value, Value::String(_) | Value::Null)).then_some(labels))
    }

    /// As they count here: an object of strings.
    pub(super) fn to_json(self) -> Json {
        let names = self.0.into_iter().flat_map(|labels| labels.keys());
        let pair = |key: &Value| Some((key.as_str()?.to_owned(), Json::from(self.get(key)?)));
        Json::Object(names.filter_map(pair).collect())
    }

    pub(super) fn get(&self, key: &Value) -> Option<&'a str> {
        match self.0?.get(key)? {
            Value::String(value) => Some(value),
            Value::Null => Some(""),
            _ => None,
        }
    }
}

/// A label selector: all requirements have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The label's key as a ready value, so that a look-up allocates nothing.
    pub(super) key: Value,
    pub(super) operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    In(Vec<Box<str>>),
    NotIn(Vec<Box<str>>),
    Exists,
    DoesNotExist,
}

impl Selector {
    pub(super) const fn new(requirements: Vec<Requirement>) -> Self {
        Self { requirements }
    }

    /// Whether it admits everything.
    pub const fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels satisfy every requirement; an empty selector admits all.
    pub fn matches(&self, labels: &Labels<'_>) -> bool {
        self.admits(|key| labels.get(key))
    }

    /// As [`Self::matches`], of labels that stand in no object.
    pub fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.admits(|key| labels.get(key.as_str()?).map(String::as_str))
    }

    fn admits<'a>(&self, label: impl Fn(&Value) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = label(&requirement.key);
            let listed = |values: &[Box<str>]| value.is_some_and(|value| values.iter().any(|v| &**v == value));
            match &requirement.operator {
                Operator::In(values) => listed(values),
                Operator::NotIn(values) => !listed(values),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}
