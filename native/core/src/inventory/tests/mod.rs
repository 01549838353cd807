#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod restart;
mod shard;
mod trees;

use std::collections::BTreeSet;
use std::sync::Arc;

use fleetgate_eval::InventoryReads;
use fleetgate_value::Value;

use super::*;
use crate::compatibility::Compatibility;
use crate::config::Excluder;
use crate::json;

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a"}}"#;
const INGRESS: &str =
    r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i","namespace":"a"}}"#;
const NAMESPACE: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","labels":{"x":"y"}}}"#;

pub(crate) fn data_of(snapshot: &Snapshot) -> Value {
    let shown = Shown { generation: 1, synced: &BTreeSet::new(), excluder: &Excluder::default() };
    snapshot.data(&Arc::new(InventoryReads::everything()), &shown).unwrap()
}

fn text_of(snapshot: &Snapshot) -> String {
    String::from_utf8(json::to_vec(&data_of(snapshot))).unwrap()
}

fn replace(inventories: &Inventories, objects: &[&str]) -> Result<u64, Unfit> {
    inventories.replace("c", objects.iter().map(|object| object.as_bytes()))
}

#[test]
fn objects_stand_under_their_group_version() {
    let inventories = Inventories::default();
    replace(&inventories, &[POD, INGRESS, NAMESPACE]).unwrap();
    let expected = format!(
        concat!(
            r#"{{"inventory":{{"cluster":{{"v1":{{"Namespace":{{"a":{}}}}}}},"#,
            r#""namespace":{{"a":{{"networking.k8s.io/v1":{{"Ingress":{{"i":{}}}}},"v1":{{"Pod":{{"p":{}}}}}}}}}}}}}"#
        ),
        NAMESPACE, INGRESS, POD
    );
    let snapshot = inventories.pin("c");
    assert_eq!(data_of(&snapshot), crate::json::of_text(&expected));
    assert_eq!(snapshot.namespace("a"), Some(crate::json::of_text(NAMESPACE)));
    assert_eq!(snapshot.namespace("b"), None);
}

fn with(switch: &str, value: &str) -> Inventories {
    let mut compatibility = Compatibility::default();
    compatibility.set(switch, value).unwrap();
    Inventories::new(compatibility)
}

#[test]
fn parents_of_what_is_gone_stay() {
    let inventories = with("inventory_empty_parents", "keep");
    replace(&inventories, &[POD, INGRESS, NAMESPACE]).unwrap();
    replace(&inventories, &[POD]).unwrap();
    let expected = format!(
        concat!(
            r#"{{"inventory":{{"cluster":{{"v1":{{"Namespace":{{}}}}}},"#,
            r#""namespace":{{"a":{{"networking.k8s.io/v1":{{"Ingress":{{}}}},"v1":{{"Pod":{{"p":{}}}}}}}}}}}}}"#
        ),
        POD
    );
    assert_eq!(data_of(&inventories.pin("c")), crate::json::of_text(&expected));
    replace(&inventories, &[]).unwrap();
    assert_eq!(text_of(&inventories.pin("c")), expected.replace(&format!(r#""p":{POD}"#), ""));
}

#[test]
fn parents_of_what_is_gone_go_on_request() {
    let inventories = with("inventory_empty_parents", "prune");
    replace(&inventories, &[POD, INGRESS, NAMESPACE]).unwrap();
    replace(&inventories, &[]).unwrap();
    assert_eq!(text_of(&inventories.pin("c")), r#"{"inventory":{}}"#);
}

#[test]
fn terminating_objects_are_absent_unless_asked_for() {
    let terminating = NAMESPACE.replace(r#""name""#, r#""deletionTimestamp":"2024-01-01T00:00:00Z","name""#);
    let alive = NAMESPACE.replace(r#""name""#, r#""deletionTimestamp":null,"name""#);
    for (value, object, there) in
        [("absent", &terminating, false), ("absent", &alive, true), ("present", &terminating, true)]
    {
        let inventories = with("terminating_objects", value);
        replace(&inventories, &[object]).unwrap();
        assert_eq!(inventories.pin("c").namespace("a").is_some(), there, "{value} {object}");
    }
    let versionless = r#"{"kind":"Pod","metadata":{"deletionTimestamp":"x"}}"#;
    assert!(replace(&Inventories::default(), &[versionless]).is_err());
}

#[test]
fn a_snapshot_is_numbered_and_replaced_as_a_whole() {
    let inventories = Inventories::default();
    let before = inventories.pin("c");
    assert_eq!((before.number(), before.age()), (0, None));
    assert_eq!(text_of(&before), r#"{"inventory":{}}"#);
    assert_eq!(replace(&inventories, &[POD]), Ok(1));
    let pinned = inventories.pin("c");
    assert_eq!(replace(&inventories, &[]), Ok(2));
    assert_eq!(pinned.number(), 1);
    assert!(pinned.age().is_some());
    assert!(text_of(&pinned).contains("Pod"));
    assert!(!text_of(&inventories.pin("c")).contains(r#""p""#));
    assert_eq!(inventories.pin("other").number(), 0);
}

#[test]
fn an_unfit_object_leaves_the_inventory_as_it_was() {
    let inventories = Inventories::default();
    replace(&inventories, &[POD]).unwrap();
    for (object, message) in [
        ("[", "unexpected end of JSON at byte 1"),
        ("[]", "the object has no kind"),
        (r#"{"apiVersion":"v1","metadata":{"name":"p"}}"#, "the object has no kind"),
        (r#"{"kind":"Pod","metadata":{"name":"p"}}"#, "the object has no version"),
    ] {
        let expected = Unfit { index: 1, message: message.to_owned() };
        assert_eq!(replace(&inventories, &[NAMESPACE, object]), Err(expected));
    }
    assert_eq!(inventories.pin("c").number(), 1);
}
