"""Audits through the native module: messages in order, cancelled and bounded in time, continuous ones too."""

from __future__ import annotations

import json
import threading
import time

import pytest
from fleetgate.engine import AuditRun, ContinuousAudit, DeadlineExceeded, Engine, InvalidRequest
from fleetgate_proto.v1 import audit_pb2

POLICIES = [
    {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "named"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Named"}}},
            "targets": [
                {
                    "target": "admission.k8s.gatekeeper.sh",
                    "rego": 'package p\nviolation[{"msg": input.review.object.metadata.name}] { true }',
                }
            ],
        },
    },
    {"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Named", "metadata": {"name": "all"}},
]


def _pod(number: int) -> bytes:
    metadata = {"name": f"p{number:05}", "namespace": "n"}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}).encode()


def _engine(pods: int) -> Engine:
    engine = Engine(contexts=2)
    engine.apply_bundle("b", [(f"{at}.json", json.dumps(one).encode()) for at, one in enumerate(POLICIES)])
    engine.replace_inventory("c", [_pod(number) for number in range(pods)])
    return engine


def _read(run: AuditRun) -> list[audit_pb2.RunAuditResponse]:
    messages = []
    while not run.finished:
        messages += [audit_pb2.RunAuditResponse.FromString(message) for message in run.next(10.0)]
    return messages


def test_a_run_starts_says_what_it_finds_and_sums_up() -> None:
    request = audit_pb2.RunAuditRequest(batch_size=100).SerializeToString()
    messages = _read(_engine(1_000).start_audit(request))
    assert [messages[0].WhichOneof("message"), messages[-1].WhichOneof("message")] == ["started", "summary"]
    found = [one.object.name for message in messages for one in message.findings.violations]
    assert found == [f"p{number:05}" for number in range(1_000)]
    assert max(len(message.findings.violations) for message in messages) == 100
    summary = messages[-1].summary
    assert (summary.objects, summary.run_id) == (1_000, messages[0].started.run_id)
    assert [(one.matched, one.violations) for one in summary.constraints] == [(1_000, 1_000)]


def test_requests_that_cannot_be_run_are_refused() -> None:
    engine = _engine(1)
    with pytest.raises(InvalidRequest):
        engine.start_audit(b"\xff")
    scope = audit_pb2.AuditScope(cluster_selector="a b")
    with pytest.raises(InvalidRequest) as refused:
        engine.start_audit(audit_pb2.RunAuditRequest(scope=scope).SerializeToString())
    assert refused.value.field == "scope.cluster_selector"
    with pytest.raises(DeadlineExceeded):
        engine.start_audit(b"", timeout_seconds=0.0)


def test_a_reader_that_waits_is_woken_by_a_cancellation() -> None:
    run = _engine(20_000).start_audit(audit_pb2.RunAuditRequest(batch_size=1).SerializeToString())
    time.sleep(0.05)
    threading.Timer(0.1, run.cancel).start()
    while not run.finished:
        run.next(60.0)
    assert run.next(0.0) == []


def test_what_is_known_follows_what_changes() -> None:
    engine = _engine(3)
    audit = ContinuousAudit(engine)
    assert audit.summary() == b""
    changes = _changes(audit)
    assert [(one.direction, one.violation.object.name) for one in changes] == [(1, f"p{at:05}") for at in range(3)]
    assert audit.step(0.0) == []
    engine.replace_inventory("c", [_pod(1), _pod(7)])
    changes = _changes(audit)
    assert sorted((one.direction, one.violation.object.name) for one in changes) == [
        (audit_pb2.ViolationChange.DIRECTION_NEW, "p00007"),
        (audit_pb2.ViolationChange.DIRECTION_FIXED, "p00000"),
        (audit_pb2.ViolationChange.DIRECTION_FIXED, "p00002"),
    ]
    summary = audit_pb2.AuditSummary.FromString(audit.summary())
    assert [(one.matched, one.violations) for one in summary.constraints] == [(2, 2)]
    listing = audit.violations()
    names = []
    while not listing.finished:
        for batch in listing.next():
            names += [one.object.name for one in audit_pb2.AuditFindings.FromString(batch).violations]
    assert names == ["p00001", "p00007"]
    scope = audit_pb2.AuditScope(constraints=["Other"]).SerializeToString()
    assert audit.violations(scope).finished
    with pytest.raises(InvalidRequest):
        audit.violations(b"\xff")


def _changes(audit: ContinuousAudit) -> list[audit_pb2.ViolationChange]:
    messages = audit.step(10.0)
    return [one for message in messages for one in audit_pb2.ViolationChanges.FromString(message).changes]
