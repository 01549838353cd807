//! What is known of a cluster besides its objects.

use std::collections::BTreeMap;

/// Facts of a cluster, as its registration says them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterFacts {
    /// UID of its kube-system Namespace; empty while it was never reached.
    pub uid: String,
    /// Other names that it was registered under.
    pub aliases: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The cluster set that it belongs to.
    pub cluster_set: String,
    /// Whether it can be reached.
    pub connection: ConnectionState,
    /// Why it is not connected, in words; empty where there is nothing to say.
    pub reason: String,
}

/// Whether a cluster can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionState {
    /// Nothing was tried yet.
    #[default]
    Unknown,
    /// It is being dialled.
    Connecting,
    /// It is connected.
    Connected,
    /// It cannot be reached.
    Disconnected,
}

impl ConnectionState {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Connecting => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::Disconnected => "DISCONNECTED",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Unknown, Self::Connecting, Self::Connected, Self::Disconnected]
            .into_iter()
            .find(|state| state.name() == name)
    }
}
