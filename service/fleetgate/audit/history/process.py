"""The writer in a process of its own, at a low priority: reviews share the interpreter with nobody who records.

Calls and their answers go over a pair of sockets, one at a time. A process that ends gives up the writer's lock and
leaves what was committed; it is a history that fails, and is started anew when the lock is wanted again.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fleetgate_proto.v1 import audit_pb2

from fleetgate.audit.history.database import Database, HistoryFailed, open_database
from fleetgate.audit.history.writer import Writer

_NICENESS = 15
"""As that of the core's audit threads."""
_END_SECONDS = 5.0
_END = b""
"""Ends a stream of messages; those that are empty are not sent."""


class WriterProcess:
    """A :class:`~fleetgate.audit.history.writer.HistoryWriter` in another process. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._where = database.where
        self._lock = threading.RLock()
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._started = self._tenure = self._last_change = 0

    @property
    def tenure(self) -> int:
        """Counts how often this became the one writer; 0 while it is not."""
        # Each process counts from the beginning.
        return self._started << 32 | self._tenure if self._tenure else 0

    @property
    def last_change(self) -> int:
        """The number of the last change that was recorded."""
        return self._last_change

    def acquire(self) -> bool:
        """Become the one writer; whether that is so. Raises HistoryFailed."""
        acquired: bool = self._call("acquire")
        return acquired

    def release(self) -> None:
        """Give the lock up. The process ends, whatever it waits for."""
        running = self._running
        if not self._lock.acquire(timeout=_END_SECONDS):
            if running is not None:
                running[0].kill()
            self._lock.acquire()
        try:
            self._end()
        finally:
            self._lock.release()

    def reconcile(self, findings: Iterable[bytes], clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Take all that is violated. Raises HistoryFailed."""
        left: int = self._call("reconcile", _encoded(clusters), at, stream=findings)
        return left

    def settle(self, clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
        """Take what this session has not seen for gone. Raises HistoryFailed."""
        left: int = self._call("settle", _encoded(clusters), at)
        return left

    def apply(self, changes: Iterable[audit_pb2.ViolationChange], at: int) -> None:
        """Record what a step of the continuous audit changed. Raises HistoryFailed."""
        self._call("apply", audit_pb2.ViolationChanges(changes=changes).SerializeToString(), at)

    def record_run(self, summary: audit_pb2.AuditSummary) -> None:
        """Keep a run that is complete. Raises HistoryFailed."""
        self._call("record_run", summary.SerializeToString())

    def looked(self, at: int) -> None:
        """All is as it was. Raises HistoryFailed."""
        self._call("looked", at)

    def prune(self, days: float, changes: int) -> None:
        """Drop what is older than ``days``, and all but the last ``changes``. Raises HistoryFailed."""
        self._call("prune", days, changes)

    def _call(self, name: str, *arguments: Any, stream: Iterable[bytes] | None = None) -> Any:
        with self._lock:
            connection = self._connected() if name == "acquire" else self._running and self._running[1]
            if not connection:
                raise HistoryFailed("history: another replica writes it")
            try:
                connection.send((name, *arguments))
                for message in filter(None, stream or ()):
                    connection.send_bytes(message)
                if stream is not None:
                    connection.send_bytes(_END)
                failure, result, self._tenure, self._last_change = connection.recv()
            except (EOFError, OSError) as error:
                self._end()
                raise HistoryFailed("history: the process that writes it has ended") from error
            except BaseException:
                # The other side is in the middle of something.
                self._end()
                raise
            if failure is not None:
                raise HistoryFailed(failure)
            return result

    def _connected(self) -> Connection:
        if self._running is not None and self._running[0].poll() is None:
            return self._running[1]
        self._end()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            # The location may hold a password: it goes over the socket.
            # -P: what lies about in the working directory is no module of ours.
            command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
            try:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
            except OSError as error:
                raise HistoryFailed(f"history: the process that writes it does not start: {error}") from error
            connection = Connection(ours.detach())
        self._running = process, connection
        self._started += 1
        try:
            connection.send(self._where)
        except OSError as error:
            self._end()
            raise HistoryFailed("history: the process that writes it has ended") from error
        return connection

    def _end(self) -> None:
        running, self._running, self._tenure = self._running, None, 0
        if running is None:
            return
        process, connection = running
        connection.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            # What it did not commit is undone.
            process.kill()
            process.wait()


def _encoded(clusters: Iterable[audit_pb2.ClusterAudit]) -> list[bytes]:
    return [cluster.SerializeToString() for cluster in clusters]


def _decoded(clusters: Iterable[bytes]) -> list[audit_pb2.ClusterAudit]:
    return [audit_pb2.ClusterAudit.FromString(cluster) for cluster in clusters]


def _serve(connection: Connection) -> None:
    """Do what is asked, until the other side is gone."""
    url, directory = connection.recv()
    writer = Writer(open_database(url, directory and Path(directory)))
    calls: Mapping[str, Callable[..., Any]] = {
        "acquire": writer.acquire,
        "reconcile": lambda clusters, at: _reconcile(connection, writer, _decoded(clusters), at),
        "settle": lambda clusters, at: writer.settle(_decoded(clusters), at),
        "apply": lambda changes, at: writer.apply(audit_pb2.ViolationChanges.FromString(changes).changes, at),
        "record_run": lambda summary: writer.record_run(audit_pb2.AuditSummary.FromString(summary)),
        "looked": writer.looked,
        "prune": writer.prune,
    }
    while True:
        name, *arguments = connection.recv()
        failure = result = None
        try:
            result = calls[name](*arguments)
        except HistoryFailed as error:
            failure = str(error)
        connection.send((failure, result, writer.tenure, writer.last_change))


def _reconcile(connection: Connection, writer: Writer, clusters: Iterable[audit_pb2.ClusterAudit], at: int) -> int:
    findings: Iterator[bytes] = iter(connection.recv_bytes, _END)
    try:
        return writer.reconcile(findings, clusters, at)
    finally:
        # What is left of the stream is no call.
        for _ in findings:
            pass


def _end_with(other: int) -> None:
    """End this process when the other side of a socket is gone: a database that does not answer holds nothing up."""
    gone = select.poll()
    gone.register(other, select.POLLRDHUP)
    gone.poll()
    os._exit(0)


def _main() -> None:
    # The service says when to end: a signal may be for all of a group, and the service drains first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICENESS)
    with Connection(int(sys.argv[1])) as connection:
        threading.Thread(target=_end_with, args=(connection.fileno(),), daemon=True).start()
        try:
            _serve(connection)
        except (EOFError, OSError):
            # The service is gone, and with this process the lock.
            return


if __name__ == "__main__":
    _main()
