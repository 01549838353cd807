//! What the loader refuses, under codes of its own: `FG001` and up, in the order of [`crate::diagnostic::code`].

use super::finding::{About, Finding, Severity};
use crate::diagnostic::{Diagnostic, Location, code};

const fn about(code: &'static str, name: &'static str, summary: &'static str) -> About {
    About { code, name, severity: Severity::Error, summary }
}

/// The loader's classes and what they are called here.
pub(super) static ALL: [(&str, About); 11] = [
    (code::SYNTAX, about("FG001", "syntax-error", "the file is not UTF-8, YAML or JSON")),
    (code::UNSUPPORTED_KIND, about("FG002", "unsupported-kind", "the document is no policy that can be loaded")),
    (code::UNKNOWN_FIELD, about("FG003", "unknown-field", "no schema knows the field")),
    (code::INVALID_FIELD, about("FG004", "invalid-field", "the schema refuses the field's value")),
    (code::INVALID_TEMPLATE, about("FG005", "invalid-template", "Gatekeeper refuses the ConstraintTemplate")),
    (code::INVALID_SCHEMA, about("FG006", "invalid-schema", "Kubernetes refuses the schema of the parameters")),
    (code::INVALID_REGO, about("FG007", "invalid-rego", "the Rego does not compile, or is not admitted in a template")),
    (code::UNSUPPORTED_ENGINE, about("FG008", "unsupported-engine", "no engine is there for the template's language")),
    (code::INVALID_CONSTRAINT, about("FG009", "invalid-constraint", "Gatekeeper refuses the Constraint")),
    (code::TEMPLATE_NOT_FOUND, about("FG010", "template-not-found", "no ConstraintTemplate defines the kind")),
    (code::DUPLICATE, about("FG011", "duplicate", "two documents have one kind and name")),
];

/// A defect as a finding. A class without a code of its own is one of the document.
pub(super) fn finding(diagnostic: &Diagnostic) -> Finding {
    let [_, (_, fallback), ..] = &ALL;
    let about = ALL.iter().find(|(class, _)| *class == diagnostic.code).map_or(fallback, |(_, about)| about);
    Finding {
        about,
        message: diagnostic.message.clone(),
        location: diagnostic.location.clone().unwrap_or_else(|| Location::file("")),
        field: diagnostic.field.clone(),
        hint: diagnostic.hint.clone().unwrap_or_default(),
    }
}
