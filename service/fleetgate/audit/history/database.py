"""The two databases that keep the history, behind one small face: the same SQL runs on both.

Statements are written once, with ``?`` for parameters; what differs (types, the lock of the one writer, how to connect)
is here. PostgreSQL's driver is imported where a URL asks for it: it is an extra of the distribution.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Full, LifoQueue
from typing import Any
from urllib.parse import urlsplit

_FILE = "audit.sqlite"
_WAIT_SECONDS = 5.0
_IDLE_CONNECTIONS = 4
_LOCK = 0x666C6565_74676174
"""PostgreSQL's advisory lock of the writer: "fleetgat"."""


class HistoryFailed(Exception):  # noqa: N818 (it names the history's state)
    """The history cannot be read or written just now; the text says why, for a person."""


class Connection(ABC):
    """A connection. Errors of the database are HistoryFailed."""

    errors: tuple[type[Exception], ...]

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @abstractmethod
    def _adapt(self, sql: str) -> str:
        """Write a statement as this database wants it."""

    @abstractmethod
    def lock(self) -> bool:
        """Try to become the one writer, as long as this connection lives."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; return the number of rows that it changed."""
        with self._told():
            count: int = self._connection.execute(self._adapt(sql), parameters).rowcount
            return count

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row."""
        with self._told():
            cursor = self._connection.cursor()
            cursor.executemany(self._adapt(sql), rows)
            cursor.close()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of an answer; callers bound how many there are."""
        with self._told():
            found: list[tuple[Any, ...]] = self._connection.execute(self._adapt(sql), parameters).fetchall()
            return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what happens inside, or nothing of it."""
        self.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        self.execute("COMMIT")

    def close(self) -> None:
        """End, and give up the lock. What is not committed is undone."""
        self._connection.close()

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except self.errors:
            self.close()  # which undoes as well

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self.errors as error:
            raise HistoryFailed(f"history: {' '.join(str(error).split()) or type(error).__name__}") from error


class Database(ABC):
    """Where connections come from. Thread-safe."""

    words: dict[str, str]
    """What ``{bytes}`` and ``{text}`` stand for in the definitions of tables."""

    def __init__(self) -> None:
        self._idle: LifoQueue[Connection] = LifoQueue(_IDLE_CONNECTIONS)

    @property
    @abstractmethod
    def where(self) -> tuple[str, str | None]:
        """The arguments of :func:`open_database` by which another process opens the same one."""

    @abstractmethod
    def connect(self) -> Connection:
        """A connection of the caller's own. Raises HistoryFailed."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection to read with. One that failed is not lent again. Raises HistoryFailed."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        try:
            self._idle.put_nowait(connection)
        except Full:
            connection.close()

    def close(self) -> None:
        """Close what is idle."""
        while not self._idle.empty():
            self._idle.get_nowait().close()


def open_database(url: str, directory: Path | None) -> Database:
    """The database of a URL; without one, a file in ``directory``, or for the life of this process without that either.

    Raises HistoryFailed.
    """
    if not url:
        return _Sqlite(directory)
    if urlsplit(url).scheme in {"postgresql", "postgres"}:
        return _PostgreSql(url)
    raise HistoryFailed("history: a URL that begins with postgresql:// is expected")


class _SqliteConnection(Connection):
    errors = (sqlite3.Error,)

    def __init__(self, connection: sqlite3.Connection, lock_file: Path) -> None:
        super().__init__(connection)
        self._lock_file = lock_file
        self._lock: int | None = None

    def _adapt(self, sql: str) -> str:
        # A transaction that begins as a reader cannot always become a writer later; only writers open one.
        return "BEGIN IMMEDIATE" if sql == "BEGIN" else sql

    def lock(self) -> bool:
        if self._lock is None:
            self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Sqlite(Database):
    words = {"bytes": "BLOB", "text": "TEXT"}  # noqa: RUF012 (never changed)

    def __init__(self, directory: Path | None) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory(prefix="fleetgate-audit-") if directory is None else None
        self._path = Path(self._temporary.name if self._temporary else directory or "") / _FILE

    @property
    def where(self) -> tuple[str, str | None]:
        return "", str(self._path.parent)

    def connect(self) -> Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Autocommit: transactions are opened by name. A connection is lent to one thread at a time.
            connection = sqlite3.connect(
                self._path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            # NORMAL is safe against a killed process; a power failure may cost the last seconds, never the file.
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except (OSError, sqlite3.Error) as error:
            raise HistoryFailed(f"history: {self._path}: {error}") from error
        return _SqliteConnection(connection, self._path.with_suffix(".lock"))

    def close(self) -> None:
        super().close()
        if self._temporary is not None:
            self._temporary.cleanup()


class _PostgreSqlConnection(Connection):
    def __init__(self, connection: Any, errors: tuple[type[Exception], ...]) -> None:
        super().__init__(connection)
        self.errors = errors

    def _adapt(self, sql: str) -> str:
        return sql.replace("?", "%s")

    def lock(self) -> bool:
        return bool(self.rows("SELECT pg_try_advisory_lock(?)", (_LOCK,))[0][0])


class _PostgreSql(Database):
    # C: text is ordered by its bytes, as SQLite and Go do.
    words = {"bytes": "BYTEA", "text": 'TEXT COLLATE "C"'}  # noqa: RUF012

    def __init__(self, url: str) -> None:
        super().__init__()
        try:
            import psycopg  # noqa: PLC0415 (an extra, and slow to import)
        except ImportError as error:
            raise HistoryFailed("history: PostgreSQL needs `pip install fleetgate[postgresql]`") from error
        self._url, self._psycopg = url, psycopg

    @property
    def where(self) -> tuple[str, str | None]:
        return self._url, None

    def connect(self) -> Connection:
        try:
            connection = self._psycopg.connect(
                self._url, autocommit=True, connect_timeout=int(_WAIT_SECONDS), application_name="fleetgate"
            )
        except self._psycopg.Error as error:
            raise HistoryFailed(f"history: {' '.join(str(error).split())}") from error
        return _PostgreSqlConnection(connection, (self._psycopg.Error,))
