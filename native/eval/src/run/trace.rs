//! Takes note of how an answer comes about: which clauses of the document gave its parts, and which objects of the inventory
//! were looked into.
//!
//! Objects are told apart by where they are in memory. Whatever a rule hands on, puts into a collection or gives to a
//! function is still the object that stands in the inventory, and that lives longer than the evaluation.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fleetgate_rego::Position;
use fleetgate_value::{Object, Str, Value};

use super::{Cached, Machine};
use crate::ir::{Base, Clause, Comparison, Leaf, Operand, Place, Program, Rule, RuleId};

/// Objects that a trace names.
const MAX_READS: usize = 1_000;

/// Parts of operands that are searched for objects of the inventory. Beyond that only an operand itself is recognised.
const MAX_SEARCHED: usize = 1_000_000;

/// How deep an object of the inventory stands below `data`, at most.
const MAX_DEPTH: usize = 8;

/// How an answer came about.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// What clauses of the document gave, in the order in which they did. Several may give the same.
    pub parts: Vec<Part>,
    /// Objects of the inventory that were looked into, in the inventory's order: the first 1,000.
    pub reads: Vec<ReadObject>,
    /// How many there were.
    pub read_objects: usize,
}

/// What one clause gave.
#[derive(Debug, Clone)]
pub struct Part {
    /// A document of this part alone: of a set with one member, of an object with one key and `true`.
    pub document: Value,
    /// The clause's module, by the name that it was compiled with.
    pub module: Arc<str>,
    /// Where the clause begins there.
    pub position: Position,
}

/// An object of `data.inventory` or `data.fleet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadObject {
    /// The cluster below `data.fleet`; none for the inventory's own.
    pub cluster: Option<Str>,
    /// Empty for what belongs to no namespace.
    pub namespace: Str,
    /// As the inventory spells it, such as `apps/v1`.
    pub group_version: Str,
    /// The kind.
    pub kind: Str,
    /// The name.
    pub name: Str,
}

/// Takes the notes.
#[derive(Debug)]
pub(super) struct Watcher {
    document: RuleId,
    parts: Vec<(Value, Place)>,
    objects: Vec<ReadObject>,
    /// Objects by where they are in memory.
    by_address: HashMap<usize, usize>,
    looked: BTreeSet<usize>,
    searched: usize,
}

impl Watcher {
    pub(super) fn new(document: RuleId, data: &Object) -> Self {
        let mut watcher = Self {
            document,
            parts: Vec::new(),
            objects: Vec::new(),
            by_address: HashMap::new(),
            looked: BTreeSet::new(),
            searched: 0,
        };
        if let Some(inventory) = data.get_str("inventory") {
            watcher.add_cluster(None, inventory);
        }
        for (name, cluster) in entries(data.get_str("fleet").and_then(|fleet| fleet.field("clusters"))) {
            watcher.add_cluster(Some(name), cluster);
        }
        watcher
    }

    fn add_cluster(&mut self, cluster: Option<&Str>, trees: &Value) {
        let none: Str = "".into();
        if let Some(tree) = trees.field("cluster") {
            self.add_namespace(cluster, &none, tree);
        }
        for (namespace, tree) in entries(trees.field("namespace")) {
            self.add_namespace(cluster, namespace, tree);
        }
    }

    fn add_namespace(&mut self, cluster: Option<&Str>, namespace: &Str, tree: &Value) {
        for (group_version, kinds) in entries(Some(tree)) {
            for (kind, objects) in entries(Some(kinds)) {
                for (name, object) in entries(Some(objects)) {
                    let Value::Object(object) = object else { continue };
                    // A cluster's own objects stand in the inventory and in the fleet.
                    if let Entry::Vacant(vacant) = self.by_address.entry(object.address()) {
                        vacant.insert(self.objects.len());
                        self.objects.push(ReadObject {
                            cluster: cluster.cloned(),
                            namespace: namespace.clone(),
                            group_version: group_version.clone(),
                            kind: kind.clone(),
                            name: name.clone(),
                        });
                    }
                }
            }
        }
    }

    pub(super) fn trace(self, program: &Program) -> Trace {
        let part = |(document, place): (Value, Place)| {
            let (module, position) = program.position(place)?;
            Some(Part { document, module, position })
        };
        let reads = self.looked.iter().take(MAX_READS).filter_map(|index| self.objects.get(*index).cloned()).collect();
        Trace { parts: self.parts.into_iter().filter_map(part).collect(), reads, read_objects: self.looked.len() }
    }

    /// Notes a value that was looked into, where it is an object of the inventory. Gives whether it is one.
    fn note(&mut self, value: &Value) -> bool {
        let Value::Object(object) = value else { return false };
        let Some(index) = self.by_address.get(&object.address()) else { return false };
        self.looked.insert(*index);
        true
    }

    /// Notes what is in a value that is looked at as a whole.
    fn search(&mut self, value: &Value, depth: usize) {
        if self.by_address.is_empty() || self.note(value) || depth == MAX_DEPTH || self.searched >= MAX_SEARCHED {
            return;
        }
        self.searched += 1;
        match value {
            Value::Object(object) => object.values().for_each(|value| self.search(value, depth + 1)),
            Value::Array(items) => items.iter().for_each(|item| self.search(item, depth + 1)),
            Value::Set(members) => members.iter().for_each(|member| self.search(member, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The entries of an object whose keys are names.
fn entries(value: Option<&Value>) -> impl Iterator<Item = (&Str, &Value)> {
    let object = value.and_then(Value::as_object);
    object.into_iter().flat_map(Object::iter).filter_map(|(key, value)| match key {
        Value::String(name) => Some((name, value)),
        _ => None,
    })
}

/// What the machine tells those who take notes. It does so only where somebody does.
impl<'p> Machine<'p> {
    /// A path was followed.
    pub(super) fn got(&mut self, base: &Base, path: &[Operand], found: Option<&Value>) {
        if found.is_some() && self.builtins.stored.is_some() {
            self.hand_on(base, path);
        }
        let Some(mut watcher) = self.watcher.take_if(|watcher| !watcher.by_address.is_empty()) else { return };
        let start = match base {
            Base::Value(operand) => Some(self.value(operand).clone()),
            Base::Rule(rule) => match self.world.cache.get(*rule) {
                Some(Cached::Defined(value)) => Some(value.clone()),
                _ => None,
            },
            Base::Data => Some(Value::Object(self.world.data.clone())),
            Base::Input | Base::Node(_) => None,
        };
        let mut at = start.as_ref();
        for step in path {
            let Some(value) = at else { break };
            watcher.note(value);
            at = value.step(self.value(step));
        }
        // What is asked for by its name is read, whatever becomes of it.
        if let Some(found) = found.filter(|_| !path.is_empty()) {
            watcher.note(found);
        }
        self.watcher = Some(watcher);
    }

    /// The entries of a collection are gone through.
    pub(super) fn looked_into(&mut self, collection: &Value) {
        if let Some(watcher) = &mut self.watcher {
            watcher.note(collection);
        }
    }

    /// All of a value is looked at.
    pub(super) fn looked_at(&mut self, value: &Value) {
        if let Some(watcher) = &mut self.watcher {
            watcher.search(value, 0);
        }
    }

    /// Two values were compared.
    pub(super) fn compared(&mut self, how: Comparison, left: &Operand, right: &Operand) {
        self.turn_compared(how, left, right);
        for operand in [left, right] {
            if self.watcher.is_some() {
                let value = self.value(operand).clone();
                self.looked_at(&value);
            }
        }
    }

    /// A built-in is called.
    pub(super) fn passed(&mut self, args: &[Value]) {
        if let Some(stored) = &mut self.builtins.stored {
            args.iter().for_each(|arg| stored.pass(arg));
        }
        args.iter().for_each(|arg| self.looked_at(arg));
    }

    /// A clause of a rule that is built of parts held.
    pub(super) fn gave_part(&mut self, rule: &Rule, clause: &Clause) {
        let document = match (clause.suffix.first(), &clause.leaf) {
            (Some(key), _) => Value::object(vec![(self.value(key).clone(), Value::Bool(true))]),
            (None, Leaf::Member(member)) => Value::set(vec![self.value(member).clone()]),
            (None, Leaf::Value(value)) => self.value(value).clone(),
        };
        self.gave(rule, clause, document);
    }

    /// A clause of a rule with one value held.
    pub(super) fn gave_value(&mut self, rule: &Rule, clause: &Clause, value: &Operand) {
        let document = self.value(value).clone();
        self.gave(rule, clause, document);
    }

    fn gave(&mut self, rule: &Rule, clause: &Clause, document: Value) {
        let program = self.program;
        let Some(watcher) = &mut self.watcher else { return };
        if program.rules.get(watcher.document).is_some_and(|asked| std::ptr::eq(asked, rule)) {
            watcher.parts.push((document, clause.place));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use fleetgate_rego::Release;

    use super::*;
    use crate::testing::compiled;
    use crate::{Budget, Documents, Settings, Workspace, read_document};

    const DATA: &str = r#"{
        "inventory": {
            "cluster": {"v1": {"Node": {"n1": {"kind": "Node", "ok": true}, "n2": {"kind": "Node"}}}},
            "namespace": {
                "a": {"v1": {"Pod": {"p": {"kind": "Pod", "spec": {"x": 1}}, "q": {"kind": "Pod", "spec": {"x": 2}}}}},
                "b": {"v1": {"Pod": {"p": {"kind": "Pod", "spec": {"x": 1}}}}}
            }
        },
        "fleet": {"clusters": {"c": {"namespace": {"a": {"v1": {"Pod": {"z": {"kind": "Pod", "spec": {}}}}}}}}}
    }"#;

    fn trace(body: &str) -> Trace {
        let program = compiled(body);
        let document = program.document(&["p", "x"]).unwrap();
        let data = read_document("", DATA.as_bytes()).unwrap().as_object().unwrap().clone();
        let documents = || Documents { input: None, data: data.clone(), stored: None };
        let settings = Settings { budget: Budget::default(), strict: false, now_nanos: 0, release: Release::Opa1_17 };
        let (traced, trace) = program.trace(document, documents(), settings, &mut Workspace::default());
        let plain = program.evaluate(document, documents(), settings, &mut Workspace::default());
        assert_eq!(traced.unwrap(), plain.unwrap(), "{body}");
        trace
    }

    fn reads(body: &str) -> Vec<String> {
        let shown = |read: ReadObject| {
            let cluster = read.cluster.map_or_else(String::new, |cluster| format!("{cluster}:"));
            format!("{cluster}{}/{}", read.namespace, read.name)
        };
        let trace = trace(body);
        assert_eq!(trace.read_objects, trace.reads.len());
        trace.reads.into_iter().map(shown).collect()
    }

    fn parts(body: &str) -> Vec<(String, u32)> {
        trace(body).parts.into_iter().map(|part| (part.document.to_string(), part.position.row)).collect()
    }

    #[test]
    fn objects_that_are_looked_into() {
        let pods = ["a/p", "a/q", "b/p"];
        for (body, expected) in [
            ("x { true }", &[][..]),
            ("x { o := data.inventory.namespace[_].v1.Pod[_]; o.spec.x == 3 }", &pods[..]),
            ("x { o := data.inventory.namespace[_].v1.Pod[_]; o.missing }", &pods),
            ("x { data.inventory.namespace.a.v1.Pod[_].spec }", &["a/p"]),
            ("x { data.inventory.namespace[_].v1.Pod[name]; name == \"q\" }", &[]),
            ("x { data.inventory.namespace.a.v1.Pod.q }", &["a/q"]),
            ("x { not data.inventory.namespace.a.v1.Pod.none }", &[]),
            ("x[n] { data.inventory.cluster.v1.Node[n].ok }", &["/n1", "/n2"]),
            ("f(o) { o.spec.x == 1 } x { f(data.inventory.namespace.b.v1.Pod[_]) }", &["b/p"]),
            ("all[o] { o := data.inventory.namespace.a.v1.Pod[_] } x { all[o]; o.spec.x == 2 }", &["a/p", "a/q"]),
            ("x { n := [o | o := data.inventory.namespace.b.v1.Pod[_]]; n[0].spec.x == 1 }", &["b/p"]),
            ("x { json.marshal(data.inventory.cluster.v1) }", &["/n1", "/n2"]),
            ("x { o := data.inventory.cluster.v1.Node.n1; o == {\"kind\": \"Node\"} }", &["/n1"]),
            ("x { walk(data.inventory.namespace.b, [p, v]); v == 1 }", &["b/p"]),
            ("x { data.fleet.clusters[_].namespace.a.v1.Pod[_].spec }", &["c:a/z"]),
            ("x { data.inventory.namespace.a.v1.Pod.p.spec with data.inventory as {\"namespace\": {}} }", &[]),
        ] {
            assert_eq!(reads(body), expected, "{body}");
        }
    }

    #[test]
    fn clauses_that_gave_parts() {
        let part = |document: &str, row| (document.to_owned(), row);
        assert_eq!(parts("x[1] { true }\nx[2] { false }\nx[1] { true }"), [part("{1}", 2), part("{1}", 4)]);
        assert_eq!(parts("x[y] { y := [1, 2][_] }"), [part("{1}", 2), part("{2}", 2)]);
        assert_eq!(parts("x[1] {\n false\n} {\n true\n}"), [part("{1}", 4)]);
        assert_eq!(parts("x[k] = v { k := 1; v := 2 }"), [part("{1: true}", 2)]);
        assert_eq!(parts("x = {1} { false }\nelse = {2} { true }"), [part("{2}", 3)]);
        assert_eq!(parts("y[1] { true }\nx = z { z := y }"), [part("{1}", 3)]);
        assert_eq!(parts("default x = {1}\nx = {2} { false }"), [part("{1}", 2)]);
    }
}
