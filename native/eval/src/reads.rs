//! What a program can read of `data.inventory`.
//!
//! Gatekeeper's inventory is `cluster[groupVersion][kind][name]` and `namespace[namespace][groupVersion][kind][name]`.
//! Where a program's references lead below `data` is followed through the variables of each rule, as far as the kind. What
//! is used in another way than to be read on from (an argument, a comparison, an answer) counts as read with all that is
//! below it, and a step that is no constant can be any. So a kind that is not in the answer cannot be told from one
//! without objects, as long as the keys down to it are there.

use std::collections::{BTreeMap, BTreeSet};

use fleetgate_value::{Str, Value};

use crate::ir::{Base, Block, Gather, Leaf, Op, Operand, Program, Replacement, Rule, Slot};
use crate::object_reads::ObjectReads;
use crate::projection::{Projection, Step};

/// Which kinds of the inventory a program can read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct InventoryReads {
    patterns: BTreeSet<KindPattern>,
    reads_fleet: bool,
    reads_cluster_age: bool,
    objects: ObjectReads,
}

/// Kinds that a program can read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindPattern {
    /// Where they stand.
    pub scope: InventoryScope,
    /// Their groupVersion; none for any.
    pub group_version: Option<Str>,
    /// Their kind; none for any.
    pub kind: Option<Str>,
}

impl KindPattern {
    pub(crate) fn admits(&self, group_version: &str, kind: &str) -> bool {
        let admits = |wanted: &Option<Str>, name: &str| wanted.as_ref().is_none_or(|wanted| **wanted == *name);
        admits(&self.group_version, group_version) && admits(&self.kind, kind)
    }
}

/// A tree of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InventoryScope {
    /// `data.inventory.cluster`
    Cluster,
    /// `data.inventory.namespace`
    Namespace,
}

impl InventoryScope {
    const ALL: [Self; 2] = [Self::Cluster, Self::Namespace];

    /// Its key in the inventory.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Namespace => "namespace",
        }
    }

    /// Steps from `data` to the groupVersion.
    const fn depth(self) -> usize {
        match self {
            Self::Cluster => 2,
            Self::Namespace => 3,
        }
    }
}

impl InventoryReads {
    /// All of the inventory, and the fleet.
    #[must_use]
    pub fn everything() -> Self {
        let mut reads =
            Self { reads_fleet: true, reads_cluster_age: true, objects: ObjectReads::all(), ..Self::default() };
        reads.whole(&[]);
        reads
    }

    /// Whether nothing is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `data.fleet` can be read.
    #[must_use]
    pub const fn reads_fleet(&self) -> bool {
        self.reads_fleet
    }

    /// Whether `data.fleet.clusters[name].age` can be read, of any cluster: no two decisions see the same there.
    #[must_use]
    pub const fn reads_cluster_age(&self) -> bool {
        self.reads_cluster_age
    }

    /// The kinds, each pattern once.
    pub fn patterns(&self) -> impl Iterator<Item = &KindPattern> {
        self.patterns.iter()
    }

    /// Whether objects of a kind can be read in a tree.
    #[must_use]
    pub fn covers(&self, scope: InventoryScope, group_version: &str, kind: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.scope == scope && pattern.admits(group_version, kind))
    }

    /// The parts of cached objects of a kind that can be read, wherever they stand, and their names.
    #[must_use]
    pub fn projection(&self, group_version: &str, kind: &str) -> Projection {
        let mut parts = self.objects.projection(group_version, kind);
        // Traces tell objects apart by where they are in memory, and all that hold nothing are one there.
        parts.add(&["metadata", "name"].map(|name| Some(Str::from(name))), &Projection::default());
        parts
    }

    /// Whether managedFields or the last-applied-configuration of cached objects of a kind can be read.
    #[must_use]
    pub fn covers_bookkeeping(&self, group_version: &str, kind: &str) -> bool {
        self.objects.cached_notes(group_version, kind)
    }

    /// Whether those of the object under review can be read.
    #[must_use]
    pub const fn covers_reviewed_bookkeeping(&self) -> bool {
        self.objects.reviewed_notes
    }

    /// All that is below a path from `data`.
    fn whole(&mut self, path: &[Step]) {
        let Some((root, rest)) = path.split_first() else {
            self.fleet(&[]);
            return self.inventory(&[]);
        };
        match root.as_deref() {
            None => {
                self.fleet(rest);
                self.inventory(rest);
            }
            Some("inventory") => self.inventory(rest),
            Some("fleet") => self.fleet(rest),
            Some(_) => {}
        }
    }

    /// All that is below a path from `data.fleet`: of `clusters[name]`, each field.
    fn fleet(&mut self, path: &[Step]) {
        self.reads_fleet = true;
        let can_be =
            |at: usize, name: &str| path.get(at).is_none_or(|step| step.as_deref().is_none_or(|it| *it == *name));
        self.reads_cluster_age |= can_be(0, "clusters") && can_be(2, "age");
    }

    fn inventory(&mut self, path: &[Step]) {
        let wanted = path.first().cloned().flatten();
        for scope in
            InventoryScope::ALL.into_iter().filter(|scope| wanted.as_ref().is_none_or(|w| **w == *scope.name()))
        {
            let step = |at: usize| path.get(at - 1).cloned().flatten();
            let (group_version, kind) = (step(scope.depth()), step(scope.depth() + 1));
            self.patterns.insert(KindPattern { scope, group_version, kind });
        }
    }
}

/// Steps from `data` to a cluster of the fleet.
const FLEET_DEPTH: usize = 3;

/// A path from `data`.
type Path = Vec<Step>;

/// Whether a path leads to an object of the inventory, to a field of a cluster of the fleet, or out of both.
fn is_beyond_kinds(path: &Path) -> bool {
    match (path.first(), path.get(1)) {
        (Some(None), _) => true,
        (Some(Some(root)), _) if **root == *"fleet" => path.len() > FLEET_DEPTH,
        (Some(Some(root)), _) if **root != *"inventory" => true,
        (_, Some(Some(scope))) if **scope == *"namespace" => path.len() > InventoryScope::Namespace.depth() + 2,
        (_, Some(_)) => path.len() > InventoryScope::Cluster.depth() + 2,
        _ => false,
    }
}

impl Program {
    /// What the program can read of the inventory.
    #[must_use]
    pub fn inventory_reads(&self) -> InventoryReads {
        let mut reads = InventoryReads { objects: self.object_reads(), ..InventoryReads::default() };
        if self.reads_data() {
            for rule in &self.rules {
                Trace { program: self, slots: BTreeMap::new(), reads: &mut reads, has_grown: false }.rule(rule);
            }
        }
        reads
    }

    /// The names that lead to a node; unknown ones where it has none.
    pub(crate) fn path_of(&self, node: usize) -> Vec<Option<Str>> {
        let (mut path, mut at) = (Vec::new(), node);
        while at != 0 {
            let parent = self.nodes.iter().enumerate().find_map(|(parent, candidate)| {
                let name = candidate.children.iter().find(|(_, child)| **child == at)?.0;
                Some((parent, name.clone()))
            });
            let Some((parent, name)) = parent else { return Vec::new() };
            path.push(Some(name));
            at = parent;
        }
        path.reverse();
        path
    }
}

/// What is known of the variables of a rule.
struct Trace<'p, 'r> {
    program: &'p Program,
    /// The parts of `data` that a variable can be.
    slots: BTreeMap<Slot, BTreeSet<Path>>,
    reads: &'r mut InventoryReads,
    has_grown: bool,
}

impl Trace<'_, '_> {
    fn rule(&mut self, rule: &Rule) {
        // A variable has the same place in every clause, so one pass need not see all that it can be.
        loop {
            self.has_grown = false;
            for clause in rule.definitions.iter().chain(&rule.default).flat_map(|definition| &definition.clauses) {
                self.block(&clause.body);
                self.used_all(&clause.suffix);
                let (Leaf::Value(operand) | Leaf::Member(operand)) = &clause.leaf;
                self.used(operand);
            }
            if !self.has_grown {
                return;
            }
        }
    }

    fn block(&mut self, block: &Block) {
        for step in block {
            self.op(&step.op);
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Get { base, path, out } => {
                self.used_all(path);
                for reached in self.reached(base, path) {
                    self.leads(*out, reached);
                }
            }
            Op::Scan { base, path, value, .. } => {
                self.used_all(path);
                for mut reached in self.reached(base, path) {
                    reached.push(None);
                    self.leads(*value, reached);
                }
            }
            Op::Call { args, .. } => self.used_all(args),
            Op::Compare { left, right, .. } => {
                self.used(left);
                self.used(right);
            }
            Op::Walk { value: operand, .. }
            | Op::Test(operand)
            | Op::IsArray(operand, _)
            | Op::IsObject(operand, _) => {
                self.used(operand);
            }
            Op::MakeArray { items, .. } | Op::MakeSet { members: items, .. } => self.used_all(items),
            Op::MakeObject { pairs, .. } => {
                for (key, value) in pairs {
                    self.used(key);
                    self.used(value);
                }
            }
            Op::Comprehension { gather, body, .. } => {
                self.block(body);
                match gather {
                    Gather::Array(operand) | Gather::Set(operand) => self.used(operand),
                    Gather::Object(key, value) => {
                        self.used(key);
                        self.used(value);
                    }
                }
            }
            Op::Not(body) => self.block(body),
            Op::Any(bodies) => bodies.iter().for_each(|body| self.block(body)),
            Op::Every { domain, body, .. } => {
                self.used(domain);
                self.block(body);
            }
            Op::With { targets, body } => {
                for with in targets {
                    if let Replacement::Value(operand) = &with.value {
                        self.used(operand);
                    }
                }
                self.block(body);
            }
            Op::Fail => {}
        }
    }

    /// Where a reference can lead below `data`.
    fn reached(&self, base: &Base, path: &[Operand]) -> Vec<Path> {
        let starts: Vec<Path> = match base {
            Base::Value(Operand::Slot(slot)) => self.slots.get(slot).into_iter().flatten().cloned().collect(),
            Base::Data => vec![Path::new()],
            Base::Node(node) => vec![self.program.path_of(*node)],
            Base::Value(Operand::Const(_)) | Base::Input | Base::Rule(_) => Vec::new(),
        };
        starts.into_iter().map(|start| start.into_iter().chain(path.iter().map(step)).collect()).collect()
    }

    /// A variable can be what a path leads to.
    fn leads(&mut self, slot: Slot, path: Path) {
        if is_beyond_kinds(&path) {
            self.reads.whole(&path);
        } else {
            // Which clusters there are can be told from the keys.
            self.reads.reads_fleet |= path.first().is_some_and(|root| root.as_deref() == Some("fleet"));
            self.has_grown |= self.slots.entry(slot).or_default().insert(path);
        }
    }

    fn used_all(&mut self, operands: &[Operand]) {
        operands.iter().for_each(|operand| self.used(operand));
    }

    /// A variable is used with all that is below it.
    fn used(&mut self, operand: &Operand) {
        if let Operand::Slot(slot) = operand {
            for path in self.slots.get(slot).into_iter().flatten() {
                self.reads.whole(path);
            }
        }
    }
}

/// A number finds the key of its text too, so only a string is a constant here.
fn step(operand: &Operand) -> Step {
    match operand {
        Operand::Const(Value::String(text)) => Some(text.clone()),
        Operand::Const(_) | Operand::Slot(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::compiled;

    fn reads(body: &str) -> Vec<String> {
        let reads = compiled(body).inventory_reads();
        let shown = |name: &Option<Str>| name.as_ref().map_or("*", |name| &**name).to_owned();
        let patterns = reads.patterns().map(|pattern| {
            format!("{} {} {}", pattern.scope.name(), shown(&pattern.group_version), shown(&pattern.kind))
        });
        patterns.chain(reads.reads_fleet().then(|| "fleet".to_owned())).collect()
    }

    const INGRESS: &str = "namespace networking.k8s.io/v1 Ingress";

    #[test]
    fn kinds_that_constants_name() {
        for (body, expected) in [
            ("x { input.y }", &[][..]),
            (r#"x { data.inventory.namespace[_]["networking.k8s.io/v1"].Ingress[_].spec }"#, &[INGRESS][..]),
            (r#"x { data.inventory.namespace["a"]["networking.k8s.io/v1"].Ingress["b"] }"#, &[INGRESS]),
            (
                r#"x { t := data.inventory.namespace; v := t[_]["networking.k8s.io/v1"]; v["Ingress"][_].a == 1 }"#,
                &[INGRESS],
            ),
            (r#"x { n := data.inventory.namespace[ns]; not n.v1.Pod[ns] }"#, &["namespace v1 Pod"]),
            (r#"x = y { y := data.inventory.cluster.v1.Node[_] }"#, &["cluster v1 Node"]),
            ("x { data.inventory.cluster[v].Node[_] }", &["cluster * Node"]),
            ("x { data.inventory.namespace[_].v1[kind][_] }", &["namespace v1 *"]),
            ("x { data.inventory[scope].a.b.c.d.e }", &["cluster a b", "namespace b c"]),
            ("x { data.inventory[scope].a.b.c }", &["cluster a b", "namespace b c"]),
        ] {
            assert_eq!(reads(body), expected, "{body}");
        }
    }

    #[test]
    fn keys_down_to_a_kind_are_there_whatever_is_read() {
        for body in [
            r#"x { some ns; _ = data.inventory.namespace[ns]; ns == "a" }"#,
            r#"x[kind] { v := data.inventory.namespace[_]; _ = v["v1"][kind] }"#,
        ] {
            assert_eq!(reads(body), Vec::<String>::new(), "{body}");
        }
    }

    #[test]
    fn what_is_used_as_a_whole_is_read_as_a_whole() {
        let everything = ["cluster * *", "namespace * *"];
        for body in [
            "x { y := data.inventory; count(y) > 1 }",
            "f(y) { y.namespace } x { f(data.inventory) }",
            "x = data.inventory",
            "x { y := [data.inventory]; y[_].a }",
            "x { walk(data.inventory, [p, v]); p; v }",
            "x { data.inventory[a][b][c][d][e] }",
            "x { input.a with input.a as data.inventory }",
        ] {
            assert_eq!(reads(body), everything, "{body}");
        }
        assert_eq!(reads("x { f := data.inventory.namespace.a; count(f) }"), ["namespace * *"]);
        assert_eq!(reads("x { f := data.inventory.namespace.a.v1; count(f) }"), ["namespace v1 *"]);
        assert_eq!(reads("x { some k; data[k] }"), ["cluster * *", "namespace * *", "fleet"]);
        assert_eq!(reads("x { data.fleet.clusters[_] }"), ["fleet"]);
        assert_eq!(reads("x { data.other.clusters[_] }"), Vec::<String>::new());
    }

    #[test]
    fn ages_of_clusters_are_read_where_they_can_be() {
        for (body, expected) in [
            ("x { data.fleet.clusters[_].namespace.a }", false),
            ("x { some name; _ = data.fleet.clusters[name] }", false),
            ("x { c := data.fleet.clusters[_]; c.labels.a == c.state }", false),
            ("x { clusters := data.fleet.clusters; clusters[input.a].cluster.v1.Node }", false),
            ("x { c := data.fleet.clusters[_]; f(c.namespace) } f(n) { n[_] }", false),
            ("x { data.fleet.clusters[_].age > 1 }", true),
            (r#"x { c := data.fleet.clusters[_]; not c["age"] }"#, true),
            ("x { data.fleet.clusters[_][field] }", true),
            ("x { c := data.fleet.clusters[_]; f(c) } f(c) { c.state }", true),
            ("x = data.fleet.clusters.a", true),
            ("x { count(data.fleet) > 1 }", true),
            ("x { some root; data[root].clusters.a.age }", true),
            ("x { y := [c | c := data.fleet.clusters[_]]; y[_].state }", true),
        ] {
            let reads = compiled(body).inventory_reads();
            assert_eq!((reads.reads_cluster_age(), reads.reads_fleet()), (expected, true), "{body}");
        }
    }
}
