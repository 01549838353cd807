//! The Rego of a ConstraintTemplate, put together as Gatekeeper does it.
//!
//! The template's module becomes `data.template`, each library `data.libs.<its own path>`, and references to libraries
//! follow. Gatekeeper rewrites only the outermost term of each operand: a reference inside an array, a comprehension, a
//! nested call or another reference keeps naming `data.lib`, where nothing is. Policies behave by that, so it is kept
//! unless [`LibRewrite::Deep`] is asked for.

use std::sync::Arc;

use crate::ast::{Module, Rule, Term, TermRef, Value};
use crate::capabilities::{Capabilities, Release, Version};
use crate::diagnostic::Diagnostic;
use crate::parser::parse_module;
use crate::resolve::{self, Checked, ModuleError};
use crate::span::Span;
use crate::visit;

/// The texts of one template.
#[derive(Debug, Clone)]
pub struct TemplateSource<'s> {
    /// The version that all of them are in.
    pub version: Version,
    /// The module that defines `violation`.
    pub rego: &'s str,
    /// The libraries, in order.
    pub libs: Vec<&'s str>,
}

/// Which references to libraries are made to name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LibRewrite {
    /// Those that are an operand as they stand, as in Gatekeeper.
    #[default]
    Shallow,
    /// All.
    Deep,
}

/// The modules of one template, ready to be compiled together.
#[derive(Debug, Clone)]
pub struct TemplateModules {
    /// Package `data.template`.
    pub entry: Module,
    /// Packages below `data.libs.lib`, in the order of their texts.
    pub libs: Vec<Module>,
}

/// Which text of a template an error is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The module that defines `violation`.
    Entry,
    /// The library of that index.
    Lib(usize),
}

/// Why a template's Rego is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A text is not Rego.
    Syntax(Part, Vec<Diagnostic>),
    /// The entry module has no rule `violation`.
    MissingViolation,
    /// The library's package is not below `lib`.
    LibPackage {
        /// Index of the library.
        lib: usize,
        /// The package's place.
        span: Span,
    },
    /// An import that is neither of a library nor of `future`.
    Import(Part, Span),
    /// References to data other than libraries and the inventory.
    Data(Part, Vec<Span>),
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(_, errors) => {
                let mut separator = "";
                for error in errors {
                    write!(f, "{separator}{}: {}", error.code, error.message)?;
                    separator = "; ";
                }
                Ok(())
            }
            Self::MissingViolation => f.write_str("missing required rules: [violation]"),
            Self::LibPackage { lib, .. } => {
                write!(f, "library {lib}: a library's package is below `lib`")
            }
            Self::Import(..) => f.write_str("bad import: only `data.lib` and `future.keywords` can be imported"),
            Self::Data(_, spans) => write!(f, "{} disallowed references to `data`", spans.len()),
        }
    }
}

impl std::error::Error for TemplateError {}

/// An error of a template's Rego when it is compiled with the query that Gatekeeper asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// Where; `None` for the query itself, which then cannot use what `violation` yields.
    pub part: Option<Part>,
    /// What is wrong.
    pub error: Diagnostic,
}

/// What Gatekeeper asks of every template: the violations, each an object with a message.
const QUERY: &str = r#"package hooks
violation[response] {
    key := input.constraints[_]
    inp := {"review": input.review, "parameters": data.constraints[key.kind][key.name]}
    data.template.violation[r] with input as inp
    response := {"key": key, "details": object.get(r, "details", {}), "msg": r.msg}
}
"#;

/// Checks a template as Gatekeeper compiles it: with the OPA that Gatekeeper has and the query that it asks.
///
/// # Errors
///
/// What OPA's compiler refuses, in the order in which Gatekeeper lists it; variables that are never bound aside.
pub fn check(source: &TemplateSource<'_>, modules: &TemplateModules) -> Result<Checked, Vec<CompileError>> {
    let mut all = Vec::with_capacity(modules.libs.len() + 2);
    all.extend(parse_module(QUERY, &Capabilities::of(Release::Opa1_17, Version::V0)).ok());
    let query = all.len();
    all.extend(modules.libs.iter().cloned());
    all.push(modules.entry.clone());
    let names: Vec<String> = (0..modules.libs.len()).map(|lib| format!("libs[\"lib_{lib}\"]")).collect();
    let mut sources = vec![("hooks.hooks_builtin", QUERY)];
    sources.extend(names.iter().map(String::as_str).zip(source.libs.iter().copied()));
    sources.push(("template", source.rego));
    resolve::check_as(Release::Opa1_17, &all, &sources).map_err(|errors| {
        let located = |error: ModuleError| {
            let part = error.module.checked_sub(query);
            let part = part.map(|lib| if lib < modules.libs.len() { Part::Lib(lib) } else { Part::Entry });
            CompileError { part, error: error.error }
        };
        errors.into_iter().map(located).collect()
    })
}

/// Reads and rewrites a template's Rego. `referential` allows references to `data.inventory`; `lib_rewrite` is Gatekeeper's
/// unless a user wants more.
///
/// # Errors
///
/// The first reason for which Gatekeeper refuses the template before it compiles it, in Gatekeeper's order.
pub fn load_template(
    source: &TemplateSource<'_>,
    referential: bool,
    lib_rewrite: LibRewrite,
) -> Result<TemplateModules, TemplateError> {
    load(source, if referential { &["inventory"] } else { &[] }, lib_rewrite)
}

/// As [`load_template`], for a template that may refer to `data.fleet` too.
///
/// # Errors
///
/// As [`load_template`].
pub fn load_fleet_template(
    source: &TemplateSource<'_>,
    lib_rewrite: LibRewrite,
) -> Result<TemplateModules, TemplateError> {
    load(source, &["fleet", "inventory"], lib_rewrite)
}

/// `externs` are the names below `data` that are there beside the libraries.
fn load(
    source: &TemplateSource<'_>,
    externs: &[&str],
    lib_rewrite: LibRewrite,
) -> Result<TemplateModules, TemplateError> {
    let capabilities = Capabilities::of(Release::Opa1_17, source.version);
    let parse = |part, text| parse_module(text, &capabilities).map_err(|errors| TemplateError::Syntax(part, errors));
    let mut entry = parse(Part::Entry, source.rego)?;
    entry.package.path = package(&["template"]);
    if !entry.rules.iter().any(|rule| rule.head.name.as_deref() == Some("violation")) {
        return Err(TemplateError::MissingViolation);
    }
    let mut libs = Vec::with_capacity(source.libs.len());
    for (index, text) in source.libs.iter().enumerate() {
        libs.push(parse(Part::Lib(index), text)?);
    }
    fence(&entry, &libs, externs)?;
    for lib in &mut libs {
        lib.package.path = below_libs(&lib.package.path);
    }
    for module in libs.iter_mut().chain([&mut entry]) {
        rewrite(module, externs, lib_rewrite);
    }
    Ok(TemplateModules { entry, libs })
}

fn package(names: &[&str]) -> Vec<TermRef> {
    let data = Term::var(Span::default(), "data");
    std::iter::once(data).chain(names.iter().map(|name| Term::string(Span::default(), name))).collect()
}

/// Libraries come first, each check is made of all modules before the next.
fn fence(entry: &Module, libs: &[Module], externs: &[&str]) -> Result<(), TemplateError> {
    for (lib, module) in libs.iter().enumerate() {
        if module.package.path.len() < 3 || !starts_with(&module.package.path, "lib") {
            return Err(TemplateError::LibPackage { lib, span: module.package.span });
        }
    }
    let parts = || libs.iter().enumerate().map(|(index, lib)| (Part::Lib(index), lib)).chain([(Part::Entry, entry)]);
    for (part, module) in parts() {
        if let Some(import) = module.imports.iter().find(|import| !is_allowed_import(&import.path)) {
            return Err(TemplateError::Import(part, import.span));
        }
    }
    for (part, module) in parts() {
        let spans: Vec<Span> = module.rules.iter().flat_map(|rule| disallowed_data(rule, externs)).collect();
        if !spans.is_empty() {
            return Err(TemplateError::Data(part, spans));
        }
    }
    Ok(())
}

fn is_allowed_import(path: &Term) -> bool {
    let parts = path.as_ref_parts().unwrap_or_default();
    starts_with(parts, "lib") || parts.first().and_then(|head| head.as_var()).is_some_and(|name| &**name == "future")
}

/// References to other data; references inside references are not looked at.
fn disallowed_data(rule: &Rule, externs: &[&str]) -> Vec<Span> {
    let mut found = Vec::new();
    visit::rule_terms(rule, &mut |term| {
        let Some(parts) = term.as_ref_parts() else {
            return true;
        };
        let allowed = externs.iter().chain(&["lib"]).any(|root| starts_with(parts, root));
        if is_data(parts) && !allowed {
            found.push(term.span);
        }
        false
    });
    found
}

fn is_data(parts: &[TermRef]) -> bool {
    parts.first().and_then(|head| head.as_var()).is_some_and(|name| &**name == "data")
}

/// Whether the reference is `data.<root>` or below it.
fn starts_with(parts: &[TermRef], root: &str) -> bool {
    is_data(parts) && parts.get(1).and_then(|name| name.as_str()) == Some(root)
}

/// `data.libs`, then what follows `data`.
fn below_libs(parts: &[TermRef]) -> Vec<TermRef> {
    let libs = Term::string(parts.first().map_or_else(Span::default, |head| head.span), "libs");
    let mut path: Vec<TermRef> = parts.to_vec();
    path.insert(1.min(path.len()), libs);
    path
}

fn rewrite(module: &mut Module, externs: &[&str], lib_rewrite: LibRewrite) {
    let mut moved = |term: &mut TermRef| {
        let Some(parts) = term.as_ref_parts() else {
            return;
        };
        if is_data(parts) && !externs.iter().any(|root| starts_with(parts, root)) {
            *term = Arc::new(Term { span: term.span, value: Value::Ref(below_libs(parts)) });
        }
    };
    for import in &mut module.imports {
        // The name that the import has in the module does not change: it is the path's last.
        moved(&mut import.path);
    }
    for rule in &mut module.rules {
        match lib_rewrite {
            LibRewrite::Shallow => visit::outer_terms_mut(rule, &mut moved),
            LibRewrite::Deep => visit::outer_terms_mut(rule, &mut |term| visit::walk_term_mut(term, &mut moved)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use crate::ast::ExprKind;

    const LIB: &str = "package lib.helpers\nf(x) = x\ng = 1";

    fn load(rego: &str, libs: &[&str]) -> Result<TemplateModules, TemplateError> {
        load_as(rego, libs, LibRewrite::Shallow)
    }

    fn load_as(rego: &str, libs: &[&str], rewrite: LibRewrite) -> Result<TemplateModules, TemplateError> {
        load_template(&TemplateSource { version: Version::V0, rego, libs: libs.to_vec() }, true, rewrite)
    }

    /// The references of the first body's expressions that name `data`, as dotted paths.
    fn data_paths(body: &str) -> Vec<String> {
        data_paths_as(body, LibRewrite::Shallow)
    }

    fn data_paths_as(body: &str, rewrite: LibRewrite) -> Vec<String> {
        let rego = format!("package a\nviolation[{{\"msg\": m}}] {{ {body} }}");
        let modules = load_as(&rego, &[LIB], rewrite).unwrap();
        let mut out = Vec::new();
        let rule = modules.entry.rules.first().unwrap();
        visit::rule_terms(rule, &mut |term| {
            let parts = term.as_ref_parts().unwrap_or_default();
            if is_data(parts) {
                out.push(parts.iter().skip(1).filter_map(|part| part.as_str()).collect::<Vec<_>>().join("."));
            }
            true
        });
        out
    }

    #[test]
    fn only_outermost_references_are_moved() {
        assert_eq!(data_paths("g := data.lib.helpers.g"), ["libs.lib.helpers.g"]);
        assert_eq!(data_paths("data.lib.helpers.f(1)"), ["libs.lib.helpers.f"]);
        assert_eq!(data_paths("x := [data.lib.helpers.g]"), ["lib.helpers.g"]);
        assert_eq!(data_paths("x := count(data.lib.helpers.f(1))"), ["lib.helpers.f"]);
        assert_eq!(data_paths("x := [y | y := data.lib.helpers.g]"), ["lib.helpers.g"]);
        assert_eq!(data_paths("x := input[data.lib.helpers.g]"), ["lib.helpers.g"]);
        assert_eq!(data_paths("x := data.inventory.cluster"), ["inventory.cluster"]);
    }

    #[test]
    fn every_reference_is_moved_on_request() {
        let deep = |body: &str| data_paths_as(body, LibRewrite::Deep);
        for body in [
            "x := data.lib.helpers.g",
            "x := [data.lib.helpers.g]",
            "x := {\"a\": {data.lib.helpers.g}}",
            "x := [y | y := data.lib.helpers.g]",
            "x := {y: 1 | y := data.lib.helpers.g}",
            "x := input[data.lib.helpers.g]",
            "not data.lib.helpers.g",
        ] {
            assert_eq!(deep(body), ["libs.lib.helpers.g"], "{body}");
        }
        assert_eq!(deep("x := count(data.lib.helpers.f(1))"), ["libs.lib.helpers.f"]);
        assert_eq!(deep("x := [data.inventory.cluster]"), ["inventory.cluster"]);
        let both = deep("x := data.lib.helpers.f(data.lib.helpers.g)");
        assert_eq!(both, ["libs.lib.helpers.f", "libs.lib.helpers.g"]);
    }

    #[test]
    fn imports_are_moved_and_keep_their_name() {
        let modules =
            load("package a\nimport data.lib.helpers\nviolation[{\"msg\": m}] { m := helpers.g }", &[LIB]).unwrap();
        let import = modules.entry.imports.first().unwrap();
        let names: Vec<_> = import.path.as_ref_parts().unwrap().iter().filter_map(|part| part.as_str()).collect();
        assert_eq!(names, ["libs", "lib", "helpers"]);
        assert!(import.alias.is_none());
    }

    #[test]
    fn the_package_is_free_and_violation_required() {
        let modules = load("package some.where.else\nviolation[{\"msg\": m}] { m := \"x\" }", &[]).unwrap();
        assert_eq!(modules.entry.package.path.len(), 2);
        assert_eq!(load("package a\ndeny[m] { m := 1 }", &[]).unwrap_err(), TemplateError::MissingViolation);
        assert!(matches!(load("package a\nviolation[", &[]).unwrap_err(), TemplateError::Syntax(Part::Entry, _)));
    }

    #[test]
    fn libraries_imports_and_data_are_fenced() {
        let violation = "violation[{\"msg\": m}] { m := \"x\" }";
        let entry = |import: &str, body: &str| format!("package a\n{import}\n{violation}\np {{ {body} }}");
        for lib in ["package lib", "package other.lib", "package libs.x"] {
            let refused = load(&entry("", "true"), &[lib]);
            assert!(matches!(refused, Err(TemplateError::LibPackage { lib: 0, .. })), "{lib}");
        }
        for import in ["import input.x", "import data.inventory", "import data.other"] {
            assert!(
                matches!(load(&entry(import, "true"), &[]), Err(TemplateError::Import(Part::Entry, _))),
                "{import}"
            );
        }
        assert!(load(&entry("import future.keywords.in", "true"), &[]).is_ok());
        let rego = "package a\nimport rego.v1\nviolation contains {\"msg\": \"x\"}";
        assert!(matches!(load(rego, &[]), Err(TemplateError::Import(Part::Entry, _))));
        for body in ["data.foo", "data", "x := data[y]", "x := [data.constraints]"] {
            assert!(matches!(load(&entry("", body), &[]), Err(TemplateError::Data(Part::Entry, _))), "{body}");
        }
        assert!(load(&entry("", "data.inventory[data.constraints]"), &[]).is_ok());
        assert!(matches!(load(&entry("", "data.fleet.clusters"), &[]), Err(TemplateError::Data(Part::Entry, _))));
        let source = TemplateSource { version: Version::V0, rego: &entry("", "data.inventory"), libs: Vec::new() };
        assert!(matches!(load_template(&source, false, LibRewrite::Shallow), Err(TemplateError::Data(..))));
    }

    #[test]
    fn a_fleet_template_may_refer_to_the_fleet() {
        let fleet = |body: &str| {
            let rego = format!("package a\nviolation[{{\"msg\": \"x\"}}] {{ {body} }}");
            let source = TemplateSource { version: Version::V0, rego: &rego, libs: vec![LIB] };
            load_fleet_template(&source, LibRewrite::Shallow)
        };
        for body in ["data.fleet.clusters[_]", "x := [data.fleet]", "data.inventory.cluster", "data.lib.helpers.g"] {
            assert!(fleet(body).is_ok(), "{body}");
        }
        for body in ["data.fleets", "data.foo", "data[x]"] {
            assert!(matches!(fleet(body), Err(TemplateError::Data(Part::Entry, _))), "{body}");
        }
        let modules = fleet("x := data.fleet.clusters").unwrap();
        let mut seen = Vec::new();
        visit::rule_terms(modules.entry.rules.first().unwrap(), &mut |term| {
            seen.extend(term.as_ref_parts().filter(|parts| starts_with(parts, "fleet")).map(<[_]>::len));
            true
        });
        assert_eq!(seen, [3]);
    }

    #[test]
    fn bodies_inside_expressions_are_walked() {
        let rego = "package a\nimport future.keywords.every\nviolation[{\"msg\": m}] { every x in input.y { x == data.lib.helpers.g } }";
        let modules = load(rego, &[LIB]).unwrap();
        let body = &modules.entry.rules.first().unwrap().body;
        let ExprKind::Every(every) = &body.exprs.first().unwrap().kind else { unreachable!("it is `every`") };
        let call = every.body.exprs.first().unwrap().as_call().unwrap();
        assert_eq!(call.args.last().unwrap().as_ref_parts().unwrap().len(), 5);
    }
}
