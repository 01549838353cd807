"""Processes of tests: started with their output in a file, waited for until they answer, stopped by their own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

FLEETGATE = Path(sys.executable).with_name("fleetgate")
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
POLL_INTERVAL_S = 0.05


class Process:
    """One running command; what it prints is in `log`."""

    def __init__(self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._command = list(command)
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def wait_until(self, ready: Callable[[], bool], what: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Poll `ready` until it holds; fail with the log where the process exits or the time is up."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            code = self._popen.poll()
            if code is not None or time.monotonic() > deadline:
                state = "still runs" if code is None else f"exited with {code}"
                raise AssertionError(f"{' '.join(self._command)} {state}: not {what}\n{self.tail()}")
            time.sleep(POLL_INTERVAL_S)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait until it exits by itself; return the exit code."""
        return self._popen.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL where that does not help; return the exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        return self._popen.wait()

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """Return a loopback TCP port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def eventually(holds: Callable[[], bool], what: str, timeout_s: float = 15.0, interval_s: float = 0.2) -> None:
    """Poll until `holds()`; caches, watches and reloads take their time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(interval_s)
