//! Defects of policy files: what is wrong, where it stands and how to mend it.
//!
//! A bundle is loaded or refused as a whole, so a loader never stops at the first defect: it collects diagnostics and
//! goes on. Their order is by place, so that the same files always give the same report.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A place in a policy file. Lines and columns count from 1; 0 means unknown. Columns count characters, not bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file's path as the caller named it.
    pub path: Arc<str>,
    /// 1-based line.
    pub line: u32,
    /// 1-based column.
    pub column: u32,
}

impl Location {
    /// The file as a whole, where no line is known.
    #[must_use]
    pub fn file(path: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.path)?;
        if self.line != 0 {
            write!(out, ":{}", self.line)?;
            if self.column != 0 {
                write!(out, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// One defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable class of the defect; see [`code`].
    pub code: &'static str,
    /// What is wrong, in Gatekeeper's words where Gatekeeper has some.
    pub message: String,
    /// Where it stands; `None` only for defects of a bundle rather than of a file.
    pub location: Option<Location>,
    /// Path inside the document, such as `spec.match.kinds[0].apiGroups`; empty for the document itself.
    pub field: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A defect of a document as a whole.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), location: None, field: String::new(), hint: None }
    }

    /// Says where the defect stands.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Says which field of the document is defective.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Order of a report: by place, then field, code and message.
    #[must_use]
    pub fn report_order(&self, other: &Self) -> Ordering {
        let key = |one: &Self| (one.location.clone(), one.field.clone(), one.code, one.message.clone());
        key(self).cmp(&key(other))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(out, "{location}: ")?;
        }
        if !self.field.is_empty() {
            write!(out, "{}: ", self.field)?;
        }
        write!(out, "{} [{}]", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(out, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Classes of defects. They are part of the contract: tools match on them, so they are added to and never renamed.
pub mod code {
    /// The file is not UTF-8, YAML or JSON, or is beyond a limit of the reader.
    pub const SYNTAX: &str = "syntax_error";
    /// A document of a kind that does not belong into a bundle.
    pub const UNSUPPORTED_KIND: &str = "unsupported_kind";
    /// A field that no schema knows.
    pub const UNKNOWN_FIELD: &str = "unknown_field";
    /// A field whose value the schema refuses.
    pub const INVALID_FIELD: &str = "invalid_field";
    /// A ConstraintTemplate that Gatekeeper refuses.
    pub const INVALID_TEMPLATE: &str = "invalid_template";
    /// A parameter schema that Kubernetes refuses.
    pub const INVALID_SCHEMA: &str = "invalid_schema";
    /// Rego that does not compile, or that Gatekeeper does not admit in a template.
    pub const INVALID_REGO: &str = "invalid_rego";
    /// A policy language or engine that is not supported.
    pub const UNSUPPORTED_ENGINE: &str = "unsupported_engine";
    /// A Constraint that Gatekeeper refuses.
    pub const INVALID_CONSTRAINT: &str = "invalid_constraint";
    /// A Config that Gatekeeper refuses.
    pub const INVALID_CONFIG: &str = "invalid_config";
    /// A SyncSet that Gatekeeper refuses or cannot follow.
    pub const INVALID_SYNC_SET: &str = "invalid_sync_set";
    /// A Constraint whose ConstraintTemplate is not there.
    pub const TEMPLATE_NOT_FOUND: &str = "template_not_found";
    /// Two documents of the same kind and name.
    pub const DUPLICATE: &str = "duplicate";
    /// A bundle's name that is not one.
    pub const INVALID_BUNDLE: &str = "invalid_bundle";
}
