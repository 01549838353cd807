"""Processes of the demo: waited for until they answer, stopped by their own id."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

READY_SECONDS = 30.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05


class DemoError(Exception):
    """Something is not as the demo expects; the text is for the user."""


class Process:
    """A command whose output goes to a file. Leaving the context stops it."""

    def __init__(self, name: str, command: Sequence[Path | str], log: Path) -> None:
        self._name = name
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def wait_for_http(self, port: int, path: str) -> None:
        """Wait until plain HTTP on a loopback port answers 200."""
        self.wait_until(lambda: _answers(port, path))

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready``. Raises DemoError with the log where the process ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            code = self._popen.poll()
            if code is not None:
                raise DemoError(f"fleetgate {self._name} ended with exit code {code}:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise DemoError(f"fleetgate {self._name} was not ready after {READY_SECONDS:g} s:\n{self._tail()}")
            time.sleep(POLL_SECONDS)

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
