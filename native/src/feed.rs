//! `Feeds`, `ObjectWatch`, `Agent`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use feed::{CallError, Credentials, Gvk, Trust, Verb, WatchPlan};
use fleetgate_feed as feed;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::engine::Engine;
use crate::enter::enter_core;
use crate::errors::Failure;

/// The inventory of a Python engine.
struct EngineInventory(Py<Engine>);

impl feed::Inventory for EngineInventory {
    fn writer(&self, cluster: &str) -> Arc<dyn feed::Writer> {
        self.0.get().inventories().writer(cluster)
    }
}

/// (group, version, kind).
type Kind = (String, String, String);
/// (group, version, kind, namespace, labels, fields).
type SelectorFields = (String, String, String, String, String, String);

fn kind_of((group, version, kind): Kind) -> Gvk {
    Gvk { group: group.into(), version: version.into(), kind: kind.into() }
}

fn dial(error: CallError) -> Failure {
    Failure::Dial(error)
}

fn limit(seconds: f64) -> PyResult<Duration> {
    let words = || PyValueError::new_err("timeout_seconds: a positive number of seconds is expected");
    Duration::try_from_secs_f64(seconds).map_err(|_| words())
}

fn unix(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The feeds of a fleet. Thread-safe.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Feeds {
    feeds: Arc<feed::Feeds>,
    engine: Py<Engine>,
}

#[pymethods]
impl Feeds {
    #[new]
    #[pyo3(signature = (engine, *, exec_commands=Vec::new(), concurrent_relists=8))]
    fn new(
        py: Python<'_>,
        engine: Py<Engine>,
        exec_commands: Vec<String>,
        concurrent_relists: usize,
    ) -> PyResult<Self> {
        let trust = Trust { exec_commands: exec_commands.into_iter().collect() };
        let inventory = Arc::new(EngineInventory(engine.clone_ref(py)));
        let feeds = feed::Feeds::new(inventory, trust, concurrent_relists);
        let feeds = Arc::new(feeds.map_err(|error| PyOSError::new_err(error.to_string()))?);
        engine.get().inventories().relists_by(feeds.relister());
        Ok(Self { feeds, engine })
    }

    #[pyo3(signature = (kubeconfig, timeout_seconds=5.0, *, local=false))]
    fn identify(
        &self,
        py: Python<'_>,
        kubeconfig: String,
        timeout_seconds: f64,
        local: bool,
    ) -> PyResult<ClusterIdentity> {
        let (limit, credentials) = (limit(timeout_seconds)?, Credentials { kubeconfig, local });
        let identity = enter_core(py, || self.feeds.identify(&credentials, limit).map_err(dial))?;
        Ok(ClusterIdentity { uid: identity.uid, version: identity.version })
    }

    #[pyo3(signature = (cluster, kubeconfig, *, feed=true, local=false))]
    fn connect(&self, py: Python<'_>, cluster: &str, kubeconfig: String, feed: bool, local: bool) -> PyResult<()> {
        let credentials = Credentials { kubeconfig, local };
        enter_core(py, || self.feeds.connect(cluster, credentials, feed).map_err(dial))
    }

    fn disconnect(&self, py: Python<'_>, cluster: &str) -> PyResult<()> {
        enter_core(py, || {
            self.feeds.disconnect(cluster);
            Ok::<_, Failure>(())
        })
    }

    #[pyo3(signature = (cluster, kinds, matching=Vec::new(), *, bounds=Vec::new()))]
    fn plan(
        &self,
        py: Python<'_>,
        cluster: &str,
        kinds: Vec<Kind>,
        matching: Vec<(Vec<String>, Vec<String>)>,
        bounds: Vec<(Kind, f64)>,
    ) -> PyResult<()> {
        let bounds: PyResult<BTreeMap<Gvk, Duration>> =
            bounds.into_iter().map(|(kind, seconds)| Ok((kind_of(kind), limit(seconds)?))).collect();
        let plan = WatchPlan { kinds: kinds.into_iter().map(kind_of).collect(), matching, bounds: bounds? };
        enter_core(py, || {
            self.feeds.plan(cluster, plan);
            Ok::<_, Failure>(())
        })
    }

    fn relist(&self, py: Python<'_>, cluster: &str, kinds: Vec<Kind>) -> PyResult<()> {
        let kinds: Vec<Gvk> = kinds.into_iter().map(kind_of).collect();
        enter_core(py, || {
            self.feeds.relist(cluster, &kinds);
            Ok::<_, Failure>(())
        })
    }

    fn status(&self, py: Python<'_>) -> PyResult<Vec<ClusterFeed>> {
        let all = enter_core(py, || Ok::<_, Failure>(self.feeds.status()))?;
        let inventories = self.engine.get().inventories();
        let described = all.into_iter().map(|cluster| {
            let snapshot = inventories.pin(&cluster.cluster);
            let objects = |kind: &Gvk| snapshot.kind(kind).map_or(0, fleetgate_core::inventory::Kind::len);
            let kinds =
                cluster.kinds.iter().map(|kind| KindFeed { objects: objects(&kind.kind), status: kind.clone() });
            ClusterFeed { kinds: kinds.collect(), status: cluster }
        });
        Ok(described.collect())
    }

    fn watch_objects(&self, py: Python<'_>, cluster: &str, selectors: Vec<SelectorFields>) -> PyResult<ObjectWatch> {
        let selectors = selectors.into_iter().map(selector_of).collect();
        enter_core(py, || self.feeds.watch_objects(cluster, selectors).map_err(dial)).map(ObjectWatch)
    }

    #[pyo3(signature = (cluster, verb, object, *, field_manager="fleetgate", path="", timeout_seconds=5.0))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn write<'py>(
        &self,
        py: Python<'py>,
        cluster: &str,
        verb: &str,
        object: &[u8],
        field_manager: &str,
        path: &str,
        timeout_seconds: f64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let unknown = || {
            PyValueError::new_err(format!(
                "verb: {verb:?} is none of create, apply, update, update-status, delete, get"
            ))
        };
        let request = feed::WriteRequest {
            verb: Verb::of_name(verb).ok_or_else(unknown)?,
            object: object.to_vec().into(),
            field_manager: field_manager.to_owned(),
            path: path.to_owned(),
            limit: limit(timeout_seconds)?,
        };
        let answer = enter_core(py, || self.feeds.write(cluster, &request).map_err(Failure::Write))?;
        Ok(PyBytes::new(py, &answer))
    }

    #[pyo3(signature = (address, *, certificate, key, client_ca, trust_domain=""))]
    fn listen(
        &self,
        py: Python<'_>,
        address: &str,
        certificate: &[u8],
        key: &[u8],
        client_ca: &[u8],
        trust_domain: &str,
    ) -> PyResult<String> {
        let address =
            address.parse().map_err(|_| PyValueError::new_err(format!("{address:?} is no IP address and port")))?;
        let tls =
            feed::ListenTls { certificate: certificate.to_vec(), key: key.to_vec(), client_ca: client_ca.to_vec() };
        let bound = enter_core(py, || Ok::<_, Failure>(self.feeds.listen(address, &tls, trust_domain)))?;
        bound.map(|bound| bound.to_string()).map_err(PyOSError::new_err)
    }

    #[pyo3(signature = (*, certificate, key, client_ca))]
    fn renew_certificates(&self, py: Python<'_>, certificate: &[u8], key: &[u8], client_ca: &[u8]) -> PyResult<()> {
        let tls =
            feed::ListenTls { certificate: certificate.to_vec(), key: key.to_vec(), client_ca: client_ca.to_vec() };
        enter_core(py, || Ok::<_, Failure>(self.feeds.renew_certificates(&tls)))?.map_err(PyOSError::new_err)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        enter_core(py, || {
            self.feeds.close();
            Ok::<_, Failure>(())
        })
    }
}

/// Who a cluster is.
#[pyclass(frozen, get_all, module = "fleetgate._native")]
pub(crate) struct ClusterIdentity {
    uid: String,
    version: String,
}

/// The feed of a cluster.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct ClusterFeed {
    status: feed::ClusterFeedStatus,
    kinds: Vec<KindFeed>,
}

#[pymethods]
impl ClusterFeed {
    #[getter]
    fn cluster(&self) -> &str {
        &self.status.cluster
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.status.state.name()
    }

    #[getter]
    fn since(&self) -> f64 {
        unix(self.status.since)
    }

    #[getter]
    fn last_error(&self) -> &str {
        &self.status.last_error
    }

    #[getter]
    fn reason(&self) -> &'static str {
        self.status.reason
    }

    #[getter]
    fn pushed(&self) -> bool {
        self.status.pushed
    }

    #[getter]
    fn uid(&self) -> &str {
        &self.status.uid
    }

    #[getter]
    fn labels(&self) -> BTreeMap<String, String> {
        self.status.labels.clone()
    }

    #[getter]
    const fn connected(&self) -> bool {
        self.status.connected
    }

    #[getter]
    fn kinds(&self) -> Vec<KindFeed> {
        self.kinds.clone()
    }
}

/// The feed of a kind.
#[pyclass(frozen, module = "fleetgate._native")]
#[derive(Clone)]
pub(crate) struct KindFeed {
    status: feed::KindFeedStatus,
    objects: usize,
}

#[pymethods]
impl KindFeed {
    #[getter]
    fn group(&self) -> &str {
        &self.status.kind.group
    }

    #[getter]
    fn version(&self) -> &str {
        &self.status.kind.version
    }

    #[getter]
    fn kind(&self) -> &str {
        &self.status.kind.kind
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.status.state.name()
    }

    #[getter]
    fn resource_version(&self) -> &str {
        &self.status.resource_version
    }

    #[getter]
    fn observed_at(&self) -> Option<f64> {
        self.status.observed_at.map(unix)
    }

    #[getter]
    const fn objects(&self) -> usize {
        self.objects
    }

    #[getter]
    fn last_error(&self) -> &str {
        &self.status.last_error
    }

    #[getter]
    fn not_audited(&self) -> &str {
        &self.status.not_audited
    }
}

fn selector_of((group, version, kind, namespace, labels, fields): SelectorFields) -> feed::Selector {
    feed::Selector { group, version, kind, namespace, labels, fields }
}

fn selector_fields(selector: feed::Selector) -> SelectorFields {
    let feed::Selector { group, version, kind, namespace, labels, fields } = selector;
    (group, version, kind, namespace, labels, fields)
}

/// Selected objects of a cluster, event by event.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct ObjectWatch(feed::ObjectWatch);

#[pymethods]
impl ObjectWatch {
    #[pyo3(signature = (timeout_seconds=1.0))]
    fn next<'py>(&self, py: Python<'py>, timeout_seconds: f64) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let limit = limit(timeout_seconds)?;
        let events = enter_core(py, || Ok::<_, Failure>(self.0.next(limit)))?;
        events.into_iter().map(|event| event_tuple(py, event)).collect()
    }

    fn select(&self, py: Python<'_>, selectors: Vec<SelectorFields>) -> PyResult<()> {
        let selectors = selectors.into_iter().map(selector_of).collect();
        enter_core(py, || self.0.select(selectors).map_err(dial))
    }

    fn close(&self) {
        self.0.close();
    }
}

fn event_tuple(py: Python<'_>, event: feed::ObjectEvent) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        feed::ObjectEvent::Synced(selector) => ("synced", selector_fields(selector)).into_pyobject(py),
        feed::ObjectEvent::Put(selector, kind, object) => {
            let object = PyBytes::new(py, &object);
            ("put", selector_fields(selector), &*kind.group, &*kind.version, &*kind.kind, object).into_pyobject(py)
        }
        feed::ObjectEvent::Delete(selector, kind, namespace, name) => {
            let selector = selector_fields(selector);
            ("delete", selector, &*kind.group, &*kind.version, &*kind.kind, namespace, name).into_pyobject(py)
        }
        feed::ObjectEvent::Failed(selector, words) => ("failed", selector_fields(selector), words).into_pyobject(py),
    }
}

/// The feed of one cluster, streamed to the service. Thread-safe; runs until it is closed.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Agent(std::sync::Mutex<Option<feed::Agent>>);

#[pymethods]
impl Agent {
    #[new]
    #[pyo3(signature = (
        endpoints, *, certificate, key, ca, kubeconfig="", server_name="", exec_commands=Vec::new(),
        labels=BTreeMap::new()
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        py: Python<'_>,
        endpoints: Vec<String>,
        certificate: std::path::PathBuf,
        key: std::path::PathBuf,
        ca: std::path::PathBuf,
        kubeconfig: &str,
        server_name: &str,
        exec_commands: Vec<String>,
        labels: BTreeMap<String, String>,
    ) -> PyResult<Self> {
        let credentials = Credentials { kubeconfig: kubeconfig.to_owned(), local: true };
        let options = feed::AgentOptions {
            endpoints,
            credentials: Some(credentials).filter(|credentials| !credentials.kubeconfig.is_empty()),
            trust: Trust { exec_commands: exec_commands.into_iter().collect() },
            certificate,
            key,
            ca,
            server_name: server_name.to_owned(),
            labels,
        };
        let started = enter_core(py, || Ok::<_, Failure>(feed::Agent::start(options)))?;
        let started = started.map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self(std::sync::Mutex::new(Some(started))))
    }

    /// (endpoint, whether the service has welcomed the agent, why not).
    fn status(&self) -> Vec<(String, bool, String)> {
        let agent = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let all = agent.as_ref().map(feed::Agent::status).unwrap_or_default();
        all.into_iter().map(|one| (one.endpoint, one.connected, one.last_error)).collect()
    }

    fn close(&self) {
        drop(self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}
