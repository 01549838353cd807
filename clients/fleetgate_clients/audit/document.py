"""The canonical report: JSON that the published schema describes, from which every other output can be made.

The schema is ``audit-report.schema.json`` beside this module, published as ``docs/schemas/audit-report.json``. What a
run is, and what it found, come first, and sums last, so that a report is written while the run goes on.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from fleetgate_clients.audit.report import (
    Baseline,
    Cluster,
    ConstraintName,
    ConstraintResult,
    Counts,
    Effect,
    NotAudited,
    ObjectName,
    Place,
    Problem,
    Report,
    Run,
    Violation,
)
from fleetgate_clients.output.documents import safe_json

API_VERSION = "fleetgate.dev/v1"
KIND = "AuditReport"


class ReportError(ValueError):
    """A text that is no report."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Fields in the order in which they are written; those with a default are left out where they have it."""


class _Named(_Document, frozen=True, kw_only=True):
    """What names an object."""

    cluster: str
    group: str = ""
    version: str
    kind: str
    namespace: str = ""
    name: str
    uid: str = ""
    owner: str = ""


class _Violation(_Named, frozen=True, kw_only=True):
    constraint_kind: str
    constraint_name: str
    scope: str
    enforcement_action: str
    enforcement_actions: tuple[str, ...] = ()
    message: str
    details: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    first_seen: str = ""
    last_seen: str = ""
    known: bool = False
    path: str = ""
    line: int = 0
    address: str = ""


class _Problem(_Named, frozen=True, kw_only=True):
    constraint_kind: str = ""
    constraint_name: str = ""
    scope: str = ""
    reason: str
    message: str


class _Run(_Document, frozen=True, kw_only=True):
    id: str
    started_at: str


class _Policies(_Document, frozen=True, kw_only=True):
    generation: int
    digest: str


class _Baseline(_Document, frozen=True, kw_only=True):
    known: int
    fixed: int


class _Summary(_Document, frozen=True, kw_only=True):
    clusters: int
    objects: int
    violations: dict[str, int]
    errors: int
    baseline: _Baseline | msgspec.UnsetType = msgspec.UNSET


class _NotAudited(_Document, frozen=True, kw_only=True):
    group: str = ""
    version: str = ""
    kind: str
    reason: str
    objects: int = 0


class _Cluster(_Document, frozen=True, kw_only=True):
    name: str
    complete: bool
    reason: str = ""
    labels: dict[str, str] = {}
    state: str = ""
    revision: int = 0
    age_seconds: float | msgspec.UnsetType = msgspec.UNSET
    objects: int
    errors: int
    not_audited: tuple[_NotAudited, ...] = ()


class _Constraint(_Document, frozen=True, kw_only=True):
    cluster: str
    constraint_kind: str
    constraint_name: str
    scope: str
    enforcement_action: str
    violations: int
    violations_before: int | msgspec.UnsetType = msgspec.UNSET
    matched: int
    errors: int
    volatile: bool = False


class _Head(_Document, frozen=True, kw_only=True):
    """What is known when a run starts."""

    api_version: str
    kind: str
    run: _Run
    policies: _Policies


class _Tail(_Document, frozen=True, kw_only=True):
    """What is known when it ends."""

    ended_at: str = ""
    since: str = ""
    complete: bool
    reason: str = ""
    summary: _Summary
    clusters: tuple[_Cluster, ...]
    constraints: tuple[_Constraint, ...]


class _Report(_Document, frozen=True, kw_only=True):
    """All of it, for reading."""

    run: _Run
    policies: _Policies
    violations: tuple[_Violation, ...]
    errors: tuple[_Problem, ...]
    ended_at: str = ""
    since: str = ""
    complete: bool
    reason: str = ""
    summary: _Summary
    clusters: tuple[_Cluster, ...]
    constraints: tuple[_Constraint, ...]


class _Identity(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""


_ENCODER = msgspec.json.Encoder()


def head_json(run: Run) -> str:
    """What is known when a run starts: an object of one line."""
    return _json(
        _Head(
            api_version=API_VERSION,
            kind=KIND,
            run=_Run(id=run.id, started_at=run.started_at),
            policies=_Policies(generation=run.generation, digest=run.digest),
        )
    )


def tail_json(report: Report) -> str:
    """What is known when it has ended: an object of one line."""
    return _json(_tail(report))


def violation_json(violation: Violation) -> str:
    """A violation: an object of one line."""
    found, constraint, place = violation.object, violation.constraint, violation.place
    return _json(
        _Violation(
            cluster=found.cluster,
            group=found.group,
            version=found.version,
            kind=found.kind,
            namespace=found.namespace,
            name=found.name,
            uid=found.uid,
            owner=found.owner,
            constraint_kind=constraint.kind,
            constraint_name=constraint.name,
            scope=constraint.scope,
            enforcement_action=violation.action,
            enforcement_actions=violation.actions,
            message=violation.message,
            details=msgspec.Raw(violation.details.encode()) if violation.details else msgspec.UNSET,
            first_seen=violation.first_seen,
            last_seen=violation.last_seen,
            known=violation.known,
            path=place.path if place is not None else "",
            line=place.line if place is not None else 0,
            address=place.address if place is not None else "",
        )
    )


def problem_json(problem: Problem) -> str:
    """An object that was not judged: an object of one line."""
    found, constraint = problem.object, problem.constraint
    return _json(
        _Problem(
            cluster=found.cluster,
            group=found.group,
            version=found.version,
            kind=found.kind,
            namespace=found.namespace,
            name=found.name,
            uid=found.uid,
            owner=found.owner,
            constraint_kind=constraint.kind if constraint is not None else "",
            constraint_name=constraint.name if constraint is not None else "",
            scope=constraint.scope if constraint is not None else "",
            reason=problem.reason,
            message=problem.message,
        )
    )


def cluster_json(cluster: Cluster) -> str:
    """A cluster's part: an object of one line."""
    return _json(_cluster(cluster))


def constraint_json(result: ConstraintResult) -> str:
    """A Constraint in a cluster: an object of one line."""
    return _json(_constraint(result))


def _json(document: _Document) -> str:
    return safe_json(_ENCODER.encode(document).decode())


def details_of(text: bytes) -> str:
    """``details`` as JSON text of one line that is safe on a terminal; "" where there are none."""
    details = text.decode("utf-8", "replace")
    if "\n" in details or "\r" in details:
        details = json.dumps(json.loads(details), ensure_ascii=False)
    return safe_json(details)


def parsed(text: str) -> Any:
    """Read JSON. A number that no double can hold becomes its text: there is no infinity in JSON."""
    return json.loads(text, parse_float=_finite)


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def from_json(text: str | bytes) -> Report:
    """Read a report. Raises ReportError for anything else."""
    if other := _other_form(text):
        raise ReportError(f"it is an audit as {other}: a report is what `fleetgate audit -o json` writes")
    try:
        identity = msgspec.json.decode(text, type=_Identity)
        if (identity.api_version, identity.kind) != (API_VERSION, KIND):
            raise ReportError(f"it is no {KIND} of {API_VERSION}: make one with `fleetgate audit -o json`")
        return _report(msgspec.json.decode(text, type=_Report))
    except msgspec.ValidationError as error:
        raise ReportError(f"it is no valid {KIND}: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ReportError(f"it is no JSON: {error}") from error


def _other_form(text: str | bytes) -> str:
    """The form that an audit was written in, where it is one that has all of it but is no report."""
    start = text[:1024].decode("utf-8", "replace") if isinstance(text, bytes) else text[:1024]
    if start.startswith('{"type":"run",'):
        return "JSON lines (-o jsonl)"
    return "YAML (-o yaml)" if start.startswith(f"apiVersion: {API_VERSION}\nkind: {KIND}\n") else ""


def _report(document: _Report) -> Report:
    violations = tuple(map(_violation_of, document.violations))
    counts = Counts()
    for violation in violations:
        counts.add(violation)
    clusters = tuple(map(_cluster_of, document.clusters))
    baseline = document.summary.baseline
    return Report(
        Run(
            document.run.id,
            document.run.started_at,
            document.policies.generation,
            document.policies.digest,
            tuple(cluster.name for cluster in clusters),
        ),
        document.ended_at,
        document.reason,
        clusters,
        tuple(map(_constraint_of, document.constraints)),
        violations,
        tuple(map(_problem_of, document.errors)),
        counts,
        None if isinstance(baseline, msgspec.UnsetType) else Baseline(baseline.known, baseline.fixed),
        document.since,
    )


def _tail(report: Report) -> _Tail:
    baseline = report.baseline
    return _Tail(
        ended_at=report.ended_at,
        since=report.since,
        complete=report.complete,
        reason=report.reason,
        summary=_Summary(
            clusters=len(report.clusters),
            objects=report.objects,
            violations={effect.value: report.counts.of(effect) for effect in Effect},
            errors=len(report.errors),
            baseline=msgspec.UNSET if baseline is None else _Baseline(known=baseline.known, fixed=baseline.fixed),
        ),
        clusters=tuple(map(_cluster, report.clusters)),
        constraints=tuple(map(_constraint, report.constraints)),
    )


def _object_of(fields: _Named) -> ObjectName:
    return ObjectName(
        fields.cluster,
        fields.group,
        fields.version,
        fields.kind,
        fields.namespace,
        fields.name,
        fields.uid,
        fields.owner,
    )


def _violation_of(fields: _Violation) -> Violation:
    details = fields.details
    return Violation(
        _object_of(fields),
        ConstraintName(fields.constraint_kind, fields.constraint_name, fields.scope),
        fields.enforcement_action,
        fields.enforcement_actions,
        fields.message,
        "" if isinstance(details, msgspec.UnsetType) else details_of(bytes(details)),
        fields.first_seen,
        fields.last_seen,
        fields.known,
        Place(fields.path, fields.line, fields.address) if fields.path else None,
    )


def _problem_of(fields: _Problem) -> Problem:
    constraint = ConstraintName(fields.constraint_kind, fields.constraint_name, fields.scope)
    return Problem(_object_of(fields), constraint if constraint.kind else None, fields.reason, fields.message)


def _cluster(cluster: Cluster) -> _Cluster:
    return _Cluster(
        name=cluster.name,
        complete=cluster.complete,
        reason=cluster.reason,
        labels=dict(cluster.labels),
        state=cluster.state,
        revision=cluster.revision,
        age_seconds=msgspec.UNSET if cluster.age is None else cluster.age,
        objects=cluster.objects,
        errors=cluster.errors,
        not_audited=tuple(
            _NotAudited(
                group=kind.group, version=kind.version, kind=kind.kind, reason=kind.reason, objects=kind.objects
            )
            for kind in cluster.not_audited
        ),
    )


def _cluster_of(fields: _Cluster) -> Cluster:
    return Cluster(
        fields.name,
        fields.complete,
        fields.reason,
        tuple(sorted(fields.labels.items())),
        fields.state,
        fields.revision,
        None if isinstance(fields.age_seconds, msgspec.UnsetType) else fields.age_seconds,
        fields.objects,
        fields.errors,
        tuple(
            NotAudited(kind.group, kind.version, kind.kind, kind.reason, kind.objects) for kind in fields.not_audited
        ),
    )


def _constraint(result: ConstraintResult) -> _Constraint:
    return _Constraint(
        cluster=result.cluster,
        constraint_kind=result.constraint.kind,
        constraint_name=result.constraint.name,
        scope=result.constraint.scope,
        enforcement_action=result.action,
        violations=result.violations,
        violations_before=msgspec.UNSET if result.before is None else result.before,
        matched=result.matched,
        errors=result.errors,
        volatile=result.volatile,
    )


def _constraint_of(fields: _Constraint) -> ConstraintResult:
    before = fields.violations_before
    return ConstraintResult(
        fields.cluster,
        ConstraintName(fields.constraint_kind, fields.constraint_name, fields.scope),
        fields.enforcement_action,
        fields.violations,
        fields.matched,
        fields.errors,
        None if isinstance(before, msgspec.UnsetType) else before,
        fields.volatile,
    )
