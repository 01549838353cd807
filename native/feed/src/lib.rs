//! Feeds: what happens in clusters, into the inventory.
//!
//! Two doors, one code: the service dials a cluster's API server ([`Feeds`]), or an agent beside the API server dials the
//! service. Each kind is listed and watched as client-go's reflector does it ([`reflector`]), written through a bounded
//! queue per cluster that joins changes of one object, and published in batches.
#![forbid(unsafe_code)]

mod backoff;
mod batches;
mod change;
mod cluster;
mod crds;
mod dial;
mod discovery;
mod error;
mod exec;
mod feeds;
mod link;
mod objects;
mod plan;
mod push;
mod queue;
mod reflector;
mod scope;
mod sink;
mod status;
mod wire;
mod write;

pub use change::{Change, Gvk, Inventory, State, Writer};
pub use dial::{Credentials, Identity, Trust};
pub use error::{CallError, Cause};
pub use feeds::Feeds;
pub use objects::{ObjectEvent, ObjectWatch, Selector};
pub use plan::WatchPlan;
pub use push::agent::{Agent, AgentOptions, EndpointStatus};
pub use push::tls::ListenTls;
pub use status::{ClusterFeedStatus, KindFeedStatus};
pub use write::{Verb, WriteRequest};
