//! `ResourcesApplied` and `WatchPlan`.

use std::sync::Arc;

use fleetgate_core::config::GroupVersionKind;
use fleetgate_core::policy;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::described;
use crate::generation::Generation;

/// What applying custom resources gave.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct ResourcesApplied(pub(crate) policy::ResourcesApplied);

#[pymethods]
impl ResourcesApplied {
    #[getter]
    fn generation(&self) -> Generation {
        Generation(Arc::clone(&self.0.generation))
    }

    #[getter]
    const fn changed(&self) -> bool {
        self.0.changed
    }

    #[getter]
    fn defects<'py>(&self, py: Python<'py>) -> PyResult<Vec<(&str, Bound<'py, PyTuple>)>> {
        let of = |one: &'_ policy::LeftOut| -> PyResult<_> {
            one.diagnostics.iter().map(|diagnostic| described(py, diagnostic)).collect::<PyResult<Vec<_>>>()
        };
        self.0.left_out.iter().map(|one| Ok((&*one.key, PyTuple::new(py, of(one)?)?))).collect()
    }
}

type Gvk<'a> = (&'a str, &'a str, &'a str);

/// What has to be watched in a cluster.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct WatchPlan(pub(crate) policy::WatchPlan);

#[pymethods]
impl WatchPlan {
    #[getter]
    fn kinds(&self) -> Vec<Gvk<'_>> {
        self.0.kinds.iter().map(named).collect()
    }

    #[getter]
    fn matching(&self) -> Vec<(Vec<&str>, Vec<&str>)> {
        self.0.matching.iter().map(|pattern| (names(&pattern.groups), names(&pattern.kinds))).collect()
    }

    #[getter]
    fn bounds(&self) -> Vec<(Gvk<'_>, f64)> {
        self.0.bounds.iter().map(|(kind, bound)| (named(kind), bound.as_secs_f64())).collect()
    }
}

fn names(list: &[Box<str>]) -> Vec<&str> {
    list.iter().map(|name| &**name).collect()
}

fn named(kind: &GroupVersionKind) -> Gvk<'_> {
    (&kind.group, &kind.version, &kind.kind)
}
