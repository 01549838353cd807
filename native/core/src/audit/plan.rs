//! What a run looks at: pinned snapshots, the kinds that some Constraint matches, and what of these cannot be looked at.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::scope::Scope;
use crate::config::GroupVersionKind;
use crate::decide::{Auditor, CallError, Engine, Positions};
use crate::inventory::{ConnectionState, Kind, Slice, Snapshot, State, kind_name};
use crate::policy::{Generation, PolicySet, Scoped};
use crate::wire;

/// Objects of a slice at most: some milliseconds of work, so that a thread that stands aside keeps nobody waiting.
const SLICE: usize = 64;

/// What a run looks at.
pub(super) struct Plan {
    pub(super) generation: Arc<Generation>,
    /// All clusters, sorted by name: fleet templates see more than those that are audited.
    pub(super) pinned: Vec<Arc<Snapshot>>,
    /// When they were pinned.
    pub(super) at: SystemTime,
    /// The clusters that are audited, sorted by name.
    pub(super) clusters: Vec<ClusterPlan>,
    /// Names that were asked for and are of no cluster.
    pub(super) unknown: Vec<String>,
    /// In the order in which findings are handed over.
    pub(super) places: Vec<Place>,
    pub(super) objects: u64,
}

/// What is looked at in a cluster.
pub(super) struct ClusterPlan {
    pub(super) snapshot: Arc<Snapshot>,
    /// Sorted by kind, group and version.
    pub(super) kinds: Vec<KindPlan>,
    pub(super) coverage: Coverage,
    pub(super) objects: u64,
}

/// A kind, and the Constraints that could match its objects.
pub(super) struct KindPlan {
    pub(super) kind: GroupVersionKind,
    pub(super) positions: Positions,
    /// The same of policies that are proposed; none where none are.
    pub(super) proposed: Positions,
}

/// Some objects of a kind of a cluster, by their positions in the plan.
pub(super) struct Place {
    pub(super) cluster: usize,
    pub(super) kind: usize,
    pub(super) slice: Slice,
}

/// How far that which Constraints match is known.
#[derive(Debug, Clone)]
pub(super) struct Coverage {
    /// That of the least trustworthy kind.
    pub(super) state: State,
    /// Why not all of it is known; empty where it is.
    pub(super) reason: String,
    /// How long ago all of it was known; none where it never was.
    pub(super) age: Option<Duration>,
    pub(super) not_audited: Vec<wire::KindNotAudited>,
}

impl Plan {
    /// Pins what a scope chooses. `only` is the cluster that the caller is bound to; kinds that only Constraints of
    /// `proposed` match are looked at, too.
    pub(super) fn new(
        engine: &Engine,
        scope: &Scope,
        only: Option<&str>,
        proposed: Option<&Generation>,
    ) -> Result<Self, CallError> {
        let chosen = scope.clusters(&engine.inventories, only)?;
        let pinned: Vec<Arc<Snapshot>> =
            engine.inventories.clusters().into_iter().map(|shard| shard.snapshot()).collect();
        let (generation, at) = (engine.policies.current(), SystemTime::now());
        let is_chosen = |one: &&Arc<Snapshot>| chosen.snapshots.iter().any(|chosen| chosen.cluster() == one.cluster());
        let plan = |one: &Arc<Snapshot>| {
            let judging = |of| (Auditor::new(engine, of, one, (&pinned, at)), of.of_cluster(one.cluster()));
            let (published, proposed) = (judging(&*generation), proposed.map(judging));
            ClusterPlan::of(one, scope, at, |kind| {
                let of = |(auditor, sets): &(Auditor<'_>, _)| concerning(auditor, *sets, scope, kind);
                (of(&published), proposed.as_ref().map(of).unwrap_or_default())
            })
        };
        let clusters: Vec<ClusterPlan> = pinned.iter().filter(is_chosen).map(plan).collect();
        let mut places = Vec::new();
        for (cluster, planned) in clusters.iter().enumerate() {
            for (kind, known) in planned.kinds.iter().enumerate() {
                let Some(known) = planned.snapshot.kind(&known.kind) else { continue };
                let slices = known.slices(SLICE, &scope.namespaces);
                places.extend(slices.into_iter().map(|slice| Place { cluster, kind, slice }));
            }
        }
        let objects = clusters.iter().map(|cluster| cluster.objects).sum();
        Ok(Self { generation, pinned, at, clusters, unknown: chosen.unknown, places, objects })
    }

    /// What the first message of a run says.
    pub(super) fn started(&self, run_id: &str) -> wire::AuditStarted {
        wire::AuditStarted {
            run_id: run_id.to_owned(),
            started_at: Some(self.at.into()),
            policy_generation: Some(crate::report::named(&self.generation)),
            clusters: self.clusters.iter().map(ClusterPlan::described).collect(),
            objects: self.objects,
        }
    }
}

impl ClusterPlan {
    pub(super) fn new(
        snapshot: &Arc<Snapshot>,
        auditor: &Auditor<'_>,
        sets: Scoped<&PolicySet>,
        scope: &Scope,
        at: SystemTime,
    ) -> Self {
        Self::of(snapshot, scope, at, |kind| (concerning(auditor, sets, scope, kind), Positions::default()))
    }

    /// `concerning` gives the Constraints that could match a kind: published ones and proposed ones.
    fn of(
        snapshot: &Arc<Snapshot>,
        scope: &Scope,
        at: SystemTime,
        concerning: impl Fn(&GroupVersionKind) -> (Positions, Positions),
    ) -> Self {
        let planned = |kind: &GroupVersionKind| {
            let (positions, proposed) = concerning(kind);
            let is_looked_at = !is_none(&positions) || !is_none(&proposed);
            is_looked_at.then(|| KindPlan { kind: kind.clone(), positions, proposed })
        };
        let mut kinds: Vec<KindPlan> =
            audited(snapshot).filter(|kind| scope.has_kind(kind)).filter_map(planned).collect();
        kinds.sort_by(|a, b| order(&a.kind).cmp(&order(&b.kind)));
        let secrets = GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Secret".into() };
        let wants_secrets = scope.has_kind(&secrets) && planned(&secrets).is_some();
        let mut coverage = Coverage::of(snapshot, &kinds, at);
        if wants_secrets && !snapshot.is_given() {
            coverage.not_audited.push(not_audited(&secrets, "Secrets are never read".to_owned()));
        }
        let of_kind = |planned: &KindPlan| {
            let Some(known) = snapshot.kind(&planned.kind) else { return 0 };
            if scope.namespaces.is_empty() {
                return known.len() as u64;
            }
            known.slices(usize::MAX, &scope.namespaces).iter().map(|slice| slice.len as u64).sum::<u64>()
        };
        let objects = kinds.iter().map(of_kind).sum();
        Self { snapshot: snapshot.clone(), kinds, coverage, objects }
    }

    fn described(&self) -> wire::AuditedCluster {
        let Coverage { state, reason, age, not_audited } = self.coverage.clone();
        wire::AuditedCluster {
            name: self.snapshot.cluster().to_string(),
            labels: self.snapshot.facts().labels.clone().into_iter().collect(),
            revision: self.snapshot.number(),
            state: crate::inventory::state(state).into(),
            reason,
            age: age.map(crate::inventory::duration),
            objects: self.objects,
            not_audited,
        }
    }
}

impl Coverage {
    pub(super) fn of(snapshot: &Snapshot, kinds: &[KindPlan], at: SystemTime) -> Self {
        let facts = snapshot.facts();
        let is_needed = |known: &&Kind| {
            // Constraints select by the labels of Namespaces, whichever kinds they match.
            known.kind().is_namespace() || kinds.iter().any(|planned| planned.kind == *known.kind())
        };
        let needed: Vec<&Kind> = snapshot.kinds().filter(is_needed).collect();
        let worst = needed.iter().max_by_key(|known| known.state());
        let is_unread = !snapshot.is_given() && !snapshot.kinds().any(|known| known.kind().is_namespace());
        let state = if is_unread { State::Pending } else { worst.map_or(State::Synced, |worst| worst.state()) };
        let reason = match (facts.connection, worst) {
            (ConnectionState::Disconnected, _) if facts.reason.is_empty() => "it is not connected".to_owned(),
            (ConnectionState::Disconnected, _) => facts.reason.clone(),
            _ if is_unread => "nothing of it was read yet".to_owned(),
            (_, Some(worst)) if worst.state() != State::Synced => format!("{}: {}", worst.kind(), why(worst)),
            _ => String::new(),
        };
        let ages = needed.iter().map(|known| known.watermark().age(at)).collect::<Option<Vec<_>>>();
        let age = ages.and_then(|ages| ages.into_iter().max());
        let not_synced = needed.iter().filter(|known| known.state() != State::Synced);
        let not_audited = not_synced.map(|known| not_audited(known.kind(), why(known))).collect();
        Self { state, reason, age, not_audited }
    }
}

fn not_audited(kind: &GroupVersionKind, reason: String) -> wire::KindNotAudited {
    wire::KindNotAudited { kind: Some(kind_name(kind)), reason, objects: 0 }
}

/// Why a kind is not to be trusted.
fn why(known: &Kind) -> String {
    match known.reason() {
        "" => known.state().name().to_lowercase(),
        reason => format!("{}: {reason}", known.state().name().to_lowercase()),
    }
}

/// The chosen Constraints that could match a kind.
fn concerning(auditor: &Auditor<'_>, sets: Scoped<&PolicySet>, scope: &Scope, kind: &GroupVersionKind) -> Positions {
    sets.zip(auditor.concerning(&kind.group, &kind.kind)).map(|(set, mut positions)| {
        let kind = |position: &usize| Some(&set.constraints().get(*position)?.constraint.kind);
        positions.retain(|position| kind(position).is_some_and(|kind| scope.has_constraint_kind(kind)));
        positions
    })
}

pub(super) fn is_none(positions: &Positions) -> bool {
    positions.iter().all(Vec::is_empty)
}

/// The kinds of a snapshot that are audited. Where a cluster is followed at several versions of a kind they show the same
/// objects, and only the version that the API server prefers is looked at, as Gatekeeper does.
fn audited(snapshot: &Snapshot) -> impl Iterator<Item = &GroupVersionKind> {
    let mut preferred: BTreeMap<(&str, &str, &str), &GroupVersionKind> = BTreeMap::new();
    for known in snapshot.kinds().filter(|known| !known.kind().is_secret() || known.is_given()) {
        let kind = known.kind();
        let version: &str = if known.is_given() { &kind.version } else { "" };
        let best = preferred.entry((&kind.group, &kind.kind, version)).or_insert(kind);
        if priority(&kind.version) > priority(&best.version) {
            *best = kind;
        }
    }
    preferred.into_values()
}

/// What API servers prefer: stable versions over beta over alpha, higher numbers first, everything else last
/// (`version.CompareKubeAwareVersionStrings` of apimachinery).
fn priority(version: &str) -> (u8, u32, u32, Reverse<&str>) {
    let parsed = || {
        let rest = version.strip_prefix('v')?;
        let end = rest.find(|symbol: char| !symbol.is_ascii_digit()).unwrap_or(rest.len());
        let (major, rest) = rest.split_at_checked(end)?;
        let major = major.parse::<u32>().ok()?;
        let (stability, minor) = match (rest, rest.strip_prefix("beta"), rest.strip_prefix("alpha")) {
            ("", _, _) => (3, 0),
            (_, Some(minor), _) => (2, minor.parse().ok()?),
            (_, _, Some(minor)) => (1, minor.parse().ok()?),
            _ => return None,
        };
        Some((stability, major, minor))
    };
    let (stability, major, minor) = parsed().unwrap_or_default();
    (stability, major, minor, Reverse(version))
}

fn order(kind: &GroupVersionKind) -> (&str, &str, &str) {
    (&kind.kind, &kind.group, &kind.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_the_order_of_their_priority() {
        // The example of the Kubernetes documentation on versions of CustomResourceDefinitions.
        let sorted = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"];
        assert!(sorted.is_sorted_by(|a, b| priority(a) > priority(b)));
    }
}
