//! Cluster configuration among the policies: Gatekeeper's `Config` and `SyncSet`.
//!
//! `Config` is a singleton: which namespaces which process leaves alone, and kinds to cache. A `SyncSet` is more kinds to
//! cache. The schemas are those of Gatekeeper's CustomResourceDefinitions (`config/crd/bases` of Gatekeeper 3.23.1); what
//! `kubectl apply` refuses against them (a wrong type, an unknown field) is refused here, with its place.
//! `spec.validation.traces` and `spec.readiness` are checked and otherwise unused.

mod excluder;
mod kinds;
mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use excluder::{Excluder, Process};
pub use kinds::GroupVersionKind;

pub(crate) use read::{read_config, read_sync_set};

use crate::diagnostic::Location;

/// The `Config`.
#[derive(Clone, Debug)]
pub struct Config {
    /// `spec.match`.
    pub excluder: Excluder,
    /// `spec.sync.syncOnly`.
    pub sync_only: Vec<GroupVersionKind>,
    /// The whole document.
    pub document: serde_json::Value,
    /// Where the document begins.
    pub origin: Location,
    /// Name of its bundle.
    pub bundle: Arc<str>,
}

impl Config {
    /// The only name that a Config may have.
    pub const NAME: &str = "config";
    /// Its API group.
    pub const GROUP: &str = "config.gatekeeper.sh";
}

/// A `SyncSet`.
#[derive(Clone, Debug)]
pub struct SyncSet {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `spec.gvks`.
    pub kinds: Vec<GroupVersionKind>,
    /// The whole document.
    pub document: serde_json::Value,
    /// Where the document begins.
    pub origin: Location,
    /// Name of its bundle.
    pub bundle: Arc<str>,
}

impl SyncSet {
    /// Its API group.
    pub const GROUP: &str = "syncset.gatekeeper.sh";
}
