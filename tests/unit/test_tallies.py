"""Counters and histograms of what happens at every call."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fleetgate.telemetry import names
from fleetgate.telemetry.metrics import Metrics
from fleetgate.telemetry.names import Kind, Metric
from fleetgate.telemetry.tallies import Counts, Distributions
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

HISTOGRAM = Metric("some.duration", Kind.HISTOGRAM, "Of something.", ("a.b", "c"), "s", (0.001, 0.5, 2.0))
COUNTER = Metric("some_count", Kind.COUNTER, "Of something.", ("a.b",))
METHOD = "fleetgate.v1.ReviewService/Review"


def _text(*collectors: object) -> list[str]:
    """What Prometheus scrapes, without the times of creation that only prometheus_client's own have."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)  # type: ignore[arg-type]
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_the_text_is_that_of_prometheus_clients_own_instruments() -> None:
    lock = threading.Lock()
    ours, theirs = (
        Distributions(HISTOGRAM, lock),
        Histogram("some_duration_seconds", "Of something.", ["a_b", "c"], buckets=HISTOGRAM.buckets, registry=None),
    )
    for labels, value in (
        (("x", "y"), 0.0), (("x", "y"), 0.001), (("x", "z"), math.nextafter(0.001, 1)), (("x", "y"), 2.0),
        (("x", "y"), 2.5), (("x", "z"), 0.25),
    ):  # fmt: skip
        ours.of(labels).observe(value)
        theirs.labels(*labels).observe(value)
    counts, counter = Counts(COUNTER, lock), Counter("some_count", "Of something.", ["a_b"], registry=None)
    for label, amount in (("x", 1.0), ("y", 0.5), ("x", 2.0)):
        counts.of((label,)).total += amount
        counter.labels(label).inc(amount)
    assert _text(ours, counts) == _text(theirs, counter)


def test_a_counter_without_labels_is_there_from_the_beginning() -> None:
    assert "n_total 0.0" in _text(Counts(Metric("n", Kind.COUNTER, "N."), threading.Lock()))


def test_nothing_is_lost_between_threads() -> None:
    """Eight threads record while others scrape."""
    metrics = Metrics(["eu-1"])
    stop = threading.Event()
    seen: list[float] = []

    def scrape() -> None:
        while not stop.is_set():
            value = metrics.registry.get_sample_value("fleetgate_core_cpu_seconds_total")
            assert value is not None
            seen.append(value)

    def record(_: int) -> None:
        for _ in range(2_000):
            metrics.answered(METHOD, "allow", False, "eu-1", 0.0005, cpu_nanos=1_000_000_000)
            metrics.answered(METHOD, "deny", True, "us-1", 0.0015, cpu_nanos=0)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(8)))
    stop.set()
    scraper.join()
    assert seen == sorted(seen)
    value = metrics.registry.get_sample_value
    allowed = {"admission_status": "allow", "admission_dryrun": "false", "cluster": "eu-1"}
    denied = {"admission_status": "deny", "admission_dryrun": "true", "cluster": "other"}
    assert value("gatekeeper_validation_request_count_total", allowed) == 16_000
    assert value("gatekeeper_validation_request_count_total", denied) == 16_000
    assert value("fleetgate_core_cpu_seconds_total") == 16_000
    calls = {"rpc_system_name": "grpc", "rpc_method": METHOD, "rpc_response_status_code": "OK"}
    assert value("rpc_server_call_duration_seconds_count", calls) == 32_000
    assert value("rpc_server_call_duration_seconds_sum", calls) == pytest.approx(32.0)


def test_an_answered_call_is_recorded_as_its_parts_are() -> None:
    at_once, in_parts = Metrics(["eu-1"]), Metrics(["eu-1"])
    for status, dry_run, cluster, seconds in (("allow", False, "eu-1", 0.002), ("deny", True, "x", 7.0)):
        at_once.answered(METHOD, status, dry_run, cluster, seconds, cpu_nanos=5)
        in_parts.reviewed(status, dry_run, cluster, seconds)
        in_parts.computed(5)
        in_parts.called(METHOD, "OK", seconds)
    per_call = (names.REQUEST_COUNT, names.REQUEST_DURATION, names.CORE_CPU, names.RPC_DURATION)

    def lines(metrics: Metrics) -> list[str]:
        text = generate_latest(metrics.registry).decode().splitlines()
        return [line for line in text if line.startswith(tuple(metric.prometheus for metric in per_call))]

    assert len(lines(at_once)) > 60
    assert lines(at_once) == lines(in_parts)
