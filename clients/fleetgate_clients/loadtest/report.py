"""What a load test found: as a table for people, as JSON for programs, and whether it passed."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleetgate_clients.loadtest.plan import Plan, Target
from fleetgate_clients.loadtest.tally import QUANTILES, Tally
from fleetgate_clients.loadtest.units import Objective

# A generator later than this at p99 distorts what it measures.
_PUNCTUAL_SECONDS = 0.001
# A worker busier than this queues answers that it should be reading.
_BUSY = 0.9


@dataclass(frozen=True)
class Verdict:
    """The tally of a plan, judged."""

    plan: Plan
    workers: int
    tally: Tally
    max_error_rate: float
    objectives: Sequence[Objective]

    @property
    def error_rate(self) -> float:
        """Failed requests over all; 1 where nothing was counted at all."""
        return self.tally.failed_requests / self.tally.requests if self.tally.requests else 1.0

    @property
    def missed(self) -> list[Objective]:
        return [each for each in self.objectives if self.tally.latency.seconds(each.quantile) > each.seconds]

    @property
    def passed(self) -> bool:
        return self.error_rate <= self.max_error_rate and not self.missed

    @property
    def achieved_rate(self) -> float:
        """Requests answered without a failure, per second."""
        if not self.tally.window_seconds:
            return 0.0
        return (self.tally.requests - self.tally.failed_requests) / self.tally.window_seconds

    @property
    def reviews_per_second(self) -> float:
        """Decisions per second: a batch is one request and many of these."""
        return self.tally.decisions.total() / self.tally.window_seconds if self.tally.window_seconds else 0.0

    @property
    def warnings(self) -> list[str]:
        """What makes the figures worth less than they look."""
        tally, found = self.tally, []
        lateness = tally.lateness.seconds("p99")
        if lateness > _PUNCTUAL_SECONDS:
            found.append(
                f"the generator itself was late ({_milliseconds(lateness)} at p99): its delay is in the latencies. "
                "Take more --workers, a lower --rate, or another machine"
            )
        if tally.busiest_worker > _BUSY:
            found.append(
                f"a worker used {tally.busiest_worker:.0%} of a core: the generator is at its limit, so latencies are "
                "its own in part. Take more --workers"
            )
        if tally.waited_for_slot:
            found.append(
                f"{tally.waited_for_slot} requests waited until fewer than --max-in-flight {self.plan.max_in_flight} "
                "were unanswered; the wait is in the latencies"
            )
        if tally.interrupted:
            found.append(f"interrupted: {tally.abandoned} requests were given up unanswered")
        if not tally.requests:
            found.append("nothing was measured")
        return found


def to_json(verdict: Verdict) -> dict[str, object]:
    """The report as a document: seconds, shares of 1, requests per second."""
    plan, tally = verdict.plan, verdict.tally
    return {
        "target": plan.endpoint.target.value,
        "address": plan.endpoint.address,
        "loop": "open" if plan.rate else "closed",
        "concurrency": plan.concurrency,
        "workers": verdict.workers,
        "warmupSeconds": plan.warmup,
        "windowSeconds": tally.window_seconds,
        "askedRate": plan.rate,
        "achievedRate": verdict.achieved_rate,
        "reviewsPerSecond": verdict.reviews_per_second,
        "requests": tally.requests,
        "failedRequests": tally.failed_requests,
        "errorRate": verdict.error_rate,
        "decisions": {name: tally.decisions[name] for name in ("allow", "warn", "deny")},
        "constraintErrors": dict(sorted(tally.constraint_errors.items())),
        "failures": dict(sorted(tally.failures.items())),
        "latencySeconds": {name: tally.latency.seconds(name) for name in (*QUANTILES, "max", "mean")},
        "readAgeSeconds": {name: tally.read_ages.seconds(name) for name in (*QUANTILES, "max")},
        "readAges": tally.read_ages.count,
        "readStale": tally.read_stale,
        "latencyHistogram": tally.latency.encode().decode("ascii"),
        "generator": {
            "latenessSeconds": {name: tally.lateness.seconds(name) for name in ("p50", "p99", "max")},
            "busiestWorker": tally.busiest_worker,
            "waitedForSlot": tally.waited_for_slot,
        },
        "objectives": [
            {
                "quantile": each.quantile,
                "seconds": each.seconds,
                "measuredSeconds": tally.latency.seconds(each.quantile),
                "met": each not in verdict.missed,
            }
            for each in verdict.objectives
        ],
        "interrupted": tally.interrupted,
        "abandoned": tally.abandoned,
        "warnings": verdict.warnings,
        "passed": verdict.passed,
    }


def to_rows(verdict: Verdict) -> list[tuple[str, str]]:
    """The report as lines of a name and a value."""
    plan, tally = verdict.plan, verdict.tally
    rate = f"{verdict.achieved_rate:.1f}/s achieved"
    if plan.rate:
        rate += f" of {plan.rate:.1f}/s asked"
    if plan.endpoint.target is Target.BATCH:
        rate += f", {verdict.reviews_per_second:.1f} reviews/s"
    rows = [
        ("target", f"{plan.endpoint.target} at {plan.endpoint.address}"),
        ("rate", rate),
        ("requests", f"{tally.requests} in {tally.window_seconds:.1f} s"),
        ("failed", f"{tally.failed_requests} ({verdict.error_rate:.2%})"),
        *((f"  {code}", str(count)) for code, count in tally.failures.most_common()),
        ("decisions", ", ".join(f"{name} {tally.decisions[name]}" for name in ("allow", "warn", "deny"))),
        *((f"  constraint error {reason}", str(count)) for reason, count in tally.constraint_errors.most_common()),
        *((f"latency {name}", _milliseconds(tally.latency.seconds(name))) for name in (*QUANTILES, "max", "mean")),
    ]
    if tally.read_ages.count or tally.read_stale:
        ages = ", ".join(f"{name} {_milliseconds(tally.read_ages.seconds(name))}" for name in ("p50", "p99", "max"))
        rows.append(("age of inventory read", f"{ages} in {tally.read_ages.count} decisions, {tally.read_stale} stale"))
    generator = f"{tally.busiest_worker:.0%} of a core"
    if plan.rate:
        late, latest = tally.lateness.seconds("p99"), tally.lateness.seconds("max")
        generator += f", {_milliseconds(late)} late at p99, {_milliseconds(latest)} at most"
    rows.append(("generator", generator))
    for each in verdict.objectives:
        met = "missed" if each in verdict.missed else "met"
        rows.append((f"objective {each.quantile}", f"{met}: at most {_bound(each.seconds)}"))
    return rows


def _bound(seconds: float) -> str:
    # Two places of milliseconds would show an objective of microseconds as nothing.
    return f"{seconds * 1e6:g} us" if seconds < 1e-3 else _milliseconds(seconds)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
