"""What came of the requests: latency, decisions, failures, and how punctual the generator itself was."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

_HIGHEST_MICROSECONDS = 3_600_000_000
_SIGNIFICANT_DIGITS = 3
QUANTILES = ("p50", "p90", "p99", "p99.9")


class Latencies:
    """A HdrHistogram of microseconds, three significant digits, up to one hour."""

    def __init__(self, encoded: bytes | None = None) -> None:
        self._histogram = HdrHistogram(1, _HIGHEST_MICROSECONDS, _SIGNIFICANT_DIGITS)
        if encoded is not None:
            self._histogram.decode_and_add(encoded)

    def record(self, nanoseconds: int) -> None:
        """Count one duration; below 1 µs counts as 1 µs, above one hour as one hour."""
        self._histogram.record_value(min(max(nanoseconds // 1_000, 1), _HIGHEST_MICROSECONDS))

    def merge(self, other: "Latencies") -> None:
        self._histogram.add(other._histogram)

    def encode(self) -> bytes:
        """HdrHistogram's compressed format, which other tools read too."""
        encoded: bytes = self._histogram.encode()
        return encoded

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    def seconds(self, quantile: str) -> float:
        """Value of ``p50`` … ``p99.99``, ``mean`` or ``max`` in seconds; 0 where nothing was counted."""
        if not self.count:
            return 0.0
        if quantile == "mean":
            return float(self._histogram.get_mean_value()) / 1e6
        if quantile == "max":
            return float(self._histogram.get_max_value()) / 1e6
        return float(self._histogram.get_value_at_percentile(float(quantile.removeprefix("p")))) / 1e6

    def __getstate__(self) -> bytes:
        return self.encode()

    def __setstate__(self, state: bytes) -> None:
        self.__init__(state)  # type: ignore[misc]


@dataclass
class Outcome:
    """What one request brought: decisions by ``allow``, ``deny``, ``warn`` and failures by code."""

    decisions: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    # Constraints that gave no answer, or one with a reservation, by reason.
    constraint_errors: Counter[str] = field(default_factory=Counter)
    # How old what each decision read was, in nanoseconds, where it read any of the inventory.
    read_ages: list[int] = field(default_factory=list)
    # Decisions that read something that is not followed just now, or was never complete.
    read_stale: int = 0


@dataclass
class Tally:
    """Sum over the requests that were due after the warm-up.

    Every such request is in ``latency``, failed ones with the time until their failure: leaving them out would hide a
    stall that ended in time-outs. In open loop latency counts from the intended send time.
    """

    latency: Latencies = field(default_factory=Latencies)
    # Send time minus the time at which the request was due and had a slot: the generator's own delay.
    lateness: Latencies = field(default_factory=Latencies)
    requests: int = 0
    failed_requests: int = 0
    # Requests that were due and found --max-in-flight others unanswered.
    waited_for_slot: int = 0
    # Sent, and neither answered nor failed when the test was interrupted.
    abandoned: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    constraint_errors: Counter[str] = field(default_factory=Counter)
    # Age of what decisions read of the inventory, and how many read what is stale.
    read_ages: Latencies = field(default_factory=Latencies)
    read_stale: int = 0
    # From the end of the warm-up to the last answer, or to the end of the schedule where that is later.
    window_seconds: float = 0.0
    # CPU time over wall time of the busiest worker: near 1, the generator is the bottleneck.
    busiest_worker: float = 0.0
    interrupted: bool = False

    def add(self, nanoseconds: int, outcome: Outcome) -> None:
        """Count one finished request."""
        self.latency.record(nanoseconds)
        self.requests += 1
        self.decisions.update(outcome.decisions)
        self.constraint_errors.update(outcome.constraint_errors)
        for age in outcome.read_ages:
            self.read_ages.record(age)
        self.read_stale += outcome.read_stale
        if outcome.failures:
            self.failed_requests += 1
            self.failures.update(outcome.failures)

    @classmethod
    def merged(cls, tallies: Iterable["Tally"]) -> "Tally":
        """The sum over workers, which ran at the same time: the window is the longest of theirs."""
        total = cls()
        for tally in tallies:
            total.latency.merge(tally.latency)
            total.lateness.merge(tally.lateness)
            total.requests += tally.requests
            total.failed_requests += tally.failed_requests
            total.waited_for_slot += tally.waited_for_slot
            total.abandoned += tally.abandoned
            total.decisions.update(tally.decisions)
            total.failures.update(tally.failures)
            total.constraint_errors.update(tally.constraint_errors)
            total.read_ages.merge(tally.read_ages)
            total.read_stale += tally.read_stale
            total.window_seconds = max(total.window_seconds, tally.window_seconds)
            total.busiest_worker = max(total.busiest_worker, tally.busiest_worker)
            total.interrupted |= tally.interrupted
        return total
