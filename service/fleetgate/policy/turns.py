"""Few threads for many parties that each want a moment now and then: a thousand clusters are not a thousand threads."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0

Turn = Callable[[], float]
"""Does what there is to do now; returns the seconds after which it wants to be called again."""


class Place:
    """A party's place in line."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.running = False
        self.gone = False


class Turns:
    """Calls parties when they are due, never one of them twice at a time. Thread-safe.

    A party that takes long (an API server that does not answer) holds one of the threads, for as long as its time
    limits say; the others go on with everybody else.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._line: list[tuple[float, int, Place]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, turn: Turn) -> Place:
        """Give a party its first turn at once."""
        place = Place(turn)
        with self._changed:
            self._put(place, 0.0)
        return place

    def remove(self, place: Place) -> None:
        """Give a party no more turns. Waits for the one that is under way."""
        with self._changed:
            place.gone = True
            self._changed.wait_for(lambda: not place.running)

    def close(self) -> None:
        """End the threads, after the turns that are under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _put(self, place: Place, seconds: float) -> None:
        heapq.heappush(self._line, (time.monotonic() + seconds, next(self._order), place))
        self._changed.notify()

    def _run(self) -> None:
        while (place := self._next()) is not None:
            try:
                seconds = place.turn()
            except Exception:
                _LOGGER.exception("a turn failed; there will be another")
                seconds = _PAUSE_SECONDS
            with self._changed:
                place.running = False
                if place.gone:
                    self._changed.notify_all()
                else:
                    self._put(place, seconds)

    def _next(self) -> Place | None:
        """Wait for a party that is due; None at the end."""
        with self._changed:
            while not self._closed:
                if not self._line:
                    self._changed.wait()
                    continue
                due, _, place = self._line[0]
                left = due - time.monotonic()
                if left > 0 and not place.gone:
                    self._changed.wait(left)
                    continue
                heapq.heappop(self._line)
                if not place.gone:
                    place.running = True
                    return place
            return None
