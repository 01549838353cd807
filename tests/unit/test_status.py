"""Errors on the wire, row by row."""

from __future__ import annotations

import grpc
import pytest
from fleetgate.engine import exceptions as engine
from fleetgate.policy.errors import BundleNameInvalid, NoStateDirectory, StorageFailed
from fleetgate.transport import status
from fleetgate.transport.identity import IdentityInvalid
from fleetgate.transport.roles import RoleForbidden
from fleetgate_proto.v1 import review_pb2
from google.rpc import error_details_pb2, status_pb2

DIAGNOSTIC = engine.Diagnostic("rego.parse", "unexpected token", "a/b.yaml", 12, 7, "spec.targets[0].rego", "a hint")

CASES: list[tuple[Exception, grpc.StatusCode, str, dict[str, str]]] = [
    (
        engine.InvalidRequest("cluster", "bad"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        {"field": "cluster"},
    ),
    (
        engine.ClusterMismatch("a", "b"),
        grpc.StatusCode.PERMISSION_DENIED,
        "CLUSTER_MISMATCH",
        {"certificate_cluster": "a", "request_cluster": "b"},
    ),
    (
        RoleForbidden("/s/m", "cluster/sync"),
        grpc.StatusCode.PERMISSION_DENIED,
        "ROLE_FORBIDDEN",
        {"method": "/s/m", "role": "cluster/sync"},
    ),
    (IdentityInvalid("no"), grpc.StatusCode.UNAUTHENTICATED, "IDENTITY_INVALID", {}),
    (
        engine.RequestTooLarge("1000", "1001 items"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "BATCH_TOO_LARGE",
        {"limit": "1000"},
    ),
    (engine.PolicyError((DIAGNOSTIC,)), grpc.StatusCode.INVALID_ARGUMENT, "POLICY_REFUSED", {"errors": "1"}),
    (engine.DeadlineExceeded("late"), grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", {}),
    (
        engine.RevisionUnavailable("token"),
        grpc.StatusCode.FAILED_PRECONDITION,
        "REVISION_UNAVAILABLE",
        {"token": "token"},
    ),
    (engine.Overloaded(0.25), grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", {}),
    (engine.InternalError("secret detail"), grpc.StatusCode.INTERNAL, "INTERNAL", {}),
    (BundleNameInvalid("bad"), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", {"field": "bundle"}),
    (NoStateDirectory(), grpc.StatusCode.FAILED_PRECONDITION, "NOT_STORED", {}),
    (StorageFailed("disk full"), grpc.StatusCode.UNAVAILABLE, "NOT_STORED", {}),
    (KeyError("secret detail"), grpc.StatusCode.INTERNAL, "INTERNAL", {}),
]


def _info(message: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert message.details[0].Unpack(info)
    return info


def _bad_request(message: status_pb2.Status) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    assert message.details[1].Unpack(bad)
    return bad


@pytest.mark.parametrize(("error", "code", "reason", "metadata"), CASES, ids=lambda case: type(case).__name__)
def test_each_error_has_its_row(error: Exception, code: grpc.StatusCode, reason: str, metadata: dict[str, str]) -> None:
    message = status.to_status(error)
    assert message.code == code.value[0]
    assert status.code_of(error) is code
    info = _info(message)
    assert (info.reason, info.domain, dict(info.metadata)) == (reason, "fleetgate.dev", metadata)
    assert review_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}") > 0
    assert "secret detail" not in message.message


def test_every_error_of_the_engine_has_a_case() -> None:
    """A new exception class must be placed in the table on purpose."""
    classes = {value for value in vars(engine).values() if isinstance(value, type) and issubclass(value, Exception)}
    # Of queries and of connections to clusters: no method of ours asks for either.
    classes -= {engine.RegoError, engine.DialError, engine.WriteError}
    covered = {type(error) for error, *_ in CASES}
    assert classes - covered == {engine.EngineError}
    assert classes <= set(status.TABLE)


def test_a_refused_bundle_lists_each_place() -> None:
    second = engine.Diagnostic("yaml", "tabs", "c.yaml")
    violations = _bad_request(status.to_status(engine.PolicyError((DIAGNOSTIC, second)))).field_violations
    assert [violation.field for violation in violations] == ["a/b.yaml:12:7:spec.targets[0].rego", "c.yaml"]
    assert violations[0].description == "unexpected token [rego.parse]"


def test_a_status_stays_small_enough_for_headers() -> None:
    many = tuple(engine.Diagnostic("c", "x" * 1000, f"{'d' * 200}/{n}.yaml", n, 1) for n in range(500))
    message = status.to_status(engine.PolicyError(many))
    assert message.ByteSize() < 8 * 1024
    assert len(_bad_request(message).field_violations) > 5
    assert _info(message).metadata["errors"] == "500"


def test_an_overload_says_when_to_come_back() -> None:
    retry = error_details_pb2.RetryInfo()
    assert status.to_status(engine.Overloaded(0.25)).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 250
