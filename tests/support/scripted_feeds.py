"""Feeds of no cluster: what the registry does to them is written down, what they tell is scripted.

They have the shape of the core's own (``fleetgate.engine.feeds``) and keep what is written, so that it can be read.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetgate.clusters.actions import Facts
from fleetgate.engine.exceptions import DialError, WriteError
from fleetgate.engine.feeds import Bound, GroupVersionKind, ObjectEvent, Pattern, Selector

TIMEOUT = 10.0


def eventually(holds: Callable[[], Any], seconds: float = TIMEOUT) -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)
    return found


@dataclass
class Who:
    """An API server's answer."""

    uid: str
    version: str = "v1.36.3"


@dataclass
class Status:
    """The status of one feed."""

    cluster: str
    state: str = "SYNCED"
    since: float = 0.0
    last_error: str = ""
    reason: str = ""
    pushed: bool = False
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    connected: bool = True
    kinds: Sequence[Any] = ()


class ScriptedWatch:
    """An object watch; ``tell`` puts an event into it."""

    def __init__(self, cluster: str, selectors: Sequence[Selector]) -> None:
        self.cluster, self.selectors = cluster, list(selectors)
        self.closed = False
        self._events: queue.SimpleQueue[ObjectEvent] = queue.SimpleQueue()

    def next(self, timeout_seconds: float) -> Sequence[ObjectEvent]:
        try:
            events = [self._events.get(timeout=min(timeout_seconds, 0.05))]
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events if "events" in locals() else []

    def select(self, selectors: Sequence[Selector]) -> None:
        self.selectors = list(selectors)

    def close(self) -> None:
        self.closed = True

    def tell(self, event: ObjectEvent) -> None:
        self._events.put(event)

    def put(self, selector: Selector, *objects: dict[str, Any]) -> None:
        for one in objects:
            group, _, version = one["apiVersion"].rpartition("/")
            self.tell(("put", selector, group, version, one["kind"], json.dumps(one).encode()))

    def delete(self, selector: Selector, one: dict[str, Any]) -> None:
        group, _, version = one["apiVersion"].rpartition("/")
        metadata = one["metadata"]
        self.tell(("delete", selector, group, version, one["kind"], metadata.get("namespace", ""), metadata["name"]))

    def synced(self, *selectors: Selector) -> None:
        for selector in selectors:
            self.tell(("synced", selector))


@dataclass
class ScriptedFeeds:
    """``clusters`` maps a kubeconfig to who answers there, or to an error."""

    clusters: dict[str, Who | DialError] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    plans: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    watches: list[ScriptedWatch] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    objects: dict[tuple[str, str, str, str, str], dict[str, Any]] = field(default_factory=dict)
    """(cluster, apiVersion, kind, namespace, name) → what was written there."""
    refuse: Callable[[str, str, dict[str, Any]], WriteError | None] = lambda *_: None
    before_disconnect: Callable[[], object] = lambda: None
    uids: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def identify(self, kubeconfig: str, timeout_seconds: float, *, local: bool = False) -> Who:  # noqa: ARG002
        self.log.append(("identify", kubeconfig))
        found = self.clusters.get(kubeconfig, DialError("refused", "connection refused"))
        if isinstance(found, DialError):
            raise found
        return found

    def connect(self, cluster: str, kubeconfig: str, *, feed: bool = True, local: bool = False) -> None:
        self.log.append(("connect", cluster, feed, local))
        self.connections[cluster] = kubeconfig

    def disconnect(self, cluster: str) -> None:
        self.before_disconnect()
        self.log.append(("disconnect", cluster))
        self.connections.pop(cluster, None)

    def plan(
        self,
        cluster: str,
        kinds: Sequence[GroupVersionKind],
        matching: Sequence[Pattern],
        *,
        bounds: Sequence[Bound] = (),
    ) -> None:
        self.log.append(("plan", cluster))
        self.plans[cluster] = (list(kinds), list(matching), list(bounds))

    def status(self) -> Sequence[Any]:
        return self.statuses

    def watch_objects(self, cluster: str, selectors: Sequence[Selector]) -> ScriptedWatch:
        watch = ScriptedWatch(cluster, selectors)
        self.watches.append(watch)
        return watch

    def watch_of(self, cluster: str) -> ScriptedWatch:
        """The open watch of a cluster, once it is there."""
        found: ScriptedWatch = eventually(
            lambda: next((one for one in reversed(self.watches) if one.cluster == cluster and not one.closed), None)
        )
        return found

    def write(
        self,
        cluster: str,
        verb: str,
        object: bytes,  # noqa: A002
        *,
        field_manager: str = "fleetgate",  # noqa: ARG002
        path: str = "",
        timeout_seconds: float = 5.0,  # noqa: ARG002
    ) -> bytes:
        """Do as an API server does, as far as it matters here: conflicts, UIDs, versions, the status subresource."""
        one: dict[str, Any] = json.loads(object)
        with self.lock:
            self.log.append((verb, cluster, one.get("kind"), one.get("metadata", {}).get("name"), path))
            if (error := self.refuse(cluster, verb, one)) is not None:
                raise error
            metadata = one.get("metadata", {})
            key = (cluster, one["apiVersion"], one["kind"], metadata.get("namespace", ""), metadata.get("name", ""))
            return json.dumps(self._write(verb, key, one)).encode()

    def _write(self, verb: str, key: tuple[str, str, str, str, str], one: dict[str, Any]) -> dict[str, Any]:
        before = self.objects.get(key)
        if verb == "create":
            if before is not None:
                raise WriteError(409, "AlreadyExists", "it is there")
            self.uids += 1
            made = {**one, "metadata": {**one["metadata"], "uid": f"uid-{self.uids}", "resourceVersion": "1"}}
            self.objects[key] = made
            return made
        if before is None:
            raise WriteError(404, "NotFound", "it is not there")
        if verb == "get":
            return before
        if verb == "delete":
            return self.objects.pop(key)
        version = one["metadata"].get("resourceVersion")
        if version and version != before["metadata"]["resourceVersion"]:
            raise WriteError(409, "Conflict", "the object has been modified")
        changed = (
            {**before, "status": one.get("status")}
            if verb == "update-status"
            else {**one, "status": before.get("status")}
        )
        following = str(int(before["metadata"]["resourceVersion"]) + 1)
        changed["metadata"] = {**changed["metadata"], "uid": before["metadata"]["uid"], "resourceVersion": following}
        self.objects[key] = changed
        return changed


@dataclass
class ScriptedShards:
    """What the core was told of clusters."""

    described: dict[str, Facts] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def describe_cluster(self, name: str, facts: Facts) -> None:
        self.described[name] = facts

    def remove_cluster(self, name: str) -> None:
        self.removed.append(name)
        self.described.pop(name, None)
