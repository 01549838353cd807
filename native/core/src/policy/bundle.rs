//! One bundle: its files read, its templates compiled, its Constraints and configuration set aside for
//! [`super::assemble`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::programs::Compiler;
use crate::config::{self, Config, SyncSet};
use crate::diagnostic::{Diagnostic, code};
use crate::evaluate::Program;
use crate::template::{self, Template, did_you_mean};
use crate::yaml::{self, Document};

pub(super) const TEMPLATES_GROUP: &str = "templates.gatekeeper.sh";
pub(super) const CONSTRAINTS_GROUP: &str = "constraints.gatekeeper.sh";
/// What Gatekeeper's tools read beside policies, and skip where they look for policies.
const SKIPPED_GROUP: &str = "test.gatekeeper.sh";
/// Groups whose objects would change what the policies mean: passing over them would change verdicts.
const UNSUPPORTED_GROUPS: [&str; 4] =
    ["connection.gatekeeper.sh", "expansion.gatekeeper.sh", "externaldata.gatekeeper.sh", "mutations.gatekeeper.sh"];

/// Groups that have one kind, and that kind.
const ONLY_KINDS: [(&str, &str); 3] =
    [(TEMPLATES_GROUP, "ConstraintTemplate"), (Config::GROUP, "Config"), (SyncSet::GROUP, "SyncSet")];

/// A bundle as it was applied.
pub(super) struct Bundle {
    pub(super) name: Arc<str>,
    pub(super) templates: Vec<Compiled>,
    pub(super) constraints: Vec<Document>,
    pub(super) configs: Vec<Arc<Config>>,
    pub(super) sync_sets: Vec<Arc<SyncSet>>,
    /// Names of templates that are defective: their Constraints' defects are not worth reporting.
    pub(super) broken: BTreeSet<String>,
}

/// A template and its program.
pub(super) struct Compiled {
    pub(super) template: Arc<Template>,
    pub(super) program: Arc<dyn Program>,
}

impl Bundle {
    /// Name of what is no bundle: the custom resources of a scope. No bundle can have it.
    pub(super) const RESOURCES: &'static str = "";

    /// Reads and compiles.
    pub(super) fn load(name: &str, files: &[(&str, &[u8])], compiler: Compiler<'_>) -> (Self, Vec<Diagnostic>) {
        let mut documents = Vec::new();
        let mut defects = Vec::new();
        for (path, content) in files {
            let reading = yaml::read(path, content);
            defects.extend(reading.diagnostics);
            documents.extend(reading.documents);
        }
        let (bundle, found) = Self::of(name, documents, compiler);
        defects.extend(found);
        (bundle, defects)
    }

    /// As [`Bundle::load`], from documents that are read already.
    pub(super) fn of(name: &str, documents: Vec<Document>, compiler: Compiler<'_>) -> (Self, Vec<Diagnostic>) {
        let mut bundle = Self {
            name: name.into(),
            templates: Vec::new(),
            constraints: Vec::new(),
            configs: Vec::new(),
            sync_sets: Vec::new(),
            broken: BTreeSet::new(),
        };
        let mut defects = Vec::new();
        for document in documents {
            bundle.add(document, compiler, &mut defects);
        }
        (bundle, defects)
    }

    fn add(&mut self, document: Document, compiler: Compiler<'_>, defects: &mut Vec<Diagnostic>) {
        if !document.value.is_object() {
            let message = "a document must be a Kubernetes object";
            defects.push(document.diagnostic(code::UNSUPPORTED_KIND, "", message));
            return;
        }
        let text = |field: &str| document.value.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if kind.ends_with("List") && document.value.get("items").is_some_and(Value::is_array) {
            for item in document.items() {
                self.add(item, compiler, defects);
            }
            return;
        }
        match (group, kind) {
            (TEMPLATES_GROUP, "ConstraintTemplate") => match self.compile(&document, compiler) {
                Ok(compiled) => self.templates.push(compiled),
                Err(found) => {
                    defects.extend(found);
                    self.broken.extend(template_names(&document.value));
                }
            },
            (CONSTRAINTS_GROUP, kind) if !kind.is_empty() => self.constraints.push(document),
            (Config::GROUP, "Config") => match config::read_config(&document, &self.name) {
                Ok(config) => self.configs.push(Arc::new(config)),
                Err(found) => defects.extend(found),
            },
            (SyncSet::GROUP, "SyncSet") => match config::read_sync_set(&document, &self.name) {
                Ok(sync_set) => self.sync_sets.push(Arc::new(sync_set)),
                Err(found) => defects.extend(found),
            },
            (SKIPPED_GROUP, _) => {}
            _ => defects.push(refused(&document, group, kind)),
        }
    }

    fn compile(&self, document: &Document, compiler: Compiler<'_>) -> Result<Compiled, Vec<Diagnostic>> {
        let template = template::read_template(document, &self.name)?;
        let program = compiler.compile(&template)?;
        Ok(Compiled { template: Arc::new(template), program })
    }
}

/// The names by which Constraints could look for a template: that of its kind, and its own.
fn template_names(document: &Value) -> impl Iterator<Item = String> {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_lowercase);
    [text("/spec/crd/spec/names/kind"), text("/metadata/name")].into_iter().flatten()
}

fn refused(document: &Document, group: &str, kind: &str) -> Diagnostic {
    let api_version = document.value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let (field, message, hint) = match (api_version, kind) {
        ("", _) => ("apiVersion", "Object 'apiVersion' is missing".to_owned(), None),
        (_, "") => ("kind", "Object 'Kind' is missing".to_owned(), None),
        _ if UNSUPPORTED_GROUPS.contains(&group) => {
            let hint = "it would change what the policies mean, so it is refused rather than ignored";
            ("kind", format!("{kind} ({group}) is not supported yet"), Some(hint.to_owned()))
        }
        _ if let Some((_, only)) = ONLY_KINDS.iter().find(|(known, _)| *known == group) => {
            let message = format!("no kind {kind:?} is registered for version {api_version:?}");
            ("kind", message, did_you_mean(kind, [*only]))
        }
        _ => {
            let known = [TEMPLATES_GROUP, CONSTRAINTS_GROUP, Config::GROUP, SyncSet::GROUP];
            let hint = did_you_mean(group, known).unwrap_or_else(|| {
                "a bundle holds ConstraintTemplates, Constraints, Config and SyncSets; give objects to review to \
                 `fleetgate test`"
                    .to_owned()
            });
            ("kind", format!("{kind} ({api_version}) is not a policy"), Some(hint))
        }
    };
    let diagnostic = document.diagnostic(code::UNSUPPORTED_KIND, field, message);
    Diagnostic { hint, ..diagnostic }
}
