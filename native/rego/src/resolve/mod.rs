//! What the names of modules mean together: which rules a reference reaches, and whether every call can be made.
//!
//! Follows the order of OPA's compiler: references first, then calls, then recursion, and only the errors of the first
//! stage that has any are reported.

mod calls;
mod index;
mod names;
mod recursion;

use crate::ast::{Module, Rule};
use crate::diagnostic::Diagnostic;

use index::RuleIndex;
use names::Reference;

/// An error in one of several modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleError {
    /// Index of the module.
    pub module: usize,
    /// What is wrong with it.
    pub error: Diagnostic,
}

/// A rule with its chain of `else`, and what it refers to.
struct Resolved<'m> {
    module: usize,
    rule: &'m Rule,
    references: Vec<Reference>,
}

/// Checks that `modules` fit together: every function that is called exists and takes as many arguments, and no rule
/// depends on itself.
///
/// # Errors
///
/// `rego_type_error` for calls, `rego_recursion_error` for rules that depend on themselves.
pub fn check(modules: &[Module]) -> Result<(), Vec<ModuleError>> {
    let index = RuleIndex::new(modules);
    let mut rules = Vec::new();
    for (module, syntax) in modules.iter().enumerate() {
        let globals = index.globals(syntax);
        let resolve = |rule| Resolved { module, rule, references: names::references(&globals, rule) };
        rules.extend(syntax.rules.iter().map(resolve));
    }
    for stage in [calls::check, recursion::check] {
        let errors = stage(&index, &rules);
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    Ok(())
}
