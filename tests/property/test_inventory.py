"""The cache beside a model of an API server: it always equals what the server had at the cache's resourceVersion.

Hypothesis chooses what happens: changes, watches that deliver in batches and coalesce, relists into a shadow, expired
watches, deliveries that are repeated, restarts, and crashes that lose what was not yet written.
``FLEETGATE_STATE_MACHINE_RUNS`` says how many runs (default 200, always the same ones).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from fleetgate.engine import Engine, KindStatus
from fleetgate_proto.v1 import inventory_pb2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

KIND = ("", "v1", "ConfigMap")
RUNS = int(os.environ.get("FLEETGATE_STATE_MACHINE_RUNS", "200"))

NAMES = st.sampled_from(["a", "b", "c", "d"])
NAMESPACES = st.sampled_from(["one", "two"])

Key = tuple[str, str]
Content = dict[Key, int]
"""The resourceVersion of each object."""


def _object(key: Key, revision: int) -> bytes:
    namespace, name = key
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(revision), "managedFields": [{}]}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "y" * 50}}).encode()


class Server:
    """What an API server promises: a history of contents, and events in order."""

    def __init__(self) -> None:
        self.revision = 1
        self.history: dict[int, Content] = {1: {}}
        self.events: list[tuple[int, Key, bool]] = []
        """Revision, object, and whether it was deleted."""

    @property
    def content(self) -> Content:
        return self.history[self.revision]

    def change(self, key: Key, *, deleted: bool) -> None:
        content = dict(self.content)
        self.revision += 1
        if deleted:
            del content[key]
        else:
            content[key] = self.revision
        self.history[self.revision] = content
        self.events.append((self.revision, key, deleted))

    def after(self, revision: int) -> list[tuple[int, Key, bool]]:
        return [event for event in self.events if event[0] > revision]


class CacheBesideServer(RuleBasedStateMachine):
    """One cluster, one kind."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp(prefix="fleetgate-inventory-"))
        self.directory = self.scratch / "0"
        self.server = Server()
        self.engine: Engine | None = None
        self.watched: int | None = None
        """The watch delivered up to here; None while there is no watch."""
        self.listing: tuple[int, list[Key]] | None = None
        """The revision of a list that is being read, and what of it is still to come."""
        self.last: tuple[int, int] = (0, 0)
        """Epoch and resourceVersion that were seen last."""

    @initialize()
    def start(self) -> None:
        self.engine = self._open()

    def _open(self) -> Engine:
        # Nothing is written but what is waited for, so that a crash loses as much as it can.
        return Engine(contexts=1, state_directory=self.directory, write_behind_seconds=3600)

    def _write(self, *changes: tuple[object, ...]) -> int:
        assert self.engine is not None
        revision, refused = self.engine.write_inventory("c", changes)
        assert refused == []
        return revision

    def _status(self) -> KindStatus | None:
        assert self.engine is not None
        return next((kind for cluster in self.engine.clusters() for kind in cluster.kinds), None)

    def _cached(self) -> Content:
        assert self.engine is not None
        request = inventory_pb2.QueryInventoryRequest(kind="configmaps", page_size=3)
        content: Content = {}
        while True:
            answer = inventory_pb2.QueryInventoryResponse.FromString(
                self.engine.query_inventory(request.SerializeToString())
            )
            for one in answer.objects:
                metadata = json.loads(one.object)["metadata"]
                assert "managedFields" not in metadata
                assert (one.namespace, one.name) not in content
                content[one.namespace, one.name] = int(metadata["resourceVersion"])
            if not answer.next_page_token:
                return content
            request.page_token = answer.next_page_token

    # --- the server -------------------------------------------------------------------------------------------------

    @rule(namespace=NAMESPACES, name=NAMES)
    def put(self, namespace: str, name: str) -> None:
        self.server.change((namespace, name), deleted=False)

    @precondition(lambda self: self.server.content)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.server.change(data.draw(st.sampled_from(sorted(self.server.content))), deleted=True)

    # --- the feed ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.listing is None)
    @rule()
    def begin_list(self) -> None:
        """A first list, or one because the watch expired (410)."""
        self._write(("begin", KIND))
        self.watched = None
        self.listing = (self.server.revision, sorted(self.server.content))

    @precondition(lambda self: self.listing is not None)
    @rule(count=st.integers(1, 5))
    def read_list(self, count: int) -> None:
        assert self.listing is not None
        revision, rest = self.listing
        content = self.server.history[revision]
        self._write(*(("listed", KIND, _object(key, content[key])) for key in rest[:count]))
        self.listing = (revision, rest[count:])

    @precondition(lambda self: self.listing is not None and not self.listing[1])
    @rule()
    def finish_list(self) -> None:
        assert self.listing is not None
        self._write(("finish", KIND, str(self.listing[0])))
        self.watched, self.listing = self.listing[0], None

    @precondition(lambda self: self.listing is not None)
    @rule()
    def abort_list(self) -> None:
        self._write(("abort", KIND))
        self.listing = None

    @precondition(lambda self: self.watched is not None)
    @rule(count=st.integers(1, 6), back=st.integers(0, 3), shuffle=st.randoms(use_true_random=False))
    def deliver(self, count: int, back: int, shuffle: object) -> None:
        """A batch of events, of each object the last; objects in any order, and some events for the second time."""
        assert self.watched is not None
        new = self.server.after(self.watched)[:count]
        if not new:
            self._write(("observed", KIND, str(self.server.revision)))
            self.watched = self.server.revision
            return
        until = new[-1][0]
        again = [event for event in self.server.events if self.watched - back < event[0] <= self.watched]
        by_key = {key: (revision, deleted) for revision, key, deleted in [*again, *new]}
        batch = list(by_key.items())
        shuffle.shuffle(batch)  # type: ignore[attr-defined]
        self._write(*(_event(key, revision, deleted=deleted) for key, (revision, deleted) in batch))
        self.watched = until

    @precondition(lambda self: self._status() is not None and self._status().epoch > 0)  # type: ignore[union-attr]
    @rule()
    def lose_connection(self) -> None:
        self._write(("state", KIND, "STALE", "the connection was lost"))
        assert (status := self._status()) is not None
        assert status.state == "STALE"

    # --- the process ------------------------------------------------------------------------------------------------

    @rule()
    def flush(self) -> None:
        assert self.engine is not None
        for cluster in self.engine.clusters():
            self.engine.flush_inventory("c", cluster.revision)

    @rule()
    def restart(self) -> None:
        """An orderly end loses nothing."""
        self.engine = None
        self._take_up(self.last)

    @rule()
    def crash(self) -> None:
        """What was not waited for is lost, and nothing else."""
        assert self.engine is not None
        before = self.directory
        self.directory = self.scratch / str(int(before.name) + 1)
        shutil.copytree(before, self.directory)
        durable = max((cluster.durable_revision for cluster in self.engine.clusters()), default=0)
        self._take_up(None)
        assert self.engine is not None
        assert max((cluster.revision for cluster in self.engine.clusters()), default=0) == durable

    def _take_up(self, expected: tuple[int, int] | None) -> None:
        self.engine = self._open()
        assert self.engine.damaged_files == []
        self.listing = None
        status = self._status()
        found = (status.epoch, int(status.resource_version or 0)) if status else (0, 0)
        assert expected is None or found == expected
        self.last = found
        # A feed goes on from the stored resourceVersion where there is one.
        self.watched = found[1] if found[0] else None
        assert status is None or status.state == ("STALE" if status.epoch else "PENDING")

    # --- what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def the_cache_is_what_the_server_had(self) -> None:
        if self.engine is None or (status := self._status()) is None:
            return
        now = (status.epoch, int(status.resource_version or 0))
        assert now >= self.last, "a watermark went back"
        self.last = now
        expected = self.server.history[now[1]] if status.epoch else {}
        assert self._cached() == expected

    def teardown(self) -> None:
        self.engine = None
        shutil.rmtree(self.scratch, ignore_errors=True)


def _event(key: Key, revision: int, *, deleted: bool) -> tuple[object, ...]:
    if deleted:
        return ("delete", KIND, *key, str(revision))
    return ("put", KIND, _object(key, revision))


TestCacheBesideServer = CacheBesideServer.TestCase
TestCacheBesideServer.settings = settings(
    max_examples=RUNS,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
