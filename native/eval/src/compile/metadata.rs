//! What rules know of their own metadata: `rego.metadata.rule` and `rego.metadata.chain`.
//!
//! A block of comments that begins with `# METADATA` is YAML and belongs to the package or rule below it. Blocks are read only
//! where a policy asks for them. What OPA would check further than is done here, such as schemas, is refused.

use std::cell::OnceCell;
use std::sync::Arc;

use fleetgate_rego::LineIndex;
use fleetgate_rego::ast::Rule;
use fleetgate_value::Value;

use super::{Unit, names};
use crate::documents::read_document;

/// To what an annotation applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Rule,
    Document,
    Package,
    Subpackages,
}

#[derive(Debug)]
struct Annotation {
    unit: usize,
    row: u32,
    /// Row of the rule or package below it.
    target: u32,
    scope: Scope,
    /// Below `data`.
    path: Vec<Arc<str>>,
    value: Value,
}

/// The metadata of all modules.
#[derive(Debug)]
pub(super) struct Metadata<'a> {
    units: &'a [Unit],
    read: OnceCell<Result<Vec<Annotation>, String>>,
}

impl<'a> Metadata<'a> {
    pub(super) const fn new(units: &'a [Unit]) -> Self {
        Self { units, read: OnceCell::new() }
    }

    fn annotations(&self) -> Result<&[Annotation], String> {
        let read = self.read.get_or_init(|| {
            let units = self.units.iter().enumerate();
            let found: Result<Vec<_>, _> = units.map(|(number, unit)| annotations(number, unit)).collect();
            found.map(|found| found.into_iter().flatten().collect())
        });
        read.as_deref().map_err(Clone::clone)
    }

    /// The annotations of the rule itself, in their order.
    fn own(&self, unit: usize, rule: &Rule) -> Result<Vec<&Annotation>, String> {
        let row = self.units.get(unit).map_or(0, |unit| row(unit, rule.span.start));
        let is_own = |one: &&Annotation| one.unit == unit && one.target == row && one.scope == Scope::Rule;
        Ok(self.annotations()?.iter().filter(is_own).collect())
    }

    /// `rego.metadata.rule()` in a rule of a module; the clauses behind its `else` have no metadata.
    pub(super) fn rule(&self, unit: usize, rule: &Rule, is_else: bool) -> Result<Value, String> {
        let own = self.own(unit, rule)?;
        Ok(own.first().filter(|_| !is_else).map_or_else(Value::empty_object, |one| one.value.clone()))
    }

    /// `rego.metadata.chain()`: from the rule outwards.
    pub(super) fn chain(&self, unit: usize, rule: &Rule, is_else: bool) -> Result<Value, String> {
        let Some(module) = self.units.get(unit).map(|unit| &unit.module) else { return Ok(Value::array(Vec::new())) };
        let package = names::package(module);
        let mut path = package.clone();
        path.extend(names::static_prefix(&rule.head.reference));
        let own = if is_else { Vec::new() } else { self.own(unit, rule)? };
        let mut links: Vec<Value> = own.iter().rev().map(|one| link(&one.path, Some(&one.value))).collect();
        if links.is_empty() {
            links.push(link(&path, None));
        }
        let only = |scope: Scope, path: &[Arc<str>]| {
            let mut found = self.annotations()?.iter().filter(|one| one.scope == scope && one.path == path);
            match (found.next(), found.next()) {
                (_, Some(second)) => Err(format!("metadata is declared again in line {}", second.row)),
                (first, None) => Ok(first),
            }
        };
        links.extend(only(Scope::Document, &path)?.map(|one| link(&one.path, Some(&one.value))));
        links.extend(only(Scope::Package, &package)?.map(|one| link(&one.path, Some(&one.value))));
        for length in (0..=package.len()).rev() {
            let above = package.get(..length).unwrap_or_default();
            links.extend(only(Scope::Subpackages, above)?.map(|one| link(&one.path, Some(&one.value))));
        }
        Ok(Value::array(links))
    }
}

fn link(path: &[Arc<str>], annotations: Option<&Value>) -> Value {
    let path = Value::array(path.iter().map(|name| Value::String(name.clone())).collect());
    let annotations = annotations.map(|annotations| ("annotations".into(), annotations.clone()));
    Value::object(annotations.into_iter().chain([("path".into(), path)]).collect())
}

fn row(unit: &Unit, offset: u32) -> u32 {
    LineIndex::new(&unit.text).position(&unit.text, offset).row
}

fn annotations(number: usize, unit: &Unit) -> Result<Vec<Annotation>, String> {
    let lines = LineIndex::new(&unit.text);
    let package = names::package(&unit.module);
    let at = |offset: u32| lines.position(&unit.text, offset).row;
    let mut targets = vec![(at(unit.module.package.span.start), None)];
    targets.extend(unit.module.imports.iter().map(|import| (at(import.span.start), None)));
    targets.extend(unit.module.rules.iter().map(|rule| (at(rule.span.start), Some(rule))));
    targets.sort_by_key(|(row, _)| *row);
    let package_row = at(unit.module.package.span.start);
    let mut found = Vec::new();
    for (row, text) in blocks(unit, &lines) {
        let refused = |why: &str| format!("metadata in line {row}: {why}");
        let Some((target, rule)) = targets.iter().find(|(target, _)| *target > row) else { continue };
        if rule.is_none() && *target != package_row {
            return Err(refused("it belongs to an import"));
        }
        let yaml = read_document("", text.as_bytes()).map_err(|error| refused(&error.message))?;
        let (scope, value) = read(&yaml, rule.is_some()).map_err(|why| refused(&why))?;
        let mut path = package.clone();
        if let Some(rule) = rule {
            path.extend(names::static_prefix(&rule.head.reference));
        }
        found.push(Annotation { unit: number, row, target: *target, scope, path, value });
    }
    Ok(found)
}

/// The metadata blocks of a module: the row of each and its text without comment signs.
fn blocks(unit: &Unit, lines: &LineIndex) -> Vec<(u32, String)> {
    let mut blocks: Vec<(u32, String)> = Vec::new();
    let mut last = None;
    for comment in &unit.module.comments {
        let position = lines.position(&unit.text, comment.start);
        let text = comment.text(&unit.text).trim_start_matches('#');
        if position.col == 1 && text.trim().starts_with("METADATA") {
            blocks.push((position.row, String::new()));
            last = Some(position.row);
        } else if position.col == 1 && last.is_some_and(|row| row + 1 == position.row) {
            if let Some((_, block)) = blocks.last_mut() {
                block.push_str(text);
                block.push('\n');
            }
            last = Some(position.row);
        } else {
            last = None;
        }
    }
    blocks
}

fn read(yaml: &Value, of_rule: bool) -> Result<(Scope, Value), String> {
    let fields = yaml.as_object().ok_or("it is no mapping")?;
    let field = |name: &str| fields.get_str(name).filter(|value| !matches!(value, Value::Null));
    if let Some(name) = ["schemas", "compile"].into_iter().find(|name| field(name).is_some()) {
        return Err(format!("{name} is not supported"));
    }
    let entrypoint = match field("entrypoint") {
        None => false,
        Some(Value::Bool(entrypoint)) => *entrypoint,
        Some(_) => return Err("entrypoint is no boolean".to_owned()),
    };
    let (scope, name) = match (field("scope").map(Value::as_str), of_rule) {
        (None, true) if entrypoint => (Scope::Document, "document"),
        (None | Some(Some("rule")), true) if !entrypoint => (Scope::Rule, "rule"),
        (Some(Some("document")), true) => (Scope::Document, "document"),
        (None | Some(Some("package")), false) => (Scope::Package, "package"),
        (Some(Some("subpackages")), false) if !entrypoint => (Scope::Subpackages, "subpackages"),
        _ => return Err("its scope does not fit what is below it".to_owned()),
    };
    let mut pairs: Vec<(Value, Value)> = vec![("scope".into(), name.into())];
    if entrypoint {
        pairs.push(("entrypoint".into(), true.into()));
    }
    for name in ["title", "description"] {
        match field(name) {
            None => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(text @ Value::String(_)) => pairs.push((name.into(), text.clone())),
            Some(_) => return Err(format!("{name} is no text")),
        }
    }
    for (name, item) in [
        ("organizations", organization as fn(&Value) -> Option<Value>),
        ("authors", author),
        ("related_resources", resource),
    ] {
        match field(name) {
            None => {}
            Some(Value::Array(items)) if items.is_empty() => {}
            Some(Value::Array(items)) => {
                let items: Option<Vec<Value>> = items.iter().map(item).collect();
                let items = items.ok_or_else(|| format!("{name} has an item that is not understood"))?;
                pairs.push((name.into(), Value::array(items)));
            }
            Some(_) => return Err(format!("{name} is no list")),
        }
    }
    for name in ["custom", "labels"] {
        match field(name) {
            None => {}
            Some(Value::Object(object)) if object.is_empty() => {}
            Some(object @ Value::Object(_)) => pairs.push((name.into(), object.clone())),
            Some(_) => return Err(format!("{name} is no mapping")),
        }
    }
    Ok((scope, Value::object(pairs)))
}

fn organization(item: &Value) -> Option<Value> {
    item.as_str().map(Value::from)
}

/// `name <email>`, or a mapping of both.
fn author(item: &Value) -> Option<Value> {
    let words: Vec<&str>;
    let (name, email) = match item {
        Value::String(text) => {
            words = text.split_whitespace().collect();
            let (last, before) = words.split_last()?;
            match last.strip_prefix('<').and_then(|last| last.strip_suffix('>')) {
                Some(email) => (before.join(" "), email.to_owned()),
                None => (words.join(" "), String::new()),
            }
        }
        Value::Object(fields) => {
            let text = |name| fields.get_str(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
            (text("name"), text("email"))
        }
        _ => return None,
    };
    let pairs = [("name", name), ("email", email)].into_iter().filter(|(_, text)| !text.is_empty());
    let pairs: Vec<(Value, Value)> = pairs.map(|(key, text)| (key.into(), text.into())).collect();
    (!pairs.is_empty()).then(|| Value::object(pairs))
}

/// A mapping of `ref` and `description`. A reference that is a text of its own is parsed and written anew by OPA, so only plain
/// ones are taken.
fn resource(item: &Value) -> Option<Value> {
    let (reference, description) = match item {
        Value::String(text) => (&**text, ""),
        Value::Object(fields) => {
            let text = |name| fields.get_str(name).and_then(Value::as_str).unwrap_or_default();
            (text("ref"), text("description"))
        }
        _ => return None,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#=&".contains(c);
    let is_url = ["https://", "http://"].into_iter().any(|scheme| reference.starts_with(scheme));
    if !is_url || !reference.chars().all(is_plain) {
        return None;
    }
    let mut pairs: Vec<(Value, Value)> = vec![("ref".into(), reference.into())];
    if !description.is_empty() {
        pairs.push(("description".into(), description.into()));
    }
    Some(Value::object(pairs))
}
