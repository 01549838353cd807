//! Snapshots on disk, written behind.
//!
//! Each cluster has a file of an embedded store with checksums (redb). A thread of its own writes what changed between the
//! snapshot that the file holds and the current one, in one transaction: so a file holds one snapshot as a whole at any
//! moment, whenever the process ends. What a restart finds is served at once and is stale until a feed has caught up.

mod file;
mod names;
mod records;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Shared, Snapshot};
use file::File;

/// A file that could not be taken up again. It was moved aside; its cluster starts with nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

/// Writes snapshots behind.
#[derive(Debug)]
pub(super) struct Persister {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// What the writing thread and the others share.
#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    /// There is something to write, or to end.
    wanted: Condvar,
    /// Something was written, or could not be.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The snapshot to write of each cluster; none where its file goes.
    pending: BTreeMap<Arc<str>, Option<Arc<Snapshot>>>,
    /// The snapshot that each file holds.
    durable: BTreeMap<Arc<str>, Arc<Snapshot>>,
    /// Why the last attempt to write a cluster failed.
    problems: BTreeMap<Arc<str>, String>,
    /// Somebody waits.
    is_urgent: bool,
    ends: bool,
}

/// A snapshot could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// Inventories are kept in memory alone.
    #[error("there is no state directory")]
    NoDirectory,
    /// The disk refuses, or takes too long.
    #[error("the snapshot was not written: {0}")]
    NotWritten(String),
}

impl Persister {
    /// Reads what a directory holds, and writes to it from now on, at most so long after a change.
    pub(super) fn open(
        directory: &Path,
        shared: &Shared,
        behind: Duration,
    ) -> io::Result<(Self, Vec<Snapshot>, Vec<DamagedFile>)> {
        std::fs::create_dir_all(directory)?;
        let (mut files, mut durable) = (BTreeMap::new(), BTreeMap::new());
        let (mut snapshots, mut damaged) = (Vec::new(), Vec::new());
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        for unfinished in paths.iter().filter(|path| names::is_unfinished(path)) {
            std::fs::remove_file(unfinished)?;
        }
        paths.retain(|path| names::is_file(path));
        paths.sort();
        for path in paths {
            match File::load(&path, shared) {
                Ok((file, snapshot)) => {
                    durable.insert(snapshot.cluster().clone(), Arc::new(snapshot.clone()));
                    files.insert(snapshot.cluster().clone(), file);
                    snapshots.push(snapshot);
                }
                Err(file::LoadError::InUse) => {
                    return Err(io::Error::new(
                        io::ErrorKind::ResourceBusy,
                        format!("{}: another process has it", path.display()),
                    ));
                }
                Err(file::LoadError::Damaged(message)) => {
                    damaged.push(DamagedFile { path: names::set_aside(&path)?, message })
                }
            }
        }
        let desk = Arc::new(Desk::default());
        desk.lock().durable = durable;
        let clerk = Clerk { desk: desk.clone(), directory: directory.to_owned(), files, behind };
        let thread = std::thread::Builder::new().name("inventory".to_owned()).spawn(move || clerk.run())?;
        Ok((Self { desk, thread: Some(thread) }, snapshots, damaged))
    }

    /// The snapshot is to be written.
    pub(super) fn published(&self, snapshot: &Arc<Snapshot>) {
        self.desk.lock().pending.insert(snapshot.cluster().clone(), Some(snapshot.clone()));
        self.desk.wanted.notify_one();
    }

    /// The cluster's file goes.
    pub(super) fn removed(&self, cluster: &str) {
        self.desk.lock().pending.insert(cluster.into(), None);
        self.desk.wanted.notify_one();
    }

    /// The snapshot that survives whatever happens now.
    pub(super) fn durable(&self, cluster: &str) -> Option<Arc<Snapshot>> {
        self.desk.lock().durable.get(cluster).cloned()
    }

    /// Waits until a snapshot or a later one is written.
    pub(super) fn flush(&self, cluster: &str, number: u64, within: Duration) -> Result<(), FlushError> {
        let end = Instant::now() + within;
        let mut state = self.desk.lock();
        loop {
            if state.durable.get(cluster).is_some_and(|durable| durable.number() >= number) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let problem = state.problems.get(cluster).cloned();
                return Err(FlushError::NotWritten(
                    problem.unwrap_or_else(|| format!("it took longer than {within:?}")),
                ));
            }
            state.is_urgent = true;
            self.desk.wanted.notify_one();
            state = self.desk.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Persister {
    /// What is pending is written before the process goes on.
    fn drop(&mut self) {
        self.desk.lock().ends = true;
        self.desk.wanted.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by its own thread, and nothing is to be done for it here.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that writes.
struct Clerk {
    desk: Arc<Desk>,
    directory: PathBuf,
    files: BTreeMap<Arc<str>, File>,
    behind: Duration,
}

impl Clerk {
    fn run(mut self) {
        let mut last = Instant::now();
        while let Some(work) = self.next(last) {
            last = Instant::now();
            for (cluster, snapshot) in work {
                let written = match &snapshot {
                    Some(snapshot) => self.write(&cluster, snapshot).map(|()| Some(snapshot.clone())),
                    None => self.remove(&cluster).map(|()| None),
                };
                self.report(cluster, snapshot, written);
            }
            self.desk.done.notify_all();
        }
    }

    /// Waits for work: for as long as it may be behind, or until somebody waits for it. None at the end.
    fn next(&self, last: Instant) -> Option<BTreeMap<Arc<str>, Option<Arc<Snapshot>>>> {
        let mut state = self.desk.lock();
        loop {
            let rest = (last + self.behind).saturating_duration_since(Instant::now());
            let is_due = state.is_urgent || state.ends || rest.is_zero();
            if is_due && !state.pending.is_empty() {
                state.is_urgent = false;
                return Some(std::mem::take(&mut state.pending));
            }
            if state.ends {
                return None;
            }
            if state.pending.is_empty() {
                state.is_urgent = false;
                state = self.desk.wanted.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                state = self.desk.wanted.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    fn write(&mut self, cluster: &Arc<str>, snapshot: &Arc<Snapshot>) -> Result<(), String> {
        let mut file = match self.files.remove(cluster) {
            Some(file) => file,
            None => File::open_or_create(&names::path_of(&self.directory, cluster))?,
        };
        // A file whose transaction failed is opened anew next time, to see what it holds.
        file.write(snapshot)?;
        self.files.insert(cluster.clone(), file);
        Ok(())
    }

    fn remove(&mut self, cluster: &Arc<str>) -> Result<(), String> {
        drop(self.files.remove(cluster));
        match std::fs::remove_file(names::path_of(&self.directory, cluster)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// What failed is tried again with the next turn, unless there is something newer by then.
    fn report(&self, cluster: Arc<str>, tried: Option<Arc<Snapshot>>, written: Result<Option<Arc<Snapshot>>, String>) {
        let mut state = self.desk.lock();
        match written {
            Ok(held) => {
                state.problems.remove(&cluster);
                match held {
                    Some(snapshot) => state.durable.insert(cluster, snapshot),
                    None => state.durable.remove(&cluster),
                };
            }
            Err(problem) => {
                state.problems.insert(cluster.clone(), problem);
                if !state.ends {
                    state.pending.entry(cluster).or_insert(tried);
                }
            }
        }
    }
}
