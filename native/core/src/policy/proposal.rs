//! Policies that nobody published: what they would be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use super::generation::Generation;
use super::{Policies, Sources, check_name};
use crate::diagnostic::Diagnostic;

/// The bundle of policies that take the place of all others.
const ALL: &str = "proposed";

impl Policies {
    /// The generation that there would be if files of (path, content) took the place of those of the bundle `name`, or,
    /// where that is empty, of all policies of the fleet. Policies of clusters' own stay. Nothing is published, and the
    /// generation's number is 0.
    ///
    /// # Errors
    /// As [`Policies::apply`].
    pub fn propose(&self, name: &str, files: &[(&str, &[u8])]) -> Result<Arc<Generation>, Vec<Diagnostic>> {
        let replaced = if name.is_empty() {
            self.replaced(&Sources::default(), ALL, files)?
        } else {
            check_name(name).map_err(|defect| vec![defect])?;
            let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            self.replaced(&sources, name, files)?
        };
        let current = self.current();
        let proposed = Generation::new(0, Arc::new(replaced.set), current.cluster_sets().clone());
        let shows = if proposed.shows_as(&current) { current.shows() } else { next_view() };
        Ok(Arc::new(proposed.showing(shows)))
    }
}

/// Tells what a proposal shows from what any other shows. Numbers of generations count up and never come so far.
fn next_view() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);
    NEXT.fetch_sub(1, Ordering::Relaxed)
}
