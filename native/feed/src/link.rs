//! The connection of a cluster as its feeds see it: replaced when credentials change, in doubt when the cluster is silent.

use std::sync::Arc;

use tokio::sync::watch;

use crate::dial::Connection;
use crate::error::CallError;

/// How a cluster is reached now.
#[derive(Clone, Default)]
pub(crate) struct Link {
    pub(crate) connection: Option<Arc<Connection>>,
    /// Counts up when streams must be opened again: other credentials, or the end of a silence during which anything may
    /// have been lost. They go on where they were; nothing is listed again.
    pub(crate) round: u64,
    /// Why the cluster does not answer now; none while it does.
    pub(crate) silence: Option<Arc<CallError>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Link").field("round", &self.round).field("silence", &self.silence).finish_non_exhaustive()
    }
}

/// What a feed holds of its cluster's link.
pub(crate) type LinkWatch = watch::Receiver<Link>;

/// Waits for a connection to a cluster that answers. None when the cluster's feed ends.
pub(crate) async fn connected(link: &mut LinkWatch) -> Option<(Arc<Connection>, u64)> {
    let usable = |link: &Link| link.connection.is_some() && link.silence.is_none();
    let link = link.wait_for(usable).await.ok()?;
    Some((link.connection.clone()?, link.round))
}

/// Waits until streams are to be opened again. False when the cluster's feed ends.
pub(crate) async fn moved(link: &mut LinkWatch, round: u64) -> bool {
    link.wait_for(|link| link.round != round).await.is_ok()
}
