//! What OPA itself refuses, by the front end that is held to OPA's parser and compiler.
//!
use fleetgate_eval::{Error, Unit};
use fleetgate_rego::gatekeeper::{self, CompileError, LibRewrite, Part, TemplateError, TemplateSource};
use fleetgate_rego::{Diagnostic as RegoDiagnostic, LineIndex, Span, Version};

use crate::diagnostic::{Diagnostic, Location, code};
use crate::template::{RegoVersion, SourceText, Template};

/// Name of the entry module in errors, as in Gatekeeper's.
const ENTRY: &str = "template";

/// The texts of a template.
pub(in crate::evaluate) fn source(template: &Template) -> TemplateSource<'_> {
    TemplateSource {
        version: match template.version {
            RegoVersion::V0 => Version::V0,
            RegoVersion::V1 => Version::V1,
        },
        rego: &template.module.text,
        libs: template.libs.iter().map(|lib| &*lib.text).collect(),
    }
}

/// Reads a template's modules and checks them together.
pub(super) fn read(template: &Template, lib_rewrite: LibRewrite) -> Result<Vec<Unit>, Vec<Diagnostic>> {
    let source = source(template);
    let loaded = match template.fleet {
        Some(_) => gatekeeper::load_fleet_template(&source, lib_rewrite),
        None => gatekeeper::load_template(&source, true, lib_rewrite),
    };
    let modules = loaded.map_err(|error| refusal(template, &error))?;
    gatekeeper::check(&source, &modules).map_err(|errors| {
        let located = |error: &CompileError| match error.part {
            Some(part) => of_part(template, part, &error.error),
            // Gatekeeper's query cannot use what the template yields.
            None => defect(&format!("{}: {}", error.error.code, error.error.message), template.module.start()),
        };
        errors.iter().map(located).collect::<Vec<_>>()
    })?;
    let modules: Vec<_> = std::iter::once(modules.entry).chain(modules.libs).collect();
    let unit = |(index, module): (usize, _)| {
        let lib = index.checked_sub(1);
        let name = lib.map_or_else(|| ENTRY.into(), |lib| format!("libs[{lib}]").into());
        let text = source_of(template, lib.map_or(Part::Entry, Part::Lib)).text.clone();
        Unit { name, text, module }
    };
    Ok(modules.into_iter().enumerate().map(unit).collect())
}

/// An error of the evaluator's compiler in the policy file.
pub(super) fn diagnostic_of(template: &Template, error: &Error) -> Diagnostic {
    let text = format!("{}: {}", error.code, error.message);
    let location = error.location.as_ref().map_or_else(
        || template.module.start(),
        |location| source_named(template, &location.file).locate(location.position.row, location.position.col),
    );
    defect(&text, location)
}

/// The text of a module by the name that it is compiled with: `template` or `libs[0]`.
pub(crate) fn source_named<'a>(template: &'a Template, module: &str) -> &'a SourceText {
    let lib = module.strip_prefix("libs[").and_then(|rest| rest.strip_suffix(']')?.parse().ok());
    source_of(template, lib.map_or(Part::Entry, Part::Lib))
}

/// The rule that is asked for is no document.
pub(super) fn no_entry(template: &Template) -> Vec<Diagnostic> {
    vec![defect("rego_type_error: undefined ref: data.template.violation[r]", template.module.start())]
}

fn defect(message: &str, location: Location) -> Diagnostic {
    Diagnostic::new(code::INVALID_REGO, message).at(location)
}

fn refusal(template: &Template, error: &TemplateError) -> Vec<Diagnostic> {
    let at = |part, span, message: &str| defect(message, locate(source_of(template, part), span));
    let text = |part, span: &Span| span.text(&source_of(template, part).text).to_owned();
    match error {
        TemplateError::Syntax(part, errors) => errors.iter().map(|error| of_part(template, *part, error)).collect(),
        TemplateError::MissingViolation => vec![defect(&error.to_string(), template.module.start())],
        TemplateError::LibPackage { lib, span } => {
            let part = Part::Lib(*lib);
            let package = rest_of_line(&source_of(template, part).text, *span);
            let message = format!("invalid lib prefix: path data.{package} not found in lib prefixes");
            vec![at(part, *span, &message).hint("name the package lib.<something>")]
        }
        TemplateError::Import(part, span) => {
            let path = rest_of_line(&source_of(template, *part).text, *span);
            let hint = "a template may import data.lib.* and future.keywords";
            vec![at(*part, *span, &format!("bad import: {path}")).hint(hint)]
        }
        TemplateError::Data(part, spans) => {
            let one = |span: &Span| {
                let reference = text(*part, span);
                let diagnostic = at(*part, *span, &format!("disallowed ref {reference}"));
                if reference.starts_with("data.fleet") {
                    diagnostic
                        .hint("a template that refers to the fleet has the annotation fleetgate.dev/fleet: \"true\"")
                } else {
                    diagnostic
                }
            };
            spans.iter().map(one).collect()
        }
    }
}

/// What stands behind a keyword on its line.
fn rest_of_line(text: &str, keyword: Span) -> &str {
    let rest = text.get(keyword.end as usize..).unwrap_or_default();
    rest.lines().next().unwrap_or_default().trim()
}

fn of_part(template: &Template, part: Part, error: &RegoDiagnostic) -> Diagnostic {
    let place = locate(source_of(template, part), error.span);
    let diagnostic = defect(&format!("{}: {}", error.code, error.message), place);
    match &error.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

fn source_of(template: &Template, part: Part) -> &SourceText {
    match part {
        Part::Entry => &template.module,
        Part::Lib(index) => template.libs.get(index).unwrap_or(&template.module),
    }
}

fn locate(source: &SourceText, span: Span) -> Location {
    let position = LineIndex::new(&source.text).position(&source.text, span.start);
    source.locate(position.row, position.col)
}
