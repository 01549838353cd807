"""kill -9 of the service at any moment of a run: the next is complete and equal, nothing half-written is shown."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc

from tests.support.scripted_feeds import eventually
from tests.support.serving import TIMEOUT, Serve
from tests.support.stored_inventory import pods, store

NEW = audit_pb2.ViolationChange.DIRECTION_NEW
KILLS = int(os.environ.get("AUDIT_KILLS", "5"))
"""`make endure` kills more often."""

pytestmark = pytest.mark.timeout(120 + 20 * KILLS)

Found = Counter[tuple[str, str, str]]


def test_killed_at_any_moment_the_next_run_is_complete_and_equal(labels: Path, tmp_path: Path, serve: Serve) -> None:
    store(tmp_path / "state", {"west": pods(1500), "east": pods(500, owner="me")})
    arguments = f"--policies={labels}", f"--state-directory={tmp_path / 'state'}"
    moments = random.Random(20261130)
    expected, kept = Found(), dict[str, bytes]()
    for _ in range(KILLS):
        server = serve(*arguments)
        stub = audit_pb2_grpc.AuditServiceStub(server.channel)
        found, summary = _run(stub)
        expected = expected or found
        assert found == expected
        assert summary.objects == 2000
        for run in _all_runs(stub):
            assert sum(one.violations for one in run.constraints) == expected.total()
            encoded = run.SerializeToString(deterministic=True)
            assert kept.setdefault(run.run_id, encoded) == encoded
        _kill_in_a_run(stub, server.process.pid, moments.random() * 0.3)
        server.process.wait()
    server = serve(*arguments)
    stub = audit_pb2_grpc.AuditServiceStub(server.channel)
    assert _run(stub)[0] == expected
    assert {one.run_id for one in _all_runs(stub)} > set(kept)
    # However often it was killed while it wrote: each violation came once, and none went.
    told = eventually(lambda: found if len(found := _all_changes(stub)) >= expected.total() else None)
    assert Counter(one.direction for one in told) == {NEW: expected.total()}
    assert _found(one.violation for one in told) == expected


def _kill_in_a_run(stub: audit_pb2_grpc.AuditServiceStub, pid: int, delay: float) -> None:
    began = threading.Event()

    def follow() -> None:
        with suppress(grpc.RpcError):
            for _ in stub.RunAudit(audit_pb2.RunAuditRequest(batch_size=10), timeout=TIMEOUT):
                began.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert began.wait(TIMEOUT)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    thread.join()


def _run(stub: audit_pb2_grpc.AuditServiceStub) -> tuple[Found, audit_pb2.AuditSummary]:
    messages = list(stub.RunAudit(audit_pb2.RunAuditRequest(), timeout=4 * TIMEOUT))
    return _found(one for message in messages for one in message.findings.violations), messages[-1].summary


def _found(violations: Iterable[audit_pb2.AuditViolation]) -> Found:
    return Counter((one.object.cluster, one.object.name, one.violation.constraint_name) for one in violations)


def _all_runs(stub: audit_pb2_grpc.AuditServiceStub) -> list[audit_pb2.AuditSummary]:
    return list(stub.ListAuditRuns(audit_pb2.ListAuditRunsRequest(page_size=1000), timeout=TIMEOUT).runs)


def _all_changes(stub: audit_pb2_grpc.AuditServiceStub) -> list[audit_pb2.ViolationChange]:
    found: list[audit_pb2.ViolationChange] = []
    token = ""
    while True:
        request = audit_pb2.ListViolationChangesRequest(page_size=5000, page_token=token)
        response = stub.ListViolationChanges(request, timeout=TIMEOUT)
        found += response.changes
        token = response.next_page_token
        if not token:
            return found
