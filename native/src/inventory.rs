//! The clusters' objects: what Python writes and asks.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fleetgate_core::config::GroupVersionKind;
use fleetgate_core::inventory::{Change, ClusterFacts, ConnectionState, Kind, Snapshot, State};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyTuple;

/// A kind: group, version, kind.
pub(crate) type KindName = (String, String, String);

/// How far one kind of a cluster is known.
#[pyclass(frozen, get_all, module = "fleetgate._native")]
pub(crate) struct KindStatus {
    kind: KindName,
    state: &'static str,
    reason: String,
    epoch: u64,
    resource_version: String,
    observed_at: Option<f64>,
    objects: usize,
    json_bytes: usize,
    stored_bytes: usize,
}

/// A cluster that has a shard.
#[pyclass(frozen, get_all, module = "fleetgate._native")]
pub(crate) struct ClusterStatus {
    name: String,
    uid: String,
    aliases: Vec<String>,
    labels: BTreeMap<String, String>,
    cluster_set: String,
    connection: &'static str,
    reason: String,
    state: &'static str,
    age_seconds: Option<f64>,
    revision: u64,
    durable_revision: u64,
    kinds: Vec<Py<KindStatus>>,
}

impl ClusterStatus {
    pub(crate) fn new(py: Python<'_>, snapshot: &Snapshot, durable_revision: u64) -> PyResult<Self> {
        let facts = snapshot.facts();
        Ok(Self {
            name: snapshot.cluster().to_string(),
            uid: facts.uid.clone(),
            aliases: facts.aliases.clone(),
            labels: facts.labels.clone(),
            cluster_set: facts.cluster_set.clone(),
            connection: facts.connection.name(),
            reason: facts.reason.clone(),
            state: snapshot.state().name(),
            age_seconds: snapshot.age().map(|age| age.as_secs_f64()),
            revision: snapshot.number(),
            durable_revision,
            kinds: snapshot.kinds().map(|known| Py::new(py, kind_status(known))).collect::<PyResult<_>>()?,
        })
    }
}

fn kind_status(known: &Kind) -> KindStatus {
    let (kind, watermark) = (known.kind(), known.watermark());
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    KindStatus {
        kind: (kind.group.to_string(), kind.version.to_string(), kind.kind.to_string()),
        state: known.state().name(),
        reason: known.reason().to_owned(),
        epoch: watermark.epoch,
        resource_version: watermark.resource_version.to_string(),
        observed_at: watermark.observed_at.map(seconds),
        objects: known.len(),
        json_bytes: known.json_bytes(),
        stored_bytes: known.stored_bytes(),
    }
}

/// Facts as the registry tells them.
pub(crate) fn facts(
    uid: String,
    aliases: Vec<String>,
    labels: BTreeMap<String, String>,
    cluster_set: String,
    connection: Option<&str>,
    reason: String,
) -> PyResult<ClusterFacts> {
    let connection = match connection {
        Some(name) => ConnectionState::of_name(name)
            .ok_or_else(|| PyValueError::new_err(format!("connection: {name:?} is none")))?,
        None if !reason.is_empty() => ConnectionState::Disconnected,
        None if uid.is_empty() => ConnectionState::Connecting,
        None => ConnectionState::Connected,
    };
    Ok(ClusterFacts { uid, aliases, labels, cluster_set, connection, reason })
}

/// A change as Python writes it: its name, the kind, and what belongs to it.
pub(crate) fn change(given: &Bound<'_, PyTuple>) -> PyResult<Change> {
    let name: String = given.get_item(0)?.extract()?;
    let (group, version, kind): KindName = given.get_item(1)?.extract()?;
    let kind = GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() };
    let text = |at: usize| given.get_item(at)?.extract::<String>();
    let object = || Ok::<_, PyErr>(bytes_of(&given.get_item(2)?.extract::<PyBackedBytes>()?));
    Ok(match name.as_str() {
        "begin" => Change::Begin { kind },
        "listed" => Change::Listed { kind, object: object()? },
        "finish" => Change::Finish { kind, resource_version: text(2)?, at: time(given, 3)? },
        "abort" => Change::Abort { kind },
        "put" => Change::Put { kind, object: object()? },
        "delete" => Change::Delete { kind, namespace: text(2)?, name: text(3)?, resource_version: text(4)? },
        "observed" => Change::Observed { kind, resource_version: text(2)?, at: time(given, 3)? },
        "state" => {
            let state = text(2)?;
            let state =
                State::of_name(&state).ok_or_else(|| PyValueError::new_err(format!("state: {state:?} is none")))?;
            Change::State { kind, state, reason: text(3)? }
        }
        "forget" => Change::Forget { kind },
        other => return Err(PyValueError::new_err(format!("{other:?} is no change"))),
    })
}

fn bytes_of(object: &PyBackedBytes) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(object)
}

/// Seconds since 1970; now where there are none.
fn time(given: &Bound<'_, PyTuple>, at: usize) -> PyResult<SystemTime> {
    if given.len() <= at {
        return Ok(SystemTime::now());
    }
    let seconds: f64 = given.get_item(at)?.extract()?;
    let since = Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(UNIX_EPOCH + since)
}
