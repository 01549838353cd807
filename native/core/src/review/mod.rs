//! From what a caller sends to `input.review`.
//!
//! Gatekeeper hands a template the AdmissionRequest as Go marshals it, and one key more, `namespaceObject`. Which keys are
//! there when nothing was set is part of what policies rely on, so each shape is written out here: keys that are always
//! present, keys that appear only when set, and the shape of an object that comes without a request, as audit and gator
//! review it.

mod admission;
mod fields;
#[cfg(test)]
mod tests;

use fleetgate_value::Value;

use crate::compatibility::{Compatibility, NamespaceObjectAbsent, Presence};
use crate::json::{self, KeyCache};
use crate::matching::{Facts, Source, Subject};

pub use fields::Malformed;

/// A review, ready for matching and evaluation.
#[derive(Debug, Clone)]
pub struct Review {
    /// `input.review`.
    pub value: Value,
    object: Value,
    old_object: Value,
    /// The Namespace that came with the review.
    namespace: Option<Value>,
    /// Name of the namespace that the object lives in, or empty.
    pub namespace_name: String,
    /// CREATE, UPDATE, DELETE, CONNECT; empty for an object without a request.
    pub operation: String,
    /// API group of the request's `kind`; empty for the core group, and for an object without a request.
    pub kind_group: String,
    /// Whether the API server will not persist the object.
    pub dry_run: bool,
    source: Source,
}

/// Why no review can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewError {
    /// A field that came from the caller does not decode: the call is at fault.
    Malformed(Malformed),
    /// JSON of the field named here is nested too deeply to be read.
    TooDeep(&'static str),
    /// Gatekeeper answers such a request with code 500 and this text.
    Failed(String),
}

impl From<Malformed> for ReviewError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Review {
    /// Reads the JSON of an AdmissionRequest.
    ///
    /// # Errors
    /// See [`ReviewError`].
    pub fn of_admission_request(
        request: &[u8],
        namespace: &[u8],
        source: Source,
        keys: &mut KeyCache,
        compatibility: &Compatibility,
    ) -> Result<Self, ReviewError> {
        let request = parse("admission_request", request, keys, compatibility)?;
        let namespace = parse_namespace(namespace, keys, compatibility)?;
        // An AdmissionRequest is about an object that somebody wrote unless it says otherwise.
        let source = if source == Source::Unspecified { Source::Original } else { source };
        admission::review(request, namespace, source, compatibility)
    }

    /// Reads the JSON of an object that comes without a request.
    ///
    /// # Errors
    /// See [`ReviewError`].
    pub fn of_object(
        object: &[u8],
        namespace: &[u8],
        source: Source,
        keys: &mut KeyCache,
        compatibility: &Compatibility,
    ) -> Result<Self, ReviewError> {
        let object = parse("object", object, keys, compatibility)?;
        let namespace =
            parse_namespace(namespace, keys, compatibility)?.map(|one| ReadNamespace::of(one, compatibility));
        Self::of_read_object(object, namespace.as_ref(), source, compatibility)
    }

    /// As [`Self::of_object`], of an object and its Namespace that were read before.
    ///
    /// # Errors
    /// See [`ReviewError`].
    pub fn of_read_object(
        object: Value,
        namespace: Option<&ReadNamespace>,
        source: Source,
        compatibility: &Compatibility,
    ) -> Result<Self, ReviewError> {
        let Some(facts) = Facts::of(&object) else {
            return Err(Malformed::new("object", "a Kubernetes object with apiVersion and kind is expected").into());
        };
        let text = |text: &str| Value::from(text);
        let mut review = vec![
            (key("uid"), text("")),
            (key("kind"), group_version("kind", facts.group, facts.version, facts.kind)),
            (key("resource"), group_version("resource", "", "", "")),
            (key("operation"), text("")),
            (key("userInfo"), Value::empty_object()),
            (key("object"), object.clone()),
            (key("oldObject"), Value::Null),
            (key("options"), Value::Null),
            (key("namespaceObject"), namespace.map_or_else(|| absent(compatibility), |one| one.shown.clone())),
        ];
        for (name, value) in [("name", facts.name), ("namespace", facts.namespace)] {
            if !value.is_empty() {
                review.push((key(name), text(value)));
            }
        }
        let namespace = namespace.map(|one| one.value.clone());
        review.extend(unstable(namespace.as_ref(), compatibility));
        let namespace_name = facts.namespace.to_owned();
        Ok(Self {
            value: Value::object(review),
            object,
            old_object: Value::Null,
            namespace,
            namespace_name,
            operation: String::new(),
            kind_group: String::new(),
            dry_run: false,
            source,
        })
    }

    /// Takes the Namespace from what the policy sees, not from matching: gator never shows it.
    #[must_use]
    pub fn hiding_namespace(mut self) -> Self {
        if let Value::Object(fields) = &self.value {
            let hidden = [(key("namespaceObject"), Value::empty_object())];
            let fields = fields.iter().map(|(key, value)| (key.clone(), value.clone()));
            self.value = Value::object(fields.chain(hidden).collect());
        }
        self
    }

    /// The review as match criteria see it. A Namespace that did not come with the review may be known from elsewhere.
    pub fn subject<'a>(&'a self, known_namespace: Option<&'a Value>) -> Subject<'a> {
        let namespace = self.namespace.as_ref().or(known_namespace);
        Subject::new(&self.object, &self.old_object, namespace, self.source).in_namespace(&self.namespace_name)
    }

    /// Whether the object's Namespace came with the review, or there is none to come.
    pub fn has_namespace(&self) -> bool {
        self.namespace.is_some() || self.namespace_name.is_empty()
    }
}

/// A Namespace, ready for the reviews of many of its objects.
#[derive(Debug, Clone)]
pub struct ReadNamespace {
    value: Value,
    /// `namespaceObject`.
    shown: Value,
}

impl ReadNamespace {
    /// Prepares a Namespace.
    #[must_use]
    pub fn of(value: Value, compatibility: &Compatibility) -> Self {
        Self { shown: namespace_object(Some(&value), compatibility), value }
    }
}

fn parse(
    field: &'static str,
    text: &[u8],
    keys: &mut KeyCache,
    compatibility: &Compatibility,
) -> Result<Value, ReviewError> {
    json::parse(text, keys, compatibility.numbers).map_err(|error| match error.kind {
        json::ErrorKind::TooDeep => ReviewError::TooDeep(field),
        _ => Malformed::new(field, &error.to_string()).into(),
    })
}

fn parse_namespace(
    text: &[u8],
    keys: &mut KeyCache,
    compatibility: &Compatibility,
) -> Result<Option<Value>, ReviewError> {
    if text.is_empty() {
        return Ok(None);
    }
    match parse("namespace", text, keys, compatibility)? {
        Value::Null => Ok(None),
        namespace @ Value::Object(_) => Ok(Some(namespace)),
        _ => Err(Malformed::new("namespace", "an object is expected").into()),
    }
}

/// `namespaceObject`.
fn namespace_object(namespace: Option<&Value>, compatibility: &Compatibility) -> Value {
    namespace.map_or_else(|| absent(compatibility), as_go_writes_it)
}

/// `namespaceObject` where there is no Namespace.
fn absent(compatibility: &Compatibility) -> Value {
    match compatibility.namespace_object_absent {
        NamespaceObjectAbsent::Empty => Value::empty_object(),
        NamespaceObjectAbsent::Null => Value::Null,
    }
}

/// Gatekeeper hands over Go's own Namespace: its three parts are always there, and what is empty in them is not.
fn as_go_writes_it(namespace: &Value) -> Value {
    let Value::Object(fields) = namespace else { return namespace.clone() };
    let mut written: Vec<(Value, Value)> = fields.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for part in ["metadata", "spec", "status"] {
        let kept = match fields.get_str(part) {
            Some(Value::Object(part)) => part.iter().filter(|(_, value)| !is_empty(value)).collect(),
            _ => Vec::new(),
        };
        let kept = kept.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        written.push((key(part), Value::object(kept)));
    }
    Value::object(written)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Set(_) => false,
    }
}

/// `_unstable`, where it is asked for: Gatekeeper before 3.9 had the Namespace there.
fn unstable(namespace: Option<&Value>, compatibility: &Compatibility) -> Option<(Value, Value)> {
    let namespace = namespace.filter(|_| compatibility.unstable_namespace == Presence::Present)?;
    Some((key("_unstable"), Value::object(vec![(key("namespace"), namespace.clone())])))
}

fn group_version(kind_or_resource: &str, group: &str, version: &str, name: &str) -> Value {
    Value::object(vec![
        (key("group"), Value::from(group)),
        (key("version"), Value::from(version)),
        (key(kind_or_resource), Value::from(name)),
    ])
}

fn key(name: &str) -> Value {
    Value::from(name)
}
