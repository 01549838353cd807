//! A document that several definitions build together.

use std::collections::BTreeMap;

use fleetgate_value::Value;

/// Two definitions say different things about one place.
#[derive(Debug)]
pub(super) struct Conflict;

/// A document in the making.
#[derive(Debug)]
pub(super) enum Parts {
    Value(Value),
    Set(Vec<Value>),
    Object(BTreeMap<Value, Parts>),
}

impl Parts {
    pub(super) const fn set() -> Self {
        Self::Set(Vec::new())
    }

    pub(super) const fn object() -> Self {
        Self::Object(BTreeMap::new())
    }

    /// Adds a member to the set at a path.
    pub(super) fn add_member<'v>(
        &mut self,
        mut path: impl Iterator<Item = &'v Value>,
        member: &Value,
    ) -> Result<(), Conflict> {
        let mut at = self;
        let mut step = path.next();
        while let Some(key) = step {
            step = path.next();
            let Self::Object(children) = at else { return Err(Conflict) };
            let last = step.is_none();
            at = children.entry(key.clone()).or_insert_with(|| if last { Self::set() } else { Self::object() });
        }
        match at {
            Self::Set(members) => members.push(member.clone()),
            Self::Value(_) | Self::Object(_) => return Err(Conflict),
        }
        Ok(())
    }

    /// Sets the value at a path that is not empty.
    pub(super) fn add_value<'v>(
        &mut self,
        mut path: impl Iterator<Item = &'v Value>,
        value: &Value,
    ) -> Result<(), Conflict> {
        let mut at = self;
        let Some(mut key) = path.next() else { return Err(Conflict) };
        for next in path {
            let Self::Object(children) = at else { return Err(Conflict) };
            at = children.entry(key.clone()).or_insert_with(Self::object);
            key = next;
        }
        let Self::Object(children) = at else { return Err(Conflict) };
        match children.get(key) {
            None => {
                children.insert(key.clone(), Self::Value(value.clone()));
                Ok(())
            }
            Some(Self::Value(other)) if other == value => Ok(()),
            Some(_) => Err(Conflict),
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Set(members) => Value::set(members),
            Self::Object(children) => {
                Value::object(children.into_iter().map(|(key, parts)| (key, parts.into_value())).collect())
            }
        }
    }
}
