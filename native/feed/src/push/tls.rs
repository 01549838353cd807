//! TLS of the listener: handshakes beside each other, with the certificates of the moment.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Who needs longer does not speak TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at a time; more wait in the kernel.
const HANDSHAKES: usize = 256;
/// After the machine had no descriptor or memory for a connection.
const PAUSE: Duration = Duration::from_millis(100);
const READY: usize = 64;

/// Certificates and keys, as PEM.
#[derive(Clone)]
pub struct ListenTls {
    /// Certificate chain.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// CA of the agents' certificates.
    pub client_ca: Vec<u8>,
}

impl ListenTls {
    /// What a handshake needs of it.
    ///
    /// # Errors
    /// What of it cannot be used, in words.
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, String> {
        let certificates = |pem: &[u8], what: &str| {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            match read {
                Ok(read) if read.is_empty() => Err(format!("{what}: no PEM certificate")),
                read => read.map_err(|error| format!("{what}: {error}")),
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| format!("key: {error}"))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.client_ca, "client CA")? {
            roots.add(root).map_err(|error| format!("client CA: {error}"))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let verifier = verifier.map_err(|error| format!("client CA: {error}"))?;
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?.with_client_cert_verifier(verifier);
        let chain = certificates(&self.certificate, "certificate")?;
        let mut config =
            builder.with_single_cert(chain, key).map_err(|error| format!("certificate and key: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Connections whose handshake is done. They end when the listener's task does.
pub(crate) type Accepted = mpsc::Receiver<io::Result<TlsStream<TcpStream>>>;

/// Accepts connections until nobody takes them any more. One that is slow to shake hands holds up no other.
pub(crate) fn accept(listener: TcpListener, config: watch::Receiver<Arc<ServerConfig>>) -> Accepted {
    let (sender, accepted) = mpsc::channel(READY);
    tokio::spawn(async move {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        loop {
            let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
            let stream = tokio::select! {
                stream = listener.accept() => stream,
                () = sender.closed() => return,
            };
            let Ok((stream, _)) = stream else {
                sleep(PAUSE).await;
                continue;
            };
            let acceptor = TlsAcceptor::from(Arc::clone(&config.borrow()));
            let sender = sender.clone();
            tokio::spawn(async move {
                // Without it small messages wait for the acknowledgement of those before.
                drop(stream.set_nodelay(true));
                let shaken = timeout(HANDSHAKE, acceptor.accept(stream)).await;
                drop(permit);
                if let Ok(Ok(stream)) = shaken {
                    drop(sender.send(Ok(stream)).await);
                }
            });
        }
    });
    accepted
}
