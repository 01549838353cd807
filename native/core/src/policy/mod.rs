//! The policies of a fleet and of its clusters, and the generation that they make together.
//!
//! Policies come in two ways. A *bundle* is a named set of files of the fleet's scope. Applying one replaces the bundle of
//! that name, all or nothing: every file is read, every template compiled, every Constraint of *every* bundle checked
//! against the templates that are there afterwards. The *custom resources* of a scope are objects of a cluster, which are
//! there whatever fleetgate thinks of them: a bad one is left out and reported, the rest counts, as in Gatekeeper.
//!
//! Either way a new [`Generation`] is published by one atomic swap. Readers pin one and never wait for writers.

mod assemble;
mod bundle;
mod demand;
mod digest;
mod generation;
mod index;
mod programs;
mod proposal;
mod resources;
mod scope;
mod set;
mod watch_plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub(crate) use digest::digest;
pub use generation::{Generation, Scoped};
pub use resources::{LeftOut, ResourcesApplied};
pub use scope::Scope;
pub use set::{PolicySet, PublishedConstraint, PublishedTemplate};
pub use watch_plan::{KindPattern, WatchPlan};

use crate::compatibility::AutoSync;
use crate::diagnostic::{Diagnostic, code};
use crate::evaluate::Driver;
use crate::inventory::Demands;
use crate::yaml::Document;
use assemble::{Defect, assemble};
use bundle::Bundle;
use programs::{Compiler, Programs};

/// The policies of one process. Thread-safe.
pub struct Policies {
    driver: Arc<dyn Driver>,
    auto_sync: AutoSync,
    programs: Programs,
    current: ArcSwap<Generation>,
    /// Who is told what a generation reads before it is published.
    demands: Option<Demands>,
    /// What the current generation was made of. Its lock makes writers take turns.
    sources: Mutex<Sources>,
}

/// Where policies come from.
#[derive(Default)]
struct Sources {
    /// Bundles, which are the fleet's, by name.
    bundles: BTreeMap<Arc<str>, Arc<Bundle>>,
    /// The custom resources of the fleet's scope. Those of a cluster concern nobody else: its set is all that is kept.
    resources: Option<Arc<Bundle>>,
    /// What of these counts for nothing.
    left_out: BTreeSet<Place>,
}

/// Policies of the fleet with a bundle replaced.
struct Replaced {
    /// The other bundles.
    bundles: BTreeMap<Arc<str>, Arc<Bundle>>,
    /// The one that came; none where the bundle was removed.
    latest: Option<Arc<Bundle>>,
    set: PolicySet,
    left_out: BTreeSet<Place>,
}

/// A bundle and a path in it.
type Place = (Arc<str>, Arc<str>);

/// What applying a bundle gave.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The generation that is published afterwards; with `dry_run` the one that was kept.
    pub generation: Arc<Generation>,
    /// Whether it is a new one.
    pub changed: bool,
}

impl Policies {
    /// No policies, and the driver that compiles those to come.
    #[must_use]
    pub fn new(driver: Arc<dyn Driver>) -> Self {
        Self::with_auto_sync(driver, AutoSync::Off)
    }

    /// As [`Policies::new`]; `auto_sync` says which kinds are cached beside those that policies name.
    #[must_use]
    pub fn with_auto_sync(driver: Arc<dyn Driver>, auto_sync: AutoSync) -> Self {
        let nothing = Generation::new(0, Arc::new(assemble::empty(&Scope::Fleet)), BTreeMap::new());
        Self {
            driver,
            auto_sync,
            programs: Programs::default(),
            current: ArcSwap::from_pointee(nothing),
            demands: None,
            sources: Mutex::default(),
        }
    }

    /// The same, whose generations are published when the views that they read are made.
    #[must_use]
    pub fn telling(self, demands: Demands) -> Self {
        Self { demands: Some(demands), ..self }
    }

    /// The published generation.
    #[must_use]
    pub fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Replaces the bundle `name` by files of (path, content); no files remove it.
    ///
    /// # Errors
    /// Every defect, sorted by place; custom resources that could not stay are among them, those that counted for nothing
    /// before are not. What was published stays.
    pub fn apply(&self, name: &str, files: &[(&str, &[u8])], dry_run: bool) -> Result<Applied, Vec<Diagnostic>> {
        check_name(name).map_err(|defect| vec![defect])?;
        // Nothing is half done while the lock is held, so a panic of another writer left nothing to mend.
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let Replaced { mut bundles, latest, set, left_out } = self.replaced(&sources, name, files)?;
        if dry_run {
            return Ok(Applied { generation: self.current(), changed: false });
        }
        bundles.extend(latest.map(|latest| (latest.name.clone(), latest)));
        sources.bundles = bundles;
        sources.left_out = left_out;
        Ok(self.publish(set))
    }

    /// What the policies of the fleet are once files have taken the place of a bundle's.
    fn replaced(&self, sources: &Sources, name: &str, files: &[(&str, &[u8])]) -> Result<Replaced, Vec<Diagnostic>> {
        let mut bundles = sources.bundles.clone();
        bundles.remove(name);
        let (bundle, mut defects) = Bundle::load(name, files, self.compiler());
        let latest = (!files.is_empty()).then(|| Arc::new(bundle));
        // Who comes last is at fault for a name that is taken.
        let in_order = bundles.values().chain(&sources.resources).chain(&latest);
        let assembled = assemble(&Scope::Fleet, self.auto_sync, in_order);
        let was_left_out = |defect: &Defect| sources.left_out.contains(&defect.place());
        let (left_out, refused): (Vec<_>, Vec<_>) = assembled.defects.into_iter().partition(was_left_out);
        defects.extend(refused.into_iter().map(|defect| defect.diagnostic));
        if !defects.is_empty() {
            defects.sort_by(Diagnostic::report_order);
            defects.dedup();
            return Err(defects);
        }
        let left_out = left_out.iter().map(Defect::place).collect();
        Ok(Replaced { bundles, latest, set: assembled.set, left_out })
    }

    fn compiler(&self) -> Compiler<'_> {
        Compiler { driver: &*self.driver, programs: &self.programs }
    }

    /// Publishes the policies of a scope together with those of the others. Only who holds the sources may.
    ///
    /// Without a change the number stays, but places in files may have moved: the fresh set has the right ones.
    fn publish(&self, set: PolicySet) -> Applied {
        let current = self.current();
        let (mut fleet, mut clusters) = (current.fleet().clone(), current.cluster_sets().clone());
        let set = Arc::new(set);
        let (before, now) = match set.scope().clone() {
            Scope::Fleet => (Some(std::mem::replace(&mut fleet, set.clone())), Some(set)),
            Scope::Cluster(name) if set.is_empty() => (clusters.remove(&name), None),
            Scope::Cluster(name) => (clusters.insert(name, set.clone()), Some(set)),
        };
        let changed = match (before, now) {
            (Some(before), Some(now)) => now.digest() != before.digest() || !now.same_bundles(&before),
            (before, now) => before.is_some() || now.is_some(),
        };
        let generation = Generation::new(current.number() + u64::from(changed), fleet, clusters);
        let generation = Arc::new(generation);
        if let Some(demands) = &self.demands {
            demands.replace(generation.clone());
        }
        self.current.store(generation.clone());
        self.programs.sweep();
        Applied { generation, changed }
    }
}

/// Every defect for which documents would be refused as one bundle, sorted by place.
pub(crate) fn defects(documents: Vec<Document>, driver: &dyn Driver) -> Vec<Diagnostic> {
    let compiler = Compiler { driver, programs: &Programs::default() };
    let (bundle, mut defects) = Bundle::of("bundle", documents, compiler);
    let assembled = assemble(&Scope::Fleet, AutoSync::Off, [&Arc::new(bundle)]);
    defects.extend(assembled.defects.into_iter().map(|defect| defect.diagnostic));
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
mod scope_tests;
#[cfg(test)]
mod tests;
