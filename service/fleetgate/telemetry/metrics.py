"""The server's metrics, held by prometheus_client.

An observation on the review path is one dictionary look-up and one locked addition (2 µs); the OpenTelemetry SDK takes
several times that, so OTLP is fed from this registry (:mod:`fleetgate.telemetry.otlp`) instead of the reverse.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from fleetgate.telemetry import names
from fleetgate.telemetry.names import Kind, Metric


class Metrics:
    """All instruments of one process. Thread-safe."""

    def __init__(self, clusters: Iterable[str] = ()) -> None:
        """``clusters`` get a ``cluster`` label of their own; the others share ``other``."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._clusters = frozenset(clusters)
        self._instruments: dict[str, Any] = {metric.name: self._make(metric) for metric in names.METRICS}
        self._counts: dict[tuple[str, bool, str], Any] = {}
        self._durations: dict[str, Any] = {}
        self._calls: dict[tuple[str, str], Any] = {}
        self._core_cpu = self._instruments[names.CORE_CPU.name]
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

    def reviewed(self, status: str, dry_run: bool, cluster: str, seconds: float) -> None:
        """Count a review: ``status`` is allow, deny or error."""
        key = (status, dry_run, cluster if cluster in self._clusters else names.OTHER_CLUSTER)
        count = self._counts.get(key)
        if count is None:
            label = "true" if dry_run else "false"
            count = self._counts[key] = self._instruments[names.REQUEST_COUNT.name].labels(status, label, key[2])
        count.inc()
        duration = self._durations.get(status)
        if duration is None:
            duration = self._durations[status] = self._instruments[names.REQUEST_DURATION.name].labels(status)
        duration.observe(seconds)

    def computed(self, cpu_nanos: int) -> None:
        """Add the CPU time that the core took for a call."""
        self._core_cpu.inc(cpu_nanos / 1e9)

    def called(self, method: str, code: str, seconds: float) -> None:
        """Record a gRPC call: ``method`` without leading slash, ``code`` as ``OK`` or ``INVALID_ARGUMENT``."""
        call = self._calls.get((method, code))
        if call is None:
            call = self._instruments[names.RPC_DURATION.name].labels("grpc", method, code)
            self._calls[method, code] = call
        call.observe(seconds)

    def loaded(self, published: bool, seconds: float) -> None:
        """Record the load of a policy bundle."""
        status = "active" if published else "error"
        self._instruments[names.INGESTION_COUNT.name].labels(status).inc()
        self._instruments[names.INGESTION_DURATION.name].labels(status).observe(seconds)

    def reload_failed(self) -> None:
        """Count a refused change of the policy directories."""
        self._instruments[names.RELOAD_FAILURES.name].inc()

    def certificate_failed(self) -> None:
        """Count changed certificate files that could not be used."""
        self._instruments[names.CERTIFICATE_FAILURES.name].inc()

    def certificate_expires(self, unix_seconds: float) -> None:
        """Say when the listener's certificate expires."""
        self._instruments[names.CERTIFICATE_EXPIRY.name].set(unix_seconds)

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
