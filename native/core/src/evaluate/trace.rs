//! How an evaluation came to its violations.

use std::sync::Arc;

use fleetgate_eval::ReadObject;
use fleetgate_rego::Position;

use super::Violation;

/// What an evaluation noted on its way.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// What each clause of the `violation` rule gave, in the order in which they did. Several may give the same violation.
    pub produced: Vec<Produced>,
    /// Objects of the inventory that the rules looked into: the first 1,000.
    pub reads: Vec<ReadObject>,
    /// How many there were.
    pub read_objects: usize,
}

/// A violation and the clause that gave it.
#[derive(Debug, Clone)]
pub struct Produced {
    /// As the evaluation reports it.
    pub violation: Violation,
    /// The clause's module: `template` or `libs[0]`.
    pub module: Arc<str>,
    /// Where the clause begins in that module's text.
    pub position: Position,
}
