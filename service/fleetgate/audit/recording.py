"""What the continuous audit finds, into the history and the status of Constraints.

A history that fails, or that another replica writes, holds up nobody: what it missed is made up for when it is this
replica's again, by taking all that is violated then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol
from uuid import uuid4

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit import log
from fleetgate.audit.history.database import HistoryFailed
from fleetgate.audit.history.reader import Reader
from fleetgate.audit.history.record import identity, micros, now, timestamp
from fleetgate.audit.history.writer import NEW, HistoryWriter
from fleetgate.audit.runs import Messages, compare, messages
from fleetgate.audit.status import Statuses
from fleetgate.policy.resource_status import Audited

_LOGGER = logging.getLogger(__name__)
_PRUNE_SECONDS = 3600.0
_RETRY_SECONDS = 10.0

StatusWriter = Callable[[str, Mapping[tuple[str, str], Audited]], None]
"""(cluster, "" for the fleet; kind and name → what its status is to say)"""


class Options(Protocol):
    """The settings of audits."""

    interval_seconds: float
    violations_limit: int
    retention_days: float
    retention_changes: int


class Recording:
    """Belongs to the thread of the continuous audit. Its methods raise nothing for a history that fails."""

    def __init__(
        self,
        writer: HistoryWriter,
        reader: Reader,
        options: Options,
        write_status: StatusWriter,
        *,
        log_changes: bool,
        leased: bool = False,
    ) -> None:
        """``leased`` says that something else than the history's lock decides which replica writes statuses."""
        self._writer, self._reader, self._options = writer, reader, options
        self._write_status, self._log_changes, self._leased = write_status, log_changes, leased
        self._is_anothers = False
        """Whether another replica writes the history."""
        self._statuses = Statuses(reader, options.violations_limit, options.interval_seconds)
        self._tenure = 0
        """The writer's tenure in which the history was brought up to date; nothing is missing since."""
        self._has_changed, self._unsettled = True, 0
        self._kept_at = 0.0
        self._retry_at = self._next_prune = 0.0

    @property
    def is_in_step(self) -> bool:
        """Whether the history holds all that the core found."""
        return self._tenure != 0 and self._tenure == self._writer.tenure

    def close(self) -> None:
        """End; another replica may write."""
        self._writer.release()

    def lost(self) -> None:
        """Something may be missing."""
        self._tenure = 0

    def date(self, step: audit_pb2.ViolationChanges) -> None:
        """Say since when what comes and goes was there, as far as the history knows."""
        try:
            known = self._reader.first_seen([identity(one.violation) for one in step.changes])
        except HistoryFailed:
            return
        for change in step.changes:
            first = known.get(identity(change.violation), micros(step.at) if change.direction == NEW else None)
            if first is not None:
                change.violation.first_seen.CopyFrom(timestamp(first))
                change.violation.last_seen.CopyFrom(step.at)

    def step(self, steps: Sequence[audit_pb2.ViolationChanges]) -> None:
        """Record what changed. If that fails the history is out of step."""
        self._has_changed |= bool(steps)
        for step in steps:
            self._statuses.changed(step.changes)
        if not self.is_in_step:
            return
        with self._failing():
            before = self._writer.last_change
            for step in steps:
                self._writer.apply(step.changes, micros(step.at))
            self._log(before)

    def catch_up(self, summary: audit_pb2.AuditSummary, violations: Callable[[], Messages]) -> None:
        """Take all that is violated, where the history is out of step and this replica is the one that writes it."""
        if self.is_in_step or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        with self._failing():
            self._is_anothers = not self._writer.acquire()
            if self._is_anothers:
                return
            before = self._writer.last_change
            self._unsettled = self._writer.reconcile(messages(violations()), summary.clusters, now())
            self._tenure = self._writer.tenure
            self._statuses.forget()
            self._log(before)

    def end_run(self, summary: audit_pb2.AuditSummary) -> None:
        """Do what is done once in an interval: keep the run, write statuses, drop what is old."""
        if self._leased and self._is_anothers:
            with self._failing():
                # What the other replica writes may come later than what was found here: nothing is remembered.
                self._statuses.forget()
                self._write_statuses(summary)
        if not self.is_in_step:
            return
        with self._failing():
            self._writer.looked(now())
            if self._unsettled:
                self._unsettled = self._writer.settle(summary.clusters, now())
            if self._has_changed and summary.clusters:
                self._keep(summary)
            self._write_statuses(summary)
            if time.monotonic() >= self._next_prune:
                self._next_prune = time.monotonic() + _PRUNE_SECONDS
                self._writer.prune(self._options.retention_days, self._options.retention_changes)

    def _write_statuses(self, summary: audit_pb2.AuditSummary) -> None:
        for cluster, found in self._statuses.of(summary).items():
            self._write_status(cluster, found)

    def _keep(self, summary: audit_pb2.AuditSummary) -> None:
        """Keep this state as a run: the core's audit has no end, and no name."""
        summary.run_id = uuid4().hex
        if self._kept_at:
            summary.started_at.FromNanoseconds(round(self._kept_at * 1e9))
        self._kept_at = time.time()
        summary.ended_at.FromNanoseconds(round(self._kept_at * 1e9))
        compare(summary, self._reader.last_run())
        self._writer.record_run(summary)
        self._has_changed = False
        if self._log_changes:
            log.constraints(summary)

    def _log(self, before: int) -> None:
        if self._log_changes:
            log.changes(self._reader.changes_after(before))

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except HistoryFailed as error:
            _LOGGER.warning("%s; it is brought up to date when it answers again", error)
            self._tenure, self._retry_at = 0, time.monotonic() + _RETRY_SECONDS
