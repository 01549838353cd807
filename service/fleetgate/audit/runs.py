"""Runs that somebody asks for: the core's messages, with the trend at the end. A run over everything is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit.history.database import HistoryFailed
from fleetgate.audit.history.reader import Reader
from fleetgate.audit.history.writer import HistoryWriter, counts_of

_LOGGER = logging.getLogger(__name__)
_SUMMARY = audit_pb2.RunAuditResponse.SUMMARY_FIELD_NUMBER << 3 | 2
"""First byte of an encoded RunAuditResponse that is a summary: the others pass through unread."""

_NAP_SECONDS = 1.0


class Messages(Protocol):
    """What the core hands over message by message: an ``AuditRun``, a ``ViolationListing``."""

    @property
    def finished(self) -> bool:
        """Whether the last message was taken."""

    def next(self, timeout_seconds: float = 1.0) -> list[bytes]:
        """Encoded messages; none at the timeout or at the end."""


class Runs:
    """Passes runs on. Thread-safe."""

    def __init__(self, reader: Reader, writer: HistoryWriter) -> None:
        self._reader, self._writer = reader, writer

    def messages(self, run: Messages, *, keep: bool) -> Iterator[bytes]:
        """The messages of a run; ``keep`` puts it into the history when it is complete."""
        for message in messages(run):
            yield self._ended(message, keep) if message[0] == _SUMMARY else message

    def _ended(self, message: bytes, keep: bool) -> bytes:
        response = audit_pb2.RunAuditResponse.FromString(message)
        try:
            compare(response.summary, self._reader.last_run())
            if keep and self._writer.acquire():
                self._writer.record_run(response.summary)
        except HistoryFailed as error:
            _LOGGER.warning("a run is not kept: %s", error)
        return response.SerializeToString()


def messages(run: Messages) -> Iterator[bytes]:
    """All messages of a run, as they come. Raises DeadlineExceeded where it was cut off by that."""
    while (found := run.next(_NAP_SECONDS)) or not run.finished:
        yield from found


def compare(summary: audit_pb2.AuditSummary, before: audit_pb2.AuditSummary | None) -> None:
    """Put the violations of the run before beside those of a run."""
    if before is None:
        return
    counts = counts_of(before)
    for one in summary.constraints:
        found = counts.get((one.cluster, one.scope, one.constraint_kind, one.constraint_name))
        if found is not None:
            one.violations_before = found


def trend(summary: audit_pb2.AuditSummary, last: audit_pb2.AuditSummary | None) -> None:
    """Compare how things stand with the last run; where that is how things stand, with what that was compared with."""
    if last is None:
        return
    counts = counts_of(last)
    if any(counts.get(key) != count for key, count in counts_of(summary).items()):
        compare(summary, last)
        return
    before = {
        (one.cluster, one.scope, one.constraint_kind, one.constraint_name): one.violations_before
        for one in last.constraints
        if one.HasField("violations_before")
    }
    for one in summary.constraints:
        found = before.get((one.cluster, one.scope, one.constraint_kind, one.constraint_name))
        if found is not None:
            one.violations_before = found
