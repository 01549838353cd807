"""The core's continuous audit as its follower sees it, for what a real one does not do on demand: fail, be slow."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable

from fleetgate.audit.history.record import identity
from fleetgate.audit.scope import Filter
from fleetgate.engine import Engine
from fleetgate_proto.v1 import audit_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.support.audits import FIXED, NEW, change


class ScriptedRun:
    """A run that is there already."""

    def __init__(self, batches: Iterable[audit_pb2.AuditFindings]) -> None:
        self._batches = [one.SerializeToString() for one in batches]

    @property
    def finished(self) -> bool:
        return not self._batches

    def next(self, timeout_seconds: float = 1.0) -> list[bytes]:  # noqa: ARG002
        return [self._batches.pop(0)] if self._batches else []


class ScriptedAudit:
    """Tests say what comes and goes; ``complete`` says which clusters were looked at."""

    def __init__(self, *found: audit_pb2.AuditViolation, complete: dict[str, bool] | None = None) -> None:
        self.complete = complete or {"west": True}
        self.ready = True
        self.fails = 0
        self._found = {identity(one): one for one in found}
        self._steps: queue.SimpleQueue[audit_pb2.ViolationChanges] = queue.SimpleQueue()
        self._started = time.time()

    def change(
        self, new: Iterable[audit_pb2.AuditViolation] = (), fixed: Iterable[audit_pb2.AuditViolation] = ()
    ) -> None:
        """One step that changes this."""
        at = Timestamp()
        at.GetCurrentTime()
        changes = [*(change(FIXED, one) for one in fixed), *(change(NEW, one) for one in new)]
        self._steps.put(audit_pb2.ViolationChanges(changes=changes, reviews=len(changes), at=at))

    def step(self, timeout_seconds: float = 1.0) -> list[bytes]:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("the audit failed, on purpose")
        try:
            step = self._steps.get(timeout=min(timeout_seconds, 0.02))
        except queue.Empty:
            return []
        for one in step.changes:
            if one.direction == FIXED:
                self._found.pop(identity(one.violation), None)
            else:
                self._found[identity(one.violation)] = one.violation
        return [step.SerializeToString()]

    def violations(self, scope: bytes = b"") -> ScriptedRun:
        chosen = Filter(audit_pb2.AuditScope.FromString(scope), Engine(contexts=1))
        found = [one for one in self._found.values() if chosen.has(one)]
        return ScriptedRun(audit_pb2.AuditFindings(violations=found[n : n + 2]) for n in range(0, len(found), 2))

    def summary(self, scope: bytes = b"") -> bytes:  # noqa: ARG002
        if not self.ready:
            return b""
        found = audit_pb2.AuditSummary()
        found.started_at.FromNanoseconds(round(self._started * 1e9))
        found.ended_at.GetCurrentTime()
        counts: dict[tuple[str, str, str, str, str], int] = {}
        for one in self._found.values():
            said = one.violation
            key = (one.object.cluster, said.scope, said.constraint_kind, said.constraint_name, said.enforcement_action)
            counts[key] = counts.get(key, 0) + 1
        for (cluster, of, kind, name, action), count in sorted(counts.items()):
            found.constraints.add(
                cluster=cluster,
                scope=of,
                constraint_kind=kind,
                constraint_name=name,
                enforcement_action=action,
                violations=count,
            )
        for name, complete in self.complete.items():
            found.clusters.add(cluster=name, complete=complete, reason="" if complete else "unreachable")
        return found.SerializeToString()
