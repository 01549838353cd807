//! One cluster's objects at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fleetgate_value::Value;

use super::kind::Kind;
use super::store::{Key, Packed};
use super::view::Views;
use super::{ClusterFacts, Shared, State};
use crate::compatibility::{Compatibility, Presence};
use crate::config::GroupVersionKind;
use crate::json::{self, KeyCache};

/// An immutable inventory of one cluster. It shares what did not change with the snapshot before.
#[derive(Debug, Clone)]
pub struct Snapshot {
    cluster: Arc<str>,
    number: u64,
    /// When its objects were handed over as a whole; none where a cluster is followed.
    made: Option<Instant>,
    facts: Arc<ClusterFacts>,
    /// Those of the facts, as Rego sees them.
    labels: Value,
    kinds: BTreeMap<Arc<GroupVersionKind>, Arc<Kind>>,
    compatibility: Compatibility,
    pub(super) views: Arc<Views>,
}

impl Snapshot {
    /// The inventory of a cluster of which nothing is cached.
    #[must_use]
    pub fn empty() -> Self {
        Self::first("", &Shared::default())
    }

    pub(super) fn first(cluster: &str, shared: &Shared) -> Self {
        Self {
            cluster: cluster.into(),
            number: 0,
            made: None,
            facts: Arc::default(),
            labels: Value::empty_object(),
            kinds: BTreeMap::new(),
            compatibility: shared.compatibility,
            views: Arc::new(Views::new(shared)),
        }
    }

    /// The same content under the next number.
    pub(super) fn next(&self) -> Self {
        Self { number: self.number + 1, ..self.clone() }
    }

    pub(super) fn given_now(self) -> Self {
        Self { made: Some(Instant::now()), ..self }
    }

    pub(super) fn described(&self, facts: ClusterFacts) -> Self {
        Self { labels: labels(&facts), facts: Arc::new(facts), ..self.next() }
    }

    /// As a restart finds it.
    pub(super) fn renumbered(self, number: u64, facts: ClusterFacts) -> Self {
        Self { number, labels: labels(&facts), facts: Arc::new(facts), ..self }
    }

    pub(super) fn kind_mut(&mut self, kind: &GroupVersionKind) -> Option<&mut Kind> {
        self.kinds.get_mut(kind).map(Arc::make_mut)
    }

    pub(super) fn kind_or_new(&mut self, kind: &GroupVersionKind) -> &mut Kind {
        let compatibility = self.compatibility;
        let key = self.kinds.get(kind).map_or_else(|| Arc::new(kind.clone()), |known| known.kind.clone());
        Arc::make_mut(self.kinds.entry(key).or_insert_with_key(|key| Arc::new(Kind::new(key.clone(), compatibility))))
    }

    pub(super) fn forget(&mut self, kind: &GroupVersionKind) -> bool {
        self.kinds.remove(kind).is_some()
    }

    /// The cluster's canonical name.
    #[must_use]
    pub const fn cluster(&self) -> &Arc<str> {
        &self.cluster
    }

    /// Counts up by one for each snapshot of its cluster, over restarts too; 0 where nothing is cached.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// What is known of the cluster besides its objects.
    #[must_use]
    pub fn facts(&self) -> &ClusterFacts {
        &self.facts
    }

    /// The cluster's labels as Rego sees them.
    #[must_use]
    pub const fn labels(&self) -> &Value {
        &self.labels
    }

    pub(super) fn shared_facts(&self) -> Arc<ClusterFacts> {
        self.facts.clone()
    }

    /// Up to where a kind is known, where it is cached.
    #[must_use]
    pub fn watermark(&self, kind: &GroupVersionKind) -> Option<&super::Watermark> {
        self.kind(kind).map(Kind::watermark)
    }

    pub(super) const fn compatibility(&self) -> &Compatibility {
        &self.compatibility
    }

    /// The kinds, sorted by group, version and kind.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values().map(|known| &**known)
    }

    /// A kind, where it is cached.
    #[must_use]
    pub fn kind(&self, kind: &GroupVersionKind) -> Option<&Kind> {
        self.kinds.get(kind).map(|known| &**known)
    }

    pub(super) fn shared_kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.values()
    }

    /// Whether a kind of this snapshot, and the facts of the cluster, are those of another snapshot.
    pub(super) fn shares(&self, other: &Self, kind: &Arc<Kind>) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts)
            && other.kinds.get(kind.kind()).is_some_and(|known| Arc::ptr_eq(known, kind))
    }

    /// How long ago all of it was last known to be complete: as long as the kind of which that is longest ago. None where
    /// nothing is cached, or a kind never was complete.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        if let Some(made) = self.made {
            return Some(made.elapsed());
        }
        if self.kinds.is_empty() {
            return None;
        }
        let now = SystemTime::now();
        self.kinds()
            .map(|known| known.watermark.age(now))
            .try_fold(Duration::ZERO, |oldest, age| Some(oldest.max(age?)))
    }

    /// How far all of it can be trusted: as far as the least trustworthy kind. Pending where no kind is cached.
    #[must_use]
    pub fn state(&self) -> State {
        self.kinds().map(Kind::state).max().unwrap_or_default()
    }

    /// The cached Namespace of a name. A terminating one is there or not as [`Compatibility`] says.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Value> {
        self.namespace_if(name, |packed| {
            !packed.is_terminating() || self.compatibility.terminating_objects == Presence::Present
        })
    }

    /// The cached Namespace of a name, a terminating one too: an audit asks the API server, which has it still.
    #[must_use]
    pub fn existing_namespace(&self, name: &str) -> Option<Value> {
        self.namespace_if(name, |_| true)
    }

    fn namespace_if(&self, name: &str, is_shown: impl Fn(&Packed) -> bool) -> Option<Value> {
        let kind = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Namespace".into() };
        let objects = &self.kind(&kind)?.objects;
        let packed = objects.get(&Key::new("", name)).filter(|packed| is_shown(packed))?;
        json::parse(&objects.json(packed).ok()?, &mut KeyCache::default(), self.compatibility.numbers).ok()
    }

    /// A cached object as JSON, a terminating one too; none where it is not cached.
    #[must_use]
    pub fn object(
        &self,
        kind: &GroupVersionKind,
        namespace: &str,
        name: &str,
    ) -> Option<Result<Vec<u8>, UnreadableObject>> {
        let known = self.kind(kind)?;
        let packed = known.objects.get(&Key::new(namespace, name))?;
        Some(known.objects.json(packed).map_err(|_| UnreadableObject {
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }))
    }

    /// The objects of some kinds as JSON, terminating ones included: what an audit looks at. An object that cannot be read
    /// back is an error of its own and does not end the iteration.
    pub fn audit_objects<'a>(
        &'a self,
        kinds: impl IntoIterator<Item = &'a GroupVersionKind> + 'a,
    ) -> impl Iterator<Item = Result<Vec<u8>, UnreadableObject>> + 'a {
        kinds.into_iter().filter_map(|kind| self.kind(kind)).flat_map(|known| {
            known.objects.entries().iter().map(|(key, packed)| {
                known.objects.json(packed).map_err(|_| UnreadableObject {
                    kind: known.kind().clone(),
                    namespace: key.namespace().to_owned(),
                    name: key.name().to_owned(),
                })
            })
        })
    }
}

fn labels(facts: &ClusterFacts) -> Value {
    Value::object(facts.labels.iter().map(|(key, value)| (Value::from(&**key), Value::from(&**value))).collect())
}

/// An object that is cached and cannot be read back: memory or a file was damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cached object {namespace}/{name} of kind {kind} cannot be read back")]
pub struct UnreadableObject {
    /// Its kind.
    pub kind: GroupVersionKind,
    /// Its namespace; empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
