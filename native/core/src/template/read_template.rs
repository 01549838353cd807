//! From a document to a [`Template`]: the checks that Gatekeeper makes before its compiler.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::annotations;
use super::fields::Checked;
use super::names::{did_you_mean, dns_label_defect, label_key_defect, label_value_defect};
use super::schema::{self, Schema};
use super::{ConstraintSchema, Operations, RegoVersion, SourceText, SyncRequirements, Template};
use crate::diagnostic::{Diagnostic, code};
use crate::yaml::Document;

/// The only target of Kubernetes policies.
const TARGET: &str = "admission.k8s.gatekeeper.sh";
const REGO: &str = "Rego";
const CEL: &str = "K8sNativeValidation";
const SCHEMA_FIELD: &str = "spec.crd.spec.validation.openAPIV3Schema";

/// API versions of ConstraintTemplate, and what `legacySchema` defaults to in each.
const VERSIONS: [(&str, bool); 3] = [("v1", false), ("v1beta1", true), ("v1alpha1", true)];

/// Reads a ConstraintTemplate.
///
/// # Errors
/// Every defect but those that only a compiler sees.
pub(crate) fn read_template(document: &Document, bundle: &Arc<str>) -> Result<Template, Vec<Diagnostic>> {
    let mut checked = Checked::new(document);
    let legacy_default = api_version(&mut checked);
    let fields = document.value.as_object();
    let metadata = checked.object(fields.and_then(|fields| fields.get("metadata")), "metadata");
    let name = checked.text(get(metadata, "name"), "metadata.name");
    labels(&mut checked, get(metadata, "labels"));
    let spec = checked.object(fields.and_then(|fields| fields.get("spec")), "spec");
    let crd_spec = crd_spec(&mut checked, spec);
    let target = target(&mut checked, spec);
    let kind = kind(&mut checked, crd_spec, name);
    names(&mut checked, crd_spec, kind);
    let parameters = parameters(&mut checked, crd_spec, legacy_default);
    let code = target.and_then(|target| rego(&mut checked, target));
    let operations = target.map(|target| operations(&mut checked, target)).unwrap_or_default();
    let sync_requirements = SyncRequirements::of(&document.value);
    let fleet = annotations::fleet(&mut checked, &sync_requirements);
    match code {
        Some(code) if checked.diagnostics.is_empty() => Ok(Template {
            kind: kind.into(),
            version: code.version,
            module: code.module,
            libs: code.libs,
            operations,
            sync_requirements,
            fleet: fleet.map(Arc::new),
            schema: Arc::new(ConstraintSchema::new(parameters)),
            document: document.value.clone(),
            origin: document.location(),
            bundle: bundle.clone(),
        }),
        _ => Err(checked.diagnostics),
    }
}

pub(super) fn get<'doc>(fields: Option<&'doc Map<String, Value>>, name: &str) -> Option<&'doc Value> {
    fields.and_then(|fields| fields.get(name))
}

pub(super) fn api_version(checked: &mut Checked<'_>) -> bool {
    let api_version = checked.text(checked.document.value.get("apiVersion"), "apiVersion");
    let version = api_version.split_once('/').map_or("", |(_, version)| version);
    if let Some((_, legacy)) = VERSIONS.iter().find(|(known, _)| *known == version) {
        return *legacy;
    }
    let message = format!("no kind \"ConstraintTemplate\" is registered for version {api_version:?}");
    checked.refuse_with_hint(
        code::INVALID_TEMPLATE,
        "apiVersion",
        message,
        Some("known versions are v1, v1beta1 and v1alpha1".to_owned()),
    );
    false
}

fn invalid(checked: &mut Checked<'_>, field: &str, message: &str) {
    checked.refuse(code::INVALID_TEMPLATE, field, format!("invalid ConstraintTemplate: {message}"));
}

/// `spec.crd.spec`.
pub(super) fn crd_spec<'doc>(
    checked: &mut Checked<'doc>,
    spec: Option<&'doc Map<String, Value>>,
) -> Option<&'doc Map<String, Value>> {
    let crd = checked.object(get(spec, "crd"), "spec.crd");
    checked.object(get(crd, "spec"), "spec.crd.spec")
}

const NAMES_FIELD: &str = "spec.crd.spec.names";
const KIND_FIELD: &str = "spec.crd.spec.names.kind";

/// The kind, which has to be there and to agree with the template's name.
pub(super) fn kind<'doc>(
    checked: &mut Checked<'doc>,
    crd_spec: Option<&'doc Map<String, Value>>,
    name: &str,
) -> &'doc str {
    let names = checked.object(get(crd_spec, "names"), NAMES_FIELD);
    let field = KIND_FIELD;
    let kind = checked.text(get(names, "kind"), field);
    let lower = kind.to_lowercase();
    if kind.is_empty() {
        invalid(checked, field, &format!("ConstraintTemplate {name:?} does not specify CRD Kind"));
    } else if name.to_lowercase() != lower {
        let message =
            format!("the ConstraintTemplate's name {name:?} is not equal to the lowercase of CRD's Kind: {lower:?}");
        invalid(checked, "metadata.name", &message);
    }
    kind
}

/// The names that the CustomResourceDefinition would have.
pub(super) fn names<'doc>(checked: &mut Checked<'doc>, crd_spec: Option<&'doc Map<String, Value>>, kind: &str) {
    let names = get(crd_spec, "names").and_then(Value::as_object);
    let lower = kind.to_lowercase();
    let defect = || dns_label_defect(&lower).or_else(|| dns_label_defect(&format!("{lower}list")));
    if let Some(defect) = if kind.is_empty() { None } else { defect() } {
        invalid(checked, KIND_FIELD, &format!("Invalid value: {kind:?}: {defect}"));
    }
    for (index, value) in
        checked.array(get(names, "shortNames"), &format!("{NAMES_FIELD}.shortNames")).iter().enumerate()
    {
        let field = format!("{NAMES_FIELD}.shortNames[{index}]");
        let short = checked.text(Some(value), &field);
        if let Some(defect) = dns_label_defect(short) {
            invalid(checked, &field, &format!("Invalid value: {short:?}: {defect}"));
        }
    }
}

/// Labels: the CustomResourceDefinition that Gatekeeper would create carries them.
pub(super) fn labels<'doc>(checked: &mut Checked<'doc>, labels: Option<&'doc Value>) {
    for (key, value) in checked.object(labels, "metadata.labels").into_iter().flatten() {
        let field = format!("metadata.labels.{key}");
        if let Some(defect) = label_key_defect(key) {
            invalid(checked, &field, &format!("Invalid value: {key:?}: {defect}"));
        }
        let value = checked.text(Some(value), &field);
        if let Some(defect) = label_value_defect(value) {
            invalid(checked, &field, &format!("Invalid value: {value:?}: {defect}"));
        }
    }
}

/// The schema of `spec.parameters`; `None` where no parameters are allowed.
fn parameters(
    checked: &mut Checked<'_>,
    crd_spec: Option<&Map<String, Value>>,
    legacy_default: bool,
) -> Option<Schema> {
    let schema = decoded_schema(checked, crd_spec, legacy_default)?;
    structural(checked, &schema);
    Some(schema)
}

/// That schema as far as decoding goes.
pub(super) fn decoded_schema(
    checked: &mut Checked<'_>,
    crd_spec: Option<&Map<String, Value>>,
    legacy_default: bool,
) -> Option<Schema> {
    // Gatekeeper defaults legacySchema inside `validation` only if that is an object, and makes one where it is absent.
    let document = checked.document;
    let field = "spec.crd.spec.validation";
    let validation = document.value.pointer("/spec/crd/spec/validation");
    let validation = crd_spec.and(checked.object(validation, field));
    let legacy_field = format!("{field}.legacySchema");
    let legacy = checked.flag(get(validation, "legacySchema"), &legacy_field).unwrap_or(legacy_default);
    let written = get(validation, "openAPIV3Schema").filter(|value| !value.is_null());
    let empty = Value::Object(Map::new());
    let (mut schema, errors) = schema::read(written.or_else(|| legacy.then_some(&empty))?);
    if !errors.is_empty() {
        refuse_schema(checked, errors);
        return None;
    }
    if legacy {
        schema.preserve_everywhere();
    }
    Some(schema)
}

/// What Kubernetes demands of a schema beside that it decodes.
pub(super) fn structural(checked: &mut Checked<'_>, schema: &Schema) {
    refuse_schema(checked, schema::check_structural(schema));
}

fn refuse_schema(checked: &mut Checked<'_>, errors: Vec<schema::SchemaError>) {
    for error in errors {
        let field = super::schema_path(SCHEMA_FIELD, &error.field);
        let message = format!("invalid ConstraintTemplate: {}", error.message);
        checked.refuse(code::INVALID_SCHEMA, &field, message);
    }
}

/// The one target.
pub(super) fn target<'doc>(
    checked: &mut Checked<'doc>,
    spec: Option<&'doc Map<String, Value>>,
) -> Option<&'doc Map<String, Value>> {
    let targets = checked.array(get(spec, "targets"), "spec.targets");
    let [target] = targets else {
        if !checked.diagnostics.iter().any(|found| found.field == "spec.targets") {
            invalid(checked, "spec.targets", "must declare exactly one target");
        }
        return None;
    };
    let field = "spec.targets[0].target";
    let fields = checked.object(Some(target), "spec.targets[0]");
    let name = checked.text(get(fields, "target"), field);
    if name.is_empty() && (fields.is_some() || target.is_null()) {
        invalid(checked, field, "target name must not be empty");
    } else if !name.is_empty() && name != TARGET {
        let message = format!("invalid ConstraintTemplate: target {name:?} not recognized, known targets [{TARGET}]");
        checked.refuse_with_hint(code::INVALID_TEMPLATE, field, message, did_you_mean(name, [TARGET]));
    }
    fields
}

pub(super) fn operations<'doc>(checked: &mut Checked<'doc>, target: &'doc Map<String, Value>) -> Operations {
    let field = "spec.targets[0].operations";
    let mut listed = Vec::new();
    for (index, value) in checked.array(target.get("operations"), field).iter().enumerate() {
        let field = format!("{field}[{index}]");
        let operation = checked.text(Some(value), &field);
        if Operations::KNOWN.contains(&operation) {
            listed.push(operation.to_owned());
        } else {
            let known = Operations::KNOWN.map(|name| format!("{name:?}")).join(", ");
            let message = format!("Unsupported value: {operation:?}: supported values: {known}");
            let hint = did_you_mean(operation, Operations::KNOWN);
            checked.refuse_with_hint(code::INVALID_TEMPLATE, &field, message, hint);
        }
    }
    if listed.len() > 1 && listed.iter().any(|operation| operation == "*") {
        invalid(checked, field, "operations cannot contain '*' together with other operations");
    }
    Operations::new(listed)
}

pub(super) struct Code {
    version: RegoVersion,
    module: SourceText,
    libs: Vec<SourceText>,
}

/// The target's Rego: `rego` and `libs`, which win, or the `code` entry of that engine.
pub(super) fn rego<'doc>(checked: &mut Checked<'doc>, target: &'doc Map<String, Value>) -> Option<Code> {
    let field = "spec.targets[0]";
    let code_field = format!("{field}.code");
    let entries = checked.array(target.get("code"), &code_field);
    let mut engines = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let field = format!("{code_field}[{index}]");
        let entry = checked.object(Some(entry), &field);
        engines.push((checked.text(get(entry, "engine"), &format!("{field}.engine")), get(entry, "source"), field));
    }
    if !checked.text(target.get("rego"), &format!("{field}.rego")).is_empty() {
        return source(checked, Some(target), field, RegoVersion::V0);
    }
    let Some((_, value, field)) = engines.iter().find(|(engine, ..)| *engine == REGO) else {
        no_rego(checked, &engines);
        return None;
    };
    let field = format!("{field}.source");
    let Some(fields) = checked.object(*value, &field) else {
        if checked.diagnostics.is_empty() {
            invalid(checked, &field, "could not recognize the type: source must be an object with \"rego\"");
        }
        return None;
    };
    let version = match checked.text(fields.get("version"), &format!("{field}.version")) {
        "v1" => RegoVersion::V1,
        _ => RegoVersion::V0,
    };
    source(checked, Some(fields), &field, version)
}

fn no_rego(checked: &mut Checked<'_>, engines: &[(&str, Option<&Value>, String)]) {
    let message = "no language driver is installed that handles this constraint template: available drivers: [Rego]";
    match engines.iter().find(|(engine, ..)| *engine == CEL).or(engines.first()) {
        Some((engine, _, field)) => {
            let hint = match *engine {
                CEL => {
                    Some("CEL is not supported yet; add the same policy as an entry with engine \"Rego\"".to_owned())
                }
                other => did_you_mean(other, [REGO]),
            };
            let message = format!("{message}, wanted {engine:?}");
            checked.refuse_with_hint(code::UNSUPPORTED_ENGINE, &format!("{field}.engine"), message, hint);
        }
        None => {
            let hint = Some("a target needs \"rego\", or \"code\" with engine \"Rego\"".to_owned());
            checked.refuse_with_hint(code::UNSUPPORTED_ENGINE, "spec.targets[0]", message, hint);
        }
    }
}

fn source<'doc>(
    checked: &mut Checked<'doc>,
    fields: Option<&'doc Map<String, Value>>,
    field: &str,
    version: RegoVersion,
) -> Option<Code> {
    let rego_field = format!("{field}.rego");
    if checked.text(get(fields, "rego"), &rego_field).is_empty() {
        invalid(checked, &rego_field, "template:0: rego_parse_error: empty module");
        return None;
    }
    let libs_field = format!("{field}.libs");
    let mut libs = Vec::new();
    for (index, value) in checked.array(get(fields, "libs"), &libs_field).iter().enumerate() {
        let field = format!("{libs_field}[{index}]");
        checked.text(Some(value), &field);
        libs.extend(checked.document.text(&field));
    }
    Some(Code { version, module: checked.document.text(&rego_field)?, libs })
}
