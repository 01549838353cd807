"""Traces and metrics of the clients: every span and metric name, and how they leave the process.

Spans are made of sampled calls only. An incoming W3C ``traceparent`` that is not sampled goes on untouched, without the
SDK's cost; one that is sampled, or a root that the sampling ratio picks, gets a span that becomes the service's parent.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, generate_latest

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader

SPAN_ADMIT = "POST /v1/admit"

METRIC_REQUESTS = "fleetgate.webhook.request.duration"
METRIC_SERVICE_CALLS = "rpc.client.call.duration"
METRIC_CONNECTIONS = "fleetgate.webhook.connections"
METRIC_CONNECTIONS_REFUSED = "fleetgate.webhook.connections.refused"
METRIC_NAMESPACES = "fleetgate.webhook.namespaces"
METRIC_NAMESPACE_MISSES = "fleetgate.webhook.namespace.misses"
METRIC_NAMESPACE_LISTS = "fleetgate.webhook.namespace.lists"
METRIC_CERTIFICATE_EXPIRY = "fleetgate.webhook.certificate.expiry"

# Seconds. Gatekeeper's boundaries for admission requests, and one below.
_BOUNDARIES = (
    *(0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009),
    *(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09),
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0),
)

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """``otlp_endpoint`` is the gRPC receiver (``http://host:4317``), "" for none; ``sample_ratio`` is for requests
    without a trace context: those with one follow their parent.
    """

    service_name: str
    cluster: str
    otlp_endpoint: str = ""
    sample_ratio: float = 0.0


class Telemetry:
    """The providers of one process. Not registered globally: tests and embedders may have several."""

    def __init__(self, options: TelemetryOptions) -> None:
        resource = Resource.create(
            {
                "service.name": options.service_name,
                "service.version": metadata.version("fleetgate-clients"),
                "k8s.cluster.name": options.cluster,
            }
        )
        self._registry = CollectorRegistry()
        readers: list[MetricReader] = [PrometheusMetricReader(registry=self._registry)]
        # The sampling decision is made before a span is asked for (see Tracing).
        self._traces = TracerProvider(resource=resource, sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        if options.otlp_endpoint:
            # Half a second of imports that only exporting processes pay.
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415

            insecure = not options.otlp_endpoint.startswith("https://")
            spans = OTLPSpanExporter(endpoint=options.otlp_endpoint, insecure=insecure)
            self._traces.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=1_000))
            readers.append(
                PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=options.otlp_endpoint, insecure=insecure))
            )
        buckets = ExplicitBucketHistogramAggregation(_BOUNDARIES)
        self._metrics = MeterProvider(
            readers,
            resource=resource,
            views=[View(instrument_name=name, aggregation=buckets) for name in (METRIC_REQUESTS, METRIC_SERVICE_CALLS)],
            shutdown_on_exit=False,
        )
        tracer = self._traces.get_tracer("fleetgate_clients")
        self.tracing = Tracing(tracer if options.otlp_endpoint else None, options.sample_ratio)
        self.instruments = Instruments(self._metrics)

    def prometheus(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def shutdown(self) -> None:
        """Send what is waiting. Blocks up to a few seconds where the receiver is gone."""
        # A receiver that is gone must not turn a clean stop into a failure.
        with suppress(Exception):
            self._traces.shutdown()
        with suppress(Exception):
            self._metrics.shutdown(timeout_millis=3_000)


class Tracing:
    """Server spans of sampled requests, and the trace context that goes on to the service."""

    def __init__(self, tracer: trace.Tracer | None, sample_ratio: float) -> None:
        self._tracer = tracer
        self._ratio = sample_ratio

    def begin(self, headers: Mapping[str, str], attributes: Mapping[str, str]) -> RequestTrace:
        """Begin the span of one HTTP request, where it is sampled. ``headers`` are looked up in lower case."""
        parent = headers.get("traceparent", "")
        match = _TRACEPARENT.fullmatch(parent)
        if match is None:
            if self._tracer is None or random.random() >= self._ratio:  # noqa: S311 (sampling)
                return RequestTrace(None, {})
            span = self._tracer.start_span(SPAN_ADMIT, kind=trace.SpanKind.SERVER, attributes=dict(attributes))
        else:
            carrier = {"traceparent": parent}
            if state := headers.get("tracestate"):
                carrier["tracestate"] = state
            if self._tracer is None or not int(match[1], 16) & 1:
                return RequestTrace(None, carrier)
            span = self._tracer.start_span(
                SPAN_ADMIT,
                context=_PROPAGATOR.extract(carrier),
                kind=trace.SpanKind.SERVER,
                attributes=dict(attributes),
            )
        onward: dict[str, str] = {}
        _PROPAGATOR.inject(onward, context=trace.set_span_in_context(span))
        return RequestTrace(span, onward)


class RequestTrace:
    """What one request's trace needs: its span, if it is sampled, and the context for the next hop."""

    __slots__ = ("_span", "metadata")

    def __init__(self, span: trace.Span | None, carrier: Mapping[str, str]) -> None:
        self._span = span
        self.metadata = tuple(carrier.items())

    def end(self, attributes: Mapping[str, str | int | bool], *, failed: bool) -> None:
        """Finish the span."""
        if self._span is not None:
            self._span.set_attributes(dict(attributes))
            if failed:
                self._span.set_status(trace.StatusCode.ERROR)
            self._span.end()


class Instruments:
    """The webhook's metrics."""

    def __init__(self, provider: MeterProvider) -> None:
        self._meter = provider.get_meter("fleetgate_clients")
        self.requests = self._meter.create_histogram(
            METRIC_REQUESTS, "s", "Time from a request's head to its answer, by outcome."
        )
        self.service_calls = self._meter.create_histogram(
            METRIC_SERVICE_CALLS, "s", "Time of a call of the service, retries included, by gRPC status."
        )
        self.connections_refused = self._meter.create_counter(
            METRIC_CONNECTIONS_REFUSED, "1", "Connections closed because of the limit or a failed handshake."
        )
        self.namespace_misses = self._meter.create_counter(
            METRIC_NAMESPACE_MISSES, "1", "Namespaces that were not in the cache and were asked for, by result."
        )
        self.namespace_lists = self._meter.create_counter(
            METRIC_NAMESPACE_LISTS, "1", "Full lists of Namespaces, by result."
        )

    def observe(self, name: str, unit: str, description: str, read: Callable[[], float]) -> None:
        """Register a gauge that is read when metrics are collected."""

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(read())]

        self._meter.create_observable_gauge(name, [callback], unit, description)
