//! `InventoryService`: which clusters there are, and what is cached of them.

mod objects;

pub(crate) use objects::is_meant;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message;

use super::kind::Kind;
use super::{ConnectionState, Inventories, Snapshot, State};
use crate::config::GroupVersionKind;
use crate::matching::Selector;
use crate::wire;

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// A field of it is wrong.
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl QueryError {
    fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }
}

impl Inventories {
    /// Answers an encoded `fleetgate.v1.ListClustersRequest` with an encoded `ListClustersResponse`. `only` is the cluster
    /// that the caller is bound to.
    ///
    /// # Errors
    /// [`QueryError`]
    pub fn list_clusters(&self, request: &[u8], only: Option<&str>) -> Result<Vec<u8>, QueryError> {
        let request =
            wire::ListClustersRequest::decode(request).map_err(|error| QueryError::invalid("", error.to_string()))?;
        let chosen = self.chosen(&request.clusters, ("selector", &request.selector), only)?;
        let now = SystemTime::now();
        let clusters = chosen.snapshots.iter().map(|snapshot| cluster(snapshot, now)).collect();
        Ok(wire::ListClustersResponse { clusters }.encode_to_vec())
    }

    /// The clusters that a request is about, sorted by name.
    pub(crate) fn chosen(
        &self,
        names: &[String],
        (field, selector): (&'static str, &str),
        only: Option<&str>,
    ) -> Result<Chosen, QueryError> {
        let selector = Selector::of_text(selector).map_err(|message| QueryError::invalid(field, message))?;
        let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let (mut snapshots, mut found) = (Vec::new(), BTreeSet::new());
        for snapshot in self.clusters().into_iter().map(|shard| shard.snapshot()) {
            let facts = snapshot.facts();
            if only.is_some_and(|only| *only != **snapshot.cluster()) || !selector.matches_labels(&facts.labels) {
                continue;
            }
            let known_as = || facts.aliases.iter().map(String::as_str).chain([&**snapshot.cluster()]);
            let named: Vec<&str> = known_as().filter_map(|name| wanted.get(name).copied()).collect();
            if wanted.is_empty() || !named.is_empty() {
                found.extend(named);
                snapshots.push(snapshot.clone());
            }
        }
        let unknown = wanted.into_iter().filter(|name| !found.contains(name)).map(str::to_owned).collect();
        Ok(Chosen { snapshots, unknown })
    }
}

/// The clusters that a request is about.
pub(crate) struct Chosen {
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
    /// Names of no cluster, or of none that the caller may see.
    pub(crate) unknown: Vec<String>,
}

fn cluster(snapshot: &Snapshot, now: SystemTime) -> wire::ClusterInfo {
    let facts = snapshot.facts();
    let worst = snapshot.kinds().max_by_key(|known| known.state());
    wire::ClusterInfo {
        name: snapshot.cluster().to_string(),
        uid: facts.uid.clone(),
        aliases: facts.aliases.clone(),
        labels: facts.labels.clone().into_iter().collect(),
        cluster_set: facts.cluster_set.clone(),
        connection: connection(facts.connection).into(),
        state: state(snapshot.state()).into(),
        reason: match (facts.reason.as_str(), worst.map(|known| (known.kind(), known.reason()))) {
            ("", Some((kind, reason))) if !reason.is_empty() => format!("{kind}: {reason}"),
            (reason, _) => reason.to_owned(),
        },
        age: age(snapshot, now),
        revision: snapshot.number(),
        kinds: snapshot.kinds().map(kind).collect(),
    }
}

/// The age of the kind that was last known to be complete longest ago; none where one never was.
fn age(snapshot: &Snapshot, now: SystemTime) -> Option<prost_types::Duration> {
    let ages = snapshot.kinds().map(|known| known.watermark().age(now)).collect::<Option<Vec<_>>>()?;
    ages.into_iter().max().map(duration)
}

fn kind(known: &Kind) -> wire::KindInfo {
    let watermark = known.watermark();
    wire::KindInfo {
        kind: Some(kind_name(known.kind())),
        state: state(known.state()).into(),
        reason: known.reason().to_owned(),
        epoch: watermark.epoch,
        resource_version: watermark.resource_version.to_string(),
        observed_at: watermark.observed_at.map(prost_types::Timestamp::from),
        objects: known.len() as u64,
        json_bytes: known.json_bytes() as u64,
        stored_bytes: known.stored_bytes() as u64,
    }
}

pub(crate) fn kind_name(kind: &GroupVersionKind) -> wire::KindName {
    wire::KindName { group: kind.group.to_string(), version: kind.version.to_string(), kind: kind.kind.to_string() }
}

pub(crate) const fn state(state: State) -> wire::InventoryState {
    match state {
        State::Synced => wire::InventoryState::Synced,
        State::Stale => wire::InventoryState::Stale,
        State::Listing => wire::InventoryState::Listing,
        State::Pending => wire::InventoryState::Pending,
        State::Gone => wire::InventoryState::Gone,
    }
}

const fn connection(connection: ConnectionState) -> wire::ConnectionState {
    match connection {
        ConnectionState::Unknown => wire::ConnectionState::Unspecified,
        ConnectionState::Connecting => wire::ConnectionState::Connecting,
        ConnectionState::Connected => wire::ConnectionState::Connected,
        ConnectionState::Disconnected => wire::ConnectionState::Disconnected,
    }
}

pub(crate) fn duration(age: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(age.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(age.subsec_nanos()).unwrap_or_default(),
    }
}
