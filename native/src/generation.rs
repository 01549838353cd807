//! `Generation`.

use std::sync::Arc;

use fleetgate_core::policy::PolicySet;
use pyo3::prelude::*;

/// A published set of policies.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Generation(pub(crate) Arc<PolicySet>);

#[pymethods]
impl Generation {
    #[getter]
    fn number(&self) -> u64 {
        self.0.number()
    }

    #[getter]
    fn digest(&self) -> &str {
        self.0.digest()
    }

    #[getter]
    fn templates(&self) -> usize {
        self.0.templates().len()
    }

    #[getter]
    fn constraints(&self) -> usize {
        self.0.constraints().len()
    }

    #[getter]
    fn bundles(&self) -> Vec<&str> {
        self.0.bundles().iter().map(|name| &**name).collect()
    }
}
