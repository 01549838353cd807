"""How far a run is, on standard error: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from fleetgate_clients.inventory.text import elapsed
from fleetgate_clients.output.audit.summary import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fleetgate_proto.v1 import audit_pb2
    from rich.progress import Progress, TaskID

    _M = TypeVar("_M", audit_pb2.RunAuditResponse, audit_pb2.WhatIfResponse)

LINE_SECONDS = 10.0
"""A log is not a terminal: so often is often enough."""


class Reporter(Protocol):
    """Shows progress."""

    def start(self, objects: int) -> None:
        """The run looks at so many objects."""

    def update(self, progress: audit_pb2.AuditProgress) -> None:
        """It has come so far."""


class Silent:
    """Shows nothing."""

    def start(self, objects: int) -> None:
        """Do nothing."""

    def update(self, progress: audit_pb2.AuditProgress) -> None:
        """Do nothing."""


class Lines:
    """A line every ten seconds."""

    def __init__(self, seconds: float = LINE_SECONDS) -> None:
        self._seconds, self._started = seconds, time.monotonic()
        self._next = self._started + seconds

    def start(self, objects: int) -> None:
        """Nothing yet: a run that is done within ten seconds needs no line."""

    def update(self, progress: audit_pb2.AuditProgress) -> None:
        """Write a line where one is due."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._seconds
        rate = progress.objects_done / (now - self._started)
        left = f", {elapsed((progress.objects - progress.objects_done) / rate)} left" if rate else ""
        sys.stderr.write(
            f"audited {progress.objects_done:,} of {number(progress.objects, 'object')},"
            f" {number(progress.violations, 'violation')}, {rate:,.0f} objects/s{left}\n"
        )
        sys.stderr.flush()


class Bar:
    """A bar with objects, rate and the time that is left."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task, self._started = progress, task, time.monotonic()

    def start(self, objects: int) -> None:
        """Know the whole."""
        self._progress.update(self._task, total=objects)

    def update(self, progress: audit_pb2.AuditProgress) -> None:
        """Move on."""
        rate = progress.objects_done / max(1e-3, time.monotonic() - self._started)
        self._progress.update(
            self._task,
            completed=progress.objects_done,
            total=progress.objects,
            violations=number(progress.violations, "violation"),
            rate=f"{rate:,.0f} objects/s",
        )


@contextmanager
def reporter(*, quiet: bool, busy_terminal: bool) -> Iterator[Reporter]:
    """Choose. ``busy_terminal``: results are being written to the same terminal, where a bar would be in their way."""
    if quiet or (busy_terminal and sys.stderr.isatty()):
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        from rich.console import Console  # noqa: PLC0415 (only a terminal has a bar)
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        columns = (
            TextColumn("audit"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[violations]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield Bar(progress, progress.add_task("audit", total=None, violations="", rate=""))


def reported(messages: Iterable[_M], *, quiet: bool, busy_terminal: bool) -> Iterator[_M]:
    """Pass the messages of a run or a what-if on, and show how far it is."""
    with reporter(quiet=quiet, busy_terminal=busy_terminal) as progress:
        for message in messages:
            which = message.WhichOneof("message")
            if which == "progress":
                progress.update(message.progress)
            elif which == "started":
                progress.start(message.started.objects)
            yield message
