"""Counting, merging and judging."""

import json
import pickle
from collections import Counter

import pytest
from fleetgate_clients.loadtest.plan import Endpoint, Plan, Target
from fleetgate_clients.loadtest.report import Verdict, to_json, to_rows
from fleetgate_clients.loadtest.tally import Latencies, Outcome, Tally
from fleetgate_clients.loadtest.units import Objective

MS = 1_000_000


def plan(rate: float | None = 100.0, target: Target = Target.REVIEW) -> Plan:
    return Plan(
        endpoint=Endpoint(target, "127.0.0.1:1", None),
        rate=rate,
        concurrency=None if rate else 4,
        duration=1.0,
        requests=None,
        warmup=0.0,
        timeout=1.0,
        max_in_flight=10,
    )


def tally(milliseconds: list[int], outcome: Outcome | None = None) -> Tally:
    counted = Tally(window_seconds=2.0)
    for each in milliseconds:
        counted.add(each * MS, outcome or Outcome(decisions=Counter(["allow"])))
    return counted


def test_quantiles_are_right_to_three_digits() -> None:
    latencies = Latencies()
    for microseconds in range(1, 100_001):
        latencies.record(microseconds * 1_000)
    assert latencies.seconds("p50") == pytest.approx(0.05, rel=1e-3)
    assert latencies.seconds("p99") == pytest.approx(0.099, rel=1e-3)
    assert latencies.seconds("p99.9") == pytest.approx(0.0999, rel=1e-3)
    assert latencies.seconds("max") == pytest.approx(0.1, rel=1e-3)
    assert latencies.seconds("mean") == pytest.approx(0.05, rel=1e-3)


def test_a_histogram_survives_the_way_between_processes() -> None:
    latencies = Latencies()
    latencies.record(7 * MS)
    latencies.record(24 * 3600 * 1000 * MS)
    copy = pickle.loads(pickle.dumps(latencies))  # noqa: S301 - our own bytes
    assert copy.count == 2
    assert copy.seconds("p50") == pytest.approx(0.007, rel=1e-3)
    assert copy.seconds("max") == pytest.approx(3600, rel=1e-3)


def test_workers_add_up_and_the_longest_window_counts() -> None:
    first, second = tally([1, 2]), tally([3], Outcome(failures=Counter(["UNAVAILABLE"])))
    second.window_seconds = 4.0
    merged = Tally.merged([first, second])
    assert merged.requests == 3
    assert merged.failed_requests == 1
    assert merged.decisions == {"allow": 2}
    assert merged.failures == {"UNAVAILABLE": 1}
    assert merged.window_seconds == 4.0
    assert merged.latency.seconds("max") == pytest.approx(0.003, rel=1e-3)


@pytest.mark.parametrize(("allowed_share", "passes"), [(0.0, False), (0.24, False), (0.25, True)])
def test_failures_above_the_error_rate_fail_the_test(allowed_share: float, passes: bool) -> None:
    counted = Tally.merged([tally([1, 2, 3]), tally([3], Outcome(failures=Counter(["UNAVAILABLE"])))])
    assert Verdict(plan(), 1, counted, allowed_share, []).passed is passes


def test_a_missed_objective_fails_the_test() -> None:
    counted = tally([5] * 99 + [50])
    assert Verdict(plan(), 1, counted, 0.0, [Objective("p90", 0.006)]).passed
    verdict = Verdict(plan(), 1, counted, 0.0, [Objective("p90", 0.006), Objective("max", 0.049)])
    assert not verdict.passed
    assert [each["met"] for each in to_json(verdict)["objectives"]] == [True, False]  # type: ignore[index, attr-defined]
    assert ("objective max", "missed: at most 49.00 ms") in to_rows(verdict)


@pytest.mark.parametrize(
    ("text", "shown"), [("p99=1us", "1 us"), ("p99=0.5ms", "500 us"), ("p99=1ms", "1.00 ms"), ("p99=2s", "2000.00 ms")]
)
def test_an_objective_is_shown_in_a_unit_that_shows_it(text: str, shown: str) -> None:
    rows = to_rows(Verdict(plan(), 1, tally([5]), 0.0, [Objective.parse(text)]))
    assert dict(rows)["objective p99"].endswith(f": at most {shown}")


def test_nothing_measured_is_no_success() -> None:
    verdict = Verdict(plan(), 1, Tally(), 0.0, [])
    assert not verdict.passed
    assert "nothing was measured" in verdict.warnings


def test_a_late_generator_is_said() -> None:
    counted = tally([1] * 10)
    counted.lateness.record(3 * MS)
    assert any("generator itself was late (3.00 ms" in text for text in Verdict(plan(), 1, counted, 0.0, []).warnings)


def test_the_document_is_json_with_rates_of_requests_and_of_reviews() -> None:
    counted = tally([2] * 10, Outcome(decisions=Counter(allow=2, warn=1, deny=1)))
    document = json.loads(json.dumps(to_json(Verdict(plan(target=Target.BATCH), 3, counted, 0.0, []))))
    assert document["achievedRate"] == 5.0
    assert document["reviewsPerSecond"] == 20.0
    assert document["decisions"] == {"allow": 20, "warn": 10, "deny": 10}
    assert document["latencySeconds"]["p99.9"] == pytest.approx(0.002, rel=1e-3)
    assert Latencies(document["latencyHistogram"].encode()).count == 10
    assert document["passed"] is True


def test_the_age_of_what_was_read_and_constraints_without_an_answer_are_told() -> None:
    read = Outcome(Counter(allow=1), read_ages=[40 * MS], read_stale=1, constraint_errors=Counter(["STALE_VIEW"]))
    counted = Tally.merged([tally([2] * 3, read), tally([2], Outcome(Counter(allow=1)))])
    verdict = Verdict(plan(), 1, counted, 0.0, [])
    document = to_json(verdict)
    assert document["readAgeSeconds"]["p99"] == pytest.approx(0.04, rel=1e-3)  # type: ignore[index]
    assert (document["readAges"], document["readStale"]) == (3, 3)
    assert document["constraintErrors"] == {"STALE_VIEW": 3}
    rows = dict(to_rows(verdict))
    assert rows["age of inventory read"].endswith("in 3 decisions, 3 stale")
    assert rows["  constraint error STALE_VIEW"] == "3"


def test_shares_add_up_to_the_plan() -> None:
    shares = [Plan(**{**plan(rate=None).__dict__, "concurrency": 7, "requests": 10}).share(i, 3) for i in range(3)]
    assert sum(each.concurrency or 0 for each in shares) == 7
    assert sum(each.requests or 0 for each in shares) == 10
