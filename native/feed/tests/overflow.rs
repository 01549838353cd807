//! A shard that is slower than its cluster: what waits is bounded, the view says that it misses something, and a list mends
//! it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use fleetgate_core::compatibility::Compatibility;
use fleetgate_core::inventory::{Change, Inventories, Kind, Shard, State};
use fleetgate_feed::{Credentials, Feeds, Gvk, Inventory, Trust, WatchPlan, Writer};

const OBJECTS: usize = 200;
const OBJECT_BYTES: usize = 1 << 20;
/// The queue holds 64 MiB, as does the batch that was taken out of it last; the rest is in the sockets' buffers.
const MOST_SENT: usize = 148 << 20;

/// A shard whose writer can be held up.
struct Gate {
    shard: Arc<Shard>,
    is_open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, is_open: bool) {
        *self.is_open.lock().unwrap() = is_open;
        self.changed.notify_all();
    }
}

impl Writer for Gate {
    fn write(&self, changes: Vec<Change>) -> Vec<(Gvk, String)> {
        drop(self.changed.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        Writer::write(&*self.shard, changes)
    }

    fn position(&self, kind: &Gvk) -> Option<String> {
        self.shard.position(kind)
    }

    fn known(&self) -> Vec<Gvk> {
        self.shard.known()
    }

    fn revision(&self) -> u64 {
        self.shard.revision()
    }

    fn durable(&self) -> u64 {
        self.shard.durable()
    }

    fn durable_positions(&self) -> BTreeMap<Gvk, String> {
        self.shard.durable_positions()
    }
}

struct Gated(Arc<Gate>);

impl Inventory for Gated {
    fn writer(&self, _: &str) -> Arc<dyn Writer> {
        Arc::clone(&self.0) as Arc<dyn Writer>
    }
}

/// An API server with ConfigMaps, of which there are none at first and then all at once.
struct Server {
    url: String,
    flooding: Mutex<bool>,
    begun: Condvar,
    /// Streaming lists of ConfigMaps.
    lists: AtomicUsize,
    /// Bytes of the longest stream.
    sent: AtomicUsize,
}

impl Server {
    fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            flooding: Mutex::default(),
            begun: Condvar::new(),
            lists: AtomicUsize::default(),
            sent: AtomicUsize::default(),
        });
        let serving = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = Arc::clone(&serving);
                // A client that goes ends its own request.
                std::thread::spawn(move || drop(server.answer(&stream.unwrap())));
            }
        });
        server
    }

    fn flood(&self) {
        *self.flooding.lock().unwrap() = true;
        self.begun.notify_all();
    }

    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let resource = |plural: &str, kind: &str, scope: &str| {
            format!(
                r#"{{"resource":"{plural}","responseKind":{{"group":"","version":"v1","kind":"{kind}"}},"scope":"{scope}",
                "verbs":["get","list","watch"]}}"#
            )
        };
        let groups = |items: &str| format!(r#"{{"kind":"APIGroupDiscoveryList","items":[{items}]}}"#);
        let (code, body) = match path.split('?').next().unwrap_or_default() {
            "/version" => ("200 OK", r#"{"gitVersion":"v1.36.3"}"#.to_owned()),
            "/api" => {
                let maps = resource("configmaps", "ConfigMap", "Namespaced");
                let namespaces = resource("namespaces", "Namespace", "Cluster");
                let version = format!(r#"{{"version":"v1","resources":[{maps},{namespaces}],"freshness":"Current"}}"#);
                ("200 OK", groups(&format!(r#"{{"metadata":{{"name":""}},"versions":[{version}]}}"#)))
            }
            "/apis" => ("200 OK", groups("")),
            "/api/v1/namespaces" => return self.watch(stream, "Namespace", false),
            "/api/v1/configmaps" => return self.watch(stream, "ConfigMap", true),
            _ => ("404 Not Found", r#"{"kind":"Status","code":404}"#.to_owned()),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {code}\r\ncontent-type: application/json\r\nconnection: close\r\n");
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())
    }

    /// A streaming list, and the flood where it is still to come.
    fn watch(&self, mut stream: &TcpStream, kind: &str, has_objects: bool) -> std::io::Result<()> {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
        let flooding = *self.flooding.lock().unwrap();
        if has_objects {
            self.lists.fetch_add(1, Ordering::SeqCst);
        }
        if has_objects && flooding {
            self.objects(stream, "ADDED")?;
        }
        let version = if flooding { OBJECTS + 1 } else { 1 };
        let metadata =
            format!(r#"{{"resourceVersion":"{version}","annotations":{{"k8s.io/initial-events-end":"true"}}}}"#);
        let object = format!(r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{metadata}}}"#);
        stream.write_all(format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n").as_bytes())?;
        if has_objects && !flooding {
            drop(self.begun.wait_while(self.flooding.lock().unwrap(), |flooding| !*flooding).unwrap());
            self.objects(stream, "MODIFIED")?;
        }
        // The watch stays open until the client goes.
        std::io::Read::read(&mut stream, &mut [0]).map(drop)
    }

    fn objects(&self, mut stream: &TcpStream, what: &str) -> std::io::Result<()> {
        let data = "x".repeat(OBJECT_BYTES);
        let mut sent = 0;
        for number in 0..OBJECTS {
            let metadata = format!(r#"{{"name":"m{number}","namespace":"n","resourceVersion":"{}"}}"#, number + 2);
            let object =
                format!(r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{metadata},"data":{{"x":"{data}"}}}}"#);
            stream.write_all(format!("{{\"type\":\"{what}\",\"object\":{object}}}\n").as_bytes())?;
            sent += OBJECT_BYTES;
            self.sent.fetch_max(sent, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came to pass: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_outruns_the_shard_is_bounded_said_and_listed_again() {
    let server = Server::start();
    let inventories = Inventories::new(Compatibility::default());
    let shard = inventories.shard("c");
    let gate = Arc::new(Gate { shard: Arc::clone(&shard), is_open: Mutex::new(true), changed: Condvar::new() });
    let feeds = Feeds::new(Arc::new(Gated(Arc::clone(&gate))), Trust::default(), 8).unwrap();
    let maps = Gvk { group: "".into(), version: "v1".into(), kind: "ConfigMap".into() };
    let kubeconfig = format!(
        r#"{{"apiVersion":"v1","kind":"Config","clusters":[{{"name":"c","cluster":{{"server":"{}"}}}}],
        "users":[{{"name":"u","user":{{}}}}],"contexts":[{{"name":"x","context":{{"cluster":"c","user":"u"}}}}],
        "current-context":"x"}}"#,
        server.url
    );
    feeds.connect("c", Credentials { kubeconfig, local: true }, true).unwrap();
    feeds.plan("c", WatchPlan { kinds: [maps.clone()].into(), ..WatchPlan::default() });
    let state = || shard.snapshot().kind(&maps).map(Kind::state);
    let told = || {
        let all = feeds.status();
        let kind = all.iter().flat_map(|cluster| &cluster.kinds).find(|kind| kind.kind == maps);
        kind.map(|kind| kind.last_error.clone()).unwrap_or_default()
    };
    eventually("the empty list is kept", || state() == Some(State::Synced));

    gate.set(false);
    server.flood();
    eventually("the watch ends", || told().contains("faster than they could be kept"));
    eventually("it lists again", || server.lists.load(Ordering::SeqCst) == 2);
    assert!(server.sent.load(Ordering::SeqCst) < MOST_SENT, "{}", server.sent.load(Ordering::SeqCst));

    gate.set(true);
    let count = || shard.snapshot().kind(&maps).map_or(0, Kind::len);
    eventually("nothing is missing", || state() == Some(State::Synced) && count() == OBJECTS);
    assert_eq!(server.lists.load(Ordering::SeqCst), 2);
}
