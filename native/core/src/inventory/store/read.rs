//! An object's text as a feed gives it → what is kept of it.

use std::borrow::Cow;

use fleetgate_value::Value;

use super::Key;
use super::strip;
use crate::config::GroupVersionKind;
use crate::json::{self, KeyCache, Numbers};
use crate::matching::Facts;

/// An object that can be kept.
#[derive(Debug)]
pub(in crate::inventory) struct Read<'a> {
    /// Where it belongs.
    pub(in crate::inventory) key: Key,
    /// Its text, without what is not kept.
    pub(in crate::inventory) json: Cow<'a, [u8]>,
    /// Its resourceVersion; 0 where that is no number.
    pub(in crate::inventory) revision: u64,
    /// Whether somebody asked for its deletion.
    pub(in crate::inventory) is_terminating: bool,
}

/// Reads an object of a kind. Items of a list may lack apiVersion and kind: these are put in. `strips` says whether
/// managedFields and last-applied-configuration are left out.
///
/// # Errors
/// Why it cannot be kept.
pub(in crate::inventory) fn read<'a>(
    kind: &GroupVersionKind,
    text: &'a [u8],
    strips: bool,
    keys: &mut KeyCache,
) -> Result<Read<'a>, String> {
    let mut json = if strips { strip::stripped(text) } else { Cow::Borrowed(text) };
    let mut value = json::parse(&json, keys, Numbers::Exact).map_err(|error| error.to_string())?;
    if value.field("apiVersion").is_none() && value.field("kind").is_none() && value.as_object().is_some() {
        json = Cow::Owned(with_kind(kind, &json));
        value = json::parse(&json, keys, Numbers::Exact).map_err(|error| error.to_string())?;
    }
    let facts = Facts::of(&value).ok_or("the object has no kind")?;
    if (facts.group, facts.version, facts.kind) != (&*kind.group, &*kind.version, &*kind.kind) {
        return Err(format!("the object is of kind {}/{}:{}, not {kind}", facts.group, facts.version, facts.kind));
    }
    if facts.name.is_empty() {
        return Err("the object has no name".to_owned());
    }
    let key = Key::new(facts.namespace, facts.name);
    let (revision, is_terminating) = (revision_of(&value), is_terminating(&value));
    Ok(Read { key, json, revision, is_terminating })
}

/// Whether somebody asked for the object's deletion.
pub(in crate::inventory) fn is_terminating(object: &Value) -> bool {
    metadata(object, "deletionTimestamp").is_some_and(|timestamp| *timestamp != Value::Null)
}

/// The resourceVersion of an object as a number; 0 where it is none.
pub(in crate::inventory) fn revision_of(object: &Value) -> u64 {
    let text = metadata(object, "resourceVersion").and_then(Value::as_str);
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn metadata<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.field("metadata")?.field(field)
}

fn with_kind(kind: &GroupVersionKind, text: &[u8]) -> Vec<u8> {
    let head = serde_json::json!({"apiVersion": kind.group_version(), "kind": &*kind.kind}).to_string();
    let body = text.trim_ascii_start().strip_prefix(b"{").unwrap_or_default();
    let comma: &[u8] = if body.trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
    [head.trim_end_matches('}').as_bytes(), comma, body].concat()
}
