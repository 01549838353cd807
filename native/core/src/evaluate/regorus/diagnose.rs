//! regorus's errors as diagnostics of the policy file.
//!
//! Errors of its parser and analyser come as text only: `--> module:line:column`, the line with a caret, and
//! `error: message`. This reads that form and maps the place through the template's source.

use regorus::languages::rego::compiler::SpannedCompilerError;

use super::check::Checked;
use crate::diagnostic::{Diagnostic, Location, code};
use crate::template::Template;

/// A defect that regorus's parser or analyser reports.
pub(super) fn anyhow(template: &Template, checked: &Checked, error: &anyhow::Error) -> Diagnostic {
    let text = error.to_string();
    let (place, message) = split(&text);
    let location = place
        .and_then(|place| checked.locate(template, place.module, place.line, place.column))
        .unwrap_or_else(|| template.module.start());
    diagnostic(message, location)
}

/// A defect that the VM's compiler reports.
pub(super) fn compiler(template: &Template, checked: &Checked, error: &SpannedCompilerError) -> Diagnostic {
    let location = error
        .span
        .as_ref()
        .and_then(|span| checked.locate(template, span.source.get_path(), span.line, span.col))
        .unwrap_or_else(|| template.module.start());
    diagnostic(&error.error.to_string(), location)
}

/// A failure at run time, in the form of OPA's: `template:line: message`.
pub(super) fn run_time(error: &anyhow::Error) -> String {
    let text = error.to_string();
    let (place, message) = split(&text);
    let message = if message.contains("multiple outputs") || message.starts_with("rule conflicts with") {
        "eval_conflict_error: complete rules must not produce multiple outputs".to_owned()
    } else {
        format!("eval_error: {message}")
    };
    place.map_or_else(|| message.clone(), |place| format!("{}:{}: {message}", place.module, place.line))
}

pub(super) fn diagnostic(message: &str, location: Location) -> Diagnostic {
    Diagnostic::new(code::INVALID_REGO, message).at(location)
}

struct Place<'a> {
    module: &'a str,
    line: u32,
    column: u32,
}

fn split(text: &str) -> (Option<Place<'_>>, &str) {
    let message = text.rsplit_once("\nerror: ").map_or(text, |(_, message)| message);
    let place = text.split_once("--> ").and_then(|(_, rest)| {
        let mut parts = rest.lines().next()?.rsplitn(3, ':');
        let column = parts.next()?.trim().parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        Some(Place { module: parts.next()?, line, column })
    });
    (place, message.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn places_and_messages() {
        let text = "\n--> template:3:14\n  |\n3 | x := f(\n  |      ^\nerror: expecting expression";
        let (place, message) = split(text);
        let place = place.unwrap();
        assert_eq!((place.module, place.line, place.column, message), ("template", 3, 14, "expecting expression"));
        let (place, message) = split("no place");
        assert!(place.is_none());
        assert_eq!(message, "no place");
    }
}
