"""The server's metrics, in a registry of prometheus_client.

What every call records is held by :mod:`fleetgate.telemetry.tallies` (2 µs a review); the OpenTelemetry SDK takes many
times that, so OTLP is fed from this registry (:mod:`fleetgate.telemetry.otlp`) instead of the reverse.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from fleetgate.telemetry import names
from fleetgate.telemetry.names import Kind, Metric
from fleetgate.telemetry.tallies import Count, Counts, Distribution, Distributions

_AT_EVERY_CALL = frozenset({names.REQUEST_COUNT, names.CORE_CPU, names.REQUEST_DURATION, names.RPC_DURATION})


_KNOWN_ACTIONS = ("deny", "warn", "dryrun", "scoped")


class Metrics:
    """All instruments of one process. Thread-safe."""

    def __init__(self, clusters: Iterable[str] = ()) -> None:
        """``clusters`` get a ``cluster`` label of their own; the others share ``other``."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._clusters = frozenset(clusters)
        self._lock = lock = threading.Lock()
        self._requests, self._core_cpu = Counts(names.REQUEST_COUNT, lock), Counts(names.CORE_CPU, lock)
        self._durations, self._calls = (
            Distributions(names.REQUEST_DURATION, lock),
            Distributions(names.RPC_DURATION, lock),
        )
        for tallies in (self._requests, self._core_cpu, self._durations, self._calls):
            self.registry.register(tallies)
        self._cpu = self._core_cpu.of(())
        self._reviews: dict[tuple[str, bool, str], tuple[Count, Distribution]] = {}
        self._methods: dict[tuple[str, str], Distribution] = {}
        self._instruments: dict[str, Any] = {
            metric.name: self._make(metric) for metric in names.METRICS if metric not in _AT_EVERY_CALL
        }
        for method_free in (names.RELOAD_FAILURES, names.CERTIFICATE_FAILURES):
            self._instruments[method_free.name].inc(0)

    def _make(self, metric: Metric) -> Counter | Gauge | Histogram:
        common: dict[str, Any] = {"labelnames": metric.labels, "registry": self.registry}
        name, text = metric.prometheus, metric.description
        if metric.kind is Kind.COUNTER:
            return Counter(name, text, **common)
        if metric.kind is Kind.GAUGE:
            return Gauge(name, text, **common)
        return Histogram(name, text, buckets=metric.buckets, **common)

    def answered(
        self, method: str, status: str, dry_run: bool, cluster: str, seconds: float, *, cpu_nanos: int
    ) -> None:
        """Record a call that was one review: what `reviewed`, `computed` and `called` record, at once."""
        if cluster not in self._clusters:
            cluster = names.OTHER_CLUSTER
        with self._lock:
            requests, durations = self._reviews.get((status, dry_run, cluster)) or self._review(
                status, dry_run, cluster
            )
            requests.total += 1
            durations.observe(seconds)
            self._cpu.total += cpu_nanos / 1e9
            (self._methods.get((method, "OK")) or self._method(method, "OK")).observe(seconds)

    def reviewed(self, status: str, dry_run: bool, cluster: str, seconds: float) -> None:
        """Count a review: ``status`` is allow, deny or error."""
        if cluster not in self._clusters:
            cluster = names.OTHER_CLUSTER
        with self._lock:
            requests, durations = self._review(status, dry_run, cluster)
            requests.total += 1
            durations.observe(seconds)

    def computed(self, cpu_nanos: int) -> None:
        """Add the CPU time that the core took for a call."""
        with self._lock:
            self._cpu.total += cpu_nanos / 1e9

    def called(self, method: str, code: str, seconds: float) -> None:
        """Record a gRPC call: ``method`` without leading slash, ``code`` as ``OK`` or ``INVALID_ARGUMENT``."""
        with self._lock:
            self._method(method, code).observe(seconds)

    def _review(self, status: str, dry_run: bool, cluster: str) -> tuple[Count, Distribution]:
        key = (status, dry_run, cluster)
        if key not in self._reviews:
            labels = (status, "true" if dry_run else "false", cluster)
            self._reviews[key] = self._requests.of(labels), self._durations.of((status,))
        return self._reviews[key]

    def _method(self, method: str, code: str) -> Distribution:
        key = (method, code)
        if key not in self._methods:
            self._methods[key] = self._calls.of(("grpc", method, code))
        return self._methods[key]

    def loaded(self, published: bool, seconds: float) -> None:
        """Record the load of a policy bundle."""
        status = "active" if published else "error"
        self._instruments[names.INGESTION_COUNT.name].labels(status).inc()
        self._instruments[names.INGESTION_DURATION.name].labels(status).observe(seconds)

    def compared(self, evaluations: int) -> None:
        """Count evaluations that both engines answered."""
        self._instruments[names.ENGINE_COMPARISONS.name].inc(evaluations)

    def disagreed(self, template: str) -> None:
        """Count an evaluation of a template's Constraint on which the engines differ."""
        self._instruments[names.ENGINE_DISAGREEMENTS.name].labels(template).inc()

    def reloaded(self, refused: bool) -> None:
        """Say whether the policy directories, read again, were refused."""
        self._instruments[names.SOURCES_REFUSED.name].set(refused)
        if refused:
            self._instruments[names.RELOAD_FAILURES.name].inc()

    def certificate_failed(self) -> None:
        """Count changed certificate files that could not be used."""
        self._instruments[names.CERTIFICATE_FAILURES.name].inc()

    def certificate_expires(self, unix_seconds: float) -> None:
        """Say when the listener's certificate expires."""
        self._instruments[names.CERTIFICATE_EXPIRY.name].set(unix_seconds)

    def audited(self, started: float, ended: float, worked: float, violations: Mapping[tuple[str, str], int]) -> None:
        """Record an interval of the continuous audit: when it was (seconds since 1970), how long the core worked.

        ``violations`` counts what is violated, by (action, cluster); actions of which there are none are shown as well.
        """
        self._instruments[names.AUDIT_START.name].set(started)
        self._instruments[names.AUDIT_END.name].set(ended)
        self._instruments[names.AUDIT_DURATION.name].observe(worked)
        counts: dict[tuple[str, str], int] = {}
        for (action, cluster), count in violations.items():
            shown = cluster if cluster in self._clusters else names.OTHER_CLUSTER
            for one, more in ((action, count), *((known, 0) for known in _KNOWN_ACTIONS)):
                counts[one, shown] = counts.get((one, shown), 0) + more
        gauge = self._instruments[names.VIOLATIONS.name]
        gauge.clear()
        for labels, count in counts.items():
            gauge.labels(*labels).set(count)

    def audit_streams(self, count: int) -> None:
        """Say how many audit streams are open."""
        self._instruments[names.AUDIT_STREAMS.name].set(count)

    def published(
        self, generation: int, templates: int, constraints: Mapping[str, int], engines: Mapping[str, int]
    ) -> None:
        """Describe the published generation: Constraints per enforcement action, templates per engine."""
        self._instruments[names.GENERATION.name].set(generation)
        self._instruments[names.GENERATION_TIME.name].set(time.time())
        self._instruments[names.TEMPLATES.name].labels("active").set(templates)
        for metric, counts, rest in (
            (names.CONSTRAINTS, constraints, ("active",)),
            (names.TEMPLATE_ENGINES, engines, ()),
        ):
            gauge = self._instruments[metric.name]
            gauge.clear()
            for label, count in counts.items():
                gauge.labels(label, *rest).set(count)
