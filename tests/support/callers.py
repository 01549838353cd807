"""Callers that cost the machine little: a Python face on the Go program in `tests/callers`.

They stand for API servers, which are machines of their own. `fleetgate loadtest` is the tool for users; where callers,
clusters and service share two cores, its half a millisecond of Python per call is taken from what is measured.
`tests/e2e/test_callers.py` compares what it measures with what a server does.
"""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import go_program

_HEAD = struct.Struct(">QiI")


@dataclass(frozen=True)
class Identity:
    """Files of PEM: whom the callers trust, and who they are."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Answers:
    """What calls that succeeded were answered, their latencies in seconds; and how many failed, by gRPC's status.

    A call that never got a status counts as -1.
    """

    messages: Sequence[bytes]
    latencies: Sequence[float]
    failures: Counter[int]


def call(
    scratch: Path,
    address: str,
    identity: Identity,
    payloads: Sequence[bytes],
    *,
    rate: float | None = None,
    concurrency: int | None = None,
    seconds: float,
    warmup: float = 2,
) -> Answers:
    """Call ReviewService.Review: ``rate`` times per second, or by ``concurrency`` callers without pause.

    Latency counts from when a call was due. Raises RuntimeError where the service cannot be reached.
    """
    requests, answers = scratch / "callers.requests", scratch / "callers.answers"
    requests.write_bytes(b"".join(struct.pack(">I", len(one)) + one for one in payloads))
    command = [
        go_program.build("callers"), "--address", address,
        "--ca", identity.ca, "--cert", identity.certificate, "--key", identity.key,
        "--payloads", requests, "--answers", answers, "--duration", f"{seconds}s", "--warmup", f"{warmup}s",
        *(["--rate", rate] if rate else ["--concurrency", concurrency]),
    ]  # fmt: skip
    done = subprocess.run([*map(str, command)], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return _read(answers)


def _read(path: Path) -> Answers:
    messages: list[bytes] = []
    latencies: list[float] = []
    failures: Counter[int] = Counter()
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            nanos, status, length = _HEAD.unpack(head)
            message = file.read(length)
            if status:
                failures[status] += 1
            else:
                messages.append(message)
                latencies.append(nanos / 1e9)
    return Answers(messages, latencies, failures)
