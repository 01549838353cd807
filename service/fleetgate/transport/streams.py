"""How many long streams there may be: each holds a thread for its life, so they are counted before they begin."""

from __future__ import annotations

import threading
from collections.abc import Callable

import grpc

from fleetgate.audit.errors import TooManyStreams


class StreamSlots:
    """At most ``limit`` streams at a time. Thread-safe."""

    def __init__(self, limit: int, observe: Callable[[int], None]) -> None:
        """``observe`` is told how many are open whenever that changes."""
        self.limit = limit
        self._observe = observe
        self._lock = threading.Lock()
        self._open = 0

    def take(self, context: grpc.ServicerContext) -> None:
        """Begin a stream, which ends with its call. Raises TooManyStreams."""
        with self._lock:
            if self._open >= self.limit:
                raise TooManyStreams(self.limit)
            self._open += 1
            self._observe(self._open)
        if not context.add_callback(self._give_back):
            self._give_back()

    def _give_back(self) -> None:
        with self._lock:
            self._open -= 1
            self._observe(self._open)
