//! `fleetgate agent`: the feed of one cluster, with the service as its writer.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetgate_core::wire::{
    self, AgentHello, FeedReport, SyncInventoryRequest, SyncInventoryResponse, WriteCommand, WriteFailure,
    sync_inventory_request, sync_inventory_response, write_result,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::convert::{kind_of, plan_of, selector_of, wire_kind, wire_state, wire_time};
use super::remote::Remote;
use super::stubs::feed_service_client::FeedServiceClient;
use super::telling::Telling;
use super::{LARGEST_MESSAGE, REPORT};
use crate::backoff::Backoff;
use crate::batches::Batches;
use crate::cluster::Cluster;
use crate::dial::{Connection, Credentials, Trust, identify_with};
use crate::error::{CallError, Cause};
use crate::status::ClusterFeedStatus;
use crate::write::{self, Verb, WriteRequest};

const DIAL: Duration = Duration::from_secs(5);
/// The service keeps its connections alive, too; a stream that hears nothing at all is lost.
const KEEPALIVE: Duration = Duration::from_secs(5);
const WAITING: usize = 32;
/// A stream that lasted so long went well.
const LASTING: Duration = Duration::from_secs(10);
/// A whole report at least this often, and whenever a state changed.
const WHOLE_REPORT: u32 = 10;

/// What an agent runs with.
#[derive(Clone)]
pub struct AgentOptions {
    /// Endpoints of the service, `https://host:port`. Each gets a stream of its own.
    pub endpoints: Vec<String>,
    /// How to reach the API server; none is the Pod's ServiceAccount.
    pub credentials: Option<Credentials>,
    /// What the kubeconfig may ask of this machine.
    pub trust: Trust,
    /// PEM files, read again at each connection: client certificate (it names the cluster), key, CA of the service.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// CA of the service.
    pub ca: PathBuf,
    /// Name in the service's certificate, where the endpoint has another; empty is the endpoint's.
    pub server_name: String,
    /// Labels of the cluster.
    pub labels: BTreeMap<String, String>,
}

/// Runs until it is dropped.
pub struct Agent {
    /// Taken when it ends.
    runtime: Option<Runtime>,
    states: Arc<Mutex<BTreeMap<String, EndpointStatus>>>,
}

/// The stream to one endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointStatus {
    /// The endpoint.
    pub endpoint: String,
    /// Whether the service has welcomed the agent.
    pub connected: bool,
    /// Why not; empty while it has.
    pub last_error: String,
}

impl Agent {
    /// Starts to stream.
    ///
    /// # Errors
    /// An endpoint or a certificate file cannot be used, in words that name it; or the threads cannot be started.
    pub fn start(options: AgentOptions) -> io::Result<Self> {
        for endpoint in &options.endpoints {
            options.endpoint(endpoint).map_err(io::Error::other)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(16)
            .thread_name("agent")
            .enable_all()
            .build()?;
        let states = Arc::new(Mutex::new(BTreeMap::new()));
        let options = Arc::new(options);
        for endpoint in options.endpoints.clone() {
            let stream = Stream { endpoint, options: Arc::clone(&options), states: Arc::clone(&states) };
            runtime.spawn(stream.run());
        }
        Ok(Self { runtime: Some(runtime), states })
    }

    /// How the streams are.
    pub fn status(&self) -> Vec<EndpointStatus> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Stream {
    endpoint: String,
    options: Arc<AgentOptions>,
    states: Arc<Mutex<BTreeMap<String, EndpointStatus>>>,
}

impl Stream {
    async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            self.note(false, String::new());
            let words = match self.session().await {
                Ok(lasted) => {
                    // Two agents of one cluster end each other's streams: each time they wait longer.
                    if lasted >= LASTING {
                        backoff.reset();
                    }
                    "the service ended the stream".to_owned()
                }
                Err(words) => words,
            };
            self.note(false, words);
            sleep(backoff.next(None)).await;
        }
    }

    fn note(&self, connected: bool, last_error: String) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(self.endpoint.clone()).or_default();
        self.endpoint.clone_into(&mut state.endpoint);
        // The reason stays until there is another or the stream is there.
        if connected || !last_error.is_empty() {
            state.last_error = last_error;
        }
        state.connected = connected;
    }

    /// One stream, from dialling to its end: how long after its welcome that was. An error is why it never came to be.
    async fn session(&self) -> Result<Duration, String> {
        let connection = match &self.options.credentials {
            Some(credentials) => Connection::open(credentials, &self.options.trust).await,
            None => Connection::in_cluster().await,
        };
        let connection = connection.map_err(|error| error.to_string())?;
        let identity = identify_with(&connection, DIAL).await.map_err(|error| error.to_string())?;
        let mut client = self.dial().await?;
        let (requests, outgoing) = mpsc::channel(WAITING);
        let hello = AgentHello {
            cluster: String::new(),
            uid: identity.uid,
            api_server_version: identity.version,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            labels: self.options.labels.clone().into_iter().collect(),
        };
        drop(requests.send(request(sync_inventory_request::Message::Hello(hello))).await);
        let call = timeout(DIAL, client.sync_inventory(ReceiverStream::new(outgoing))).await;
        let call = call.map_err(|_| format!("{}: no answer to the hello", self.endpoint))?;
        let mut down = call.map_err(|status| format!("{}: {}", self.endpoint, status.message()))?.into_inner();
        let welcome = match timeout(DIAL, down.message()).await {
            Ok(Ok(Some(SyncInventoryResponse { message: Some(sync_inventory_response::Message::Welcome(it)) }))) => it,
            Ok(Err(status)) => return Err(format!("{}: {}", self.endpoint, status.message())),
            _ => return Err(format!("{}: the service does not welcome the agent", self.endpoint)),
        };
        self.note(true, String::new());
        let welcomed = Instant::now();
        let senseless = |error: super::convert::Senseless| format!("{}: {}", self.endpoint, error.0);
        let plan = plan_of(welcome.plan.unwrap_or_default()).map_err(senseless)?;
        let known =
            welcome.known.into_iter().filter_map(|known| Some((kind_of(known.kind).ok()?, known.resource_version)));
        let remote = Arc::new(Remote::new(Handle::current(), requests.clone(), known.collect()));
        let lists = Arc::new(Semaphore::new(4));
        let writer = Arc::clone(&remote);
        let cluster = Cluster::new("", Box::new(move || writer as _), (lists, Batches::new()), Handle::current());
        cluster.connect(connection);
        cluster.plan(plan);
        cluster.start();
        // Dropped in the middle of its work, the feed must end all the same.
        let _guard = Ended { cluster: Arc::clone(&cluster), remote: Arc::clone(&remote) };
        serve(&cluster, &remote, &mut down, &requests).await;
        Ok(welcomed.elapsed())
    }

    async fn dial(&self) -> Result<FeedServiceClient<tonic::transport::Channel>, String> {
        let (options, endpoint) = (Arc::clone(&self.options), self.endpoint.clone());
        // A volume that does not answer holds up this task alone.
        let endpoint = tokio::task::spawn_blocking(move || options.endpoint(&endpoint)).await;
        let channel = endpoint.map_err(|error| error.to_string())??.connect().await;
        let channel = channel.map_err(|error| CallError::of_body(&self.endpoint, &error).to_string())?;
        let client = FeedServiceClient::new(channel);
        Ok(client.max_decoding_message_size(LARGEST_MESSAGE).max_encoding_message_size(LARGEST_MESSAGE))
    }
}

impl AgentOptions {
    /// How to dial an endpoint, with what the files hold now.
    fn endpoint(&self, url: &str) -> Result<Endpoint, String> {
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let (certificate, key, ca) = (read(&self.certificate)?, read(&self.key)?, read(&self.ca)?);
        for (path, pem) in [(&self.certificate, &certificate), (&self.ca, &ca)] {
            let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
            if found.is_ok_and(|found| found.is_empty()) {
                return Err(format!("{}: no PEM certificate", path.display()));
            }
        }
        PrivateKeyDer::from_pem_slice(&key).map_err(|error| format!("{}: {error}", self.key.display()))?;
        let identity = Identity::from_pem(certificate, key);
        let tls = ClientTlsConfig::new().identity(identity).ca_certificate(Certificate::from_pem(ca));
        let tls = if self.server_name.is_empty() { tls } else { tls.domain_name(&self.server_name) };
        let words = |error: tonic::transport::Error| CallError::of_body(url, &error).to_string();
        if !url.starts_with("https://") {
            return Err(format!("{url}: an endpoint is https://host:port"));
        }
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|error| format!("{url}: {error}"))?;
        Ok(endpoint
            .tls_config(tls)
            .map_err(words)?
            .connect_timeout(DIAL)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .tcp_nodelay(true))
    }
}

struct Ended {
    cluster: Arc<Cluster>,
    remote: Arc<Remote>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // First, because the feed's last words would wait for a window that nobody opens.
        self.remote.close();
        self.cluster.abandon();
    }
}

/// Follows a stream to its end.
async fn serve(
    cluster: &Arc<Cluster>,
    remote: &Remote,
    down: &mut Streaming<SyncInventoryResponse>,
    requests: &mpsc::Sender<SyncInventoryRequest>,
) {
    let mut ticks = interval(REPORT);
    let mut reporter = Reporter::default();
    let mut watches = BTreeMap::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                match requests.try_reserve() {
                    Ok(place) => {
                        let report = reporter.report(cluster.status());
                        place.send(request(sync_inventory_request::Message::Report(report)));
                    }
                    // It says enough: there are batches under way.
                    Err(mpsc::error::TrySendError::Full(())) => {}
                    Err(mpsc::error::TrySendError::Closed(())) => return,
                }
            }
            message = down.message() => {
                let Ok(Some(message)) = message else { return };
                match message.message {
                    Some(sync_inventory_response::Message::Acknowledgement(to)) => remote.acknowledge(to.number),
                    Some(sync_inventory_response::Message::Plan(plan)) => match plan_of(plan) {
                        Ok(plan) => cluster.plan(plan),
                        Err(_) => return,
                    },
                    Some(sync_inventory_response::Message::Write(command)) => {
                        let (cluster, requests) = (Arc::clone(cluster), requests.clone());
                        tokio::spawn(async move {
                            let result = sync_inventory_request::Message::WriteResult(execute(&cluster, command).await);
                            drop(requests.send(request(result)).await);
                        });
                    }
                    Some(sync_inventory_response::Message::Relist(command)) => {
                        let kinds: Vec<_> =
                            command.kinds.into_iter().filter_map(|kind| kind_of(Some(kind)).ok()).collect();
                        cluster.relist(&kinds);
                    }
                    Some(sync_inventory_response::Message::Watch(command)) => {
                        // Another one of this id takes its place, and the one before ends.
                        watches.remove(&command.id);
                        if !command.selectors.is_empty() {
                            let id = command.id;
                            let selectors = command.selectors.into_iter().map(selector_of).collect();
                            watches.insert(id, Telling::start(cluster, id, selectors, requests.clone()));
                        }
                    }
                    Some(sync_inventory_response::Message::Welcome(_)) | None => {}
                }
            }
        }
    }
}

async fn execute(cluster: &Cluster, command: WriteCommand) -> wire::WriteResult {
    let id = command.id;
    let limit = command.limit.and_then(|limit| Duration::try_from(limit).ok()).unwrap_or(DIAL);
    let written = match Verb::of_name(&command.verb) {
        None => Err(CallError::new(Cause::Invalid, format!("the verb {:?} is unknown to this agent", command.verb))),
        Some(verb) => {
            let WriteCommand { object, field_manager, path, .. } = command;
            let request = WriteRequest { verb, object, field_manager, path, limit };
            let written = timeout(limit, write::write(cluster, &request)).await;
            written.unwrap_or_else(|_| Err(CallError::timeout("writing", limit)))
        }
    };
    let result = match written {
        Ok(body) => write_result::Result::Body(body),
        Err(error) => write_result::Result::Failure(WriteFailure {
            code: error.code.into(),
            reason: error.reason,
            message: error.message,
            cause: error.cause.word().to_owned(),
        }),
    };
    wire::WriteResult { id, result: Some(result) }
}

/// Whole reports when something changed that an operator looks at, and now and then.
#[derive(Default)]
struct Reporter {
    last: Vec<(i32, String)>,
    since: u32,
}

impl Reporter {
    fn report(&mut self, status: ClusterFeedStatus) -> FeedReport {
        let kinds: Vec<wire::KindReport> = status
            .kinds
            .into_iter()
            .map(|kind| wire::KindReport {
                kind: Some(wire_kind(&kind.kind)),
                state: wire_state(kind.state).into(),
                resource_version: kind.resource_version,
                observed_at: kind.observed_at.map(wire_time),
                last_error: kind.last_error,
                not_audited: kind.not_audited,
            })
            .collect();
        let mut now: Vec<_> = kinds.iter().map(|kind| (kind.state, kind.last_error.clone())).collect();
        now.push((0, status.last_error.clone()));
        self.since += 1;
        if now == self.last && self.since < WHOLE_REPORT {
            return FeedReport::default();
        }
        self.last = now;
        self.since = 0;
        FeedReport { last_error: status.last_error, reason: status.reason.to_owned(), kinds }
    }
}

pub(super) const fn request(message: sync_inventory_request::Message) -> SyncInventoryRequest {
    SyncInventoryRequest { message: Some(message) }
}
