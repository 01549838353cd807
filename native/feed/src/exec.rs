//! Credential plug-ins: programs that a kubeconfig names, and that print a token or a certificate
//! (`client.authentication.k8s.io`).
//!
//! A plug-in is a child process and takes no thread of ours. Only calls to its own cluster wait for it, one run at a time,
//! and it is killed when its time is over or its connection is given up: one that hangs is one cluster's trouble.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::ExecConfig;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use crate::dial;
use crate::error::{CallError, Cause};

/// One run.
const LIMIT: Duration = Duration::from_secs(30);
/// New credentials are fetched this long before the old ones end, while these still serve.
const AHEAD: Duration = Duration::from_secs(60);
/// A plug-in that failed, or whose credentials were refused, is not run again at once.
const PAUSE: Duration = Duration::from_secs(5);
const LARGEST_OUTPUT: u64 = 1 << 20;
const LONGEST_WORDS: usize = 200;

/// Clients of an API server whose credentials a plug-in issues.
pub(crate) struct Issuer {
    exec: ExecConfig,
    /// Without credentials of its own.
    config: Config,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Issued>,
    running: Option<Run>,
    /// Why the last run gave nothing, and when.
    failure: Option<(Instant, CallError)>,
}

struct Issued {
    client: Client,
    since: Instant,
    expires: Option<SystemTime>,
}

struct Run {
    task: AbortHandle,
    ended: watch::Receiver<()>,
}

impl Issuer {
    pub(crate) fn new(exec: ExecConfig, config: Config) -> Arc<Self> {
        Arc::new(Self { exec, config, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client with credentials that hold. Waits where there are none.
    pub(crate) async fn client(self: &Arc<Self>) -> Result<Client, CallError> {
        let mut ended = {
            let mut state = self.lock();
            let left = state.current.as_ref().map(Issued::left);
            let is_paused = state.failure.as_ref().is_some_and(|(at, _)| at.elapsed() < PAUSE);
            if left.is_none_or(|left| left < AHEAD) && state.running.is_none() && !is_paused {
                state.running = Some(self.start());
            }
            match (&state.current, &state.running, &state.failure) {
                (Some(issued), ..) if !issued.left().is_zero() => return Ok(issued.client.clone()),
                (_, Some(run), _) => run.ended.clone(),
                (_, None, Some((_, error))) => return Err(error.clone()),
                (_, None, None) => return Err(self.failed("it gave nothing")),
            }
        };
        // An end without a word is an end, too.
        drop(ended.changed().await);
        let state = self.lock();
        match (&state.current, &state.failure) {
            (_, Some((_, error))) => Err(error.clone()),
            // What was issued this moment is used once, whatever it says of its end.
            (Some(issued), None) => Ok(issued.client.clone()),
            (None, None) => Err(self.failed("it gave nothing")),
        }
    }

    /// The API server does not accept what was issued.
    pub(crate) fn refused(&self) {
        if let Some(issued) = self.lock().current.as_mut().filter(|issued| issued.since.elapsed() > PAUSE) {
            issued.expires = Some(SystemTime::UNIX_EPOCH);
        }
    }

    fn start(self: &Arc<Self>) -> Run {
        let (sender, ended) = watch::channel(());
        let (issuer, exec, config) = (Arc::downgrade(self), self.exec.clone(), self.config.clone());
        let task = tokio::spawn(async move {
            let issued = issue(&exec, config).await;
            if let Some(issuer) = Weak::upgrade(&issuer) {
                let mut state = issuer.lock();
                state.running = None;
                match issued {
                    Ok(issued) => (state.current, state.failure) = (Some(issued), None),
                    Err(error) => state.failure = Some((Instant::now(), error)),
                }
            }
            sender.send_replace(());
        });
        Run { task: task.abort_handle(), ended }
    }

    fn failed(&self, words: &str) -> CallError {
        failed(&self.exec, words)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(run) = self.lock().running.take() {
            run.task.abort();
        }
    }
}

impl Issued {
    fn left(&self) -> Duration {
        let left = self.expires.map(|expires| expires.duration_since(SystemTime::now()).unwrap_or_default());
        left.unwrap_or(Duration::MAX)
    }
}

fn failed(exec: &ExecConfig, words: &str) -> CallError {
    let command = exec.command.as_deref().unwrap_or_default();
    CallError::new(Cause::Exec, format!("kubeconfig: the exec plug-in {command:?}: {words}"))
}

async fn issue(exec: &ExecConfig, mut config: Config) -> Result<Issued, CallError> {
    let run = timeout(LIMIT, run(exec)).await;
    let output = run.map_err(|_| failed(exec, &format!("it does not come to an end within {LIMIT:?}")))??;
    let credential = serde_json::from_slice::<ExecCredential>(&output);
    let status = credential.ok().and_then(|credential| credential.status);
    let status = status.ok_or_else(|| failed(exec, "what it prints is no ExecCredential with a status"))?;
    let expires = match status.expiration_timestamp.as_deref().map(str::parse::<prost_types::Timestamp>) {
        None => None,
        Some(Ok(at)) => SystemTime::try_from(at).ok(),
        Some(Err(_)) => return Err(failed(exec, "its expirationTimestamp is no time")),
    };
    match (status.token, status.client_certificate_data, status.client_key_data) {
        (None, None, None) => return Err(failed(exec, "it issues neither a token nor a certificate")),
        (token, certificate, key) => {
            let user = &mut config.auth_info;
            user.token = token.map(Into::into);
            user.client_certificate_data = certificate.map(|pem| STANDARD.encode(pem));
            user.client_key_data = key.map(|pem| STANDARD.encode(pem).into());
        }
    }
    Ok(Issued { client: dial::client(config).await?, since: Instant::now(), expires })
}

/// Runs the plug-in to its end; gives what it prints.
async fn run(exec: &ExecConfig) -> Result<Vec<u8>, CallError> {
    let mut command = Command::new(exec.command.as_deref().unwrap_or_default());
    command.args(exec.args.iter().flatten());
    let variables = exec.env.iter().flatten().filter_map(|one| Some((one.get("name")?, one.get("value")?)));
    command.envs(variables);
    let mut spec = serde_json::Map::from_iter([("interactive".to_owned(), json!(false))]);
    if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info) {
        spec.insert("cluster".to_owned(), json!(cluster));
    }
    let info = json!({"apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec});
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let started = |error: std::io::Error| failed(exec, &format!("it cannot be run: {error}"));
    let mut child = command.spawn().map_err(started)?;
    let (output, complaints) = (child.stdout.take(), child.stderr.take());
    let (output, complaints, ended) = tokio::join!(read(output), read(complaints), child.wait());
    match ended {
        Ok(status) if status.success() => Ok(output),
        Ok(status) => Err(failed(exec, &words(status, &complaints))),
        Err(error) => Err(failed(exec, &error.to_string())),
    }
}

/// All that a pipe gives, as far as anybody wants to know. What comes after that is read and dropped, so that the child is
/// not held up.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(mut pipe) = pipe {
        // What was read before it broke off is judged by whoever parses it.
        drop((&mut pipe).take(LARGEST_OUTPUT).read_to_end(&mut all).await);
        drop(tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await);
    }
    all
}

/// How it ended, and the beginning of what it complained of.
fn words(status: ExitStatus, complaints: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(complaints).chars().filter(|c| !c.is_control()).collect();
    let text: String = text.trim().chars().take(LONGEST_WORDS).collect();
    if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use crate::dial::{Call, Connection, Credentials, Trust};

    use super::*;

    /// A plug-in of these lines of shell, in a directory of its own.
    struct Script(PathBuf);

    impl Script {
        fn new(name: &str, lines: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("fleetgate-exec-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            let path = directory.join("plugin");
            std::fs::write(&path, format!("#!/bin/sh\ncd {}\n{lines}\n", directory.display())).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Self(path)
        }

        fn connection(&self, server: &str) -> Connection {
            let command = self.0.to_str().unwrap().to_owned();
            let user = json!({"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never",
                "provideClusterInfo": true,
            }});
            let kubeconfig = json!({
                "apiVersion": "v1", "kind": "Config", "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
            });
            let trust = Trust { exec_commands: [command].into() };
            let credentials = Credentials { kubeconfig: kubeconfig.to_string(), local: true };
            let opened = runtime().block_on(Connection::open(&credentials, &trust)).unwrap();
            Arc::into_inner(opened).unwrap()
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            std::fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    }

    fn status(more: &str) -> String {
        format!(r#"echo '{{"kind":"ExecCredential","status":{{{more}}}}}'"#)
    }

    /// A server that answers each request with what it was given as Authorization.
    fn echo() -> (String, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                if head.first().is_none_or(|line| line.contains("/end")) {
                    return;
                }
                let token = head.iter().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap_or("none");
                let code = if token == "bad" { 401 } else { 200 };
                let length = token.len();
                let answer =
                    format!("HTTP/1.1 {code} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{token}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (address, served)
    }

    async fn get(connection: &Connection, limit: Duration) -> Result<String, CallError> {
        let body = connection.call(Call::get("/who"), limit, 1 << 20).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn a_plug_in_that_hangs_holds_up_calls_to_its_own_cluster_alone() {
        // The first run gives a token that has expired, so that each call wants another.
        let first = status(r#""token":"old","expirationTimestamp":"2020-01-01T00:00:00Z""#);
        let lines = format!("if [ -e ran ]; then exec sleep 60; fi\n: > ran\n{first}");
        let scripts: Vec<Script> = (0..4).map(|index| Script::new(&format!("hangs-{index}"), &lines)).collect();
        let (server, served) = echo();
        let hanging: Vec<_> = scripts.iter().map(|script| Arc::new(script.connection(&server))).collect();
        let healthy = Script::new("healthy", &status(r#""token":"fresh""#)).connection_kept(&server);
        let runtime = runtime();
        for connection in &hanging {
            assert_eq!(runtime.block_on(get(connection, SOON)).unwrap(), "old");
            let connection = Arc::clone(connection);
            drop(runtime.spawn(async move { get(&connection, Duration::from_secs(50)).await }));
        }
        let began = Instant::now();
        for _ in 0..3 {
            assert_eq!(runtime.block_on(get(&healthy.1, SOON)).unwrap(), "fresh");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let error = runtime.block_on(get(hanging.first().unwrap(), Duration::from_millis(300))).unwrap_err();
        assert_eq!(error.cause, Cause::Exec, "{error}");
        drop(runtime.block_on(healthy.1.call(Call::get("/end"), SOON, 1)));
        served.join().unwrap();
        runtime.shutdown_background();
    }

    impl Script {
        fn connection_kept(self, server: &str) -> (Self, Connection) {
            let connection = self.connection(server);
            (self, connection)
        }
    }

    #[test]
    fn credentials_are_kept_until_they_end_or_are_refused() {
        let (server, served) = echo();
        let lines =
            format!("echo x >> runs\n{}", status(r#""token":"good","expirationTimestamp":"2999-01-01T00:00:00Z""#));
        let (good, connection) = Script::new("good", &lines).connection_kept(&server);
        let runtime = runtime();
        for _ in 0..3 {
            assert_eq!(runtime.block_on(get(&connection, SOON)).unwrap(), "good");
        }
        let runs = std::fs::read_to_string(good.0.with_file_name("runs")).unwrap();
        assert_eq!(runs.lines().count(), 1);

        // One that is refused is asked for again, and not at once.
        let lines = format!("echo x >> runs\n{}", status(r#""token":"bad""#));
        let (bad, connection) = Script::new("bad", &lines).connection_kept(&server);
        for _ in 0..5 {
            assert_eq!(runtime.block_on(get(&connection, SOON)).unwrap_err().cause, Cause::Unauthorized);
        }
        let runs = std::fs::read_to_string(bad.0.with_file_name("runs")).unwrap();
        assert_eq!(runs.lines().count(), 1);
        drop(runtime.block_on(connection.call(Call::get("/end"), SOON, 1)));
        served.join().unwrap();
    }

    #[test]
    fn what_a_plug_in_does_wrong_is_said() {
        for (name, lines, words) in [
            ("exit", "echo 'login first' >&2; exit 3", "exit status: 3: login first"),
            ("silent", "exit 0", "what it prints is no ExecCredential with a status"),
            ("empty", &status(""), "it issues neither a token nor a certificate"),
            ("time", &status(r#""token":"t","expirationTimestamp":"soon""#), "its expirationTimestamp is no time"),
        ] {
            let (_script, connection) = Script::new(name, lines).connection_kept("http://127.0.0.1:1");
            let error = runtime().block_on(get(&connection, SOON)).unwrap_err();
            assert_eq!(error.cause, Cause::Exec);
            assert!(error.message.ends_with(words), "{error}");
        }
    }

    #[test]
    fn a_plug_in_is_told_which_cluster_it_is_for() {
        let (server, served) = echo();
        let lines = format!(
            r#"server=$(echo "$KUBERNETES_EXEC_INFO" | sed 's/.*"server":"\([^"]*\)".*/\1/')
            {}"#,
            r#"echo "{\"status\":{\"token\":\"$server\"}}""#
        );
        let (_script, connection) = Script::new("cluster", &lines).connection_kept(&server);
        let runtime = runtime();
        assert_eq!(runtime.block_on(get(&connection, SOON)).unwrap(), server);
        drop(runtime.block_on(connection.call(Call::get("/end"), SOON, 1)));
        served.join().unwrap();
    }
}
