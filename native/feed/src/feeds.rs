//! The feeds of a fleet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{fmt, io};

use fleetgate_core::background;
use fleetgate_core::inventory::Relister;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::batches::Batches;
use crate::change::{Gvk, Inventory};
use crate::cluster::Cluster;
use crate::dial::{self, Connection, Credentials, Identity, Trust};
use crate::error::{CallError, Cause};
use crate::objects::{ObjectWatch, Selector};
use crate::plan::WatchPlan;
use crate::push::server::{Listener, PushedClusters};
use crate::push::tls::ListenTls;
use crate::status::ClusterFeedStatus;
use crate::write::{self, WriteRequest};

/// Two threads move bytes; whatever takes time (packing objects, exec plug-ins) runs on threads for blocking work.
const WORKERS: usize = 2;
const BLOCKING: usize = 32;

/// The feeds of all clusters, on threads of their own. Every method may be called from any thread.
pub struct Feeds {
    /// Taken when it ends.
    runtime: Option<Runtime>,
    inventory: Arc<dyn Inventory>,
    trust: Trust,
    lists: Arc<Semaphore>,
    batches: Arc<Batches>,
    clusters: Mutex<BTreeMap<String, Entry>>,
    pushed: Arc<PushedClusters>,
    listeners: Mutex<Vec<Listener>>,
}

struct Entry {
    cluster: Arc<Cluster>,
    credentials: Credentials,
}

impl Feeds {
    /// Feeds that write into this inventory. `concurrent_lists` is how many collections are listed at a time, over all
    /// clusters.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn new(inventory: Arc<dyn Inventory>, trust: Trust, concurrent_lists: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .thread_name("feed")
            .on_thread_start(|| background::give_way(background::FEED))
            .enable_all()
            .build()?;
        let lists = Arc::new(Semaphore::new(concurrent_lists.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self {
            runtime: Some(runtime),
            inventory,
            trust,
            lists,
            batches: Batches::new(),
            clusters: Mutex::default(),
            pushed: Arc::default(),
            listeners: Mutex::default(),
        })
    }

    /// Asks a cluster who it is, within a time.
    ///
    /// # Errors
    /// Why it does not say.
    pub fn identify(&self, credentials: &Credentials, limit: Duration) -> Result<Identity, CallError> {
        self.runtime()?.block_on(dial::identify(credentials, &self.trust, limit))
    }

    /// Connects a cluster, or connects it again with other credentials: then what is synced is not listed again. With
    /// `feed`, what is planned is watched into the cluster's shard; without, there is a connection for
    /// [`Self::watch_objects`] and [`Self::write`] only.
    ///
    /// # Errors
    /// The kubeconfig cannot be used. A server that does not answer is no error here: it is tried until it does.
    pub fn connect(&self, name: &str, credentials: Credentials, feed: bool) -> Result<(), CallError> {
        let runtime = self.runtime()?;
        let known = self.clusters().get(name).map(|entry| entry.credentials == credentials);
        let connection = match known {
            Some(true) => None,
            _ => Some(runtime.block_on(Connection::open(&credentials, &self.trust))?),
        };
        let mut clusters = self.clusters();
        let entry = clusters.entry(name.to_owned()).or_insert_with(|| {
            let (shared, runtime) = ((Arc::clone(&self.lists), Arc::clone(&self.batches)), runtime.handle().clone());
            let (inventory, owned) = (Arc::clone(&self.inventory), name.to_owned());
            let cluster = Cluster::new(name, Box::new(move || inventory.writer(&owned)), shared, runtime);
            Entry { cluster, credentials: credentials.clone() }
        });
        if let Some(connection) = connection {
            entry.cluster.connect(connection);
            entry.credentials = credentials;
        }
        if feed {
            entry.cluster.start();
        }
        Ok(())
    }

    /// Serves `FeedService` for agents; gives the address that it listens on (port 0 chooses one). `trust_domain` is that of
    /// the agents' SPIFFE names; empty is any.
    ///
    /// # Errors
    /// The address or the certificates cannot be used, in words.
    pub fn listen(&self, address: SocketAddr, tls: &ListenTls, trust_domain: &str) -> Result<SocketAddr, String> {
        let runtime = self.runtime().map_err(|error| error.message)?.handle();
        let (inventory, pushed) = (Arc::clone(&self.inventory), Arc::clone(&self.pushed));
        let listener = Listener::open(runtime, address, tls, trust_domain.to_owned(), inventory, pushed)?;
        let bound = listener.address();
        self.listeners().push(listener);
        Ok(bound)
    }

    /// Shows other certificates to agents that connect from now on. Streams that are open stay.
    ///
    /// # Errors
    /// What cannot be used, in words; the certificates before stay.
    pub fn renew_certificates(&self, tls: &ListenTls) -> Result<(), String> {
        self.listeners().iter().try_for_each(|listener| listener.renew(tls))
    }

    /// Ends a cluster's feed. Whether the cluster is gone is for others to say.
    pub fn disconnect(&self, name: &str) {
        let entry = self.clusters().remove(name);
        if let Some(entry) = entry {
            entry.cluster.stop();
        }
        self.pushed.remove(name);
    }

    /// Says what to watch in a cluster that is dialled or has an agent; else nothing.
    pub fn plan(&self, name: &str, plan: WatchPlan) {
        if let Some(cluster) = self.cluster(name) {
            cluster.plan(plan);
        } else if let Some(pushed) = self.pushed.get(name) {
            pushed.plan.send_if_modified(|current| {
                let differs = *current != plan;
                *current = plan;
                differs
            });
        }
    }

    /// Lists kinds anew while what was read before keeps serving.
    pub fn relist(&self, name: &str, kinds: &[Gvk]) {
        if let Some(cluster) = self.cluster(name) {
            cluster.relist(kinds);
        } else if let Some(pushed) = self.pushed.get(name) {
            pushed.relist(kinds);
        }
    }

    /// These feeds, for an inventory that wants kinds listed anew.
    pub fn relister(self: &Arc<Self>) -> Arc<dyn Relister> {
        Arc::new(Relists(Arc::downgrade(self)))
    }

    /// How it goes, by the clusters' names.
    pub fn status(&self) -> Vec<ClusterFeedStatus> {
        let clusters: Vec<_> = self.clusters().values().map(|entry| Arc::clone(&entry.cluster)).collect();
        let dialled = clusters.iter().map(|cluster| cluster.status());
        let mut all: Vec<_> = dialled.chain(self.pushed.all().iter().map(|pushed| pushed.status())).collect();
        all.sort_by(|one, other| one.cluster.cmp(&other.cluster));
        all
    }

    /// Watches objects of a cluster without keeping them.
    ///
    /// # Errors
    /// The cluster is not connected, or a selector asks for Secrets without saying which.
    pub fn watch_objects(&self, name: &str, selectors: Vec<Selector>) -> Result<ObjectWatch, CallError> {
        let runtime = self.runtime()?.handle().clone();
        match (self.cluster(name), self.pushed.get(name)) {
            (None, Some(pushed)) => ObjectWatch::relayed(pushed, runtime, selectors),
            _ => ObjectWatch::new(self.connected(name)?, runtime, selectors),
        }
    }

    /// Creates, applies, updates, deletes or reads one object; gives the server's answer.
    ///
    /// # Errors
    /// The cluster is not connected, or the server's refusal.
    pub fn write(&self, name: &str, request: &WriteRequest) -> Result<Vec<u8>, CallError> {
        let runtime = self.runtime()?;
        let answer = match (self.cluster(name), self.pushed.get(name)) {
            (None, Some(pushed)) => runtime.block_on(pushed.write(request)),
            _ => runtime.block_on(write::write(&*self.connected(name)?, request)),
        };
        answer.map(|answer| answer.to_vec())
    }

    /// Ends all feeds. Calls that come later find nothing connected.
    pub fn close(&self) {
        self.listeners().clear();
        for pushed in self.pushed.all() {
            self.pushed.remove(&pushed.name);
        }
        let entries = std::mem::take(&mut *self.clusters());
        for entry in entries.into_values() {
            entry.cluster.stop();
        }
    }

    fn runtime(&self) -> Result<&Runtime, CallError> {
        self.runtime.as_ref().ok_or_else(|| CallError::new(Cause::Other, "the feeds have ended"))
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clusters(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cluster(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters().get(name).map(|entry| Arc::clone(&entry.cluster))
    }

    fn connected(&self, name: &str) -> Result<Arc<Cluster>, CallError> {
        let words = || CallError::new(Cause::Invalid, format!("the cluster {name:?} is not connected"));
        self.cluster(name).ok_or_else(words)
    }
}

/// Feeds that may be gone.
struct Relists(Weak<Feeds>);

impl Relister for Relists {
    fn relist(&self, cluster: &str, kinds: &[Gvk]) {
        if let Some(feeds) = self.0.upgrade() {
            feeds.relist(cluster, kinds);
        }
    }
}

impl fmt::Debug for Relists {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Relists")
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
