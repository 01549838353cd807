//! What Rego sees of a cluster's objects.
//!
//! Values take many times the memory of the objects as they are kept, so they are made for the kinds that a program can
//! read and for no others ([`InventoryReads`]); of these others the keys down to the kind are there. Of the objects of a
//! kind they have the parts that some program can read ([`Projection`]). They are made by the writer before a snapshot is
//! published, or before a program is ([`super::Demand`]); with the next snapshot only what changed is made anew. A decision
//! makes what nobody foresaw. What one program reads may take so many bytes and no more; beyond that the program is refused.

mod assembled;
mod delta;
mod footprint;
mod kind_view;
mod ready;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleetgate_eval::{InventoryReads, Projection};
use fleetgate_value::Value;

use super::fleet::{FleetTrees, Look};
use super::kind::{Kind, Seen};
use super::{Shared, Snapshot, Wanted};
use crate::compatibility::{Compatibility, EmptyParents};
use crate::config::{Excluder, GroupVersionKind};
use crate::json::KeyCache;
pub(super) use assembled::covers;
use assembled::{Assembled, Part, Trees};
pub(crate) use delta::Delta;
use kind_view::KindView;
pub(super) use ready::Ready;

/// A view that no program reads any more, and that nobody asked for in this time, is dropped.
const IDLE: Duration = Duration::from_secs(600);

/// What was put together of views is quickly made again, and holds on to former ones.
const ASSEMBLED_IDLE: Duration = Duration::from_secs(20);

/// What was put together for so many programs is kept.
const MAX_ASSEMBLED: usize = 256;

/// Which kinds and namespaces policies may see, by their generation.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// [`Generation::shows`](crate::policy::Generation::shows): what it shows never changes.
    pub generation: u64,
    /// Kinds that are synced.
    pub synced: &'a BTreeSet<GroupVersionKind>,
    /// Namespaces that are excluded from processes, `sync` among them.
    pub excluder: &'a Excluder,
}

/// Why a program cannot be shown what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ViewTooLarge {
    /// It takes too much memory.
    #[error("what the program reads of the inventory takes more than {limit} bytes")]
    Bytes {
        /// [`super::Settings::view_bytes`].
        limit: usize,
    },
    /// A cached object cannot be read back.
    #[error("a cached object cannot be read back")]
    Unreadable,
}

/// What was made for the snapshots of a cluster so far.
#[derive(Debug)]
pub(super) struct Views {
    limit: usize,
    compatibility: Compatibility,
    made: Mutex<Made>,
    ready: Arc<Ready>,
    /// Bytes of what was made.
    bytes: AtomicUsize,
    /// The writer's own, so that it keeps nobody waiting.
    writer_keys: Mutex<KeyCache>,
    /// Those of decisions that make a view.
    reader_keys: Mutex<KeyCache>,
}

/// Views of a snapshot that is about to be published.
#[derive(Debug)]
pub(super) struct Prepared {
    views: Vec<(Arc<GroupVersionKind>, Outcome)>,
    /// Kinds that were looked at, and whether they are made before anybody asks.
    looked: Vec<(Arc<GroupVersionKind>, bool)>,
}

/// The view of a kind, or why there is none.
type Outcome = Result<Arc<KindView>, Refused>;

impl Prepared {
    /// What programs see of the kinds of which views were made.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&GroupVersionKind, Seen)> {
        self.views.iter().filter_map(|(kind, view)| Some((&**kind, view.as_ref().ok()?.seen())))
    }
}

#[derive(Debug, Default)]
struct Made {
    kinds: BTreeMap<Arc<GroupVersionKind>, Slot>,
    assembled: Vec<(Asked, Assembled)>,
}

/// The view of a kind, and what was too large to be one.
#[derive(Debug, Clone)]
struct Slot {
    view: Arc<KindView>,
    refused: Option<Refused>,
    /// Programs read it, and it is made before anybody asks.
    is_demanded: bool,
    used: Instant,
}

/// A view that was too large stays so until its objects are fewer, or less of them is read.
#[derive(Debug, Clone)]
struct Refused {
    json_bytes: usize,
    changed: u64,
    projection: Projection,
    why: ViewTooLarge,
}

/// Who asks for something to be put together: a program of a generation.
#[derive(Debug, Clone, Copy)]
struct Asker<'a> {
    generation: u64,
    reads: &'a Arc<InventoryReads>,
    /// The kinds that it declares, where it is of a fleet template.
    declared: Option<&'a Arc<BTreeSet<GroupVersionKind>>>,
}

/// Who asked for what was put together.
#[derive(Debug)]
struct Asked {
    generation: u64,
    reads: Arc<InventoryReads>,
    declared: Option<Arc<BTreeSet<GroupVersionKind>>>,
}

impl Asked {
    fn is(&self, asker: &Asker<'_>) -> bool {
        self.generation == asker.generation && self.reads == *asker.reads && self.declared.as_ref() == asker.declared
    }
}

impl From<Asker<'_>> for Asked {
    fn from(asker: Asker<'_>) -> Self {
        Self { generation: asker.generation, reads: asker.reads.clone(), declared: asker.declared.cloned() }
    }
}

impl Views {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            limit: shared.settings.view_bytes,
            compatibility: shared.compatibility,
            ready: shared.ready.clone(),
            made: Mutex::default(),
            bytes: AtomicUsize::new(0),
            writer_keys: Mutex::default(),
            reader_keys: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what programs read, and what is in use besides, of kinds of a snapshot that is about to be published, so that
    /// decisions need not. They go on with what there is meanwhile. Parts of objects that nobody reads any more stay unless it
    /// `shrinks`.
    pub(super) fn prepare(&self, wanted: Vec<Wanted<'_>>, shrinks: bool) -> Prepared {
        let wanted = self.affordable(wanted);
        let due = |(known, wanted): &Wanted<'_>| {
            let known = *known;
            let wanted = wanted.as_ref();
            let slot = self.lock().kinds.get(known.kind()).cloned().or_else(|| wanted.map(|_| Slot::unbuilt()))?;
            let is_anew = shrinks && wanted.is_some_and(|wanted| wanted != slot.view.projection());
            let start = if is_anew { Arc::default() } else { slot.view.clone() };
            match wanted.filter(|wanted| slot.refuses(known, &start, wanted).is_none()) {
                Some(wanted) => {
                    let is_due = is_anew || !start.serves(known, wanted);
                    is_due.then(|| (known.clone(), start, wanted.clone()))
                }
                // What is in use is kept so, without what would be too much.
                None => {
                    let own = slot.view.projection().clone();
                    let is_due = slot.is_built() && !slot.view.serves(known, &own);
                    is_due.then(|| (known.clone(), slot.view, own))
                }
            }
        };
        let due: Vec<(Arc<Kind>, Arc<KindView>, Projection)> = wanted.iter().filter_map(due).collect();
        let looked = wanted.into_iter().map(|(known, wanted)| (known.kind.clone(), wanted.is_some())).collect();
        if due.is_empty() {
            return Prepared { views: Vec::new(), looked };
        }
        let mut keys = self.writer_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let made = |(known, start, wanted): (Arc<Kind>, Arc<KindView>, Projection)| {
            (known.kind.clone(), self.following(&start, &known, &wanted, &mut keys))
        };
        Prepared { views: due.into_iter().map(made).collect(), looked }
    }

    fn following(&self, start: &KindView, known: &Kind, wanted: &Projection, keys: &mut KeyCache) -> Outcome {
        let view = start.following(known, wanted, self.compatibility, self.limit, keys).map(Arc::new);
        view.map_err(|why| Refused {
            json_bytes: known.json_bytes(),
            changed: known.changed,
            projection: start.projection().clone().and(wanted),
            why,
        })
    }

    /// What programs read of kinds, where there is room for it: there is for what is there already, then for what is new.
    fn affordable<'k>(&self, mut wanted: Vec<Wanted<'k>>) -> Vec<Wanted<'k>> {
        let made = self.lock();
        let is_there: Vec<bool> = wanted.iter().map(|(known, _)| made.kinds.contains_key(known.kind())).collect();
        // Decisions do not wait for the samples.
        drop(made);
        let mut more = 0;
        for ((known, wanted), is_there) in wanted.iter_mut().zip(is_there) {
            let Some(projection) = wanted.as_ref() else { continue };
            let bytes = if is_there { 0 } else { KindView::estimate(known, projection, self.compatibility) };
            let fits = self.ready.has_room(if is_there { 0 } else { more + bytes });
            more += if fits { bytes } else { 0 };
            *wanted = wanted.take().filter(|_| fits);
        }
        wanted
    }

    fn account(&self, kinds: &BTreeMap<Arc<GroupVersionKind>, Slot>) {
        let now = kinds.values().map(|slot| slot.view.bytes()).sum();
        self.ready.changes(self.bytes.swap(now, Ordering::Relaxed), now);
    }

    /// Takes over what was prepared, once its snapshot is published, and drops what nobody uses.
    pub(super) fn install(&self, snapshot: &Snapshot, prepared: Prepared) {
        let mut former = Vec::new();
        let mut made = self.lock();
        let Made { kinds, assembled } = &mut *made;
        for (kind, is_demanded) in prepared.looked {
            let slot =
                if is_demanded { Some(kinds.entry(kind).or_insert_with(Slot::unbuilt)) } else { kinds.get_mut(&kind) };
            if let Some(slot) = slot.filter(|slot| is_demanded || slot.is_demanded) {
                (slot.is_demanded, slot.used) = (is_demanded, Instant::now());
            }
        }
        let is_used = |slot: &Slot| slot.is_demanded || slot.used.elapsed() < IDLE;
        kinds.retain(|kind, slot| is_used(slot) && snapshot.kind(kind).is_some());
        let idle: Vec<_> = assembled.extract_if(.., |(_, one)| one.used.elapsed() >= ASSEMBLED_IDLE).collect();
        for (kind, view) in prepared.views {
            if let Some(slot) = kinds.get_mut(&kind) {
                former.push(slot.view.clone());
                slot.take(view);
            }
        }
        self.account(kinds);
        // Decisions do not wait until the memory of what there was is given back.
        drop(made);
        drop((former, idle));
    }

    /// The objects of some kinds in a snapshot, and what they take.
    fn assemble(
        &self,
        snapshot: &Snapshot,
        asker: Asker<'_>,
        shows: impl Fn(&Kind) -> bool,
        covers: impl Fn(&Kind) -> bool,
        excluder: &Excluder,
    ) -> Result<Trees, ViewTooLarge> {
        let shown = || snapshot.shared_kinds().filter(|known| shows(known));
        let read = |known: &Kind| covers(known).then(|| known.projection(asker.reads));
        let stamps = || shown().map(|known| assembled::stamp(known, read(known).as_ref()));
        let mut made = self.lock();
        if let Some(found) =
            made.assembled_for(&asker, |one| one.number == snapshot.number() || stamps().eq(one.stamps.iter().cloned()))
        {
            let is_older = found.number < snapshot.number();
            (found.number, found.used) = (found.number.max(snapshot.number()), Instant::now());
            let trees = found.trees.clone();
            drop(made);
            // Nobody reads what changed, and nobody holds on to what it was.
            if is_older
                && trees.is_ok()
                && let Ok((parts, _)) = self.parts(shown().map(|known| (known, read(known))))
            {
                let mut made = self.lock();
                let found = made.assembled_for(&asker, |one| one.number == snapshot.number());
                let former = found.map(|found| std::mem::replace(&mut found.parts, parts.into()));
                drop(made);
                drop(former);
            }
            return trees;
        }
        let before = made.newest_for(&asker).map(|one| (one.parts.clone(), one.trees.clone()));
        drop(made);
        let parts = self.parts(shown().map(|known| (known, read(known))));
        let trees = parts.as_ref().map_err(|error| *error).map(|(parts, bytes)| {
            let keeps_parents = self.compatibility.inventory_empty_parents == EmptyParents::Keep;
            let patched =
                before.and_then(|(before, trees)| trees.ok()?.patched(&before, parts, excluder, keeps_parents, *bytes));
            patched.unwrap_or_else(|| assembled::trees(parts, excluder, keeps_parents, *bytes))
        });
        let one = Assembled {
            number: snapshot.number(),
            stamps: stamps().collect(),
            parts: parts.map(|(parts, _)| parts).unwrap_or_default().into(),
            trees: trees.clone(),
            used: Instant::now(),
        };
        let mut made = self.lock();
        let former = made.keep(asker, one);
        self.account(&made.kinds);
        drop(made);
        drop(former);
        trees
    }

    /// Kinds with their views, and what these take.
    fn parts<'s>(
        &self,
        shown: impl Iterator<Item = (&'s Arc<Kind>, Option<Projection>)>,
    ) -> Result<(Vec<Part>, usize), ViewTooLarge> {
        let mut bytes = 0;
        let mut parts = Vec::new();
        for (known, read) in shown {
            let view = read.map(|projection| self.view_of(known, &projection)).transpose()?;
            bytes += view.as_ref().map_or(0, |view| view.bytes());
            if bytes > self.limit {
                return Err(ViewTooLarge::Bytes { limit: self.limit });
            }
            parts.push(Part { known: known.clone(), view });
        }
        Ok((parts, bytes))
    }

    /// The view of a kind as a snapshot has it, with parts of its objects. Nobody waits for one that is made here: what an audit
    /// makes of earlier snapshots, at a low priority, is no matter of decisions.
    fn view_of(&self, known: &Arc<Kind>, projection: &Projection) -> Result<Arc<KindView>, ViewTooLarge> {
        let start = {
            let mut made = self.lock();
            let slot = made.kinds.entry(known.kind.clone()).or_insert_with(Slot::unbuilt);
            slot.used = Instant::now();
            if slot.view.serves(known, projection) {
                return Ok(slot.view.clone());
            }
            if let Some(why) = slot.refuses(known, &slot.view, projection) {
                return Err(why);
            }
            slot.view.clone()
        };
        let view = match self.reader_keys.try_lock() {
            Ok(mut keys) => self.following(&start, known, projection, &mut keys),
            Err(_) => self.following(&start, known, projection, &mut KeyCache::default()),
        };
        if let Some(slot) = self.lock().kinds.get_mut(known.kind()) {
            slot.take(view.clone());
        }
        view.map_err(|refused| refused.why)
    }
}

impl Made {
    fn assembled_for(
        &mut self,
        asker: &Asker<'_>,
        mut is_wanted: impl FnMut(&Assembled) -> bool,
    ) -> Option<&mut Assembled> {
        let mut of_asker = self.assembled.iter_mut().filter(|(asked, _)| asked.is(asker));
        of_asker.find_map(|(_, one)| is_wanted(one).then_some(one))
    }

    fn newest_for(&self, asker: &Asker<'_>) -> Option<&Assembled> {
        let of_asker = self.assembled.iter().filter(|(asked, _)| asked.is(asker));
        of_asker.map(|(_, one)| one).max_by_key(|one| one.number)
    }

    /// Keeps two for each who asks: of the latest snapshot, and of the earlier one that was asked for last. An audit goes on
    /// with what it pinned, and decisions with what is current.
    /// Gives what it takes the place of.
    fn keep(&mut self, asker: Asker<'_>, one: Assembled) -> Option<Assembled> {
        let newest = self.assembled.iter().filter(|(asked, _)| asked.is(&asker)).map(|(_, one)| one.number).max();
        let replaced = self.assembled_for(&asker, |other| match newest {
            Some(newest) if one.number < newest => other.number < newest,
            Some(newest) => other.number == newest,
            None => false,
        });
        match replaced {
            Some(other) => Some(std::mem::replace(other, one)),
            None => {
                let first = (self.assembled.len() >= MAX_ASSEMBLED).then(|| self.assembled.remove(0).1);
                self.assembled.push((asker.into(), one));
                first
            }
        }
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.ready.changes(*self.bytes.get_mut(), 0);
    }
}

impl Slot {
    fn unbuilt() -> Self {
        Self { view: Arc::default(), refused: None, is_demanded: false, used: Instant::now() }
    }

    fn is_built(&self) -> bool {
        self.view.changed() > 0
    }

    /// Why a view cannot have these parts besides those that it starts with.
    fn refuses(&self, known: &Kind, start: &KindView, projection: &Projection) -> Option<ViewTooLarge> {
        let refused = self.refused.as_ref()?;
        refused.holds_for(known, &start.projection().clone().and(projection)).then_some(refused.why)
    }

    /// Takes over what was made. Who pinned an earlier snapshot does not set back those who pinned the current one, and who
    /// reads too much does not take away what others read.
    fn take(&mut self, made: Outcome) {
        match made {
            Ok(view) if view.changed() >= self.view.changed() => self.view = view,
            Err(refused) if refused.changed >= self.view.changed() => {
                if refused.projection == *self.view.projection() {
                    self.view = Arc::default();
                }
                self.refused = Some(refused);
            }
            _ => {}
        }
    }
}

impl Refused {
    fn holds_for(&self, known: &Kind, projection: &Projection) -> bool {
        (known.changed == self.changed || known.json_bytes() >= self.json_bytes / 10 * 9)
            && projection.includes(&self.projection)
    }
}

impl Snapshot {
    /// The data document of a program: `{"inventory": …}` with the objects that it can read of what a generation shows. Of
    /// other kinds that are shown the keys down to the kind are there, and an empty object below.
    ///
    /// # Errors
    /// [`ViewTooLarge`]
    pub fn data(&self, reads: &Arc<InventoryReads>, shown: &Shown<'_>) -> Result<Value, ViewTooLarge> {
        let asker = Asker { generation: shown.generation, reads, declared: None };
        let trees = self.views.assemble(
            self,
            asker,
            |known| known.is_given || shown.synced.contains(known.kind()),
            |known| covers(reads, known),
            shown.excluder,
        )?;
        Ok(trees.data)
    }

    /// The trees of a cluster in `data.fleet` for a program, and the bytes that they take. What is synced does not matter there,
    /// only what is declared.
    pub(super) fn fleet_trees(&self, look: Look<'_>, excluder: &Excluder) -> Result<FleetTrees, ViewTooLarge> {
        let is_declared = |known: &Kind| look.declared.contains(known.kind());
        let asker = Asker { generation: look.shows, reads: look.reads, declared: Some(look.declared) };
        let Trees { cluster, namespace, bytes, .. } =
            self.views.assemble(self, asker, is_declared, |_| true, excluder)?;
        Ok(FleetTrees { cluster, namespace, bytes })
    }
}
