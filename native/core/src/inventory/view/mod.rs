//! What Rego sees of a cluster's objects.
//!
//! Values take many times the memory of the objects as they are kept, so they are made for the kinds that a program can
//! read and for no others ([`InventoryReads`]); of these others the keys down to the kind are there. They are made when a
//! program first asks, and kept: with the next snapshot only what changed is made anew. What one program reads may take so
//! many bytes and no more; beyond that the program is refused.

mod assembled;
mod footprint;
mod kind_view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use fleetgate_eval::InventoryReads;
use fleetgate_value::Value;

use super::kind::Kind;
use super::{Shared, Snapshot};
use crate::compatibility::{Compatibility, EmptyParents};
use crate::config::{Excluder, GroupVersionKind};
use crate::json::KeyCache;
use assembled::{Assembled, Trees};
use kind_view::KindView;

/// A view that nobody asked for in this time is dropped.
const IDLE: Duration = Duration::from_secs(600);

/// What was put together for so many programs is kept.
const MAX_ASSEMBLED: usize = 256;

/// Which kinds and namespaces policies may see, by their generation.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The generation's number: what it shows never changes.
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
}

#[derive(Debug, Default)]
struct Made {
    keys: KeyCache,
    kinds: BTreeMap<Arc<GroupVersionKind>, Slot>,
    assembled: Vec<(Asked, Assembled)>,
}

/// The view of a kind, or why there is none.
#[derive(Debug)]
struct Slot {
    view: Result<Arc<KindView>, Refused>,
    used: Instant,
}

/// A view that was too large stays so until its objects are fewer.
#[derive(Debug, Clone, Copy)]
struct Refused {
    json_bytes: usize,
    changed: u64,
    why: ViewTooLarge,
}

/// Who asked for what was put together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// A program of a generation.
    Program { generation: u64, reads: Arc<InventoryReads> },
    /// A template of the fleet, by the kinds that it declares.
    Fleet(BTreeSet<GroupVersionKind>),
}

impl Views {
    pub(super) fn new(shared: &Shared) -> Self {
        let (limit, compatibility) = (shared.settings.view_bytes, shared.compatibility);
        Self { limit, compatibility, made: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what is in use up to a snapshot that was just published, so that the next decision need not. Where a decision
    /// is at it, that one does.
    pub(super) fn follow(&self, snapshot: &Snapshot) {
        let mut made = match self.made.try_lock() {
            Ok(made) => made,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return,
        };
        let Made { keys, kinds, assembled } = &mut *made;
        kinds.retain(|kind, slot| snapshot.kind(kind).is_some() && slot.used.elapsed() < IDLE);
        assembled.retain(|(_, one)| one.used.elapsed() < IDLE);
        for known in snapshot.shared_kinds() {
            if let Some(slot) = kinds.get_mut(known.kind()) {
                slot.follow(known, self, keys);
            }
        }
    }

    /// The objects of some kinds in a snapshot, and what they take.
    fn assemble(
        &self,
        snapshot: &Snapshot,
        asked: Asked,
        shows: impl Fn(&Kind) -> bool,
        covers: impl Fn(&Kind) -> bool,
        excluder: Option<&Excluder>,
    ) -> Result<Trees, ViewTooLarge> {
        let mut made = self.lock();
        let Made { keys, kinds, assembled } = &mut *made;
        let at = assembled.iter().position(|(one, _)| *one == asked);
        let found = at.and_then(|at| assembled.get_mut(at));
        if let Some((_, found)) = found.filter(|(_, found)| found.number == snapshot.number()) {
            found.used = Instant::now();
            return found.trees.clone();
        }
        let shown: Vec<(&Arc<Kind>, bool)> =
            snapshot.shared_kinds().filter(|known| shows(known)).map(|known| (known, covers(known))).collect();
        let stamps: Vec<_> = shown.iter().map(|(known, covered)| assembled::stamp(known, *covered)).collect();
        let same = at.and_then(|at| assembled.get_mut(at)).filter(|(_, found)| found.stamps == stamps);
        if let Some((_, found)) = same {
            (found.number, found.used) = (found.number.max(snapshot.number()), Instant::now());
            return found.trees.clone();
        }
        let trees = self.build(&shown, excluder, kinds, keys);
        let one = Assembled { number: snapshot.number(), stamps, trees: trees.clone(), used: Instant::now() };
        if let Asked::Program { generation, .. } = &asked {
            // Programs of the generation before may be running still.
            let oldest = generation.saturating_sub(1);
            assembled.retain(|(asked, _)| !matches!(asked, Asked::Program { generation, .. } if *generation < oldest));
        }
        match assembled.iter_mut().find(|(known, _)| *known == asked) {
            // Who pinned an earlier snapshot does not take it away from those who pinned the current one.
            Some((_, known)) if known.number > one.number => {}
            Some((_, known)) => *known = one,
            None => {
                if assembled.len() >= MAX_ASSEMBLED {
                    assembled.remove(0);
                }
                assembled.push((asked, one));
            }
        }
        trees
    }

    fn build(
        &self,
        shown: &[(&Arc<Kind>, bool)],
        excluder: Option<&Excluder>,
        kinds: &mut BTreeMap<Arc<GroupVersionKind>, Slot>,
        keys: &mut KeyCache,
    ) -> Result<Trees, ViewTooLarge> {
        let mut bytes = 0;
        let mut parts = Vec::with_capacity(shown.len());
        for (known, covered) in shown {
            let view = if *covered {
                let slot = kinds.entry(known.kind.clone()).or_insert_with(Slot::unbuilt);
                let view = slot.view_of(known, self, keys)?;
                bytes += view.bytes();
                Some(view)
            } else {
                None
            };
            if bytes > self.limit {
                return Err(ViewTooLarge::Bytes { limit: self.limit });
            }
            parts.push((&***known, view));
        }
        let keeps_parents = self.compatibility.inventory_empty_parents == EmptyParents::Keep;
        Ok(assembled::trees(&parts, excluder, keeps_parents, bytes))
    }
}

impl Slot {
    fn unbuilt() -> Self {
        Self { view: Ok(Arc::default()), used: Instant::now() }
    }

    /// The view of a kind as a snapshot has it.
    fn view_of(&mut self, known: &Kind, views: &Views, keys: &mut KeyCache) -> Result<Arc<KindView>, ViewTooLarge> {
        self.used = Instant::now();
        let start = match &self.view {
            Ok(view) if view.is_of(known) => return Ok(view.clone()),
            Ok(view) => view.clone(),
            Err(refused) if refused.holds_for(known) => return Err(refused.why),
            Err(_) => Arc::default(),
        };
        let made = start.following(known, views.compatibility, views.limit, keys).map(Arc::new);
        // Who pinned an earlier snapshot does not set back those who pinned the current one.
        if known.changed >= start.changed() {
            let refused = |why| Refused { json_bytes: known.json_bytes(), changed: known.changed, why };
            self.view = made.clone().map_err(refused);
        }
        made
    }

    fn follow(&mut self, known: &Kind, views: &Views, keys: &mut KeyCache) {
        let used = self.used;
        // What comes of it is kept with the view; whoever asks next is told.
        let _ = self.view_of(known, views, keys);
        self.used = used;
    }
}

impl Refused {
    fn holds_for(&self, known: &Kind) -> bool {
        known.changed == self.changed || known.json_bytes() >= self.json_bytes / 10 * 9
    }
}

impl Snapshot {
    /// The data document of a program: `{"inventory": …}` with the objects that it can read of what a generation shows. Of
    /// other kinds that are shown the keys down to the kind are there, and an empty object below.
    ///
    /// # Errors
    /// [`ViewTooLarge`]
    pub fn data(&self, reads: &Arc<InventoryReads>, shown: &Shown<'_>) -> Result<Value, ViewTooLarge> {
        let asked = Asked::Program { generation: shown.generation, reads: reads.clone() };
        let trees = self.views.assemble(
            self,
            asked,
            |known| known.is_given || shown.synced.contains(known.kind()),
            |known| assembled::covers(reads, known),
            Some(shown.excluder),
        )?;
        Ok(trees.data)
    }

    /// The trees of a cluster in `data.fleet`, and the bytes that they take.
    pub(super) fn fleet_trees(
        &self,
        declared: &BTreeSet<GroupVersionKind>,
    ) -> Result<(Option<Value>, Option<Value>, usize), ViewTooLarge> {
        let is_declared = |known: &Kind| declared.contains(known.kind());
        let trees = self.views.assemble(self, Asked::Fleet(declared.clone()), is_declared, is_declared, None)?;
        Ok((trees.cluster, trees.namespace, trees.bytes))
    }
}
