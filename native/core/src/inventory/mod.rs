//! What Rego sees as `data.inventory`: the cached objects of one cluster.
//!
//! A cluster's inventory is published as a whole: a [`Snapshot`] is immutable and numbered, a decision pins one and names
//! it in its answer. Objects are kept as Gatekeeper keeps them, under their whole groupVersion as one key:
//! `cluster[groupVersion][kind][name]` and `namespace[namespace][groupVersion][kind][name]`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fleetgate_value::Value;

use crate::compatibility::{Compatibility, EmptyParents, Presence};
use crate::json::{self, KeyCache};
use crate::matching::Facts;

/// An immutable inventory of one cluster.
#[derive(Debug, Clone)]
pub struct Snapshot {
    number: u64,
    made: Option<Instant>,
    /// `{"inventory": {...}}`: the data document of a program.
    data: Value,
}

impl Snapshot {
    /// The inventory of a cluster of which nothing is cached: `{}`, as when Gatekeeper starts.
    pub fn empty() -> Self {
        Self { number: 0, made: None, data: data_of(Value::empty_object()) }
    }

    /// Counts up by one for each snapshot of its cluster; 0 where nothing is cached.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// How long ago it was made; none where nothing is cached.
    pub fn age(&self) -> Option<Duration> {
        self.made.map(|made| made.elapsed())
    }

    /// The data document of a program.
    pub const fn data(&self) -> &Value {
        &self.data
    }

    /// The cached Namespace of a name.
    pub fn namespace(&self, name: &str) -> Option<&Value> {
        let mut at = &self.data;
        for key in ["inventory", "cluster", "v1", "Namespace", name] {
            let Value::Object(fields) = at else { return None };
            at = fields.get(&Value::from(key))?;
        }
        Some(at)
    }
}

/// An object that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Its index in the list that was given.
    pub index: usize,
    /// What is wrong with it.
    pub message: String,
}

/// The inventories of all clusters.
#[derive(Debug, Default)]
pub struct Inventories {
    compatibility: Compatibility,
    clusters: RwLock<HashMap<Box<str>, Arc<Snapshot>>>,
    /// Makes writers take turns, so that one builds on the snapshot of the one before and readers wait for neither.
    turns: Mutex<()>,
}

impl Inventories {
    /// Inventories that hold what these switches say.
    #[must_use]
    pub fn new(compatibility: Compatibility) -> Self {
        Self { compatibility, ..Self::default() }
    }

    /// The current snapshot of a cluster.
    pub fn pin(&self, cluster: &str) -> Arc<Snapshot> {
        let clusters = self.clusters.read().unwrap_or_else(PoisonError::into_inner);
        clusters.get(cluster).cloned().unwrap_or_else(|| Arc::new(Snapshot::empty()))
    }

    /// Replaces a cluster's inventory by objects (JSON) and gives the new snapshot's number. Of objects of the same
    /// groupVersion, kind, namespace and name the last counts. Terminating objects and the parents of objects that are
    /// gone are there or not as [`Compatibility`] says.
    ///
    /// # Errors
    /// The first object that does not parse or lacks a version, kind or name; nothing is published then.
    pub fn replace<'a>(&self, cluster: &str, objects: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, Unfit> {
        let mut keys = KeyCache::default();
        let mut tree = Tree::default();
        for (index, object) in objects.into_iter().enumerate() {
            let unfit = |message: String| Unfit { index, message };
            let object =
                json::parse(object, &mut keys, self.compatibility.numbers).map_err(|error| unfit(error.to_string()))?;
            let kept = self.compatibility.terminating_objects == Presence::Present || !is_terminating(&object);
            tree.insert(object, kept).map_err(|message| unfit(message.to_owned()))?;
        }
        let _turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.pin(cluster);
        if self.compatibility.inventory_empty_parents == EmptyParents::Keep {
            tree.keep_parents(before.data());
        }
        let number = before.number + 1;
        let data = data_of(tree.into_value());
        let mut clusters = self.clusters.write().unwrap_or_else(PoisonError::into_inner);
        clusters.insert(cluster.into(), Arc::new(Snapshot { number, made: Some(Instant::now()), data }));
        Ok(number)
    }
}

/// Whether somebody asked for the object's deletion.
fn is_terminating(object: &Value) -> bool {
    let timestamp =
        ["metadata", "deletionTimestamp"].iter().try_fold(object, |at, key| at.as_object()?.get(&Value::from(*key)));
    timestamp.is_some_and(|timestamp| *timestamp != Value::Null)
}

type Kinds = BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>;

#[derive(Default)]
struct Tree {
    cluster: Kinds,
    namespace: BTreeMap<String, Kinds>,
}

impl Tree {
    /// Checks an object and adds it if it is to be `kept`.
    fn insert(&mut self, object: Value, kept: bool) -> Result<(), &'static str> {
        let Some(facts) = Facts::of(&object) else { return Err("the object has no kind") };
        if facts.version.is_empty() {
            return Err("the object has no version");
        }
        if !kept {
            return Ok(());
        }
        let group_version = match facts.group {
            "" => facts.version.to_owned(),
            group => format!("{group}/{}", facts.version),
        };
        let (kind, name) = (facts.kind.to_owned(), facts.name.to_owned());
        let kinds = match facts.namespace {
            "" => &mut self.cluster,
            namespace => self.namespace.entry(namespace.to_owned()).or_default(),
        };
        kinds.entry(group_version).or_default().entry(kind).or_default().insert(name, object);
        Ok(())
    }

    /// Adds the namespaces, groupVersions and kinds of an earlier data document. Gatekeeper deletes objects only, so
    /// that what held them stays.
    fn keep_parents(&mut self, before: &Value) {
        let inventory = children(before).find(|(name, _)| *name == "inventory");
        for (scope, content) in inventory.into_iter().flat_map(|(_, inventory)| children(inventory)) {
            if scope == "cluster" {
                keep_kinds(&mut self.cluster, content);
                continue;
            }
            for (namespace, content) in children(content) {
                keep_kinds(self.namespace.entry(namespace.to_owned()).or_default(), content);
            }
        }
    }

    /// Trees that hold nothing are absent, as before Gatekeeper's first write to them.
    fn into_value(self) -> Value {
        let mut fields = Vec::new();
        if !self.cluster.is_empty() {
            fields.push((Value::from("cluster"), kinds_value(self.cluster)));
        }
        if !self.namespace.is_empty() {
            fields.push((Value::from("namespace"), level(self.namespace, kinds_value)));
        }
        Value::object(fields)
    }
}

fn keep_kinds(kinds: &mut Kinds, before: &Value) {
    for (group_version, content) in children(before) {
        let kept = kinds.entry(group_version.to_owned()).or_default();
        for (kind, _) in children(content) {
            kept.entry(kind.to_owned()).or_default();
        }
    }
}

/// The fields of an object; nothing else has any.
fn children(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flat_map(|fields| fields.iter());
    fields.filter_map(|(key, child)| Some((key.as_str()?, child)))
}

fn kinds_value(kinds: Kinds) -> Value {
    level(kinds, |kinds| level(kinds, |names| level(names, |object| object)))
}

fn level<T>(entries: BTreeMap<String, T>, value: impl Fn(T) -> Value) -> Value {
    Value::object(entries.into_iter().map(|(key, entry)| (Value::from(key), value(entry))).collect())
}

fn data_of(inventory: Value) -> Value {
    Value::object(vec![(Value::from("inventory"), inventory)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a"}}"#;
    const INGRESS: &str =
        r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i","namespace":"a"}}"#;
    const NAMESPACE: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","labels":{"x":"y"}}}"#;

    fn text_of(snapshot: &Snapshot) -> String {
        String::from_utf8(json::to_vec(snapshot.data())).unwrap()
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
        assert_eq!(*snapshot.data(), crate::json::of_text(&expected));
        assert_eq!(snapshot.namespace("a"), Some(&crate::json::of_text(NAMESPACE)));
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
        assert_eq!(*inventories.pin("c").data(), crate::json::of_text(&expected));
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
}
