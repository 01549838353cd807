//! `evaluate_rego`.

use std::time::{Duration, SystemTime};

use fleetgate_eval::{Budget, DataFile, Evaluation, Version, evaluate};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::enter::enter_core;
use crate::errors::Failure;

/// What `data` is made of: name, path below `data`, text.
type Data = (String, Vec<String>, PyBackedBytes);

/// Answers of a query.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct RegoAnswers {
    json: Vec<u8>,
    prints: Vec<String>,
}

#[pymethods]
impl RegoAnswers {
    #[getter]
    fn json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.json)
    }

    #[getter]
    fn prints(&self) -> Vec<String> {
        self.prints.clone()
    }
}

/// Evaluates a query.
#[pyfunction]
#[pyo3(signature = (
    query, modules, *, data=Vec::new(), input=None, v0=false, package=String::new(), imports=Vec::new(), expressions=false,
    strict=false, timeout_seconds=60.0,
))]
#[allow(clippy::too_many_arguments, reason = "keywords in Python")]
pub(crate) fn evaluate_rego(
    py: Python<'_>,
    query: &str,
    modules: Vec<(String, String)>,
    data: Vec<Data>,
    input: Option<(String, PyBackedBytes)>,
    v0: bool,
    package: String,
    imports: Vec<String>,
    expressions: bool,
    strict: bool,
    timeout_seconds: f64,
) -> PyResult<RegoAnswers> {
    let time =
        Duration::try_from_secs_f64(timeout_seconds).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let modules: Vec<(&str, &str)> = modules.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let data: Vec<DataFile<'_>> = data.iter().map(|(name, path, text)| DataFile { name, path, text }).collect();
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let evaluation = Evaluation {
        query,
        modules: &modules,
        data: &data,
        input: input.as_ref().map(|(name, text)| (name.as_str(), &**text)),
        version: if v0 { Version::V0 } else { Version::V1 },
        package: &package,
        imports: &imports,
        expressions,
        strict,
        budget: Budget { time, steps: u64::MAX, ..Budget::default() },
        now_nanos: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
    };
    enter_core(py, || {
        let outcome = evaluate(&evaluation);
        match outcome.answers {
            Ok(json) => Ok(RegoAnswers { json, prints: outcome.prints }),
            Err(errors) => Err(Failure::Rego { errors, prints: outcome.prints }),
        }
    })
}
