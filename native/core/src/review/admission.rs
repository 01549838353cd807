//! An AdmissionRequest as `input.review`.

use fleetgate_value::Value;

use super::fields::{Fields, text};
use super::{Review, ReviewError, group_version, key, namespace_object, unstable};
use crate::compatibility::Compatibility;
use crate::matching::Source;

pub(super) fn review(
    request: Value,
    namespace: Option<Value>,
    source: Source,
    compatibility: &Compatibility,
) -> Result<Review, ReviewError> {
    let fields = Fields::of("admission_request", &request)?;
    let kind = fields.object("kind")?;
    // Server-side apply sends a Namespace's own name as its namespace; Gatekeeper takes it back.
    let (kind_group, kind_name) = match &kind {
        Some(kind) => (text(kind.string("group")?), text(kind.string("kind")?)),
        None => ("", ""),
    };
    let kind_group = kind_group.to_owned();
    let is_namespace = kind_group.is_empty() && kind_name == "Namespace";
    let namespace_name = if is_namespace { "" } else { text(fields.string("namespace")?) };
    let namespace = namespace.filter(|_| !is_namespace);
    let operation = fields.string("operation")?;
    let old_object = fields.get("oldObject").cloned().unwrap_or(Value::Null);
    let object = match text(operation) {
        "DELETE" if old_object == Value::Null => {
            return Err(ReviewError::Failed("oldObject cannot be nil for DELETE operations".to_owned()));
        }
        "DELETE" => old_object.clone(),
        _ => fields.get("object").cloned().unwrap_or(Value::Null),
    };
    let dry_run = fields.bool("dryRun")?;

    let mut review = vec![
        (key("uid"), fields.string("uid")?.clone()),
        (key("kind"), kind_or_resource("kind", kind)?),
        (key("resource"), kind_or_resource("resource", fields.object("resource")?)?),
        (key("operation"), operation.clone()),
        (key("userInfo"), user_info(fields.object("userInfo")?)?),
        (key("object"), object.clone()),
        (key("oldObject"), old_object.clone()),
        (key("options"), fields.get("options").cloned().unwrap_or(Value::Null)),
        (key("namespaceObject"), namespace_object(namespace.as_ref(), compatibility)),
    ];
    for name in ["subResource", "requestSubResource", "name"] {
        let value = fields.string(name)?;
        if !text(value).is_empty() {
            review.push((key(name), value.clone()));
        }
    }
    if !namespace_name.is_empty() {
        review.push((key("namespace"), Value::from(namespace_name)));
    }
    for (name, last) in [("requestKind", "kind"), ("requestResource", "resource")] {
        if let Some(fields) = fields.object(name)? {
            review.push((key(name), kind_or_resource(last, Some(fields))?));
        }
    }
    if let Some(dry_run) = dry_run {
        review.push((key("dryRun"), Value::Bool(dry_run)));
    }
    review.extend(unstable(namespace.as_ref(), compatibility));
    Ok(Review {
        value: Value::object(review),
        object,
        old_object,
        namespace,
        namespace_name: namespace_name.to_owned(),
        operation: text(operation).to_owned(),
        kind_group,
        dry_run: dry_run.unwrap_or(false),
        source,
    })
}

/// A GroupVersionKind or GroupVersionResource: a struct in Go, so all three keys are always there.
fn kind_or_resource(last: &str, fields: Option<Fields<'_>>) -> Result<Value, ReviewError> {
    let Some(fields) = fields else { return Ok(group_version(last, "", "", "")) };
    let (group, version, name) = (fields.string("group")?, fields.string("version")?, fields.string(last)?);
    Ok(group_version(last, text(group), text(version), text(name)))
}

/// Keys appear only when set.
fn user_info(fields: Option<Fields<'_>>) -> Result<Value, ReviewError> {
    let Some(fields) = fields else { return Ok(Value::empty_object()) };
    let mut info = Vec::new();
    for name in ["username", "uid"] {
        let value = fields.string(name)?;
        if !text(value).is_empty() {
            info.push((key(name), value.clone()));
        }
    }
    for name in ["groups", "extra"] {
        match fields.get(name) {
            Some(Value::Array(list)) if list.is_empty() => {}
            Some(Value::Object(map)) if map.is_empty() => {}
            Some(value) => info.push((key(name), value.clone())),
            None => {}
        }
    }
    Ok(Value::object(info))
}
