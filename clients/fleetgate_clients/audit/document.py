"""The canonical report: JSON that the published schema describes, from which every other output can be made.

The schema is ``audit-report.schema.json`` beside this module, published as ``docs/schemas/audit-report.json``.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "fleetgate.dev/v1"
KIND = "AuditReport"


class ReportError(ValueError):
    """A text that is no report."""


def to_document(report: Report) -> dict[str, Any]:
    """Return the report as JSON has it. Fields that are empty and may be absent are left out."""
    return {
        **to_head(report),
        "violations": [violation_document(violation) for violation in report.violations],
        "errors": [problem_document(problem) for problem in report.errors],
    }


def to_head(report: Report) -> dict[str, Any]:
    """Return everything but violations and errors."""
    counts = {effect.value: report.counts.of(effect) for effect in Effect}
    summary: dict[str, Any] = {
        "clusters": len(report.clusters),
        "objects": report.objects,
        "violations": counts,
        "errors": len(report.errors),
    }
    if report.baseline is not None:
        summary["baseline"] = {"known": report.baseline.known, "fixed": report.baseline.fixed}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "run": _filled({"id": report.run.id, "startedAt": report.run.started_at, "endedAt": report.ended_at}),
        "policies": policies_document(report.run),
        "complete": report.complete,
        **_filled({"reason": report.reason}),
        "summary": summary,
        "clusters": [_cluster_document(cluster) for cluster in report.clusters],
        "constraints": [_constraint_document(result) for result in report.constraints],
    }


def policies_document(run: Run) -> dict[str, Any]:
    """The policies of a run."""
    return {"generation": run.generation, "digest": run.digest}


def violation_document(violation: Violation) -> dict[str, Any]:
    """One violation."""
    return {
        **_object_document(violation.object),
        **_constraint_fields(violation.constraint),
        "enforcementAction": violation.action,
        **_filled({"enforcementActions": list(violation.actions)}),
        "message": violation.message,
        **({} if violation.details is None else {"details": violation.details}),
        **_filled({"firstSeen": violation.first_seen, "lastSeen": violation.last_seen}),
        **({"known": True} if violation.known else {}),
        **({"path": violation.place.path, "line": violation.place.line} if violation.place else {}),
    }


def problem_document(problem: Problem) -> dict[str, Any]:
    """One object that was not judged."""
    return {
        **_object_document(problem.object),
        **(_constraint_fields(problem.constraint) if problem.constraint else {}),
        "reason": problem.reason,
        "message": problem.message,
    }


def details_of(text: bytes) -> Any:
    """Read ``details``. A number that no double can hold becomes its text: JSON has no infinity."""
    if not text:
        return None
    return json.loads(text, parse_float=_finite)


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def from_json(text: str | bytes) -> Report:
    """Read a report. Raises ReportError for anything else."""
    try:
        document = json.loads(text, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"it is no JSON: {error}") from error
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
        raise ReportError(f"it is no {KIND} of {API_VERSION}: make one with `fleetgate audit -o json`")
    try:
        return _report(document)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReportError(f"it is no valid {KIND}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _report(document: Mapping[str, Any]) -> Report:
    violations = tuple(map(_violation, document["violations"]))
    counts = Counts()
    for violation in violations:
        counts.add(violation)
    clusters = tuple(map(_cluster, document["clusters"]))
    baseline = document["summary"].get("baseline")
    return Report(
        Run(
            document["run"]["id"],
            document["run"]["startedAt"],
            document["policies"]["generation"],
            document["policies"]["digest"],
            tuple(cluster.name for cluster in clusters),
        ),
        document["run"].get("endedAt", ""),
        document.get("reason", ""),
        clusters,
        tuple(map(_constraint_result, document["constraints"])),
        violations,
        tuple(map(_problem, document["errors"])),
        counts,
        None if baseline is None else Baseline(baseline["known"], baseline["fixed"]),
    )


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _object_document(found: ObjectName) -> dict[str, Any]:
    return {
        "cluster": found.cluster,
        **_filled({"group": found.group}),
        "version": found.version,
        "kind": found.kind,
        **_filled({"namespace": found.namespace}),
        "name": found.name,
        **_filled({"uid": found.uid, "owner": found.owner}),
    }


def _object(fields: Mapping[str, Any]) -> ObjectName:
    return ObjectName(
        fields["cluster"],
        fields.get("group", ""),
        fields["version"],
        fields["kind"],
        fields.get("namespace", ""),
        fields["name"],
        fields.get("uid", ""),
        fields.get("owner", ""),
    )


def _constraint_fields(constraint: ConstraintName) -> dict[str, Any]:
    return {"constraintKind": constraint.kind, "constraintName": constraint.name, "scope": constraint.scope}


def _constraint(fields: Mapping[str, Any]) -> ConstraintName:
    return ConstraintName(fields["constraintKind"], fields["constraintName"], fields["scope"])


def _violation(fields: Mapping[str, Any]) -> Violation:
    return Violation(
        _object(fields),
        _constraint(fields),
        fields["enforcementAction"],
        tuple(fields.get("enforcementActions", ())),
        fields["message"],
        fields.get("details"),
        fields.get("firstSeen", ""),
        fields.get("lastSeen", ""),
        fields.get("known", False),
        Place(fields["path"], fields["line"]) if "path" in fields else None,
    )


def _problem(fields: Mapping[str, Any]) -> Problem:
    constraint = _constraint(fields) if "constraintKind" in fields else None
    return Problem(_object(fields), constraint, fields["reason"], fields["message"])


def _cluster_document(cluster: Cluster) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "complete": cluster.complete,
        **_filled({"reason": cluster.reason, "labels": dict(cluster.labels), "state": cluster.state}),
        **_filled({"revision": cluster.revision}),
        **({} if cluster.age is None else {"ageSeconds": cluster.age}),
        "objects": cluster.objects,
        "errors": cluster.errors,
        **_filled({"notAudited": [_not_audited_document(kind) for kind in cluster.not_audited]}),
    }


def _not_audited_document(kind: NotAudited) -> dict[str, Any]:
    return {
        **_filled({"group": kind.group, "version": kind.version}),
        "kind": kind.kind,
        "reason": kind.reason,
        **_filled({"objects": kind.objects}),
    }


def _cluster(fields: Mapping[str, Any]) -> Cluster:
    return Cluster(
        fields["name"],
        fields["complete"],
        fields.get("reason", ""),
        tuple(sorted(fields.get("labels", {}).items())),
        fields.get("state", ""),
        fields.get("revision", 0),
        fields.get("ageSeconds"),
        fields["objects"],
        fields["errors"],
        tuple(
            NotAudited(
                kind.get("group", ""), kind.get("version", ""), kind["kind"], kind["reason"], kind.get("objects", 0)
            )
            for kind in fields.get("notAudited", ())
        ),
    )


def _constraint_document(result: ConstraintResult) -> dict[str, Any]:
    return {
        "cluster": result.cluster,
        **_constraint_fields(result.constraint),
        "enforcementAction": result.action,
        "violations": result.violations,
        **({} if result.before is None else {"violationsBefore": result.before}),
        "matched": result.matched,
        "errors": result.errors,
        **({"volatile": True} if result.volatile else {}),
    }


def _constraint_result(fields: Mapping[str, Any]) -> ConstraintResult:
    return ConstraintResult(
        fields["cluster"],
        _constraint(fields),
        fields["enforcementAction"],
        fields["violations"],
        fields["matched"],
        fields["errors"],
        fields.get("violationsBefore"),
        fields.get("volatile", False),
    )
