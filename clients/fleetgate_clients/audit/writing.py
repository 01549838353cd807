"""A run's messages become its report, which is written at once where the format allows it, else at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fleetgate_clients.audit.collect import Collector
from fleetgate_clients.audit.progress import reported
from fleetgate_clients.audit.service import CutOff
from fleetgate_clients.inventory.service import fail
from fleetgate_clients.output.audit import Format, Look, line_writer, write
from fleetgate_clients.output.terminal import Color, wants_color, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fleetgate_proto.v1 import audit_pb2

    from fleetgate_clients.audit.baseline import KnownViolations
    from fleetgate_clients.audit.files_as_cluster import FilesRead
    from fleetgate_clients.audit.report import Report, Run, Violation
    from fleetgate_clients.output.audit import LineWriter


class ReportWriter:
    """Writes one report to standard output, and progress to standard error."""

    def __init__(self, output: Format, color: Color, known: KnownViolations | None, *, quiet: bool) -> None:
        self._output, self._known, self._out = output, known, sys.stdout
        self._look = Look(width_of(sys.stdout), wants_color(color, sys.stdout))
        self._writer = line_writer(output)
        self._quiet, self._has_begun = quiet, False

    def collector(self, read: FilesRead | None = None, wanted: Callable[[Violation], bool] | None = None) -> Collector:
        """What takes the messages."""
        writer, places = self._writer, read.places if read is not None else {}
        if writer is None:
            return Collector(known=self._known, places=places, wanted=wanted)

        def emit(violation: Violation) -> None:
            if collector.run is not None:
                self._begin(writer, collector.run)
            self._out.write(writer.violation(violation))

        collector = Collector(emit=emit, known=self._known, places=places, wanted=wanted)
        return collector

    def _begin(self, writer: LineWriter, run: Run) -> None:
        """Not before there is a violation, or the end: a run that turns out to look at nothing writes no report."""
        if not self._has_begun:
            self._has_begun = True
            self._out.write(writer.begin(run))

    def take_all(self, collector: Collector, messages: Iterable[audit_pb2.RunAuditResponse]) -> str:
        """Take all messages and show progress; return why they ended early, "" where they did not."""
        busy = self._writer is not None and sys.stdout.isatty()
        try:
            for message in reported(messages, quiet=self._quiet, busy_terminal=busy):
                collector.take(message)
        except CutOff as cut:
            return str(cut)
        if collector.run is None:
            fail("no answer came, not even that a run has started")
        return ""

    def write(self, report: Report) -> None:
        """Write the report, or what of it is left to write."""
        if self._writer is not None:
            self._begin(self._writer, report.run)
            self._out.write(self._writer.end(report))
            return
        for part in write(report, self._output, self._look):
            self._out.write(part)
