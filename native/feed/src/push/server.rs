//! `FeedService`, on a listener of its own.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetgate_core::wire::{
    BatchAcknowledgement, FeedWelcome, KnownKind, SyncInventoryRequest, SyncInventoryResponse, sync_inventory_request,
    sync_inventory_response,
};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{Senseless, change_of, wire_kind, wire_plan};
use super::identity::cluster_of;
use super::pushed::Pushed;
use super::stubs::feed_service_server::{FeedService, FeedServiceServer};
use super::tls::{ListenTls, accept};
use super::{LARGEST_MESSAGE, SILENCE};
use crate::change::Inventory;
use crate::plan::WatchPlan;

/// The first message.
const HELLO: Duration = Duration::from_secs(10);
/// How often it is looked whether what was written is on disk.
const SETTLING: Duration = Duration::from_millis(100);
/// Messages to an agent that wait.
const WAITING: usize = 64;

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

/// A listener that serves until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    tls: watch::Sender<Arc<ServerConfig>>,
    serving: AbortHandle,
}

impl Listener {
    /// Serves `FeedService`; an empty trust domain is any.
    ///
    /// # Errors
    /// The address or the certificates cannot be used, in words.
    pub(crate) fn open(
        runtime: &Handle,
        address: SocketAddr,
        tls: &ListenTls,
        trust_domain: String,
        inventory: Arc<dyn Inventory>,
        clusters: Arc<PushedClusters>,
    ) -> Result<Self, String> {
        let tls = watch::channel(tls.config()?).0;
        let service = FeedServiceServer::new(Service { inventory, clusters, trust_domain })
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE);
        // An agent needs one stream.
        let mut server = Server::builder()
            .max_concurrent_streams(8)
            .max_connection_age(Duration::from_secs(24 * 3600))
            .http2_keepalive_interval(Some(Duration::from_secs(10)))
            .http2_keepalive_timeout(Some(Duration::from_secs(5)));
        runtime.block_on(async {
            let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
            let address = listener.local_addr().map_err(|error| format!("{address}: {error}"))?;
            let accepted = ReceiverStream::new(accept(listener, tls.subscribe()));
            let serving = tokio::spawn(server.add_service(service).serve_with_incoming(accepted)).abort_handle();
            Ok(Self { address, tls, serving })
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows other certificates to those who connect from now on. Who is connected stays.
    ///
    /// # Errors
    /// What cannot be used, in words; those before stay.
    pub(crate) fn renew(&self, tls: &ListenTls) -> Result<(), String> {
        self.tls.send_replace(tls.config()?);
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.serving.abort();
    }
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
        let number = pushed.begin(hello.uid, hello.labels.into_iter().collect());
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
    let taking = Arc::clone(&pushed);
    if !tokio::task::spawn_blocking(move || taking.takes_over(number)).await.unwrap_or_default() {
        return Status::aborted("a newer stream of this cluster took over");
    }
    let known = pushed.writer.durable_positions().into_iter();
    let known = known.map(|(kind, resource_version)| KnownKind { kind: Some(wire_kind(&kind)), resource_version });
    let welcome = sync_inventory_response::Message::Welcome(FeedWelcome {
        known: known.collect(),
        plan: Some(wire_plan(&plans.borrow_and_update())),
        silence_limit: prost_types::Duration::try_from(SILENCE).ok(),
    });
    let gone = || Status::cancelled("the agent went away");
    if send(&down, welcome).await.is_none() {
        return gone();
    }
    pushed.welcome(number, down.clone());
    let mut unsettled = Unsettled::default();
    let mut looks = interval(SETTLING);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
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
            message = timeout_at(heard + SILENCE, up.message()) => {
                let message = match message {
                    Err(_) => return Status::deadline_exceeded("the agent is silent"),
                    Ok(Err(status)) => return status,
                    Ok(Ok(None)) => return gone(),
                    Ok(Ok(Some(message))) => message.message,
                };
                match take(&pushed, number, message).await {
                    Ok(None) => {}
                    Ok(Some(batch)) => unsettled.add(batch, pushed.writer.revision()),
                    Err(status) => return status,
                }
                // What we take long to write is no silence of the agent.
                heard = Instant::now();
            }
            _ = looks.tick(), if !unsettled.is_empty() => {
                let Some(batch) = unsettled.settle(pushed.writer.durable()) else { continue };
                let acknowledgement = BatchAcknowledgement { number: batch };
                if send(&down, sync_inventory_response::Message::Acknowledgement(acknowledgement)).await.is_none() {
                    return gone();
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

/// Batches that are in the view and may not be on disk yet: their numbers, and the revisions that hold them.
#[derive(Debug, Default)]
struct Unsettled(VecDeque<(u64, u64)>);

impl Unsettled {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, batch: u64, revision: u64) {
        self.0.push_back((batch, revision));
    }

    /// The last batch that is safe now, if one is that was not before.
    fn settle(&mut self, revision: u64) -> Option<u64> {
        let safe = self.0.iter().take_while(|(_, held)| *held <= revision).count();
        self.0.drain(..safe).next_back().map(|(batch, _)| batch)
    }
}

/// Takes a message; gives the number of a batch that was written.
async fn take(
    pushed: &Arc<Pushed>,
    session: u64,
    message: Option<sync_inventory_request::Message>,
) -> Result<Option<u64>, Status> {
    match message {
        Some(sync_inventory_request::Message::Batch(batch)) => {
            let number = batch.number;
            let changes: Result<Vec<_>, Senseless> = batch.changes.into_iter().map(change_of).collect();
            let changes = changes.map_err(|Senseless(words)| Status::invalid_argument(words))?;
            let writing = Arc::clone(pushed);
            let written = tokio::task::spawn_blocking(move || writing.write_of(session, changes));
            match written.await {
                Ok(Some(refused)) => {
                    pushed.unkept(refused);
                    Ok(Some(number))
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
        Some(sync_inventory_request::Message::Events(events)) => match pushed.told(session, events) {
            Ok(true) => Ok(None),
            Ok(false) => Err(Status::resource_exhausted("what is told of objects is not taken fast enough")),
            Err(Senseless(words)) => Err(Status::invalid_argument(words)),
        },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_acknowledged_when_what_holds_it_is_on_disk() {
        let mut unsettled = Unsettled::default();
        // A batch that changes nothing is held by what was there.
        for (batch, revision) in [(1, 7), (2, 7), (3, 9)] {
            unsettled.add(batch, revision);
        }
        assert_eq!(unsettled.settle(6), None);
        assert_eq!(unsettled.settle(8), Some(2));
        assert_eq!(unsettled.settle(8), None);
        assert_eq!(unsettled.settle(9), Some(3));
        assert!(unsettled.is_empty());
    }
}
