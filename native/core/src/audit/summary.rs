//! What a run found, counted by cluster and Constraint.

use std::time::{Duration, SystemTime};

use super::plan::{ClusterPlan, Coverage, Plan};
use super::scope::Scope;
use crate::decide::Engine;
use crate::inventory::{ConnectionState, Snapshot, State, duration};
use crate::policy::{PolicySet, PublishedConstraint, Scoped};
use crate::wire;

/// Counts of a Constraint in a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) matched: u64,
    pub(super) violations: u64,
    pub(super) errors: u64,
}

/// Counts of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) objects: u64,
    /// Objects and Constraints that gave no answer.
    pub(super) errors: u64,
    /// By the Constraint's position.
    pub(super) constraints: Scoped<Vec<Count>>,
}

impl Tally {
    pub(super) fn of(sets: Scoped<&PolicySet>) -> Self {
        let constraints = sets.map(|set| vec![Count::default(); set.constraints().len()]);
        Self { constraints, ..Self::default() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.objects += other.objects;
        self.errors += other.errors;
        let both = [
            (Some(&mut self.constraints.fleet), Some(&other.constraints.fleet)),
            (self.constraints.cluster.as_mut(), other.constraints.cluster.as_ref()),
        ];
        for (own, others) in both {
            for (own, other) in own.into_iter().flatten().zip(others.into_iter().flatten()) {
                own.matched += other.matched;
                own.violations += other.violations;
                own.errors += other.errors;
            }
        }
    }

    pub(super) fn violations(&self) -> u64 {
        self.constraints.iter().flatten().map(|count| count.violations).sum()
    }

    /// The count of a Constraint by its name in an answer.
    pub(super) fn of_constraint(
        &mut self,
        sets: Scoped<&PolicySet>,
        (scope, kind, name): (&str, &str, &str),
    ) -> Option<&mut Count> {
        let is_fleet = scope == "fleet";
        let set = if is_fleet { sets.fleet } else { sets.cluster? };
        let counts = if is_fleet { &mut self.constraints.fleet } else { self.constraints.cluster.as_mut()? };
        let key = |one: &PublishedConstraint| (&*one.constraint.kind, &*one.constraint.name).cmp(&(kind, name));
        counts.get_mut(set.constraints().binary_search_by(key).ok()?)
    }
}

/// The last message of a run.
pub(super) fn summary(
    engine: &Engine,
    plan: &Plan,
    scope: &Scope,
    tallies: &[Tally],
    run_id: &str,
    cpu: Duration,
) -> wire::AuditSummary {
    let mut summary = wire::AuditSummary {
        run_id: run_id.to_owned(),
        started_at: Some(plan.at.into()),
        ended_at: Some(SystemTime::now().into()),
        policy_generation: Some(crate::report::named(&plan.generation)),
        objects: tallies.iter().map(|tally| tally.objects).sum(),
        cpu: Some(duration(cpu)),
        ..Default::default()
    };
    for (cluster, tally) in plan.clusters.iter().zip(tallies) {
        summary.clusters.push(cluster_audit(engine, cluster, tally));
        summary.constraints.extend(constraints(engine, plan, scope, cluster, tally));
    }
    summary.clusters.extend(plan.unknown.iter().map(|name| unknown(name)));
    summary.clusters.sort_by(|a, b| a.cluster.cmp(&b.cluster));
    summary
}

/// What was judged is what was pinned; a cluster that was lost meanwhile is not complete all the same, for nobody knows what
/// it has become.
pub(super) fn cluster_audit(engine: &Engine, cluster: &ClusterPlan, tally: &Tally) -> wire::ClusterAudit {
    let judged = coverage_audit(&cluster.snapshot, cluster.coverage.clone(), tally.objects, tally.errors);
    let current = engine.inventories.pin(cluster.snapshot.cluster());
    let now = coverage_audit(&current, Coverage::of(&current, &cluster.kinds, SystemTime::now()), 0, 0);
    if !judged.complete || now.complete {
        return judged;
    }
    let is_removed = current.cluster() != cluster.snapshot.cluster();
    let reason = if is_removed { "it was removed" } else { &now.reason };
    wire::ClusterAudit { complete: false, reason: format!("lost during the audit: {reason}"), ..judged }
}

/// How complete a cluster's part is, in which so many reviews gave no answer.
pub(super) fn coverage_audit(snapshot: &Snapshot, coverage: Coverage, objects: u64, errors: u64) -> wire::ClusterAudit {
    let Coverage { state, reason, not_audited, .. } = coverage;
    let is_connected = snapshot.facts().connection != ConnectionState::Disconnected;
    let is_known = state == State::Synced && is_connected;
    wire::ClusterAudit {
        cluster: snapshot.cluster().to_string(),
        complete: is_known && errors == 0,
        reason: match (is_known, errors) {
            (true, 0) => String::new(),
            (true, 1) => "1 review gave no answer".to_owned(),
            (true, errors) => format!("{errors} reviews gave no answer"),
            (false, _) => reason,
        },
        objects,
        errors,
        not_audited,
    }
}

/// A name that was asked for and is of no cluster.
pub(super) fn unknown(name: &str) -> wire::ClusterAudit {
    let reason = "there is no cluster of this name".to_owned();
    wire::ClusterAudit { cluster: name.to_owned(), reason, ..Default::default() }
}

/// Those that hold in the cluster: the cluster's own first, each scope's by kind and name.
fn constraints(
    engine: &Engine,
    plan: &Plan,
    scope: &Scope,
    cluster: &ClusterPlan,
    tally: &Tally,
) -> Vec<wire::ConstraintAudit> {
    let auditor = crate::decide::Auditor::new(engine, &plan.generation, &cluster.snapshot, (&plan.pinned, plan.at));
    let sets = plan.generation.of_cluster(cluster.snapshot.cluster()).zip(tally.constraints.as_ref());
    let of_set = |(set, counts): (&PolicySet, &Vec<Count>)| {
        let all = set.constraints().iter().zip(counts).enumerate();
        let holding = all.filter(|(position, (one, _))| scope.has(one) && auditor.concerns(set, *position));
        let audit = |(_, (one, count)): (usize, (&PublishedConstraint, &Count))| wire::ConstraintAudit {
            cluster: cluster.snapshot.cluster().to_string(),
            constraint_kind: one.constraint.kind.to_string(),
            constraint_name: one.constraint.name.to_string(),
            scope: set.scope().as_str().to_owned(),
            enforcement_action: one.constraint.actions.declared().to_owned(),
            violations: count.violations,
            matched: count.matched,
            errors: count.errors,
            violations_before: None,
            volatile: set.templates().get(one.template).is_some_and(|template| template.program.volatile()),
        };
        holding.map(audit).collect::<Vec<_>>()
    };
    let mut audits: Vec<wire::ConstraintAudit> = sets.cluster.map(of_set).unwrap_or_default();
    audits.extend(of_set(sets.fleet));
    audits
}
