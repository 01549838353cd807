//! `Generation`.

use std::sync::Arc;

use fleetgate_core::policy;
use pyo3::prelude::*;

/// A published set of policies.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct Generation(pub(crate) Arc<policy::Generation>);

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
        self.0.scopes().map(|set| set.templates().len()).sum()
    }

    #[getter]
    fn constraints(&self) -> usize {
        self.0.scopes().map(|set| set.constraints().len()).sum()
    }

    #[getter]
    fn bundles(&self) -> Vec<&str> {
        self.0.fleet().bundles().iter().map(|name| &**name).collect()
    }
}
