"""The continuous audit: one thread that lets the core look at what changed, and tells everybody who wants to know.

What the core finds goes to the followers at once, into the history with each step, and to metrics, log and the status
of Constraints once in an interval, which is Gatekeeper's rhythm. Only the replica that writes the history writes
statuses.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit import log
from fleetgate.audit.errors import WatchEnded
from fleetgate.audit.recording import Recording
from fleetgate.audit.runs import Messages
from fleetgate.audit.subscribers import Subscription

_LOGGER = logging.getLogger(__name__)
_STEP_SECONDS = 0.5
"""How long the core waits for a change; a follower that joins waits as long."""

_PAUSE_SECONDS = 5.0
_END_SECONDS = 10.0
_EVERYTHING = audit_pb2.AuditScope()


class NativeAudit(Protocol):
    """The core's continuous audit."""

    def step(self, timeout_seconds: float = 1.0) -> list[bytes]:
        """Look at what changed, waiting so long for something to; encoded ViolationChanges."""

    def violations(self, scope: bytes = b"") -> Messages:
        """What is violated now: encoded AuditFindings."""

    def summary(self, scope: bytes = b"") -> bytes:
        """The encoded AuditSummary of now, empty until the first run is complete."""


class Observer(Protocol):
    """Wants to know what audits found (the metrics)."""

    def audited(self, started: float, ended: float, worked: float, violations: Mapping[tuple[str, str], int]) -> None:
        """An interval began and ended (seconds since 1970), in which the core worked so many seconds.

        ``violations`` counts those that there are, by (action, cluster).
        """


class Continuous:
    """Runs the continuous audit. Thread-safe."""

    def __init__(
        self, native: NativeAudit, recording: Recording, observer: Observer, *, interval_seconds: float
    ) -> None:
        self._native, self._recording, self._observer = native, recording, observer
        self._interval_seconds = interval_seconds
        self._lock = threading.Lock()
        self._followers: set[Subscription] = set()
        self._joining: queue.SimpleQueue[Subscription] = queue.SimpleQueue()
        self._is_complete = False
        """Whether the first run was."""
        self._next_run, self._run_began, self._worked = 0.0, time.time(), 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, and end those who follow."""
        self.end_watches()
        self._thread.join(_END_SECONDS)
        # A history that does not answer is given up.
        self._recording.close()
        self._thread.join()

    def end_watches(self) -> None:
        """End all who follow, and the audit: the service stops."""
        self._stop.set()
        for follower in self._all_followers():
            follower.end()

    def follow(self, subscription: Subscription) -> None:
        """Let a follower join, between two steps, so that it misses nothing and is told nothing twice."""
        self._joining.put(subscription)
        if self._stop.is_set():
            subscription.end()

    def leave(self, subscription: Subscription) -> None:
        """Follow no more."""
        subscription.end()
        with self._lock:
            self._followers.discard(subscription)

    def summary(self, scope: audit_pb2.AuditScope) -> audit_pb2.AuditSummary | None:
        """How things stand; None until the first run is complete."""
        encoded = self._native.summary(scope.SerializeToString())
        return audit_pb2.AuditSummary.FromString(encoded) if encoded else None

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._step()
                self._let_join()
            except Exception:
                _LOGGER.exception("the continuous audit failed; it goes on in a while")
                self._recording.lost()
                for follower in self._all_followers():
                    follower.end(WatchEnded("the audit failed; watch again"))
                self._stop.wait(_PAUSE_SECONDS)
        while not self._joining.empty():
            self._joining.get().end()

    def _step(self) -> None:
        began = time.monotonic()
        steps = [audit_pb2.ViolationChanges.FromString(one) for one in self._native.step(_STEP_SECONDS)]
        if steps or not self._is_complete:
            self._worked += time.monotonic() - began
        changed = [one for one in steps if one.changes]
        followers = self._all_followers()
        for step in changed if followers else ():
            self._recording.date(step)
            for follower in followers:
                follower.put(step)
        self._recording.step(changed)
        is_due = time.monotonic() >= self._next_run
        if is_due or (changed and not self._recording.is_in_step):
            summary = self.summary(_EVERYTHING)
            if summary is not None:
                self._recording.catch_up(summary, self._native.violations)
                self._is_complete = True
                if is_due:
                    self._end_run(summary)

    def _end_run(self, summary: audit_pb2.AuditSummary) -> None:
        self._next_run, ended = time.monotonic() + self._interval_seconds, time.time()
        log.run(summary)
        self._observer.audited(self._run_began, ended, self._worked, _by_action(summary))
        self._run_began, self._worked = ended, 0.0
        self._recording.end_run(summary)

    def _let_join(self) -> None:
        """Take in followers, once there is something to see."""
        while self._is_complete and not self._joining.empty():
            follower = self._joining.get()
            if follower.is_ended:
                continue
            existing = None if follower.only_changes else self._native.violations(follower.scope.SerializeToString())
            follower.stand(existing, self.summary(follower.scope) or audit_pb2.AuditSummary())
            with self._lock:
                self._followers.add(follower)

    def _all_followers(self) -> list[Subscription]:
        with self._lock:
            return [*self._followers]


def _by_action(summary: audit_pb2.AuditSummary) -> Mapping[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for one in summary.constraints:
        key = one.enforcement_action, one.cluster
        found[key] = found.get(key, 0) + one.violations
    return found
