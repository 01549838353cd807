"""The local engine: what answers where there is no server. The distribution ``fleetgate`` brings it.

It is found through the entry point group ``fleetgate.engine``, so that the thin distribution needs no native module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from typing import Protocol

from fleetgate_clients.inventory.service import fail

ENTRY_POINT_GROUP = "fleetgate.engine"
DISTRIBUTION = "fleetgate"


class LocalEngineError(Exception):
    """Policies or objects cannot be used, or a cluster cannot be read. The text has a line for each defect."""


class LocalEngine(Protocol):
    """Policies and objects in this process. Messages are encoded; every method may raise LocalEngineError."""

    def documents(self, path: str, data: bytes) -> list[tuple[int, bytes]]:
        """Read YAML or JSON: 1-based line and JSON of each document."""

    def load_policies(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Take (path, content) files as the policies of the fleet, all or none."""

    def load_objects(self, cluster: str, objects: Iterable[bytes]) -> None:
        """Take objects (JSON) as all that a cluster has."""

    def connect(
        self,
        contexts: Sequence[str],
        *,
        kubeconfig: str,
        exec_commands: Sequence[str],
        own_policies: bool,
        timeout_seconds: float,
    ) -> None:
        """Read clusters by contexts of a kubeconfig ("" is kubectl's), once: each is named as its context.

        ``exec_commands`` are the credential plug-ins that the kubeconfig may run.
        ``own_policies``: also take each cluster's ConstraintTemplates, Constraints and Config. What cannot be read in
        time is said by the audit, not raised.
        """

    def audit(self, request: bytes) -> Iterator[bytes]:
        """Answer a RunAuditRequest with RunAuditResponses."""

    def explain(self, request: bytes) -> bytes:
        """Answer an ExplainRequest with an ExplainResponse."""

    def what_if(self, request: bytes) -> Iterator[bytes]:
        """Answer a WhatIfRequest with WhatIfResponses."""

    def close(self) -> None:
        """End what runs."""


def local_engine(*, syncs_referenced: bool = False) -> LocalEngine:
    """Make the installed one. Ends the command, exit code 2, where there is none.

    ``syncs_referenced``: policies see the kinds of a cluster that templates say they require, though no Config and no
    SyncSet names them.
    """
    found = list(metadata.entry_points(group=ENTRY_POINT_GROUP))
    if not found:
        fail(
            "without --server the policies are evaluated here, by an engine that is not installed:"
            f" pip install {DISTRIBUTION}, or name a service with --server"
        )
    try:
        made: LocalEngine = found[0].load()(syncs_referenced=syncs_referenced)
    except ImportError as error:
        fail(f"the local engine of {found[0].value} does not load: {error}")
    return made
