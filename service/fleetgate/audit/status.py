"""What the status of Constraints says of an audit, as Gatekeeper's: the first violations, the last of them on top.

A Constraint of a cluster has its own cluster's violations. One of the fleet has those of all clusters, each with one
more field, ``cluster``, at its end.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit.history.reader import Reader, StatusRow
from fleetgate.policy.resource_status import Audited

_STRAY = re.compile("[\udc80-\udcff]")
"""Bytes that are no text."""

FLEET = "fleet"
"""The scope, on the wire, of Constraints that hold in all clusters."""


class Key(NamedTuple):
    """A Constraint: ``cluster`` is "" for those of the fleet."""

    cluster: str
    kind: str
    name: str


def key_of(cluster: str, scope: str, kind: str, name: str) -> Key:
    """The key of a Constraint that was audited in a cluster."""
    return Key("" if scope == FLEET else cluster, kind, name)


class Statuses:
    """Makes statuses, and remembers them: only what changed is read from the history again."""

    def __init__(self, reader: Reader, limit: int, patience_seconds: float) -> None:
        """``limit`` is how many violations a status lists; a new cluster is waited for ``patience_seconds``."""
        self._reader, self._limit, self._patience = reader, limit, patience_seconds
        self._first_looks: dict[str, float] = {}
        self._known: dict[Key, Audited] = {}
        self._changed: set[Key] = set()

    def changed(self, changes: Iterable[audit_pb2.ViolationChange]) -> None:
        """Take note that violations came or went."""
        for change in changes:
            violation = change.violation.violation
            cluster = change.violation.object.cluster
            self._changed.add(key_of(cluster, violation.scope, violation.constraint_kind, violation.constraint_name))

    def forget(self) -> None:
        """Anything may have changed."""
        self._known = {}

    def of(self, summary: audit_pb2.AuditSummary) -> Mapping[str, Mapping[tuple[str, str], Audited]]:
        """The statuses of a state of the audit: cluster ("": the fleet) → kind and name → status.

        What depends on a cluster that is being read has none as yet: what its Constraints say of an earlier time is
        better than a part. Raises HistoryFailed.
        """
        coming = {one.cluster for one in summary.clusters if self._is_coming(one)}
        totals: Counter[Key] = Counter()
        for one in summary.constraints:
            key = key_of(one.cluster, one.scope, one.constraint_kind, one.constraint_name)
            if not (key.cluster in coming if key.cluster else coming):
                totals[key] += one.violations
        timestamp = rfc3339(summary.ended_at.ToDatetime(UTC))
        for key, total in totals.items():
            known = self._known.get(key)
            if known is None or known.total != total or key in self._changed:
                self._known[key] = Audited(timestamp, total, self._violations(key) if total else ())
        self._known = {key: self._known[key] for key in totals}
        self._changed.clear()
        found: dict[str, dict[tuple[str, str], Audited]] = defaultdict(dict)
        for key, audited in self._known.items():
            found[key.cluster][key.kind, key.name] = audited
        return found

    def _is_coming(self, cluster: audit_pb2.ClusterAudit) -> bool:
        """Whether a cluster is incomplete and was seen for the first time a short while ago."""
        first = self._first_looks.setdefault(cluster.cluster, -math.inf if cluster.complete else time.monotonic())
        return not cluster.complete and time.monotonic() - first < self._patience

    def _violations(self, key: Key) -> tuple[dict[str, Any], ...]:
        scope, cluster = (FLEET, None) if not key.cluster else ("cluster", key.cluster)
        rows = self._reader.smallest(scope, cluster, key.kind, key.name, self._limit)
        return tuple(violation_json(row, of_fleet=not key.cluster) for row in reversed(rows))


def violation_json(row: StatusRow, *, of_fleet: bool) -> dict[str, Any]:
    """An entry of ``status.violations``: Gatekeeper's ``StatusViolation``, fields in its order."""
    scoped = audit_pb2.AuditViolation.FromString(row.content).violation.scoped_enforcement_actions
    return {
        "group": row.group,
        "version": row.version,
        "kind": row.kind,
        "name": row.name,
        **({"namespace": row.namespace} if row.namespace else {}),
        "message": _go_text(row.message),
        "enforcementAction": row.action,
        **({"enforcementActions": list(scoped)} if scoped else {}),
        **({"cluster": row.cluster} if of_fleet else {}),
    }


def rfc3339(at: datetime) -> str:
    """A time in seconds, as Gatekeeper writes ``auditTimestamp``."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _go_text(data: bytes) -> str:
    """Text of bytes that may end within a character: each byte of the rest is replaced, as Go's JSON does."""
    return _STRAY.sub("\N{REPLACEMENT CHARACTER}", data.decode("utf-8", "surrogateescape"))
