"""Export of the metrics registry by OTLP: what Prometheus would scrape, as OpenTelemetry's data model."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from fleetgate.telemetry import names

_LOGGER = logging.getLogger(__name__)


class MetricsExport:
    """A thread that exports a registry at an interval, and once more when it is closed."""

    def __init__(
        self, registry: CollectorRegistry, resource: Resource, exporter: OTLPMetricExporter, interval: float
    ) -> None:
        self._registry, self._resource, self._exporter, self._interval = registry, resource, exporter, interval
        self._started = time.time_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-metrics", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Export what there is and stop; gives up after ``timeout`` seconds."""
        self._stop.set()
        self._thread.join(timeout)
        self._exporter.shutdown()

    def _run(self) -> None:
        while True:
            stopping = self._stop.wait(self._interval)
            try:
                self._exporter.export(snapshot(self._registry, self._resource, self._started))
            except Exception:
                _LOGGER.exception("metrics were not exported")
            if stopping:
                return


def snapshot(registry: CollectorRegistry, resource: Resource, started_ns: int) -> MetricsData:
    """Convert the registry; cumulative since ``started_ns`` (Unix nanoseconds)."""
    families = {family.name: family for family in registry.collect()}
    now = time.time_ns()
    metrics = []
    for metric in names.METRICS:
        family = families.get(metric.prometheus.removesuffix("_total"))
        if family is not None:
            metrics.append(_convert(metric, family.samples, started_ns, now))
    scope = ScopeMetrics(InstrumentationScope(names.SCOPE), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _convert(metric: names.Metric, samples: Iterable[Sample], start: int, now: int) -> Metric:
    data: Any
    if metric.kind is names.Kind.HISTOGRAM:
        data = Histogram(_histogram_points(metric, samples, start, now), AggregationTemporality.CUMULATIVE)
    else:
        points = [
            NumberDataPoint(_attributes(metric, sample), start, now, sample.value)
            for sample in samples
            if sample.name == metric.prometheus
        ]
        counter = metric.kind is names.Kind.COUNTER
        data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True) if counter else Gauge(points)
    return Metric(metric.name, metric.description, metric.unit, data)


def _histogram_points(
    metric: names.Metric, samples: Iterable[Sample], start: int, now: int
) -> list[HistogramDataPoint]:
    """Gather the samples of each series; Prometheus' buckets are cumulative, OTLP's are not."""
    series: dict[tuple[str, ...], dict[str, Any]] = {}
    for sample in samples:
        key = tuple(sample.labels[label] for label in metric.labels)
        found = series.setdefault(key, {"counts": [], "sum": 0.0, "attributes": _attributes(metric, sample)})
        if sample.name.endswith("_bucket"):
            found["counts"].append(int(sample.value))
        elif sample.name.endswith("_sum"):
            found["sum"] = sample.value
    points = []
    for found in series.values():
        totals = found["counts"]
        counts = [total - before for before, total in zip([0, *totals], totals, strict=False)]
        points.append(
            HistogramDataPoint(
                attributes=found["attributes"],
                start_time_unix_nano=start,
                time_unix_nano=now,
                count=totals[-1],
                sum=found["sum"],
                bucket_counts=counts,
                explicit_bounds=list(metric.buckets),
                min=None,  # type: ignore[arg-type]  # not known: left out of the message
                max=None,  # type: ignore[arg-type]
            )
        )
    return points


def _attributes(metric: names.Metric, sample: Sample) -> dict[str, str]:
    return {attribute: sample.labels[label] for attribute, label in zip(metric.attributes, metric.labels, strict=True)}
