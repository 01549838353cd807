"""What one worker process is to do. Plain data, pickled to it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path


class Target(StrEnum):
    """What is driven."""

    REVIEW = "review"
    BATCH = "batch"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class Tls:
    """Files in PEM. ``ca`` None means the system's roots; ``certificate`` and ``key`` only for mutual TLS."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """Where requests go: ``host:port`` of a server, or the URL of a webhook. ``tls`` None means plaintext."""

    target: Target
    address: str
    tls: Tls | None


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    Exactly one of ``rate`` (reviews or batches per second, open loop) and ``concurrency`` (callers, closed loop) is
    set, and exactly one of ``duration`` (seconds, without the warm-up) and ``requests``. Requests that were due in the
    first ``warmup`` seconds are sent and not counted.
    """

    endpoint: Endpoint
    rate: float | None
    concurrency: int | None
    duration: float | None
    requests: int | None
    warmup: float
    timeout: float
    max_in_flight: int
    # Worker i of n sends requests i, i + n, i + 2n, … of the open loop's schedule.
    worker: int = 0
    workers: int = 1

    def share(self, worker: int, workers: int) -> "Plan":
        """The part of one of ``workers`` processes."""
        return replace(
            self,
            worker=worker,
            workers=workers,
            concurrency=None if self.concurrency is None else _part(self.concurrency, worker, workers),
            # The open loop takes every ``workers``-th request of the whole schedule instead.
            requests=self.requests if self.requests is None or self.rate else _part(self.requests, worker, workers),
            max_in_flight=-(-self.max_in_flight // workers),
        )


def _part(total: int, worker: int, workers: int) -> int:
    return total // workers + (1 if worker < total % workers else 0)
