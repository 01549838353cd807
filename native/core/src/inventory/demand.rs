//! What programs read, told before anybody asks: so that no decision has to wait for a view to be made, and nothing is kept
//! of objects that nobody can read.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgate_eval::Projection;

use super::inventories::{Shards, Shared};
use super::{Kind, Snapshot, State};
use crate::config::GroupVersionKind;

/// What programs read.
pub trait Demand: fmt::Debug + Send + Sync {
    /// The parts that they read of the objects of a kind in a cluster; none where no program reads these.
    fn reads(&self, snapshot: &Snapshot, kind: &Kind) -> Option<Projection>;

    /// Whether one can read managedFields or the last-applied-configuration of a cluster's objects of a kind.
    fn reads_bookkeeping(&self, cluster: &str, kind: &GroupVersionKind) -> bool;
}

/// Who can have kinds listed anew: the feeds.
pub trait Relister: fmt::Debug + Send + Sync {
    /// Lists kinds of a cluster anew, now or when it can be reached. What was read before keeps serving. Returns at once.
    fn relist(&self, cluster: &str, kinds: &[GroupVersionKind]);
}

/// Lists that are waited for before policies are published; a cluster that takes longer is left to its feed.
const RELISTED: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

/// Where it is told what programs read. Clones tell the same inventories.
#[derive(Debug, Clone)]
pub struct Demands {
    pub(super) shared: Arc<Shared>,
    pub(super) shards: Arc<Shards>,
}

impl Demands {
    /// Takes the place of what was told before. Lists anew what was left out of objects and can be read now, and makes the
    /// views that are missing. From then on each snapshot has its views when it is published. Blocks: about 30 µs for each
    /// object that was not read before, and for up to 15 s while clusters that are followed are listed.
    pub fn replace(&self, demand: Arc<dyn Demand>) {
        self.shared.demand.store(Arc::new(Some(demand)));
        self.complete();
        for shard in self.shards.load().values() {
            shard.ready();
        }
        self.shared.forget_seen();
    }

    /// Has kinds listed of which too little is kept, and waits for those that are followed.
    fn complete(&self) {
        let relister = self.shared.relister.load();
        let Some(relister) = &**relister else { return };
        let mut awaited = Vec::new();
        for shard in self.shards.load().values() {
            let snapshot = shard.snapshot();
            let lacking: Vec<&Kind> = snapshot.kinds().filter(|kind| self.shared.is_lacking(&snapshot, kind)).collect();
            if lacking.is_empty() {
                continue;
            }
            let kinds: Vec<GroupVersionKind> = lacking.iter().map(|kind| kind.kind().clone()).collect();
            relister.relist(shard.name(), &kinds);
            let followed = lacking.iter().filter(|kind| kind.state() == State::Synced);
            awaited.extend(followed.map(|kind| (shard.clone(), kind.kind().clone())));
        }
        let deadline = Instant::now() + RELISTED;
        while !awaited.is_empty() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
            awaited.retain(|(shard, kind)| {
                let snapshot = shard.snapshot();
                snapshot.kind(kind).is_some_and(|known| self.shared.is_lacking(&snapshot, known))
            });
        }
    }
}
