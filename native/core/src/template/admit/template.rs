//! A ConstraintTemplate at the webhook.

use serde_json::Value;

use super::super::fields::Checked;
use super::super::read_template as read;
use super::{Refusal, aggregate};
use crate::diagnostic::{Diagnostic, code};
use crate::yaml::Document;

/// Says whether Gatekeeper's webhook admits a ConstraintTemplate: it decodes, and a CustomResourceDefinition can be made.
///
/// # Errors
/// The first objection.
pub(crate) fn admit_template(document: &Document) -> Result<(), Refusal> {
    let mut checked = Checked::new(document);
    let (_, version) = stage(&mut checked, read::api_version);
    if let Some(unknown) = version.first() {
        return Err(Refusal::internal(&*unknown.message));
    }
    let field = |name: &str| document.value.get(name);
    let (metadata, mut decoding) = stage(&mut checked, |checked| checked.object(field("metadata"), "metadata"));
    let (spec, found) = stage(&mut checked, |checked| checked.object(field("spec"), "spec"));
    decoding.extend(found);
    let (crd_spec, found) = stage(&mut checked, |checked| read::crd_spec(checked, spec));
    decoding.extend(found);
    let (name, found) = stage(&mut checked, |checked| checked.text(read::get(metadata, "name"), "metadata.name"));
    decoding.extend(found);
    let (kind, kind_defects) = stage(&mut checked, |checked| read::kind(checked, crd_spec, name));
    let (_, target_defects) = stage(&mut checked, |checked| read::target(checked, spec));
    // The API server has filled in legacySchema by now, so that its webhooks default nothing.
    let (schema, schema_defects) = stage(&mut checked, |checked| read::decoded_schema(checked, crd_spec, false));
    let ((), crd_defects) = stage(&mut checked, |checked| {
        read::names(checked, crd_spec, kind);
        read::labels(checked, read::get(metadata, "labels"));
        if let Some(schema) = &schema {
            read::structural(checked, schema);
        }
    });
    let ((), code_defects) = stage(&mut checked, |checked| code_types(checked, read::get(spec, "targets")));

    // What does not decode is found first, wherever it stands.
    decoding.extend(schema_defects);
    let typed = [kind_defects.clone(), target_defects.clone(), crd_defects.clone(), code_defects];
    decoding.extend(typed.into_iter().flatten().filter(is_mistyped));
    if let Some(mistyped) = decoding.first() {
        return Err(Refusal::internal(format!("{}: {}", mistyped.field, mistyped.message)));
    }
    if mixes_operations(&document.value) {
        return Err(Refusal::internal("if '*' is present, must not specify other operations"));
    }
    if let Some(first) = kind_defects.first().or_else(|| target_defects.first()) {
        return Err(Refusal::user_error(&*first.message));
    }
    if !crd_defects.is_empty() {
        let described: Vec<String> = crd_defects.iter().map(described).collect();
        return Err(Refusal::user_error(format!("{CLASS}{}", aggregate(&described))));
    }
    Ok(())
}

const CLASS: &str = "invalid ConstraintTemplate: ";

/// Runs one step and takes what it found apart.
fn stage<'doc, T>(checked: &mut Checked<'doc>, step: impl FnOnce(&mut Checked<'doc>) -> T) -> (T, Vec<Diagnostic>) {
    let value = step(checked);
    (value, std::mem::take(&mut checked.diagnostics))
}

/// Of what targets say about their code, only the types matter here.
fn code_types<'doc>(checked: &mut Checked<'doc>, targets: Option<&'doc Value>) {
    for target in checked.array(targets, "spec.targets") {
        if let Some(target) = checked.object(Some(target), "spec.targets[]") {
            checked.text(target.get("target"), "spec.targets[].target");
            read::operations(checked, target);
            read::rego(checked, target);
        }
    }
}

/// A value that Go does not decode into its field. A `source` is free-form until a driver reads it.
fn is_mistyped(found: &Diagnostic) -> bool {
    found.code == code::INVALID_FIELD && !found.field.contains("].source")
}

/// Other defects of operations are left to the CustomResourceDefinition of ConstraintTemplate.
fn mixes_operations(template: &Value) -> bool {
    let targets = template.pointer("/spec/targets").and_then(Value::as_array);
    targets.into_iter().flatten().any(|target| {
        let operations = target.get("operations").and_then(Value::as_array);
        operations.is_some_and(|all| all.len() > 1 && all.iter().any(|one| one == "*"))
    })
}

fn described(defect: &Diagnostic) -> String {
    format!("{}: {}", crd_field(&defect.field), defect.message.strip_prefix(CLASS).unwrap_or(&defect.message))
}

/// Where the CustomResourceDefinition has what stands at a field of the template. Names of properties stand in brackets
/// there; a name that has dots in it is shown as several.
fn crd_field(field: &str) -> String {
    let Some(inner) = field.strip_prefix("spec.crd.spec.validation.openAPIV3Schema") else {
        return field.replacen("spec.crd.spec.", "spec.", 1);
    };
    let mut shown = "spec.validation.openAPIV3Schema.properties[spec].properties[parameters]".to_owned();
    let mut names_property = false;
    for segment in inner.split('.').skip(1) {
        if names_property {
            shown.extend(["[", segment, "]"]);
        } else {
            shown.extend([".", segment]);
        }
        names_property = !names_property && segment == "properties";
    }
    shown
}
