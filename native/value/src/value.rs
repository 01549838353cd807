//! The value and its order.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::{Number, Object, Set};

/// A shared string.
pub type Str = Arc<str>;

/// A Rego value.
///
/// Values are ordered as OPA orders them: null, booleans, numbers, strings, arrays, objects, sets. Numbers are equal when
/// they are the same number, however they are written.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A decimal number.
    Number(Number),
    /// Text.
    String(Str),
    /// Values in order.
    Array(Arc<[Value]>),
    /// Values by key; keys are any values.
    Object(Object),
    /// Distinct values.
    Set(Set),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A set.
    Set,
}

impl Kind {
    /// OPA's word for the type, as `type_name` and error messages say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
            Self::Set => "set",
        }
    }
}

impl Value {
    /// An array of `items`.
    #[must_use]
    pub fn array(items: Vec<Self>) -> Self {
        Self::Array(items.into())
    }

    /// An object of `pairs` in any order; of equal keys the last counts.
    #[must_use]
    pub fn object(pairs: Vec<(Self, Self)>) -> Self {
        Self::Object(Object::from_pairs(pairs))
    }

    /// The object without entries.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::Object(Object::default())
    }

    /// A set of `members` in any order, repeated ones included.
    #[must_use]
    pub fn set(members: Vec<Self>) -> Self {
        Self::Set(Set::from_members(members))
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Boolean,
            Self::Number(_) => Kind::Number,
            Self::String(_) => Kind::String,
            Self::Array(_) => Kind::Array,
            Self::Object(_) => Kind::Object,
            Self::Set(_) => Kind::Set,
        }
    }

    /// Everything but `false` lets an expression hold.
    #[must_use]
    pub const fn is_truthy(&self) -> bool {
        !matches!(self, Self::Bool(false))
    }

    /// The text, where this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, where this is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The items, where this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The object, where this is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The set, where this is one.
    #[must_use]
    pub const fn as_set(&self) -> Option<&Set> {
        if let Self::Set(set) = self { Some(set) } else { None }
    }

    /// What a reference's step finds here: the item of an array at an index, the value of an object at a key, the member
    /// of a set itself.
    #[must_use]
    pub fn step(&self, key: &Self) -> Option<&Self> {
        match self {
            Self::Object(object) => object.get(key),
            Self::Array(items) => match key {
                Self::Number(index) => items.get(usize::try_from(index.as_i64()?).ok()?),
                _ => None,
            },
            Self::Set(set) => set.get(key),
            _ => None,
        }
    }

    /// [`Value::step`] by a field's name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get_str(name)
    }

    /// An equal value that shares no memory with this one, for threads that would contend for its reference counts.
    #[must_use]
    pub fn detached(&self) -> Self {
        match self {
            Self::Null | Self::Bool(_) => self.clone(),
            Self::Number(Number::Text(text)) => Self::Number(Number::Text(Arc::from(&**text))),
            Self::Number(_) => self.clone(),
            Self::String(text) => Self::String(Arc::from(&**text)),
            Self::Array(items) => Self::array(items.iter().map(Self::detached).collect()),
            Self::Object(object) => {
                Self::object(object.iter().map(|(key, value)| (key.detached(), value.detached())).collect())
            }
            Self::Set(set) => Self::set(set.iter().map(Self::detached).collect()),
        }
    }

    /// Whether both are equal and all their numbers are written the same, so that nothing can tell them apart.
    #[must_use]
    pub fn is_written_like(&self, other: &Self) -> bool {
        let are_alike = |(a, b): (&Self, &Self)| a.is_written_like(b);
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.is_written_like(b),
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(&**b).all(are_alike),
            (Self::Object(a), Self::Object(b)) => {
                let are_alike =
                    |((key, value), (other, of_other))| are_alike((key, other)) && are_alike((value, of_other));
                a.len() == b.len() && a.iter().zip(b.iter()).all(are_alike)
            }
            (Self::Set(a), Self::Set(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(are_alike),
            _ => self == other,
        }
    }

    /// Whether both are the same shared value, which is then also equal. False proves nothing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => Arc::ptr_eq(a, b),
            (Self::Array(a), Self::Array(b)) => Arc::ptr_eq(a, b),
            (Self::Object(a), Self::Object(b)) => a.is_same(b),
            (Self::Set(a), Self::Set(b)) => a.is_same(b),
            _ => false,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => a.cmp(b),
            (Self::Object(a), Self::Object(b)) => a.cmp(b),
            (Self::Set(a), Self::Set(b)) => a.cmp(b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Null, Self::Null) => true,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Set(a), Self::Set(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Self::String(value)
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl From<Set> for Value {
    fn from(value: Set) -> Self {
        Self::Set(value)
    }
}
