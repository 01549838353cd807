//! What modules mean together: everything that OPA's compiler refuses but variables that are never bound.
//!
//! The stages are those of OPA's compiler, in its order, each on what the one before it made: references become full
//! paths, declared variables get names of their own, what must be evaluated moves into equalities, bodies are put in
//! order, and types are found from the dependencies on. Most errors end the compilation after the stage that finds them.
//! A module with a variable that is never bound is refused by whoever checks that; no later stage is run on it here.

mod calls;
mod conflicts;
mod declarations;
mod errors;
mod globals;
mod graph;
mod hoist;
mod ir;
mod key;
mod locals;
mod lower;
mod order;
mod outputs;
mod recursion;
mod templates;
mod text;
mod tree;
mod types;
mod vars;
mod walk;
mod with;

use crate::ast::Module;
use crate::capabilities::Release;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

use errors::Errors;
use hoist::Hoist;
use ir::{Names, Node, Rule};
use outputs::Functions;

/// An error in one of several modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleError {
    /// Index of the module.
    pub module: usize,
    /// What is wrong with it.
    pub error: Diagnostic,
}

/// How far modules were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// To the end.
    All,
    /// A variable is never bound, so recursion and types were not looked at.
    Unsafe,
}

/// The name and the text of each module, for errors that name a place in another.
pub type Sources<'s> = [(&'s str, &'s str)];

/// Checks that `modules` fit together, as the newest OPA does.
///
/// # Errors
///
/// At most ten, in the order of their places.
pub fn check(modules: &[Module]) -> Result<(), Vec<ModuleError>> {
    check_as(Release::Opa1_22, modules, &[]).map(|_| ())
}

/// Checks that `modules` fit together, as `release` of OPA does. Messages that name places have them if `sources` has the
/// modules' texts.
///
/// # Errors
///
/// At most ten, in the order of their places.
pub fn check_as(release: Release, modules: &[Module], sources: &Sources<'_>) -> Result<Checked, Vec<ModuleError>> {
    let mut compilation = Compilation::new(release, modules);
    let checked = compilation.run(modules, sources).map_or(Checked::Unsafe, |()| Checked::All);
    compilation.errors.finish().map(|()| checked)
}

/// Modules on their way through the stages.
struct Compilation {
    release: Release,
    names: Names,
    rules: Vec<Rule>,
    packages: Vec<Vec<Node>>,
    package_spans: Vec<Span>,
    errors: Errors,
}

impl Compilation {
    fn new(release: Release, modules: &[Module]) -> Self {
        let mut names = Names::new();
        let mut rules = Vec::new();
        let mut packages = Vec::with_capacity(modules.len());
        for (number, module) in modules.iter().enumerate() {
            packages.push(lower::nodes(&mut names, &module.package.path));
            lower::rules(&mut names, number, module, &mut rules);
        }
        let package_spans = modules.iter().map(|module| module.package.span).collect();
        Self { release, names, rules, packages, package_spans, errors: Errors::new(release) }
    }

    /// The full path of each rule.
    fn paths(&self) -> Vec<Vec<Node>> {
        let path = |rule: &Rule| {
            let package = self.packages.get(rule.module).map(Vec::as_slice).unwrap_or_default();
            let reference = tree::as_path(rule.reference.clone(), &self.names);
            package.iter().cloned().chain(reference).collect()
        };
        self.rules.iter().map(path).collect()
    }

    fn run(&mut self, modules: &[Module], sources: &Sources<'_>) -> Option<()> {
        let release = self.release;
        globals::resolve(&mut self.names, modules, &self.packages, &mut self.rules, &mut self.errors);
        self.go_on()?;
        let mut hoist = Hoist { names: &mut self.names, subjects: Default::default(), release };
        hoist.head_paths(&mut self.rules);
        let mut subjects = hoist.subjects;
        globals::check_roots(&self.names, modules, &self.rules, &mut self.errors);
        self.go_on()?;
        globals::check_imports(modules, &mut self.errors);
        self.go_on()?;
        let tree = tree::Tree::new(&self.packages, &self.rules, &self.paths());
        locals::rewrite(&mut self.names, release, &mut self.rules, &mut self.errors);
        self.go_on()?;
        templates::rewrite(&mut self.names, release, &tree, &mut self.rules, &mut self.errors);
        self.go_on()?;
        calls::check_void(&self.names, &self.rules, &mut self.errors);
        self.go_on()?;
        hoist::erase_prints(&mut self.rules);
        let mut hoist = Hoist { names: &mut self.names, subjects, release };
        hoist.calls(&mut self.rules);
        subjects = hoist.subjects;
        let paths = self.paths();
        let graph = graph::Graph::new(release, &tree, &self.rules, &paths);
        let mut hoist = Hoist { names: &mut self.names, subjects, release };
        hoist.comprehension_heads(&mut self.rules);
        hoist.heads(&mut self.rules);
        subjects = hoist.subjects;
        self.with_values(&tree);
        self.go_on()?;
        let conflicts = conflicts::Conflicts {
            names: &self.names,
            release,
            rules: &self.rules,
            paths: &paths,
            packages: &self.packages,
            package_spans: &self.package_spans,
            sources,
        };
        conflicts.check(&tree, &mut self.errors);
        self.go_on()?;
        let arities = outputs::arities(&self.rules);
        let functions = Functions { names: &self.names, release, tree: &tree, arities: &arities };
        calls::check_defined(&functions, &self.rules, &mut self.errors);
        self.go_on()?;
        let functions = Functions { names: &self.names, release, tree: &tree, arities: &arities };
        if !order::reorder(&functions, &mut self.rules) {
            return None;
        }
        hoist::equals(&mut self.rules);
        let mut hoist = Hoist { names: &mut self.names, subjects, release };
        hoist.dynamics(&mut self.rules);
        subjects = hoist.subjects;
        recursion::check(&self.names, &graph, &self.rules, &paths, &mut self.errors);
        self.go_on()?;
        let world = types::World {
            release,
            rules: &self.rules,
            paths: &paths,
            tree: &tree,
            graph: &graph,
            subjects: &subjects,
        };
        let (mut found, deprecated) = types::check(&self.names, world);
        errors::sort(&mut found);
        for ModuleError { module, error } in found {
            self.errors.all(module, [error], false);
        }
        self.go_on()?;
        if deprecated {
            calls::check_deprecated(&self.names, modules, &self.rules, &mut self.errors);
        }
        Some(())
    }

    fn go_on(&self) -> Option<()> {
        (!self.errors.stop()).then_some(())
    }

    fn with_values(&mut self, tree: &tree::Tree) {
        let targets = with::Targets::new(self.release, tree, &self.rules);
        let mut rules = std::mem::take(&mut self.rules);
        for rule in &mut rules {
            let mut found = Vec::new();
            let mut checked = Vec::new();
            with::each(rule, &mut |with| match targets.check(&self.names, with) {
                Ok(eval) => checked.push(eval),
                Err(error) => {
                    checked.push(false);
                    found.push(error);
                }
            });
            let mut checked = checked.into_iter();
            let mut hoist = Hoist { names: &mut self.names, subjects: Default::default(), release: self.release };
            hoist.with_values(rule, &mut || checked.next().unwrap_or(false));
            // One tells enough of a rule.
            self.errors.all(rule.module, found.into_iter().take(1), true);
        }
        self.rules = rules;
    }
}
