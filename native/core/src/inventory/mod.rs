//! The cached objects of all clusters.
//!
//! Each cluster has a [`Shard`]. A feed writes [`Change`]s into it, and each write publishes a [`Snapshot`]: immutable,
//! numbered, sharing with the one before what did not change. A decision pins one and names it in its answer; readers never
//! wait for a writer. Objects are kept compressed ([`store`]); what Rego sees as `data.inventory` is built from them for the
//! kinds that a program reads ([`view`]).
//!
//! What was never read is unknown, not absent: every kind has a [`Watermark`] that says how far it can be trusted.

mod change;
mod cluster;
mod demand;
mod extent;
mod fleet;
mod inventories;
mod kind;
mod persist;
mod query;
mod shard;
mod slices;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod view;
mod watermark;

pub use change::{Change, State, Unfit, Written};
pub use cluster::{ClusterFacts, ConnectionState};
pub use demand::{Demand, Demands, Relister};
pub use extent::Extent;
pub use fleet::{Excluders, FleetView, Look, PinnedFleet};
pub use inventories::{Inventories, Settings};
pub use kind::Kind;
pub use persist::{DamagedFile, FlushError};
pub use query::QueryError;
pub(crate) use query::{Chosen, duration, is_meant, kind_name, state};
pub use shard::Shard;
pub(crate) use slices::Differences;
pub use slices::{CachedObject, Slice};
pub use snapshot::{Snapshot, UnreadableObject};
pub(crate) use store::{Blob, Key};
pub(crate) use view::Delta;
pub use view::{Shown, ViewTooLarge};
pub use watermark::Watermark;

use inventories::{Shared, Wanted};
#[cfg(test)]
pub(crate) use tests::data_of as all_of;
