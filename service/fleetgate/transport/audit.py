"""AuditService: runs, the continuous audit and its history, what-if and explanations.

Where nothing of a message is needed here it passes as bytes: the core makes and reads it. A caller whose certificate
names a cluster sees that one, and is refused where it names another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc
from fleetgate_proto.v1 import audit_pb2
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from fleetgate.audit.continuous import Continuous
from fleetgate.audit.errors import ContinuousAuditOff
from fleetgate.audit.history.database import HistoryFailed
from fleetgate.audit.history.reader import Reader
from fleetgate.audit.history.record import identity, timestamp
from fleetgate.audit.runs import Runs, messages, trend
from fleetgate.audit.scope import Filter, changes_of, narrowed
from fleetgate.audit.subscribers import Subscription
from fleetgate.engine import ClusterMismatch, Engine, InvalidRequest
from fleetgate.transport.guard import Callers, Guard
from fleetgate.transport.review import remaining
from fleetgate.transport.streams import StreamSlots

SERVICE: str = audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name
STREAMS = tuple(f"/{SERVICE}/{name}" for name in ("RunAudit", "WatchAudit", "WhatIf"))
"""Methods whose calls hold a thread for long."""

_NAP_SECONDS = 1.0
_RUNS, _MOST_RUNS = 50, 1_000
_CHANGES, _MOST_CHANGES = 500, 5_000
_M = TypeVar("_M", bound=Message)
Handler = Callable[[bytes, grpc.ServicerContext], Any]


class AuditService:
    """The handlers; errors are the guard's to convert."""

    def __init__(
        self,
        engine: Engine,
        callers: Callers,
        *,
        reader: Reader,
        runs: Runs,
        continuous: Continuous | None,
        slots: StreamSlots,
    ) -> None:
        """Without ``continuous`` there is none, and nothing of it to ask."""
        self._engine, self._callers, self._reader = engine, callers, reader
        self._runs, self._continuous, self.slots = runs, continuous, slots

    def register(self, guard: Guard) -> None:
        """Add the handlers, without (de)serialisers."""
        streams: dict[str, Handler] = {
            "RunAudit": self._run_audit,
            "WatchAudit": self._watch_audit,
            "WhatIf": self._what_if,
        }
        calls: dict[str, Handler] = {
            "GetAuditSummary": self._get_audit_summary,
            "ListAuditRuns": self._list_audit_runs,
            "ListViolationChanges": self._list_violation_changes,
            "Explain": self._explain,
        }
        handlers = {name: grpc.unary_stream_rpc_method_handler(handle) for name, handle in streams.items()}
        handlers |= {name: grpc.unary_unary_rpc_method_handler(handle) for name, handle in calls.items()}
        guard.add_registered_method_handlers(SERVICE, handlers)

    def end_watches(self) -> None:
        """End those who follow the continuous audit: they would for ever."""
        if self._continuous is not None:
            self._continuous.end_watches()

    def _run_audit(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        own = self._callers.identify(context).cluster
        scope = _read(audit_pb2.RunAuditRequest, request).scope
        narrowed(scope, own)
        self.slots.take(context)
        run = self._engine.start_audit(request, cluster=own, timeout_seconds=remaining(context))
        context.add_callback(run.cancel)
        yield from self._runs.messages(run, keep=own is None and not scope.ByteSize())

    def _what_if(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        own = self._callers.identify(context).cluster
        narrowed(_read(audit_pb2.WhatIfRequest, request).scope, own)
        self.slots.take(context)
        run = self._engine.start_what_if(request, cluster=own, timeout_seconds=remaining(context))
        context.add_callback(run.cancel)
        yield from messages(run)

    def _watch_audit(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        continuous = self._running()
        asked = _read(audit_pb2.WatchAuditRequest, request)
        scope = narrowed(asked.scope, self._callers.identify(context).cluster)
        self.slots.take(context)
        subscription = Subscription(scope, Filter(scope, self._engine), only_changes=asked.only_changes)
        if not context.add_callback(lambda: continuous.leave(subscription)):
            return
        continuous.follow(subscription)
        while not subscription.wait(_NAP_SECONDS):
            pass
        if subscription.existing is not None:
            for message in messages(subscription.existing):
                findings = self._dated(audit_pb2.AuditFindings.FromString(message))
                yield audit_pb2.WatchAuditResponse(existing=findings).SerializeToString()
        yield audit_pb2.WatchAuditResponse(synced=self._with_trend(subscription.summary)).SerializeToString()
        while context.is_active():
            changes = subscription.next(_NAP_SECONDS)
            if changes is not None:
                yield audit_pb2.WatchAuditResponse(changes=changes).SerializeToString()

    def _get_audit_summary(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        continuous = self._running()
        asked = _read(audit_pb2.GetAuditSummaryRequest, request)
        summary = continuous.summary(narrowed(asked.scope, self._callers.identify(context).cluster))
        response = audit_pb2.GetAuditSummaryResponse()
        if summary is not None:
            response.summary.CopyFrom(self._with_trend(summary))
        return response.SerializeToString()

    def _list_audit_runs(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        own = self._callers.identify(context).cluster
        asked = _read(audit_pb2.ListAuditRunsRequest, request)
        size = min(asked.page_size or _RUNS, _MOST_RUNS)
        runs, token = self._reader.runs(_since(asked.since), size, asked.page_token)
        for run in runs:
            _keep_only(run, own)
        return audit_pb2.ListAuditRunsResponse(runs=runs, next_page_token=token).SerializeToString()

    def _list_violation_changes(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = _read(audit_pb2.ListViolationChangesRequest, request)
        scope = narrowed(asked.scope, self._callers.identify(context).cluster)
        question = changes_of(scope, self._engine, _since(asked.since))
        size = min(asked.page_size or _CHANGES, _MOST_CHANGES)
        changes, token = self._reader.changes(question, size, asked.page_token)
        return audit_pb2.ListViolationChangesResponse(changes=changes, next_page_token=token).SerializeToString()

    def _explain(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        own = self._callers.identify(context).cluster
        asked = _read(audit_pb2.ExplainRequest, request)
        if own is not None and asked.HasField("cached") and asked.cached.cluster not in {"", own}:
            raise ClusterMismatch(own, asked.cached.cluster)
        return self._engine.explain(request, cluster=own, timeout_seconds=remaining(context))

    def _running(self) -> Continuous:
        if self._continuous is None:
            raise ContinuousAuditOff
        return self._continuous

    def _dated(self, findings: audit_pb2.AuditFindings) -> audit_pb2.AuditFindings:
        """Say since when what is violated was, as far as the history knows."""
        try:
            known = self._reader.first_seen([identity(one) for one in findings.violations])
        except HistoryFailed:
            return findings
        at = Timestamp()
        at.FromDatetime(datetime.now(UTC))
        for one in findings.violations:
            first = known.get(identity(one))
            if first is not None:
                one.first_seen.CopyFrom(timestamp(first))
                one.last_seen.CopyFrom(at)
        return findings

    def _with_trend(self, summary: audit_pb2.AuditSummary) -> audit_pb2.AuditSummary:
        with suppress(HistoryFailed):
            trend(summary, self._reader.last_run())
        return summary


def _read(message: type[_M], request: bytes) -> _M:
    try:
        return message.FromString(request)
    except DecodeError as error:
        raise InvalidRequest("", str(error)) from error


def _since(at: Timestamp) -> int:
    """Microseconds since 1970; of what is long before or after, a time that both databases take."""
    if not 0 <= at.nanos < 1_000_000_000 or abs(at.seconds) > 253_402_300_799:
        raise InvalidRequest("since", "it is no time")
    return at.ToMicroseconds()


def _keep_only(summary: audit_pb2.AuditSummary, own: str | None) -> None:
    """Leave the part of the caller's cluster in a run."""
    if own is None:
        return
    clusters = [one for one in summary.clusters if one.cluster == own]
    constraints = [one for one in summary.constraints if one.cluster == own]
    summary.objects = sum(one.objects for one in clusters)
    summary.ClearField("clusters")
    summary.clusters.extend(clusters)
    summary.ClearField("constraints")
    summary.constraints.extend(constraints)
    summary.ClearField("cpu")
