"""The policies of custom resources: one scope for the fleet, one for each cluster, and who watches each.

What was published last is stored, and published again at the next start: an API server that does not answer just then
must not be a way around its policies.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fleetgate.engine import Generation
from fleetgate.policy.custom_resources import Applied, ClusterResources
from fleetgate.policy.resource_status import Audited
from fleetgate.policy.store import BundleStore

_LOGGER = logging.getLogger(__name__)

FLEET = ""
_STORED = "scope/"
"""Prefix of the names that scopes are stored by."""


class AppliedResources(Applied, Protocol):
    """What became of resources, and the generation that is published."""

    @property
    def generation(self) -> Generation:
        """The published generation."""


class ScopedEngine(Protocol):
    """What of the engine publishes custom resources."""

    @property
    def generation(self) -> Generation:
        """The published generation."""

    def apply_resources(self, scope: str, objects: Sequence[tuple[str, bytes]]) -> AppliedResources:
        """Replace the custom resources of a scope."""


class ScopedPolicies:
    """Publishes and stores scopes. Thread-safe."""

    def __init__(
        self, engine: ScopedEngine, store: BundleStore | None, published: Callable[[Generation], None] = lambda _: None
    ) -> None:
        self._engine, self._store, self._observe = engine, store, published
        self._lock = threading.Lock()

    def restore(self) -> None:
        """Publish what was published last. What is refused now (another version of fleetgate) is logged and left out.

        Raises StorageFailed.
        """
        if self._store is None:
            return
        for bundle in self._store.load():
            if bundle.name.startswith(_STORED):
                applied = self._publish(bundle.name.removeprefix(_STORED), bundle.files)
                for key, diagnostics in applied.defects:
                    words = "; ".join(one.message for one in diagnostics)
                    _LOGGER.warning("left out of what was stored: %s", words, extra={"fields": {"resource": key}})

    def apply_resources(self, scope: str, objects: Sequence[tuple[str, bytes]]) -> AppliedResources:
        """Store and publish a scope; no objects removes it. Raises StorageFailed, and nothing changed then."""
        if self._store is not None:
            with self._lock:
                self._store.replace(f"{_STORED}{scope}", objects)
        return self._publish(scope, objects)

    def _publish(self, scope: str, objects: Sequence[tuple[str, bytes]]) -> AppliedResources:
        with self._lock:
            before = self._engine.generation.number
            applied = self._engine.apply_resources(scope, objects)
        if applied.generation.number != before:
            fields = {"scope": scope or "fleet", "generation": applied.generation.number, "resources": len(objects)}
            _LOGGER.info("custom resources published", extra={"fields": fields})
            self._observe(applied.generation)
        return applied


class MemberPolicies:
    """Watches the custom resources of each member, from when it is connected until it is gone. Thread-safe."""

    def __init__(self, watch: Callable[[str], ClusterResources], policies: ScopedPolicies) -> None:
        """``watch`` makes the watch of a cluster by its name."""
        self._watch, self._policies = watch, policies
        self._lock = threading.Lock()
        self._running: dict[str, tuple[str, ClusterResources | None]] = {}
        self._hub = ""

    def connected(self, name: str, uid: str) -> None:
        """A cluster is connected. The hub's own are the fleet's already."""
        with self._lock:
            if name not in self._running:
                watch = None if uid == self._hub else self._watch(name)
                self._running[name] = uid, watch
                if watch is not None:
                    watch.start()

    def dropped(self, name: str) -> None:
        """A cluster is gone, and its policies with it."""
        with self._lock:
            _, watch = self._running.pop(name, ("", None))
        self._end(name, watch)

    def hub_is(self, uid: str) -> None:
        """The hub was identified: a member that is the same cluster is not watched twice."""
        with self._lock:
            self._hub = uid
            doubled = [(name, watch) for name, (its, watch) in self._running.items() if its == uid]
            for name, _ in doubled:
                self._running[name] = uid, None
        for name, watch in doubled:
            self._end(name, watch)

    def audited(self, name: str, found: Mapping[tuple[str, str], Audited]) -> None:
        """Have a cluster's own Constraints say what an audit found of them."""
        with self._lock:
            _, watch = self._running.get(name, ("", None))
        if watch is not None:
            watch.audited(found)

    def close(self) -> None:
        """End all; what is published stays."""
        with self._lock:
            running, self._running = self._running, {}
        for _, watch in running.values():
            if watch is not None:
                watch.close()

    def _end(self, name: str, watch: ClusterResources | None) -> None:
        """In a thread of its own: a write that is under way has its deadline, and the registry does not wait for it."""
        if watch is not None:
            threading.Thread(target=self._withdraw, args=(name, watch), name=f"withdraw-{name}", daemon=True).start()

    def _withdraw(self, name: str, watch: ClusterResources) -> None:
        watch.close()
        with self._lock:
            came_back = self._running.get(name, ("", None))[1] is not None
        if not came_back:
            self._policies.apply_resources(name, [])
