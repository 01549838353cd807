"""An AuditService that gives set answers over real gRPC, and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc, policy_pb2, policy_pb2_grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status


class ScriptedAudits(audit_pb2_grpc.AuditServiceServicer, policy_pb2_grpc.PolicyServiceServicer):
    """``answers`` are what every call streams; then ``error`` ends it, or ``holds`` keeps it open until cancelled.

    ``constraints`` are the published ones; None: nobody may list them.
    """

    def __init__(self) -> None:
        self.address = ""
        self.answers: Iterable[Any] = ()
        self.error: grpc.StatusCode | None = None
        self.defects: list[tuple[str, str]] = []
        self.holds = False
        self.ended = threading.Event()
        self.asked: list[Any] = []
        self.constraints: list[tuple[str, str, str]] | None = None

    def _stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.asked.append(request)
        context.add_callback(self.ended.set)
        yield from self.answers
        if self.error is not None:
            self._fail(context)
        if self.holds:
            self.ended.wait(30)

    def _fail(self, context: grpc.ServicerContext) -> None:
        assert self.error is not None
        status = status_pb2.Status(code=getattr(code_pb2, self.error.name), message="refused \x1b[31m")
        if self.defects:
            violations = [
                error_details_pb2.BadRequest.FieldViolation(field=field, description=words)
                for field, words in self.defects
            ]
            status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
        context.abort_with_status(rpc_status.to_status(status))

    def _unary(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.asked.append(type(request).FromString(request.SerializeToString()))
        if self.error is not None:
            self._fail(context)
        pages = list(self.answers)
        return pages[int(getattr(request, "page_token", "") or 0)]

    def RunAudit(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._stream(request, context)

    def WatchAudit(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._stream(request, context)

    def WhatIf(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._stream(request, context)

    def Explain(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._unary(request, context)

    def ListAuditRuns(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._unary(request, context)

    def ListViolationChanges(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return self._unary(request, context)

    def ListConstraints(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002 (gRPC's)
        if self.constraints is None:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
        infos = [policy_pb2.ConstraintInfo(kind=kind, name=name) for kind, name, _ in self.constraints or ()]
        return policy_pb2.ListConstraintsResponse(constraints=infos)


@contextmanager
def scripted_audits() -> Iterator[ScriptedAudits]:
    """Serve on a free port."""
    service = ScriptedAudits()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(service, server)
    policy_pb2_grpc.add_PolicyServiceServicer_to_server(service, server)
    service.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield service
    finally:
        server.stop(0).wait()


def of_watch(run: Iterable[audit_pb2.RunAuditResponse]) -> Iterator[audit_pb2.WatchAuditResponse]:
    """What a watch says of the state that a run found: findings, then the summary."""
    for message in run:
        if message.HasField("findings"):
            yield audit_pb2.WatchAuditResponse(existing=message.findings)
        elif message.HasField("summary"):
            yield audit_pb2.WatchAuditResponse(synced=message.summary)
