//! Objects of a slice → what is found in them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fleetgate_value::Value;

use super::courtesy;
use super::plan::{ClusterPlan, KindPlan};
use super::scope::Scope;
use super::summary::Tally;
use crate::config::GroupVersionKind;
use crate::decide::{Auditor, Engine, Judgement};
use crate::evaluate::Context;
use crate::inventory::{CachedObject, Slice, kind_name};
use crate::json::{self, KeyCache, Numbers};
use crate::policy::{PolicySet, Scoped};
use crate::wire::{self, audit_error};

/// What was found in a slice.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) message: wire::AuditFindings,
    pub(super) tally: Tally,
}

/// Judges slices of one cluster.
pub(super) struct Judge<'a> {
    pub(super) engine: &'a Engine,
    pub(super) sets: Scoped<&'a PolicySet>,
    pub(super) auditor: Auditor<'a>,
    pub(super) scope: &'a Scope,
    pub(super) without_details: bool,
}

impl Judge<'_> {
    /// Judges the objects of a slice; `go_on` says whether that is still wanted.
    pub(super) fn slice(
        &mut self,
        cluster: &ClusterPlan,
        planned: &KindPlan,
        slice: &Slice,
        context: &mut Context,
        go_on: impl Fn() -> bool,
    ) -> Findings {
        let mut findings = Findings { tally: Tally::of(self.sets), ..Findings::default() };
        let Some(known) = cluster.snapshot.kind(&planned.kind) else { return findings };
        for cached in known.objects_of(slice) {
            courtesy::let_pass(&self.engine.pool);
            if !go_on() {
                break;
            }
            let named = audited(cluster.snapshot.cluster(), &planned.kind, cached.namespace, cached.name);
            match self.object(&cached, planned, context) {
                Ok((object, judgement)) => self.add(identified(named, &object), judgement, &mut findings),
                Err(message) => {
                    let error = wire::ReviewError { code: 500, message, reason: wire::ErrorReason::Evaluation.into() };
                    findings.error(named, audit_error::Error::Review(error));
                }
            }
            findings.tally.objects += 1;
        }
        findings
    }

    fn object(
        &mut self,
        cached: &CachedObject<'_>,
        planned: &KindPlan,
        context: &mut Context,
    ) -> Result<(Value, Judgement), String> {
        let object = parsed(cached, &mut context.keys, self.engine.compatibility.numbers)?;
        let judged = guarded(|| self.auditor.judge(object.clone(), &planned.positions, context));
        // What the context holds after a defect is nobody's.
        Ok((object, judged.inspect_err(|_| *context = Context::default())?))
    }

    fn add(&self, object: wire::AuditedObject, judgement: Judgement, findings: &mut Findings) {
        let Judgement { matched, findings: found } = judgement;
        for ((set, positions), counts) in zipped(self.sets, &matched, &mut findings.tally) {
            for position in positions {
                if let Some(count) = counts.get_mut(*position)
                    && set.constraints().get(*position).is_some_and(|published| self.scope.has(published))
                {
                    count.matched += 1;
                }
            }
        }
        if let Some(error) = found.review_error {
            findings.error(object, audit_error::Error::Review(error));
            return;
        }
        for mut violation in found.violations {
            let name = (&*violation.scope, &*violation.constraint_kind, &*violation.constraint_name);
            if !self.scope.has_constraint(name.1, name.2) {
                continue;
            }
            if let Some(count) = findings.tally.of_constraint(self.sets, name) {
                count.violations += 1;
            }
            if self.without_details {
                violation.details.clear();
            }
            findings.message.violations.push(wire::AuditViolation {
                object: Some(object.clone()),
                violation: Some(violation),
                ..Default::default()
            });
        }
        for error in found.constraint_errors {
            let name = (&*error.scope, &*error.constraint_kind, &*error.constraint_name);
            if !self.scope.has_constraint(name.1, name.2) {
                continue;
            }
            if let Some(count) = findings.tally.of_constraint(self.sets, name) {
                count.errors += 1;
            }
            findings.error(object.clone(), audit_error::Error::Constraint(error));
        }
    }
}

impl Findings {
    fn error(&mut self, object: wire::AuditedObject, error: audit_error::Error) {
        self.tally.errors += 1;
        self.message.errors.push(wire::AuditError { object: Some(object), error: Some(error) });
    }
}

type OfSet<'a> = ((&'a PolicySet, &'a Vec<usize>), &'a mut Vec<super::summary::Count>);

fn zipped<'a>(
    sets: Scoped<&'a PolicySet>,
    matched: &'a Scoped<Vec<usize>>,
    tally: &'a mut Tally,
) -> impl Iterator<Item = OfSet<'a>> {
    let Scoped { fleet, cluster } = sets.zip(matched.as_ref());
    let own = cluster.zip(tally.constraints.cluster.as_mut());
    std::iter::once((fleet, &mut tally.constraints.fleet)).chain(own)
}

/// The name of an object of a cluster, as findings have it.
pub(crate) fn audited(cluster: &str, kind: &GroupVersionKind, namespace: &str, name: &str) -> wire::AuditedObject {
    wire::AuditedObject {
        cluster: cluster.to_owned(),
        kind: Some(kind_name(kind)),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Default::default()
    }
}

/// A cached object, read.
pub(super) fn parsed(cached: &CachedObject<'_>, keys: &mut KeyCache, numbers: Numbers) -> Result<Value, String> {
    let text = cached.json.as_ref().ok_or("the cached object cannot be read back")?;
    json::parse(text, keys, numbers).map_err(|error| error.to_string())
}

/// Judges one object: a defect of the core that it meets is this object's, and ends nothing else.
pub(super) fn guarded<T>(judge: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(judge)).map_err(|_| "the review ended in a defect of the core".to_owned())
}

/// With its UID, and with what controls it.
pub(crate) fn identified(named: wire::AuditedObject, object: &Value) -> wire::AuditedObject {
    let text = |value: &Value, field: &str| value.field(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(metadata) = object.field("metadata") else { return named };
    let owners = metadata.field("ownerReferences").and_then(Value::as_array).unwrap_or_default();
    let controls = |owner: &&Value| owner.field("controller") == Some(&Value::Bool(true));
    let owner = owners.iter().find(controls).map(|owner| format!("{}/{}", text(owner, "kind"), text(owner, "name")));
    wire::AuditedObject { uid: text(metadata, "uid"), owner: owner.unwrap_or_default(), ..named }
}
