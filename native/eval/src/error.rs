//! Errors of compiling and running, with OPA's codes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetgate_rego::Position;

/// The code of what OPA does and this does not; the message is the reason.
pub const UNSUPPORTED: &str = "rego_unsupported_error";

/// Where an error is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The module's name.
    pub file: Arc<str>,
    /// Line and column, from 1.
    pub position: Position,
}

/// An error as OPA reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// OPA's code, such as `eval_conflict_error`.
    pub code: &'static str,
    /// What is wrong, without the code.
    pub message: String,
    /// Where.
    pub location: Option<Location>,
    /// A budget ran out: which.
    pub exhausted: Option<Exhausted>,
}

/// The budget that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// Steps, and how many were allowed.
    Steps(u64),
    /// Time.
    Time(Duration),
    /// Memory: of values built, or of the stack.
    Memory,
}

impl Error {
    /// An error without a place.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), location: None, exhausted: None }
    }

    pub(crate) fn exhausted(budget: Exhausted) -> Self {
        let message = match budget {
            Exhausted::Steps(limit) => format!("more than {limit} steps"),
            Exhausted::Time(limit) => format!("longer than {limit:?}"),
            Exhausted::Memory => "too much memory".to_owned(),
        };
        Self { exhausted: Some(budget), ..Self::new("eval_cancel_error", message) }
    }
}

/// As OPA prints it: `file:line: code: message`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location { file, position }) = &self.location {
            write!(f, "{file}:{}: ", position.row)?;
        }
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
