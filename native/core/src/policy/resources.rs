//! Custom resources: objects of a cluster that are policies, each for itself right or wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use super::assemble::{Defect, assemble};
use super::bundle::Bundle;
use super::generation::Generation;
use super::scope::Scope;
use super::{Applied, Policies};
use crate::diagnostic::Diagnostic;

/// What applying custom resources gave.
#[derive(Debug, Clone)]
pub struct ResourcesApplied {
    /// The generation that is published afterwards.
    pub generation: Arc<Generation>,
    /// Whether it is a new one.
    pub changed: bool,
    /// What is not in it, sorted by key.
    pub left_out: Vec<LeftOut>,
}

/// An object that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its key as it was given. A Constraint of a bundle whose template was a custom resource that went has its file's path.
    pub key: Arc<str>,
    /// Why, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Policies {
    /// Replaces all custom resources of a scope by objects of (key, JSON). Keys are the caller's, one for each object; in
    /// diagnostics they stand for a file's path.
    ///
    /// Whatever is wrong with an object is reported and concerns that object only, and Constraints of a template that is
    /// left out. A name that a bundle has belongs to the bundle. With `dry_run` nothing is published.
    pub fn apply_resources(&self, scope: &Scope, objects: &[(&str, &[u8])], dry_run: bool) -> ResourcesApplied {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let (bundle, mut diagnostics) = Bundle::load(Bundle::RESOURCES, objects, self.compiler());
        let bundle = Arc::new(bundle);
        let bundles = sources.bundles.values().filter(|_| *scope == Scope::Fleet);
        let assembled = assemble(scope, self.auto_sync, bundles.chain([&bundle]));
        if *scope == Scope::Fleet && !dry_run {
            sources.resources = (!objects.is_empty()).then_some(bundle);
            sources.left_out = assembled.defects.iter().map(Defect::place).collect();
        }
        diagnostics.extend(assembled.defects.into_iter().map(|defect| defect.diagnostic));
        let kept = || Applied { generation: self.current(), changed: false };
        let Applied { generation, changed } = if dry_run { kept() } else { self.publish(assembled.set) };
        ResourcesApplied { generation, changed, left_out: by_key(diagnostics) }
    }
}

fn by_key(diagnostics: Vec<Diagnostic>) -> Vec<LeftOut> {
    let mut grouped: BTreeMap<Arc<str>, Vec<Diagnostic>> = BTreeMap::new();
    for diagnostic in diagnostics {
        // Every diagnostic of an object says where it stands, and its path is the object's key.
        let key = diagnostic.location.as_ref().map(|location| location.path.clone());
        grouped.entry(key.unwrap_or_default()).or_default().push(diagnostic);
    }
    let sorted = |(key, mut diagnostics): (_, Vec<Diagnostic>)| {
        diagnostics.sort_by(Diagnostic::report_order);
        diagnostics.dedup();
        LeftOut { key, diagnostics }
    };
    grouped.into_iter().map(sorted).collect()
}
