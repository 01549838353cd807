//! Audit: what of that which is cached is against the policies.
//!
//! A run pins one generation and one snapshot of each chosen cluster, cuts the kinds that some Constraint matches into slices
//! ([`plan`]), judges them on threads of its own and hands over encoded messages in the order of the slices ([`run`]).
//! A what-if ([`what_if`]) does so by two generations at once. The continuous audit ([`continuous`]) keeps the results and makes anew only what changed.
//! Every object is judged by the decision itself (`decide/existing.rs`): there is no second opinion here.
//!
//! Two rules hold throughout. *Nothing is lost silently*: an object or a Constraint that gives no answer is an error among
//! the findings, and a kind that is not, or not completely, looked at is named. And *reviews go first* ([`courtesy`]).

mod continuous;
mod courtesy;
mod crew;
mod findings;
mod plan;
mod queue;
mod run;
mod scope;
mod summary;
#[cfg(test)]
mod tests;
pub mod what_if;

pub use continuous::{ContinuousAudit, ContinuousSettings, Listing};
pub use crew::AuditRun;
pub(crate) use findings::{audited, identified};
pub use run::start;
