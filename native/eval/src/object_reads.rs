//! Which parts of objects a program can read: a view need not hold what no program can, and a cache need not keep what API
//! servers and kubectl note in an object for themselves (`metadata.managedFields` and the last-applied-configuration: often
//! half of it) where nobody can read that.
//!
//! Where references to objects lead is followed through variables and through the parameters of functions. What is used in
//! another way than to be read on from counts as read with all that is below it.

use std::collections::{BTreeMap, BTreeSet};

use fleetgate_value::{Str, Value};

use crate::ir::{Base, Block, Callee, Gather, Leaf, Op, Operand, Program, Replacement, RuleId, Slot};
use crate::projection::{Projection, Step};
use crate::reads::{InventoryScope, KindPattern};
use crate::variables::{Frame, Variable, frames, keys_of, parameter};

/// kubectl's annotation.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is noted in an object for API servers and kubectl.
const NOTES: [&[&str]; 2] = [&["metadata", "managedFields"], &["metadata", "annotations", LAST_APPLIED]];

/// What is longer, or what more paths lead to, counts as read with all that is below: programs that people write have neither.
const MAX_STEPS: usize = 48;
const MAX_PATHS: usize = 64;

/// What a program can read of objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ObjectReads {
    /// The parts of cached objects.
    pub(crate) cached: BTreeMap<KindPattern, Projection>,
    /// Whether the notes in the object under review can be read.
    pub(crate) reviewed_notes: bool,
}

/// Where the object under review stands.
const REVIEWED: [&[&str]; 2] = [&["input", "review", "object"], &["input", "review", "oldObject"]];

/// Where cached objects stand; `*` is any step.
struct Place {
    path: &'static [&'static str],
    scope: InventoryScope,
    /// The position of the groupVersion, which the kind follows.
    group_version: usize,
}

const CACHED: [Place; 4] = [
    Place { path: &["data", "inventory", "cluster", "*", "*", "*"], scope: InventoryScope::Cluster, group_version: 3 },
    Place {
        path: &["data", "inventory", "namespace", "*", "*", "*", "*"],
        scope: InventoryScope::Namespace,
        group_version: 4,
    },
    Place {
        path: &["data", "fleet", "clusters", "*", "cluster", "*", "*", "*"],
        scope: InventoryScope::Cluster,
        group_version: 5,
    },
    Place {
        path: &["data", "fleet", "clusters", "*", "namespace", "*", "*", "*", "*"],
        scope: InventoryScope::Namespace,
        group_version: 6,
    },
];

/// A path from `input` or `data`, which is its first step.
type Path = Vec<Step>;

impl Program {
    /// What it can read of objects.
    pub(crate) fn object_reads(&self) -> ObjectReads {
        let mut search = Search { program: self, slots: BTreeMap::new(), found: ObjectReads::default(), grown: true };
        // What one rule passes to another need not be known in one pass.
        while std::mem::take(&mut search.grown) {
            for id in 0..self.rules.len() {
                search.rule(id);
            }
        }
        search.found
    }
}

impl ObjectReads {
    /// All of every object.
    pub(crate) fn all() -> Self {
        let pattern = |scope| KindPattern { scope, group_version: None, kind: None };
        let trees = [InventoryScope::Cluster, InventoryScope::Namespace];
        Self {
            cached: trees.into_iter().map(|scope| (pattern(scope), Projection::All)).collect(),
            reviewed_notes: true,
        }
    }

    /// The parts of cached objects of a kind.
    pub(crate) fn projection(&self, group_version: &str, kind: &str) -> Projection {
        let admitting = self.cached.iter().filter(|(pattern, _)| pattern.admits(group_version, kind));
        admitting.fold(Projection::default(), |parts, (_, more)| parts.and(more))
    }

    /// Whether the notes in cached objects of a kind can be read.
    pub(crate) fn cached_notes(&self, group_version: &str, kind: &str) -> bool {
        has_notes(&self.projection(group_version, kind))
    }
}

fn has_notes(parts: &Projection) -> bool {
    NOTES.iter().any(|note| parts.has(note))
}

struct Search<'p> {
    program: &'p Program,
    /// What variables can be.
    slots: BTreeMap<Variable, BTreeSet<Path>>,
    found: ObjectReads,
    grown: bool,
}

impl Search<'_> {
    fn rule(&mut self, id: RuleId) {
        let program = self.program;
        let Some(rule) = program.rules.get(id) else { return };
        for (frame, definition) in frames(id, rule) {
            for clause in &definition.clauses {
                self.block(frame, &clause.body);
                self.used_all(frame, &clause.suffix);
                let (Leaf::Value(operand) | Leaf::Member(operand)) = &clause.leaf;
                self.used(frame, operand);
            }
        }
    }

    fn block(&mut self, frame: Frame, block: &Block) {
        for step in block {
            self.op(frame, &step.op);
        }
    }

    fn op(&mut self, frame: Frame, op: &Op) {
        match op {
            Op::Get { base, path, out } => {
                self.used_all(frame, path);
                for reached in self.reached(frame, base, path) {
                    self.leads(frame, *out, reached);
                }
            }
            Op::Scan { base, path, value, .. } => {
                self.used_all(frame, path);
                for mut reached in self.reached(frame, base, path) {
                    reached.push(None);
                    self.leads(frame, *value, reached);
                }
            }
            Op::Call { callee, args, out } => self.call(frame, callee, args, *out),
            Op::Compare { left, right, .. } => {
                self.used(frame, left);
                self.used(frame, right);
            }
            Op::Walk { value: operand, .. } | Op::IsArray(operand, _) | Op::IsObject(operand, _) => {
                self.used(frame, operand);
            }
            // That an object is there says nothing of what is in it.
            Op::Test(_) | Op::Fail => {}
            Op::MakeArray { items, .. } | Op::MakeSet { members: items, .. } => self.used_all(frame, items),
            Op::MakeObject { pairs, .. } => {
                for (key, value) in pairs {
                    self.used(frame, key);
                    self.used(frame, value);
                }
            }
            Op::Comprehension { gather, body, .. } => {
                self.block(frame, body);
                match gather {
                    Gather::Array(operand) | Gather::Set(operand) => self.used(frame, operand),
                    Gather::Object(key, value) => {
                        self.used(frame, key);
                        self.used(frame, value);
                    }
                }
            }
            Op::Not(body) => self.block(frame, body),
            Op::Any(bodies) => bodies.iter().for_each(|body| self.block(frame, body)),
            Op::Every { domain, body, .. } => {
                self.used(frame, domain);
                self.block(frame, body);
            }
            Op::With { targets, body } => {
                for with in targets {
                    match &with.value {
                        Replacement::Value(operand) => self.used(frame, operand),
                        // What is passed to whom is anybody's guess then.
                        Replacement::Callee(_) => self.found = ObjectReads::all(),
                    }
                }
                self.block(frame, body);
            }
        }
    }

    fn call(&mut self, frame: Frame, callee: &Callee, args: &[Operand], out: Option<Slot>) {
        match (callee, args, out) {
            (Callee::Rule(called), ..) => {
                for (slot, arg) in args.iter().enumerate() {
                    if let Operand::Slot(given) = arg {
                        for path in self.slots.get(&frame.variable(*given)).cloned().unwrap_or_default() {
                            self.grown |= self.slots.entry(parameter(*called, slot)).or_default().insert(path);
                        }
                    }
                }
            }
            (Callee::Builtin { name, .. }, [Operand::Slot(object), Operand::Const(key), default], Some(out))
                if **name == *"object.get" =>
            {
                self.used(frame, default);
                let steps: Path = keys_of(key).iter().map(constant).collect();
                for mut path in self.slots.get(&frame.variable(*object)).cloned().unwrap_or_default() {
                    path.extend(steps.iter().cloned());
                    self.leads(frame, out, path);
                }
            }
            _ => self.used_all(frame, args),
        }
    }

    fn reached(&self, frame: Frame, base: &Base, path: &[Operand]) -> Vec<Path> {
        let from = |root: &str| vec![vec![Some(Str::from(root))]];
        let starts: Vec<Path> = match base {
            Base::Value(Operand::Slot(slot)) => {
                self.slots.get(&frame.variable(*slot)).into_iter().flatten().cloned().collect()
            }
            Base::Input => from("input"),
            Base::Data => from("data"),
            Base::Node(node) => {
                let names = self.program.path_of(*node);
                vec![std::iter::once(Some(Str::from("data"))).chain(names).collect()]
            }
            Base::Value(Operand::Const(_)) | Base::Rule(_) => Vec::new(),
        };
        let step = |operand: &Operand| match operand {
            Operand::Const(value) => constant(value),
            Operand::Slot(_) => None,
        };
        starts.into_iter().map(|start| start.into_iter().chain(path.iter().map(step)).collect()).collect()
    }

    /// A variable can be what a path leads to.
    fn leads(&mut self, frame: Frame, slot: Slot, path: Path) {
        let mut is_followed = false;
        for place in CACHED.iter().filter(|place| fits(&path, place.path)) {
            is_followed = true;
            if path.len() >= place.path.len() {
                self.reads(place, &path, &Projection::default());
            }
        }
        match standing_to_notes(&path) {
            Standing::Elsewhere => {}
            Standing::Above => is_followed = true,
            Standing::There => self.found.reviewed_notes = true,
        }
        if !is_followed {
            return;
        }
        let known = self.slots.entry(frame.variable(slot)).or_default();
        if path.len() > MAX_STEPS || (known.len() >= MAX_PATHS && !known.contains(&path)) {
            self.whole(&path);
        } else {
            self.grown |= known.insert(path);
        }
    }

    /// Parts of what a path leads to are read, which stands in a place or below.
    fn reads(&mut self, place: &Place, path: &[Step], parts: &Projection) {
        let step = |at: usize| path.get(at).cloned().flatten();
        let (group_version, kind) = (step(place.group_version), step(place.group_version + 1));
        let pattern = KindPattern { scope: place.scope, group_version, kind };
        let below = path.get(place.path.len()..).unwrap_or_default();
        self.found.cached.entry(pattern).or_default().add(below, parts);
    }

    fn used_all(&mut self, frame: Frame, operands: &[Operand]) {
        operands.iter().for_each(|operand| self.used(frame, operand));
    }

    /// A variable is used with all that is below it.
    fn used(&mut self, frame: Frame, operand: &Operand) {
        if let Operand::Slot(slot) = operand {
            for path in self.slots.get(&frame.variable(*slot)).cloned().unwrap_or_default() {
                self.whole(&path);
            }
        }
    }

    /// All that is below a path is read.
    fn whole(&mut self, path: &[Step]) {
        for place in CACHED.iter().filter(|place| fits(path, place.path)) {
            self.reads(place, path, &Projection::All);
        }
        self.found.reviewed_notes |= standing_to_notes(path) != Standing::Elsewhere;
    }
}

/// A number finds the key of its text too, so only a string is a constant here.
fn constant(value: &Value) -> Step {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// How a path stands to the notes in the object under review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It leads elsewhere.
    Elsewhere,
    /// It may lead there.
    Above,
    /// It is there.
    There,
}

fn standing_to_notes(path: &[Step]) -> Standing {
    let notes = REVIEWED.iter().flat_map(|place| NOTES.iter().map(move |note| (place, note)));
    let leading = notes.filter(|(place, note)| {
        let (upper, lower) = path.split_at(place.len().min(path.len()));
        fits(upper, place) && fits(lower, note)
    });
    leading.fold(Standing::Elsewhere, |found, (place, note)| match found {
        Standing::There => found,
        _ if path.len() >= place.len() + note.len() => Standing::There,
        _ => Standing::Above,
    })
}

/// Whether a path leads to a place, through it or towards it.
fn fits(path: &[Step], place: &[&str]) -> bool {
    let fits = |(step, wanted): (&Step, &&str)| *wanted == "*" || step.as_ref().is_none_or(|step| **step == **wanted);
    path.iter().zip(place).all(fits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use fleetgate_rego::Release;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::compiled;
    use crate::{Budget, Documents, Settings, Workspace};

    fn reads(body: &str) -> Vec<String> {
        let found = compiled(body).object_reads();
        let shown = |name: &Option<Str>| name.as_ref().map_or("*", |name| &**name).to_owned();
        let cached = found.cached.iter().filter(|(_, parts)| has_notes(parts));
        let cached = cached.map(|(one, _)| format!("{} {}", shown(&one.group_version), shown(&one.kind)));
        cached.chain(found.reviewed_notes.then(|| "review".to_owned())).collect()
    }

    #[test]
    fn what_leads_elsewhere_reads_none() {
        for body in [
            "x { input.parameters.a }",
            "x { input.review.object.spec.containers[_].image }",
            "x { input.review.object.metadata.labels[l] }",
            r#"x { input.review.object.metadata.annotations["a/b"] }"#,
            r#"x { o := input.review.object; object.get(o, ["metadata", "labels"], {})[_] }"#,
            r#"x { data.inventory.cluster.v1.Node[n].metadata.name == n }"#,
            // What one definition uses as a whole is no variable of the other.
            r#"f(known) { item := known.a[input.review.object.kind]; item.spec.b }
               f(known) { item := known.a[input.review.namespace][input.review.object.kind]; item.spec.b }
               x { f(data.inventory.cluster.v1) }"#,
            // As the library's K8sUniqueIngressHost has it.
            r#"identical(obj, review) { obj.metadata.namespace == review.object.metadata.namespace }
               x { host := input.review.object.spec.rules[_].host
                   other := data.inventory.namespace[_][v]["Ingress"][_]
                   re_match("^(extensions|networking.k8s.io)/.+$", v)
                   other.spec.rules[_].host == host
                   not identical(other, input.review) }"#,
            r#"x { c := data.fleet.clusters[_]; c.namespace[_].v1.Service[s].spec.type }"#,
        ] {
            assert_eq!(reads(body), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn what_can_lead_there_is_found() {
        for (body, expected) in [
            ("x { input.review.object.metadata.managedFields[_].manager }", &["review"][..]),
            ("x { input.review.oldObject.metadata.annotations[a] }", &["review"]),
            ("x { m := input.review.object.metadata; count(m) > 1 }", &["review"]),
            ("x { k := input.review[_]; f(k) } f(o) { o.metadata.managedFields }", &["review"]),
            ("x { o := input.review.object; g(o) } g(o) { h(o) } h(o) { o == 1 }", &["review"]),
            (r#"x { object.get(input.review.object, "metadata", {})[_] }"#, &["review"]),
            ("x { walk(input.review.object, [p, v]); p; v }", &["review"]),
            ("x = input.review.object", &["review"]),
            (r#"x { data.inventory.cluster.v1.Node[n].metadata.managedFields }"#, &["v1 Node"]),
            (r#"x { o := data.inventory.namespace[_].v1.Pod[_]; json.marshal(o) == "" }"#, &["v1 Pod"]),
            (r#"x { o := data.inventory.namespace[_][v]["Pod"][_]; o == input.parameters }"#, &["* Pod"]),
            (r#"x { data.fleet.clusters[_].namespace[_].v1.Service[_].metadata.annotations[a] }"#, &["v1 Service"]),
            ("x { y := data.inventory; count(y) > 1 }", &["* *", "* *"]),
        ] {
            assert_eq!(reads(body), expected, "{body}");
        }
    }

    /// `field`, `field!` with all that is below it.
    fn paths(parts: &Projection, above: &str, found: &mut Vec<String>) {
        match parts {
            Projection::All => found.push(format!("{above}!")),
            Projection::Within(fields) if fields.is_empty() => found.push(above.to_owned()),
            Projection::Within(fields) => {
                for (step, parts) in fields {
                    let step = step.as_ref().map_or("*", |step| &**step);
                    paths(parts, &format!("{above}.{step}"), found);
                }
            }
        }
    }

    #[test]
    fn the_parts_of_cached_objects() {
        for (body, expected) in [
            ("x { input.review.object.spec.a == 1 }", &[][..]),
            ("x { data.inventory.namespace.a.v1.Pod[n]; n == input.name }", &[""]),
            ("x { data.inventory.namespace.a.v1.Pod.p.spec.hostNetwork }", &[".spec.hostNetwork"]),
            (
                "x { o := data.inventory.namespace[_][_].Pod[_]; o.spec.containers[_].image == 1 }",
                &[".spec.containers.*.image!"],
            ),
            (
                "x { o := data.inventory.namespace[_][_].Pod[_]; some l; o.metadata.labels[l]; l == 1 }",
                &[".metadata.labels.*"],
            ),
            (
                "x { o := data.inventory.namespace[_][_].Pod[_]; count(o.metadata.labels) > 1; o.spec.a }",
                &[".metadata.labels!", ".spec.a"],
            ),
            (
                "x { o := data.inventory.namespace[_].v1.Pod[_]; f(o.spec) } f(s) { s.a == 1 } f(s) { g(s) == 2 } g(t) = t.b",
                &[".spec.a!", ".spec.b!"],
            ),
            (
                r#"x { o := data.inventory.namespace[_].v1.Pod[_]; object.get(o, ["spec", "a"], 1) == 1 }"#,
                &[".spec.a!"],
            ),
            ("x { o := data.fleet.clusters[_].namespace[_].v1.Pod[_]; o.spec == input.spec }", &[".spec!"]),
            ("x { walk(data.inventory.namespace, [p, v]); p; v }", &["!"]),
            ("x = data.inventory", &["!"]),
        ] {
            let expected: Vec<String> = expected.iter().map(|path| (*path).to_owned()).collect();
            let mut found = Vec::new();
            let reads = compiled(body).object_reads();
            if reads.cached.keys().any(|pattern| pattern.admits("v1", "Pod")) {
                paths(&reads.projection("v1", "Pod"), "", &mut found);
            }
            assert_eq!(found, expected, "{body}");
        }
    }

    fn documents() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value as Json;
        let key = || prop_oneof![Just("a"), Just("b"), Just("c"), Just("0")];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (0..3).prop_map(Json::from),
            key().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::vec((key(), inner), 0..4).prop_map(|fields| {
                    Json::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
                }),
            ]
        })
    }

    fn decided(program: &Program, inventory: &Value) -> String {
        let data = Value::object(vec![(Value::from("inventory"), inventory.clone())]);
        let documents = Documents { input: None, data: data.as_object().cloned().unwrap_or_default(), stored: None };
        let settings = Settings { budget: Budget::default(), strict: false, now_nanos: 0, release: Release::Opa1_17 };
        let document = program.document(&["p", "x"]).unwrap();
        format!("{:?}", program.evaluate(document, documents, settings, &mut Workspace::default()))
    }

    proptest! {
        #[test]
        fn who_sees_the_parts_decides_as_who_sees_all(objects in prop::collection::vec(documents(), 1..4)) {
            let objects = objects.iter().enumerate().map(|(number, object)| {
                let text = serde_json::to_vec(object).unwrap();
                (Value::from(format!("n{number}")), crate::read_document("", &text).unwrap())
            });
            let objects: Vec<(Value, Value)> = objects.collect();
            let tree = |objects: Vec<(Value, Value)>| {
                let level = |name: &str, value: Value| Value::object(vec![(Value::from(name), value)]);
                level("cluster", level("v1", level("Node", Value::object(objects))))
            };
            let whole = tree(objects.clone());
            for body in [
                "x[n] { data.inventory.cluster.v1.Node[n] }",
                "x[n] { data.inventory.cluster.v1.Node[n].a }",
                "x[n] { o := data.inventory.cluster.v1.Node[n]; not o.a.b }",
                "x[[n, k]] { data.inventory.cluster.v1.Node[n].a[k] }",
                "x[[n, k]] { data.inventory.cluster.v1.Node[n].a[k].b }",
                "x[[n, k, l]] { o := data.inventory.cluster.v1.Node[n]; o.a[k]; o[l].b == 1 }",
                r#"x[[n, v]] { o := data.inventory.cluster.v1.Node[n]; v := object.get(o, ["a", "b"], "none") }"#,
                r#"x[[n, v]] { o := data.inventory.cluster.v1.Node[n]; v := object.get(o, "a", "none"); o.b == o.c }"#,
                "x[[n, c]] { o := data.inventory.cluster.v1.Node[n]; c := count(o.a) }",
                "x[[n, c]] { o := data.inventory.cluster.v1.Node[n]; c := [v | v := o.a[_].b] }",
                "x[n] { o := data.inventory.cluster.v1.Node[n]; o.a[0]; o.b[_] }",
                r#"x[n] { o := data.inventory.cluster.v1.Node[n]; o.a["0"]; not o.b.c }"#,
                "f(o) = o.b { o.a } f(o) = 7 { not o.a } x[[n, v]] { v := f(data.inventory.cluster.v1.Node[n]) }",
                "x[[n, m]] { o := data.inventory.cluster.v1.Node[n]; p := data.inventory.cluster.v1.Node[m]; o.a == p.b }",
                "x[n] { o := data.inventory.cluster.v1.Node[n]; is_object(o.a) } x[n] { is_array(data.inventory.cluster.v1.Node[n].b) }",
                "x[n] { o := data.inventory.cluster.v1.Node[n]; [1, v] = o.a; v }",
                r#"x[n] { o := data.inventory.cluster.v1.Node[n]; {"a": v} = o.a; v }"#,
                "x[[n, p]] { walk(data.inventory.cluster.v1.Node[n].a, [p, _]) }",
                "x[n] { o := data.inventory.cluster.v1.Node[n]; o.a with input as o.b }",
                "g[o] { o := data.inventory.cluster.v1.Node[_] } x[v] { g[o]; v := o.a }",
                "x[n] { o := data.inventory.cluster.v1.Node[n]; k := o.b; o.a[k] }",
            ] {
                let program = compiled(body);
                let projection = program.object_reads().projection("v1", "Node");
                let seen = objects.iter().map(|(name, object)| (name.clone(), projection.of(object)));
                prop_assert_eq!(decided(&program, &tree(seen.collect())), decided(&program, &whole), "{}", body);
            }
        }

        #[test]
        fn projections_are_as_sets(objects in prop::collection::vec(documents(), 3)) {
            let projection = |value: &serde_json::Value| {
                let mut parts = Projection::default();
                grow(value, &mut Vec::new(), &mut parts);
                parts
            };
            let [one, other, value] = &objects[..] else { return Ok(()) };
            let (one, other) = (projection(one), projection(other));
            let value = crate::read_document("", &serde_json::to_vec(value).unwrap()).unwrap();
            let both = one.clone().and(&other);
            prop_assert!(both.includes(&one) && both.includes(&other) && one.includes(&one));
            prop_assert_eq!(&both, &other.clone().and(&one));
            prop_assert_eq!(both.of(&value), both.of(&both.of(&value)));
            prop_assert_eq!(one.of(&both.of(&value)), one.of(&value), "what is included is kept");
            if one.includes(&other) {
                prop_assert_eq!(one.of(&value), both.of(&value));
            }
            prop_assert_eq!(Projection::All.of(&value), value);
        }
    }

    /// Takes a document for paths: `true` is all, an array is any step.
    fn grow(value: &serde_json::Value, path: &mut Path, parts: &mut Projection) {
        parts.add(path, &if value.as_bool() == Some(true) { Projection::All } else { Projection::default() });
        let mut step = |step: Step, value: &serde_json::Value| {
            path.push(step);
            grow(value, path, parts);
            path.pop();
        };
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| step(None, item)),
            serde_json::Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| step(Some(Str::from(key.as_str())), value));
            }
            _ => {}
        }
    }
}
