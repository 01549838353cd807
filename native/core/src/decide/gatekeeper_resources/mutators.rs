//! Mutators: `Assign`, `AssignMetadata`, `AssignImage` and `ModifySet` (`pkg/mutation/mutators` of Gatekeeper 3.23.1).
//!
//! Nothing is mutated here. A mutator that Gatekeeper's webhook refuses is refused with its words, its first objection being
//! its answer; so the checks stand in its order.

use std::collections::BTreeSet;

use fleetgate_value::go::quote;
use serde_json::Value;

use super::decode::{Fields, Served, decode};
use super::location::{KeyValue, Location, Node};
use super::path_tests::{self, PathTest};
use super::{image, schema};
use crate::template::Refusal;

use schema::{ApplyTo, AssignField, ImageSpec, Spec, Test};

pub(super) const GROUP: &str = "mutations.gatekeeper.sh";
const VERSIONS: &[&str] = &["v1", "v1alpha1", "v1beta1"];

/// Checks a mutator of a kind; another kind is none.
pub(super) fn admit(kind: &str, object: impl FnOnce() -> Result<Value, Refusal>) -> Result<(), Refusal> {
    let served = |kind, versions| Served { group: GROUP, kind, versions };
    match kind {
        "Assign" => user_errors(assign, decode(object()?, &served("Assign", VERSIONS))?),
        "AssignMetadata" => user_errors(assign_metadata, decode(object()?, &served("AssignMetadata", VERSIONS))?),
        "ModifySet" => user_errors(modify_set, decode(object()?, &served("ModifySet", VERSIONS))?),
        "AssignImage" => user_errors(assign_image, decode(object()?, &served("AssignImage", &["v1alpha1"]))?),
        _ => Ok(()),
    }
}

fn user_errors<S>(check: fn(&str, &S) -> Result<(), String>, (name, spec): (String, S)) -> Result<(), Refusal> {
    check(&name, &spec).map_err(Refusal::user_error)
}

fn assign(name: &str, spec: &Spec<schema::Assign>) -> Result<(), String> {
    let location = parsed(&spec.location, "Assign", name)?;
    if location.is_in_metadata() {
        return Err(format!("assign {name} can't change metadata"));
    }
    key_is_kept(&location)?;
    let assigned = &spec.parameters.assign;
    assigned.check()?;
    if let (Some(value), Some(Node::Elements { key, value: wanted })) = (&assigned.value, location.0.last()) {
        is_element(value, key, wanted)?;
    }
    if location.ends_at_elements() && assigned.from_metadata.is_some() {
        return Err("cannot assign a metadata field to a list".to_owned());
    }
    if location.ends_at_elements() && assigned.external_data.is_some() {
        return Err("cannot assign external data response to a list".to_owned());
    }
    tested(&location, &spec.parameters.path_tests, "Assign", name)?;
    applied(&spec.apply_to, "Assign", name)
}

fn assign_metadata(name: &str, spec: &Spec<schema::AssignMetadata>) -> Result<(), String> {
    let location = Location::parse(&spec.location)
        .map_err(|error| format!("invalid location format for AssignMetadata {name}: {}: {error}", spec.location))?;
    let is_label_or_annotation = match &*location.0 {
        [Node::Field(first), Node::Field(second), Node::Field(_)] => {
            first == "metadata" && (second == "labels" || second == "annotations")
        }
        _ => false,
    };
    if !is_label_or_annotation {
        return Err(format!("invalid location for assignmetadata {name}: {}", spec.location));
    }
    let assigned = &spec.parameters.assign;
    assigned.check()?;
    if assigned.external_data.as_ref().is_some_and(|external| external.data_source != "Username") {
        return Err(format!("only username data source is supported for assignmetadata {name}"));
    }
    if assigned.value.as_ref().is_some_and(|value| !value.is_string()) {
        return Err(format!("spec.parameters.assign.value field must be a string for AssignMetadata {}", quote(name)));
    }
    Ok(())
}

fn assign_image(name: &str, spec: &Spec<ImageSpec>) -> Result<(), String> {
    let location = parsed(&spec.location, "assignImage", name)?;
    if location.is_in_metadata() {
        return Err(format!("assignImage {name} can't change metadata"));
    }
    if location.ends_at_elements() {
        return Err(format!("assignImage {name} cannot mutate list-type fields"));
    }
    key_is_kept(&location)?;
    let ImageSpec { assign_domain, assign_path, assign_tag, path_tests } = &*spec.parameters;
    image::check(assign_domain, assign_path, assign_tag)
        .map_err(|error| format!("assignImage {name} has invalid parameters: {error}"))?;
    tested(&location, path_tests, "AssignImage", name)?;
    applied(&spec.apply_to, "AssignImage", name)
}

fn modify_set(name: &str, spec: &Spec<schema::ModifySet>) -> Result<(), String> {
    let location = parsed(&spec.location, "ModifySet", name)?;
    if location.is_in_metadata() {
        return Err(format!("modifyset {name} can't change metadata"));
    }
    if location.ends_at_elements() {
        return Err("final node in a modifyset location cannot be a keyed list".to_owned());
    }
    tested(&location, &spec.parameters.path_tests, "ModifySet", name)?;
    applied(&spec.apply_to, "ModifySet", name)
}

fn parsed(location: &str, kind: &str, name: &str) -> Result<Location, String> {
    Location::parse(location)
        .map_err(|error| format!("invalid location format `{location}` for {kind} {name}: {error}"))
}

/// An element keeps the key that it was found by.
fn key_is_kept(location: &Location) -> Result<(), String> {
    match &*location.0 {
        [] => Err("empty path".to_owned()),
        [.., Node::Elements { key, .. }, Node::Field(name)] if key == name => {
            Err("invalid path format: changing the item key is not allowed".to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether a value can be one of a list's elements of a key.
fn is_element(value: &Value, key: &str, wanted: &KeyValue) -> Result<(), String> {
    let listed = match wanted {
        KeyValue::Any => return Err("can't append to a globbed list".to_owned()),
        KeyValue::Text(text) => text.clone(),
        KeyValue::Integer(integer) => integer.to_string(),
    };
    let Value::Object(fields) = value else {
        return Err(format!("invalid value: `{}`, only objects can be added to keyed lists", shown(Some(value))));
    };
    let found = fields.get(key);
    // The decoder made a double of the object's number, which is no integer to Go.
    if matches!((wanted, found), (KeyValue::Text(text), Some(Value::String(found))) if text == found) {
        return Ok(());
    }
    let found = shown(found);
    Err(format!("adding object to list with different key {key}: list key {listed}, object key {found}"))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "<nil>".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn tested(location: &Location, tests: &[Fields<Test>], kind: &str, name: &str) -> Result<(), String> {
    let parsed = |test: &Fields<Test>| match Location::parse(&test.sub_path) {
        Ok(path) => Ok(PathTest { path, condition: test.condition.clone() }),
        Err(error) => Err(format!("problem parsing sub path `{}` for {kind} {name}: {error}", test.sub_path)),
    };
    path_tests::check(location, &tests.iter().map(parsed).collect::<Result<Vec<_>, _>>()?)
}

fn applied(entries: &[Fields<ApplyTo>], kind: &str, name: &str) -> Result<(), String> {
    if entries.iter().any(|entry| entry.groups.is_empty() || entry.versions.is_empty() || entry.kinds.is_empty()) {
        let defect = "all of group, version and kind must be specified";
        return Err(format!("invalid applyTo for {kind} mutator {name}, {defect}"));
    }
    let defects: Vec<String> =
        entries.iter().enumerate().flat_map(|(position, entry)| of_operations(position, &entry.operations)).collect();
    if !defects.is_empty() {
        return Err(format!("invalid applyTo for {kind} mutator {name}: {}", defects.join("; ")));
    }
    if entries.is_empty() {
        return Err(format!("applyTo required for {kind} mutator {name}"));
    }
    Ok(())
}

fn of_operations(position: usize, operations: &[String]) -> Vec<String> {
    let place = format!("applyTo[{position}].operations");
    let mut defects = Vec::new();
    let mut seen = BTreeSet::new();
    for operation in operations {
        if !seen.insert(operation) {
            defects.push(format!("duplicate operation {} in {place}", quote(operation)));
        }
        if !matches!(&**operation, "CREATE" | "UPDATE" | "*") {
            defects
                .push(format!("invalid operation {} in {place}: must be one of CREATE, UPDATE, *", quote(operation)));
        }
    }
    if operations.len() > 1 && operations.iter().any(|operation| operation == "*") {
        defects.push(format!("wildcard \"*\" in {place} must not be combined with other operations"));
    }
    defects
}

impl AssignField {
    /// One source, in order.
    fn check(&self) -> Result<(), String> {
        let sources = [self.value.is_some(), self.from_metadata.is_some(), self.external_data.is_some()];
        match sources.into_iter().filter(|given| *given).count() {
            0 => {
                Err("assign must set one of `externalData`, `value` or `fromMetadata`: invalid assign field".to_owned())
            }
            1 => self.check_source(),
            _ => Err("assign must only set one of `externalData`, `value` or `fromMetadata`: invalid assign field"
                .to_owned()),
        }
    }

    fn check_source(&self) -> Result<(), String> {
        match (&self.from_metadata, &self.external_data) {
            (Some(source), _) if source.field != "namespace" && source.field != "name" => {
                Err(format!("field {} is not recognized: invalid fromMetadata field", source.field))
            }
            (_, Some(source)) if source.failure_policy == "UseDefault" && source.default.is_empty() => {
                Err("`default` must not be empty when `failurePolicy` is set to `UseDefault`".to_owned())
            }
            _ => Ok(()),
        }
    }
}
