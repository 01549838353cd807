//! What a shard does with what a feed tells it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fleetgate_eval::InventoryReads;

use super::super::*;
use crate::config::{Excluder, GroupVersionKind};
use crate::template::SyncRequirements;

fn gvk(group: &str, version: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() }
}

fn pods() -> GroupVersionKind {
    gvk("", "v1", "Pod")
}

fn pod(name: &str, revision: u64) -> bytes::Bytes {
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"a","resourceVersion":"{revision}","managedFields":[1]}},"n":{revision}}}"#
    );
    text.into()
}

fn put(name: &str, revision: u64) -> Change {
    Change::Put { kind: pods(), object: pod(name, revision) }
}

fn listed(name: &str, revision: u64) -> Change {
    Change::Listed { kind: pods(), object: pod(name, revision) }
}

fn delete(name: &str, revision: u64) -> Change {
    let (namespace, name, resource_version) = ("a".to_owned(), name.to_owned(), revision.to_string());
    Change::Delete { kind: pods(), namespace, name, resource_version }
}

fn begin() -> Change {
    Change::Begin { kind: pods() }
}

fn finish(revision: u64) -> Change {
    Change::Finish { kind: pods(), resource_version: revision.to_string(), at: SystemTime::now() }
}

fn state(state: State) -> Change {
    Change::State { kind: pods(), state, reason: "why".to_owned() }
}

/// Name and `n` of each Pod, as audits see them.
fn there(shard: &Shard) -> Vec<(String, u64)> {
    let (snapshot, kind) = (shard.snapshot(), pods());
    let of_object = |json: Vec<u8>| {
        let object: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(object["metadata"]["managedFields"].is_null());
        (object["metadata"]["name"].as_str().unwrap().to_owned(), object["n"].as_u64().unwrap())
    };
    snapshot.audit_objects([&kind]).map(|object| of_object(object.unwrap())).collect()
}

fn names(shard: &Shard) -> String {
    there(shard).into_iter().map(|(name, n)| format!("{name}{n} ")).collect::<String>().trim_end().to_owned()
}

fn synced(changes: impl IntoIterator<Item = Change>) -> Arc<Shard> {
    let shard = Inventories::default().shard("c");
    let written = shard.write([begin()].into_iter().chain(changes).chain([finish(10)]));
    assert_eq!(written.refused, []);
    shard
}

fn watermark(shard: &Shard) -> (State, u64, String) {
    let snapshot = shard.snapshot();
    let watermark = snapshot.kind(&pods()).unwrap().watermark().clone();
    (watermark.state, watermark.epoch, watermark.resource_version.to_string())
}

#[test]
fn a_list_takes_over_as_a_whole() {
    let shard = synced([listed("x", 1), listed("y", 2)]);
    assert_eq!(watermark(&shard), (State::Synced, 1, "10".to_owned()));
    // Relisted: the old objects serve until the end, and what is not listed again is gone then.
    shard.write([begin(), listed("y", 2)]);
    assert_eq!((names(&shard).as_str(), watermark(&shard).0), ("x1 y2", State::Stale));
    shard.write([listed("z", 12), finish(20)]);
    assert_eq!((names(&shard).as_str(), watermark(&shard)), ("y2 z12", (State::Synced, 2, "20".to_owned())));
    // One that comes to nothing changes nothing.
    shard.write([begin(), listed("q", 30), Change::Abort { kind: pods() }]);
    assert_eq!(names(&shard), "y2 z12");
    let refused = shard.write([listed("q", 30), finish(30)]).refused;
    assert_eq!(refused.iter().map(|unfit| unfit.message.as_str()).collect::<Vec<_>>(), ["no list has begun"; 2]);
}

#[test]
fn events_during_a_list_count_for_both() {
    let shard = synced([listed("x", 1)]);
    shard.write([begin(), put("new", 21), put("x", 22), listed("x", 1), delete("gone", 23), listed("gone", 5)]);
    assert_eq!(names(&shard), "new21 x22");
    // The list itself is older than the events that came while it was read.
    shard.write([finish(20)]);
    assert_eq!((names(&shard).as_str(), watermark(&shard).2.as_str()), ("new21 x22", "23"));
}

#[test]
fn nothing_is_complete_up_to_what_comes_during_a_list() {
    // What was there from 10 to 500 is in the list alone: who stops now goes on at 10.
    let shard = synced([listed("x", 1)]);
    let observed = Change::Observed { kind: pods(), resource_version: "501".to_owned(), at: SystemTime::now() };
    shard.write([put("y", 11), begin(), put("z", 400), delete("x", 500), observed]);
    assert_eq!(names(&shard), "y11 z400");
    assert_eq!(watermark(&shard), (State::Stale, 1, "11".to_owned()));
    shard.write([Change::Abort { kind: pods() }]);
    assert_eq!(watermark(&shard).2, "11");
    shard.write([begin(), put("z", 502), finish(450)]);
    assert_eq!(watermark(&shard), (State::Synced, 2, "502".to_owned()));
}

#[test]
fn what_comes_late_or_twice_does_no_harm() {
    let shard = synced([]);
    shard.write([put("x", 12), put("y", 11)]);
    assert_eq!(watermark(&shard).2, "12");
    shard.write([put("x", 11), delete("y", 9)]);
    assert_eq!(names(&shard), "x12 y11");
    shard.write([delete("y", 15), put("y", 14)]);
    assert_eq!((names(&shard).as_str(), watermark(&shard).2.as_str()), ("x12", "15"));
    shard.write([put("y", 16)]);
    assert_eq!(names(&shard), "x12 y16");
}

#[test]
fn watermarks_go_forward_only_within_an_epoch() {
    let shard = synced([]);
    let (early, late) = (SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(60));
    let observed = |revision: &str, at| Change::Observed { kind: pods(), resource_version: revision.to_owned(), at };
    shard.write([observed("5", early)]);
    assert_eq!(watermark(&shard).2, "10");
    shard.write([observed("50", late), observed("40", early)]);
    let snapshot = shard.snapshot();
    assert_eq!(snapshot.watermark(&pods()).unwrap().observed_at, Some(late));
    assert_eq!(watermark(&shard).2, "50");
    // A restored etcd counts anew, and a list says so.
    shard.write([begin(), finish(3)]);
    assert_eq!(watermark(&shard), (State::Synced, 2, "3".to_owned()));
}

#[test]
fn what_was_never_listed_is_unknown() {
    let shard = Inventories::default().shard("c");
    assert_eq!((shard.snapshot().state(), shard.snapshot().age()), (State::Pending, None));
    shard.write([put("x", 1)]);
    assert_eq!(watermark(&shard), (State::Pending, 0, String::new()));
    for never in [State::Synced, State::Stale] {
        assert_eq!(shard.write([state(never)]).refused.len(), 1);
    }
    shard.write([begin()]);
    assert_eq!((watermark(&shard).0, shard.snapshot().age()), (State::Listing, None));
    shard.write([finish(4), state(State::Stale)]);
    assert_eq!(shard.snapshot().kind(&pods()).unwrap().reason(), "why");
    assert!(shard.snapshot().age().is_some());
}

#[test]
fn secrets_are_refused_whatever_asks() {
    let shard = Inventories::default().shard("c");
    let kind = gvk("", "v1", "Secret");
    let object: bytes::Bytes = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"a"}}"#.into();
    let as_pod = Change::Put { kind: pods(), object: object.clone() };
    let written = shard.write([
        Change::Begin { kind: kind.clone() },
        Change::Listed { kind: kind.clone(), object: object.clone() },
        Change::Put { kind, object },
        as_pod,
    ]);
    assert_eq!(written.refused.len(), 4);
    assert_eq!(shard.snapshot().kinds().map(|known| known.len()).sum::<usize>(), 0);
    let other = gvk("example.org", "v1", "Secret");
    let object = r#"{"apiVersion":"example.org/v1","kind":"Secret","metadata":{"name":"s"}}"#.into();
    assert_eq!(shard.write([Change::Put { kind: other, object }]).refused, []);
}

#[test]
fn what_cannot_be_kept_is_named_and_the_rest_counts() {
    let shard = synced([]);
    let bad = |text: &'static str| Change::Put { kind: pods(), object: text.into() };
    let written = shard.write([
        bad("["),
        bad(r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#),
        bad(r#"{"apiVersion":"v1","kind":"Pod"}"#),
        // As an item of a list.
        bad(r#"{"metadata":{"name":"item","namespace":"a","resourceVersion":"11"},"n":11}"#),
    ]);
    assert_eq!(written.refused.iter().map(|unfit| unfit.index).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(names(&shard), "item11");
}

#[test]
fn a_pinned_snapshot_stays_and_numbers_count() {
    let inventories = Inventories::default();
    let shard = inventories.shard("c");
    let first = shard.write([begin(), listed("x", 1), finish(1)]).revision;
    let pinned = inventories.pin("c");
    assert_eq!(shard.write([put("x", 2)]).revision, first + 1);
    // Nothing changed, so nothing is published.
    assert_eq!(shard.write([]).revision, first + 1);
    assert_eq!(pinned.number(), first);
    assert_eq!(inventories.at("c", first).unwrap().number(), first);
    assert!(inventories.wait("c", first + 1, Instant::now()));
    assert!(!inventories.wait("c", first + 2, Instant::now() + Duration::from_millis(5)));
    let later = std::thread::scope(|scope| {
        let waits = scope.spawn(|| inventories.wait("c", first + 2, Instant::now() + Duration::from_secs(30)));
        shard.write([put("x", 3)]);
        waits.join().unwrap()
    });
    assert!(later);
    inventories.remove("c");
    assert_eq!((inventories.pin("c").number(), inventories.clusters().len()), (0, 0));
}

/// Enough objects for a dictionary, and then objects of another form, for which it is trained anew.
#[test]
fn dictionaries_come_and_go_and_everything_can_be_read() {
    let shard = synced([]);
    let text = |name: usize, form: &str| -> bytes::Bytes {
        let filler: String = (0..40).map(|n| format!(r#","{form}{n}":"{form} value number {n} of {name}""#)).collect();
        format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{name}","namespace":"a","resourceVersion":"{}"}},"n":{name}{filler}}}"#, name + 100).into()
    };
    let of = |range: std::ops::Range<usize>, form: &'static str| {
        let kind = pods();
        range.map(move |name| Change::Put { kind: kind.clone(), object: text(name, form) })
    };
    shard.write(of(0..1_100, "first"));
    let share = |shard: &Shard| {
        let snapshot = shard.snapshot();
        let known = snapshot.kind(&pods()).unwrap();
        known.json_bytes() / known.stored_bytes()
    };
    assert!(share(&shard) >= 8, "{}", share(&shard));
    shard.write(of(1_100..4_100, "second form altogether "));
    assert!(share(&shard) >= 5, "{}", share(&shard));
    let found = there(&shard);
    assert_eq!(found.iter().map(|(_, n)| n).collect::<BTreeSet<_>>().len(), 4_100);
}

fn view(shard: &Shard, generation: u64, reads: &Arc<InventoryReads>, kinds: &[GroupVersionKind]) -> String {
    let kinds: BTreeSet<GroupVersionKind> = kinds.iter().cloned().collect();
    let shown = Shown { generation, synced: &kinds, excluder: &Excluder::default() };
    crate::json::to_vec(&shard.snapshot().data(reads, &shown).unwrap()).iter().map(|byte| char::from(*byte)).collect()
}

#[test]
fn views_show_synced_kinds_and_follow_what_changes() {
    let shard = synced([listed("x", 1)]);
    let everything = Arc::new(InventoryReads::everything());
    let nothing = Arc::new(InventoryReads::default());
    let x = |revision: u64| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"x","namespace":"a","resourceVersion":"{revision}"}},"n":{revision}}}"#
        )
    };
    let all = |pods: &str| format!(r#"{{"inventory":{{"namespace":{{"a":{{"v1":{{"Pod":{{{pods}}}}}}}}}}}}}"#);
    assert_eq!(view(&shard, 1, &everything, &[pods()]), all(&format!(r#""x":{}"#, x(1))));
    // A program that cannot read them cannot tell, as long as the keys are there.
    assert_eq!(view(&shard, 1, &nothing, &[pods()]), all(""));
    assert_eq!(view(&shard, 2, &everything, &[]), r#"{"inventory":{}}"#);
    let pinned = shard.snapshot();
    shard.write([put("x", 12), put("w", 13)]);
    let w = x(13).replace(r#""x""#, r#""w""#);
    assert_eq!(view(&shard, 1, &everything, &[pods()]), all(&format!(r#""w":{w},"x":{}"#, x(12))));
    // Who pinned an earlier snapshot still sees that one.
    let kinds = [pods()].into();
    let shown = Shown { generation: 1, synced: &kinds, excluder: &Excluder::default() };
    let before = String::from_utf8(crate::json::to_vec(&pinned.data(&everything, &shown).unwrap())).unwrap();
    assert_eq!(before, all(&format!(r#""x":{}"#, x(1))));
    shard.write([delete("x", 20), delete("w", 21)]);
    assert_eq!(view(&shard, 1, &everything, &[pods()]), all(""));
    shard.write([Change::Forget { kind: pods() }]);
    assert_eq!(view(&shard, 1, &everything, &[pods()]), r#"{"inventory":{}}"#);
}

#[test]
fn a_view_that_takes_too_much_is_refused_until_it_takes_less() {
    let settings = Settings { view_bytes: 20_000, ..Settings::default() };
    let shard = Inventories::with_settings(crate::compatibility::Compatibility::default(), settings).shard("c");
    shard.write([begin(), finish(1)]);
    let everything = Arc::new(InventoryReads::everything());
    let kinds = [pods()].into();
    let shown = Shown { generation: 1, synced: &kinds, excluder: &Excluder::default() };
    let fits = || shard.snapshot().data(&everything, &shown);
    shard.write((0..10).map(|n| put(&format!("p{n}"), n + 10)));
    assert!(fits().is_ok());
    shard.write((10..500).map(|n| put(&format!("p{n}"), n + 10)));
    assert_eq!(fits(), Err(ViewTooLarge::Bytes { limit: 20_000 }));
    assert!(shard.snapshot().data(&Arc::default(), &shown).is_ok());
    shard.write((10..500).map(|n| delete(&format!("p{n}"), n + 1_000)));
    assert!(fits().is_ok());
}

/// Policies that exclude nothing.
struct Nothing(Excluder);

impl Excluders for Nothing {
    fn shows(&self) -> u64 {
        0
    }

    fn sync_excluder(&self, _: &str) -> &Excluder {
        &self.0
    }
}

#[test]
fn the_fleet_shows_declared_kinds_of_one_cluster_set() {
    let inventories = Inventories::default();
    let declared: Arc<BTreeSet<GroupVersionKind>> = Arc::new([pods()].into());
    for (name, set) in [("one", "s"), ("two", "s"), ("other", "t")] {
        let labels = [("region".to_owned(), name.to_owned())].into();
        let facts = ClusterFacts { cluster_set: set.to_owned(), labels, ..ClusterFacts::default() };
        inventories.shard(name).describe(facts);
    }
    inventories.shard("one").write([begin(), listed("x", 1), finish(1)]);
    let node = gvk("", "v1", "Node");
    let object = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#.into();
    inventories.shard("one").write([Change::Put { kind: node, object }]);
    let requirements = SyncRequirements(vec![(*declared).clone()]);
    let everything = Arc::new(InventoryReads::everything());
    let seen_from = |cluster: &str, own_only: bool| {
        let pinned = inventories.pin_fleet(cluster, &inventories.pin(cluster), SystemTime::now());
        let look = Look { reads: &everything, declared: &declared, requirements: &requirements, shows: 0 };
        pinned.value(&pinned.view(look, own_only), look, cluster, &Nothing(Excluder::default())).unwrap()
    };
    let fleet = seen_from("one", false);
    let text = String::from_utf8(crate::json::to_vec(&fleet)).unwrap();
    let fleet: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(fleet["clusters"].as_object().unwrap().keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(fleet["clusters"]["two"], serde_json::json!({"labels": {"region": "two"}, "state": "PENDING"}));
    let one = &fleet["clusters"]["one"];
    assert_eq!((&one["state"], one["cluster"].is_null()), (&serde_json::json!("SYNCED"), true));
    assert!(one["age"].as_f64().is_some_and(|age| age < 60.0));
    assert_eq!(one["namespace"]["a"]["v1"]["Pod"]["x"]["n"], 1);
    let alone = String::from_utf8(crate::json::to_vec(&seen_from("two", true))).unwrap();
    assert!(!alone.contains(r#""one""#));
}

#[test]
fn a_fleet_of_which_nothing_that_is_seen_changed_is_the_same_document() {
    let inventories = Inventories::default();
    let declared: Arc<BTreeSet<GroupVersionKind>> = Arc::new([pods()].into());
    let described = |name: &str, region: &str| {
        let labels = [("region".to_owned(), region.to_owned())].into();
        inventories.shard(name).describe(ClusterFacts {
            cluster_set: "s".to_owned(),
            labels,
            ..ClusterFacts::default()
        });
    };
    for name in ["one", "two"] {
        described(name, name);
        inventories.shard(name).write([begin(), listed("x", 1), finish(1)]);
    }
    let requirements = SyncRequirements(vec![(*declared).clone()]);
    let names = Arc::new(InventoryReads::default());
    let seen = || {
        let pinned = inventories.pin_fleet("one", &inventories.pin("one"), SystemTime::now());
        let look = Look { reads: &names, declared: &declared, requirements: &requirements, shows: 0 };
        let view = pinned.view(look, false);
        pinned.value(&view, look, "one", &Nothing(Excluder::default())).unwrap()
    };
    let mut last = seen();
    let mut changed = |is_other: bool, what: &str| {
        let now = seen();
        assert_eq!(!now.is_same(&last), is_other, "{what}");
        assert_eq!(now != last, is_other, "{what}");
        last = now;
    };
    changed(false, "nothing");
    let node = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}"#.into();
    inventories.shard("two").write([Change::Put { kind: gvk("", "v1", "Node"), object: node }]);
    changed(false, "a kind that is not declared");
    let bookmark = Change::Observed { kind: pods(), resource_version: "7".into(), at: SystemTime::now() };
    inventories.shard("two").write([bookmark]);
    changed(false, "a bookmark");
    inventories.shard("two").write([put("y", 8)]);
    changed(true, "an object");
    described("two", "elsewhere");
    changed(true, "a label");
    inventories.shard("two").write([Change::State { kind: pods(), state: State::Stale, reason: String::new() }]);
    changed(true, "its state");
    inventories.shard("two").write([begin()]);
    changed(false, "a list that has begun");
    inventories.shard("two").write([listed("x", 9), finish(9)]);
    changed(true, "an object that is gone, and its state");
    inventories.remove("two");
    changed(true, "a cluster that is gone");
    described("two", "elsewhere");
    inventories.shard("two").write([begin(), listed("z", 1), finish(1)]);
    changed(true, "a cluster that came back");
}
