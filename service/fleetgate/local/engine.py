"""Policies and objects in this process, asked with the service's own messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from fleetgate_clients.audit.local import LocalEngineError
from fleetgate_proto.v1 import audit_pb2

from fleetgate.engine import AuditRun, Engine, EngineError, read_documents
from fleetgate.local.clusters import ClustersRead, read_clusters

BUNDLE = "files"

_UNHURRIED_SECONDS = 60.0
"""Time budget per constraint and per review. A verdict about files must not depend on how busy the machine is; the
instruction budget stays the server's, so that what runs out of it here runs out of it there."""

_WAIT_SECONDS = 1.0

_INVENTORY = {"inventory_empty_parents": "prune", "terminating_objects": "present"}
"""What gator's inventory is, of objects that are given as they are."""


class LocalEngine:
    """See :class:`fleetgate_clients.audit.local.LocalEngine`. For one thread."""

    def __init__(self, *, syncs_referenced: bool = False) -> None:
        self._engine = Engine(
            constraint_seconds=_UNHURRIED_SECONDS,
            review_seconds=_UNHURRIED_SECONDS,
            compatibility={**_INVENTORY, "auto_sync": "referenced" if syncs_referenced else "off"},
        )
        self._clusters = ClustersRead()

    def documents(self, path: str, data: bytes) -> list[tuple[int, bytes]]:
        """Read YAML or JSON."""
        with _told():
            return [(document.line, document.json) for document in read_documents(path, data)]

    def load_policies(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Take files as the policies of the fleet."""
        with _told():
            self._engine.apply_bundle(BUNDLE, files)

    def load_objects(self, cluster: str, objects: Iterable[bytes]) -> None:
        """Take objects as all that a cluster has."""
        with _told():
            self._engine.replace_inventory(cluster, list(objects))

    def connect(
        self,
        contexts: Sequence[str],
        *,
        kubeconfig: str,
        exec_commands: Sequence[str],
        own_policies: bool,
        timeout_seconds: float,
    ) -> None:
        """Read clusters once."""
        with _told():
            self._clusters = read_clusters(
                self._engine,
                contexts,
                kubeconfig=kubeconfig,
                exec_commands=exec_commands,
                own_policies=own_policies,
                timeout_seconds=timeout_seconds,
            )

    def audit(self, request: bytes) -> Iterator[bytes]:
        """Audit once."""
        with _told():
            run = self._engine.start_audit(request)
        for encoded in _messages(run):
            yield self._with_shortfalls(encoded) if self._clusters.shortfalls else encoded

    def explain(self, request: bytes) -> bytes:
        """Explain one object."""
        with _told():
            return self._engine.explain(request)

    def what_if(self, request: bytes) -> Iterator[bytes]:
        """Compare proposed policies with those that were loaded."""
        with _told():
            run = self._engine.start_what_if(request)
        yield from _messages(run)

    def close(self) -> None:
        """End the feeds."""
        self._clusters.close()

    def _with_shortfalls(self, encoded: bytes) -> bytes:
        """Say in the summary which clusters' policies were not read: by the core's lights nothing is against them."""
        message = audit_pb2.RunAuditResponse.FromString(encoded)
        if message.WhichOneof("message") != "summary":
            return encoded
        for part in message.summary.clusters:
            if words := self._clusters.shortfalls.get(part.cluster):
                part.complete = False
                part.reason = f"{part.reason}; {words}" if part.reason else words
        return message.SerializeToString()


def _messages(run: AuditRun) -> Iterator[bytes]:
    try:
        while not run.finished:
            with _told():
                messages = run.next(_WAIT_SECONDS)
            yield from messages
    finally:
        # Also where the reader stops early.
        run.cancel()


@contextmanager
def _told() -> Iterator[None]:
    """What the core refuses, in words."""
    try:
        yield
    except EngineError as error:
        raise LocalEngineError(str(error)) from error
