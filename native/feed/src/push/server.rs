//! `FeedService`, on a listener of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetgate_core::wire::{
    BatchAcknowledgement, FeedWelcome, KnownKind, SyncInventoryRequest, SyncInventoryResponse, sync_inventory_request,
    sync_inventory_response,
};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::convert::{Senseless, change_of, wire_kind, wire_plan};
use super::identity::cluster_of;
use super::pushed::Pushed;
use super::stubs::feed_service_server::{FeedService, FeedServiceServer};
use super::{LARGEST_MESSAGE, SILENCE};
use crate::change::Inventory;
use crate::plan::WatchPlan;

/// The first message.
const HELLO: Duration = Duration::from_secs(10);
/// Messages to an agent that wait.
const WAITING: usize = 64;

/// What the listener shows and whom it trusts, as PEM.
#[derive(Clone, Debug)]
pub struct ListenTls {
    /// Certificate chain.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// CA of the agents' certificates.
    pub client_ca: Vec<u8>,
    /// Trust domain of their SPIFFE names; empty is any.
    pub trust_domain: String,
}

/// Clusters that agents speak for, by name.
#[derive(Default)]
pub(crate) struct PushedClusters(Mutex<BTreeMap<String, Arc<Pushed>>>);

impl PushedClusters {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Pushed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Pushed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Forgets a cluster; its stream ends.
    pub(crate) fn remove(&self, name: &str) {
        let removed = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(pushed) = removed {
            pushed.session.send_modify(|session| *session += 1);
        }
    }

    fn of(&self, name: &str, inventory: &dyn Inventory) -> Arc<Pushed> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Pushed::new(name, inventory.writer(name), WatchPlan::default()));
        Arc::clone(all.entry(name.to_owned()).or_insert_with(made))
    }
}

/// Serves until it is aborted; gives the address that it listens on.
pub(crate) fn listen(
    runtime: &Handle,
    address: SocketAddr,
    tls: ListenTls,
    inventory: Arc<dyn Inventory>,
    clusters: Arc<PushedClusters>,
) -> Result<(SocketAddr, AbortHandle), String> {
    let ListenTls { certificate, key, client_ca, trust_domain } = tls;
    let config = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(client_ca));
    let service = FeedServiceServer::new(Service { inventory, clusters, trust_domain })
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE);
    // An agent needs one stream.
    let mut server = Server::builder()
        .max_concurrent_streams(8)
        .max_connection_age(Duration::from_secs(24 * 3600))
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .tcp_nodelay(true)
        .tls_config(config)
        .map_err(|error| format!("the certificates of the feed's listener: {error}"))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        let bound = listener.local_addr().map_err(|error| format!("{address}: {error}"))?;
        let serving = server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
        Ok((bound, tokio::spawn(serving).abort_handle()))
    })
}

struct Service {
    inventory: Arc<dyn Inventory>,
    clusters: Arc<PushedClusters>,
    trust_domain: String,
}

#[tonic::async_trait]
impl FeedService for Service {
    type SyncInventoryStream = ReceiverStream<Result<SyncInventoryResponse, Status>>;

    async fn sync_inventory(
        &self,
        request: Request<Streaming<SyncInventoryRequest>>,
    ) -> Result<Response<Self::SyncInventoryStream>, Status> {
        let certificates = request.peer_certs();
        let certificate = certificates.as_deref().and_then(|all| all.first());
        let unknown = || Status::unauthenticated("the call carries no client certificate");
        let name = cluster_of(certificate.ok_or_else(unknown)?, &self.trust_domain)?;
        let mut up = request.into_inner();
        let first = timeout(HELLO, up.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("the hello did not come"))??;
        let Some(sync_inventory_request::Message::Hello(hello)) = first.and_then(|first| first.message) else {
            return Err(Status::invalid_argument("an agent begins with a hello"));
        };
        if !hello.cluster.is_empty() && hello.cluster != name {
            return Err(Status::permission_denied(format!("the certificate names the cluster {name:?}")));
        }
        let pushed = self.clusters.of(&name, &*self.inventory);
        let (down, responses) = mpsc::channel(WAITING);
        let number = pushed.begin(hello.uid, down.clone());
        tokio::spawn(async move {
            let ended = tokio::spawn(session(Arc::clone(&pushed), up, down.clone(), number)).await;
            let status = ended.unwrap_or_else(|_| Status::internal("the session failed"));
            let words = format!("the agent's stream ended: {}", status.message());
            // A cluster's state must not wait for an agent that does not read.
            drop(down.try_send(Err(status)));
            drop(tokio::task::spawn_blocking(move || pushed.end(number, &words)).await);
        });
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

/// Serves one stream; gives why it ended.
async fn session(
    pushed: Arc<Pushed>,
    mut up: Streaming<SyncInventoryRequest>,
    down: super::pushed::Down,
    number: u64,
) -> Status {
    let mut sessions = pushed.session.subscribe();
    let mut plans = pushed.plan.subscribe();
    let known = pushed.writer.known().into_iter().filter_map(|kind| {
        let resource_version = pushed.writer.position(&kind)?;
        Some(KnownKind { kind: Some(wire_kind(&kind)), resource_version })
    });
    let welcome = sync_inventory_response::Message::Welcome(FeedWelcome {
        known: known.collect(),
        plan: Some(wire_plan(&plans.borrow_and_update())),
        silence_limit: prost_types::Duration::try_from(SILENCE).ok(),
    });
    let gone = || Status::cancelled("the agent went away");
    if send(&down, welcome).await.is_none() {
        return gone();
    }
    loop {
        tokio::select! {
            () = replaced(&mut sessions, number) => {
                return Status::aborted("a newer stream of this cluster took over");
            }
            changed = plans.changed() => {
                let plan = wire_plan(&plans.borrow_and_update());
                if changed.is_err() || send(&down, sync_inventory_response::Message::Plan(plan)).await.is_none() {
                    return gone();
                }
            }
            message = timeout(SILENCE, up.message()) => {
                let message = match message {
                    Err(_) => return Status::deadline_exceeded("the agent is silent"),
                    Ok(Err(status)) => return status,
                    Ok(Ok(None)) => return gone(),
                    Ok(Ok(Some(message))) => message.message,
                };
                match take(&pushed, number, message).await {
                    Ok(None) => {}
                    Ok(Some(acknowledgement)) => {
                        if send(&down, acknowledgement).await.is_none() {
                            return gone();
                        }
                    }
                    Err(status) => return status,
                }
            }
        }
    }
}

/// Waits until another stream is the cluster's.
async fn replaced(sessions: &mut watch::Receiver<u64>, number: u64) {
    // Who forgot the cluster wants its stream to end, too.
    drop(sessions.wait_for(|newest| *newest != number).await);
}

async fn take(
    pushed: &Arc<Pushed>,
    session: u64,
    message: Option<sync_inventory_request::Message>,
) -> Result<Option<sync_inventory_response::Message>, Status> {
    match message {
        Some(sync_inventory_request::Message::Batch(batch)) => {
            let number = batch.number;
            let changes: Result<Vec<_>, Senseless> = batch.changes.into_iter().map(change_of).collect();
            let changes = changes.map_err(|Senseless(words)| Status::invalid_argument(words))?;
            let pushed = Arc::clone(pushed);
            let written = tokio::task::spawn_blocking(move || {
                // A stream that was replaced must not write over the one that took its place.
                let is_newest = *pushed.session.borrow() == session;
                is_newest.then(|| pushed.writer.write(changes))
            });
            match written.await {
                Ok(Some(_)) => {
                    let acknowledgement = BatchAcknowledgement { number };
                    Ok(Some(sync_inventory_response::Message::Acknowledgement(acknowledgement)))
                }
                Ok(None) => Err(Status::aborted("a newer stream of this cluster took over")),
                Err(_) => Err(Status::internal("the batch could not be written")),
            }
        }
        Some(sync_inventory_request::Message::Report(report)) => {
            pushed.report(report);
            Ok(None)
        }
        Some(sync_inventory_request::Message::WriteResult(result)) => {
            pushed.written(result);
            Ok(None)
        }
        Some(sync_inventory_request::Message::Hello(_)) => Err(Status::invalid_argument("one hello is enough")),
        // Of a newer agent.
        None => Ok(None),
    }
}

async fn send(down: &super::pushed::Down, message: sync_inventory_response::Message) -> Option<()> {
    // An agent that does not read for so long is as good as gone.
    let sent = timeout(SILENCE, down.send(Ok(SyncInventoryResponse { message: Some(message) }))).await;
    sent.ok()?.ok()
}
