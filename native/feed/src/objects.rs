//! Watching objects without keeping them: registrations and policies that live in clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::backoff::{Backoff, jittered};
use crate::change::{Gvk, State};
use crate::cluster::{Cluster, unbounded};
use crate::discovery::Discovery;
use crate::error::{CallError, Cause};
use crate::link::{connected, moved};
use crate::push::pushed::Pushed;
use crate::push::relay;
use crate::reflector::{Overflow, Reflector, Sink};
use crate::scope::Scope;
use crate::wire::Object;

/// Events that wait for the reader. When it is full the watches wait too, and the servers keep what comes.
const WAITING: usize = 4096;
const BATCH: usize = 1024;
const AGAIN: Duration = Duration::from_secs(30);
const AFTER_CRD: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(4)];

/// Which objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selector {
    /// API group; empty is the core group.
    pub group: String,
    /// API version; empty is the one that the server prefers.
    pub version: String,
    /// Kind or its name in URLs; `*` is every kind of the group, those that appear later included.
    pub kind: String,
    /// Namespace; empty is all.
    pub namespace: String,
    /// Label selector; empty is all.
    pub labels: String,
    /// Field selector; empty is all.
    pub fields: String,
}

/// What is told of selected objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectEvent {
    /// All that there is was told; again after each new list. A kind that is not served has no objects.
    Synced(Selector),
    /// An object is there, or is there anew: told again after each new list.
    Put(Selector, Gvk, Bytes),
    /// An object is gone.
    Delete(Selector, Gvk, String, String),
    /// The server refuses or does not answer; it is tried again. Told once as long as the words are the same.
    Failed(Selector, String),
}

/// Selected objects of one cluster, event by event. Dropping it ends the watches.
pub struct ObjectWatch {
    runtime: Handle,
    events: tokio::sync::Mutex<mpsc::Receiver<ObjectEvent>>,
    selectors: watch::Sender<BTreeSet<Selector>>,
    /// What finds the events: here, or through an agent.
    source: AbortHandle,
}

impl ObjectWatch {
    pub(crate) fn new(cluster: Arc<Cluster>, runtime: Handle, selectors: Vec<Selector>) -> Result<Self, CallError> {
        let selectors = watch::channel(checked(selectors)?).0;
        let (sender, events) = mpsc::channel(WAITING);
        let resolver = Resolver { cluster, runtime: runtime.clone(), sender, watched: BTreeMap::new() };
        let source = runtime.spawn(resolver.run(selectors.subscribe())).abort_handle();
        Ok(Self { runtime, events: tokio::sync::Mutex::new(events), selectors, source })
    }

    /// The same through a cluster's agent.
    pub(crate) fn relayed(pushed: Arc<Pushed>, runtime: Handle, selectors: Vec<Selector>) -> Result<Self, CallError> {
        let selectors = watch::channel(checked(selectors)?).0;
        let (sender, events) = mpsc::channel(WAITING);
        let source = runtime.spawn(relay::run(pushed, selectors.subscribe(), sender)).abort_handle();
        Ok(Self { runtime, events: tokio::sync::Mutex::new(events), selectors, source })
    }

    /// The next events, at least one.
    pub(crate) async fn some(&self) -> Vec<ObjectEvent> {
        let mut batch = Vec::new();
        self.events.lock().await.recv_many(&mut batch, BATCH).await;
        batch
    }

    /// Watches these selectors from now on. Those that were there go on undisturbed.
    ///
    /// # Errors
    /// A selector asks for Secrets without saying which.
    pub fn select(&self, selectors: Vec<Selector>) -> Result<(), CallError> {
        let selectors = checked(selectors)?;
        self.selectors.send_if_modified(|current| {
            let differs = *current != selectors;
            *current = selectors;
            differs
        });
        Ok(())
    }

    /// The next events: as many as there are, at least one; none at the limit.
    pub fn next(&self, limit: Duration) -> Vec<ObjectEvent> {
        let mut batch = Vec::new();
        self.runtime.block_on(async {
            let mut events = self.events.lock().await;
            // Nothing is lost at the limit.
            drop(timeout(limit, events.recv_many(&mut batch, BATCH)).await);
        });
        batch
    }

    /// Ends the watches.
    pub fn close(&self) {
        self.source.abort();
    }
}

impl Drop for ObjectWatch {
    fn drop(&mut self) {
        self.close();
    }
}

/// Secrets are read by name or label in a namespace, or not at all.
fn checked(selectors: Vec<Selector>) -> Result<BTreeSet<Selector>, CallError> {
    let loose = |selector: &Selector| {
        let secrets = selector.group.is_empty() && matches!(selector.kind.as_str(), "Secret" | "secrets");
        secrets && (selector.namespace.is_empty() || (selector.labels.is_empty() && selector.fields.is_empty()))
    };
    if selectors.iter().any(loose) {
        let words = "Secrets are watched in a namespace and by label or name only";
        return Err(CallError::new(Cause::Invalid, words));
    }
    Ok(selectors.into_iter().collect())
}

/// Keeps one reflector per selector and collection.
struct Resolver {
    cluster: Arc<Cluster>,
    runtime: Handle,
    sender: mpsc::Sender<ObjectEvent>,
    watched: BTreeMap<Selector, Watched>,
}

/// The collections of a selector.
struct Watched {
    tasks: BTreeMap<Scope, Task>,
    progress: Arc<Progress>,
    /// What was told of the selector as a whole.
    told: Option<String>,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was told of each collection of a selector.
#[derive(Default)]
struct Progress(Mutex<BTreeMap<Scope, Told>>);

#[derive(Default)]
struct Told {
    listed: bool,
    keys: BTreeSet<(String, String)>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Scope, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_synced(&self) -> bool {
        self.lock().values().all(|told| told.listed)
    }
}

impl Resolver {
    async fn run(mut self, mut selectors: watch::Receiver<BTreeSet<Selector>>) {
        let mut link = self.cluster.link();
        let mut crds = self.cluster.crds();
        let mut backoff = Backoff::default();
        let mut after_crd = [].iter();
        loop {
            let Some((connection, round)) = connected(&mut link).await else { return };
            let wanted = selectors.borrow_and_update().clone();
            self.watched.retain(|selector, _| wanted.contains(selector));
            let wait = match self.cluster.discover(&connection).await {
                Ok(served) => {
                    backoff.reset();
                    for selector in &wanted {
                        self.resolve(selector, &served).await;
                    }
                    jittered(AGAIN)
                }
                Err(error) => {
                    for selector in &wanted {
                        self.tell(selector, error.to_string()).await;
                    }
                    backoff.next(error.retry_after)
                }
            };
            tokio::select! {
                () = sleep(after_crd.next().copied().unwrap_or(wait)) => {}
                changed = crds.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    after_crd = AFTER_CRD.iter();
                    sleep(Duration::from_millis(50)).await;
                }
                changed = selectors.changed() => if changed.is_err() { return },
                moved = moved(&mut link, round) => if !moved { return },
            }
        }
    }

    fn watched(&mut self, selector: &Selector) -> &mut Watched {
        let made = || Watched { tasks: BTreeMap::new(), progress: Arc::default(), told: None };
        self.watched.entry(selector.clone()).or_insert_with(made)
    }

    async fn tell(&mut self, selector: &Selector, words: String) {
        let sender = self.sender.clone();
        let watched = self.watched(selector);
        if watched.tasks.is_empty() && watched.told.as_ref() != Some(&words) {
            watched.told = Some(words.clone());
            drop(sender.send(ObjectEvent::Failed(selector.clone(), words)).await);
        }
    }

    async fn resolve(&mut self, selector: &Selector, served: &Discovery) {
        let scopes = scopes(selector, served);
        let away = served.unknown.iter().any(|(group, _)| **group == *selector.group);
        if scopes.is_empty() && away {
            return self.tell(selector, "the API server behind this group is away".to_owned()).await;
        }
        let (cluster, runtime, sender) = (Arc::clone(&self.cluster), self.runtime.clone(), self.sender.clone());
        let watched = self.watched(selector);
        let gone: Vec<Scope> = watched.tasks.keys().filter(|scope| !away && !scopes.contains(scope)).cloned().collect();
        let changed = !gone.is_empty() || watched.told.as_deref() != Some("");
        for scope in gone {
            watched.tasks.remove(&scope);
            let told = watched.progress.lock().remove(&scope).unwrap_or_default();
            for (namespace, name) in told.keys {
                let kind = scope.resource.kind.clone();
                drop(sender.send(ObjectEvent::Delete(selector.clone(), kind, namespace, name)).await);
            }
        }
        for scope in scopes {
            if watched.tasks.contains_key(&scope) {
                continue;
            }
            watched.progress.lock().insert(scope.clone(), Told::default());
            let sink = ObjectSink {
                selector: selector.clone(),
                scope: scope.clone(),
                sender: sender.clone(),
                progress: Arc::clone(&watched.progress),
                listed: None,
                told: None,
            };
            let reflector = Reflector {
                scope: scope.clone(),
                link: cluster.link(),
                shared: cluster.shared(),
                bound: unbounded(),
                sink,
                position: None,
                known: false,
            };
            watched.tasks.insert(scope, Task(runtime.spawn(reflector.run()).abort_handle()));
        }
        watched.told = Some(String::new());
        // Otherwise the last list to be complete says so.
        if changed && watched.tasks.is_empty() {
            drop(sender.send(ObjectEvent::Synced(selector.clone())).await);
        }
    }
}

fn scopes(selector: &Selector, served: &Discovery) -> Vec<Scope> {
    let found: Vec<_> = if selector.kind == "*" {
        let group = [selector.group.clone()];
        let any = ["*".to_owned()];
        let version = |kind: &Gvk| selector.version.is_empty() || *kind.version == *selector.version;
        let all = served.matching(&group, &any);
        all.filter(|resource| resource.watchable && version(&resource.kind) && !resource.kind.is_secret())
            .cloned()
            .collect()
    } else {
        served.find(&selector.group, &selector.version, &selector.kind).cloned().into_iter().collect()
    };
    let namespace = Some(selector.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let scope = |resource| Scope {
        namespace: namespace.clone(),
        labels: selector.labels.clone(),
        fields: selector.fields.clone(),
        ..Scope::all(resource)
    };
    found.into_iter().map(scope).collect()
}

struct ObjectSink {
    selector: Selector,
    scope: Scope,
    sender: mpsc::Sender<ObjectEvent>,
    progress: Arc<Progress>,
    /// Keys of the list that is under way.
    listed: Option<BTreeSet<(String, String)>>,
    told: Option<String>,
}

impl ObjectSink {
    async fn send(&self, event: ObjectEvent) {
        // The reader may be gone; then this task is about to end too.
        drop(self.sender.send(event).await);
    }

    async fn remove(&self, (namespace, name): (String, String)) {
        let kind = self.scope.resource.kind.clone();
        self.send(ObjectEvent::Delete(self.selector.clone(), kind, namespace, name)).await;
    }
}

impl Sink for ObjectSink {
    fn begin(&mut self) {
        self.listed = Some(BTreeSet::new());
    }

    async fn listed(&mut self, object: Object) -> Result<(), Overflow> {
        if let Some(listed) = &mut self.listed {
            listed.insert((object.namespace.clone(), object.name.clone()));
        }
        self.put(object).await
    }

    async fn finish(&mut self, _: &str, _: SystemTime) {
        let listed = self.listed.take().unwrap_or_default();
        let vanished: Vec<_> = {
            let mut all = self.progress.lock();
            let told = all.entry(self.scope.clone()).or_default();
            told.listed = true;
            let before = std::mem::replace(&mut told.keys, listed);
            before.difference(&told.keys).cloned().collect()
        };
        for key in vanished {
            self.remove(key).await;
        }
        self.told = None;
        if self.progress.is_synced() {
            self.send(ObjectEvent::Synced(self.selector.clone())).await;
        }
    }

    fn abort(&mut self) {
        self.listed = None;
    }

    async fn put(&mut self, object: Object) -> Result<(), Overflow> {
        let key = (object.namespace, object.name);
        self.progress.lock().entry(self.scope.clone()).or_default().keys.insert(key);
        let kind = self.scope.resource.kind.clone();
        self.send(ObjectEvent::Put(self.selector.clone(), kind, object.json)).await;
        Ok(())
    }

    async fn delete(&mut self, object: Object) -> Result<(), Overflow> {
        let key = (object.namespace, object.name);
        if let Some(listed) = &mut self.listed {
            listed.remove(&key);
        }
        self.progress.lock().entry(self.scope.clone()).or_default().keys.remove(&key);
        self.remove(key).await;
        Ok(())
    }

    fn observed(&mut self, _: &str, _: SystemTime) {}

    async fn state(&mut self, _: State, why: Option<&CallError>) {
        let words = why.map(ToString::to_string);
        if words != self.told {
            self.told.clone_from(&words);
            if let Some(words) = words {
                self.send(ObjectEvent::Failed(self.selector.clone(), words)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::tests::discovered;

    fn selector(group: &str, kind: &str) -> Selector {
        Selector { group: group.into(), kind: kind.into(), ..Selector::default() }
    }

    #[test]
    fn secrets_are_selected_in_a_namespace_and_by_label_or_name() {
        let all = selector("", "Secret");
        let namespaced = Selector { namespace: "n".into(), ..all.clone() };
        let labelled = Selector { labels: "a=b".into(), ..all.clone() };
        for loose in [all, namespaced.clone(), labelled.clone(), selector("", "secrets")] {
            assert!(checked(vec![loose.clone()]).is_err(), "{loose:?}");
        }
        assert!(checked(vec![Selector { namespace: "n".into(), ..labelled }]).is_ok());
        assert!(checked(vec![Selector { fields: "metadata.name=x".into(), ..namespaced }]).is_ok());
        assert!(checked(vec![selector("example.com", "Secret")]).is_ok());
    }

    #[test]
    fn a_wildcard_takes_what_can_be_watched_and_no_secrets() {
        let kinds = |selector: &Selector| -> Vec<String> {
            scopes(selector, &discovered()).iter().map(|scope| scope.resource.kind.to_string()).collect()
        };
        assert_eq!(kinds(&selector("", "*")), ["/v1:Namespace", "/v1:Pod"]);
        assert_eq!(kinds(&selector("apps", "deployments")), ["apps/v1:Deployment"]);
        let old = Selector { version: "v1beta1".into(), ..selector("apps", "Deployment") };
        assert_eq!(kinds(&old), ["apps/v1beta1:Deployment"]);
        assert_eq!(kinds(&selector("example.com", "Widget")), [""; 0]);
    }
}
