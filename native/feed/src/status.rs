//! What is told of feeds: per cluster and kind, the state and the last error in words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::change::{Gvk, State};
use crate::error::{CallError, Cause};

/// The feed of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterFeedStatus {
    /// Its canonical name.
    pub cluster: String,
    /// The least that holds for all kinds: `Synced` only where each is.
    pub state: State,
    /// Since when.
    pub since: SystemTime,
    /// Why the cluster as a whole cannot be read; empty while it can.
    pub last_error: String,
    /// That in one word, as [`crate::Cause::word`] has it; empty while it can.
    pub reason: &'static str,
    /// Whether an agent sends it.
    pub pushed: bool,
    /// UID of the Namespace kube-system, as the agent says it; empty for clusters that are dialled.
    pub uid: String,
    /// Labels, as the agent says them; none for clusters that are dialled.
    pub labels: BTreeMap<String, String>,
    /// Whether the cluster answers, or its agent streams.
    pub connected: bool,
    /// Each kind that is planned, in order.
    pub kinds: Vec<KindFeedStatus>,
}

/// The feed of a kind.
#[derive(Clone, Debug)]
pub struct KindFeedStatus {
    /// The kind.
    pub kind: Gvk,
    /// How far the view can be trusted.
    pub state: State,
    /// Up to where it is complete; empty before the first list.
    pub resource_version: String,
    /// When it was last known to be complete.
    pub observed_at: Option<SystemTime>,
    /// The last error; empty while all goes well.
    pub last_error: String,
    /// Why the kind is never read; empty for those that are.
    pub not_audited: String,
}

impl KindFeedStatus {
    fn new(kind: &Gvk) -> Self {
        Self {
            kind: kind.clone(),
            state: State::Pending,
            resource_version: String::new(),
            observed_at: None,
            last_error: String::new(),
            not_audited: String::new(),
        }
    }
}

/// A kind's status, as its feed writes it.
#[derive(Debug)]
pub(crate) struct KindStatus(Mutex<KindFeedStatus>);

impl KindStatus {
    fn lock(&self) -> MutexGuard<'_, KindFeedStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a state; whether that is news.
    pub(crate) fn state(&self, state: State, why: Option<&CallError>) -> bool {
        let mut status = self.lock();
        let words = why.map(ToString::to_string).unwrap_or_default();
        let is_news = status.state != state || status.last_error != words;
        status.state = state;
        status.last_error = words;
        is_news
    }

    pub(crate) fn is(&self, state: State) -> bool {
        self.lock().state == state
    }

    pub(crate) fn moved(&self, resource_version: &str, at: SystemTime) {
        let mut status = self.lock();
        if status.resource_version != resource_version {
            resource_version.clone_into(&mut status.resource_version);
        }
        status.observed_at = status.observed_at.max(Some(at));
    }
}

/// The status of one cluster's feeds.
#[derive(Debug)]
pub(crate) struct Statuses {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    kinds: BTreeMap<Gvk, Arc<KindStatus>>,
    refused: BTreeMap<Gvk, &'static str>,
    last_error: Option<(Cause, String)>,
    state: State,
    since: SystemTime,
}

impl Default for Statuses {
    fn default() -> Self {
        let inner = Inner {
            kinds: BTreeMap::new(),
            refused: BTreeMap::new(),
            last_error: None,
            state: State::Pending,
            since: SystemTime::now(),
        };
        Self { inner: Mutex::new(inner) }
    }
}

impl Statuses {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status of a kind, new where there is none.
    pub(crate) fn of(&self, kind: &Gvk) -> Arc<KindStatus> {
        let mut inner = self.lock();
        let made = || Arc::new(KindStatus(Mutex::new(KindFeedStatus::new(kind))));
        Arc::clone(inner.kinds.entry(kind.clone()).or_insert_with(made))
    }

    pub(crate) fn all(&self) -> Vec<(Gvk, Arc<KindStatus>)> {
        self.lock().kinds.iter().map(|(kind, status)| (kind.clone(), Arc::clone(status))).collect()
    }

    pub(crate) fn forget(&self, kind: &Gvk) {
        self.lock().kinds.remove(kind);
    }

    /// Drops the kinds that are not planned, and gives them.
    pub(crate) fn retain(&self, keep: impl Fn(&Gvk) -> bool) -> Vec<Gvk> {
        let mut inner = self.lock();
        let dropped = inner.kinds.keys().filter(|kind| !keep(kind)).cloned().collect();
        inner.kinds.retain(|kind, _| keep(kind));
        dropped
    }

    pub(crate) fn not_audited(&self, refused: &BTreeMap<Gvk, &'static str>) {
        self.lock().refused.clone_from(refused);
    }

    /// Notes why the cluster as a whole cannot be read.
    pub(crate) fn error(&self, error: Option<&CallError>) {
        self.lock().last_error = error.map(|error| (error.cause, error.to_string()));
    }

    /// Notes objects that the shard would not keep.
    pub(crate) fn unkept(&self, refused: Vec<(Gvk, String)>) {
        for (kind, words) in refused {
            let status = self.lock().kinds.get(&kind).cloned();
            if let Some(status) = status {
                status.lock().last_error = words;
            }
        }
    }

    pub(crate) fn describe(&self, cluster: &str, silence: Option<(Cause, &str)>) -> ClusterFeedStatus {
        let mut inner = self.lock();
        let mut kinds: Vec<KindFeedStatus> = inner.kinds.values().map(|kind| kind.lock().clone()).collect();
        let state = overall(&kinds, silence.is_some());
        if inner.state != state {
            inner.state = state;
            inner.since = SystemTime::now();
        }
        let refused = inner.refused.iter().map(|(kind, words)| {
            let not_audited = (*words).to_owned();
            KindFeedStatus { not_audited, ..KindFeedStatus::new(kind) }
        });
        kinds.extend(refused);
        kinds.sort_by(|one, other| one.kind.cmp(&other.kind));
        let is_answering = silence.is_none();
        let silence = silence.map(|(cause, words)| (cause, words.to_owned()));
        let (reason, last_error) = silence
            .or_else(|| inner.last_error.clone())
            .map_or(("", String::new()), |(cause, words)| (cause.word(), words));
        ClusterFeedStatus {
            cluster: cluster.to_owned(),
            state,
            since: inner.since,
            last_error,
            reason,
            pushed: false,
            uid: String::new(),
            labels: BTreeMap::new(),
            connected: is_answering,
            kinds,
        }
    }
}

/// Kinds that the server does not serve hold nothing up.
pub(crate) fn overall(kinds: &[KindFeedStatus], silent: bool) -> State {
    let any = |state: State| kinds.iter().any(|kind| kind.state == state);
    if any(State::Stale) || (silent && any(State::Synced)) {
        State::Stale
    } else if any(State::Listing) {
        State::Listing
    } else if any(State::Synced) {
        State::Synced
    } else {
        State::Pending
    }
}
