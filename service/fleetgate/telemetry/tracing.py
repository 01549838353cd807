"""Traces of sampled calls. A call that is not sampled costs a look at its headers and at most one random number.

Sampling is parent-based: a W3C ``traceparent`` decides for its call; calls without one are sampled at a ratio. The
decision is taken here, before a span exists, and the SDK then records all spans it is given.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from fleetgate.telemetry import names

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Parent:
    """The span that a call came from."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    def context(self) -> Any:
        """OpenTelemetry's context with this span as the current one."""
        remote = SpanContext(
            int(self.trace_id, 16),
            int(self.span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(int(self.sampled)),
            trace_state=TraceState.from_header([self.state]) if self.state else None,
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(remote))


def parent_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> Parent | None:
    """Read ``traceparent`` and ``tracestate`` of a call's metadata; None where there is none or it is malformed."""
    header = state = ""
    for key, value in metadata or ():
        if key == "traceparent":
            header = value if isinstance(value, str) else ""
        elif key == "tracestate":
            state = value if isinstance(value, str) else ""
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None or (header.startswith("00") and match[4]):
        return None
    return Parent(match[1], match[2], bool(int(match[3], 16) & 1), state)


class Tracing:
    """Makes the spans of sampled calls."""

    def __init__(self, ratio: float, resource: Resource, processor: SpanProcessor | None) -> None:
        """``processor`` takes finished spans; without one nothing is sampled."""
        self._ratio = ratio if processor is not None else 0.0
        self._enabled = processor is not None
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        if processor is not None:
            self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(names.SCOPE)

    def sampled(self, parent: Parent | None) -> bool:
        """Whether a call with this parent is to be traced."""
        if parent is not None:
            return parent.sampled and self._enabled
        return self._ratio > 0 and random.random() < self._ratio  # noqa: S311 (sampling is no secret)

    def start(self, method: str, parent: Parent | None) -> CallSpan:
        """Begin the server span of a sampled call; ``method`` is the path, ``/package.Service/Method``."""
        name = names.span_name(method)
        span = self._tracer.start_span(
            name,
            context=parent.context() if parent else trace.set_span_in_context(trace.INVALID_SPAN),
            kind=SpanKind.SERVER,
            attributes={names.ATTRIBUTE_RPC_SYSTEM: "grpc", names.ATTRIBUTE_RPC_METHOD: name},
        )
        return CallSpan(self._tracer, span)

    def close(self, timeout: float = 5.0) -> None:
        """Export what is waiting and stop; a collector that is gone is waited for ``timeout`` seconds at most."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(timeout)


class CallSpan:
    """The server span of one call."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer, self._span = tracer, span
        self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def annotate(self, **attributes: Any) -> None:
        """Set attributes; names as in :mod:`fleetgate.telemetry.names`."""
        self._span.set_attributes(attributes)

    def stages(self, started_ns: int, stage_nanos: tuple[int, int, int, int]) -> None:
        """Add the children ``match`` and ``evaluate`` of a decision that the core began at ``started_ns`` (Unix time).

        ``stage_nanos`` are the durations of decode, match, evaluate, encode, one after the other.
        """
        decode, match, evaluate, _ = stage_nanos
        context = trace.set_span_in_context(self._span)
        begin = started_ns + decode
        for name, duration in ((names.SPAN_MATCH, match), (names.SPAN_EVALUATE, evaluate)):
            child = self._tracer.start_span(name, context=context, start_time=begin)
            begin += duration
            child.end(end_time=begin)

    def end(self, code: str) -> None:
        """Finish with the gRPC status code's name. By convention only the server's own faults are errors."""
        self._span.set_attribute(names.ATTRIBUTE_RPC_STATUS, code)
        if code in _SERVER_FAULTS:
            self._span.set_status(Status(StatusCode.ERROR, code))
        self._span.end()


_SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
