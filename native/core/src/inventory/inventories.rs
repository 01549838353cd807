//! The inventories of all clusters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::store::Library;
use super::{Shard, Snapshot, Unfit};
use crate::compatibility::Compatibility;

/// How inventories are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Leave out managedFields and kubectl's last-applied-configuration.
    pub strips: bool,
    /// Bytes that the objects which one program reads may take as values, of one cluster or of a cluster set. An estimate.
    pub view_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { strips: true, view_bytes: 256 << 20 }
    }
}

/// What the shards have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) compatibility: Compatibility,
    pub(super) settings: Settings,
    pub(super) library: Library,
}

impl Shared {
    /// Called with each snapshot that was published, in the order of its cluster.
    pub(super) fn published(&self, snapshot: &Arc<Snapshot>) {
        snapshot.views.follow(snapshot);
    }
}

/// The inventories of all clusters.
#[derive(Debug)]
pub struct Inventories {
    shared: Arc<Shared>,
    shards: ArcSwap<BTreeMap<Arc<str>, Arc<Shard>>>,
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
        let shared = Shared { compatibility, settings, library: Library::default() };
        let nothing = Arc::new(Snapshot::first("", &shared));
        Self {
            shared: Arc::new(shared),
            shards: ArcSwap::default(),
            turns: Mutex::default(),
            nothing,
            replica: replica(),
        }
    }

    /// The current snapshot of a cluster; an empty one of a cluster that there is not. Waits for nobody.
    #[must_use]
    pub fn pin(&self, cluster: &str) -> Arc<Snapshot> {
        self.shards.load().get(cluster).map_or_else(|| self.nothing.clone(), |shard| shard.snapshot())
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

    /// Drops a cluster's shard. Snapshots that are pinned stay as they are.
    pub fn remove(&self, cluster: &str) {
        let _turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shards = BTreeMap::clone(&self.shards.load());
        if shards.remove(cluster).is_some() {
            self.shards.store(Arc::new(shards));
        }
    }

    /// See [`Settings::view_bytes`].
    pub(super) fn view_bytes(&self) -> usize {
        self.shared.settings.view_bytes
    }

    /// Tells these inventories from those of every other process.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// A snapshot of earlier, or the current one; none where it is not kept any more, or not there yet.
    #[must_use]
    pub fn at(&self, cluster: &str, revision: u64) -> Option<Arc<Snapshot>> {
        match self.shards.load().get(cluster) {
            Some(shard) => shard.at(revision),
            None => (revision == 0).then(|| self.nothing.clone()),
        }
    }

    /// Waits until a cluster's snapshot is of that revision or later; says whether it is.
    #[must_use]
    pub fn wait(&self, cluster: &str, revision: u64, until: Instant) -> bool {
        match self.shards.load_full().get(cluster) {
            Some(shard) => shard.wait(revision, until),
            None => revision == 0,
        }
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
