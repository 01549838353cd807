//! What a decision reads beside the review: the inventory of its cluster, the other clusters of its set, and how far all
//! that is known. It is pinned once, so that everything in one decision reads the same.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use fleetgate_eval::{InventoryReads, InventoryScope, KindPattern};
use fleetgate_value::Value;

use crate::config::GroupVersionKind;
use crate::evaluate::Program;
use crate::inventory::{self, Extent, FleetView, Inventories, Kind, Look, PinnedFleet, Snapshot, State, ViewTooLarge};
use crate::policy::{Generation, PolicySet, PublishedConstraint, PublishedTemplate};
use crate::template::{Constraint, OnStale};
use crate::wire::ErrorReason;

/// What a decision reads beside the review.
pub(super) struct Surroundings<'a> {
    inventories: &'a Inventories,
    generation: &'a Generation,
    cluster: &'a str,
    snapshot: Arc<Snapshot>,
    at: SystemTime,
    /// The snapshot is one of earlier, which others were not pinned with.
    is_earlier: bool,
    fleet: OnceCell<PinnedFleet>,
    /// What all clusters were pinned at, where that was before.
    pinned: Option<&'a [Arc<Snapshot>]>,
    /// `data.inventory` by what a program reads of it.
    documents: RefCell<Vec<Document>>,
    /// Fleets as templates see them.
    fleets: RefCell<Vec<(Sight, Arc<FleetView>)>>,
    /// What fleet templates were shown.
    shown: RefCell<Vec<(Sight, Documents)>>,
    /// How far what templates can read is known; nothing of those that read nothing.
    extents: RefCell<Vec<(Sight, Option<Extent>)>>,
    /// How far what was read so far is known.
    read: Cell<Option<Extent>>,
    /// Time that went into views which were not ready.
    waited: Cell<Duration>,
}

/// What programs read of the inventory, and the data document that holds it.
type Document = (Arc<InventoryReads>, Result<Value, ViewTooLarge>);

/// A template of a set of policies, and what it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sight {
    set: u64,
    template: usize,
    shown: Shown,
}

/// Which clusters a fleet template is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Those of the cluster set.
    Set,
    /// The review's own.
    Own,
}

/// What is to be done with a Constraint, as old as what it reads is.
pub(super) struct Judged {
    /// What to evaluate it on; none where it is not to be evaluated.
    pub(super) shown: Option<Shown>,
    /// What has to be said.
    pub(super) stale: Option<Stale>,
}

/// What an answer says of a Constraint whose view is older than it allows.
pub(super) struct Stale {
    pub(super) message: String,
    pub(super) reason: ErrorReason,
    /// What saying so does; none for the Constraint's own actions.
    pub(super) action: Option<&'static str>,
}

/// The documents of one evaluation.
#[derive(Clone)]
pub(super) struct Documents {
    /// `input.cluster`
    pub(super) cluster: Option<Value>,
    /// `data`
    pub(super) data: Cow<'static, Value>,
}

/// A part of a view, and how far it is known.
struct Part<'p> {
    extent: Extent,
    cluster: Arc<str>,
    what: What<'p>,
}

enum What<'p> {
    Kind(&'p GroupVersionKind),
    Pattern(&'p KindPattern),
}

impl<'a> Surroundings<'a> {
    /// Pins the current snapshot of a cluster, or takes an `earlier` one.
    pub(super) fn pin(
        inventories: &'a Inventories,
        generation: &'a Generation,
        cluster: &'a str,
        earlier: Option<Arc<Snapshot>>,
    ) -> Self {
        Self {
            inventories,
            generation,
            cluster,
            is_earlier: earlier.is_some(),
            snapshot: earlier.unwrap_or_else(|| inventories.pin(cluster)),
            at: SystemTime::now(),
            fleet: OnceCell::new(),
            pinned: None,
            documents: RefCell::default(),
            fleets: RefCell::default(),
            shown: RefCell::default(),
            extents: RefCell::default(),
            read: Cell::default(),
            waited: Cell::default(),
        }
    }

    /// Of many reviews in a cluster: its snapshot and those of all clusters are pinned already, as of a moment.
    pub(super) fn of_pinned(
        inventories: &'a Inventories,
        generation: &'a Generation,
        snapshot: &'a Arc<Snapshot>,
        (pinned, at): (&'a [Arc<Snapshot>], SystemTime),
    ) -> Self {
        Self {
            inventories,
            generation,
            cluster: snapshot.cluster(),
            is_earlier: false,
            snapshot: snapshot.clone(),
            at,
            fleet: OnceCell::new(),
            pinned: Some(pinned),
            documents: RefCell::default(),
            fleets: RefCell::default(),
            shown: RefCell::default(),
            extents: RefCell::default(),
            read: Cell::default(),
            waited: Cell::default(),
        }
    }

    /// The snapshot of the review's cluster.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The name of the review's cluster.
    pub(super) const fn cluster(&self) -> &'a str {
        self.cluster
    }

    /// How far what was read is known; none where nothing was.
    pub(super) fn read(&self) -> Option<Extent> {
        self.read.get()
    }

    /// How long evaluations were kept waiting for what they read: that is not theirs to answer for.
    pub(super) fn waited(&self) -> Duration {
        self.waited.get()
    }

    /// Whether a Constraint applies to the review's cluster.
    pub(super) fn concerns(&self, constraint: &Constraint) -> bool {
        let selector = constraint.reach.clusters.as_ref();
        selector.is_none_or(|clusters| clusters.matches_labels(&self.snapshot.facts().labels))
    }

    fn fleet(&self) -> &PinnedFleet {
        self.fleet.get_or_init(|| match self.pinned {
            Some(pinned) => self.inventories.audited_fleet(pinned, self.cluster, &self.snapshot, self.at),
            None => self.inventories.pin_fleet(self.cluster, &self.snapshot, self.at),
        })
    }

    /// Says what to do with a Constraint, as old as what it reads is, and notes that it was read.
    pub(super) fn judge(&self, set: &PolicySet, position: usize) -> Judged {
        let published = set.constraints().get(position);
        let found = published.and_then(|published| Some((published, set.templates().get(published.template)?)));
        match found {
            Some((published, template)) if template.program.referential() => {
                self.judge_view(published, template, set.id())
            }
            _ => Judged { shown: Some(Shown::Set), stale: None },
        }
    }

    fn judge_view(&self, published: &PublishedConstraint, template: &PublishedTemplate, set: u64) -> Judged {
        let reads_fleet = template.template.fleet.is_some() && template.program.reads().reads_fleet();
        if self.is_earlier && reads_fleet {
            let message = "it reads other clusters, of which no earlier revision is kept".to_owned();
            let stale = Stale { message, reason: ErrorReason::RevisionUnavailable, action: None };
            return Judged { shown: None, stale: Some(stale) };
        }
        let sight = |shown| Sight { set, template: published.template, shown };
        let extent = self.extent(template, sight(Shown::Set));
        let freshness = published.constraint.reach.freshness;
        let bound = freshness.filter(|bound| extent.is_some_and(|extent| is_old(&extent, bound.max_staleness)));
        let Some(freshness) = bound else {
            self.note(extent);
            return Judged { shown: Some(Shown::Set), stale: None };
        };
        let message = too_old(&self.parts(template, sight(Shown::Set)), freshness.max_staleness).unwrap_or_default();
        let saying = |message, action| Some(Stale { message, reason: ErrorReason::StaleView, action });
        match freshness.on_stale {
            OnStale::Deny => Judged { shown: None, stale: saying(message, None) },
            OnStale::Warn => {
                self.note(extent);
                Judged { shown: Some(Shown::Set), stale: saying(message, Some("warn")) }
            }
            OnStale::Allow => {
                self.note(extent);
                Judged { shown: Some(Shown::Set), stale: saying(message, Some("dryrun")) }
            }
            OnStale::OwnClusterOnly => {
                let own = self.parts(template, sight(Shown::Own));
                if let Some(message) = too_old(&own, freshness.max_staleness) {
                    return Judged { shown: None, stale: saying(message, None) };
                }
                self.note(self.extent(template, sight(Shown::Own)));
                let message = format!("{message}; only its own cluster was looked at");
                Judged { shown: Some(Shown::Own), stale: saying(message, Some("warn")) }
            }
        }
    }

    fn note(&self, extent: Option<Extent>) {
        self.read.set(together(self.read.get(), extent));
    }

    /// How far everything that a template can read is known; none where it can read nothing.
    fn extent(&self, published: &PublishedTemplate, sight: Sight) -> Option<Extent> {
        let known = self.extents.borrow().iter().find(|(of, _)| *of == sight).map(|(_, extent)| *extent);
        known.unwrap_or_else(|| {
            let parts = self.of_inventory(published);
            let own = parts.iter().map(|part| Some(part.extent)).fold(None, together);
            let fleet = self.fleet_view(published, sight).and_then(|(fleet, _)| fleet.extent(self.at));
            let extent = together(own, fleet);
            self.extents.borrow_mut().push((sight, extent));
            extent
        })
    }

    /// Everything that a template can read.
    fn parts<'p>(&'p self, published: &'p PublishedTemplate, sight: Sight) -> Vec<Part<'p>> {
        let mut parts = self.of_inventory(published);
        let Some((fleet, look)) = self.fleet_view(published, sight) else { return parts };
        let firsts = || look.requirements.0.iter().map(BTreeSet::first);
        for (cluster, extents) in fleet.extents(self.at) {
            let cluster = self.name_of(cluster);
            let part = |(first, extent): (Option<&'p GroupVersionKind>, Extent)| {
                Some(Part { extent, cluster: cluster.clone(), what: What::Kind(first?) })
            };
            parts.extend(firsts().zip(extents).filter_map(part));
        }
        parts
    }

    /// A cluster that nobody registered has a snapshot without a name.
    fn name_of(&self, cluster: &Arc<str>) -> Arc<str> {
        if cluster.is_empty() { self.cluster.into() } else { cluster.clone() }
    }

    /// The fleet as a template sees it; none where it looks at no fleet.
    fn fleet_view<'p>(&self, published: &'p PublishedTemplate, sight: Sight) -> Option<(Arc<FleetView>, Look<'p>)> {
        let (template, reads) = (&published.template, published.program.reads());
        let (Some(declared), Ok(requirements)) = (&template.fleet, &template.sync_requirements) else { return None };
        if !reads.reads_fleet() {
            return None;
        }
        let look = Look { reads, declared, requirements, shows: self.generation.shows() };
        let mut fleets = self.fleets.borrow_mut();
        if let Some((_, view)) = fleets.iter().find(|(of, _)| *of == sight) {
            return Some((view.clone(), look));
        }
        let view = self.fleet().view(look, sight.shown == Shown::Own);
        fleets.push((sight, view.clone()));
        Some((view, look))
    }

    /// What a template can read of `data.inventory`: what it says that it requires, and what its program refers to.
    fn of_inventory<'p>(&'p self, published: &'p PublishedTemplate) -> Vec<Part<'p>> {
        let reads = published.program.reads();
        if reads.is_empty() {
            return Vec::new();
        }
        let synced = self.generation.synced(self.cluster);
        let shows = |known: &Kind| known.is_given() || synced.contains(known.kind());
        let covers = |kind: &GroupVersionKind| {
            let group_version = kind.group_version();
            let trees = [InventoryScope::Cluster, InventoryScope::Namespace];
            trees.into_iter().any(|tree| reads.covers(tree, &group_version, &kind.kind))
        };
        let cluster = self.name_of(self.snapshot.cluster());
        let part = |extent, what| Part { extent, cluster: cluster.clone(), what };
        let required = published.template.sync_requirements.as_ref().map(|all| &*all.0).unwrap_or_default();
        let mut parts = Vec::new();
        for set in required.iter().filter(|set| set.iter().any(covers)) {
            let Some(first) = set.first() else { continue };
            parts.push(part(self.snapshot.extent_of(set, self.at, shows), What::Kind(first)));
        }
        let is_required = |kind: &GroupVersionKind| required.iter().any(|set| set.contains(kind));
        for known in self.snapshot.kinds().filter(|known| shows(known) && covers(known.kind())) {
            if !is_required(known.kind()) {
                parts.push(part(known.extent(self.at), What::Kind(known.kind())));
            }
        }
        if self.snapshot.is_given() {
            return parts;
        }
        for pattern in reads.patterns() {
            let (Some(group_version), Some(kind)) = (&pattern.group_version, &pattern.kind) else { continue };
            let is_it = |one: &GroupVersionKind| *one.kind == **kind && *one.group_version() == **group_version;
            let is_shown = self.snapshot.kinds().any(|known| shows(known) && is_it(known.kind()));
            if !is_shown && !required.iter().flatten().any(is_it) {
                parts.push(part(Extent::UNKNOWN, What::Pattern(pattern)));
            }
        }
        parts
    }

    /// `data.inventory` of a program.
    pub(super) fn inventory(&self, program: &dyn Program) -> Result<Cow<'static, Value>, ViewTooLarge> {
        static NONE: LazyLock<Value> = LazyLock::new(Value::empty_object);
        if !program.referential() {
            return Ok(Cow::Borrowed(&NONE));
        }
        let reads = program.reads();
        let mut documents = self.documents.borrow_mut();
        if let Some((_, document)) = documents.iter().find(|(known, _)| Arc::ptr_eq(known, reads)) {
            return document.clone().map(Cow::Owned);
        }
        let shown = inventory::Shown {
            generation: self.generation.shows(),
            synced: self.generation.synced(self.cluster),
            excluder: self.generation.sync_excluder(self.cluster),
        };
        let document = self.snapshot.data(reads, &shown);
        documents.push((reads.clone(), document.clone()));
        document.map(Cow::Owned)
    }

    /// Shows programs that read this another data document than that of the snapshot.
    pub(super) fn show(&self, reads: &Arc<InventoryReads>, data: Value) {
        let mut documents = self.documents.borrow_mut();
        documents.retain(|(known, _)| !Arc::ptr_eq(known, reads));
        documents.push((reads.clone(), Ok(data)));
        self.shown.borrow_mut().clear();
    }

    /// The documents of an evaluation of a set's template. Waits where a view is not ready.
    pub(super) fn documents(&self, set: &PolicySet, template: usize, shown: Shown) -> Result<Documents, ViewTooLarge> {
        let Some(published) = set.templates().get(template) else {
            return Ok(Documents { cluster: None, data: Cow::Owned(Value::empty_object()) });
        };
        if !published.program.referential() && published.template.fleet.is_none() {
            return Ok(Documents { cluster: None, data: self.inventory(published.program.as_ref())? });
        }
        let sight = Sight { set: set.id(), template, shown };
        if let Some((_, documents)) = self.shown.borrow().iter().find(|(of, _)| *of == sight) {
            return Ok(documents.clone());
        }
        let began = Instant::now();
        let documents = self.made(published, sight);
        self.waited.set(self.waited.get() + began.elapsed());
        if let (Ok(documents), Some(_)) = (&documents, &published.template.fleet) {
            self.shown.borrow_mut().push((sight, documents.clone()));
        }
        documents
    }

    fn made(&self, published: &PublishedTemplate, sight: Sight) -> Result<Documents, ViewTooLarge> {
        static KEYS: LazyLock<[Value; 3]> = LazyLock::new(|| ["fleet", "labels", "name"].map(Value::from));
        let data = self.inventory(published.program.as_ref())?;
        if published.template.fleet.is_none() {
            return Ok(Documents { cluster: None, data });
        }
        let [fleet, labels, name] = &*KEYS;
        let cluster = Value::object(vec![
            (labels.clone(), self.snapshot.labels().clone()),
            (name.clone(), Value::from(self.cluster)),
        ]);
        let mut fields: Vec<(Value, Value)> = Vec::new();
        if let Some((view, look)) = self.fleet_view(published, sight) {
            fields.push((fleet.clone(), self.fleet().value(&view, look, self.cluster, self.generation)?));
        }
        fields.extend(data.as_object().into_iter().flat_map(|data| data.iter()).map(|(k, v)| (k.clone(), v.clone())));
        Ok(Documents { cluster: Some(cluster), data: Cow::Owned(Value::object(fields)) })
    }
}

/// How far two things are known together, where each is something.
fn together(one: Option<Extent>, other: Option<Extent>) -> Option<Extent> {
    one.zip(other).map(|(one, other)| one.and(other)).or(one).or(other)
}

fn is_old(extent: &Extent, allowed: Duration) -> bool {
    extent.age.is_none_or(|age| age > allowed)
}

/// Says which part of a view is older than allowed, if one is: the one of which least is known.
fn too_old(parts: &[Part<'_>], allowed: Duration) -> Option<String> {
    let worst = parts
        .iter()
        .filter(|part| is_old(&part.extent, allowed))
        .reduce(|worst, part| if part.extent.is_less_than(&worst.extent) { part } else { worst })?;
    Some(match worst.extent.age {
        Some(age) => format!("{worst} was last known to be complete {age:.1?} ago, and {allowed:?} are allowed"),
        None => format!("{worst} was never complete"),
    })
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Kind(kind) => write!(f, "{kind}")?,
            What::Pattern(KindPattern { group_version, kind, .. }) => {
                let any =
                    |name: &Option<fleetgate_value::Str>| name.as_ref().map_or("*".to_owned(), |one| one.to_string());
                write!(f, "{}:{}", any(group_version), any(kind))?;
            }
        }
        let state = match self.extent.state {
            State::Synced => String::new(),
            state => format!(" ({})", state.name()),
        };
        write!(f, " of cluster {:?}{state}", self.cluster)
    }
}
