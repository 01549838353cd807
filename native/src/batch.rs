//! `BatchDecision`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::decision::{Decision, nanos};

/// Answers of a batch.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct BatchDecision {
    response: Vec<u8>,
    items: Vec<Py<Decision>>,
    cpu_nanos: u64,
}

impl BatchDecision {
    pub(crate) fn new(py: Python<'_>, batch: fleetgate_core::decide::BatchDecision) -> PyResult<Self> {
        let items = batch.items.into_iter().map(|item| Py::new(py, Decision(item))).collect::<PyResult<_>>()?;
        Ok(Self { response: batch.response, items, cpu_nanos: nanos(batch.cpu) })
    }
}

#[pymethods]
impl BatchDecision {
    #[getter]
    fn response<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.response)
    }

    #[getter]
    fn items(&self, py: Python<'_>) -> Vec<Py<Decision>> {
        self.items.iter().map(|item| item.clone_ref(py)).collect()
    }

    #[getter]
    const fn cpu_nanos(&self) -> u64 {
        self.cpu_nanos
    }
}
