"""The report as objects of Kubernetes: PolicyReport (wgpolicyk8s.io/v1alpha2) or Report (openreports.io/v1alpha1).

One for each cluster and namespace, and a cluster-scoped one for what is in none; a long one is split, as etcd keeps 1.5
MB. The annotation ``fleetgate.dev/cluster`` says which cluster an object is about.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fleetgate_clients.audit.report import Effect
from fleetgate_clients.output.documents import yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgate_clients.audit.report import ObjectName, Problem, Report, Violation

_RESULTS = 500
"""Results of one object."""

_LONGEST_TEXT = 2_000
"""Characters of a message or of details."""

_OUTCOMES = {Effect.DENY: "fail", Effect.WARN: "warn", Effect.DRYRUN: "warn", Effect.OTHER: "warn"}
_SEVERITIES = {Effect.DENY: "high", Effect.WARN: "medium", Effect.DRYRUN: "low", Effect.OTHER: "info"}


@dataclass(frozen=True, slots=True)
class _Api:
    """One of the two: their results have the same fields."""

    api_version: str
    namespaced: str
    cluster: str
    has_source: bool


_POLICY_REPORTS = _Api("wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport", has_source=False)
_OPEN_REPORTS = _Api("openreports.io/v1alpha1", "Report", "ClusterReport", has_source=True)


def policy_report_text(report: Report) -> str:
    """Return PolicyReports and ClusterPolicyReports as YAML documents for ``kubectl apply``."""
    return _text(report, _POLICY_REPORTS)


def open_report_text(report: Report) -> str:
    """Return Reports and ClusterReports as YAML documents for ``kubectl apply``."""
    return _text(report, _OPEN_REPORTS)


def _text(report: Report, api: _Api) -> str:
    moment = _moment(report.ended_at or report.run.started_at)
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {
        (cluster.name, ""): [] for cluster in report.clusters if cluster.complete
    }
    for violation in report.violations:
        key = (violation.object.cluster, violation.object.namespace)
        grouped.setdefault(key, []).append(_violation(violation, moment))
    for problem in report.errors:
        key = (problem.object.cluster, problem.object.namespace)
        grouped.setdefault(key, []).append(_problem(problem, moment))
    for name, results in _incomplete(report, moment):
        grouped.setdefault((name, ""), []).extend(results)
    documents = [
        _object(api, report, cluster, namespace, index, part)
        for (cluster, namespace), results in sorted(grouped.items())
        for index, part in enumerate(_parts(results))
    ]
    return "---\n".join(map(yaml_text, documents))


def _parts(results: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """At least one, so that a cluster without violations has a report that says so."""
    return [results[start : start + _RESULTS] for start in range(0, max(1, len(results)), _RESULTS)]


def _object(  # noqa: PLR0917 (what a report is named and filled by)
    api: _Api, report: Report, cluster: str, namespace: str, index: int, results: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    outcomes = [result["result"] for result in results]
    return {
        "apiVersion": api.api_version,
        "kind": api.namespaced if namespace else api.cluster,
        "metadata": {
            "name": _name(cluster, index),
            **({"namespace": namespace} if namespace else {}),
            "labels": {"app.kubernetes.io/managed-by": "fleetgate"},
            "annotations": {"fleetgate.dev/cluster": cluster, "fleetgate.dev/run": report.run.id},
        },
        **({"source": "fleetgate"} if api.has_source else {}),
        "summary": {outcome: outcomes.count(outcome) for outcome in ("pass", "fail", "warn", "error", "skip")},
        "results": list(results),
    }


def _name(cluster: str, index: int) -> str:
    """A DNS subdomain: the cluster's name where it is one, else what is left of it and a digest."""
    kept = re.sub(r"[^a-z0-9.-]+", "-", cluster.lower()).strip("-.")[:200]
    if kept != cluster or ".." in kept or re.search(r"\.-|-\.", kept):
        kept = re.sub(r"[.-]*\.[.-]*", ".", kept)
        kept = "-".join(filter(None, (kept, hashlib.sha256(cluster.encode("utf-8", "replace")).hexdigest()[:8])))
    return f"fleetgate-audit-{kept}" + (f"-{index + 1}" if index else "")


def _violation(violation: Violation, moment: dict[str, int] | None) -> dict[str, Any]:
    properties = {
        "scope": violation.constraint.scope,
        "enforcementAction": ",".join(violation.actions) or violation.action,
        "owner": violation.object.owner,
        "firstSeen": violation.first_seen,
        "details": "" if violation.details == "{}" else violation.details,
        "known": "true" if violation.known else "",
    }
    effect = violation.effect
    return {
        "source": "fleetgate",
        "policy": violation.constraint.kind,
        "rule": violation.constraint.name,
        "severity": _SEVERITIES[effect],
        "result": _OUTCOMES[effect],
        "scored": effect is Effect.DENY,
        "message": _cut(violation.message),
        "resources": [_resource(violation.object)],
        **({"timestamp": dict(moment)} if moment else {}),
        "properties": {name: _cut(value) for name, value in properties.items() if value},
    }


def _problem(problem: Problem, moment: dict[str, int] | None) -> dict[str, Any]:
    return {
        "source": "fleetgate",
        "policy": problem.constraint.kind if problem.constraint else "review",
        **({"rule": problem.constraint.name} if problem.constraint else {}),
        "result": "error",
        "scored": False,
        "message": _cut(problem.message),
        "resources": [_resource(problem.object)],
        **({"timestamp": dict(moment)} if moment else {}),
        "properties": {"reason": problem.reason},
    }


def _incomplete(report: Report, moment: dict[str, int] | None) -> list[tuple[str, list[dict[str, Any]]]]:
    """What was not looked at is an error too: without it a report would look complete."""
    found = []
    for cluster in report.clusters:
        reasons = [] if cluster.complete else [cluster.reason or report.reason or "not all was looked at"]
        reasons += [f"not reviewed: {kind}: {kind.reason}" for kind in cluster.not_audited]
        results = [
            {
                "source": "fleetgate",
                "policy": "audit",
                "rule": "complete",
                "result": "skip" if cluster.complete else "error",
                "scored": False,
                "message": _cut(reason),
                **({"timestamp": dict(moment)} if moment else {}),
            }
            for reason in reasons
        ]
        found.append((cluster.name, results))
    return found


def _resource(found: ObjectName) -> dict[str, str]:
    fields = {
        "apiVersion": found.api_version,
        "kind": found.kind,
        "namespace": found.namespace,
        "name": found.name,
        "uid": found.uid,
    }
    return {name: value for name, value in fields.items() if value}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _moment(text: str) -> dict[str, int] | None:
    """RFC 3339 as the seconds and nanoseconds of metav1.Timestamp."""
    if not text:
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return {"seconds": seconds, "nanos": int(fraction.ljust(9, "0")[:9]) if fraction else 0}
