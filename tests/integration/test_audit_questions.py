"""What-if and explanations by a real process: their answers are the core's, their place is with the other streams."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc, policy_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.serving import TIMEOUT, Serve, question
from tests.support.stored_inventory import pods, store


@pytest.fixture
def stub(serve: Serve, labels: Path, tmp_path: Path) -> audit_pb2_grpc.AuditServiceStub:
    """Three Pods in `west` without owner and team; in `east` two with an owner."""
    store(tmp_path / "state", {"west": pods(3), "east": pods(2, owner="me")})
    server = serve(f"--policies={labels}", f"--state-directory={tmp_path / 'state'}")
    return audit_pb2_grpc.AuditServiceStub(server.channel)


def _proposed(labels: Path, owner: str) -> audit_pb2.WhatIfRequest:
    content = (labels / "labels.yaml").read_text().replace('labels: ["owner"]', f"labels: {owner}")
    return audit_pb2.WhatIfRequest(files=[policy_pb2.PolicyFile(path="labels.yaml", content=content.encode())])


def test_what_if_other_policies_were_published(stub: audit_pb2_grpc.AuditServiceStub, labels: Path) -> None:
    messages = list(stub.WhatIf(_proposed(labels, '["tier"]'), timeout=TIMEOUT))
    assert messages[0].HasField("started")
    newly, still = Counter[str](), Counter[str]()
    for one in messages[-1].summary.counts:
        newly[one.cluster] += one.newly_denied
        still[one.cluster] += one.still_denied
    assert (newly["west"], newly["east"], still["west"], still["east"]) == (0, 2, 3, 0)
    found = [one for message in messages for one in message.findings.findings]
    denied = [one for one in found if one.allowed_before and not one.allowed_after]
    assert {one.object.cluster for one in denied} == {"east"}
    assert {violation.message for one in denied for violation in one.violations} >= {"label tier is missing"}


def test_what_if_objects_were_written(stub: audit_pb2_grpc.AuditServiceStub) -> None:
    pod = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"new","namespace":"shop"},"spec":{"containers":[]}}'
    messages = list(stub.WhatIf(audit_pb2.WhatIfRequest(objects=[pod]), timeout=TIMEOUT))
    found = [one for message in messages for one in message.findings.findings]
    assert {(one.object.cluster, one.object.name, one.allowed_after) for one in found} == {
        ("west", "new", False),
        ("east", "new", False),
    }


def test_policies_that_are_none_are_refused_with_their_place(
    stub: audit_pb2_grpc.AuditServiceStub, labels: Path
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        list(stub.WhatIf(_proposed(labels, "7"), timeout=TIMEOUT))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(refused.value)
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field.startswith("labels.yaml:")


def test_a_cached_object_and_a_review_are_explained(stub: audit_pb2_grpc.AuditServiceStub) -> None:
    cached = audit_pb2.CachedObject(cluster="west", kind="pods", namespace="shop", name="shop-00000")
    for asked in (audit_pb2.ExplainRequest(cached=cached), audit_pb2.ExplainRequest(review=question(cluster="west"))):
        answer = stub.Explain(asked, timeout=TIMEOUT)
        said = {one.message for one in answer.decision.violations}
        assert said == {"label owner is missing", "label team is missing"}
        assert {one.constraint_name for one in answer.explanation.constraints} == {"owner", "team"}
    missing = audit_pb2.CachedObject(cluster="west", kind="pods", namespace="shop", name="nobody")
    with pytest.raises(grpc.RpcError) as refused:
        stub.Explain(audit_pb2.ExplainRequest(cached=missing), timeout=TIMEOUT)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
