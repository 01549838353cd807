"""Errors as ``google.rpc.Status``: one table, from exception class to gRPC code, reason and details.

Every status carries ``ErrorInfo`` with the domain ``fleetgate.dev`` and a reason: a value of
``fleetgate.v1.ErrorReason`` without its prefix; clients switch on it. A refused bundle lists each place as a field
violation, ``path:line:column[:field]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import grpc
from fleetgate_proto.v1 import review_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from fleetgate.audit.errors import ContinuousAuditOff, TooManyStreams, WatchEnded, WatchTooSlow
from fleetgate.audit.history.database import HistoryFailed
from fleetgate.engine.exceptions import (
    ClusterMismatch,
    DeadlineExceeded,
    Diagnostic,
    EngineError,
    InternalError,
    InvalidRequest,
    Overloaded,
    PolicyError,
    RequestTooLarge,
    RevisionUnavailable,
)
from fleetgate.policy.errors import BundleNameInvalid, NoStateDirectory, StorageFailed
from fleetgate.transport.identity import IdentityInvalid
from fleetgate.transport.roles import RoleForbidden

DOMAIN = "fleetgate.dev"
_MAX_VIOLATIONS = 100
"""Diagnostics in a status, which travels in headers; the message says how many there are in all."""

_MAX_DESCRIPTION = 300
"""Characters of a description or message in a status, for the same reason."""

_MAX_STATUS_BYTES = 6 * 1024
"""Size of an encoded status; clients take 8 KiB of headers in all by default."""


class _Row:
    """How one class of errors looks on the wire."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: review_pb2.ErrorReason.ValueType,
        metadata: Callable[[Any], Mapping[str, str]] = lambda _: {},
        details: Callable[[Any], list[Message]] = lambda _: [],
        message: Callable[[Any], str] = str,
    ) -> None:
        self.code = code
        self.reason = review_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
        self.metadata, self.details, self.message = metadata, details, message


def _field_violation(error: InvalidRequest | BundleNameInvalid) -> list[Message]:
    return [
        error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=error.field, description=cut(error.message))
            ]
        )
    ]


def _policy_violations(error: PolicyError) -> list[Message]:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(
            field=place(diagnostic), description=cut(f"{diagnostic.message} [{diagnostic.code}]")
        )
        for diagnostic in error.diagnostics[:_MAX_VIOLATIONS]
    ]
    return [error_details_pb2.BadRequest(field_violations=violations)]


def _retry(error: Overloaded | TooManyStreams | WatchTooSlow) -> list[Message]:
    delay = Duration()
    delay.FromMilliseconds(max(1, round(error.retry_after_seconds * 1000)))
    return [error_details_pb2.RetryInfo(retry_delay=delay)]


def _refused(error: PolicyError) -> str:
    count = len(error.diagnostics)
    return f"the bundle is refused: {count} error{'s' if count != 1 else ''}"


TABLE: Mapping[type[Exception], _Row] = {
    InvalidRequest: _Row(
        grpc.StatusCode.INVALID_ARGUMENT,
        review_pb2.ERROR_REASON_INVALID_REQUEST,
        lambda error: {"field": error.field},
        _field_violation,
    ),
    BundleNameInvalid: _Row(
        grpc.StatusCode.INVALID_ARGUMENT,
        review_pb2.ERROR_REASON_INVALID_REQUEST,
        lambda error: {"field": error.field},
        _field_violation,
    ),
    ClusterMismatch: _Row(
        grpc.StatusCode.PERMISSION_DENIED,
        review_pb2.ERROR_REASON_CLUSTER_MISMATCH,
        lambda error: {
            "certificate_cluster": error.certificate_cluster,
            "request_cluster": cut(error.request_cluster),
        },
    ),
    RoleForbidden: _Row(
        grpc.StatusCode.PERMISSION_DENIED,
        review_pb2.ERROR_REASON_ROLE_FORBIDDEN,
        lambda error: {"method": error.method, "role": error.role},
    ),
    IdentityInvalid: _Row(grpc.StatusCode.UNAUTHENTICATED, review_pb2.ERROR_REASON_IDENTITY_INVALID),
    RequestTooLarge: _Row(
        grpc.StatusCode.INVALID_ARGUMENT,
        review_pb2.ERROR_REASON_BATCH_TOO_LARGE,
        lambda error: {"limit": error.limit},
    ),
    PolicyError: _Row(
        grpc.StatusCode.INVALID_ARGUMENT,
        review_pb2.ERROR_REASON_POLICY_REFUSED,
        lambda error: {"errors": str(len(error.diagnostics))},
        _policy_violations,
        _refused,
    ),
    RevisionUnavailable: _Row(
        grpc.StatusCode.FAILED_PRECONDITION,
        review_pb2.ERROR_REASON_REVISION_UNAVAILABLE,
        lambda error: {"token": cut(error.token)},
    ),
    DeadlineExceeded: _Row(grpc.StatusCode.DEADLINE_EXCEEDED, review_pb2.ERROR_REASON_DEADLINE_EXCEEDED),
    Overloaded: _Row(grpc.StatusCode.RESOURCE_EXHAUSTED, review_pb2.ERROR_REASON_OVERLOADED, details=_retry),
    NoStateDirectory: _Row(grpc.StatusCode.FAILED_PRECONDITION, review_pb2.ERROR_REASON_NOT_STORED),
    StorageFailed: _Row(grpc.StatusCode.UNAVAILABLE, review_pb2.ERROR_REASON_NOT_STORED),
    TooManyStreams: _Row(grpc.StatusCode.RESOURCE_EXHAUSTED, review_pb2.ERROR_REASON_OVERLOADED, details=_retry),
    WatchTooSlow: _Row(grpc.StatusCode.RESOURCE_EXHAUSTED, review_pb2.ERROR_REASON_OVERLOADED, details=_retry),
    WatchEnded: _Row(grpc.StatusCode.UNAVAILABLE, review_pb2.ERROR_REASON_AUDIT_UNAVAILABLE),
    HistoryFailed: _Row(grpc.StatusCode.UNAVAILABLE, review_pb2.ERROR_REASON_AUDIT_UNAVAILABLE),
    ContinuousAuditOff: _Row(grpc.StatusCode.FAILED_PRECONDITION, review_pb2.ERROR_REASON_AUDIT_UNAVAILABLE),
    InternalError: _Row(grpc.StatusCode.INTERNAL, review_pb2.ERROR_REASON_INTERNAL, message=lambda _: "internal error"),
    EngineError: _Row(grpc.StatusCode.INTERNAL, review_pb2.ERROR_REASON_INTERNAL, message=lambda _: "internal error"),
    Exception: _Row(grpc.StatusCode.INTERNAL, review_pb2.ERROR_REASON_INTERNAL, message=lambda _: "internal error"),
}
"""Looked up along the exception's ancestry: the nearest class wins. What is a defect of ours says nothing of itself on
the wire; the log has it."""


def place(diagnostic: Diagnostic) -> str:
    """Where a diagnostic points: ``path:line:column[:field]``; unknown numbers are left out."""
    numbers = [str(number) for number in (diagnostic.line, diagnostic.column) if number]
    return ":".join(part for part in (diagnostic.path, *numbers, diagnostic.field) if part)


def code_of(error: Exception) -> grpc.StatusCode:
    """The gRPC code of an error."""
    return _row(error).code


def to_status(error: Exception) -> status_pb2.Status:
    """The error on the wire."""
    row = _row(error)
    info = error_details_pb2.ErrorInfo(reason=row.reason, domain=DOMAIN, metadata=dict(row.metadata(error)))
    status = status_pb2.Status(code=row.code.value[0], message=cut(row.message(error)))
    status.details.add().Pack(info)
    for detail in row.details(error):
        status.details.add().Pack(_fitting(detail))
    return status


def abort(context: grpc.ServicerContext, error: Exception) -> NoReturn:
    """End the call with the error."""
    context.abort_with_status(rpc_status.to_status(to_status(error)))
    raise AssertionError  # abort_with_status raises


def _row(error: Exception) -> _Row:
    return next(TABLE[ancestor] for ancestor in type(error).__mro__ if ancestor in TABLE)


def _fitting(detail: Message) -> Message:
    """Drop the last violations of a list too long for headers."""
    if isinstance(detail, error_details_pb2.BadRequest):
        while detail.ByteSize() > _MAX_STATUS_BYTES and len(detail.field_violations) > 1:
            del detail.field_violations[-1]
    return detail


def cut(text: str) -> str:
    """Shorten what callers chose, for statuses and logs."""
    return text if len(text) <= _MAX_DESCRIPTION else text[: _MAX_DESCRIPTION - 1] + "…"
