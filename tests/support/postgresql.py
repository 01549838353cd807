"""A PostgreSQL server of Debian's, for tests that write a history: its own directory, a UNIX socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

_NUMBERS = count(1)


@dataclass
class PostgreSql:
    """A running server."""

    directory: Path
    programs: Path

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test{next(_NUMBERS)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.directory}"

    def control(self, *arguments: str) -> None:
        """Run pg_ctl."""
        _run(self.programs / "pg_ctl", "-D", str(self.directory / "data"), "-w", *arguments)

    def start(self) -> None:
        """Start it; its directory is there."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.directory} -c fsync=off"
        self.control("-o", options, "-l", str(self.directory / "log"), "start")


@contextmanager
def running_postgresql() -> Iterator[PostgreSql]:
    """A server as long as the context lasts."""
    directory = Path(tempfile.mkdtemp(prefix="fleetgate-postgresql-"))
    server = PostgreSql(directory, _programs())
    try:
        if _user():
            shutil.chown(directory, _user())
        _run(server.programs / "initdb", "-D", str(directory / "data"), "-U", "postgres", "-A", "trust", "-N")
        server.start()
        try:
            yield server
        finally:
            server.control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "")]
    assert found[-1].is_file(), "PostgreSQL is missing: apt-get install postgresql"
    return found[-1].parent


def _user() -> str:
    """Whom to run as: PostgreSQL refuses root."""
    return "postgres" if os.getuid() == pwd.getpwnam("root").pw_uid else ""


def _run(*command: str | Path) -> None:
    prefix = ["runuser", "-u", _user(), "--"] if _user() else []
    # Its own output goes nowhere: the server inherits it and would keep a pipe open.
    subprocess.run([*prefix, *command], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60)
