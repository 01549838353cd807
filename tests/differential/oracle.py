"""The oracles of ``tests/oracle``: built when they are wanted, kept running."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.differential.world import Json

BUILD = Path(__file__).parents[1] / "oracle" / "build.sh"


def programs(*names: str) -> Path:
    """Build what is not built yet; return the directory that holds the oracles. ``FLEETGATE_ORACLE`` names it too."""
    ready = os.environ.get("FLEETGATE_ORACLE")
    if ready:
        return Path(ready)
    done = subprocess.run([BUILD, *names], check=True, stdout=subprocess.PIPE, text=True)
    return Path(done.stdout.strip())


class Oracle:
    """A Go program of ours that answers a line of JSON for each line that it is given."""

    def __init__(self, program: Path, *, threads: int = 0) -> None:
        """Start it. ``threads`` bounds those that run Go; 0 leaves that to Go."""
        environment = {**os.environ, "GOGC": "400"} | ({"GOMAXPROCS": str(threads)} if threads else {})
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=1 << 20
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def send(self, request: dict[str, Json]) -> None:
        """Ask without waiting. Every question must be answered by :meth:`receive` before many more are asked."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Json]:
        """Wait for the answer to the oldest question that has none. Raises RuntimeError where the oracle failed."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the oracle ended with {self._process.wait()}")
        answer: dict[str, Json] = json.loads(line)
        if "failure" in answer:
            raise RuntimeError(f"the oracle could not answer: {answer['failure']}")
        return answer

    def ask(self, request: dict[str, Json]) -> dict[str, Json]:
        """Ask and wait."""
        self.send(request)
        return self.receive()

    def ask_all(self, requests: Iterable[dict[str, Json]], *, ahead: int = 32) -> Iterable[dict[str, Json]]:
        """Ask many small questions, some ahead so that the oracle never waits. Unread answers must fit a pipe."""
        waiting = 0
        for request in requests:
            self.send(request)
            waiting += 1
            if waiting == ahead:
                yield self.receive()
                waiting -= 1
        for _ in range(waiting):
            yield self.receive()
