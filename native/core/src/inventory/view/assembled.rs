//! The views of kinds, put together as the trees of `data.inventory`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use fleetgate_eval::{InventoryReads, InventoryScope};
use fleetgate_value::{Str, Value};

use super::ViewTooLarge;
use super::kind_view::KindView;
use crate::config::{Excluder, GroupVersionKind, Process};
use crate::inventory::kind::Kind;
use crate::inventory::store::fingerprint;

/// What was put together, and of what.
#[derive(Debug)]
pub(super) struct Assembled {
    /// The latest snapshot that it is of.
    pub(super) number: u64,
    /// One for each kind that is shown.
    pub(super) stamps: Vec<Stamp>,
    pub(super) trees: Result<Trees, ViewTooLarge>,
    pub(super) used: Instant,
}

/// The trees of a cluster; those that hold nothing are absent, as before Gatekeeper's first write to them.
#[derive(Debug, Clone)]
pub(super) struct Trees {
    pub(super) cluster: Option<Value>,
    pub(super) namespace: Option<Value>,
    /// `{"inventory": {"cluster": …, "namespace": …}}`
    pub(super) data: Value,
    pub(super) bytes: usize,
}

/// What a kind contributes: the same stamp, the same contribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Its objects: the snapshot in which they changed last.
    Objects(Arc<GroupVersionKind>, u64),
    /// Its keys: a hash of the namespaces.
    Keys(Arc<GroupVersionKind>, u64),
}

pub(super) fn stamp(known: &Kind, covered: bool) -> Stamp {
    let kind = known.kind.clone();
    if covered {
        return Stamp::Objects(kind, known.changed);
    }
    let parents = known.objects.parents().iter();
    let texts: Vec<u8> =
        parents.flat_map(|(namespace, count)| [namespace.as_bytes(), &[0, u8::from(*count > 0)]].concat()).collect();
    Stamp::Keys(kind, fingerprint(&texts))
}

/// Whether a program can read objects of a kind.
pub(in crate::inventory) fn covers(reads: &InventoryReads, known: &Kind) -> bool {
    let (group_version, kind) = (known.kind().group_version(), &*known.kind().kind);
    // The empty namespace, in which cluster-scoped objects are, comes first.
    let mut namespaces = known.objects.parents().keys();
    let ends = [namespaces.next(), namespaces.next_back()];
    ends.into_iter().flatten().any(|namespace| reads.covers(scope_of(namespace), &group_version, kind))
}

fn scope_of(namespace: &str) -> InventoryScope {
    if namespace.is_empty() { InventoryScope::Cluster } else { InventoryScope::Namespace }
}

/// Objects by groupVersion and kind.
pub(super) type Kinds = BTreeMap<Str, BTreeMap<Str, Value>>;

/// Puts kinds together: each with its objects, or with its keys alone.
pub(super) fn trees(
    parts: &[(&Kind, Option<Arc<KindView>>)],
    excluder: &Excluder,
    keeps_parents: bool,
    bytes: usize,
) -> Trees {
    let (mut cluster, mut namespaces) = (Kinds::new(), BTreeMap::<Str, Kinds>::new());
    let is_excluded = |name: &str| excluder.excludes_name(Process::Sync, name);
    for (known, view) in parts {
        let is_namespace = known.kind().is_namespace();
        let (group_version, kind) = (Str::from(known.kind().group_version()), Str::from(&*known.kind().kind));
        for (namespace, count) in known.objects.parents() {
            if (*count == 0 && !keeps_parents) || (!is_namespace && is_excluded(namespace)) {
                continue;
            }
            let mut objects = view.as_ref().map_or_else(Value::empty_object, |view| view.of_namespace(namespace));
            if is_namespace && let Some(fields) = objects.as_object() {
                // A Namespace is excluded by its own name.
                let is_kept = |key: &Value| !is_excluded(key.as_str().unwrap_or_default());
                if !fields.keys().all(is_kept) {
                    let kept = fields.iter().filter(|(key, _)| is_kept(key));
                    objects = Value::object(kept.map(|(key, value)| (key.clone(), value.clone())).collect());
                }
            }
            let kinds = match &**namespace {
                "" => &mut cluster,
                _ => namespaces.entry(namespace.clone()).or_default(),
            };
            kinds.entry(group_version.clone()).or_default().insert(kind.clone(), objects);
        }
    }
    data(cluster, namespaces, bytes)
}

/// The trees of objects by groupVersion and kind, those that are namespaced by namespace first.
pub(super) fn data(cluster: Kinds, namespaces: BTreeMap<Str, Kinds>, bytes: usize) -> Trees {
    let cluster = (!cluster.is_empty()).then(|| kinds_value(cluster));
    let namespace = (!namespaces.is_empty()).then(|| level(namespaces, kinds_value));
    let named = |name: &str, tree: &Option<Value>| tree.as_ref().map(|tree| (Value::from(name), tree.clone()));
    let fields = [named("cluster", &cluster), named("namespace", &namespace)].into_iter().flatten().collect();
    let data = Value::object(vec![(Value::from("inventory"), Value::object(fields))]);
    Trees { cluster, namespace, data, bytes }
}

fn kinds_value(kinds: Kinds) -> Value {
    level(kinds, |kinds| level(kinds, |objects| objects))
}

fn level<T>(entries: BTreeMap<Str, T>, value: impl Fn(T) -> Value) -> Value {
    Value::object(entries.into_iter().map(|(key, entry)| (Value::String(key), value(entry))).collect())
}
