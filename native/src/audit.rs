//! `AuditRun`, `ContinuousAudit`, `ViolationListing`.

use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use fleetgate_core::audit;
use fleetgate_core::decide::Caller;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::decision::nanos;
use crate::engine::{Engine, seconds};
use crate::enter::enter_core;

/// A run in progress; its threads are the core's.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct AuditRun(pub(crate) audit::AuditRun);

#[pymethods]
impl AuditRun {
    #[pyo3(signature = (timeout_seconds=1.0))]
    fn next<'py>(&self, py: Python<'py>, timeout_seconds: f64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let deadline = Instant::now() + seconds("timeout_seconds", timeout_seconds.max(0.0))?;
        Ok(bytes(py, &enter_core(py, || self.0.take(deadline))?))
    }

    #[getter]
    fn finished(&self) -> bool {
        self.0.is_finished()
    }

    fn cancel(&self, py: Python<'_>) -> PyResult<()> {
        enter_core(py, || {
            self.0.cancel();
            Ok::<_, Infallible>(())
        })
    }
}

/// The continuous audit of all clusters.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct ContinuousAudit(audit::ContinuousAudit);

#[pymethods]
impl ContinuousAudit {
    #[new]
    #[pyo3(signature = (engine, *, volatile_seconds=60.0))]
    fn new(engine: &Bound<'_, Engine>, volatile_seconds: f64) -> PyResult<Self> {
        let volatile_every = seconds("volatile_seconds", volatile_seconds)?;
        let settings = audit::ContinuousSettings { volatile_every };
        Ok(Self(audit::ContinuousAudit::new(engine.get().core(), settings)))
    }

    #[pyo3(signature = (timeout_seconds=1.0))]
    fn step<'py>(&self, py: Python<'py>, timeout_seconds: f64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let deadline = Instant::now() + seconds("timeout_seconds", timeout_seconds.max(0.0))?;
        Ok(bytes(py, &enter_core(py, || Ok::<_, Infallible>(self.0.step(deadline)))?))
    }

    #[pyo3(signature = (scope=b"".as_slice(), *, cluster=None))]
    fn violations(&self, py: Python<'_>, scope: &[u8], cluster: Option<&str>) -> PyResult<ViolationListing> {
        let caller = Caller { cluster, deadline: None };
        let listing = enter_core(py, || self.0.violations(scope, &caller))?;
        Ok(ViolationListing { listing, ahead: Mutex::new(Ahead::Unknown) })
    }

    #[pyo3(signature = (scope=b"".as_slice(), *, cluster=None))]
    fn summary<'py>(&self, py: Python<'py>, scope: &[u8], cluster: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
        let caller = Caller { cluster, deadline: None };
        let summary = enter_core(py, || self.0.summary(scope, &caller))?;
        Ok(PyBytes::new(py, &summary.unwrap_or_default()))
    }

    #[getter]
    fn reviews(&self) -> u64 {
        self.0.reviews()
    }

    #[getter]
    fn cpu_nanos(&self) -> u64 {
        nanos(self.0.cpu())
    }
}

/// All violations there were at one moment.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct ViolationListing {
    listing: audit::Listing,
    ahead: Mutex<Ahead>,
}

/// Whether there is another batch is found out by making it.
enum Ahead {
    Unknown,
    Batch(Vec<u8>),
    Nothing,
}

impl ViolationListing {
    fn look_ahead(&self, ahead: &mut Ahead) {
        if matches!(ahead, Ahead::Unknown) {
            *ahead = self.listing.take().map_or(Ahead::Nothing, Ahead::Batch);
        }
    }
}

#[pymethods]
impl ViolationListing {
    #[pyo3(signature = (timeout_seconds=1.0))]
    fn next<'py>(&self, py: Python<'py>, timeout_seconds: f64) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        // Nothing is waited for; the parameter is that of a run.
        let _ = timeout_seconds;
        let batch = enter_core(py, || {
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            self.look_ahead(&mut ahead);
            Ok::<_, Infallible>(match &mut *ahead {
                Ahead::Batch(batch) => {
                    let batch = std::mem::take(batch);
                    *ahead = Ahead::Unknown;
                    vec![batch]
                }
                Ahead::Unknown | Ahead::Nothing => Vec::new(),
            })
        })?;
        Ok(bytes(py, &batch))
    }

    #[getter]
    fn finished(&self, py: Python<'_>) -> PyResult<bool> {
        enter_core(py, || {
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            self.look_ahead(&mut ahead);
            Ok::<_, Infallible>(matches!(*ahead, Ahead::Nothing))
        })
    }
}

fn bytes<'py>(py: Python<'py>, messages: &[Vec<u8>]) -> Vec<Bound<'py, PyBytes>> {
    messages.iter().map(|message| PyBytes::new(py, message)).collect()
}
