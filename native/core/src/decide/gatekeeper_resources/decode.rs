//! Objects as Go's decoder reads them: an absent field and null are the type's zero, an unknown field does not matter, and a
//! value of another type is an error.

use std::ops::Deref;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::template::Refusal;

/// An object of Gatekeeper's API groups, and the versions that its kind has.
pub(super) struct Served {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) versions: &'static [&'static str],
}

#[derive(Deserialize)]
struct Object<Spec: Default + DeserializeOwned> {
    #[serde(default, deserialize_with = "or_zero")]
    metadata: Fields<Metadata>,
    #[serde(default, deserialize_with = "or_zero", bound = "")]
    spec: Fields<Spec>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "or_zero")]
    name: String,
}

/// Name and `spec` of an object.
///
/// # Errors
/// What it is instead of an object of that kind, or the field that has another type: nobody's error in particular (500).
pub(super) fn decode<Spec: Default + DeserializeOwned>(
    object: Value,
    served: &Served,
) -> Result<(String, Spec), Refusal> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if kind.is_empty() {
        return Err(Refusal::internal("Object 'Kind' is missing"));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if group != served.group || kind != served.kind || !served.versions.contains(&version) {
        let message = format!(
            "{kind} ({api_version}) stands where {} of {} in {} is expected",
            served.kind,
            served.group,
            served.versions.join(", ")
        );
        return Err(Refusal::internal(message));
    }
    let decoded: Object<Spec> =
        serde_json::from_value(object).map_err(|error| Refusal::internal(format!("{}: {error}", served.kind)))?;
    Ok((decoded.metadata.0.name, decoded.spec.0))
}

/// Reads null as what an absent field is.
pub(super) fn or_zero<'de, T, D>(decoder: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(decoder)?.unwrap_or_default())
}

/// A struct, read from an object only: serde reads one from an array too.
#[derive(Default)]
pub(super) struct Fields<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(decoder)?;
        serde_json::from_value(Value::Object(fields)).map(Self).map_err(D::Error::custom)
    }
}

impl<T> Deref for Fields<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
