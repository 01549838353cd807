"""What a process has used of the CPU, and programs that this benchmark starts."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_READY_SECONDS = 60.0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads, to the nanosecond (Linux: its CPU clock; /proc counts in 10 ms)."""
    scheduler_clock = 2
    return time.clock_gettime((~pid << 3) | scheduler_clock)


def children(pid: int) -> list[int]:
    """Processes that a process has started, whichever of its threads did."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def leave_a_core() -> None:
    """Keep this process, and what it starts, off the core that measured programs run on.

    A thread that wakes on another core finds its caches cold, which an idle-looking server does at nearly every call:
    on two free cores the figures say as much about the scheduler as about the server.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[:-1])


def give_way(pid: int) -> None:
    """Let a process run on any core while nobody else does: it stands for machines that are elsewhere.

    With `SCHED_BATCH` alone it kept a core for up to three milliseconds from each thread that woke up there, which was
    most of what decisions took longer while a generator made a thousand events a second.
    """
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))
            os.sched_setscheduler(int(thread.name), os.SCHED_IDLE, os.sched_param(0))


def _to_the_measured_core(pid: int) -> None:
    """Move a program that has only begun: threads that it starts later stay where it is."""
    os.sched_setaffinity(pid, {(os.cpu_count() or 1) - 1})


@contextmanager
def running(command: Sequence[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with its output in ``log`` until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen([*map(str, command)], stdout=output, stderr=subprocess.STDOUT)
    _to_the_measured_core(process.pid)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def printing_its_port(script: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a Python program that prints its port first."""
    command = [sys.executable, str(script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _to_the_measured_core(process.pid)
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.terminate()


def wait_for_http(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    """Wait until a path on loopback answers 200; raise RuntimeError with the end of the log where it does not."""
    _wait(process, lambda: http.client.HTTPConnection("localhost", port, timeout=5), path, log)


def wait_for_https(process: subprocess.Popen[bytes], port: int, path: str, ca: Path, log: Path) -> None:
    """As wait_for_http, over TLS."""
    context = ssl.create_default_context(cafile=str(ca))
    _wait(process, lambda: http.client.HTTPSConnection("localhost", port, timeout=5, context=context), path, log)


def _wait(
    process: subprocess.Popen[bytes], connect: Callable[[], http.client.HTTPConnection], path: str, log: Path
) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if _get(connect(), path)[0] == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{path} does not answer 200:\n{log.read_text(errors='replace')[-3000:]}")


def read_metric(port: int, name: str) -> float:
    """Value of a Prometheus metric without labels at ``/metrics``; raises KeyError where there is none."""
    for line in _get(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/metrics")[1].decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise KeyError(name)


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
