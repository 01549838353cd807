//! Codes and findings.

use std::cmp::Ordering;

use crate::diagnostic::Location;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know; often meant so.
    Info,
    /// Accepted, and hardly what was meant.
    Warning,
    /// Refused, or certain to go wrong.
    Error,
}

impl Severity {
    /// `info`, `warning` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A code and what it stands for. Codes are part of the contract: they are added to and never renamed.
#[derive(Debug, PartialEq, Eq)]
pub struct About {
    /// Such as `FG101`.
    pub code: &'static str,
    /// The same for people, such as `unscoped-match`.
    pub name: &'static str,
    /// Of every finding with this code.
    pub severity: Severity,
    /// What the code means, in one line.
    pub summary: &'static str,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its code.
    pub about: &'static About,
    /// What is wrong here.
    pub message: String,
    /// Where it stands.
    pub location: Location,
    /// Path inside the document, such as `spec.match.kinds[0]`; empty inside Rego.
    pub field: String,
    /// How to mend it; may be empty.
    pub hint: String,
}

impl Finding {
    /// Order of a report: by place, then code and message.
    #[must_use]
    pub fn report_order(&self, other: &Self) -> Ordering {
        let key = |one: &Self| (one.location.clone(), one.about.code, one.message.clone());
        key(self).cmp(&key(other))
    }
}

/// What one rule found.
pub(super) struct Findings {
    about: &'static About,
    found: Vec<Finding>,
}

impl Findings {
    pub(super) fn new(about: &'static About) -> Self {
        Self { about, found: Vec::new() }
    }

    pub(super) fn add(&mut self, location: Location, field: &str, message: String, hint: impl Into<String>) {
        let finding = Finding { about: self.about, message, location, field: field.to_owned(), hint: hint.into() };
        self.found.push(finding);
    }

    pub(super) fn into_inner(self) -> Vec<Finding> {
        self.found
    }
}
