//! A generation: the policies of every scope, published together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::digest::hexadecimal;
use super::set::PolicySet;
use crate::config::{Excluder, GroupVersionKind};

/// All published policies: those of the fleet, and those of clusters that have some of their own.
///
/// Each scope is a Gatekeeper of its own, with its templates, Constraints, Config and SyncSets. A review in a cluster has
/// to please both.
#[derive(Clone)]
pub struct Generation {
    number: u64,
    /// Tells what it shows of inventories from what another one shows.
    shows: u64,
    digest: Arc<str>,
    fleet: Arc<PolicySet>,
    clusters: BTreeMap<Arc<str>, Arc<PolicySet>>,
    /// What clusters with policies of their own have in `data.inventory`.
    cached: BTreeMap<Arc<str>, Cached>,
}

/// What both scopes want together.
#[derive(Clone, PartialEq, Eq)]
struct Cached {
    synced: BTreeSet<GroupVersionKind>,
    excluder: Excluder,
}

/// One thing for the fleet's scope, and one for the cluster's where that has policies of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scoped<T> {
    /// The fleet's.
    pub fleet: T,
    /// The cluster's own.
    pub cluster: Option<T>,
}

impl<T> Scoped<T> {
    /// Both, the fleet's first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.fleet).chain(&self.cluster)
    }

    /// Both by reference.
    pub const fn as_ref(&self) -> Scoped<&T> {
        Scoped { fleet: &self.fleet, cluster: self.cluster.as_ref() }
    }

    /// Both with both of another; a cluster's that is missing in one of them is missing.
    pub fn zip<U>(self, other: Scoped<U>) -> Scoped<(T, U)> {
        Scoped { fleet: (self.fleet, other.fleet), cluster: self.cluster.zip(other.cluster) }
    }

    /// The same of what `each` makes of both, the fleet's first.
    pub fn map<U>(self, mut each: impl FnMut(T) -> U) -> Scoped<U> {
        Scoped { fleet: each(self.fleet), cluster: self.cluster.map(each) }
    }
}

impl Generation {
    pub(super) fn new(number: u64, fleet: Arc<PolicySet>, clusters: BTreeMap<Arc<str>, Arc<PolicySet>>) -> Self {
        let digest = digest(&fleet, &clusters);
        let both = |own: &PolicySet| Cached {
            synced: fleet.synced().union(own.synced()).cloned().collect(),
            excluder: fleet.excluder().with(own.excluder()),
        };
        let cached = clusters.iter().map(|(name, own)| (name.clone(), both(own))).collect();
        Self { number, shows: number, digest, fleet, clusters, cached }
    }

    pub(super) fn showing(self, shows: u64) -> Self {
        Self { shows, ..self }
    }

    /// Whether policies see the same kinds and namespaces of every cluster.
    pub(super) fn shows_as(&self, other: &Self) -> bool {
        let of_fleet = |one: &Self| (one.fleet.synced().clone(), one.fleet.excluder().clone());
        of_fleet(self) == of_fleet(other) && self.cached == other.cached
    }

    /// The generation's number; 0 before anything was applied. Numbers of one process only grow.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The same for generations that show the same of inventories, as far as that is known; those that are published each
    /// have their number for it.
    #[must_use]
    pub fn shows(&self) -> u64 {
        self.shows
    }

    /// SHA-256 of the canonical content of all scopes, in lower-case hexadecimal: the same for the same policies in every
    /// process, whatever their bundles and files are called.
    #[must_use]
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// The policies that hold for every cluster.
    #[must_use]
    pub fn fleet(&self) -> &Arc<PolicySet> {
        &self.fleet
    }

    /// Clusters that have policies of their own, with these, sorted by name.
    pub fn clusters(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<PolicySet>)> {
        self.clusters.iter()
    }

    /// Every scope: the fleet's, then those of clusters, sorted by name.
    pub fn scopes(&self) -> impl Iterator<Item = &PolicySet> {
        std::iter::once(&*self.fleet).chain(self.clusters.values().map(Arc::as_ref))
    }

    /// The policies that a review in a cluster has to please.
    #[must_use]
    pub fn of_cluster(&self, cluster: &str) -> Scoped<&PolicySet> {
        let own = if self.clusters.is_empty() { None } else { self.clusters.get(cluster) };
        Scoped { fleet: &self.fleet, cluster: own.map(Arc::as_ref) }
    }

    /// Kinds of a cluster that its policies see in `data.inventory`, those of both scopes together.
    #[must_use]
    pub fn synced(&self, cluster: &str) -> &BTreeSet<GroupVersionKind> {
        self.cached.get(cluster).map_or_else(|| self.fleet.synced(), |cached| &cached.synced)
    }

    /// Namespaces of a cluster that the Configs of both scopes keep from processes. Only `sync` is a matter of both; what is
    /// excluded from a review is each scope's own.
    #[must_use]
    pub fn sync_excluder(&self, cluster: &str) -> &Excluder {
        self.cached.get(cluster).map_or_else(|| self.fleet.excluder(), |cached| &cached.excluder)
    }

    pub(super) fn cluster_sets(&self) -> &BTreeMap<Arc<str>, Arc<PolicySet>> {
        &self.clusters
    }
}

/// That of the fleet's policies where there are no others.
fn digest(fleet: &PolicySet, clusters: &BTreeMap<Arc<str>, Arc<PolicySet>>) -> Arc<str> {
    if clusters.is_empty() {
        return fleet.digest().clone();
    }
    let mut hasher = Sha256::new();
    hasher.update(fleet.digest().as_bytes());
    for (cluster, set) in clusters {
        // Names of clusters hold no line breaks, digests have one length.
        hasher.update(format!("\n{}\n{cluster}", set.digest()).as_bytes());
    }
    hexadecimal(&hasher.finalize())
}

impl fmt::Debug for Generation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Generation")
            .field("number", &self.number)
            .field("digest", &self.digest)
            .field("fleet", &self.fleet)
            .field("clusters", &self.clusters.len())
            .finish()
    }
}
