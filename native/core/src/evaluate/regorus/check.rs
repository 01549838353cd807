//! What Gatekeeper refuses at load beyond the syntax of Rego, and what the VM would answer differently.
//!
//! A template may import libraries only, read `data.inventory` and `data.lib` only, and must define `violation` in a form
//! whose elements can have a `msg`. The checks are those that hold by the syntax alone; types are not inferred.

mod bindings;
mod calls;
mod comprehensions;
mod edits;
mod entry;
mod front_end;
mod nesting;
mod walk;

use regorus::Source;
use regorus::unstable::{Module, Parser};

use super::diagnose;
use crate::diagnostic::{Diagnostic, Location, code};
use crate::template::{RegoVersion, SourceText, Template};
use front_end::Refusal;
use walk::{Depth, Finding};

/// Name of the entry module in regorus's errors.
const ENTRY: &str = "template";

/// Nested deeper, array, object and set literals take regorus's compiler seconds: its time doubles with each level.
const MAX_LITERAL_NESTING: usize = 12;

/// Functions with more arguments lose them in the VM.
const MAX_VM_ARGUMENTS: usize = 8;

/// Module text for regorus.
pub(super) struct ModuleText {
    pub(super) name: String,
    pub(super) text: String,
}

/// A template that passed the checks.
pub(super) struct Checked {
    pub(super) modules: Vec<ModuleText>,
    /// Whether it reads `data.inventory`.
    pub(super) referential: bool,
    /// Whether the VM gives the right answers for what the program uses.
    pub(super) vm_fits: bool,
}

impl Checked {
    /// The place in the policy file of a place in a module that regorus names.
    pub(super) fn locate(&self, template: &Template, module: &str, line: u32, column: u32) -> Option<Location> {
        let index = self.modules.iter().position(|text| text.name == module)?;
        let source = index.checked_sub(1).map_or(Some(&template.module), |lib| template.libs.get(lib))?;
        Some(source.locate(line, column))
    }
}

/// A module with what is needed to talk about it.
struct Parsed<'a> {
    module: Module,
    source: &'a SourceText,
}

impl Parsed<'_> {
    /// Where a span begins. Its own line and column are those of the operator that regorus made it from.
    fn at(&self, span: &regorus::unstable::Span) -> Location {
        let before = self.source.text.get(..offset(span.start)).unwrap_or_default();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        self.source.locate(count(line), count(column))
    }

    fn package(&self) -> String {
        self.module.package.refr.span().text().to_owned()
    }
}

pub(super) fn check(template: &Template) -> Result<Checked, Vec<Diagnostic>> {
    let opa = front_end::check(template);
    let mut checked = Checked { modules: Vec::new(), referential: false, vm_fits: true };
    let mut parsed = Vec::new();
    let mut defects = Vec::new();
    let sources = std::iter::once(&template.module).chain(&template.libs);
    for (index, source) in sources.enumerate() {
        let name = index.checked_sub(1).map_or_else(|| ENTRY.to_owned(), |lib| format!("lib[{lib}]"));
        checked.modules.push(ModuleText { name: name.clone(), text: source.text.to_string() });
        if let Some(excess) = nesting::excess(&source.text) {
            let place = source.locate(excess.line, excess.column);
            defects.push(diagnose::diagnostic(&excess.message, place));
            continue;
        }
        if matches!(opa, Err(Refusal::Syntax(_))) {
            continue;
        }
        match parse(template, &name, source.text.to_string()) {
            Ok(module) => parsed.push(Parsed { module, source }),
            Err(error) => defects.push(diagnose::anyhow(template, &checked, &error)),
        }
    }
    if let (true, Err(Refusal::Syntax(errors))) = (defects.is_empty(), &opa) {
        defects.extend(errors.iter().cloned());
    }
    let (Some(entry), true) = (parsed.first(), defects.is_empty()) else { return Err(defects) };
    entry::check(template, entry, &mut defects);
    for (one, text) in parsed.iter().zip(&mut checked.modules) {
        checked.vm_fits &= edit_for_vm(template, one, text);
    }
    if let Some(text) = checked.modules.first_mut() {
        text.text = with_entry_package(entry, &text.text);
    }
    for lib in parsed.iter().skip(1) {
        library_package(lib, &mut defects);
    }
    for one in &parsed {
        imports(one, &mut defects);
        uses(one, &mut checked, &mut defects);
    }
    calls::check(template.version, &parsed, &mut checked.vm_fits, &mut defects);
    if let (true, Err(Refusal::Meaning(errors))) = (defects.is_empty(), opa) {
        defects = errors;
    }
    if defects.is_empty() { Ok(checked) } else { Err(defects) }
}

/// Writes into a module the conditions that the VM needs. Answers whether it needs no more.
fn edit_for_vm(template: &Template, parsed: &Parsed<'_>, text: &mut ModuleText) -> bool {
    let needed = edits::needed(&parsed.module);
    if needed.is_empty() {
        return true;
    }
    let Some(edited) = edits::apply(&text.text, &needed) else { return false };
    // A body without braces takes no second statement: such a module stays as it is and is interpreted.
    let settled = parse(template, &text.name, edited.clone()).is_ok_and(|module| edits::needed(&module).is_empty());
    if settled {
        text.text = edited;
    }
    settled
}

fn parse(template: &Template, name: &str, text: String) -> anyhow::Result<Module> {
    let limits = &super::LENGTHS;
    let (bytes, lines) = (limits.max_file_bytes, limits.max_lines);
    let source = Source::from_contents_with_limits(name.to_owned(), text, bytes, lines)?;
    let mut parser = Parser::new(&source)?;
    parser.set_max_col(limits.max_col);
    if template.version == RegoVersion::V1 {
        parser.enable_rego_v1()?;
    }
    let module = parser.parse()?;
    if module.target.is_some() {
        return Err(module.package.span.error("var __target__ is reserved"));
    }
    Ok(module)
}

fn offset(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// The entry module's text in package `template`. Lines stay as they are.
fn with_entry_package(entry: &Parsed<'_>, text: &str) -> String {
    let span = entry.module.package.refr.span();
    let (before, after) = (text.get(..offset(span.start)), text.get(offset(span.end)..));
    format!("{}{ENTRY}{}", before.unwrap_or_default(), after.unwrap_or_default())
}

fn library_package(lib: &Parsed<'_>, defects: &mut Vec<Diagnostic>) {
    let package = lib.package();
    if !package.starts_with("lib.") && !package.starts_with("lib[") {
        let span = lib.module.package.refr.span();
        let message = format!("invalid lib prefix: path data.{package} not found in lib prefixes");
        defects.push(diagnose::diagnostic(&message, lib.at(span)).hint("name the package lib.<something>"));
    }
}

fn imports(parsed: &Parsed<'_>, defects: &mut Vec<Diagnostic>) {
    for import in &parsed.module.imports {
        let path = import.refr.span().text();
        let allowed =
            path.starts_with("data.lib.") || path.starts_with("data.lib[") || path.starts_with("future.keywords");
        if !allowed {
            let message = format!("bad import: {path}");
            let hint = "a template may import data.lib.* and future.keywords";
            defects.push(diagnose::diagnostic(&message, parsed.at(&import.span)).hint(hint));
        }
    }
}

fn uses(parsed: &Parsed<'_>, checked: &mut Checked, defects: &mut Vec<Diagnostic>) {
    walk::module(&parsed.module, &mut |finding| match finding {
        Finding::Data { span, path, depth } => match path.first().map(|name| &**name) {
            Some("inventory") => checked.referential = true,
            Some("lib") if depth == Depth::Operand => {}
            Some("lib") => {
                let message = "data.lib is resolved in operands of an expression only: here it would be undefined";
                let hint = "import the library and use the import's name";
                defects.push(diagnose::diagnostic(message, parsed.at(span)).hint(hint));
            }
            _ if depth == Depth::InReference => checked.referential = true,
            _ => {
                let path: String = path.iter().map(|name| format!(".{name}")).collect();
                defects.push(diagnose::diagnostic(&format!("disallowed ref data{path}"), parsed.at(span)));
            }
        },
        Finding::With => checked.vm_fits = false,
        Finding::Literal { span, nesting } => {
            if nesting == MAX_LITERAL_NESTING + 1 {
                let message = format!("array, object and set literals are nested deeper than {MAX_LITERAL_NESTING}");
                let hint = "bind the inner literal to a variable first";
                defects.push(Diagnostic::new(code::INVALID_REGO, message).at(parsed.at(span)).hint(hint));
            }
        }
        Finding::Query { .. } | Finding::Call { .. } => {}
    });
}
