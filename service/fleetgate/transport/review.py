"""ReviewService: raw bytes in, one call into the core, raw bytes out. No protobuf message is ever made here.

Per call: the cached identity of the certificate, a look at the headers, the core, one look at the metrics. Everything
else is for calls that are sampled, that fail, or that are denied where denials are logged.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter, time_ns
from typing import NamedTuple, NoReturn

import grpc

from fleetgate.engine import Decision, Engine
from fleetgate.engine.exceptions import EngineError
from fleetgate.telemetry import names
from fleetgate.telemetry.metrics import Metrics
from fleetgate.telemetry.tracing import CallSpan, Parent, Tracing, parent_of
from fleetgate.transport import status
from fleetgate.transport.denials import DenialLog
from fleetgate.transport.disagreements import DisagreementLog
from fleetgate.transport.guard import Callers
from fleetgate.transport.identity import IdentityInvalid
from fleetgate.transport.roles import RoleForbidden

_LOGGER = logging.getLogger(__name__)
_SERVICE = "fleetgate.v1.ReviewService"
_REVIEW = f"/{_SERVICE}/Review"
_BATCH = f"/{_SERVICE}/BatchReview"
_REVIEW_NAME, _BATCH_NAME = names.span_name(_REVIEW), names.span_name(_BATCH)
_NO_DEADLINE = 1e6
"""gRPC says "no deadline" by one that is far away, in seconds."""


class ReviewService:
    """The handlers of both methods."""

    def __init__(
        self,
        engine: Engine,
        callers: Callers,
        metrics: Metrics,
        tracing: Tracing,
        denials: DenialLog | None,
        *,
        disagreements: DisagreementLog | None = None,
    ) -> None:
        self._engine, self._callers, self._metrics, self._tracing = engine, callers, metrics, tracing
        self._denials, self._disagreements = denials, disagreements

    def register(self, server: grpc.Server) -> None:
        """Register without (de)serialisers: messages stay bytes."""
        handlers = {
            "Review": grpc.unary_unary_rpc_method_handler(self.review),
            "BatchReview": grpc.unary_unary_rpc_method_handler(self.batch_review),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        server.add_registered_method_handlers(_SERVICE, handlers)

    def review(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Decide one encoded ReviewRequest."""
        started = perf_counter()
        parent = parent_of(context.invocation_metadata())
        span = self._tracing.start(_REVIEW, parent) if self._tracing.sampled(parent) else None
        try:
            identity = self._callers.admit(_REVIEW, context)
            began = time_ns() if span else 0
            decision = self._engine.review(request, cluster=identity.cluster, timeout_seconds=remaining(context))
        except (EngineError, IdentityInvalid, RoleForbidden) as error:
            self._refuse(context, error, _Call(_REVIEW, started, span, parent))
        seconds = perf_counter() - started
        self._metrics.answered(
            _REVIEW_NAME,
            decision.admission_status,
            decision.dry_run,
            decision.cluster,
            seconds,
            cpu_nanos=decision.cpu_nanos,
        )
        if span:
            _describe(span, decision)
            span.stages(began, decision.stage_nanos)
            span.end("OK")
        if self._denials:
            self._denials.review(request, decision, _trace_id(span, parent))
        if self._disagreements:
            self._disagreements.review(decision)
        return decision.response

    def batch_review(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Decide an encoded BatchReviewRequest."""
        started = perf_counter()
        parent = parent_of(context.invocation_metadata())
        span = self._tracing.start(_BATCH, parent) if self._tracing.sampled(parent) else None
        try:
            identity = self._callers.admit(_BATCH, context)
            began = time_ns() if span else 0
            batch = self._engine.batch_review(request, cluster=identity.cluster, timeout_seconds=remaining(context))
        except (EngineError, IdentityInvalid, RoleForbidden) as error:
            self._refuse(context, error, _Call(_BATCH, started, span, parent))
        items = batch.items
        for item in items:
            self._metrics.reviewed(item.admission_status, item.dry_run, item.cluster, sum(item.stage_nanos) / 1e9)
        self._metrics.computed(batch.cpu_nanos)
        self._metrics.called(_BATCH_NAME, "OK", perf_counter() - started)
        if span:
            span.annotate(**{names.ATTRIBUTE_BATCH_SIZE: len(items)})
            span.stages(began, _sum_stages(items))
            span.end("OK")
        if self._denials:
            self._denials.batch(request, batch, _trace_id(span, parent))
        if self._disagreements:
            for item in items:
                self._disagreements.review(item)
        return batch.response

    def _refuse(self, context: grpc.ServicerContext, error: Exception, call: _Call) -> NoReturn:
        code = status.code_of(error).name
        seconds = perf_counter() - call.started
        self._metrics.called(names.span_name(call.method), code, seconds)
        if isinstance(error, EngineError):
            self._metrics.reviewed("error", False, names.OTHER_CLUSTER, seconds)
        fields = {
            "method": names.span_name(call.method),
            "code": code,
            "trace_id": _trace_id(call.span, call.parent),
        }
        if code == "INTERNAL":
            _LOGGER.error("review failed", exc_info=error, extra={"fields": fields})
        else:
            _LOGGER.debug("review refused: %s", status.cut(str(error)), extra={"fields": fields})
        self._callers.refusals.log(fields["method"], error, context, fields["trace_id"])
        if call.span:
            call.span.end(code)
        status.abort(context, error)


class _Call(NamedTuple):
    """A call that failed."""

    method: str
    started: float
    span: CallSpan | None
    parent: Parent | None


def remaining(context: grpc.ServicerContext) -> float | None:
    """Seconds until a call's deadline, if it has one."""
    seconds: float = context.time_remaining()
    return seconds if seconds < _NO_DEADLINE else None


def _describe(span: CallSpan, decision: Decision) -> None:
    span.annotate(
        **{
            names.ATTRIBUTE_DECISION_ID: decision.decision_id,
            names.ATTRIBUTE_CLUSTER: decision.cluster,
            names.ATTRIBUTE_GENERATION: decision.generation,
            names.ATTRIBUTE_STATUS: decision.admission_status,
            names.ATTRIBUTE_MATCHED: decision.constraints_matched,
        }
    )


def _sum_stages(items: Sequence[Decision]) -> tuple[int, int, int, int]:
    """Stages of a batch, each the sum of its items': the items ran one after the other."""
    decode, match, evaluate, encode = (
        (sum(column) for column in zip(*(i.stage_nanos for i in items), strict=True)) if (items) else (0, 0, 0, 0)
    )
    return decode, match, evaluate, encode


def _trace_id(span: CallSpan | None, parent: Parent | None) -> str:
    return span.trace_id if span else parent.trace_id if parent else ""
