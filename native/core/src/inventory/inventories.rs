//! The inventories of all clusters.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fleetgate_eval::Projection;

use super::demand::{Demand, Demands, Relister};
use super::fleet::SeenLast;
use super::persist::{DamagedFile, FlushError, Persister};
use super::store::Library;
use super::view::Ready;
use super::{Kind, Shard, Snapshot, Unfit};
use crate::compatibility::Compatibility;
use crate::config::GroupVersionKind;

/// How inventories are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Leave out managedFields and kubectl's last-applied-configuration where no program can read them.
    pub strips: bool,
    /// Bytes that the objects which one program reads may take as values, of one cluster or of a cluster set. An estimate.
    pub view_bytes: usize,
    /// Bytes that such values may take, of all clusters together, before anybody asks for them. An estimate.
    pub ready_bytes: usize,
    /// How long after it was published a snapshot is written to the state directory, where there is one: what a kill can
    /// lose. [`Inventories::flush`] waits for it.
    pub write_behind: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { strips: true, view_bytes: 256 << 20, ready_bytes: 1 << 30, write_behind: Duration::from_secs(1) }
    }
}

/// What the shards have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) compatibility: Compatibility,
    pub(super) settings: Settings,
    pub(super) library: Library,
    /// What was made for programs, in all clusters.
    pub(super) ready: Arc<Ready>,
    /// What decisions saw of fleets, which go by what is current.
    pub(super) seen_by_decisions: Arc<SeenLast>,
    /// What audits did, which go on with what they pinned.
    pub(super) seen_by_audits: Arc<SeenLast>,
    /// What programs read; none before the first policies.
    pub(super) demand: ArcSwap<Option<Arc<dyn Demand>>>,
    /// Who can have kinds listed anew; nobody while there are no feeds.
    pub(super) relister: ArcSwap<Option<Arc<dyn Relister>>>,
    /// Where snapshots are written; nowhere until it is set.
    pub(super) persister: OnceLock<Persister>,
}

/// A kind, and the parts of its objects that programs read; none where no program reads these.
pub(super) type Wanted<'s> = (&'s Arc<Kind>, Option<Projection>);

/// All shards, by the clusters' names.
pub(super) type Shards = ArcSwap<BTreeMap<Arc<str>, Arc<Shard>>>;

impl Shared {
    /// Whether managedFields and the last-applied-configuration are left out of a cluster's objects of a kind.
    pub(super) fn strips(&self, cluster: &str, kind: &GroupVersionKind) -> bool {
        let demand = self.demand.load();
        self.settings.strips && (**demand).as_ref().is_none_or(|demand| !demand.reads_bookkeeping(cluster, kind))
    }

    /// Whether something was left out of objects that programs can read.
    pub(super) fn is_lacking(&self, snapshot: &Snapshot, kind: &Kind) -> bool {
        kind.is_stripped && !self.strips(snapshot.cluster(), kind.kind())
    }

    /// Kinds of a snapshot with the parts of their objects that programs read; none of what no program reads.
    pub(super) fn demanded<'s>(
        &self,
        snapshot: &'s Snapshot,
        kinds: impl Iterator<Item = &'s Arc<Kind>>,
    ) -> Vec<Wanted<'s>> {
        let demand = self.demand.load();
        kinds.map(|kind| (kind, (**demand).as_ref().and_then(|demand| demand.reads(snapshot, kind)))).collect()
    }

    /// Forgets what was seen of fleets.
    pub(super) fn forget_seen(&self) {
        self.seen_by_decisions.clear();
        self.seen_by_audits.clear();
    }

    /// Called with each snapshot that was published, in the order of its cluster.
    pub(super) fn published(&self, snapshot: &Arc<Snapshot>) {
        self.seen_by_decisions.sweep();
        self.seen_by_audits.sweep();
        if let Some(persister) = self.persister.get() {
            persister.published(snapshot);
        }
    }
}

/// The inventories of all clusters.
#[derive(Debug)]
pub struct Inventories {
    shared: Arc<Shared>,
    shards: Arc<Shards>,
    /// Makes those take turns that add or remove a shard.
    turns: Mutex<()>,
    nothing: Arc<Snapshot>,
    /// Random: revisions of another process, or of an earlier one, are not kept here.
    replica: Box<str>,
}

impl Default for Inventories {
    fn default() -> Self {
        Self::new(Compatibility::default())
    }
}

impl Inventories {
    /// Inventories that hold what these switches say.
    #[must_use]
    pub fn new(compatibility: Compatibility) -> Self {
        Self::with_settings(compatibility, Settings::default())
    }

    /// Inventories that are kept in memory alone.
    #[must_use]
    pub fn with_settings(compatibility: Compatibility, settings: Settings) -> Self {
        let ready = Arc::new(Ready::new(settings.ready_bytes));
        let shared = Shared { compatibility, settings, ready, ..Shared::default() };
        let nothing = Arc::new(Snapshot::first("", &shared));
        Self { shared: Arc::new(shared), shards: Arc::default(), turns: Mutex::default(), nothing, replica: replica() }
    }

    /// Inventories that are kept in a directory too, and start with what it holds: every kind that was complete is stale
    /// until somebody follows it again. Files that cannot be read are moved aside and named.
    ///
    /// # Errors
    /// The directory cannot be used, or another process uses it.
    pub fn open(
        compatibility: Compatibility,
        settings: Settings,
        directory: &Path,
    ) -> io::Result<(Self, Vec<DamagedFile>)> {
        let inventories = Self::with_settings(compatibility, settings);
        let shared = &inventories.shared;
        let (persister, snapshots, damaged) = Persister::open(directory, shared, settings.write_behind)?;
        let restored = |one: Snapshot| (one.cluster().clone(), Arc::new(Shard::starting_with(one, shared.clone())));
        inventories.shards.store(Arc::new(snapshots.into_iter().map(restored).collect()));
        // It was empty a moment ago, and nobody else has it yet.
        let _ = shared.persister.set(persister);
        Ok((inventories, damaged))
    }

    /// Waits until a cluster's snapshot of a number, or a later one, is on disk.
    ///
    /// # Errors
    /// There is no directory, or it was not written in time.
    pub fn flush(&self, cluster: &str, number: u64, within: Duration) -> Result<(), FlushError> {
        self.shared.persister.get().ok_or(FlushError::NoDirectory)?.flush(cluster, number, within)
    }

    /// The number of the cluster's snapshot that is on disk; 0 for none.
    #[must_use]
    pub fn durable(&self, cluster: &str) -> u64 {
        let durable = self.shared.persister.get().and_then(|persister| persister.durable(cluster));
        durable.map_or(0, |snapshot| snapshot.number())
    }

    /// The current snapshot of a cluster; an empty one of a cluster that there is not. Waits for no write.
    #[must_use]
    pub fn pin(&self, cluster: &str) -> Arc<Snapshot> {
        self.shards.load().get(cluster).map_or_else(|| self.nothing.clone(), |shard| shard.snapshot())
    }

    /// The cluster's snapshot of a number, where it is one of the last 64.
    #[must_use]
    pub fn at(&self, cluster: &str, revision: u64) -> Option<Arc<Snapshot>> {
        self.shards.load().get(cluster)?.at(revision)
    }

    /// Waits for the cluster's snapshot of this number or a later one. Gives whether it came in time; of a cluster that there
    /// is not, none comes.
    #[must_use]
    pub fn wait(&self, cluster: &str, revision: u64, deadline: Instant) -> bool {
        let shard = self.shards.load().get(cluster).cloned();
        shard.is_some_and(|shard| shard.wait(revision, deadline))
    }

    /// A cluster's shard, made when there is none.
    #[must_use]
    pub fn shard(&self, cluster: &str) -> Arc<Shard> {
        if let Some(shard) = self.shards.load().get(cluster) {
            return shard.clone();
        }
        let _turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shards = BTreeMap::clone(&self.shards.load());
        let shard = shards.entry(cluster.into()).or_insert_with(|| Arc::new(Shard::new(cluster, self.shared.clone())));
        let shard = shard.clone();
        self.shards.store(Arc::new(shards));
        shard
    }

    /// Drops a cluster's shard, and its file. Snapshots that are pinned stay as they are; who writes to the shard still, writes
    /// to nobody.
    pub fn remove(&self, cluster: &str) {
        let _turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shards = BTreeMap::clone(&self.shards.load());
        if let Some(shard) = shards.remove(cluster) {
            self.shards.store(Arc::new(shards));
            shard.end();
            self.shared.forget_seen();
            if let Some(persister) = self.shared.persister.get() {
                persister.removed(cluster);
            }
        }
    }

    /// Says who can have kinds listed anew.
    pub fn relists_by(&self, relister: Arc<dyn Relister>) {
        self.shared.relister.store(Arc::new(Some(relister)));
    }

    /// Where it is told what programs read.
    #[must_use]
    pub fn demands(&self) -> Demands {
        Demands { shared: self.shared.clone(), shards: self.shards.clone() }
    }

    /// Bytes of what was made for programs, in all clusters.
    #[cfg(test)]
    pub(crate) fn made_bytes(&self) -> usize {
        self.shared.ready.taken()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn view_bytes(&self) -> usize {
        self.shared.settings.view_bytes
    }

    /// Tells these inventories from those of every other process.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// All shards, sorted by the clusters' names.
    #[must_use]
    pub fn clusters(&self) -> Vec<Arc<Shard>> {
        self.shards.load().values().cloned().collect()
    }

    /// Replaces a cluster's inventory by objects (JSON) and gives the new snapshot's number. Of objects of the same
    /// groupVersion, kind, namespace and name the last counts. Policies see all of them, whatever is to be synced.
    ///
    /// # Errors
    /// The first object that does not parse or lacks a version or kind; nothing is published then.
    pub fn replace<'a>(&self, cluster: &str, objects: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, Unfit> {
        self.shard(cluster).give(objects)
    }
}

fn replica() -> Box<str> {
    let mut bytes = [0_u8; 8];
    // Without a source of randomness in the kernel there is no TLS either.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes)).into()
}
