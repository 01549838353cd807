"""The log of calls that were refused because of who called."""

from __future__ import annotations

import logging
import threading
import time

import grpc

from fleetgate.engine.exceptions import ClusterMismatch
from fleetgate.transport.identity import IdentityInvalid
from fleetgate.transport.roles import RoleForbidden
from fleetgate.transport.status import cut

_LOGGER = logging.getLogger("fleetgate.refusals")
_WINDOW_SECONDS = 10.0
_MAX_LINES = 100
"""Lines in a window: whoever has a certificate could fill the log else. All refusals are counted in metrics."""

CAUSES = (IdentityInvalid, RoleForbidden, ClusterMismatch)
"""Errors that say: not you."""


class Refusals:
    """Writes one line per window for each method and cause. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = float("-inf")
        self._told: set[tuple[str, str]] = set()

    def log(self, method: str, error: Exception, context: grpc.ServicerContext, trace_id: str = "") -> None:
        """Log a refusal; errors that are not among CAUSES are none. ``method`` is the path without leading slash."""
        if not isinstance(error, CAUSES):
            return
        cause = cut(str(error))
        if self._is_new(method, cause):
            fields = {"method": method, "peer": context.peer(), "trace_id": trace_id}
            _LOGGER.warning("call refused: %s", cause, extra={"fields": fields})

    def _is_new(self, method: str, cause: str) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._since >= _WINDOW_SECONDS:
                self._since = now
                self._told.clear()
            if (method, cause) in self._told or len(self._told) >= _MAX_LINES:
                return False
            self._told.add((method, cause))
            return True
