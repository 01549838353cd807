//! `read_documents`.

use fleetgate_core::yaml;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::enter::enter_core;
use crate::errors::Failure;

/// One document of a YAML stream or JSON file.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Document(yaml::Document);

#[pymethods]
impl Document {
    #[getter]
    fn line(&self) -> u32 {
        self.0.location().line
    }

    #[getter]
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let json = serde_json::to_vec(&self.0.value).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(PyBytes::new(py, &json))
    }
}

/// Splits and converts a file.
#[pyfunction]
pub(crate) fn read_documents(py: Python<'_>, path: &str, data: &[u8]) -> PyResult<Vec<Document>> {
    enter_core(py, || {
        let reading = yaml::read(path, data);
        if reading.diagnostics.is_empty() {
            Ok(reading.documents.into_iter().map(Document).collect())
        } else {
            Err(Failure::from(reading.diagnostics))
        }
    })
}
