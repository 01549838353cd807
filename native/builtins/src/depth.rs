//! A bound for functions that walk values recursively.

use crate::Error;

/// Values nested deeper than this are not walked. JSON of twice its own limit fits.
const MAX_DEPTH: usize = 2 * fleetgate_value::json::MAX_DEPTH;

/// One level further down.
///
/// # Errors
/// Ends the evaluation where the value is nested too deeply.
pub(crate) fn below(depth: usize) -> Result<usize, Error> {
    if depth >= MAX_DEPTH {
        return Err(Error::Halt(format!("a value is nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(depth + 1)
}
