"""Counters and histograms of what happens at every call.

prometheus_client's own instruments take several times as long, for a lock per value and a look at every bucket. Here a
call adds to series that it holds already, all of them under one lock; the registry is given families when it asks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from fleetgate.telemetry.names import Metric

Labels = tuple[str, ...]
"""Values of a metric's labels, in their order."""


class Count:
    """A counter of one set of labels. Whoever adds holds the lock of its family."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0.0


class Distribution:
    """A histogram of one set of labels. Whoever observes holds the lock of its family."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Record a value, in the first bucket whose bound it does not exceed."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Counts(Collector):
    """The counters of a metric."""

    def __init__(self, metric: Metric, lock: threading.Lock) -> None:
        """``lock`` guards every series, and may be shared with other metrics."""
        self._metric, self._lock = metric, lock
        # Without labels there is one, and it begins at zero.
        self._series: dict[Labels, Count] = {} if metric.attributes else {(): Count()}

    def of(self, labels: Labels) -> Count:
        """The counter of these labels; the caller holds the lock."""
        return self._series.setdefault(labels, Count())

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What Prometheus is shown."""
        with self._lock:
            found = [(labels, count.total) for labels, count in self._series.items()]
        family = CounterMetricFamily(self._metric.prometheus, self._metric.description, labels=self._metric.labels)
        for labels, total in found:
            family.add_metric(labels, total)
        yield family


class Distributions(Collector):
    """The histograms of a metric."""

    def __init__(self, metric: Metric, lock: threading.Lock) -> None:
        """``lock`` guards every series, and may be shared with other metrics."""
        self._metric, self._lock = metric, lock
        self._bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
        self._series: dict[Labels, Distribution] = {}

    def of(self, labels: Labels) -> Distribution:
        """The histogram of these labels; the caller holds the lock."""
        return self._series.setdefault(labels, Distribution(self._metric.buckets))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What Prometheus is shown: buckets are cumulative."""
        with self._lock:
            found = [(labels, list(each.counts), each.total) for labels, each in self._series.items()]
        family = HistogramMetricFamily(self._metric.prometheus, self._metric.description, labels=self._metric.labels)
        for labels, counts, total in found:
            family.add_metric(labels, list(zip(self._bounds, accumulate(counts), strict=True)), total)
        yield family
