//! The one way from Python into the core.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;

use crate::errors::Failure;

/// Runs core code without the GIL. An error becomes the exception that names it, and so does a panic: it is a defect, but
/// of one call, and the process goes on. What the work shares with other calls is immutable or, like a leased evaluation
/// context, is replaced when a panic drops it.
pub(crate) fn enter_core<T, E>(py: Python<'_>, work: impl FnOnce() -> Result<T, E> + Send) -> PyResult<T>
where
    T: Send,
    E: Into<Failure> + Send,
{
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into().raise(py)),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Failure::Panic(text.unwrap_or_else(|| "a panic without a message".to_owned())).raise(py))
        }
    }
}
