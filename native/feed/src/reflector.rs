//! One collection of one API server: list it, follow it, and never lose the thread.
//!
//! The same as client-go's reflector: a streaming list where the server can, pages where it cannot; then a watch from that
//! resourceVersion, opened again there whenever it ends; a new list only when the server no longer has the history (410).
//! kube-rs's watcher does the same, but tells neither a list's resourceVersion nor bookmarks, and cannot start at one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use fleetgate_core::background;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::backoff::{Backoff, jittered};
use crate::change::State;
use crate::dial::{Call, Connection, TOO_LARGE};
use crate::error::{CallError, Cause};
use crate::link::{LinkWatch, connected, moved};
use crate::scope::Scope;
use crate::wire::{self, Lines, Object, Page, WatchEvent};

/// The head of an answer.
const ANSWER: Duration = Duration::from_secs(15);
/// A page, or the next object of a streaming list.
const STALL: Duration = Duration::from_secs(30);
/// Bookmarks come about every minute; a watch that is silent for longer is opened again.
const QUIET: Duration = Duration::from_secs(150);
/// How long the server keeps a watch; client-go asks for 5 to 10 minutes.
const WATCH_SECONDS: std::ops::Range<u32> = 300..600;
const PAGE: u32 = 500;
const LARGEST_PAGE: usize = 128 << 20;
/// A watch that is busy or shorter than this is not opened again at once.
const SHORTEST_WATCH: Duration = Duration::from_secs(1);
/// After a probe's answer, how long the watch must be idle before it counts as having sent all that the probe saw. The
/// server answers a probe from the same cache that feeds its watches.
const SETTLED: Duration = Duration::from_millis(250);

/// Where a reflector's findings go. An overflow makes it list again.
pub(crate) trait Sink: Send + 'static {
    /// A complete list begins.
    fn begin(&mut self);
    /// An object of the list.
    fn listed(&mut self, object: Object) -> impl Future<Output = Result<(), Overflow>> + Send;
    /// The list is complete.
    fn finish(&mut self, resource_version: &str, at: SystemTime) -> impl Future<Output = ()> + Send;
    /// The list came to nothing.
    fn abort(&mut self);
    /// An object was added or modified.
    fn put(&mut self, object: Object) -> impl Future<Output = Result<(), Overflow>> + Send;
    /// An object was deleted.
    fn delete(&mut self, object: Object) -> impl Future<Output = Result<(), Overflow>> + Send;
    /// Everything up to here was told.
    fn observed(&mut self, resource_version: &str, at: SystemTime);
    /// How far what was told can be trusted from now on; the error is why.
    fn state(&mut self, state: State, why: Option<&CallError>) -> impl Future<Output = ()> + Send;
}

/// The sink cannot take more: what was told last is lost.
#[derive(Debug)]
pub(crate) struct Overflow;

/// What the reflectors of one cluster, or of all, share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// Lists at a time, over all clusters: a server that comes back is not asked for everything at once.
    pub(crate) lists: Arc<Semaphore>,
    /// The cluster has refused a streaming list: pages from then on.
    pub(crate) pages_only: Arc<AtomicBool>,
}

/// Follows one collection until it is dropped.
pub(crate) struct Reflector<S> {
    pub(crate) scope: Scope,
    pub(crate) link: LinkWatch,
    pub(crate) shared: Shared,
    /// How old the view may be at most.
    pub(crate) bound: watch::Receiver<Option<Duration>>,
    pub(crate) sink: S,
    /// The resourceVersion up to which the sink knows everything; none before the first list.
    pub(crate) position: Option<String>,
    /// Whether the sink was ever told a complete list. It keeps that one while the next is read.
    pub(crate) known: bool,
}

/// Why a list or a watch came to its end.
#[derive(Debug)]
enum End {
    /// It is to be opened again where it was: its time is over, or the link changed.
    Closed,
    /// The history is gone: list again.
    Expired(CallError),
    /// What the sink knows has a hole: list again.
    Overflow,
    Failed(CallError),
    /// The cluster's feed ends.
    Over,
}

impl From<CallError> for End {
    fn from(error: CallError) -> Self {
        if error.is_expired() { Self::Expired(error) } else { Self::Failed(error) }
    }
}

impl From<Overflow> for End {
    fn from(_: Overflow) -> Self {
        Self::Overflow
    }
}

/// An answered probe: what the collection was at, and when that was asked.
type Probed = (String, SystemTime);
type Probe = Pin<Box<dyn Future<Output = Result<Probed, CallError>> + Send>>;

impl<S: Sink> Reflector<S> {
    /// Runs until the cluster's feed ends.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            self.tell_silence().await;
            let Some((connection, round)) = connected(&mut self.link).await else { return };
            let began = Instant::now();
            let end = match self.position.clone() {
                None => self.list(&connection, round).await,
                Some(position) => self.watch(&connection, round, &position).await,
            };
            let lasted = began.elapsed();
            if lasted > Duration::from_secs(10) {
                backoff.reset();
            }
            let wait = match end {
                End::Over => return,
                End::Closed if lasted >= SHORTEST_WATCH => continue,
                End::Closed => jittered(Duration::from_millis(50)),
                End::Expired(error) => {
                    self.position = None;
                    self.fail(&error).await;
                    backoff.next(error.retry_after)
                }
                End::Overflow => {
                    self.position = None;
                    self.fail(&CallError::new(Cause::Other, "changes came faster than they could be kept")).await;
                    backoff.next(None)
                }
                End::Failed(error) => {
                    self.fail(&error).await;
                    backoff.next(error.retry_after)
                }
            };
            self.pause(wait, round).await;
        }
    }

    /// Waits; not for long if the link changes, because then what failed may work.
    async fn pause(&mut self, wait: Duration, round: u64) {
        if timeout(wait, moved(&mut self.link, round)).await.is_ok() {
            // All reflectors of the cluster come here together.
            sleep(Duration::from_millis(200).mul_f64(fastrand::f64())).await;
        }
    }

    async fn fail(&mut self, error: &CallError) {
        self.sink.state(if self.known { State::Stale } else { State::Pending }, Some(error)).await;
    }

    /// Tells the sink if the cluster does not answer.
    async fn tell_silence(&mut self) {
        let silence = self.link.borrow().silence.clone();
        if let Some(silence) = silence {
            self.fail(&silence).await;
        }
    }

    /// Lists, then follows.
    async fn list(&mut self, connection: &Arc<Connection>, round: u64) -> End {
        let Ok(permit) = Arc::clone(&self.shared.lists).acquire_owned().await else { return End::Over };
        if !self.known {
            self.sink.state(State::Listing, None).await;
        }
        let at = SystemTime::now();
        let lines = if self.shared.pages_only.load(Ordering::Relaxed) {
            None
        } else {
            match self.stream(connection).await {
                Ok(lines) => lines,
                Err(end) => return end,
            }
        };
        let Some(mut lines) = lines else {
            let listed = self.pages(connection, at).await;
            drop(permit);
            return match (listed, self.position.clone()) {
                (Ok(()), Some(position)) => self.watch(connection, round, &position).await,
                (Ok(()), None) => End::Closed,
                (Err(end), _) => end,
            };
        };
        self.sink.begin();
        match self.initial(&mut lines, round).await {
            Ok(resource_version) => {
                drop(permit);
                self.finish(resource_version, at).await;
                self.follow(connection, lines, round).await
            }
            Err(end) => {
                self.sink.abort();
                end
            }
        }
    }

    async fn finish(&mut self, resource_version: String, at: SystemTime) {
        self.sink.finish(&resource_version, at).await;
        self.position = Some(resource_version);
        self.known = true;
    }

    /// Opens a streaming list (KEP-3157). None where the server cannot: before 1.27, or with an etcd that is too old.
    async fn stream(&self, connection: &Connection) -> Result<Option<Lines>, End> {
        let parameters = [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")];
        match self.open(connection, &parameters).await {
            Ok(lines) => Ok(Some(lines)),
            Err(error) if matches!(error.code, 400 | 405 | 406 | 422 | 500 | 501) => {
                self.shared.pages_only.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the objects of a streaming list up to the bookmark that ends it; gives its resourceVersion.
    async fn initial(&mut self, lines: &mut Lines, round: u64) -> Result<String, End> {
        let what = self.what();
        loop {
            let line = {
                let next = timeout(STALL, lines.next(&what));
                let mut link = self.link.clone();
                tokio::select! {
                    line = next => line,
                    moved = moved(&mut link, round) => {
                        return Err(if moved { End::Closed } else { End::Over });
                    }
                }
            };
            let Ok(line) = line else {
                self.shared.pages_only.store(true, Ordering::Relaxed);
                return Err(End::Failed(CallError::timeout(&what, STALL)));
            };
            let Some(line) = line? else {
                let words = format!("{what}: the list was cut short");
                return Err(End::Failed(CallError::new(Cause::Unreachable, words)));
            };
            background::let_pass();
            match wire::event(&what, &line)? {
                WatchEvent::Put(object) => self.sink.listed(object).await?,
                WatchEvent::Deleted(object) => self.sink.delete(object).await?,
                WatchEvent::Bookmark { resource_version, initial_end: true } => return Ok(resource_version),
                WatchEvent::Bookmark { .. } => {}
                WatchEvent::Error(error) => {
                    if error.code >= 500 {
                        self.shared.pages_only.store(true, Ordering::Relaxed);
                    }
                    return Err(error.into());
                }
            }
        }
    }

    /// Lists page by page.
    async fn pages(&mut self, connection: &Connection, at: SystemTime) -> Result<(), End> {
        let mut next = String::new();
        let mut limit = PAGE;
        let mut begun = false;
        loop {
            let page = match self.page(connection, limit, &next).await {
                Ok(page) => page,
                Err(error) if error.reason == TOO_LARGE && limit > 1 => {
                    limit = (limit / 8).max(1);
                    continue;
                }
                Err(error) => {
                    if begun {
                        self.sink.abort();
                    }
                    return Err(error.into());
                }
            };
            if !begun {
                self.sink.begin();
                begun = true;
            }
            for object in page.objects {
                if let Err(overflow) = self.sink.listed(object).await {
                    self.sink.abort();
                    return Err(overflow.into());
                }
            }
            if page.next.is_empty() {
                self.finish(page.resource_version, at).await;
                return Ok(());
            }
            next = page.next;
        }
    }

    async fn page(&self, connection: &Connection, limit: u32, next: &str) -> Result<Page, CallError> {
        let limit = limit.to_string();
        let parameters = [("limit", limit.as_str()), ("continue", next)];
        let url = self.scope.url(parameters.get(..if next.is_empty() { 1 } else { 2 }).unwrap_or_default());
        page(connection, &self.scope, &url).await
    }

    /// Opens a watch where the sink's knowledge ends, and follows it.
    async fn watch(&mut self, connection: &Arc<Connection>, round: u64, position: &str) -> End {
        let lines = match self.open(connection, &[("resourceVersion", position)]).await {
            Ok(lines) => lines,
            Err(error) => return error.into(),
        };
        self.known = true;
        self.sink.state(State::Synced, None).await;
        self.follow(connection, lines, round).await
    }

    async fn open(&self, connection: &Connection, parameters: &[(&str, &str)]) -> Result<Lines, CallError> {
        let seconds = fastrand::u32(WATCH_SECONDS).to_string();
        let common = [("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", seconds.as_str())];
        let url = self.scope.url(&[&common, parameters].concat());
        let call = Call { accept: self.scope.accept(), ..Call::get(&url) };
        Ok(Lines::new(connection.send(call, ANSWER).await?.into_body()))
    }

    /// Follows a watch to its end.
    async fn follow(&mut self, connection: &Arc<Connection>, mut lines: Lines, round: u64) -> End {
        let what = self.what();
        let mut probe: Option<Probe> = None;
        let mut probed: Option<Probed> = None;
        let mut last_line = Instant::now();
        let mut last_probe = Instant::now();
        loop {
            let interval = self.bound.borrow_and_update().map(interval_of);
            let next_probe = interval.map(|interval| last_probe + interval);
            let settled = probed.as_ref().map(|_| last_line.max(last_probe) + SETTLED);
            tokio::select! {
                line = lines.next(&what) => {
                    last_line = Instant::now();
                    match self.take(&what, line).await {
                        Ok(()) => self.reached(&mut probed),
                        Err(end) => return end,
                    }
                }
                end = reopen(&mut self.link, round, &mut self.sink, self.known) => return end,
                answer = poll(&mut probe), if probe.is_some() => {
                    probe = None;
                    last_probe = Instant::now();
                    // One that fails proves nothing; the view's age says so.
                    probed = answer.ok();
                    self.reached(&mut probed);
                }
                () = until(settled), if settled.is_some() => {
                    // What has arrived meanwhile goes first.
                    tokio::select! {
                        biased;
                        line = lines.next(&what) => {
                            last_line = Instant::now();
                            if let Err(end) = self.take(&what, line).await {
                                return end;
                            }
                        }
                        () = std::future::ready(()) => {
                            if let Some((resource_version, at)) = probed.take() {
                                self.sink.observed(&resource_version, at);
                            }
                        }
                    }
                }
                () = until(next_probe), if next_probe.is_some() && probe.is_none() && probed.is_none() => {
                    last_probe = Instant::now();
                    probe = Some(self.probe(connection));
                }
                changed = self.bound.changed() => if changed.is_err() { return End::Over },
                () = sleep_until(last_line + QUIET) => return End::Closed,
            }
        }
    }

    /// Asks the collection what it is at, without reading it.
    fn probe(&self, connection: &Arc<Connection>) -> Probe {
        let (connection, scope) = (Arc::clone(connection), self.scope.clone());
        Box::pin(async move {
            let at = SystemTime::now();
            let url = scope.url(&[("limit", "1")]);
            Ok((page(&connection, &scope, &url).await?.resource_version, at))
        })
    }

    /// Whether the watch has told all that a probe saw; then the view was complete when that was asked.
    fn reached(&mut self, probed: &mut Option<Probed>) {
        let position = self.position.as_deref().unwrap_or_default();
        if let Some((_, at)) = probed.take_if(|(resource_version, _)| at_least(position, resource_version)) {
            let position = position.to_owned();
            self.sink.observed(&position, at);
        }
    }

    async fn take(&mut self, what: &str, line: Result<Option<bytes::Bytes>, CallError>) -> Result<(), End> {
        let Some(line) = line? else { return Err(End::Closed) };
        background::let_pass();
        let resource_version = match wire::event(what, &line)? {
            WatchEvent::Put(object) => {
                let resource_version = object.resource_version.clone();
                self.sink.put(object).await?;
                resource_version
            }
            WatchEvent::Deleted(object) => {
                let resource_version = object.resource_version.clone();
                self.sink.delete(object).await?;
                resource_version
            }
            WatchEvent::Bookmark { resource_version, .. } => {
                self.sink.observed(&resource_version, SystemTime::now());
                resource_version
            }
            WatchEvent::Error(error) => return Err(error.into()),
        };
        self.position = Some(resource_version);
        Ok(())
    }

    fn what(&self) -> String {
        format!("watching {}", self.scope.resource.path(self.scope.namespace.as_deref()))
    }
}

async fn page(connection: &Connection, scope: &Scope, url: &str) -> Result<Page, CallError> {
    let call = Call { accept: scope.accept(), ..Call::get(url) };
    let what = call.to_string();
    let body = connection.call(call, STALL, LARGEST_PAGE).await?;
    wire::page(&what, &body, &scope.resource.api_version(), &scope.resource.kind.kind)
}

/// Waits until streams are to be opened again; tells of silence meanwhile. It may be dropped and called again at any time:
/// sinks tell no news twice.
async fn reopen(link: &mut LinkWatch, round: u64, sink: &mut impl Sink, known: bool) -> End {
    loop {
        let now = link.borrow_and_update().clone();
        if now.round != round {
            return End::Closed;
        }
        if let Some(silence) = now.silence {
            let state = if known { State::Stale } else { State::Pending };
            sink.state(state, Some(&silence)).await;
        }
        if link.changed().await.is_err() {
            return End::Over;
        }
    }
}

/// How often a kind is probed whose view may be so old: its age is to be half of that when the watch has settled, so that one
/// probe may fail.
fn interval_of(bound: Duration) -> Duration {
    (bound / 2).saturating_sub(SETTLED).max(bound / 4)
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

async fn poll(probe: &mut Option<Probe>) -> Result<Probed, CallError> {
    match probe {
        Some(probe) => probe.await,
        None => std::future::pending().await,
    }
}

/// Resource versions of one collection compare as integers (KEP-5504).
fn at_least(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one >= other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_settled_when_half_of_the_bound_has_passed() {
        for (bound, interval) in [(10_000, 4750), (1000, 250), (400, 100)] {
            assert_eq!(interval_of(Duration::from_millis(bound)), Duration::from_millis(interval));
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        for (one, other, expected) in
            [("10", "9", true), ("9", "10", false), ("9", "9", true), ("x", "x", true), ("x", "9", false)]
        {
            assert_eq!(at_least(one, other), expected, "{one} {other}");
        }
    }
}
