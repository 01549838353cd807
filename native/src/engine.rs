//! `Engine`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetgate_core::audit;
use fleetgate_core::compatibility::Compatibility;
use fleetgate_core::decide::{self, Caller, CrossCheck, Limits};
use fleetgate_core::evaluate::{Driver, Pool, rego::RegoDriver, regorus::CrossCheckedDriver};
use fleetgate_core::inventory::{self, Inventories};
use fleetgate_core::policy::{Policies, Scope};
use fleetgate_core::report;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};

use crate::audit::AuditRun;
use crate::batch::BatchDecision;
use crate::decision::Decision;
use crate::enter::enter_core;
use crate::generation::Generation;
use crate::inventory::{ClusterStatus, change, facts};
use crate::policy::{ResourcesApplied, WatchPlan};

/// Policies, inventory and evaluation contexts of one process. Thread-safe.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Engine {
    engine: Arc<decide::Engine>,
    /// Files of the state directory that could not be read, and why.
    damaged: Vec<(PathBuf, String)>,
}

impl Engine {
    pub(crate) fn core(&self) -> Arc<decide::Engine> {
        self.engine.clone()
    }

    pub(crate) fn inventories(&self) -> &Inventories {
        &self.engine.inventories
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (
        *, contexts=0, constraint_instructions=0, constraint_seconds=0.1, review_seconds=1.0, cross_check=0.0,
        compatibility=None, state_directory=None, view_bytes=0, ready_bytes=None, write_behind_seconds=1.0
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords in Python")]
    fn new(
        contexts: usize,
        constraint_instructions: usize,
        constraint_seconds: f64,
        review_seconds: f64,
        cross_check: f64,
        compatibility: Option<BTreeMap<String, String>>,
        state_directory: Option<PathBuf>,
        view_bytes: usize,
        ready_bytes: Option<usize>,
        write_behind_seconds: f64,
    ) -> PyResult<Self> {
        if !(0.0..=1.0).contains(&cross_check) {
            return Err(PyValueError::new_err("cross_check: a share from 0 to 1 is expected"));
        }
        let cross_check = CrossCheck::of(cross_check);
        let compatibility = switches(&compatibility.unwrap_or_default())?;
        let rego = RegoDriver { lib_rewrite: compatibility.lib_rewrite };
        // Second programs take time and memory, so nothing is compiled twice for nothing.
        let driver: Arc<dyn Driver> =
            if cross_check.is_on() { Arc::new(CrossCheckedDriver(rego)) } else { Arc::new(rego) };
        let limits = Limits {
            constraint_instructions: match constraint_instructions {
                0 => Limits::DEFAULT_INSTRUCTIONS,
                instructions => instructions,
            },
            constraint_time: seconds("constraint_seconds", constraint_seconds)?,
            review_time: seconds("review_seconds", review_seconds)?,
        };
        let contexts = match contexts {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            contexts => contexts,
        };
        let defaults = inventory::Settings::default();
        let settings = inventory::Settings {
            view_bytes: if view_bytes == 0 { defaults.view_bytes } else { view_bytes },
            ready_bytes: ready_bytes.unwrap_or(defaults.ready_bytes),
            write_behind: seconds("write_behind_seconds", write_behind_seconds)?,
            ..defaults
        };
        let (inventories, damaged) = match state_directory {
            Some(directory) => Inventories::open(compatibility, settings, &directory)
                .map_err(|error| PyOSError::new_err(format!("state_directory: {error}")))?,
            None => (Inventories::with_settings(compatibility, settings), Vec::new()),
        };
        let damaged = damaged.into_iter().map(|file| (file.path, file.message)).collect();
        let engine = decide::Engine {
            policies: Policies::with_auto_sync(driver, compatibility.auto_sync).telling(inventories.demands()),
            inventories,
            pool: Pool::new(contexts),
            limits,
            compatibility,
            cross_check,
        };
        Ok(Self { engine: Arc::new(engine), damaged })
    }

    #[getter]
    fn contexts(&self) -> usize {
        self.engine.pool.size()
    }

    #[getter]
    fn generation(&self) -> Generation {
        Generation(self.engine.policies.current())
    }

    #[pyo3(signature = (name, files, *, dry_run=false))]
    fn apply_bundle(
        &self,
        py: Python<'_>,
        name: &str,
        files: Vec<(String, PyBackedBytes)>,
        dry_run: bool,
    ) -> PyResult<Generation> {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), &**content)).collect();
        enter_core(py, || self.engine.policies.apply(name, &files, dry_run))
            .map(|applied| Generation(applied.generation))
    }

    #[pyo3(signature = (scope, objects, *, dry_run=false))]
    fn apply_resources(
        &self,
        py: Python<'_>,
        scope: &str,
        objects: Vec<(String, PyBackedBytes)>,
        dry_run: bool,
    ) -> PyResult<ResourcesApplied> {
        let scope = if scope.is_empty() { Scope::Fleet } else { Scope::Cluster(scope.into()) };
        let objects: Vec<(&str, &[u8])> = objects.iter().map(|(key, json)| (key.as_str(), &**json)).collect();
        enter_core(py, || Ok::<_, Infallible>(self.engine.policies.apply_resources(&scope, &objects, dry_run)))
            .map(ResourcesApplied)
    }

    fn watch_plan(&self, py: Python<'_>, cluster: &str) -> PyResult<WatchPlan> {
        enter_core(py, || Ok::<_, Infallible>(self.engine.watch_plan(cluster))).map(WatchPlan)
    }

    fn replace_inventory(&self, py: Python<'_>, cluster: &str, objects: Vec<PyBackedBytes>) -> PyResult<u64> {
        enter_core(py, || self.engine.inventories.replace(cluster, objects.iter().map(|object| &**object)))
    }

    /// Files of the state directory that could not be read, where they are now, and why.
    #[getter]
    fn damaged_files(&self) -> Vec<(PathBuf, String)> {
        self.damaged.clone()
    }

    fn write_inventory(
        &self,
        py: Python<'_>,
        cluster: &str,
        changes: Vec<Bound<'_, PyTuple>>,
    ) -> PyResult<(u64, Vec<(usize, String)>)> {
        let changes: Vec<_> = changes.iter().map(change).collect::<PyResult<_>>()?;
        let written = enter_core(py, || Ok::<_, Infallible>(self.engine.inventories.shard(cluster).write(changes)))?;
        Ok((written.revision, written.refused.into_iter().map(|unfit| (unfit.index, unfit.message)).collect()))
    }

    #[pyo3(signature = (cluster, revision, *, timeout_seconds=10.0))]
    fn flush_inventory(&self, py: Python<'_>, cluster: &str, revision: u64, timeout_seconds: f64) -> PyResult<()> {
        let within = seconds("timeout_seconds", timeout_seconds)?;
        enter_core(py, || self.engine.inventories.flush(cluster, revision, within))
    }

    #[pyo3(signature = (name, *, uid, aliases, labels, cluster_set, connection=None, reason=""))]
    #[allow(clippy::too_many_arguments, reason = "keywords in Python")]
    fn describe_cluster(
        &self,
        py: Python<'_>,
        name: &str,
        uid: String,
        aliases: Vec<String>,
        labels: BTreeMap<String, String>,
        cluster_set: String,
        connection: Option<&str>,
        reason: &str,
    ) -> PyResult<()> {
        let facts = facts(uid, aliases, labels, cluster_set, connection, reason.to_owned())?;
        enter_core(py, || {
            self.engine.inventories.shard(name).describe(facts);
            Ok::<_, Infallible>(())
        })
    }

    fn remove_cluster(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        enter_core(py, || {
            self.engine.inventories.remove(name);
            Ok::<_, Infallible>(())
        })
    }

    fn clusters(&self, py: Python<'_>) -> PyResult<Vec<ClusterStatus>> {
        let inventories = &self.engine.inventories;
        let status =
            |shard: Arc<inventory::Shard>| ClusterStatus::new(py, &shard.snapshot(), inventories.durable(shard.name()));
        inventories.clusters().into_iter().map(status).collect()
    }

    #[pyo3(signature = (request, *, cluster=None))]
    fn list_clusters<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        cluster: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let answer = enter_core(py, || self.engine.inventories.list_clusters(request, cluster))?;
        Ok(PyBytes::new(py, &answer))
    }

    #[pyo3(signature = (request, *, cluster=None))]
    fn query_inventory<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        cluster: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let answer = enter_core(py, || self.engine.inventories.query(request, cluster))?;
        Ok(PyBytes::new(py, &answer))
    }

    #[pyo3(signature = (request, *, cluster=None, timeout_seconds=None))]
    fn review(
        &self,
        py: Python<'_>,
        request: &[u8],
        cluster: Option<&str>,
        timeout_seconds: Option<f64>,
    ) -> PyResult<Decision> {
        let caller = caller(cluster, timeout_seconds)?;
        enter_core(py, || self.engine.review(request, &caller)).map(Decision)
    }

    #[pyo3(signature = (request, *, cluster=None, timeout_seconds=None))]
    fn batch_review(
        &self,
        py: Python<'_>,
        request: &[u8],
        cluster: Option<&str>,
        timeout_seconds: Option<f64>,
    ) -> PyResult<BatchDecision> {
        let caller = caller(cluster, timeout_seconds)?;
        enter_core(py, || self.engine.batch_review(request, &caller)).and_then(|batch| BatchDecision::new(py, batch))
    }

    #[pyo3(signature = (request, *, cluster=None, timeout_seconds=None))]
    fn start_audit(
        &self,
        py: Python<'_>,
        request: &[u8],
        cluster: Option<&str>,
        timeout_seconds: Option<f64>,
    ) -> PyResult<AuditRun> {
        let caller = caller(cluster, timeout_seconds)?;
        enter_core(py, || audit::start(&self.engine, request, &caller)).map(AuditRun)
    }

    #[pyo3(signature = (request, *, cluster=None, timeout_seconds=None))]
    fn start_what_if(
        &self,
        py: Python<'_>,
        request: &[u8],
        cluster: Option<&str>,
        timeout_seconds: Option<f64>,
    ) -> PyResult<AuditRun> {
        let caller = caller(cluster, timeout_seconds)?;
        enter_core(py, || audit::what_if::start(&self.engine, request, &caller)).map(AuditRun)
    }

    #[pyo3(signature = (request, *, cluster=None, timeout_seconds=None))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        cluster: Option<&str>,
        timeout_seconds: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let caller = caller(cluster, timeout_seconds)?;
        let answer = enter_core(py, || self.engine.explain(request, &caller))?;
        Ok(PyBytes::new(py, &answer))
    }

    fn list_templates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let encoded = enter_core(py, || Ok::<_, Infallible>(report::templates(&self.engine.policies.current())))?;
        Ok(PyBytes::new(py, &encoded))
    }

    fn list_constraints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let encoded = enter_core(py, || Ok::<_, Infallible>(report::constraints(&self.engine.policies.current())))?;
        Ok(PyBytes::new(py, &encoded))
    }
}

fn switches(given: &BTreeMap<String, String>) -> PyResult<Compatibility> {
    let mut compatibility = Compatibility::default();
    for (switch, value) in given {
        compatibility.set(switch, value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    }
    Ok(compatibility)
}

/// A caller whose time begins to count now. Time that has run out already is no time.
fn caller(cluster: Option<&str>, timeout_seconds: Option<f64>) -> PyResult<Caller<'_>> {
    let timeout = timeout_seconds.map(|timeout| seconds("timeout_seconds", timeout.max(0.0))).transpose()?;
    // A deadline beyond what the clock can name is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    Ok(Caller { cluster, deadline })
}

pub(crate) fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
}
