//! The next snapshot in the making.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::shadow::{Graves, Shadow};
use super::tuning::Tuning;
use crate::config::GroupVersionKind;
use crate::inventory::store::{self, Key, Objects, Packed, Read, fingerprint};
use crate::inventory::{Change, Shared, Snapshot, State, Unfit};
use crate::json::KeyCache;
use crate::matching::Facts;

/// What a writer remembers from one write to the next.
#[derive(Debug, Default)]
pub(super) struct Writer {
    shadows: BTreeMap<GroupVersionKind, Shadow>,
    graves: BTreeMap<GroupVersionKind, Graves>,
    tunings: BTreeMap<GroupVersionKind, Tuning>,
    keys: KeyCache,
}

/// The next snapshot in the making.
pub(super) struct Draft<'a> {
    after: Snapshot,
    writer: &'a mut Writer,
    shared: &'a Shared,
    now: SystemTime,
    /// The highest resourceVersion that was seen of a kind.
    seen: BTreeMap<GroupVersionKind, u64>,
    /// Whether objects of a kind are stripped.
    strips: BTreeMap<GroupVersionKind, bool>,
    has_changed: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(before: &Snapshot, writer: &'a mut Writer, shared: &'a Shared) -> Self {
        let (after, now) = (before.next(), SystemTime::now());
        Self { after, writer, shared, now, seen: BTreeMap::new(), strips: BTreeMap::new(), has_changed: false }
    }

    /// The snapshot; none where nothing changed.
    pub(super) fn finish(mut self) -> Option<Snapshot> {
        for (kind, revision) in std::mem::take(&mut self.seen) {
            let now = self.now;
            // Before a first complete list nothing is complete up to anywhere.
            if let Some(known) = self.after.kind_mut(&kind).filter(|known| known.watermark.epoch > 0) {
                known.watermark.advance(&revision.to_string(), now);
            }
        }
        self.has_changed.then_some(self.after)
    }

    pub(super) fn make(&mut self, change: Change) -> Result<(), String> {
        if change.kind().is_secret() {
            return Err("Secrets are never cached".to_owned());
        }
        match change {
            Change::Begin { kind } => self.begin(&kind),
            Change::Listed { kind, object } => return self.listed(&kind, &object),
            Change::Finish { kind, resource_version, at } => return self.complete(&kind, &resource_version, at),
            Change::Abort { kind } => drop(self.writer.shadows.remove(&kind)),
            Change::Put { kind, object } => return self.put(&kind, &object),
            Change::Delete { kind, namespace, name, resource_version } => {
                self.delete(&kind, Key::new(&namespace, &name), resource_version.parse().unwrap_or_default());
            }
            Change::Observed { kind, resource_version, at } => {
                let is_followed = !self.writer.shadows.contains_key(&kind);
                if let Some(known) = self.after.kind_mut(&kind).filter(|known| is_followed && known.watermark.epoch > 0)
                {
                    known.watermark.advance(&resource_version, at);
                    self.has_changed = true;
                }
            }
            Change::State { kind, state, reason } => return self.state(&kind, state, &reason),
            Change::Forget { kind } => {
                self.writer.shadows.remove(&kind);
                self.writer.graves.remove(&kind);
                self.writer.tunings.remove(&kind);
                self.has_changed |= self.after.forget(&kind);
            }
        }
        Ok(())
    }

    /// A kind that was complete is so no longer: nobody follows it while it is listed anew.
    fn begin(&mut self, kind: &GroupVersionKind) {
        let known = self.after.kind_or_new(kind);
        known.watermark.state = if known.watermark.epoch == 0 { State::Listing } else { State::Stale };
        known.reason = "it is being listed".into();
        let mut shadow = Shadow { objects: Objects::like(&known.objects), ..Shadow::default() };
        Tuning::prepare(kind, &mut shadow.objects, &self.shared.library);
        self.writer.shadows.insert(kind.clone(), shadow);
        self.has_changed = true;
    }

    fn listed(&mut self, kind: &GroupVersionKind, text: &[u8]) -> Result<(), String> {
        let strips = self.strips(kind);
        let Some(shadow) = self.writer.shadows.get_mut(kind) else { return Err("no list has begun".to_owned()) };
        let read = store::read(kind, text, strips, &mut self.writer.keys)?;
        shadow.is_stripped |= strips;
        if is_behind(&shadow.objects, &shadow.graves, &read) {
            return Ok(());
        }
        // What did not change since keeps its memory.
        let same = self
            .after
            .kind(kind)
            .and_then(|known| known.objects.get(&read.key).filter(|packed| is_same(packed, &read)).cloned());
        let tuning = self.writer.tunings.entry(kind.clone()).or_default();
        let packed = match same {
            Some(packed)
                if shadow.objects.dictionaries().any(|one| one.id() == packed.dictionary())
                    || packed.dictionary() == 0 =>
            {
                packed
            }
            _ => pack(&shadow.objects, &read)?,
        };
        shadow.objects.insert(read.key, packed.clone());
        tuning.packed(kind, &mut shadow.objects, &packed, &self.shared.library);
        Ok(())
    }

    fn complete(&mut self, kind: &GroupVersionKind, resource_version: &str, at: SystemTime) -> Result<(), String> {
        let Some(Shadow { mut objects, graves, newest, is_stripped }) = self.writer.shadows.remove(kind) else {
            return Err("no list has begun".to_owned());
        };
        let number = self.after.number();
        let known = self.after.kind_or_new(kind);
        objects.keep_parents(&known.objects);
        (known.objects, known.changed, known.is_given) = (objects, number, false);
        known.is_stripped = is_stripped;
        known.watermark.begin_epoch(resource_version, at);
        if newest > 0 {
            known.watermark.advance(&newest.to_string(), at);
        }
        known.reason = Arc::default();
        self.writer.graves.insert(kind.clone(), graves);
        // What was seen before the list is in the list.
        self.seen.remove(kind);
        self.has_changed = true;
        Ok(())
    }

    fn put(&mut self, kind: &GroupVersionKind, text: &[u8]) -> Result<(), String> {
        let strips = self.strips(kind);
        let read = store::read(kind, text, strips, &mut self.writer.keys)?;
        if let Some(shadow) =
            self.writer.shadows.get_mut(kind).filter(|one| !is_behind(&one.objects, &one.graves, &read))
        {
            let packed = pack(&shadow.objects, &read)?;
            shadow.objects.insert(read.key.clone(), packed);
            shadow.newest = shadow.newest.max(read.revision);
            shadow.is_stripped |= strips;
        }
        let number = self.after.number();
        let graves = self.writer.graves.entry(kind.clone()).or_default();
        let known = self.after.kind_or_new(kind);
        Tuning::prepare(kind, &mut known.objects, &self.shared.library);
        if is_behind(&known.objects, graves, &read) {
            return Ok(());
        }
        let packed = pack(&known.objects, &read)?;
        known.objects.insert(read.key.clone(), packed.clone());
        known.changed = number;
        known.is_stripped |= strips;
        self.writer.tunings.entry(kind.clone()).or_default().packed(
            kind,
            &mut known.objects,
            &packed,
            &self.shared.library,
        );
        self.saw(kind, read.revision);
        Ok(())
    }

    fn delete(&mut self, kind: &GroupVersionKind, key: Key, revision: u64) {
        let is_newer =
            |objects: &Objects| objects.get(&key).is_some_and(|packed| revision != 0 && packed.revision() > revision);
        if let Some(shadow) = self.writer.shadows.get_mut(kind).filter(|shadow| !is_newer(&shadow.objects)) {
            shadow.objects.remove(&key);
            shadow.graves.bury(key.clone(), revision);
            shadow.newest = shadow.newest.max(revision);
        }
        let number = self.after.number();
        let Some(known) = self.after.kind_mut(kind).filter(|known| !is_newer(&known.objects)) else { return };
        if known.objects.remove(&key) {
            known.changed = number;
        }
        self.writer.graves.entry(kind.clone()).or_default().bury(key, revision);
        self.saw(kind, revision);
    }

    fn state(&mut self, kind: &GroupVersionKind, state: State, reason: &str) -> Result<(), String> {
        let known = self.after.kind_or_new(kind);
        if known.watermark.epoch == 0 && matches!(state, State::Synced | State::Stale) {
            return Err(format!("a kind that was never listed cannot be {}", state.name()));
        }
        known.watermark.state = state;
        known.reason = reason.into();
        self.has_changed = true;
        Ok(())
    }

    fn strips(&mut self, kind: &GroupVersionKind) -> bool {
        if let Some(known) = self.strips.get(kind) {
            return *known;
        }
        let strips = self.shared.strips(self.after.cluster(), kind);
        self.strips.insert(kind.clone(), strips);
        strips
    }

    fn saw(&mut self, kind: &GroupVersionKind, revision: u64) {
        self.has_changed = true;
        // What is listed anew was not followed for a while: what comes meanwhile says nothing of what came before it.
        if revision > 0 && !self.writer.shadows.contains_key(kind) {
            let seen = self.seen.entry(kind.clone()).or_default();
            *seen = revision.max(*seen);
        }
    }
}

/// Whether a newer version is there, or was deleted.
fn is_behind(objects: &Objects, graves: &Graves, read: &Read<'_>) -> bool {
    match objects.get(&read.key) {
        Some(packed) => read.revision != 0 && packed.revision() > read.revision,
        None => graves.hold(&read.key, read.revision),
    }
}

fn is_same(packed: &Packed, read: &Read<'_>) -> bool {
    (packed.revision(), packed.is_terminating()) == (read.revision, read.is_terminating)
        && packed.json_length() == read.json.len()
        && packed.fingerprint() == fingerprint(&read.json)
}

fn pack(objects: &Objects, read: &Read<'_>) -> Result<Packed, String> {
    let dictionary = objects.dictionary().map(|dictionary| &**dictionary);
    Packed::new(&read.json, read.revision, read.is_terminating, dictionary).map_err(|error| error.to_string())
}

/// The snapshot after objects were handed over as a whole.
pub(super) fn given<'a>(
    before: &Snapshot,
    writer: &mut Writer,
    objects: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Snapshot, Unfit> {
    let mut kinds: BTreeMap<GroupVersionKind, Vec<(Key, Packed)>> = BTreeMap::new();
    for (index, text) in objects.into_iter().enumerate() {
        let (kind, key, packed) = read_given(text, &mut writer.keys).map_err(|message| Unfit { index, message })?;
        kinds.entry(kind).or_default().push((key, packed));
    }
    let (mut after, now) = (before.next().given_now(), SystemTime::now());
    let all: BTreeSet<GroupVersionKind> =
        before.kinds().map(|known| known.kind().clone()).chain(kinds.keys().cloned()).collect();
    for kind in all {
        let number = after.number();
        let known = after.kind_or_new(&kind);
        let mut objects = Objects::like(&known.objects);
        let entries = kinds.remove(&kind).unwrap_or_default();
        for (key, packed) in entries {
            objects.insert(key, packed);
        }
        objects.keep_parents(&known.objects);
        (known.objects, known.changed, known.is_given) = (objects, number, true);
        known.watermark.begin_epoch("", now);
    }
    Ok(after)
}

fn read_given(text: &[u8], keys: &mut KeyCache) -> Result<(GroupVersionKind, Key, Packed), String> {
    let value = crate::json::parse(text, keys, crate::json::Numbers::Exact).map_err(|error| error.to_string())?;
    let facts = Facts::of(&value).ok_or("the object has no kind")?;
    if facts.version.is_empty() {
        return Err("the object has no version".to_owned());
    }
    let kind = GroupVersionKind { group: facts.group.into(), version: facts.version.into(), kind: facts.kind.into() };
    let key = Key::new(facts.namespace, facts.name);
    let packed = Packed::new(text, store::revision_of(&value), store::is_terminating(&value), None);
    Ok((kind, key, packed.map_err(|error| error.to_string())?))
}
