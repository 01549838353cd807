//! From a kubeconfig to a connection, and the calls that everything else is made of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{CallError, Cause};
use crate::exec::Issuer;

const AGENT: &str = concat!("fleetgate/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(5);
/// A JSON answer of the API server.
pub(crate) const JSON: &str = "application/json";
const ERROR_BODY: usize = 64 * 1024;

/// What kubeconfigs may ask of this machine.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Exec plug-ins that may run, by command as a kubeconfig spells it.
    pub exec_commands: BTreeSet<String>,
}

/// A kubeconfig to dial with: YAML or JSON, its current context (or its only one) counts.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The text.
    pub kubeconfig: String,
    /// Whether it comes from this machine's own files, and so may name other files of it and set an exec plug-in's
    /// environment. Whoever writes a Secret on a hub must not have our files sent to a server of theirs.
    pub local: bool,
}

/// Clients of one API server, with these credentials. Requests carry a time limit, watches none.
pub(crate) enum Connection {
    /// With credentials that the kubeconfig holds.
    Held(Client),
    /// With those that an exec plug-in issues.
    Issued(Arc<Issuer>),
}

impl Connection {
    /// Reads a kubeconfig; does not dial yet, nor run an exec plug-in.
    pub(crate) async fn open(credentials: &Credentials, trust: &Trust) -> Result<Arc<Self>, CallError> {
        let invalid = |error: &dyn std::fmt::Display| CallError::new(Cause::Invalid, format!("kubeconfig: {error}"));
        let kubeconfig = Kubeconfig::from_yaml(&credentials.kubeconfig).map_err(|error| invalid(&error))?;
        check(&kubeconfig, credentials.local, trust)?;
        let options = KubeConfigOptions { context: only_context(&kubeconfig), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| invalid(&error))?;
        Self::of_config(config).await
    }

    /// With the ServiceAccount of the Pod that this runs in.
    pub(crate) async fn in_cluster() -> Result<Arc<Self>, CallError> {
        let invalid = |error| CallError::new(Cause::Invalid, format!("the Pod's ServiceAccount: {error}"));
        Self::of_config(Config::incluster().map_err(invalid)?).await
    }

    async fn of_config(mut config: Config) -> Result<Arc<Self>, CallError> {
        config.connect_timeout = Some(CONNECT);
        // Waiting and trying again is the feeds' own business.
        config.default_retry = false;
        // The client would run it where network traffic is served, and wait for it there.
        let exec = config.auth_info.exec.take();
        let user = &config.auth_info;
        let is_held = user.username.is_some() || user.token.is_some() || user.token_file.is_some();
        Ok(Arc::new(match exec.filter(|_| !is_held) {
            Some(exec) => Self::Issued(Issuer::new(exec, config)),
            None => Self::Held(client(config).await?),
        }))
    }

    /// The client of a request; waits for an exec plug-in where its credentials have ended.
    async fn client(&self, what: &str, limit: Duration) -> Result<Client, CallError> {
        match self {
            Self::Held(client) => Ok(client.clone()),
            Self::Issued(issuer) => {
                let late =
                    |_| CallError::new(Cause::Exec, format!("{what}: the exec plug-in takes more than {limit:?}"));
                timeout(limit, issuer.client()).await.map_err(late)?
            }
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(&self, call: Call<'_>, limit: Duration) -> Result<Response<Body>, CallError> {
        let what = call.to_string();
        let request = Request::builder().method(&call.method).uri(call.path).header(USER_AGENT, AGENT);
        let request = request.header(ACCEPT, call.accept);
        let request = match &call.body {
            Some((content_type, body)) => request.header(CONTENT_TYPE, *content_type).body(Body::from(body.to_vec())),
            None => request.body(Body::empty()),
        };
        let request = request.map_err(|error| CallError::new(Cause::Invalid, format!("{what}: {error}")))?;
        let client = self.client(&what, limit).await?;
        let sent = timeout(limit, client.send(request)).await;
        let response =
            sent.map_err(|_| CallError::timeout(&what, limit))?.map_err(|error| CallError::of_client(&what, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        if let (401, Self::Issued(issuer)) = (code, self) {
            issuer.refused();
        }
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        // The status line alone says enough where the body does not come.
        let body = timeout(limit, collect(&what, response.into_body(), ERROR_BODY)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        Err(CallError::of_status(&what, code, &body, seconds.map(Duration::from_secs)))
    }

    /// Sends a request and reads the whole answer, up to `most` bytes.
    pub(crate) async fn call(&self, call: Call<'_>, limit: Duration, most: usize) -> Result<Bytes, CallError> {
        let what = call.to_string();
        let began = Instant::now();
        let body = self.send(call, limit).await?.into_body();
        let whole = timeout(limit.saturating_sub(began.elapsed()), collect(&what, body, most)).await;
        whole.map_err(|_| CallError::timeout(&what, limit))?
    }
}

/// A client of an API server. Reading certificates takes a moment, so it is made on a thread for blocking work.
pub(crate) async fn client(config: Config) -> Result<Client, CallError> {
    let runtime = tokio::runtime::Handle::current();
    let built = tokio::task::spawn_blocking(move || {
        let _entered = runtime.enter();
        Client::try_from(config)
    });
    let built = built.await.map_err(|error| CallError::new(Cause::Other, format!("kubeconfig: {error}")))?;
    built.map_err(|error| CallError::of_client("kubeconfig", &error))
}

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) accept: &'a str,
    /// Content type and bytes.
    pub(crate) body: Option<(&'a str, &'a [u8])>,
}

impl<'a> Call<'a> {
    /// Reads a path as JSON.
    pub(crate) const fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, accept: JSON, body: None }
    }
}

impl std::fmt::Display for Call<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.method, self.path.split('?').next().unwrap_or_default())
    }
}

async fn collect(what: &str, mut body: Body, most: usize) -> Result<Bytes, CallError> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CallError::of_body(what, &error))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > most {
                return Err(CallError {
                    reason: TOO_LARGE.into(),
                    ..CallError::new(Cause::Other, format!("{what}: the answer is larger than {} MiB", most >> 20))
                });
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.into())
}

/// Our own reason for an answer that is refused for its size.
pub(crate) const TOO_LARGE: &str = "AnswerTooLarge";

/// The only context's name where no current one is named.
fn only_context(kubeconfig: &Kubeconfig) -> Option<String> {
    match (&kubeconfig.current_context, kubeconfig.contexts.as_slice()) {
        (Some(current), _) if !current.is_empty() => None,
        (_, [only]) => Some(only.name.clone()),
        _ => None,
    }
}

/// Refuses what a kubeconfig must not ask of this machine.
fn check(kubeconfig: &Kubeconfig, local: bool, trust: &Trust) -> Result<(), CallError> {
    let foreign_file = |field: &str| {
        let words = "names a file; only kubeconfigs of this machine may, others need the data inline";
        CallError::new(Cause::Invalid, format!("kubeconfig: {field} {words}"))
    };
    for cluster in kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref()) {
        if !local && cluster.certificate_authority.is_some() {
            return Err(foreign_file("certificate-authority"));
        }
    }
    for user in kubeconfig.auth_infos.iter().filter_map(|named| named.auth_info.as_ref()) {
        let files = [
            ("tokenFile", user.token_file.is_some()),
            ("client-certificate", user.client_certificate.is_some()),
            ("client-key", user.client_key.is_some()),
        ];
        if let Some((field, _)) = files.iter().find(|(_, named)| *named && !local) {
            return Err(foreign_file(field));
        }
        if user.auth_provider.is_some() {
            let words = "kubeconfig: auth-provider is not supported; use exec, a token or a client certificate";
            return Err(CallError::new(Cause::Invalid, words));
        }
        let Some(exec) = &user.exec else { continue };
        let command = exec.command.as_deref().unwrap_or_default();
        if !trust.exec_commands.contains(command) {
            return Err(CallError::new(
                Cause::Exec,
                format!("kubeconfig: the exec plug-in {command:?} is not allowed"),
            ));
        }
        if !local && exec.env.as_ref().is_some_and(|env| !env.is_empty()) {
            let words = "kubeconfig: only kubeconfigs of this machine may set the environment of an exec plug-in";
            return Err(CallError::new(Cause::Invalid, words));
        }
    }
    Ok(())
}

/// Who a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// UID of the Namespace `kube-system`.
    pub uid: String,
    /// Git version of the API server, for instance `v1.36.3`.
    pub version: String,
}

/// Dials a cluster and asks who it is.
pub(crate) async fn identify(credentials: &Credentials, trust: &Trust, limit: Duration) -> Result<Identity, CallError> {
    let ask = async { identify_with(&*Connection::open(credentials, trust).await?, limit).await };
    timeout(limit, ask).await.map_err(|_| CallError::timeout("dialling", limit))?
}

/// Asks a cluster who it is.
pub(crate) async fn identify_with(connection: &Connection, limit: Duration) -> Result<Identity, CallError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    #[derive(Deserialize)]
    struct Namespace {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        uid: String,
    }
    let namespace: Namespace = read(connection, "/api/v1/namespaces/kube-system", limit).await?;
    let version: Version = read(connection, "/version", limit).await?;
    Ok(Identity { uid: namespace.metadata.uid, version: version.git_version })
}

async fn read<T: DeserializeOwned>(connection: &Connection, path: &str, limit: Duration) -> Result<T, CallError> {
    let body = connection.call(Call::get(path), limit, 1 << 20).await?;
    let foreign = |error| CallError::new(Cause::Other, format!("GET {path}: this is not Kubernetes' answer: {error}"));
    serde_json::from_slice(&body).map_err(foreign)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            r#"{{"apiVersion":"v1","kind":"Config","contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}],
            "clusters":[{{"name":"c","cluster":{{"server":"https://127.0.0.1:1",{cluster}"extensions":[]}}}}],
            "users":[{{"name":"u","user":{{{user}}}}}]}}"#
        )
    }

    fn dial(text: String, local: bool, limit: Duration) -> CallError {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let trust = Trust { exec_commands: ["allowed-plugin".to_owned()].into() };
        runtime.block_on(identify(&Credentials { kubeconfig: text, local }, &trust, limit)).unwrap_err()
    }

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn a_closed_port_is_refused() {
        let error = dial(kubeconfig("", r#""token":"t""#), false, LIMIT);
        assert_eq!(error.cause, Cause::Refused, "{error}");
        assert_eq!(error.to_string(), "GET /api/v1/namespaces/kube-system: connection refused: nothing listens there");
    }

    #[test]
    fn a_name_without_address_is_a_matter_of_dns() {
        let text = kubeconfig("", "").replace("127.0.0.1:1", "no-such-host.invalid");
        assert_eq!(dial(text, false, LIMIT).cause, Cause::Dns);
    }

    #[test]
    fn a_server_that_says_nothing_times_out() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = kubeconfig("", "").replace("127.0.0.1:1", &listener.local_addr().unwrap().to_string());
        assert_eq!(dial(text, false, Duration::from_millis(300)).cause, Cause::Timeout);
    }

    #[test]
    fn a_server_without_tls_is_named_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = kubeconfig("", "").replace("127.0.0.1:1", &listener.local_addr().unwrap().to_string());
        let server = std::thread::spawn(move || {
            use std::io::Write as _;
            listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        assert_eq!(dial(text, false, LIMIT).cause, Cause::Tls);
        server.join().unwrap();
    }

    #[test]
    fn files_are_for_kubeconfigs_of_this_machine() {
        for (cluster, user, field) in [
            (r#""certificate-authority":"/etc/passwd","#, "", "certificate-authority"),
            ("", r#""tokenFile":"/etc/passwd""#, "tokenFile"),
            ("", r#""client-key":"/etc/passwd""#, "client-key"),
            ("", r#""client-certificate":"/etc/passwd""#, "client-certificate"),
        ] {
            let error = dial(kubeconfig(cluster, user), false, LIMIT);
            assert_eq!(error.cause, Cause::Invalid);
            assert!(error.message.starts_with(&format!("kubeconfig: {field} names a file")), "{error}");
        }
        let token_file = dial(kubeconfig("", r#""tokenFile":"/dev/null""#), true, LIMIT);
        assert_ne!(token_file.cause, Cause::Invalid, "{token_file}");
    }

    #[test]
    fn exec_plug_ins_run_from_the_list_only() {
        let exec = |command: &str, env: &str| {
            format!(
                r#""exec":{{"apiVersion":"client.authentication.k8s.io/v1","command":"{command}","env":[{env}],
                "interactiveMode":"Never"}}"#
            )
        };
        let error = dial(kubeconfig("", &exec("/bin/sh", "")), true, LIMIT);
        assert_eq!(error.to_string(), r#"kubeconfig: the exec plug-in "/bin/sh" is not allowed"#);
        let env = r#"{"name":"LD_PRELOAD","value":"x"}"#;
        assert_eq!(dial(kubeconfig("", &exec("allowed-plugin", env)), false, LIMIT).cause, Cause::Invalid);
        // It is allowed, and not there.
        assert_eq!(dial(kubeconfig("", &exec("allowed-plugin", "")), false, LIMIT).cause, Cause::Exec);
    }

    #[test]
    fn what_is_no_kubeconfig_is_invalid() {
        for text in ["", "[", "kind: Config", "{\"contexts\":[]}"] {
            assert_eq!(dial(text.to_owned(), false, LIMIT).cause, Cause::Invalid, "{text}");
        }
    }
}
