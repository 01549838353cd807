//! Calls: every function has to be known, and functions must not call themselves.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{BUILTINS, Rule, RuleHead, Span};

use super::super::diagnose;
use super::walk::{self, Finding};
use super::{MAX_VM_ARGUMENTS, Parsed};
use crate::diagnostic::Diagnostic;
use crate::template::RegoVersion;

/// Built-ins that OPA keeps for Rego v0 and refuses in v1.
const DEPRECATED: [&str; 11] = [
    "all",
    "any",
    "cast_array",
    "cast_boolean",
    "cast_null",
    "cast_object",
    "cast_set",
    "cast_string",
    "net.cidr_overlap",
    "re_match",
    "set_diff",
];

/// Names in regorus's table that no policy may call.
const INTERNAL: [&str; 3] = ["__builtin_sets.intersection", "__builtin_sets.union", "test.sleep"];

pub(super) fn check(version: RegoVersion, modules: &[Parsed<'_>], vm_fits: &mut bool, defects: &mut Vec<Diagnostic>) {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (index, parsed) in modules.iter().enumerate() {
        for rule in &parsed.module.policy {
            if let Some((name, span)) = function(rule) {
                let path = absolute(index, parsed, name);
                places.entry(path.clone()).or_insert_with(|| parsed.at(span));
                graph.entry(path).or_default();
            }
        }
    }
    let known: BTreeSet<String> = graph.keys().cloned().collect();
    for (index, parsed) in modules.iter().enumerate() {
        walk::module(&parsed.module, &mut |finding| {
            let Finding::Call { span, name, arguments } = finding else { return };
            *vm_fits &= arguments <= MAX_VM_ARGUMENTS && name != "walk" && name != "print";
            let path = resolve(index, parsed, name);
            if known.contains(&path) {
                if let Some(caller) = enclosing(index, parsed, span) {
                    graph.entry(caller).or_default().insert(path);
                }
            } else if let Some(message) = refusal(version, name) {
                defects.push(diagnose::diagnostic(&message, parsed.at(span)));
            }
        });
    }
    for name in recursive(&graph) {
        let message = format!("rego_recursion_error: rule {name} is recursive");
        if let Some(place) = places.get(&name) {
            defects.push(diagnose::diagnostic(&message, place.clone()));
        }
    }
}

/// Why a name that no module defines cannot be called.
fn refusal(version: RegoVersion, name: &str) -> Option<String> {
    if version == RegoVersion::V1 && DEPRECATED.contains(&name) {
        return Some(format!("rego_type_error: deprecated built-in function calls in expression: {name}"));
    }
    let is_builtin = name == "print" || (BUILTINS.contains_key(name) && !INTERNAL.contains(&name));
    (!is_builtin).then(|| format!("rego_type_error: undefined function {name}"))
}

pub(super) fn function(rule: &Rule) -> Option<(&str, &Span)> {
    match rule {
        Rule::Spec { head: RuleHead::Func { refr, .. }, span, .. } => Some((refr.span().text(), span)),
        Rule::Default { refr, args, span, .. } if !args.is_empty() => Some((refr.span().text(), span)),
        _ => None,
    }
}

/// A name of a module's package. The entry module's package is not reachable from elsewhere.
fn absolute(index: usize, parsed: &Parsed<'_>, name: &str) -> String {
    if index == 0 { format!("template.{name}") } else { format!("{}.{name}", parsed.package()) }
}

/// The path of a called name: an import's, an absolute one, or one of the module's own package.
fn resolve(index: usize, parsed: &Parsed<'_>, name: &str) -> String {
    if let Some(path) = name.strip_prefix("data.") {
        return path.to_owned();
    }
    let (first, rest) = name.split_once('.').map_or((name, ""), |(first, rest)| (first, rest));
    for import in &parsed.module.imports {
        let path = import.refr.span().text().strip_prefix("data.").unwrap_or_default();
        let alias =
            import.r#as.as_ref().map_or_else(|| path.rsplit('.').next().unwrap_or_default(), |span| span.text());
        if alias == first && !path.is_empty() {
            return if rest.is_empty() { path.to_owned() } else { format!("{path}.{rest}") };
        }
    }
    absolute(index, parsed, name)
}

/// The function whose rule a place stands in.
fn enclosing(index: usize, parsed: &Parsed<'_>, place: &Span) -> Option<String> {
    let rules = parsed.module.policy.iter();
    let within = |span: &Span| span.start <= place.start && place.end <= span.end;
    rules
        .filter_map(|rule| function(rule))
        .find(|(_, span)| within(span))
        .map(|(name, _)| absolute(index, parsed, name))
}

/// Functions that reach themselves.
fn recursive(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches_itself = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = graph.get(start).into_iter().flatten().collect();
        while let Some(name) = open.pop() {
            if name == start {
                return true;
            }
            if seen.insert(name) {
                open.extend(graph.get(name).into_iter().flatten());
            }
        }
        false
    };
    graph.keys().filter(|name| reaches_itself(name)).cloned().collect()
}
