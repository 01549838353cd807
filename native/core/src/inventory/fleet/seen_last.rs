//! What was looked at last.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fleetgate_eval::InventoryReads;

use super::{FleetView, Look};
use crate::config::GroupVersionKind;
use crate::inventory::Snapshot;
use crate::template::SyncRequirements;

/// What nobody looked at for so long is forgotten.
const IDLE: Duration = Duration::from_secs(20);

/// What decisions or audits looked at last, template by template: between two of them few clusters change, and little that is
/// read.
#[derive(Debug, Default)]
pub(in crate::inventory) struct SeenLast(Mutex<Vec<Seen>>);

#[derive(Debug)]
struct Seen {
    cluster_set: String,
    reads: Arc<InventoryReads>,
    declared: Arc<BTreeSet<GroupVersionKind>>,
    requirements: SyncRequirements,
    shows: u64,
    view: Arc<FleetView>,
    used: Instant,
}

impl SeenLast {
    /// The view of the clusters of a set, with what is the same as last time.
    pub(super) fn view(&self, cluster_set: &str, look: Look<'_>, snapshots: &[Arc<Snapshot>]) -> Arc<FleetView> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = all.iter_mut().find(|seen| seen.is(cluster_set, look)) else {
            let view = Arc::new(FleetView::following(None, look, snapshots));
            all.push(Seen::new(cluster_set, look, view.clone()));
            return view;
        };
        seen.used = Instant::now();
        if seen.view.is_of(snapshots) {
            return seen.view.clone();
        }
        let view = Arc::new(FleetView::following(Some(&seen.view), look, snapshots));
        let former = std::mem::replace(&mut seen.view, view.clone());
        // Nobody has to wait until the memory of what it held alone is given back.
        drop(all);
        drop(former);
        view
    }

    /// Forgets what nobody looked at for a while, unless somebody is looking.
    pub(in crate::inventory) fn sweep(&self) {
        let Ok(mut all) = self.0.try_lock() else { return };
        let former: Vec<Seen> = all.extract_if(.., |seen| seen.used.elapsed() >= IDLE).collect();
        drop(all);
        drop(former);
    }

    /// Forgets everything: other programs look at other things.
    pub(in crate::inventory) fn clear(&self) {
        let former = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(former);
    }
}

impl Seen {
    fn new(cluster_set: &str, look: Look<'_>, view: Arc<FleetView>) -> Self {
        Self {
            cluster_set: cluster_set.to_owned(),
            reads: look.reads.clone(),
            declared: look.declared.clone(),
            requirements: look.requirements.clone(),
            shows: look.shows,
            view,
            used: Instant::now(),
        }
    }

    fn is(&self, cluster_set: &str, look: Look<'_>) -> bool {
        self.cluster_set == cluster_set
            && self.shows == look.shows
            && self.reads == *look.reads
            && self.declared == *look.declared
            && self.requirements == *look.requirements
    }
}
