//! What the service wants watched without caching it, told by the agent.

use std::sync::Arc;

use fleetgate_core::wire::{ObjectEvents, SyncInventoryRequest, sync_inventory_request};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::agent::request;
use super::convert::wire_event;
use crate::cluster::Cluster;
use crate::objects::{ObjectEvent, ObjectWatch, Selector};

/// A watch whose events go up the stream; dropped, it ends.
pub(super) struct Telling(AbortHandle);

impl Telling {
    pub(super) fn start(
        cluster: &Arc<Cluster>,
        id: u64,
        selectors: Vec<Selector>,
        requests: mpsc::Sender<SyncInventoryRequest>,
    ) -> Self {
        let watch = ObjectWatch::new(Arc::clone(cluster), Handle::current(), selectors.clone());
        let tell = async move {
            let send = async |events: Vec<ObjectEvent>| {
                let events = events.into_iter().map(wire_event).collect();
                let events = sync_inventory_request::Message::Events(ObjectEvents { watch: id, events });
                requests.send(request(events)).await
            };
            match watch {
                Ok(watch) => loop {
                    let events = watch.some().await;
                    if events.is_empty() || send(events).await.is_err() {
                        return;
                    }
                },
                Err(error) => {
                    let failed = |selector| ObjectEvent::Failed(selector, error.to_string());
                    drop(send(selectors.into_iter().map(failed).collect()).await);
                }
            }
        };
        Self(tokio::spawn(tell).abort_handle())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}
