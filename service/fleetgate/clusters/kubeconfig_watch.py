"""Watches kubeconfig files, and the files that they name, and offers their contexts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from fleetgate.clusters.kubeconfig import Trust
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources import files

_LOGGER = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int] | None, ...]


class KubeconfigWatch:
    """A thread that looks at the files every ``seconds``: a look costs one ``stat`` each.

    Polling also sees what change notifications do not: files behind links, on network file systems, in directories that
    come later.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        trust: Trust,
        wanted: Sequence[str],
        offer: Callable[[Sequence[Registration]], None],
        seconds: float = 1.0,
    ) -> None:
        self._paths, self._trust, self._wanted = paths, trust, wanted
        self._offer, self._seconds = offer, seconds
        self._told: tuple[Registration, ...] | None = None
        self.problems: tuple[str, ...] = ()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubeconfig-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        looked_at = tuple(self._paths)
        seen: Signature | None = None
        while not self._stop.is_set():
            now = _signature(looked_at)
            if now != seen:
                before = looked_at
                try:
                    looked_at = self._read()
                except Exception:
                    _LOGGER.exception("reading kubeconfig files failed")
                # Taken before the files were read: what changed meanwhile is read again.
                seen = now if looked_at == before else None
            self._stop.wait(self._seconds)

    def _read(self) -> tuple[Path, ...]:
        found = files.read(self._paths, self._trust, self._wanted)
        for problem in found.problems:
            if problem not in self.problems:
                _LOGGER.error("kubeconfig not read: %s", problem)
        self.problems = found.problems
        # While a file cannot be read its contexts are not known: what was there before stays.
        kept = {one.id: one for one in self._told or ()} if not found.whole else {}
        offered = tuple({**kept, **{one.id: one for one in found.registrations}}.values())
        if offered != self._told:
            self._told = offered
            self._offer(offered)
        return tuple(dict.fromkeys(found.files))


def _signature(paths: Sequence[Path]) -> Signature:
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
