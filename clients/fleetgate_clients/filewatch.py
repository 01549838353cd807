"""Files that change under a running process: certificates, keys, directories of Namespaces.

Polling, not inotify: a mounted Secret changes by swapping a symlink two levels up, a bind mount of one file changes
on the host, and network file systems send no events. A few ``stat`` calls every quarter of a second see all alike.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25

Signature = tuple[tuple[str, int, int, int], ...]


def signature(paths: Iterable[Path]) -> Signature:
    """Name the state of some files: path, inode, size and modification time of each; a missing file has zeros."""
    states = []
    for path in paths:
        try:
            status = path.stat()
            states.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            states.append((str(path), 0, 0, 0))
    return tuple(states)


class FileWatch:
    """Calls ``reload`` when the files that ``paths`` lists are not as they were.

    A reload that raises is logged and leaves what was loaded before in use; the next change is tried again, so a
    certificate that is written before its key needs no ceremony.
    """

    def __init__(self, what: str, paths: Callable[[], Iterable[Path]], reload: Callable[[], None]) -> None:
        self._what = what
        self._paths = paths
        self._reload = reload
        self._seen = signature(paths())

    def poll(self) -> None:
        """Look once."""
        now = signature(self._paths())
        if now == self._seen:
            return
        # Before the reload: what changes while it reads is seen by the next look.
        self._seen = now
        try:
            self._reload()
        # Whatever it is: a watch that dies would leave old files in use without a word.
        except Exception as error:  # noqa: BLE001
            logger.warning("the new %s cannot be used, the old stays in use: %s", self._what, error)
        else:
            logger.info("%s reloaded", self._what)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.poll()
