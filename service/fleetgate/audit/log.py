"""The log of audits, with the events and keys of Gatekeeper's, for pipelines that read those.

Gatekeeper writes each violation at each audit. Here a violation is written when it appears, and once more when it is
gone (``violation_fixed``, an event of ours). An object's body is never written.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit.status import rfc3339

_LOGGER = logging.getLogger("fleetgate.audit")
_GROUP, _VERSION = "constraints.gatekeeper.sh", "v1beta1"


def run(summary: audit_pb2.AuditSummary) -> None:
    """Say that an audit began and ended, and what there is in all: at debug, because it never ends."""
    _LOGGER.debug("auditing constraints and violations", extra=_fields(summary, event_type="audit_started"))
    incomplete = [f"{one.cluster}: {one.reason}" for one in summary.clusters if not one.complete]
    fields = {
        "event_type": "audit_finished",
        "duration": f"{seconds(summary):.3f}s",
        "objects": summary.objects,
        "violations": sum(one.violations for one in summary.constraints),
        **({"incomplete": incomplete} if incomplete else {}),
    }
    _LOGGER.debug("auditing is complete", extra=_fields(summary, **fields))


def constraints(summary: audit_pb2.AuditSummary) -> None:
    """Say of each Constraint with violations how many there are."""
    for one in summary.constraints:
        if one.violations:
            fields = {
                "event_type": "constraint_audited",
                "cluster": one.cluster,
                "constraint_group": _GROUP,
                "constraint_api_version": _VERSION,
                "constraint_kind": one.constraint_kind,
                "constraint_name": one.constraint_name,
                "constraint_namespace": "",
                "constraint_action": one.enforcement_action,
                "constraint_status": "enforced",
                "constraint_violations": str(one.violations),
            }
            _LOGGER.info("audit results for constraint", extra=_fields(summary, **fields))


def changes(found: Iterable[audit_pb2.ViolationChange]) -> None:
    """Write violations that came or went; ``audit_id`` is when."""
    for change in found:
        new = change.direction == audit_pb2.ViolationChange.DIRECTION_NEW
        violation, thing = change.violation.violation, change.violation.object
        fields = {
            "process": "audit",
            "audit_id": rfc3339(change.at.ToDatetime(UTC)),
            "event_type": "violation_audited" if new else "violation_fixed",
            "cluster": thing.cluster,
            "constraint_group": _GROUP,
            "constraint_api_version": _VERSION,
            "constraint_kind": violation.constraint_kind,
            "constraint_name": violation.constraint_name,
            "constraint_namespace": "",
            "constraint_action": violation.enforcement_action,
            "constraint_enforcement_actions": list(violation.scoped_enforcement_actions),
            "resource_group": thing.kind.group,
            "resource_api_version": thing.kind.version,
            "resource_kind": thing.kind.kind,
            "resource_namespace": thing.namespace,
            "resource_name": thing.name,
            "details": _json(violation.details),
        }
        _LOGGER.info("%s", violation.message, extra={"fields": fields})


def seconds(summary: audit_pb2.AuditSummary) -> float:
    """How long a run took."""
    return (summary.ended_at.ToMicroseconds() - summary.started_at.ToMicroseconds()) / 1e6


def _fields(summary: audit_pb2.AuditSummary, **more: Any) -> dict[str, Any]:
    audit_id = rfc3339(summary.started_at.ToDatetime(UTC))
    return {"fields": {"process": "audit", "audit_id": audit_id, **more}}


def _json(details: bytes) -> Any:
    try:
        return json.loads(details) if details else {}
    except ValueError:
        return {}
