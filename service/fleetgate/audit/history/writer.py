"""The one who writes the history. Thread-safe.

What is violated is kept beside what happened, so that what an audit finds after a restart is known to be old, or new,
or gone. Of clusters that were not looked at completely nothing is taken for gone.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit.history import schema
from fleetgate.audit.history.database import Connection, Database, HistoryFailed
from fleetgate.audit.history.record import (
    ViolationRow,
    identity,
    micros,
    now,
    resource_of,
    row_of,
    text,
    timestamp,
)

_BATCH = 100
"""Rows at a time."""
_DAY = 86_400_000_000
_MOST_RUNS = 10_000
_COLUMNS = ", ".join(ViolationRow._fields)
_PUT = f"""INSERT INTO audit_violations (session, first_seen, {_COLUMNS})
    VALUES (?, ?, {", ".join("?" for _ in ViolationRow._fields)})
    ON CONFLICT (id) DO UPDATE SET
        session = excluded.session, object_version = excluded.object_version, action = excluded.action,
        content = excluded.content"""  # noqa: S608 (names of columns, all from here)
_CHANGE = """INSERT INTO audit_changes
    (number, at, cluster, constraint_kind, constraint_name, object_group, kind, resource, namespace, content)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

NEW = audit_pb2.ViolationChange.DIRECTION_NEW
FIXED = audit_pb2.ViolationChange.DIRECTION_FIXED


class HistoryWriter(Protocol):
    """Writes as long as it holds the lock. Calls may raise HistoryFailed, and then it has to be acquired anew."""

    @property
    def tenure(self) -> int:
        """Counts how often this became the one writer; 0 while it is not."""

    @property
    def last_change(self) -> int:
        """The number of the last change that was recorded."""

    def acquire(self) -> bool:
        """Become the one writer, in the session that was before; whether that is so."""

    def release(self) -> None:
        """Give the lock up."""

    def reconcile(self, findings: Iterable[bytes], clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Take all that is violated (encoded AuditFindings), whatever was known before, in one transaction.

        A session begins with it. Returns how many violations of clusters that are not complete were not seen and stay
        as they are: see `settle`.
        """

    def settle(self, clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Take what this session has not seen for gone, where it has looked by now. Returns how many are left."""

    def apply(self, changes: Iterable[audit_pb2.ViolationChange], at: int) -> None:
        """Record what a step of the continuous audit changed, in one transaction.

        A violation that goes and comes in one step (its Constraint was changed) did neither.
        """

    def record_run(self, summary: audit_pb2.AuditSummary) -> None:
        """Keep a run that is complete."""

    def looked(self, at: int) -> None:
        """All is as it was: what is violated was seen at this time."""

    def prune(self, days: float, changes: int) -> None:
        """Drop what is older than ``days``, and all but the last ``changes``."""


class Writer:
    """A :class:`HistoryWriter`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._tenures = self._session = 0
        self._changes = 0

    @property
    def tenure(self) -> int:
        """Counts how often this became the one writer; 0 while it is not."""
        return self._tenures if self._connection is not None else 0

    @property
    def last_change(self) -> int:
        """The number of the last change that was recorded."""
        return self._changes

    def acquire(self) -> bool:
        """Become the one writer."""
        with self._lock:
            if self._connection is not None:
                return True
            connection = self._database.connect()
            try:
                if not connection.lock():
                    connection.close()
                    return False
                schema.migrate(connection, self._database)
                self._read_numbers(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._tenures += 1
            return True

    def release(self) -> None:
        """Give the lock up."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def reconcile(self, findings: Iterable[bytes], clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Take all that is violated."""
        with self._writing() as connection:
            self._begin_session(connection, at)
            violations = (one for each in findings for one in audit_pb2.AuditFindings.FromString(each).violations)
            while batch := [*islice(violations, _BATCH)]:
                self._put(connection, batch, at)
            return self._settle(connection, clusters, at)

    def settle(self, clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Take what this session has not seen for gone."""
        with self._writing() as connection:
            return self._settle(connection, clusters, at)

    def apply(self, changes: Iterable[audit_pb2.ViolationChange], at: int) -> None:
        """Record what a step changed."""
        new: dict[bytes, audit_pb2.AuditViolation] = {}
        gone: dict[bytes, audit_pb2.AuditViolation] = {}
        for change in changes:
            (gone if change.direction == FIXED else new)[identity(change.violation)] = change.violation
        with self._writing() as connection:
            gone_ids = [one for one in gone if one not in new]
            for start in range(0, len(gone_ids), _BATCH):
                self._remove(connection, gone_ids[start : start + _BATCH], at)
            violations = iter(new.values())
            while batch := [*islice(violations, _BATCH)]:
                self._put(connection, batch, at)
            self._look(connection, at)

    def record_run(self, summary: audit_pb2.AuditSummary) -> None:
        """Keep a run that is complete."""
        with self._writing() as connection:
            number = connection.rows("SELECT COALESCE(MAX(number), 0) + 1 FROM audit_runs")[0][0]
            connection.execute(
                "INSERT INTO audit_runs (number, started_at, content) VALUES (?, ?, ?)",
                (number, micros(summary.started_at), zlib.compress(summary.SerializeToString())),
            )

    def looked(self, at: int) -> None:
        """All is as it was: what is violated was seen at this time."""
        with self._writing() as connection:
            self._look(connection, at)

    def prune(self, days: float, changes: int) -> None:
        """Drop what is older than ``days``, and all but the last ``changes``."""
        oldest = now() - round(days * _DAY)
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM audit_changes WHERE at < ? OR number <= ?", (oldest, self._changes - changes)
            )
            connection.execute(
                "DELETE FROM audit_runs WHERE started_at < ? OR number <= (SELECT MAX(number) FROM audit_runs) - ?",
                (oldest, _MOST_RUNS),
            )
            # Of clusters that never came back.
            connection.execute(
                """DELETE FROM audit_violations WHERE session IN
                    (SELECT number FROM audit_sessions WHERE number <> ? AND looked_at < ?)""",
                (self._session, oldest),
            )
            connection.execute(
                """DELETE FROM audit_sessions WHERE number <> ?
                    AND NOT EXISTS (SELECT 1 FROM audit_violations WHERE session = audit_sessions.number)""",
                (self._session,),
            )

    def _read_numbers(self, connection: Connection) -> None:
        self._session = connection.rows("SELECT COALESCE(MAX(number), 0) FROM audit_sessions")[0][0]
        self._changes = connection.rows("SELECT COALESCE(MAX(number), 0) FROM audit_changes")[0][0]
        if not self._session:
            self._begin_session(connection, now())

    def _begin_session(self, connection: Connection, at: int) -> None:
        self._session += 1
        connection.execute(
            "INSERT INTO audit_sessions (number, started_at, looked_at) VALUES (?, ?, ?)", (self._session, at, at)
        )

    def _look(self, connection: Connection, at: int) -> None:
        connection.execute("UPDATE audit_sessions SET looked_at = ? WHERE number = ?", (at, self._session))

    def _put(self, connection: Connection, violations: Sequence[audit_pb2.AuditViolation], at: int) -> None:
        found = {identity(one): (one, one.SerializeToString()) for one in violations}
        known = dict(_of_ids(connection, "SELECT id, content FROM audit_violations", [*found]))
        same = [key for key, (_, content) in found.items() if known.get(key) == content]
        if same:
            connection.execute(
                f"UPDATE audit_violations SET session = ? WHERE id IN ({_marks(same)})",  # noqa: S608 (question marks)
                [self._session, *same],
            )
        others = [row_of(key, *one) for key, one in found.items() if known.get(key) != one[1]]
        connection.execute_many(_PUT, [(self._session, at, *row) for row in others])
        changes = []
        for key, (violation, _) in found.items():
            if key not in known:
                change = audit_pb2.ViolationChange(direction=NEW, violation=violation, at=timestamp(at))
                change.violation.first_seen.CopyFrom(change.at)
                change.violation.last_seen.CopyFrom(change.at)
                changes.append(change)
        self._record(connection, changes, at)

    def _remove(self, connection: Connection, ids: Sequence[bytes], at: int) -> None:
        found = _of_ids(
            connection,
            """SELECT id, content, first_seen, looked_at
                FROM audit_violations JOIN audit_sessions ON number = session""",
            ids,
        )
        changes = []
        for _, content, first_seen, looked_at in sorted(found):
            violation = audit_pb2.AuditViolation.FromString(content)
            violation.first_seen.CopyFrom(timestamp(first_seen))
            violation.last_seen.CopyFrom(timestamp(max(first_seen, looked_at)))
            changes.append(audit_pb2.ViolationChange(direction=FIXED, violation=violation, at=timestamp(at)))
        connection.execute_many("DELETE FROM audit_violations WHERE id = ?", [(row[0],) for row in found])
        self._record(connection, changes, at)

    def _settle(self, connection: Connection, clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Go through what other sessions saw last, page by page."""
        complete = {cluster.cluster for cluster in clusters if cluster.complete}
        left, after = 0, b""
        while page := connection.rows(
            "SELECT id, cluster FROM audit_violations WHERE session <> ? AND id > ? ORDER BY id LIMIT ?",
            (self._session, after, _BATCH),
        ):
            gone = [key for key, cluster in page if cluster in complete]
            self._remove(connection, gone, at)
            left += len(page) - len(gone)
            after = page[-1][0]
        self._look(connection, at)
        return left

    def _record(self, connection: Connection, changes: Sequence[audit_pb2.ViolationChange], at: int) -> None:
        rows = []
        for change in changes:
            self._changes += 1
            thing, violation = change.violation.object, change.violation.violation
            rows.append(
                (
                    self._changes,
                    at,
                    text(thing.cluster),
                    text(violation.constraint_kind),
                    text(violation.constraint_name),
                    text(thing.kind.group),
                    text(thing.kind.kind.lower()),
                    text(resource_of(thing.kind.kind)),
                    text(thing.namespace),
                    change.SerializeToString(),
                )
            )
        connection.execute_many(_CHANGE, rows)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction. Whoever fails in one is the writer no more: what he knows may be another by now."""
        with self._lock:
            if self._connection is None:
                raise HistoryFailed("history: another replica writes it")
            try:
                with self._connection.transaction():
                    yield self._connection
            except BaseException:
                self.release()
                raise


def _of_ids(connection: Connection, select: str, ids: Sequence[bytes]) -> list[tuple[Any, ...]]:
    if not ids:
        return []
    return connection.rows(f"{select} WHERE id IN ({_marks(ids)})", ids)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)


def counts_of(summary: audit_pb2.AuditSummary) -> Mapping[tuple[str, str, str, str], int]:
    """Violations by cluster, scope, kind and name of a Constraint."""
    return {
        (one.cluster, one.scope, one.constraint_kind, one.constraint_name): one.violations
        for one in summary.constraints
    }
