//! What a restart finds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::super::*;
use crate::compatibility::Compatibility;
use crate::config::GroupVersionKind;

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fleetgate-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> (Inventories, Vec<DamagedFile>) {
        Inventories::open(Compatibility::default(), Settings::default(), &self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pods() -> GroupVersionKind {
    GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() }
}

fn put(name: usize) -> Change {
    let filler = "something that stands in every object of the kind ".repeat(4);
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{name}","namespace":"a","resourceVersion":"{}"}},"filler":"{filler}{name}"}}"#,
        name + 10
    );
    Change::Put { kind: pods(), object: object.into() }
}

fn objects(inventories: &Inventories, cluster: &str) -> Vec<Vec<u8>> {
    let (snapshot, kind) = (inventories.pin(cluster), pods());
    snapshot.audit_objects([&kind]).map(Result::unwrap).collect()
}

#[test]
fn the_last_snapshot_serves_at_once_and_is_stale() {
    let scratch = Scratch::new("restart");
    let cluster = "arn:aws:eks:eu-1:cluster/Ä b";
    let (number, before) = {
        let (inventories, damaged) = scratch.open();
        assert_eq!(damaged, []);
        let shard = inventories.shard(cluster);
        shard.describe(ClusterFacts { uid: "u".to_owned(), ..ClusterFacts::default() });
        shard.write([Change::Begin { kind: pods() }]);
        let finish = Change::Finish { kind: pods(), resource_version: "5".to_owned(), at: SystemTime::now() };
        shard.write([finish].into_iter().chain((0..2_500).map(put)));
        let number = shard.snapshot().number();
        inventories.flush(cluster, number, Duration::from_secs(30)).unwrap();
        assert_eq!(inventories.durable(cluster), number);
        assert_eq!(
            Inventories::open(Compatibility::default(), Settings::default(), &scratch.0).unwrap_err().kind(),
            std::io::ErrorKind::ResourceBusy
        );
        // What was not waited for is written at an orderly end.
        let gone = Change::Delete {
            kind: pods(),
            namespace: "a".to_owned(),
            name: "p7".to_owned(),
            resource_version: "9000".to_owned(),
        };
        (shard.write([gone]).revision, objects(&inventories, cluster))
    };
    let (inventories, damaged) = scratch.open();
    assert_eq!(damaged, []);
    let after = objects(&inventories, cluster);
    assert_eq!((before.len(), after.len()), (2_499, 2_499));
    assert_eq!(before, after);
    let snapshot = inventories.pin(cluster);
    assert_eq!((snapshot.number(), snapshot.facts().uid.as_str(), snapshot.state()), (number, "u", State::Stale));
    let watermark = snapshot.watermark(&pods()).unwrap();
    assert_eq!((watermark.epoch, &*watermark.resource_version, watermark.observed_at.is_some()), (1, "9000", true));
    // A feed goes on from there; and a cluster that is removed leaves nothing.
    let shard = inventories.shard(cluster);
    shard.write([Change::State { kind: pods(), state: State::Synced, reason: String::new() }, put(9_990)]);
    assert_eq!(inventories.pin(cluster).state(), State::Synced);
    inventories.flush(cluster, shard.snapshot().number(), Duration::from_secs(30)).unwrap();
    inventories.remove(cluster);
    shard.write([put(9_999)]);
    drop((inventories, shard));
    assert_eq!(scratch.open().0.clusters().len(), 0);
}

#[test]
fn a_damaged_file_is_set_aside_and_named() {
    let scratch = Scratch::new("damaged");
    {
        let (inventories, _) = scratch.open();
        inventories.shard("good").write([Change::Begin { kind: pods() }]);
        inventories.shard("bad").write([Change::Begin { kind: pods() }]);
    }
    std::fs::write(scratch.0.join("bad.inventory"), "this is no store").unwrap();
    let (inventories, damaged) = scratch.open();
    assert_eq!(inventories.clusters().iter().map(|shard| shard.name().to_owned()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(damaged.iter().map(|file| file.path.clone()).collect::<Vec<_>>(), [scratch.0.join("bad.damaged")]);
}
