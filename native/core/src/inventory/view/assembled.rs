//! The views of kinds, put together as the trees of `data.inventory`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use fleetgate_eval::{InventoryReads, InventoryScope, Projection};
use fleetgate_value::{Str, Value};

use super::ViewTooLarge;
use super::kind_view::KindView;
use crate::config::{Excluder, GroupVersionKind, Process};
use crate::inventory::kind::Kind;
use crate::inventory::store::fingerprint;

/// Each place costs a copy of the level of namespaces; beyond so many everything is put together anew.
const MAX_PATCHES: usize = 8;

/// What was put together, and of what.
#[derive(Debug)]
pub(super) struct Assembled {
    /// The latest snapshot that it is of.
    pub(super) number: u64,
    /// One for each kind that is shown.
    pub(super) stamps: Vec<Stamp>,
    pub(super) parts: Arc<[Part]>,
    pub(super) trees: Result<Trees, ViewTooLarge>,
    pub(super) used: Instant,
}

/// A kind as it was put together: with its objects, or with its keys alone.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) known: Arc<Kind>,
    pub(super) view: Option<Arc<KindView>>,
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
    /// Its objects: a snapshot since which what is read of them is the same.
    Objects(Arc<GroupVersionKind>, u64),
    /// Its keys: a hash of the namespaces.
    Keys(Arc<GroupVersionKind>, u64),
}

/// `read` is what is shown of the objects; none where their keys alone are.
pub(super) fn stamp(known: &Kind, read: Option<&Projection>) -> Stamp {
    let kind = known.kind.clone();
    if let Some(parts) = read {
        return Stamp::Objects(kind, known.same_since(parts));
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

/// Puts kinds together.
pub(super) fn trees(parts: &[Part], excluder: &Excluder, keeps_parents: bool, bytes: usize) -> Trees {
    let (mut cluster, mut namespaces) = (Kinds::new(), BTreeMap::<Str, Kinds>::new());
    let is_excluded = |name: &str| excluder.excludes_name(Process::Sync, name);
    for part in parts {
        let Part { known, view } = part;
        let is_namespace = known.kind().is_namespace();
        let (group_version, kind) = (Str::from(known.kind().group_version()), Str::from(&*known.kind().kind));
        for namespace in part.places(excluder, keeps_parents) {
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
    Trees::of(cluster, namespace, bytes)
}

impl Trees {
    fn of(cluster: Option<Value>, namespace: Option<Value>, bytes: usize) -> Self {
        let named = |name: &str, tree: &Option<Value>| tree.as_ref().map(|tree| (Value::from(name), tree.clone()));
        let fields = [named("cluster", &cluster), named("namespace", &namespace)].into_iter().flatten().collect();
        let data = Value::object(vec![(Value::from("inventory"), Value::object(fields))]);
        Self { cluster, namespace, data, bytes }
    }

    /// The trees of other parts, made of the same excluder, from those of `before`; none where more than objects in a few places
    /// changed.
    pub(super) fn patched(
        &self,
        before: &[Part],
        parts: &[Part],
        excluder: &Excluder,
        keeps_parents: bool,
        bytes: usize,
    ) -> Option<Self> {
        let (mut cluster, mut namespaces) = (self.cluster.clone(), self.namespace.clone());
        let mut places = 0;
        if before.len() != parts.len() {
            return None;
        }
        for (was, is) in before.iter().zip(parts) {
            let kind = is.known.kind();
            let has_same_places = || was.places(excluder, keeps_parents).eq(is.places(excluder, keeps_parents));
            if !Arc::ptr_eq(&was.known, &is.known) && (was.known.kind() != kind || !has_same_places()) {
                return None;
            }
            let (old, new) = match (&was.view, &is.view) {
                (None, None) => continue,
                (Some(old), Some(new)) if Arc::ptr_eq(old, new) => continue,
                (Some(old), Some(new)) if !kind.is_namespace() => (old, new),
                _ => return None,
            };
            let group_version = kind.group_version();
            for namespace in is.places(excluder, keeps_parents) {
                let objects = new.of_namespace(namespace);
                if objects.is_same(&old.of_namespace(namespace)) {
                    continue;
                }
                places += 1;
                if places > MAX_PATCHES {
                    return None;
                }
                let place = [namespace, &*group_version, &*kind.kind];
                if namespace.is_empty() {
                    let [_, place @ ..] = &place;
                    cluster = Some(replaced(cluster.as_ref()?, place, &objects)?);
                } else {
                    namespaces = Some(replaced(namespaces.as_ref()?, &place, &objects)?);
                }
            }
        }
        if places == 0 {
            return Some(Self { bytes, ..self.clone() });
        }
        Some(Self::of(cluster, namespaces, bytes))
    }
}

impl Part {
    /// The namespaces in whose trees it stands; the empty one is the tree of what is cluster-scoped. A Namespace is excluded by
    /// its own name, not by that of its place.
    fn places<'p>(&'p self, excluder: &'p Excluder, keeps_parents: bool) -> impl Iterator<Item = &'p Str> {
        let is_namespace = self.known.kind().is_namespace();
        let is_left_out = move |namespace: &str, count: usize| {
            (count == 0 && !keeps_parents) || (!is_namespace && excluder.excludes_name(Process::Sync, namespace))
        };
        let parents = self.known.objects.parents().iter();
        parents.filter(move |(namespace, count)| !is_left_out(namespace, **count)).map(|(namespace, _)| namespace)
    }
}

/// A tree with something else in a place that it has.
fn replaced(tree: &Value, place: &[&str], objects: &Value) -> Option<Value> {
    let Some((name, rest)) = place.split_first() else { return Some(objects.clone()) };
    let fields = tree.as_object()?;
    let field = replaced(fields.get_str(name)?, rest, objects)?;
    let is_it = |key: &Value| key.as_str() == Some(*name);
    let fields =
        fields.iter().map(|(key, value)| (key.clone(), if is_it(key) { field.clone() } else { value.clone() }));
    Some(Value::object(fields.collect()))
}

fn kinds_value(kinds: Kinds) -> Value {
    level(kinds, |kinds| level(kinds, |objects| objects))
}

fn level<T>(entries: BTreeMap<Str, T>, value: impl Fn(T) -> Value) -> Value {
    Value::object(entries.into_iter().map(|(key, entry)| (Value::String(key), value(entry))).collect())
}
