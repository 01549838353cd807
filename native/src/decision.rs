//! `Decision`.

use std::time::Duration;

use fleetgate_core::decide;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// One answer, encoded, with what telemetry wants to know of it.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Decision(pub(crate) decide::Decision);

#[pymethods]
impl Decision {
    #[getter]
    fn response<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.response)
    }

    #[getter]
    fn decision_id(&self) -> &str {
        &self.0.decision_id
    }

    #[getter]
    const fn admission_status(&self) -> &'static str {
        self.0.admission_status
    }

    #[getter]
    const fn dry_run(&self) -> bool {
        self.0.dry_run
    }

    #[getter]
    fn cluster(&self) -> &str {
        &self.0.cluster
    }

    #[getter]
    const fn generation(&self) -> u64 {
        self.0.generation
    }

    #[getter]
    fn stage_nanos(&self) -> (u64, u64, u64, u64) {
        let [decode, matching, evaluate, encode] = self.0.stages.map(nanos);
        (decode, matching, evaluate, encode)
    }

    #[getter]
    fn cpu_nanos(&self) -> u64 {
        nanos(self.0.cpu)
    }

    #[getter]
    const fn constraints_matched(&self) -> usize {
        self.0.constraints_matched
    }

    #[getter]
    const fn compared(&self) -> usize {
        self.0.comparison.compared
    }

    #[getter]
    fn disagreements(&self) -> Vec<(&str, &str)> {
        self.0.comparison.disagreements.iter().map(|one| (&*one.kind, &*one.name)).collect()
    }
}

/// A duration in nanoseconds; what does not fit is 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
