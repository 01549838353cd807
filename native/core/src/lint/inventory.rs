//! What a template reads of `data.inventory`, what it declares to need, and what the files have synced.

use std::borrow::Cow;

use serde_json::Value;

use super::access::{Access, Path, Step};
use super::policies::{Policies, Rego, Template};

const ANNOTATION: &str = "metadata.gatekeeper.sh/requires-sync-data";

/// A kind of one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupVersionKind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

impl std::fmt::Display for GroupVersionKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let separator = if self.group.is_empty() { "" } else { "/" };
        write!(out, "{} of {}{separator}{}", self.kind, self.group, self.version)
    }
}

/// The two trees and how many steps they have before the version.
pub(super) fn version_at(path: &Path) -> Option<usize> {
    match path.name(1)? {
        "cluster" => Some(2),
        "namespace" => Some(3),
        _ => None,
    }
}

/// Every reference to the inventory.
pub(super) fn reads(template: &Template) -> impl Iterator<Item = (&Rego, Access)> {
    template.accesses().filter(|(_, access)| access.path.is_data(&["inventory"]))
}

/// The kind that a reference names, where it writes version and kind out.
pub(super) fn kind_read(path: &Path) -> Option<GroupVersionKind> {
    let at = version_at(path)?;
    let (api_version, kind) = (path.name(at)?, path.name(at + 1)?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Some(GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() })
}

/// Whether nothing of a reference's version and kind is known.
pub(super) fn is_dynamic(path: &Path) -> bool {
    let is_name = |step: Option<&Step>| matches!(step, Some(Step::Name(_)));
    version_at(path).is_none_or(|at| !is_name(path.steps.get(at)) || !is_name(path.steps.get(at + 1)))
}

/// What a template declares to need: of each requirement, one of its alternatives.
pub(super) type Requirements = Vec<Vec<Equivalence>>;

/// Kinds that stand for each other: any of these groups, versions and kinds.
#[derive(Debug)]
pub(super) struct Equivalence {
    groups: Vec<String>,
    versions: Vec<String>,
    kinds: Vec<String>,
}

impl Equivalence {
    pub(super) fn contains(&self, wanted: &GroupVersionKind) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|one| one == text);
        has(&self.groups, &wanted.group) && has(&self.versions, &wanted.version) && has(&self.kinds, &wanted.kind)
    }

    pub(super) fn text(&self) -> String {
        format!("{} of {}/{}", self.kinds.join("|"), self.groups.join("|"), self.versions.join("|"))
    }
}

/// The template's annotation: absent, unreadable, or its requirements.
pub(super) fn declared(template: &Template) -> Option<Result<Requirements, String>> {
    let written = template.annotation(ANNOTATION)?;
    // As Gatekeeper does: the annotation may be quoted once more.
    let text = written.trim_matches(['\n', '"']);
    let parsed: Result<Value, _> = serde_json::from_str(text);
    Some(
        parsed
            .map_err(|error| Cow::Owned(error.to_string()))
            .and_then(|value| requirements(&value))
            .map_err(Cow::into_owned),
    )
}

/// Where the annotation stands.
pub(super) fn annotation_field() -> String {
    format!("metadata.annotations.{ANNOTATION}")
}

fn requirements(value: &Value) -> Result<Requirements, Cow<'static, str>> {
    let wrong = || Cow::Borrowed("it is no list of lists of {groups, versions, kinds}");
    let outer = value.as_array().ok_or_else(wrong)?;
    let list = |entry: &Value, field: &str| -> Option<Vec<String>> {
        entry.get(field)?.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let equivalence = |entry: &Value| {
        Some(Equivalence {
            groups: list(entry, "groups")?,
            versions: list(entry, "versions")?,
            kinds: list(entry, "kinds")?,
        })
    };
    let inner = |value: &Value| value.as_array()?.iter().map(equivalence).collect::<Option<Vec<_>>>();
    outer.iter().map(inner).collect::<Option<Vec<_>>>().ok_or_else(wrong)
}

/// Every kind that `Config` and `SyncSet` among the files keep in the inventory.
pub(super) fn synced(policies: &Policies) -> Vec<GroupVersionKind> {
    let lists = ["/spec/gvks", "/spec/sync/syncOnly"];
    let entries = policies
        .syncs
        .iter()
        .flat_map(|document| lists.iter().filter_map(|pointer| document.value.pointer(pointer)?.as_array()).flatten());
    let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    entries
        .map(|entry| GroupVersionKind {
            group: text(entry, "group"),
            version: text(entry, "version"),
            kind: text(entry, "kind"),
        })
        .collect()
}
