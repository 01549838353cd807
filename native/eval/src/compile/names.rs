//! What a module's names mean outside of its rules: rules of its package and imports.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetgate_rego::ast::{Module, TermRef, Value as Syntax};

/// A document that a name stands for: `input` or `data`, and the path below it.
#[derive(Debug, Clone)]
pub(super) struct Global {
    pub(super) root: Document,
    pub(super) path: Vec<TermRef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Input,
    Data,
}

/// The globals of each module, by their names.
pub(super) type Globals = BTreeMap<Arc<str>, Global>;

/// The path of the module's package below `data`.
pub(super) fn package(module: &Module) -> Vec<Arc<str>> {
    module.package.path.iter().skip(1).filter_map(|part| part.as_str().map(Arc::from)).collect()
}

/// The globals of one of several modules. Rules come before imports of the same name.
pub(super) fn globals(module: &Module, all: &[&Module]) -> Globals {
    let mut globals = Globals::new();
    for import in &module.imports {
        let parts = import.path.as_ref_parts().unwrap_or_default();
        let Some((root, rest)) = parts.split_first() else { continue };
        let root = match root.as_var().map(|name| &**name) {
            Some("input") => Document::Input,
            Some("data") => Document::Data,
            _ => continue,
        };
        let last = rest.last().and_then(|last| last.as_str());
        let Some(name) = import.alias.as_deref().or(last) else { continue };
        globals.insert(name.into(), Global { root, path: rest.to_vec() });
    }
    let own = package(module);
    for rule in all.iter().filter(|other| package(other) == own).flat_map(|other| &other.rules) {
        let Some(name) = rule.head.reference.first().and_then(|first| first.as_var()) else { continue };
        let mut path: Vec<TermRef> = module.package.path.iter().skip(1).cloned().collect();
        path.push(fleetgate_rego::ast::Term::string(rule.head.span, name));
        globals.insert(name.clone(), Global { root: Document::Data, path });
    }
    globals
}

/// The names that a head's path begins with, up to the first part that is not one.
pub(super) fn static_prefix(reference: &[TermRef]) -> Vec<Arc<str>> {
    let first = reference.first().and_then(|first| first.as_var()).cloned();
    let rest = reference.iter().skip(1).map_while(|part| match &part.value {
        Syntax::String(name) => Some(name.clone()),
        _ => None,
    });
    first.into_iter().chain(rest).collect()
}
