"""The report as SARIF 2.1.0: a rule per Constraint, a result per violation.

An object of a file is at its place there. One of a cluster, or of standard input, has no file: it is named below the
base ``FLEET``, as ``cluster/kind/namespace/name``, so that viewers that insist on a file show something that can be
read.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fleetgate_clients.audit.document import parsed
from fleetgate_clients.audit.report import ConstraintName, Effect
from fleetgate_clients.output.documents import large_json_text
from fleetgate_clients.output.sarif import SCHEMA, uri

from .summary import rows

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import ObjectName, Report, Violation

_LEVELS = {Effect.DENY: "error", Effect.WARN: "warning", Effect.DRYRUN: "note", Effect.OTHER: "note"}
_BASE = "FLEET"


def sarif_text(report: Report) -> str:
    """Return the log, newline-terminated."""
    worst: dict[ConstraintName, Effect] = {}
    order = list(Effect)
    for row in rows(report):
        before = worst.get(row.constraint, Effect.OTHER)
        worst[row.constraint] = min(before, row.effect, key=order.index)
    rules = sorted(worst, key=lambda constraint: (constraint.kind, constraint.name, constraint.scope))
    positions = {constraint: position for position, constraint in enumerate(rules)}
    driver = {
        "name": "fleetgate",
        "semanticVersion": metadata.version("fleetgate-clients"),
        "rules": [_descriptor(constraint, worst[constraint]) for constraint in rules],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report)],
        "originalUriBaseIds": {
            _BASE: {"description": {"text": "Objects of clusters: cluster/kind.group/namespace/name."}}
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(violation, positions[violation.constraint], with_baseline=report.baseline is not None)
            for violation in report.violations
        ],
    }
    return large_json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _descriptor(constraint: ConstraintName, effect: Effect) -> dict[str, Any]:
    return {
        "id": _rule(constraint),
        "name": constraint.kind,
        "shortDescription": {"text": f"Constraint {constraint} of the {constraint.scope}'s policies"},
        "defaultConfiguration": {"level": _LEVELS[effect]},
    }


def _rule(constraint: ConstraintName) -> str:
    """Constraints of both scopes may have the same name."""
    return str(constraint) if constraint.scope == "fleet" else f"{constraint}@{constraint.scope}"


def _invocation(report: Report) -> dict[str, Any]:
    notifications = [{"level": "error", "message": {"text": sentence}} for sentence in report.shortfalls()]
    notifications += [{"level": "warning", "message": {"text": sentence}} for sentence in report.not_reviewed()]
    times = {"startTimeUtc": report.run.started_at, "endTimeUtc": report.ended_at}
    return {
        "executionSuccessful": report.complete,
        **{name: value for name, value in times.items() if value},
        "toolExecutionNotifications": notifications,
    }


def _result(violation: Violation, position: int, *, with_baseline: bool) -> dict[str, Any]:
    found = violation.object
    seen = {"firstSeen": violation.first_seen, "lastSeen": violation.last_seen, "owner": found.owner}
    result: dict[str, Any] = {
        "ruleId": _rule(violation.constraint),
        "ruleIndex": position,
        "level": _LEVELS[violation.effect],
        "message": {"text": violation.sentence},
        "locations": [_location(violation)],
        "partialFingerprints": {"fleetgateViolation/v1": _fingerprint(violation)},
        "properties": {
            "enforcementAction": ",".join(violation.actions) or violation.action,
            **{name: value for name, value in seen.items() if value},
            **({"details": parsed(violation.details)} if violation.details else {}),
        },
    }
    if with_baseline:
        result["baselineState"] = "unchanged" if violation.known else "new"
    return result


def _location(violation: Violation) -> dict[str, Any]:
    found, place = violation.object, violation.place
    name = _object_path(found)
    if place is not None and place.is_file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": uri(place.path)}, "region": {"startLine": place.line}}
    else:
        physical = {"artifactLocation": {"uri": quote(name), "uriBaseId": _BASE}, "region": {"startLine": 1}}
    logical = {"name": found.name, "fullyQualifiedName": name, "kind": "object"}
    return {"physicalLocation": physical, "logicalLocations": [logical]}


def _object_path(found: ObjectName) -> str:
    kind = f"{found.kind}.{found.group}" if found.group else found.kind
    return "/".join(part for part in (found.cluster, kind, found.namespace, found.name) if part)


def _fingerprint(violation: Violation) -> str:
    """What makes a violation the same in the next run; the message is part of it, as in a baseline."""
    parts = (_object_path(violation.object), _rule(violation.constraint), violation.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
