//! Whether a program can read what API servers and kubectl note in an object for themselves: `metadata.managedFields` and
//! the last-applied-configuration. Often it is half of the object, and a cache need not keep what nobody can read.
//!
//! Where references to objects lead is followed through variables and through the parameters of functions. What is used in
//! another way than to be read on from counts as read with all that is below it.

use std::collections::{BTreeMap, BTreeSet};

use fleetgate_value::{Str, Value};

use crate::ir::{Base, Block, Callee, Gather, Leaf, Op, Operand, Program, Replacement, RuleId, Slot};
use crate::reads::{InventoryScope, KindPattern};

/// kubectl's annotation.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whose bookkeeping a program can read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Bookkeeping {
    /// That of cached objects.
    pub(crate) cached: BTreeSet<KindPattern>,
    /// That of the object under review.
    pub(crate) reviewed: bool,
}

/// Where the metadata of objects stand; `*` is any step.
struct Place {
    path: &'static [&'static str],
    /// For cached objects their tree, and the position of the groupVersion, which the kind follows.
    tree: Option<(InventoryScope, usize)>,
}

const PLACES: [Place; 6] = [
    Place { path: &["input", "review", "object", "metadata"], tree: None },
    Place { path: &["input", "review", "oldObject", "metadata"], tree: None },
    Place {
        path: &["data", "inventory", "cluster", "*", "*", "*", "metadata"],
        tree: Some((InventoryScope::Cluster, 3)),
    },
    Place {
        path: &["data", "inventory", "namespace", "*", "*", "*", "*", "metadata"],
        tree: Some((InventoryScope::Namespace, 4)),
    },
    Place {
        path: &["data", "fleet", "clusters", "*", "cluster", "*", "*", "*", "metadata"],
        tree: Some((InventoryScope::Cluster, 5)),
    },
    Place {
        path: &["data", "fleet", "clusters", "*", "namespace", "*", "*", "*", "*", "metadata"],
        tree: Some((InventoryScope::Namespace, 6)),
    },
];

/// What stands there, below the metadata.
const NOTES: [&[&str]; 2] = [&["managedFields"], &["annotations", LAST_APPLIED]];

/// A step of a path; none where it is no constant.
type Step = Option<Str>;

/// A path from `input` or `data`, which is its first step.
type Path = Vec<Step>;

/// How a path stands to the bookkeeping of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It leads elsewhere.
    Elsewhere,
    /// It may lead there.
    Above,
    /// It is there.
    There,
}

impl Program {
    /// Whose bookkeeping it can read.
    pub(crate) fn bookkeeping(&self) -> Bookkeeping {
        let mut search = Search { program: self, slots: BTreeMap::new(), found: Bookkeeping::default(), grown: true };
        // What one rule passes to another need not be known in one pass.
        while std::mem::take(&mut search.grown) {
            for id in 0..self.rules.len() {
                search.rule(id);
            }
        }
        search.found
    }
}

impl Bookkeeping {
    /// That of every object.
    pub(crate) fn all() -> Self {
        let pattern = |scope| KindPattern { scope, group_version: None, kind: None };
        let trees = [InventoryScope::Cluster, InventoryScope::Namespace];
        Self { cached: trees.into_iter().map(pattern).collect(), reviewed: true }
    }
}

struct Search<'p> {
    program: &'p Program,
    /// What variables can be, by their rule.
    slots: BTreeMap<(RuleId, Slot), BTreeSet<Path>>,
    found: Bookkeeping,
    grown: bool,
}

impl Search<'_> {
    fn rule(&mut self, id: RuleId) {
        let program = self.program;
        let Some(rule) = program.rules.get(id) else { return };
        for clause in rule.definitions.iter().chain(&rule.default).flat_map(|definition| &definition.clauses) {
            self.block(id, &clause.body);
            self.used_all(id, &clause.suffix);
            let (Leaf::Value(operand) | Leaf::Member(operand)) = &clause.leaf;
            self.used(id, operand);
        }
    }

    fn block(&mut self, rule: RuleId, block: &Block) {
        for step in block {
            self.op(rule, &step.op);
        }
    }

    fn op(&mut self, rule: RuleId, op: &Op) {
        match op {
            Op::Get { base, path, out } => {
                self.used_all(rule, path);
                for reached in self.reached(rule, base, path) {
                    self.leads(rule, *out, reached);
                }
            }
            Op::Scan { base, path, value, .. } => {
                self.used_all(rule, path);
                for mut reached in self.reached(rule, base, path) {
                    reached.push(None);
                    self.leads(rule, *value, reached);
                }
            }
            Op::Call { callee, args, out } => self.call(rule, callee, args, *out),
            Op::Compare { left, right, .. } => {
                self.used(rule, left);
                self.used(rule, right);
            }
            Op::Walk { value: operand, .. } | Op::IsArray(operand, _) | Op::IsObject(operand, _) => {
                self.used(rule, operand);
            }
            // That an object is there says nothing of what is in it.
            Op::Test(_) | Op::Fail => {}
            Op::MakeArray { items, .. } | Op::MakeSet { members: items, .. } => self.used_all(rule, items),
            Op::MakeObject { pairs, .. } => {
                for (key, value) in pairs {
                    self.used(rule, key);
                    self.used(rule, value);
                }
            }
            Op::Comprehension { gather, body, .. } => {
                self.block(rule, body);
                match gather {
                    Gather::Array(operand) | Gather::Set(operand) => self.used(rule, operand),
                    Gather::Object(key, value) => {
                        self.used(rule, key);
                        self.used(rule, value);
                    }
                }
            }
            Op::Not(body) => self.block(rule, body),
            Op::Any(bodies) => bodies.iter().for_each(|body| self.block(rule, body)),
            Op::Every { domain, body, .. } => {
                self.used(rule, domain);
                self.block(rule, body);
            }
            Op::With { targets, body } => {
                for with in targets {
                    match &with.value {
                        Replacement::Value(operand) => self.used(rule, operand),
                        // What is passed to whom is anybody's guess then.
                        Replacement::Callee(_) => self.found = Bookkeeping::all(),
                    }
                }
                self.block(rule, body);
            }
        }
    }

    fn call(&mut self, rule: RuleId, callee: &Callee, args: &[Operand], out: Option<Slot>) {
        match (callee, args, out) {
            (Callee::Rule(called), ..) => {
                for (slot, arg) in args.iter().enumerate() {
                    if let Operand::Slot(given) = arg {
                        for path in self.slots.get(&(rule, *given)).cloned().unwrap_or_default() {
                            self.grown |= self.slots.entry((*called, slot)).or_default().insert(path);
                        }
                    }
                }
            }
            (Callee::Builtin { name, .. }, [Operand::Slot(object), Operand::Const(key), default], Some(out))
                if **name == *"object.get" =>
            {
                self.used(rule, default);
                let steps: Path = match key {
                    Value::Array(steps) => steps.iter().map(constant).collect(),
                    key => vec![constant(key)],
                };
                for mut path in self.slots.get(&(rule, *object)).cloned().unwrap_or_default() {
                    path.extend(steps.iter().cloned());
                    self.leads(rule, out, path);
                }
            }
            _ => self.used_all(rule, args),
        }
    }

    fn reached(&self, rule: RuleId, base: &Base, path: &[Operand]) -> Vec<Path> {
        let from = |root: &str| vec![vec![Some(Str::from(root))]];
        let starts: Vec<Path> = match base {
            Base::Value(Operand::Slot(slot)) => self.slots.get(&(rule, *slot)).into_iter().flatten().cloned().collect(),
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
    fn leads(&mut self, rule: RuleId, slot: Slot, path: Path) {
        match standing(&path) {
            Standing::Elsewhere => {}
            Standing::Above => self.grown |= self.slots.entry((rule, slot)).or_default().insert(path),
            Standing::There => self.whole(&path),
        }
    }

    fn used_all(&mut self, rule: RuleId, operands: &[Operand]) {
        operands.iter().for_each(|operand| self.used(rule, operand));
    }

    /// A variable is used with all that is below it.
    fn used(&mut self, rule: RuleId, operand: &Operand) {
        if let Operand::Slot(slot) = operand {
            for path in self.slots.get(&(rule, *slot)).cloned().unwrap_or_default() {
                self.whole(&path);
            }
        }
    }

    /// All that is below a path is read.
    fn whole(&mut self, path: &[Step]) {
        for place in PLACES.iter().filter(|place| NOTES.iter().any(|note| fits(path, place, note).is_some())) {
            match place.tree {
                None => self.found.reviewed = true,
                Some((scope, at)) => {
                    let step = |at: usize| path.get(at).cloned().flatten();
                    let (group_version, kind) = (step(at), step(at + 1));
                    self.found.cached.insert(KindPattern { scope, group_version, kind });
                }
            }
        }
    }
}

/// A number finds the key of its text too, so only a string is a constant here.
fn constant(value: &Value) -> Step {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn standing(path: &[Step]) -> Standing {
    let notes = PLACES.iter().flat_map(|place| NOTES.iter().filter_map(move |note| fits(path, place, note)));
    notes.fold(Standing::Elsewhere, |found, length| match found {
        Standing::There => found,
        _ if path.len() >= length => Standing::There,
        _ => Standing::Above,
    })
}

/// The length of the path to a note, where a path leads to or through it.
fn fits(path: &[Step], place: &Place, note: &[&str]) -> Option<usize> {
    let wanted = place.path.iter().chain(note);
    let fits = |(step, wanted): (&Step, &&str)| *wanted == "*" || step.as_ref().is_none_or(|step| **step == **wanted);
    path.iter().zip(wanted).all(fits).then_some(place.path.len() + note.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::compiled;

    fn reads(body: &str) -> Vec<String> {
        let found = compiled(body).bookkeeping();
        let shown = |name: &Option<Str>| name.as_ref().map_or("*", |name| &**name).to_owned();
        let cached = found.cached.iter().map(|one| format!("{} {}", shown(&one.group_version), shown(&one.kind)));
        cached.chain(found.reviewed.then(|| "review".to_owned())).collect()
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
}
