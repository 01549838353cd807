//! What is told of feeds: per cluster and kind, the state and the last error in words.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::change::{Gvk, State};
use crate::error::CallError;

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
    last_error: String,
    state: State,
    since: SystemTime,
}

impl Default for Statuses {
    fn default() -> Self {
        let inner = Inner {
            kinds: BTreeMap::new(),
            refused: BTreeMap::new(),
            last_error: String::new(),
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

    /// Notes why a planned kind cannot be read now; whether that is news.
    pub(crate) fn waits(&self, kind: &Gvk, words: &str) -> bool {
        self.of(kind).state(State::Pending, Some(&CallError::new(crate::error::Cause::Other, words)))
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
        self.lock().last_error = error.map(ToString::to_string).unwrap_or_default();
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

    pub(crate) fn describe(&self, cluster: &str, silence: Option<&str>) -> ClusterFeedStatus {
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
        let last_error = silence.map_or_else(|| inner.last_error.clone(), str::to_owned);
        ClusterFeedStatus { cluster: cluster.to_owned(), state, since: inner.since, last_error, kinds }
    }
}

/// Kinds that the server does not serve hold nothing up.
fn overall(kinds: &[KindFeedStatus], silent: bool) -> State {
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
