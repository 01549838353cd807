"""Hands each cluster's feed its WatchPlan, and a new one when policies or labels change what is needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from fleetgate.engine.feeds import Bound, Feeds, GroupVersionKind, Pattern

_LOGGER = logging.getLogger(__name__)
_LOOK_SECONDS = 30.0


class WatchPlan(Protocol):
    """What has to be watched in a cluster."""

    @property
    def kinds(self) -> Sequence[GroupVersionKind]:
        """Kinds at exactly these versions."""

    @property
    def matching(self) -> Sequence[Pattern]:
        """Patterns of kinds, at the API server's preferred version."""

    @property
    def bounds(self) -> Sequence[Bound]:
        """Kinds that have to be fresh, and how fresh."""


class Plans(Protocol):
    """Derives plans from the published policies (the engine)."""

    def watch_plan(self, cluster: str) -> WatchPlan:
        """What to watch in a cluster."""


class Planner:
    """A thread that compares plans with those that were handed out. Thread-safe."""

    def __init__(self, feeds: Feeds, plans: Plans, look_seconds: float = _LOOK_SECONDS) -> None:
        self._feeds, self._plans, self._look_seconds = feeds, plans, look_seconds
        self._lock = threading.Lock()
        self._handed: dict[str, tuple[object, ...] | None] = {}
        self._wake, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def connected(self, name: str, uid: str) -> None:  # noqa: ARG002 (the registry's follower)
        """A cluster is connected: it needs a plan."""
        with self._lock:
            self._handed.setdefault(name, None)
        self._wake.set()

    def dropped(self, name: str) -> None:
        """A cluster is gone."""
        with self._lock:
            self._handed.pop(name, None)

    def look(self) -> None:
        """Policies or labels changed: compare now."""
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._look_seconds)
            self._wake.clear()
            if self._stopping:
                return
            for name in list(self._handed):
                try:
                    self._hand_over(name)
                except Exception:
                    # One cluster's trouble is no other's; it is tried again at the next look.
                    _LOGGER.exception("the watch plan of %s was not handed over", name)

    def _hand_over(self, name: str) -> None:
        plan = self._plans.watch_plan(name)
        wanted = (tuple(plan.kinds), tuple(map(_frozen, plan.matching)), tuple(plan.bounds))
        if self._handed.get(name, wanted) == wanted:
            return
        self._feeds.plan(name, plan.kinds, plan.matching, bounds=plan.bounds)
        with self._lock:
            if name in self._handed:
                self._handed[name] = wanted


def _frozen(pattern: Pattern) -> tuple[tuple[str, ...], tuple[str, ...]]:
    groups, kinds = pattern
    return tuple(groups), tuple(kinds)
