//! `QueryInventory`: cached objects, page by page.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::SystemTime;

use fleetgate_value::Value;
use prost::Message;

use super::{Chosen, QueryError, duration, kind_name, state};
use crate::config::GroupVersionKind;
use crate::inventory::kind::Kind;
use crate::inventory::store::Key;
use crate::inventory::{Inventories, Snapshot, State};
use crate::json::{self, KeyCache, Numbers};
use crate::matching::{Labels, Selector};
use crate::wire;

const DEFAULT_PAGE: usize = 500;
const MAX_PAGE: usize = 5_000;

/// A page ends with the object that reaches this: below what gRPC takes, with one more object of the largest size.
const MAX_BYTES: usize = 4 << 20;

/// Between the cluster and the key in a page token.
const SEPARATOR: char = '\u{1}';

impl Inventories {
    /// Answers an encoded `fleetgate.v1.QueryInventoryRequest` with an encoded `QueryInventoryResponse`. `only` is the
    /// cluster that the caller is bound to. Pages are of the current snapshots: an object that is added or deleted
    /// meanwhile may be in none or be missing, the others are in exactly one.
    ///
    /// # Errors
    /// [`QueryError`]
    pub fn query(&self, request: &[u8], only: Option<&str>) -> Result<Vec<u8>, QueryError> {
        let request =
            wire::QueryInventoryRequest::decode(request).map_err(|error| QueryError::invalid("", error.to_string()))?;
        if request.kind.is_empty() {
            return Err(QueryError::invalid("kind", "a kind is expected"));
        }
        let chosen = self.chosen(&request.clusters, ("cluster_selector", &request.cluster_selector), only)?;
        let selector =
            Selector::of_text(&request.selector).map_err(|message| QueryError::invalid("selector", message))?;
        let from = match request.page_token.split_once(SEPARATOR) {
            Some((cluster, key)) => {
                let key = Key::of_text(key).ok_or_else(|| QueryError::invalid("page_token", "it is of no page"))?;
                Some((cluster, key))
            }
            None if request.page_token.is_empty() => None,
            None => return Err(QueryError::invalid("page_token", "it is of no page")),
        };
        let size = match usize::try_from(request.page_size).unwrap_or(MAX_PAGE) {
            0 => DEFAULT_PAGE,
            size => size.min(MAX_PAGE),
        };
        let mut page = Page { request: &request, selector, size, bytes: 0, objects: Vec::new(), next: String::new() };
        let mut answers = answers(&chosen, &request.kind);
        for snapshot in &chosen.snapshots {
            let after = match &from {
                Some((cluster, _)) if **snapshot.cluster() < **cluster => continue,
                Some((cluster, key)) if **snapshot.cluster() == **cluster => Some(key),
                _ => None,
            };
            let Some(known) = find(snapshot, &request.kind) else { continue };
            if let Err(problem) = page.add(snapshot, known, after)
                && let Some(answer) = answers.get_mut(&**snapshot.cluster())
            {
                answer.reason = problem;
            }
            if !page.next.is_empty() {
                break;
            }
        }
        let response = wire::QueryInventoryResponse {
            objects: page.objects,
            answers: answers.into_values().collect(),
            next_page_token: page.next,
        };
        Ok(response.encode_to_vec())
    }
}

impl Snapshot {
    /// The cached kind that a text means: `Pod`, `pods`, `ingresses.networking.k8s.io`.
    #[must_use]
    pub fn kind_named(&self, text: &str) -> Option<&Kind> {
        find(self, text)
    }
}

/// A page in the making.
struct Page<'a> {
    request: &'a wire::QueryInventoryRequest,
    selector: Selector,
    size: usize,
    bytes: usize,
    objects: Vec<wire::InventoryObject>,
    /// The token of the next page, once this one is full.
    next: String,
}

impl Page<'_> {
    /// Adds the objects of a cluster behind a key, as far as there is room.
    fn add(&mut self, snapshot: &Snapshot, known: &Kind, after: Option<&Key>) -> Result<(), String> {
        let first = Key::new(&self.request.namespace, &self.request.name);
        let start = match after {
            Some(key) if *key >= first => Bound::Excluded(key.clone()),
            _ => Bound::Included(first),
        };
        let mut last: Option<&Key> = after;
        let mut unreadable = 0_usize;
        for (key, packed) in known.objects.entries().range((start, Bound::Unbounded)) {
            let (namespace, name) = key.parts();
            if !self.request.namespace.is_empty() && namespace != self.request.namespace {
                break;
            }
            if !self.request.name.is_empty() && name != self.request.name {
                continue;
            }
            let Ok(object) = known.objects.json(packed) else {
                unreadable += 1;
                continue;
            };
            if !is_selected(&self.selector, &object) {
                continue;
            }
            if self.objects.len() >= self.size || self.bytes >= MAX_BYTES {
                self.next = match last {
                    Some(last) => format!("{}{SEPARATOR}{}", snapshot.cluster(), last.text()),
                    // This cluster's objects begin with the next page.
                    None => format!("{}{SEPARATOR}{}", snapshot.cluster(), Key::new("", "").text()),
                };
                break;
            }
            self.bytes += object.len();
            self.objects.push(wire::InventoryObject {
                cluster: snapshot.cluster().to_string(),
                kind: Some(kind_name(known.kind())),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                object: object.into(),
            });
            last = Some(key);
        }
        if unreadable > 0 { Err(format!("{unreadable} cached objects cannot be read back")) } else { Ok(()) }
    }
}

/// Whether an object's labels satisfy a selector; most requests have none, and nothing is read for them.
fn is_selected(selector: &Selector, object: &[u8]) -> bool {
    if selector.is_empty() {
        return true;
    }
    let object = json::parse(object, &mut KeyCache::default(), Numbers::Exact).unwrap_or(Value::Null);
    selector.matches(&Labels::of_metadata(object.field("metadata").unwrap_or(&Value::Null)))
}

/// How far each cluster's part can be trusted, by the cluster's name.
fn answers(chosen: &Chosen, kind: &str) -> BTreeMap<String, wire::ClusterAnswer> {
    let now = SystemTime::now();
    let of_known = chosen.snapshots.iter().map(|snapshot| {
        let known = find(snapshot, kind);
        wire::ClusterAnswer {
            cluster: snapshot.cluster().to_string(),
            state: state(known.map_or(State::Pending, Kind::state)).into(),
            reason: known.map_or_else(|| "the kind is not cached".to_owned(), |known| known.reason().to_owned()),
            age: known.and_then(|known| known.watermark().age(now)).map(duration),
            revision: snapshot.number(),
        }
    });
    let of_unknown = chosen.unknown.iter().map(|name| wire::ClusterAnswer {
        cluster: name.clone(),
        state: state(State::Pending).into(),
        reason: "there is no cluster of this name".to_owned(),
        ..Default::default()
    });
    of_known.chain(of_unknown).map(|answer| (answer.cluster.clone(), answer)).collect()
}

/// The kind that a text means: of several groups the first, and there the version that is no alpha or beta. Kinds without
/// objects come last: policies ask for groups and versions that a cluster does not serve any more, or not yet.
fn find<'a>(snapshot: &'a Snapshot, text: &str) -> Option<&'a Kind> {
    let is_unstable = |known: &Kind| known.kind().version.contains("alpha") || known.kind().version.contains("beta");
    let meant = snapshot.kinds().filter(|known| is_meant(text, known.kind()));
    meant.min_by_key(|known| (known.is_empty(), known.kind().group.clone(), is_unstable(known)))
}

/// Whether a text means a kind, as kubectl takes it: `Pod`, `pods`, `ingresses.networking.k8s.io`.
pub(crate) fn is_meant(text: &str, kind: &GroupVersionKind) -> bool {
    let (name, group) = text.split_once('.').map_or((text, None), |(name, group)| (name, Some(group)));
    group.is_none_or(|group| *group == *kind.group) && is_named(&kind.kind.to_lowercase(), &name.to_lowercase())
}

/// Singular or plural, as apimachinery guesses it (`meta.UnsafeGuessKindToResource`).
fn is_named(kind: &str, name: &str) -> bool {
    let plural = match kind.strip_suffix('y') {
        _ if kind == "endpoints" => kind.to_owned(),
        _ if kind.ends_with('s') => format!("{kind}es"),
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{kind}s"),
    };
    name == kind || name == plural
}
