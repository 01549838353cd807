"""Answers from the history. Thread-safe; every call raises HistoryFailed where the database does not answer."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from fleetgate_proto.v1 import audit_pb2
from google.protobuf.message import Message

from fleetgate.audit.history.database import Database
from fleetgate.audit.history.record import text
from fleetgate.engine.exceptions import InvalidRequest

MAX_BYTES = 3 * 1024 * 1024
"""A page ends with what reaches this: below what a gRPC client takes by default."""

_BATCH = 500
_TOO_LARGE = 1 << 63
_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True, slots=True)
class Changes:
    """Which changes are asked for. Empty is any, but for ``clusters``, of which None is any."""

    clusters: frozenset[str] | None = None
    constraints: Sequence[str] = ()
    """``Kind`` or ``Kind/name``."""
    namespaces: Sequence[str] = ()
    kinds: Sequence[str] = ()
    """``Pod``, ``pods``, ``ingresses.networking.k8s.io``."""
    since: int = 0
    """Microseconds since 1970."""


class StatusRow(NamedTuple):
    """A violation as the status of its Constraint shows it."""

    cluster: str
    group: str
    version: str
    kind: str
    namespace: str
    name: str
    message: bytes
    action: str
    content: bytes


class Reader:
    """Reads what the writer wrote, in this process or in another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def changes_after(self, number: int) -> Iterator[audit_pb2.ViolationChange]:
        """What was recorded after a change, in its order."""
        sql = "SELECT number, content FROM audit_changes WHERE number > ? ORDER BY number LIMIT ?"
        while True:
            with self._database.reading() as connection:
                rows = connection.rows(sql, (number, _BATCH))
            if not rows:
                return
            yield from (audit_pb2.ViolationChange.FromString(content) for _, content in rows)
            number = rows[-1][0]

    def changes(self, asked: Changes, size: int, token: str) -> tuple[list[audit_pb2.ViolationChange], str]:
        """A page of changes, newest first, and the token of the next one, "" where there is none.

        Raises InvalidRequest for a token of another question.
        """
        where, parameters = _where(asked)
        page = _Page("audit_changes", where, parameters, size, token)
        return page.read(self._database, audit_pb2.ViolationChange.FromString)

    def runs(self, since: int, size: int, token: str) -> tuple[list[audit_pb2.AuditSummary], str]:
        """A page of runs, newest first, and the token of the next one. Raises InvalidRequest as `changes`."""
        page = _Page("audit_runs", ["started_at >= ?"], [since], size, token)
        return page.read(self._database, lambda content: audit_pb2.AuditSummary.FromString(zlib.decompress(content)))

    def last_run(self) -> audit_pb2.AuditSummary | None:
        """The newest run, if there is one."""
        runs, _ = self.runs(0, 1, "")
        return runs[0] if runs else None

    def first_seen(self, ids: Sequence[bytes]) -> Mapping[bytes, int]:
        """Since when these are violated, for those that are known."""
        found: dict[bytes, int] = {}
        with self._database.reading() as connection:
            for start in range(0, len(ids), _BATCH):
                batch = ids[start : start + _BATCH]
                marks = ", ".join("?" for _ in batch)
                rows = connection.rows(f"SELECT id, first_seen FROM audit_violations WHERE id IN ({marks})", batch)  # noqa: S608
                found.update((row[0], row[1]) for row in rows)
        return found

    def smallest(self, scope: str, cluster: str | None, kind: str, name: str, limit: int) -> list[StatusRow]:
        """The first violations of a Constraint in Gatekeeper's order, ``cluster`` last; None is any cluster.

        Only those that the current session has seen: they are violated now.
        """
        narrowed = "" if cluster is None else "AND cluster = ?"
        with self._database.reading() as connection:
            rows = connection.rows(
                f"""SELECT {", ".join(("cluster", *_ORDER, "content"))} FROM audit_violations
                    WHERE constraint_kind = ? AND constraint_name = ? AND scope = ? {narrowed}
                        AND session = (SELECT MAX(number) FROM audit_sessions)
                    ORDER BY {", ".join(_ORDER)}, cluster, id LIMIT ?""",  # noqa: S608 (columns, all from here)
                [kind, name, scope, *([] if cluster is None else [cluster]), limit],
            )
        return [StatusRow(*row) for row in rows]


_ORDER = ("object_group", "object_version", "object_kind", "namespace", "name", "message", "action")


class _Page:
    """Rows of a table with a ``number`` and a ``content``, from the highest number down."""

    def __init__(self, table: str, where: Sequence[str], parameters: Sequence[Any], size: int, token: str) -> None:
        self._table, self._where, self._parameters, self._size = table, where, parameters, size
        question = json.dumps([table, *where, *map(str, parameters)]).encode()
        self._digest = hashlib.sha256(question).hexdigest()[:16]
        self._before = self._read_token(token) if token else None

    def read(self, database: Database, decode: Callable[[bytes], _M]) -> tuple[list[_M], str]:
        where, parameters = [*self._where], [*self._parameters]
        if self._before is not None:
            where.append("number < ?")
            parameters.append(self._before)
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        with database.reading() as connection:
            rows = connection.rows(
                f"SELECT number, content FROM {self._table} {condition} ORDER BY number DESC LIMIT ?",  # noqa: S608
                [*parameters, self._size + 1],
            )
        found: list[_M] = []
        total = 0
        for number, content in rows[: self._size]:
            message = decode(content)
            total += message.ByteSize()
            if found and total > MAX_BYTES:
                break
            found.append(message)
            last = number
        return found, self._token(last) if len(found) < len(rows) else ""

    def _token(self, number: int) -> str:
        return base64.urlsafe_b64encode(f"{number} {self._digest}".encode()).decode()

    def _read_token(self, token: str) -> int:
        try:
            number, digest = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
            if digest == self._digest and 0 < int(number) < _TOO_LARGE:
                return int(number)
        except (ValueError, binascii.Error):
            pass
        raise InvalidRequest("page_token", "it is of no page of this question")


def _where(asked: Changes) -> tuple[list[str], list[Any]]:
    where = ["at >= ?"]
    parameters: list[Any] = [asked.since]

    def any_of(alternatives: Iterable[tuple[str, Sequence[str]]]) -> None:
        conditions = []
        for condition, values in alternatives:
            conditions.append(condition)
            parameters.extend(map(text, values))
        if conditions:
            where.append(f"({' OR '.join(conditions)})")

    if asked.clusters is not None:
        any_of(("cluster = ?", [one]) for one in sorted(asked.clusters))
        if not asked.clusters:
            where.append("1 = 0")
    any_of(map(_constraint, asked.constraints))
    any_of(("namespace = ?", [one]) for one in asked.namespaces)
    any_of(map(_kind, asked.kinds))
    return where, parameters


def _constraint(asked: str) -> tuple[str, list[str]]:
    kind, slash, name = asked.partition("/")
    return ("constraint_kind = ? AND constraint_name = ?", [kind, name]) if slash else ("constraint_kind = ?", [kind])


def _kind(asked: str) -> tuple[str, list[str]]:
    name, dot, group = asked.partition(".")
    name = name.lower()
    named, values = "(kind = ? OR resource = ?)", [name, name]
    return (f"{named} AND object_group = ?", [*values, group]) if dot else (named, values)
