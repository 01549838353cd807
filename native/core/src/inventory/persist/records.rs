//! What stands in a file beside the objects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::config::GroupVersionKind;
use crate::inventory::kind::Kind;
use crate::inventory::{ClusterFacts, ConnectionState, Snapshot, State, Watermark};

/// The form of files. Another one is not read: its cluster is listed anew.
pub(super) const FORMAT: u32 = 1;

/// The cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ClusterRecord {
    pub(super) format: u32,
    pub(super) cluster: String,
    pub(super) number: u64,
    uid: String,
    aliases: Vec<String>,
    labels: std::collections::BTreeMap<String, String>,
    cluster_set: String,
}

impl ClusterRecord {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let ClusterFacts { uid, aliases, labels, cluster_set, .. } = snapshot.facts().clone();
        Self {
            format: FORMAT,
            cluster: snapshot.cluster().to_string(),
            number: snapshot.number(),
            uid,
            aliases,
            labels,
            cluster_set,
        }
    }

    pub(super) fn facts(self) -> ClusterFacts {
        let Self { uid, aliases, labels, cluster_set, .. } = self;
        ClusterFacts { uid, aliases, labels, cluster_set, connection: ConnectionState::Unknown, reason: String::new() }
    }
}

/// A kind.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct KindRecord {
    group: String,
    version: String,
    kind: String,
    epoch: u64,
    resource_version: String,
    /// Nanoseconds since 1970.
    observed_at: Option<u64>,
    /// Something was left out of objects. Files of before do not say so, and it always was.
    #[serde(default = "was_stripped")]
    pub(super) is_stripped: bool,
    /// What new objects are packed with; 0 for nothing.
    pub(super) dictionary: u32,
    /// What reads older ones.
    pub(super) former: Vec<u32>,
}

impl KindRecord {
    pub(super) fn of(known: &Kind) -> Self {
        let GroupVersionKind { group, version, kind } = known.kind();
        let nanos =
            |at: SystemTime| at.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok());
        let current = known.objects.dictionary().map_or(0, |dictionary| dictionary.id());
        Self {
            group: group.to_string(),
            version: version.to_string(),
            kind: kind.to_string(),
            epoch: known.watermark.epoch,
            resource_version: known.watermark.resource_version.to_string(),
            observed_at: known.watermark.observed_at.and_then(nanos),
            is_stripped: known.is_stripped,
            dictionary: current,
            former: known.objects.dictionaries().map(|one| one.id()).filter(|id| *id != current).collect(),
        }
    }

    pub(super) fn kind(&self) -> GroupVersionKind {
        GroupVersionKind {
            group: self.group.as_str().into(),
            version: self.version.as_str().into(),
            kind: self.kind.as_str().into(),
        }
    }

    /// As a restart takes it up: what was complete is stale now.
    pub(super) fn watermark(&self) -> Watermark {
        Watermark {
            epoch: self.epoch,
            resource_version: self.resource_version.as_str().into(),
            observed_at: self.observed_at.map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos)),
            state: if self.epoch > 0 { State::Stale } else { State::Pending },
        }
    }
}

const fn was_stripped() -> bool {
    true
}
