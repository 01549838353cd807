//! What is known now: all violations there are, and their counts.

use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use imbl::OrdMap;
use prost::Message as _;

use super::results::Results;
use super::{ClusterState, ContinuousAudit};
use crate::audit::findings::audited;
use crate::audit::queue::BATCH_BYTES;
use crate::audit::scope::Scope;
use crate::audit::summary::{coverage_audit, unknown};
use crate::config::GroupVersionKind;
use crate::decide::{CallError, Caller};
use crate::inventory::{Blob, Key, duration};
use crate::wire::{self, audit_error};

/// Violations of a batch at most; one object's are never parted.
const BATCH: usize = 500;

/// All violations there were at one moment, batch by batch. What is judged meanwhile changes nothing of it.
#[derive(Debug)]
pub struct Listing {
    scope: Scope,
    /// What is still to be listed, the next one last.
    left: Mutex<Vec<Part>>,
}

/// The results of a kind of a cluster from a key on.
#[derive(Debug)]
struct Part {
    cluster: Arc<str>,
    kind: GroupVersionKind,
    results: OrdMap<Key, Blob>,
    after: Option<Key>,
}

impl ContinuousAudit {
    /// Lists what an encoded `fleetgate.v1.AuditScope` chooses, as far as it was judged by now.
    ///
    /// # Errors
    /// A scope that does not decode, or whose selector is none.
    pub fn violations(&self, scope: &[u8], caller: &Caller<'_>) -> Result<Listing, CallError> {
        let scope = read(scope)?;
        let chosen = scope.clusters(&self.engine.inventories, caller.cluster)?;
        let state = self.lock();
        let mut left: Vec<Part> = chosen
            .snapshots
            .iter()
            .filter_map(|one| state.clusters.get(one.cluster()))
            .flat_map(|known| known.results.iter().map(move |(kind, results)| (known, kind, results)))
            .filter(|(_, kind, _)| scope.has_kind(kind))
            .map(|(known, kind, results)| Part {
                cluster: known.snapshot.cluster().clone(),
                kind: kind.clone(),
                results: results.clone(),
                after: None,
            })
            .collect();
        drop(state);
        left.sort_by(|a, b| order(b).cmp(&order(a)));
        Ok(Listing { scope, left: Mutex::new(left) })
    }

    /// The encoded `fleetgate.v1.AuditSummary` of what a scope's clusters and Constraints choose; none until everything was
    /// judged once.
    ///
    /// # Errors
    /// As [`Self::violations`].
    pub fn summary(&self, scope: &[u8], caller: &Caller<'_>) -> Result<Option<Vec<u8>>, CallError> {
        let scope = read(scope)?;
        let chosen = scope.clusters(&self.engine.inventories, caller.cluster)?;
        let state = self.lock();
        let Some(generation) = &state.generation else { return Ok(None) };
        let known: Vec<&ClusterState> =
            chosen.snapshots.iter().filter_map(|one| state.clusters.get(one.cluster())).collect();
        let mut clusters: Vec<wire::ClusterAudit> = known.iter().map(|known| cluster(known)).collect();
        clusters.extend(chosen.unknown.iter().map(|name| unknown(name)));
        // Of a cluster that came since the last step nothing was judged yet.
        clusters.extend(chosen.snapshots.iter().filter(|one| !state.clusters.contains_key(one.cluster())).map(|one| {
            wire::ClusterAudit {
                cluster: one.cluster().to_string(),
                reason: "nothing of it was judged yet".to_owned(),
                ..Default::default()
            }
        }));
        clusters.sort_by(|a, b| a.cluster.cmp(&b.cluster));
        let summary = wire::AuditSummary {
            run_id: String::new(),
            started_at: state.started_at.map(Into::into),
            ended_at: state.judged_at.map(Into::into),
            policy_generation: Some(crate::report::named(generation)),
            objects: known.iter().map(|known| known.objects).sum(),
            clusters,
            constraints: known.iter().flat_map(|known| constraints(known, &scope)).collect(),
            cpu: Some(duration(state.cpu)),
        };
        Ok(Some(summary.encode_to_vec()))
    }
}

fn read(scope: &[u8]) -> Result<Scope, CallError> {
    let scope = wire::AuditScope::decode(scope).map_err(|error| CallError::undecodable(&error))?;
    Ok(Scope::of(Some(scope)))
}

fn order(part: &Part) -> (&str, &str, &str, &str) {
    (&part.cluster, &part.kind.kind, &part.kind.group, &part.kind.version)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn cluster(known: &ClusterState) -> wire::ClusterAudit {
    coverage_audit(&known.snapshot, known.coverage.clone(), known.objects, count(known.counts.errors))
}

/// Those that hold in a cluster: the cluster's own first, each scope's by kind and name.
fn constraints(known: &ClusterState, scope: &Scope) -> Vec<wire::ConstraintAudit> {
    let (fleet, own): (Vec<_>, Vec<_>) = known.units.iter().partition(|(name, _)| !name.of_cluster);
    let of_unit = |(name, unit): &(&super::units::UnitName, &super::units::Unit)| {
        let audits = unit.names.iter().zip(&unit.actions).map(|(constraint, action)| {
            let counts = known.counts.constraints.get(&((*name).clone(), constraint.to_string())).copied();
            let counts = counts.unwrap_or_default();
            wire::ConstraintAudit {
                cluster: known.snapshot.cluster().to_string(),
                constraint_kind: name.kind.to_string(),
                constraint_name: constraint.to_string(),
                scope: if name.of_cluster { "cluster" } else { "fleet" }.to_owned(),
                enforcement_action: action.to_string(),
                violations: count(counts.violations),
                matched: count(counts.matched),
                errors: count(counts.errors),
                violations_before: None,
                volatile: unit.program.volatile(),
            }
        });
        audits.collect::<Vec<_>>()
    };
    let all = own.iter().chain(&fleet).flat_map(of_unit);
    all.filter(|one| scope.has_constraint(&one.constraint_kind, &one.constraint_name)).collect()
}

impl Listing {
    /// The next encoded `fleetgate.v1.AuditFindings`, as long as there is more.
    pub fn take(&self) -> Option<Vec<u8>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut findings, mut bytes) = (wire::AuditFindings::default(), 0);
        while let Some(part) = left.last_mut() {
            if findings.violations.len() + findings.errors.len() >= BATCH || bytes >= BATCH_BYTES {
                break;
            }
            let Some((key, blob)) = part.next() else {
                left.pop();
                continue;
            };
            let known = findings.violations.len();
            self.add(part, &key, &blob, &mut findings);
            bytes += findings.violations.iter().skip(known).map(prost::Message::encoded_len).sum::<usize>();
        }
        let is_empty = findings.violations.is_empty() && findings.errors.is_empty();
        (!is_empty).then(|| findings.encode_to_vec())
    }

    fn add(&self, part: &Part, key: &Key, blob: &Blob, findings: &mut wire::AuditFindings) {
        let (namespace, name) = key.parts();
        if !self.scope.namespaces.is_empty() && !self.scope.namespaces.contains(namespace) {
            return;
        }
        let results = Results::unpack(blob);
        let named = wire::AuditedObject {
            uid: results.uid.clone(),
            owner: results.owner.clone(),
            ..audited(&part.cluster, &part.kind, namespace, name)
        };
        if let Some(failure) = results.failure() {
            let error = Some(audit_error::Error::Review(failure));
            findings.errors.push(wire::AuditError { object: Some(named), error });
            return;
        }
        let is_chosen = |kind: &str, name: &str| self.scope.has_constraint(kind, name);
        for violation in results.violations() {
            if is_chosen(&violation.constraint_kind, &violation.constraint_name) {
                findings.violations.push(super::violation(&named, &results, violation));
            }
        }
        for error in results.errors() {
            if is_chosen(&error.constraint_kind, &error.constraint_name) {
                let error = Some(audit_error::Error::Constraint(error));
                findings.errors.push(wire::AuditError { object: Some(named.clone()), error });
            }
        }
    }
}

impl Part {
    fn next(&mut self) -> Option<(Key, Blob)> {
        let from = self.after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let (key, blob) = self.results.range((from, Bound::Unbounded)).next()?;
        self.after = Some(key.clone());
        Some((key.clone(), blob.clone()))
    }
}
