//! Bundles of policy files, and the generation that they make together.
//!
//! A bundle is a named set of files. Applying one replaces the bundle of that name, all or nothing: every file is read,
//! every template compiled, every Constraint of *every* bundle checked against the templates that are there afterwards;
//! then the new [`PolicySet`] is published by one atomic swap, or all defects are reported and nothing has changed.
//! Readers pin a set and never wait for writers.

mod assemble;
mod bundle;
mod digest;
mod index;
mod set;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use set::{PolicySet, PublishedConstraint, PublishedTemplate};

use crate::diagnostic::{Diagnostic, code};
use crate::evaluate::Driver;
use crate::yaml::Document;
use assemble::assemble;
use bundle::Bundle;

/// The policies of one process. Thread-safe.
pub struct Policies {
    driver: Arc<dyn Driver>,
    current: ArcSwap<PolicySet>,
    /// What the current set was made of. Its lock makes writers take turns.
    bundles: Mutex<BTreeMap<Arc<str>, Arc<Bundle>>>,
}

/// What applying a bundle gave.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The set that is published afterwards; with `dry_run` the one that was kept.
    pub set: Arc<PolicySet>,
    /// Whether it is a new generation.
    pub changed: bool,
}

impl Policies {
    /// No policies, and the driver that compiles those to come.
    #[must_use]
    pub fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver, current: ArcSwap::from_pointee(assemble::empty()), bundles: Mutex::default() }
    }

    /// The published set.
    #[must_use]
    pub fn current(&self) -> Arc<PolicySet> {
        self.current.load_full()
    }

    /// Replaces the bundle `name` by files of (path, content); no files remove it.
    ///
    /// # Errors
    /// Every defect, sorted by place. What was published stays.
    pub fn apply(&self, name: &str, files: &[(&str, &[u8])], dry_run: bool) -> Result<Applied, Vec<Diagnostic>> {
        check_name(name).map_err(|defect| vec![defect])?;
        // Nothing is half done while the lock is held, so a panic of another writer left nothing to mend.
        let mut bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        let mut next = bundles.clone();
        let mut defects = Vec::new();
        next.remove(name);
        if !files.is_empty() {
            let (bundle, found) = Bundle::load(name, files, &*self.driver, bundles.values().map(Arc::as_ref));
            defects = found;
            next.insert(bundle.name.clone(), Arc::new(bundle));
        }
        let assembled = assemble(current.number, &next, name).map_err(|found| defects.extend(found));
        let Some(mut set) = assembled.ok().filter(|_| defects.is_empty()) else {
            defects.sort_by(Diagnostic::report_order);
            defects.dedup();
            return Err(defects);
        };
        let changed = set.digest != current.digest || !set.same_bundles(&current);
        if dry_run {
            return Ok(Applied { set: current, changed: false });
        }
        // Without a change the number stays, but places in files may have moved: the fresh set has the right ones.
        set.number += u64::from(changed);
        let set = Arc::new(set);
        self.current.store(set.clone());
        *bundles = next;
        Ok(Applied { set, changed })
    }
}

/// Every defect for which documents would be refused as one bundle, sorted by place.
pub(crate) fn defects(documents: Vec<Document>, driver: &dyn Driver) -> Vec<Diagnostic> {
    let (bundle, mut defects) = Bundle::of("", documents, driver, std::iter::empty());
    let bundles = BTreeMap::from([(bundle.name.clone(), Arc::new(bundle))]);
    defects.extend(assemble(0, &bundles, "").err().unwrap_or_default());
    defects.sort_by(Diagnostic::report_order);
    defects.dedup();
    defects
}

fn check_name(name: &str) -> Result<(), Diagnostic> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-');
    if (1..=253).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let message = format!("invalid bundle name {name:?}: it must be 1 to 253 characters of [A-Za-z0-9._/-]");
    Err(Diagnostic::new(code::INVALID_BUNDLE, message))
}

#[cfg(test)]
mod tests;
