"""Calls to AuditService."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetgate_clients.inventory.service import Connection, connect, failure_words

if TYPE_CHECKING:
    from fleetgate_proto.v1 import audit_pb2

ServerOption = Annotated[
    str, typer.Option("--server", metavar="HOST:PORT", help="Ask this service.", show_default=False)
]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Time for the answer.")]


class CutOff(Exception):  # noqa: N818 (a state of the answer, which is shown as far as it came)
    """The answer ended before its end; the text says why."""


class Audits:
    """AuditService. What a call streams is given on as it comes; a stream that breaks raises CutOff.

    A call that is refused before it answers anything raises grpc.RpcError.
    """

    def __init__(self, stub: Any, policies: Any, timeout: float) -> None:
        self._stub, self._policies, self._timeout = stub, policies, timeout

    def run(self, request: audit_pb2.RunAuditRequest) -> Iterator[audit_pb2.RunAuditResponse]:
        """Audit once."""
        return self._stream(self._stub.RunAudit, request, self._timeout)

    def watch(self, request: audit_pb2.WatchAuditRequest, *, endless: bool) -> Iterator[audit_pb2.WatchAuditResponse]:
        """Follow the continuous audit; ``endless`` without a deadline."""
        return self._stream(self._stub.WatchAudit, request, None if endless else self._timeout)

    def what_if(self, request: audit_pb2.WhatIfRequest) -> Iterator[audit_pb2.WhatIfResponse]:
        """Compare proposed policies with the published ones."""
        return self._stream(self._stub.WhatIf, request, self._timeout)

    def explain(self, request: audit_pb2.ExplainRequest) -> audit_pb2.ExplainResponse:
        """Explain one object. Raises grpc.RpcError."""
        answer: audit_pb2.ExplainResponse = self._stub.Explain(request, timeout=self._timeout)
        return answer

    def constraints(self) -> set[str] | None:
        """The published Constraints, as ``KIND/NAME``; None where they cannot be listed."""
        import grpc  # noqa: PLC0415
        from fleetgate_proto.v1 import policy_pb2  # noqa: PLC0415

        try:
            answer = self._policies.ListConstraints(policy_pb2.ListConstraintsRequest(), timeout=self._timeout)
        except grpc.RpcError:
            return None
        return {f"{one.kind}/{one.name}" for one in answer.constraints}

    def runs(self, request: audit_pb2.ListAuditRunsRequest, limit: int) -> Iterator[audit_pb2.AuditSummary]:
        """Earlier runs, newest first, at most so many. Raises grpc.RpcError."""
        return self._pages(self._stub.ListAuditRuns, request, lambda page: page.runs, limit, 1_000)

    def changes(
        self, request: audit_pb2.ListViolationChangesRequest, limit: int
    ) -> Iterator[audit_pb2.ViolationChange]:
        """When violations came and went, newest first, at most so many. Raises grpc.RpcError."""
        return self._pages(self._stub.ListViolationChanges, request, lambda page: page.changes, limit, 5_000)

    def _pages(
        self, method: Any, request: Any, items: Callable[[Any], Sequence[Any]], limit: int, largest: int
    ) -> Iterator[Any]:
        """What pages of at most ``largest`` hold, until there are ``limit`` of it."""
        left = limit
        while left > 0:
            request.page_size = min(left, largest)
            page = method(request, timeout=self._timeout)
            found = items(page)
            yield from found[:left]
            left -= len(found)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @staticmethod
    def _stream(method: Any, request: Any, timeout: float | None) -> Iterator[Any]:
        import grpc  # noqa: PLC0415

        call = method(request, timeout=timeout)
        has_answered = False
        try:
            for message in call:
                has_answered = True
                yield message
        except grpc.RpcError as error:
            if not has_answered:
                raise
            raise CutOff(failure_words(error)) from error
        finally:
            # Also where the reader stops early: the service need not go on.
            call.cancel()


@contextmanager
def audits(connection: Connection) -> Iterator[Audits]:
    """Connect. What is refused ends the command with a sentence, exit code 2."""
    from fleetgate_proto.v1 import audit_pb2_grpc, policy_pb2_grpc  # noqa: PLC0415 (help and completion do without)

    with connect(connection) as channel:
        policies = policy_pb2_grpc.PolicyServiceStub(channel)
        yield Audits(audit_pb2_grpc.AuditServiceStub(channel), policies, connection.timeout)
