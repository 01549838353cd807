//! What OPA itself refuses, by the front end that is held to OPA's parser and compiler.
//!
//! regorus follows chains and cycles of rules that OPA refuses with its own stack until that ends the process, so nothing
//! reaches regorus that the front end does not pass.

use fleetgate_rego::gatekeeper::{self, CompileError, Part, TemplateError, TemplateSource, load_template};
use fleetgate_rego::{Diagnostic as RegoDiagnostic, LineIndex, Span, Version};

use super::super::diagnose;
use crate::diagnostic::{Diagnostic, Location};
use crate::template::{RegoVersion, SourceText, Template};

/// Why the front end refuses a template.
pub(super) enum Refusal {
    /// It is not Rego, or nested too deeply to be looked at by anybody.
    Syntax(Vec<Diagnostic>),
    /// It is Rego that means nothing.
    Meaning(Vec<Diagnostic>),
}

pub(super) fn check(template: &Template) -> Result<(), Refusal> {
    let source = TemplateSource {
        version: match template.version {
            RegoVersion::V0 => Version::V0,
            RegoVersion::V1 => Version::V1,
        },
        rego: &template.module.text,
        libs: template.libs.iter().map(|lib| &*lib.text).collect(),
    };
    let modules = load_template(&source, true).map_err(|error| refusal(template, &error))?;
    gatekeeper::check(&source, &modules).map(|_| ()).map_err(|errors| {
        let located = |error: &CompileError| match error.part {
            Some(part) => diagnostic(template, part, &error.error),
            // Gatekeeper's query cannot use what the template yields.
            None => at(&error.error, template.module.start()),
        };
        Refusal::Meaning(errors.iter().map(located).collect())
    })
}

fn refusal(template: &Template, error: &TemplateError) -> Refusal {
    let message = error.to_string();
    let one = |part, span| vec![diagnose::diagnostic(&message, locate(source(template, part), span))];
    match error {
        TemplateError::Syntax(part, errors) => {
            Refusal::Syntax(errors.iter().map(|error| diagnostic(template, *part, error)).collect())
        }
        TemplateError::MissingViolation => {
            Refusal::Meaning(vec![diagnose::diagnostic(&message, template.module.start())])
        }
        TemplateError::LibPackage { lib, span } => Refusal::Meaning(one(Part::Lib(*lib), *span)),
        TemplateError::Import(part, span) => Refusal::Meaning(one(*part, *span)),
        TemplateError::Data(part, spans) => Refusal::Meaning(spans.iter().flat_map(|span| one(*part, *span)).collect()),
    }
}

fn diagnostic(template: &Template, part: Part, error: &RegoDiagnostic) -> Diagnostic {
    at(error, locate(source(template, part), error.span))
}

fn at(error: &RegoDiagnostic, place: Location) -> Diagnostic {
    let mut message = format!("{}: {}", error.code, error.message);
    // What is there and what should be; the lines that point at the place have a place of their own here.
    let said = |line: &&str| ["have", "want", "left", "right"].iter().any(|word| line.starts_with(word));
    for line in error.details.iter().map(|line| line.trim()).filter(said) {
        message.push_str("; ");
        message.push_str(line);
    }
    let diagnostic = diagnose::diagnostic(&message, place);
    match &error.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

fn source(template: &Template, part: Part) -> &SourceText {
    match part {
        Part::Entry => &template.module,
        Part::Lib(index) => template.libs.get(index).unwrap_or(&template.module),
    }
}

fn locate(source: &SourceText, span: Span) -> Location {
    let position = LineIndex::new(&source.text).position(&source.text, span.start);
    source.locate(position.row, position.col)
}
