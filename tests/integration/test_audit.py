"""AuditService of a real process: runs, what is followed, what is kept, and what never holds up a review."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc, policy_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.scripted_feeds import eventually
from tests.support.serving import TIMEOUT, Serve, Server, question
from tests.support.stored_inventory import pods, store

NEW = audit_pb2.ViolationChange.DIRECTION_NEW
FIXED = audit_pb2.ViolationChange.DIRECTION_FIXED
FEW = {"west": pods(3), "east": [*pods(2, owner="me"), *pods(1, namespace="bank")]}
"""All Pods lack `team`; those without `owner` lack that as well: 3 + 3 and 1 + 3 violations."""

Audits = Callable[..., tuple[Server, audit_pb2_grpc.AuditServiceStub]]


@pytest.fixture
def audits(serve: Serve, labels: Path, tmp_path: Path) -> Audits:
    """Starts a service over the clusters that `state` holds."""

    def start(*arguments: str) -> tuple[Server, audit_pb2_grpc.AuditServiceStub]:
        server = serve(f"--policies={labels}", f"--state-directory={tmp_path / 'state'}", *arguments)
        return server, audit_pb2_grpc.AuditServiceStub(server.channel)

    return start


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with FEW in it."""
    store(tmp_path / "state", FEW, stage="prod")
    return tmp_path / "state"


def _violations(messages: list[audit_pb2.RunAuditResponse]) -> Counter[tuple[str, str, str]]:
    return Counter(
        (one.object.cluster, one.object.name, one.violation.constraint_name)
        for message in messages
        for one in message.findings.violations
    )


def _run(
    stub: audit_pb2_grpc.AuditServiceStub, **scope: object
) -> tuple[Counter[tuple[str, str, str]], audit_pb2.AuditSummary]:
    request = audit_pb2.RunAuditRequest(scope=audit_pb2.AuditScope(**scope))
    messages = list(stub.RunAudit(request, timeout=TIMEOUT))
    assert messages[0].HasField("started")
    assert messages[-1].HasField("summary")
    return _violations(messages), messages[-1].summary


def _followed(
    stub: audit_pb2_grpc.AuditServiceStub, **scope: object
) -> tuple[list[audit_pb2.AuditViolation], audit_pb2.AuditSummary, Iterator[audit_pb2.WatchAuditResponse]]:
    """What is violated when a watch begins, how things stand then, and the rest of the watch."""
    watch = stub.WatchAudit(audit_pb2.WatchAuditRequest(scope=audit_pb2.AuditScope(**scope)), timeout=4 * TIMEOUT)
    existing: list[audit_pb2.AuditViolation] = []
    for message in watch:
        existing += message.existing.violations
        if message.HasField("synced"):
            return existing, message.synced, watch
    raise AssertionError("it ended")


def _changes(stub: audit_pb2_grpc.AuditServiceStub, **scope: object) -> list[audit_pb2.ViolationChange]:
    request = audit_pb2.ListViolationChangesRequest(scope=audit_pb2.AuditScope(**scope))
    return list(stub.ListViolationChanges(request, timeout=TIMEOUT).changes)


def _settled(stub: audit_pb2_grpc.AuditServiceStub, changes: int) -> list[audit_pb2.ViolationChange]:
    """Wait until the history has so many changes."""
    return eventually(lambda: found if len(found := _changes(stub)) == changes else None, TIMEOUT)


def _reason(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code(), info.reason


@pytest.mark.usefixtures("state")
def test_a_run(audits: Audits) -> None:
    _, stub = audits("--audit-interval-seconds=0")
    found, summary = _run(stub)
    assert sum(found.values()) == 10
    assert found["west", "shop-00000", "owner"] == 1
    assert {(one.cluster, one.complete) for one in summary.clusters} == {("west", False), ("east", False)}
    assert all(one.reason for one in summary.clusters), "they were restored, and nobody follows them"
    counts = {(one.cluster, one.constraint_name): one.violations for one in summary.constraints}
    assert counts == {("west", "owner"): 3, ("west", "team"): 3, ("east", "owner"): 1, ("east", "team"): 3}


@pytest.mark.usefixtures("state")
def test_a_run_over_a_part_is_not_kept(audits: Audits) -> None:
    _, stub = audits("--audit-interval-seconds=0")
    found, _ = _run(stub, clusters=["east"], namespaces=["bank"])
    assert sum(found.values()) == 2
    found, _ = _run(stub, constraints=["K8sLabels/owner"], cluster_selector="stage=prod")
    assert sum(found.values()) == 4
    request = audit_pb2.ListAuditRunsRequest()
    assert not stub.ListAuditRuns(request, timeout=TIMEOUT).runs
    _, whole = _run(stub)
    assert [one.run_id for one in stub.ListAuditRuns(request, timeout=TIMEOUT).runs] == [whole.run_id]
    assert not any(one.HasField("violations_before") for one in whole.constraints)
    _, again = _run(stub)
    assert all(one.violations_before == one.violations for one in again.constraints)


@pytest.mark.usefixtures("state")
def test_a_watch_tells_what_there_is_and_what_comes_and_goes(audits: Audits, labels: Path) -> None:
    server, stub = audits("--reload-debounce-ms=1")
    existing, summary, watch = _followed(stub)
    _, narrow_summary, narrow = _followed(stub, clusters=["east"])
    assert len(existing) == 10
    assert all(one.HasField("first_seen") for one in existing)
    assert sum(one.violations for one in summary.constraints) == 10
    assert sum(one.violations for one in narrow_summary.constraints) == 4

    file = labels / "labels.yaml"
    file.write_text(file.read_text().replace('labels: ["owner"]', 'labels: ["tier"]'))
    told = [change for _ in range(1) for change in next(watch).changes.changes]
    while len(told) < 9:
        told += next(watch).changes.changes
    went = [one for one in told if one.direction == FIXED]
    came = [one for one in told if one.direction == NEW]
    assert {one.violation.violation.message for one in went} == {"label owner is missing"}
    assert {one.violation.violation.message for one in came} == {"label tier is missing"}
    assert (len(went), len(came)) == (4, 6)
    assert all(one.violation.HasField("first_seen") for one in told)
    assert {one.violation.object.cluster for one in next(narrow).changes.changes} == {"east"}
    assert [one.direction for one in _settled(stub, 20)].count(FIXED) == 4
    now = stub.GetAuditSummary(audit_pb2.GetAuditSummaryRequest(), timeout=TIMEOUT).summary
    assert sum(one.violations for one in now.constraints) == 12
    assert server.generation().number == now.policy_generation.number


@pytest.mark.usefixtures("state")
def test_a_restart_makes_nothing_new(audits: Audits, labels: Path) -> None:
    server, stub = audits()
    before = _settled(stub, 10)
    server.process.stop()
    _, stub = audits()
    existing, _, _ = _followed(stub)
    first = {one.violation.object.name: one.violation.first_seen for one in before}
    assert all(one.first_seen == first[one.object.name] for one in existing)
    assert all(one.last_seen.ToMicroseconds() > one.first_seen.ToMicroseconds() for one in existing)
    assert _changes(stub) == before


@pytest.mark.usefixtures("state")
def test_questions_to_the_history(audits: Audits) -> None:
    _, stub = audits()
    _settled(stub, 10)
    assert len(_changes(stub, clusters=["west"])) == 6
    assert len(_changes(stub, clusters=["nowhere"])) == 0
    assert len(_changes(stub, cluster_selector="stage=prod", kinds=["pods"], namespaces=["bank"])) == 2
    pages, token = [], ""
    while True:
        request = audit_pb2.ListViolationChangesRequest(page_size=4, page_token=token)
        response = stub.ListViolationChanges(request, timeout=TIMEOUT)
        pages.append(len(response.changes))
        token = response.next_page_token
        if not token:
            break
    assert pages == [4, 4, 2]
    later = audit_pb2.ListViolationChangesRequest(since=Timestamp(seconds=round(time.time()) + 60))
    assert not stub.ListViolationChanges(later, timeout=TIMEOUT).changes
    for wrong in (
        audit_pb2.ListViolationChangesRequest(page_token="x"),
        audit_pb2.ListViolationChangesRequest(since=Timestamp(seconds=2**62)),
        audit_pb2.ListViolationChangesRequest(scope=audit_pb2.AuditScope(cluster_selector="a in")),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListViolationChanges(wrong, timeout=TIMEOUT)
        assert _reason(refused.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


@pytest.mark.usefixtures("state")
def test_reviews_are_answered_while_as_many_audits_as_may_be_stream(audits: Audits) -> None:
    server, stub = audits("--audit-streams=3", "--review-threads=1", "--metrics-clusters=west")
    watches = [_followed(stub)[2] for _ in range(3)]
    for call in (
        lambda: list(stub.RunAudit(audit_pb2.RunAuditRequest(), timeout=TIMEOUT)),
        lambda: next(stub.WatchAudit(audit_pb2.WatchAuditRequest(), timeout=TIMEOUT)),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert _reason(refused.value) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        status = rpc_status.from_call(refused.value)
        retry = error_details_pb2.RetryInfo()
        assert status is not None
        assert status.details[1].Unpack(retry)
        assert retry.retry_delay.seconds > 0
    for _ in range(20):
        server.review.Review(question(), timeout=1.0)
    stub.GetAuditSummary(audit_pb2.GetAuditSummaryRequest(), timeout=1.0)
    assert "fleetgate_audit_streams 3.0" in server.get("/metrics")[1]
    # Whoever goes away makes room.
    watches[0].cancel()  # type: ignore[attr-defined]
    eventually(lambda: "fleetgate_audit_streams 2.0" in server.get("/metrics")[1])
    assert sum(_run(stub)[0].values()) == 10


@pytest.mark.usefixtures("state")
def test_a_deadline_ends_a_watch_and_gives_its_place_back(audits: Audits) -> None:
    server, stub = audits("--audit-streams=1")
    with pytest.raises(grpc.RpcError) as ended:
        list(stub.WatchAudit(audit_pb2.WatchAuditRequest(), timeout=1.0))
    assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: "fleetgate_audit_streams 0.0" in server.get("/metrics")[1])


@pytest.mark.usefixtures("state")
def test_a_watch_ends_when_the_service_does(audits: Audits) -> None:
    server, stub = audits()
    _, _, watch = _followed(stub)
    os.kill(server.process.pid, signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as ended:
        list(watch)
    assert _reason(ended.value) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE")
    assert server.process.wait() == 0


@pytest.mark.usefixtures("state")
def test_without_a_continuous_audit_there_is_none_to_ask(audits: Audits) -> None:
    _, stub = audits("--audit-interval-seconds=0")
    for call in (
        lambda: stub.GetAuditSummary(audit_pb2.GetAuditSummaryRequest(), timeout=TIMEOUT),
        lambda: next(stub.WatchAudit(audit_pb2.WatchAuditRequest(), timeout=TIMEOUT)),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert _reason(refused.value) == (grpc.StatusCode.FAILED_PRECONDITION, "AUDIT_UNAVAILABLE")
    assert _changes(stub) == []


@pytest.mark.usefixtures("state")
def test_metrics_and_log_are_gatekeepers(audits: Audits, labels: Path) -> None:
    server, stub = audits("--log-audit", "--log-level=debug", "--metrics-clusters=west", "--audit-interval-seconds=1")
    _settled(stub, 10)
    eventually(
        lambda: 'gatekeeper_violations{cluster="west",enforcement_action="deny"} 3.0' in server.get("/metrics")[1]
    )
    text = server.get("/metrics")[1]
    assert 'gatekeeper_violations{cluster="other",enforcement_action="warn"} 3.0' in text
    for name in ("gatekeeper_audit_last_run_time", "gatekeeper_audit_last_run_end_time"):
        value = next(line for line in text.splitlines() if line.startswith(f"{name} "))
        assert abs(float(value.split()[1]) - time.time()) < 30
    events = {"audit_started", "audit_finished", "constraint_audited", "violation_audited"}
    eventually(lambda: events <= {one.get("event_type") for one in server.log_lines()})
    lines = server.log_lines()
    violations = [one for one in lines if one.get("event_type") == "violation_audited"]
    assert len(violations) == 10
    assert violations[0]["process"] == "audit"
    one = next(one for one in violations if one["resource_name"] == "bank-00000" and one["constraint_name"] == "team")
    assert {name: one[name] for name in one if name not in {"time", "level", "logger", "audit_id"}} == {
        "message": "label team is missing",
        "process": "audit",
        "event_type": "violation_audited",
        "cluster": "east",
        "constraint_group": "constraints.gatekeeper.sh",
        "constraint_api_version": "v1beta1",
        "constraint_kind": "K8sLabels",
        "constraint_name": "team",
        "constraint_namespace": "",
        "constraint_action": "warn",
        "constraint_enforcement_actions": [],
        "resource_group": "",
        "resource_api_version": "v1",
        "resource_kind": "Pod",
        "resource_namespace": "bank",
        "resource_name": "bank-00000",
        "details": {"missing": "team"},
    }


def test_policies_that_are_applied_are_audited_and_their_end_too(audits: Audits, state: Path, labels: Path) -> None:
    server, stub = audits()
    _settled(stub, 10)
    content = (
        (labels / "labels.yaml").read_bytes().replace(b"K8sLabels", b"K8sOther").replace(b"k8slabels", b"k8sother")
    )
    file = policy_pb2.PolicyFile(path="other.yaml", content=content)
    server.policy.ApplyPolicies(policy_pb2.ApplyPoliciesRequest(bundle="other", files=[file]), timeout=TIMEOUT)
    assert {one.violation.violation.constraint_kind for one in _settled(stub, 20)} == {"K8sLabels", "K8sOther"}
    server.policy.ApplyPolicies(policy_pb2.ApplyPoliciesRequest(bundle="other"), timeout=TIMEOUT)
    newest = _settled(stub, 30)[:10]
    assert {(one.direction, one.violation.violation.constraint_kind) for one in newest} == {(FIXED, "K8sOther")}


def test_a_history_that_cannot_be_opened_is_no_reason_not_to_review(serve: Serve, labels: Path, tmp_path: Path) -> None:
    server = serve(f"--policies={labels}", f"--audit-database=postgresql://nobody@/x?host={tmp_path}")
    server.review.Review(question(), timeout=TIMEOUT)
    stub = audit_pb2_grpc.AuditServiceStub(server.channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ListAuditRuns(audit_pb2.ListAuditRunsRequest(), timeout=2 * TIMEOUT)
    assert _reason(refused.value) == (grpc.StatusCode.UNAVAILABLE, "AUDIT_UNAVAILABLE")
    assert _run(stub)[1].objects == 0
