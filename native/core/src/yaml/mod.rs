//! Policy and object files: YAML 1.1 as sigs.k8s.io/yaml reads it, with the place of everything in them.
//!
//! Kubernetes tools turn YAML into JSON before they look at it, and the rules of that step decide what a policy means:
//! a plain `yes` is true, `017` is 15, keys become strings, of two equal keys the last one counts. The syntax itself
//! comes from a parser that gives events with places; [`scalar`] holds the rules of values, [`compose`] those of
//! structure, [`marks`] the way from a field path back to the file. JSON is read by the same way, as YAML.
//!
//! Files come from strangers: nesting and what aliases may unfold to are limited, and no input panics.

mod compose;
mod events;
mod marks;
mod scalar;
mod source;

use std::sync::Arc;

use serde_json::Value;

pub use source::SourceText;

use crate::diagnostic::{Diagnostic, Location, code};
use marks::Mark;

/// Most levels of sequences and mappings inside one another.
pub const MAX_DEPTH: usize = 512;

/// One document of a file, as JSON, with the places of its nodes.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document as JSON. Integers of 64 bits are exact.
    pub value: Value,
    path: Arc<str>,
    source: Arc<str>,
    mark: Mark,
}

/// What a file gave: its documents up to the first defect of syntax, and the defects.
#[derive(Debug, Default)]
pub struct Reading {
    /// Documents in the file's order; empty ones are left out.
    pub documents: Vec<Document>,
    /// Defects in the file's order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file of YAML or JSON documents. `path` is only for diagnostics.
#[must_use]
pub fn read(path: &str, data: &[u8]) -> Reading {
    let path: Arc<str> = path.into();
    let refuse = |good: &str, message: &str| {
        let diagnostic = Diagnostic::new(code::SYNTAX, message).at(location_after(&path, good));
        Reading { documents: Vec::new(), diagnostics: vec![diagnostic] }
    };
    let text = match std::str::from_utf8(data) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let good = data.get(..error.valid_up_to()).unwrap_or_default();
            return refuse(&String::from_utf8_lossy(good), "the file is not UTF-8");
        }
    };
    match text.find(|symbol: char| symbol.is_control() && !matches!(symbol, '\t' | '\n' | '\r' | '\u{85}')) {
        Some(at) => refuse(text.get(..at).unwrap_or_default(), "yaml: control characters are not allowed"),
        None => compose::documents(&path, text),
    }
}

fn location_after(path: &Arc<str>, text: &str) -> Location {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Location { path: path.clone(), line: events::small(line), column: events::small(column) }
}

impl Document {
    /// A value that came without a file, such as an object under review: nothing in it has a place.
    #[must_use]
    pub fn without_file(value: Value) -> Self {
        Self { value, path: "".into(), source: "".into(), mark: Mark::unknown() }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Where the document's first node stands.
    #[must_use]
    pub fn location(&self) -> Location {
        self.mark.location(&self.path)
    }

    /// Where a field such as `spec.match.kinds[0].apiGroups` stands, or the deepest of its ancestors that is there.
    #[must_use]
    pub fn locate(&self, field: &str) -> Location {
        self.mark.descend(field).0.location(&self.path)
    }

    /// The text of a string field, with the places of its lines. `None` where the field is no string.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<SourceText> {
        let (mark, found) = self.mark.descend(field);
        let text = if found { marks::value_at(&self.value, field)?.as_str()? } else { return None };
        Some(SourceText::new(text.into(), self.path.clone(), mark.source_map(&self.source, text)))
    }

    /// The element documents of a `List`, each with its places in this file.
    #[must_use]
    pub fn items(&self) -> Vec<Document> {
        let values = self.value.get("items").and_then(Value::as_array);
        let marks = self.mark.child_of("items").map(Mark::elements).unwrap_or_default();
        let each = values.into_iter().flatten().zip(marks);
        each.map(|(value, mark)| Document {
            value: value.clone(),
            path: self.path.clone(),
            source: self.source.clone(),
            mark: mark.clone(),
        })
        .collect()
    }

    /// A diagnostic at a field of this document.
    #[must_use]
    pub fn diagnostic(&self, code: &'static str, field: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, message).at(self.locate(field)).field(field)
    }
}

#[cfg(test)]
mod tests;
