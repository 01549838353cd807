//! `lint_files` and `lint_rules`.

use std::convert::Infallible;

use fleetgate_core::evaluate::rego::RegoDriver;
use fleetgate_core::lint;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::enter::enter_core;

/// A code of the linter.
#[pyclass(frozen, get_all, module = "fleetgate._native")]
pub(crate) struct LintRule {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    summary: &'static str,
}

/// One thing to look at.
#[pyclass(frozen, get_all, module = "fleetgate._native")]
pub(crate) struct LintFinding {
    code: &'static str,
    message: String,
    path: String,
    line: u32,
    column: u32,
    field: String,
    hint: String,
}

/// What files gave.
#[pyclass(frozen, module = "fleetgate._native")]
pub(crate) struct LintReport(lint::Report);

#[pymethods]
impl LintReport {
    #[getter]
    fn findings(&self) -> Vec<LintFinding> {
        self.0.findings.iter().map(LintFinding::from).collect()
    }

    #[getter]
    const fn templates(&self) -> usize {
        self.0.templates
    }

    #[getter]
    const fn constraints(&self) -> usize {
        self.0.constraints
    }

    #[getter]
    const fn others(&self) -> usize {
        self.0.others
    }
}

impl From<&lint::Finding> for LintFinding {
    fn from(finding: &lint::Finding) -> Self {
        Self {
            code: finding.about.code,
            message: finding.message.clone(),
            path: finding.location.path.to_string(),
            line: finding.location.line,
            column: finding.location.column,
            field: finding.field.clone(),
            hint: finding.hint.clone(),
        }
    }
}

/// What is refused and what is suspicious in files.
#[pyfunction]
pub(crate) fn lint_files(py: Python<'_>, files: Vec<(String, PyBackedBytes)>) -> PyResult<LintReport> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), &**content)).collect();
    enter_core(py, || Ok::<_, Infallible>(lint::lint(&files, &RegoDriver::default()))).map(LintReport)
}

/// Every code, sorted.
#[pyfunction]
pub(crate) fn lint_rules() -> Vec<LintRule> {
    let about = |about: &lint::About| LintRule {
        code: about.code,
        name: about.name,
        severity: about.severity.as_str(),
        summary: about.summary,
    };
    lint::catalogue().into_iter().map(about).collect()
}
