"""Every RPC of every service, called by every role over real mutual TLS: the table is what happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from fleetgate.transport.roles import METHODS
from fleetgate_proto.v1 import audit_pb2, inventory_pb2, policy_pb2, review_pb2, server_info_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from tests.support.certificates import Authority
from tests.support.serving import DATA, TIMEOUT, TRUST_DOMAIN, Server, question, secure_channel, serving, tls_flags

FILES = (review_pb2, policy_pb2, inventory_pb2, audit_pb2, server_info_pb2, health_pb2, reflection_pb2)
RPCS = sorted(
    f"/{service.full_name}/{method.name}"
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
CALLERS = {
    "cluster/webhook": f"spiffe://{TRUST_DOMAIN}/cluster/eu-1/webhook",
    "cluster/sync": f"spiffe://{TRUST_DOMAIN}/cluster/eu-1/sync",
    "cluster/reader": f"spiffe://{TRUST_DOMAIN}/cluster/eu-1/reader",
    "cluster/admin": f"spiffe://{TRUST_DOMAIN}/cluster/eu-1/admin",
    "fleet/reader": f"spiffe://{TRUST_DOMAIN}/fleet/reader",
    "fleet/audit": f"spiffe://{TRUST_DOMAIN}/fleet/audit",
    "fleet/admin": f"spiffe://{TRUST_DOMAIN}/fleet/admin",
    "fleet/webhook": f"spiffe://{TRUST_DOMAIN}/fleet/webhook",
}
EXPECTED = {
    "ReviewService": {"cluster/webhook"},
    "ApplyPolicies": {"fleet/admin"},
    "PolicyService": {"cluster/reader", "fleet/reader", "fleet/audit", "fleet/admin"},
    "InventoryService": {"cluster/reader", "fleet/reader", "fleet/audit", "fleet/admin"},
    "AuditService": {"cluster/reader", "fleet/reader", "fleet/audit", "fleet/admin"},
    "ServerInfoService": set(CALLERS) - {"cluster/admin", "fleet/webhook"},
    "ServerReflection": {"fleet/reader", "fleet/admin"},
    "Health": set(CALLERS),
}
"""Written down apart from the table in the code, so that a slip there shows here."""


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    admin = authority.issue("role-admin", hosts=(), spiffe_id=CALLERS["fleet/admin"])
    directory = tmp_path_factory.mktemp("roles")
    arguments = [*tls_flags(authority, authority.issue("roles-serving")), f"--policies={DATA / 'labels'}"]
    with serving(directory, *arguments, channel=lambda port: secure_channel(port, authority, admin)) as running:
        yield running


@pytest.fixture(scope="module")
def channels(server: Server, authority: Authority) -> Iterator[dict[str, grpc.Channel]]:
    with ExitStack() as stack:
        found = {}
        for name, uri in CALLERS.items():
            pair = authority.issue(name.replace("/", "-"), hosts=(), spiffe_id=uri)
            found[name] = stack.enter_context(secure_channel(server.port, authority, pair))
        yield found


def _request(path: str) -> Message:
    special = {
        "Review": question(cluster=""),
        "BatchReview": review_pb2.BatchReviewRequest(requests=[question(cluster="")]),
        "ApplyPolicies": policy_pb2.ApplyPoliciesRequest(bundle="x", dry_run=True),
        "QueryInventory": inventory_pb2.QueryInventoryRequest(kind="Pod"),
        "Explain": audit_pb2.ExplainRequest(review=question(cluster="")),
        "WhatIf": audit_pb2.WhatIfRequest(objects=[b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}']),
        "ServerReflectionInfo": reflection_pb2.ServerReflectionRequest(list_services=""),
    }
    return special.get(path.rpartition("/")[2], health_pb2.HealthCheckRequest())


def _call(channel: grpc.Channel, path: str) -> None:
    """Call by path with raw bytes; a stream's first answer is enough."""
    request = _request(path).SerializeToString()
    if path.endswith("/ServerReflectionInfo"):
        next(channel.stream_stream(path, _registered_method=True)(iter([request]), timeout=TIMEOUT))
    elif path.endswith(("/Watch", "/RunAudit", "/WatchAudit", "/WhatIf")):
        stream = channel.unary_stream(path, _registered_method=True)(request, timeout=TIMEOUT)
        next(stream)
        stream.cancel()
    else:
        channel.unary_unary(path, _registered_method=True)(request, timeout=TIMEOUT)


def _reason(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code(), info.reason, dict(info.metadata)


def _allowed(path: str) -> set[str]:
    _, service, method = path.split("/")
    return EXPECTED.get(method) or EXPECTED[service.rpartition(".")[2]]


@pytest.mark.parametrize("role", CALLERS)
@pytest.mark.parametrize("path", RPCS)
def test_each_role_on_each_method(channels: dict[str, grpc.Channel], path: str, role: str) -> None:
    if role in _allowed(path):
        _call(channels[role], path)
        return
    with pytest.raises(grpc.RpcError) as refused:
        _call(channels[role], path)
    assert _reason(refused.value) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "ROLE_FORBIDDEN",
        {"method": path, "role": role},
    )


def test_every_method_that_is_served_was_called(server: Server) -> None:
    assert set(RPCS) == set(METHODS)
    stream = server.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        _registered_method=True,
    )
    ask = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    (answer,) = stream(iter([ask]), timeout=TIMEOUT)
    served = {service.name for service in answer.list_services_response.service}
    assert served == {path.split("/")[1] for path in RPCS}


@pytest.mark.parametrize(
    "names",
    [[], [CALLERS["fleet/admin"], CALLERS["fleet/reader"]], ["https://example.com/fleet/admin"]],
    ids=["none", "several", "malformed"],
)
def test_certificates_that_name_nobody(server: Server, tmp_path: Path, authority: Authority, names: list[str]) -> None:
    pair = authority.issue("nobody", hosts=("nobody.example",), uris=tuple(names))
    with secure_channel(server.port, authority, pair) as channel:
        for path in ("/fleetgate.v1.ReviewService/Review", "/fleetgate.v1.ServerInfoService/GetServerInfo"):
            with pytest.raises(grpc.RpcError) as refused:
                _call(channel, path)
            assert _reason(refused.value)[:2] == (grpc.StatusCode.UNAUTHENTICATED, "IDENTITY_INVALID")
        _call(channel, "/grpc.health.v1.Health/Check")


def test_another_cluster_than_the_certificates_is_refused(channels: dict[str, grpc.Channel]) -> None:
    call = channels["cluster/webhook"].unary_unary("/fleetgate.v1.ReviewService/Review", _registered_method=True)
    with pytest.raises(grpc.RpcError) as refused:
        call(question(cluster="us-1").SerializeToString(), timeout=TIMEOUT)
    assert _reason(refused.value) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "CLUSTER_MISMATCH",
        {"certificate_cluster": "eu-1", "request_cluster": "us-1"},
    )


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListClusters", inventory_pb2.ListClustersRequest(clusters=["us-1"])),
        ("QueryInventory", inventory_pb2.QueryInventoryRequest(kind="Pod", clusters=["eu-1", "us-1"])),
    ],
)
def test_another_clusters_inventory_is_refused(
    channels: dict[str, grpc.Channel], method: str, request_: Message
) -> None:
    path = f"/fleetgate.v1.InventoryService/{method}"
    call = channels["cluster/reader"].unary_unary(path, _registered_method=True)
    with pytest.raises(grpc.RpcError) as refused:
        call(request_.SerializeToString(), timeout=TIMEOUT)
    assert _reason(refused.value) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "CLUSTER_MISMATCH",
        {"certificate_cluster": "eu-1", "request_cluster": "us-1"},
    )
    with pytest.raises(grpc.RpcError) as refused:
        call(b"\xff", timeout=TIMEOUT)
    assert _reason(refused.value)[:2] == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    channels["fleet/reader"].unary_unary(path, _registered_method=True)(request_.SerializeToString(), timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("RunAudit", audit_pb2.RunAuditRequest(scope=audit_pb2.AuditScope(clusters=["us-1"]))),
        ("WatchAudit", audit_pb2.WatchAuditRequest(scope=audit_pb2.AuditScope(clusters=["eu-1", "us-1"]))),
        ("WhatIf", audit_pb2.WhatIfRequest(scope=audit_pb2.AuditScope(clusters=["us-1"]))),
        ("GetAuditSummary", audit_pb2.GetAuditSummaryRequest(scope=audit_pb2.AuditScope(clusters=["us-1"]))),
        ("ListViolationChanges", audit_pb2.ListViolationChangesRequest(scope=audit_pb2.AuditScope(clusters=["us-1"]))),
        ("Explain", audit_pb2.ExplainRequest(cached=audit_pb2.CachedObject(cluster="us-1", kind="Pod", name="x"))),
        ("Explain", audit_pb2.ExplainRequest(review=question(cluster="us-1"))),
    ],
)
def test_another_clusters_audit_is_refused(channels: dict[str, grpc.Channel], method: str, request_: Message) -> None:
    path = f"/fleetgate.v1.AuditService/{method}"
    channel = channels["cluster/reader"]

    def ask(encoded: bytes) -> None:
        if method in {"RunAudit", "WatchAudit", "WhatIf"}:
            list(channel.unary_stream(path, _registered_method=True)(encoded, timeout=TIMEOUT))
        else:
            channel.unary_unary(path, _registered_method=True)(encoded, timeout=TIMEOUT)

    for encoded, expected in (
        (request_.SerializeToString(), (grpc.StatusCode.PERMISSION_DENIED, "CLUSTER_MISMATCH")),
        (b"\xff", (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            ask(encoded)
        assert _reason(refused.value)[:2] == expected


def test_refusals_are_told_once_in_a_while(server: Server, channels: dict[str, grpc.Channel]) -> None:
    """Default logging; each of many equal refusals would be a way to fill the log."""

    def told(cause: str) -> list[dict[str, object]]:
        return [line for line in server.log_lines() if cause in str(line["message"])]

    review, apply = "/fleetgate.v1.ReviewService/Review", "/fleetgate.v1.PolicyService/ApplyPolicies"
    for _ in range(20):
        for role, path in (("cluster/sync", review), ("fleet/audit", apply)):
            with pytest.raises(grpc.RpcError):
                _call(channels[role], path)
    for role, path in (("cluster/sync", review), ("fleet/audit", apply)):
        lines = told(f"role {role!r} may not call {path}")
        assert 1 <= len(lines) <= 10, lines
        assert lines[0]["level"] == "warning"
        assert lines[0]["method"] == path[1:]
        assert str(lines[0]["peer"]).startswith("ipv4:127.0.0.1:")
    with pytest.raises(grpc.RpcError):
        channels["cluster/webhook"].unary_unary(review, _registered_method=True)(
            question(cluster="us-2").SerializeToString(), timeout=TIMEOUT
        )
    assert told("us-2")
