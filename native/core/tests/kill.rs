//! Processes that are killed while they write snapshots: the files open again and hold one snapshot as a whole, at least
//! the last one that was acknowledged.
//!
//! This binary is both sides: it starts itself as the process to be killed. `FLEETGATE_KILLS` says how often (default 6).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use fleetgate_core::compatibility::Compatibility;
use fleetgate_core::config::GroupVersionKind;
use fleetgate_core::inventory::{Change, Inventories, Settings, State};

const DIRECTORY: &str = "FLEETGATE_KILL_DIRECTORY";
const CLUSTER: &str = "c";

/// Names that objects have: few, so that they are modified and deleted often.
const NAMES: u64 = 40;

/// Steps between two lists that take over.
const LIST_EVERY: u64 = 500;

/// A number that looks random and is the same for the same step.
fn mixed(step: u64) -> u64 {
    let mut mixed = step.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 29;
    mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32
}

fn kind() -> GroupVersionKind {
    GroupVersionKind { group: "".into(), version: "v1".into(), kind: "ConfigMap".into() }
}

fn object(name: u64, step: u64) -> String {
    let filler = "content ".repeat(usize::try_from(mixed(step) % 400).unwrap());
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m{name}","namespace":"a","resourceVersion":"{step}"}},"data":{{"filler":"{filler}"}}}}"#
    )
}

/// What happens in a step; its number is the resourceVersion.
fn change(step: u64) -> Change {
    let name = mixed(step) % NAMES;
    if mixed(step).is_multiple_of(3) {
        let (namespace, name, resource_version) = ("a".to_owned(), format!("m{name}"), step.to_string());
        Change::Delete { kind: kind(), namespace, name, resource_version }
    } else {
        Change::Put { kind: kind(), object: object(name, step).into() }
    }
}

/// What is there after a step: the step that wrote it, by name.
fn model(last: u64) -> BTreeMap<String, u64> {
    let mut there = BTreeMap::new();
    for step in 1..=last {
        let name = format!("m{}", mixed(step) % NAMES);
        if mixed(step).is_multiple_of(3) {
            there.remove(&name);
        } else {
            there.insert(name, step);
        }
    }
    there
}

fn open(directory: &Path) -> Inventories {
    let settings = Settings { write_behind: Duration::from_millis(3), ..Settings::default() };
    let (inventories, damaged) = Inventories::open(Compatibility::default(), settings, directory).unwrap();
    assert_eq!(damaged, []);
    inventories
}

/// The step up to which a directory is.
fn step_of(inventories: &Inventories) -> u64 {
    let snapshot = inventories.pin(CLUSTER);
    snapshot.watermark(&kind()).and_then(|watermark| watermark.resource_version.parse().ok()).unwrap_or_default()
}

/// The process that is killed: it goes on where the directory is, and says what is acknowledged.
fn write_for_ever(directory: &Path) {
    let inventories = open(directory);
    let shard = inventories.shard(CLUSTER);
    let mut step = step_of(&inventories);
    let mut out = std::io::stdout();
    if step == 0 {
        let finish = Change::Finish { kind: kind(), resource_version: "0".to_owned(), at: SystemTime::now() };
        shard.write([Change::Begin { kind: kind() }, finish]);
    }
    shard.write([Change::State { kind: kind(), state: State::Synced, reason: String::new() }]);
    loop {
        let batch = step + 1..=step + 1 + mixed(step) % 20;
        step = *batch.end();
        let written = shard.write(batch.map(change));
        assert_eq!(written.refused, []);
        if step % LIST_EVERY < 20 {
            let listed = model(step).into_iter().map(|(name, at)| {
                let name = name.trim_start_matches('m').parse().unwrap();
                Change::Listed { kind: kind(), object: object(name, at).into() }
            });
            let finish = Change::Finish { kind: kind(), resource_version: step.to_string(), at: SystemTime::now() };
            shard.write([Change::Begin { kind: kind() }].into_iter().chain(listed).chain([finish]));
        }
        if mixed(step).is_multiple_of(4) {
            inventories.flush(CLUSTER, shard.snapshot().number(), Duration::from_secs(30)).unwrap();
            writeln!(out, "acknowledged {step}").unwrap();
            out.flush().unwrap();
        }
    }
}

/// Starts the other side, kills it after some of its acknowledgements and a moment, and gives the last one.
fn run_and_kill(directory: &Path, round: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_process_leaves_a_whole_snapshot", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut note = |line: &str| {
        if let Some((_, step)) = line.split_once("acknowledged ") {
            last = step.parse().unwrap();
            return true;
        }
        false
    };
    let mut wanted = mixed(round) % 12;
    while wanted > 0 {
        let line = lines.next().unwrap_or_else(|| panic!("the process ended by itself in round {round}")).unwrap();
        wanted -= u64::from(note(&line));
    }
    std::thread::sleep(Duration::from_micros(mixed(round + 1_000) % 9_000));
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died.
    for line in lines.map_while(Result::ok) {
        note(&line);
    }
    last
}

#[test]
fn a_killed_process_leaves_a_whole_snapshot() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return write_for_ever(Path::new(&directory));
    }
    let kills = std::env::var("FLEETGATE_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let directory: PathBuf = std::env::temp_dir().join(format!("fleetgate-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    let mut acknowledged = 0;
    for round in 0..kills {
        acknowledged = run_and_kill(&directory, round).max(acknowledged);
        let inventories = open(&directory);
        let step = step_of(&inventories);
        assert!(step >= acknowledged, "round {round}: {step} is there, {acknowledged} was acknowledged");
        let (snapshot, kind) = (inventories.pin(CLUSTER), kind());
        let objects = snapshot.audit_objects([&kind]).map(|object| {
            let object: serde_json::Value = serde_json::from_slice(&object.unwrap()).unwrap();
            let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
            (text("name"), text("resourceVersion").parse().unwrap())
        });
        assert_eq!(objects.collect::<BTreeMap<String, u64>>(), model(step), "round {round}, step {step}");
        assert!(matches!(snapshot.state(), State::Stale | State::Pending));
    }
    assert!(acknowledged > 0);
    std::fs::remove_dir_all(&directory).unwrap();
}
