"""Who follows the continuous audit. One that does not read is cut off: it must not hold up the others, or grow."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit.errors import WatchEnded, WatchTooSlow
from fleetgate.audit.runs import Messages
from fleetgate.audit.scope import Filter

MOST_WAITING = 50_000
"""Changes that wait for one follower."""

_BATCH = 500


class Subscription:
    """One follower: what was violated when it began, the state then, and what came and went since.

    ``existing`` and ``summary`` are set once the subscription stands.
    """

    def __init__(self, scope: audit_pb2.AuditScope, wanted: Filter, *, only_changes: bool) -> None:
        self.scope, self.only_changes = scope, only_changes
        self.existing: Messages | None = None
        self.summary = audit_pb2.AuditSummary()
        self._filter = wanted
        self._stands, self._condition = threading.Event(), threading.Condition()
        self._waiting: deque[audit_pb2.ViolationChanges] = deque()
        self._count = 0
        self._end: Exception | None = None

    @property
    def is_ended(self) -> bool:
        """Whether nobody wants it any more."""
        return self._end is not None

    def stand(self, existing: Messages | None, summary: audit_pb2.AuditSummary) -> None:
        """Begin; what is put from now on is what happened after this state."""
        self.existing, self.summary = existing, summary
        self._stands.set()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until it stands. Raises WatchEnded."""
        stands = self._stands.wait(timeout_seconds)
        if self._end is not None:
            raise self._end
        return stands

    def put(self, step: audit_pb2.ViolationChanges) -> None:
        """Tell what a step changed, as far as it is in the scope."""
        wanted = [one for one in step.changes if self._filter.has(one.violation)]
        with self._condition:
            if self._end is not None or not wanted:
                return
            self._count += len(wanted)
            if self._count > MOST_WAITING:
                self._end = WatchTooSlow()
                self._waiting.clear()
            for start in range(0, len(wanted), _BATCH):
                self._waiting.append(_part(step, wanted[start : start + _BATCH], start == 0))
            self._condition.notify()

    def next(self, timeout_seconds: float) -> audit_pb2.ViolationChanges | None:
        """The next changes, None at the timeout. Raises WatchTooSlow, WatchEnded."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._end, timeout_seconds)
            if self._end is not None:
                raise self._end
            if not self._waiting:
                return None
            found = self._waiting.popleft()
            self._count -= len(found.changes)
            return found

    def end(self, why: Exception | None = None) -> None:
        """End it: whoever waits is told."""
        with self._condition:
            self._end = self._end or why or WatchEnded()
            self._waiting.clear()
            self._condition.notify_all()
        self._stands.set()


def _part(
    step: audit_pb2.ViolationChanges, changes: Sequence[audit_pb2.ViolationChange], first: bool
) -> audit_pb2.ViolationChanges:
    """A message of the size that a batch has; the reviews of the step are counted in its first."""
    return audit_pb2.ViolationChanges(
        changes=changes,
        reviews=step.reviews if first else 0,
        at=step.at,
        policy_generation=step.policy_generation,
    )
