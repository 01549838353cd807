//! Evaluates Rego with OPA's meaning.
//!
//! Modules that passed the front end's checks are compiled to an intermediate form in which every variable has its place and
//! its moment ([`compile()`]), and run from there ([`Program::evaluate`]). Evaluation is bounded in steps, time, memory and
//! stack by a [`Budget`]; a budget that runs out is an error, never an answer.

#![forbid(unsafe_code)]

mod compile;
mod documents;
mod error;
mod evaluation;
mod input_reads;
mod ir;
mod locality;
mod object_reads;
mod projection;
mod query;
mod reads;
mod run;
#[cfg(test)]
mod testing;
mod variables;
mod visit;

pub use compile::{Options, Unit, compile};
pub use documents::{DataFile, merge_data, read_document};
pub use fleetgate_rego::Version;

pub use error::{Error, Exhausted, Location, UNSUPPORTED};
pub use evaluation::{Evaluation, Outcome, evaluate};
pub use ir::Program;
pub use locality::Locality;
pub use projection::Projection;
pub use query::{Answer, Expression, Query, QuerySource, query};
pub use reads::{InventoryReads, InventoryScope, KindPattern};
pub use run::{Budget, DocumentId, Documents, Part, ReadObject, Settings, Trace, Workspace};
