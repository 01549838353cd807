//! PyO3 only: register, convert, detach, map errors.
use pyo3::prelude::*;

/// The native core of fleetgate.
#[pymodule]
mod _native {}
