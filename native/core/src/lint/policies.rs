//! The documents as the rules look at them: nothing is required, what is missing is empty.

use std::collections::BTreeSet;

use fleetgate_rego::ast::{Module, Rule, Value as Term};
use fleetgate_rego::visit::rule_terms;
use fleetgate_rego::{Capabilities, LineIndex, Release, Span, Version, parse_module};
use serde_json::{Map, Value};

use super::access::{Access, Aliases};
use super::kinds::{self, Kind};
use crate::diagnostic::Location;
use crate::template::{SourceText, did_you_mean};
use crate::yaml::Document;

const TEMPLATES_GROUP: &str = "templates.gatekeeper.sh";
const CONSTRAINTS_GROUP: &str = "constraints.gatekeeper.sh";
const GATEKEEPER: &str = "gatekeeper.sh";

/// Everything in the files.
pub(super) struct Policies {
    pub(super) templates: Vec<Template>,
    pub(super) constraints: Vec<Constraint>,
    /// `Config` and `SyncSet`: what Gatekeeper is told to keep in `data.inventory`.
    pub(super) syncs: Vec<Document>,
    /// Other documents of Gatekeeper, or of a group that was meant to be one of its.
    rest: Vec<Document>,
    /// Documents that are none of ours.
    pub(super) others: usize,
}

/// A ConstraintTemplate.
pub(super) struct Template {
    pub(super) document: Document,
    /// Kind of its Constraints.
    pub(super) kind: String,
    /// The entry module and then the libraries, as far as they are Rego.
    pub(super) modules: Vec<Rego>,
    /// Whether every text was Rego. Where not, rules must not conclude from what is missing.
    pub(super) complete: bool,
}

/// A module of a template.
pub(super) struct Rego {
    pub(super) module: Module,
    /// Whether it is the one that defines `violation`.
    pub(super) is_entry: bool,
    pub(super) aliases: Aliases,
    source: SourceText,
    lines: LineIndex,
}

/// A Constraint.
pub(super) struct Constraint {
    pub(super) document: Document,
    pub(super) kind: String,
}

impl Policies {
    pub(super) fn new(documents: Vec<Document>) -> Self {
        let mut policies =
            Self { templates: Vec::new(), constraints: Vec::new(), syncs: Vec::new(), rest: Vec::new(), others: 0 };
        documents.into_iter().for_each(|document| policies.add(document));
        policies
    }

    fn add(&mut self, document: Document) {
        let text = |field: &str| document.value.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, group) = (text("kind"), text("apiVersion").split_once('/').map_or("", |(group, _)| group));
        if kind.ends_with("List") && document.value.get("items").is_some_and(Value::is_array) {
            document.items().into_iter().for_each(|item| self.add(item));
            return;
        }
        match (group, kind) {
            (TEMPLATES_GROUP, "ConstraintTemplate") => self.templates.push(Template::new(document)),
            (CONSTRAINTS_GROUP, kind) if !kind.is_empty() => {
                let kind = kind.to_owned();
                self.constraints.push(Constraint { document, kind });
            }
            ("config.gatekeeper.sh", "Config") | ("syncset.gatekeeper.sh", "SyncSet") => self.syncs.push(document),
            _ if is_gatekeepers(group) => self.rest.push(document),
            _ => self.others += 1,
        }
    }

    /// What a bundle of these files would hold.
    pub(super) fn loadable(&self) -> Vec<Document> {
        let templates = self.templates.iter().map(|template| &template.document);
        let constraints = self.constraints.iter().map(|constraint| &constraint.document);
        templates.chain(constraints).chain(&self.rest).cloned().collect()
    }

    /// Every document that a rule may find something in.
    pub(super) fn documents(&self) -> impl Iterator<Item = &Document> {
        let templates = self.templates.iter().map(|template| &template.document);
        let constraints = self.constraints.iter().map(|constraint| &constraint.document);
        templates.chain(constraints).chain(&self.syncs)
    }

    /// The template that defines the Constraint's kind.
    pub(super) fn template_of(&self, constraint: &Constraint) -> Option<&Template> {
        self.templates.iter().find(|template| template.kind == constraint.kind)
    }
}

fn is_gatekeepers(group: &str) -> bool {
    let near = || did_you_mean(group, [TEMPLATES_GROUP, CONSTRAINTS_GROUP]).is_some();
    group == GATEKEEPER || group.ends_with(".gatekeeper.sh") || near()
}

impl Template {
    fn new(document: Document) -> Self {
        let kind = document.value.pointer("/spec/crd/spec/names/kind").and_then(Value::as_str).unwrap_or_default();
        let kind = kind.to_owned();
        let mut template = Self { document, kind, modules: Vec::new(), complete: true };
        if let Some((field, version)) = template.source_field() {
            template.read(&format!("{field}.rego"), version, true);
            let libs = template.value_at(&field).and_then(|source| source.get("libs")).and_then(Value::as_array);
            for index in 0..libs.map_or(0, Vec::len) {
                template.read(&format!("{field}.libs[{index}]"), version, false);
            }
        }
        template.complete &= !template.modules.is_empty();
        template
    }

    /// The field that holds `rego` and `libs`: the target itself, or the source of its `code` entry for Rego.
    fn source_field(&self) -> Option<(String, Version)> {
        let target = self.document.value.pointer("/spec/targets/0")?;
        if target.get("rego").and_then(Value::as_str).is_some_and(|rego| !rego.is_empty()) {
            return Some(("spec.targets[0]".to_owned(), Version::V0));
        }
        let entries = target.get("code")?.as_array()?;
        let is_rego = |entry: &Value| entry.get("engine").and_then(Value::as_str) == Some("Rego");
        let (index, entry) = entries.iter().enumerate().find(|(_, entry)| is_rego(entry))?;
        let version = match entry.pointer("/source/version").and_then(Value::as_str) {
            Some("v1") => Version::V1,
            _ => Version::V0,
        };
        Some((format!("spec.targets[0].code[{index}].source"), version))
    }

    fn value_at(&self, field: &str) -> Option<&Value> {
        let pointer = field.replace('[', "/").replace(']', "").replace('.', "/");
        self.document.value.pointer(&format!("/{pointer}"))
    }

    fn read(&mut self, field: &str, version: Version, is_entry: bool) {
        let source = self.document.text(field);
        let capabilities = Capabilities::of(Release::Opa1_17, version);
        let module = source.as_ref().and_then(|source| parse_module(&source.text, &capabilities).ok());
        let (Some(source), Some(module)) = (source, module) else {
            self.complete = false;
            return;
        };
        let (lines, aliases) = (LineIndex::new(&source.text), Aliases::new(&module));
        self.modules.push(Rego { module, is_entry, aliases, source, lines });
    }

    /// Every rule with its module.
    pub(super) fn rules(&self) -> impl Iterator<Item = (&Rego, &Rule)> {
        self.modules.iter().flat_map(|rego| rego.module.rules.iter().map(move |rule| (rego, rule)))
    }

    /// The rules `violation`.
    pub(super) fn violations(&self) -> impl Iterator<Item = (&Rego, &Rule)> {
        self.rules().filter(|(rego, rule)| rego.is_entry && rule.head.name.as_deref() == Some("violation"))
    }

    /// Everything that its Rego reads.
    pub(super) fn accesses(&self) -> impl Iterator<Item = (&Rego, Access)> {
        self.rules().flat_map(|(rego, rule)| rego.aliases.accesses(rule).into_iter().map(move |access| (rego, access)))
    }

    /// Every text that its Rego writes out, names in references included.
    pub(super) fn words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for (_, rule) in self.rules() {
            rule_terms(rule, &mut |term| {
                if let Term::String(text) = &term.value {
                    words.insert(text.to_string());
                }
                true
            });
        }
        words
    }

    /// Its comments.
    pub(super) fn comments(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().flat_map(|rego| rego.module.comments.iter().map(|span| span.text(&rego.source.text)))
    }

    /// An annotation.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.document.value.pointer("/metadata/annotations")?.get(name)?.as_str()
    }
}

impl Rego {
    /// Where a span begins in the policy file.
    pub(super) fn locate(&self, span: Span) -> Location {
        let position = self.lines.position(&self.source.text, span.start);
        self.source.locate(position.row, position.col)
    }
}

/// One entry of `spec.match.kinds`.
pub(super) struct KindsEntry<'doc> {
    pub(super) groups: Vec<&'doc str>,
    pub(super) kinds: Vec<&'doc str>,
    /// Its path in the document.
    pub(super) field: String,
}

impl Constraint {
    pub(super) fn spec(&self) -> Option<&Map<String, Value>> {
        self.document.value.get("spec")?.as_object()
    }

    pub(super) fn matching(&self) -> Option<&Map<String, Value>> {
        self.spec()?.get("match")?.as_object()
    }

    /// A list of texts in the match block.
    pub(super) fn listed(&self, field: &str) -> Vec<&str> {
        texts(self.matching().and_then(|block| block.get(field)))
    }

    pub(super) fn kinds(&self) -> Vec<KindsEntry<'_>> {
        let entries = self.matching().and_then(|block| block.get("kinds")).and_then(Value::as_array);
        let entries = entries.into_iter().flatten().enumerate();
        entries
            .map(|(index, value)| {
                let (groups, kinds) = (texts(value.get("apiGroups")), texts(value.get("kinds")));
                KindsEntry { groups, kinds, field: format!("spec.match.kinds[{index}]") }
            })
            .collect()
    }

    /// Every kind that it matches, where all of them are listed and Kubernetes' own. `None` where some are not known.
    pub(super) fn known_kinds(&self) -> Option<Vec<&'static Kind>> {
        let mut known = Vec::new();
        for entry in self.kinds() {
            if entry.any_group() || entry.any_kind() || !entry.groups.iter().all(|group| kinds::is_own_group(group)) {
                return None;
            }
            for name in entry.kinds {
                known.push(kinds::find(name)?);
            }
        }
        (!known.is_empty()).then_some(known)
    }

    /// Where a field stands, or what is there of the way to it.
    pub(super) fn locate(&self, field: &str) -> Location {
        self.document.locate(field)
    }
}

impl KindsEntry<'_> {
    pub(super) fn any_group(&self) -> bool {
        self.groups.is_empty() || self.groups.contains(&"*")
    }

    pub(super) fn any_kind(&self) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&"*")
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
