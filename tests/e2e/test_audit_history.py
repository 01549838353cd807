"""The history of a real service on PostgreSQL: the same answers as on SQLite, and one of two replicas writes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc

from tests.support.postgresql import PostgreSql, running_postgresql
from tests.support.scripted_feeds import eventually
from tests.support.serving import DATA, TIMEOUT, Server, serving
from tests.support.stored_inventory import pods, store

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SETTLE_S = 60
CLUSTERS = {"west": pods(30), "east": [*pods(20, owner="me"), *pods(3, namespace="bank")]}
VIOLATIONS = 2 * 30 + 20 + 2 * 3
"""Of the policies `labels`: `owner` and `team` are missing."""
OWNERLESS = 30 + 3
CHANGED = VIOLATIONS + OWNERLESS + 30 + 20 + 3
"""Changes, once `owner` became `tier`, which no Pod has."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as running:
        yield running


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "labels", tmp_path / "policies"))


def _arguments(policies: Path, state: Path, database: str) -> list[str]:
    found = [f"--policies={policies}", f"--state-directory={state}", "--audit-interval-seconds=1"]
    return [*found, "--reload-debounce-ms=1", *([f"--audit-database={database}"] if database else [])]


def _stub(server: Server) -> audit_pb2_grpc.AuditServiceStub:
    return audit_pb2_grpc.AuditServiceStub(server.channel)


def _changes(server: Server, **scope: object) -> list[tuple[int, str, str, str]]:
    """(direction, cluster, object, message), in pages, oldest first."""
    found, token = [], ""
    while True:
        request = audit_pb2.ListViolationChangesRequest(
            scope=audit_pb2.AuditScope(**scope), page_size=7, page_token=token
        )
        response = _stub(server).ListViolationChanges(request, timeout=TIMEOUT)
        for one in response.changes:
            thing = one.violation.object
            found.append((one.direction, thing.cluster, thing.name, one.violation.violation.message))
        token = response.next_page_token
        if not token:
            return found[::-1]


def _runs(server: Server) -> list[list[tuple[str, str, int, int | None]]]:
    """Of each run what its Constraints count, and counted before."""
    runs = _stub(server).ListAuditRuns(audit_pb2.ListAuditRunsRequest(), timeout=TIMEOUT).runs
    return [
        [
            (
                one.cluster,
                one.constraint_name,
                one.violations,
                one.violations_before if one.HasField("violations_before") else None,
            )
            for one in run.constraints
        ]
        for run in runs
    ]


def _counts(server: Server) -> tuple[int, int]:
    """Of changes and of runs."""
    return len(_changes(server)), len(_runs(server))


def test_the_same_answers_as_on_sqlite(postgresql: PostgreSql, policies: Path, tmp_path: Path) -> None:
    answers = []
    original = (policies / "labels.yaml").read_text()
    for name, database in (("sqlite", ""), ("postgresql", postgresql.new_database())):
        (policies / "labels.yaml").write_text(original)
        store(tmp_path / name, CLUSTERS)
        with serving(tmp_path, *_arguments(policies, tmp_path / name, database)) as server:
            eventually(lambda server=server: _counts(server) == (VIOLATIONS, 1), seconds=SETTLE_S)
            (policies / "labels.yaml").write_text(original.replace('labels: ["owner"]', 'labels: ["tier"]'))
            eventually(lambda server=server: _counts(server) == (CHANGED, 2), seconds=SETTLE_S)
            parts = [
                _changes(server),
                _changes(server, clusters=["east"], kinds=["pods"]),
                _changes(server, constraints=["K8sLabels/team"], namespaces=["bank"]),
                _runs(server),
            ]
            answers.append(parts)
    sqlite, postgres = answers
    for one, other in zip(sqlite, postgres, strict=True):
        assert one
        assert sorted(map(str, one)) == sorted(map(str, other))


def test_one_of_two_replicas_writes_and_the_other_takes_over(
    postgresql: PostgreSql, policies: Path, tmp_path: Path
) -> None:
    database = postgresql.new_database()
    for name in ("first", "second"):
        store(tmp_path / name, CLUSTERS)
    with (
        serving(tmp_path, *_arguments(policies, tmp_path / "first", database)) as first,
        serving(tmp_path, *_arguments(policies, tmp_path / "second", database)) as second,
    ):
        eventually(lambda: _counts(first) == (VIOLATIONS, 1), seconds=SETTLE_S)
        before = _changes(second)
        assert before == _changes(first), "it reads what the other one writes"
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        eventually(lambda: len(_runs(second)) == 2, seconds=SETTLE_S)
        assert _changes(second) == before, "what it found is what was there"
        _drop_owner(policies)
        eventually(lambda: len(_changes(second)) == VIOLATIONS + OWNERLESS, seconds=SETTLE_S)
        assert {(direction, message) for direction, _, _, message in _changes(second)[VIOLATIONS:]} == {
            (audit_pb2.ViolationChange.DIRECTION_FIXED, "label owner is missing")
        }


def test_a_database_that_goes_away_is_made_up_for(postgresql: PostgreSql, policies: Path, tmp_path: Path) -> None:
    store(tmp_path / "state", CLUSTERS)
    with serving(tmp_path, *_arguments(policies, tmp_path / "state", postgresql.new_database())) as server:
        eventually(lambda: _counts(server) == (VIOLATIONS, 1), seconds=SETTLE_S)
        postgresql.control("-m", "immediate", "stop")
        text = (policies / "labels.yaml").read_text()
        (policies / "labels.yaml").write_text(text.replace('labels: ["team"]', 'labels: ["team", "tier"]'))
        every = len(CLUSTERS["west"]) - 1 + 20 + 3
        eventually(lambda: _standing(server) == VIOLATIONS + every, seconds=SETTLE_S)
        with pytest.raises(grpc.RpcError) as refused:
            _changes(server)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        postgresql.start()
        eventually(lambda: _has(server, VIOLATIONS + every), seconds=SETTLE_S)
        _drop_owner(policies)
        eventually(lambda: _has(server, VIOLATIONS + every + OWNERLESS), seconds=SETTLE_S)


def _drop_owner(policies: Path) -> None:
    text = (policies / "labels.yaml").read_text()
    (policies / "labels.yaml").write_text(text.replace('labels: ["owner"]', "labels: []"))


def _standing(server: Server) -> int:
    summary = _stub(server).GetAuditSummary(audit_pb2.GetAuditSummaryRequest(), timeout=TIMEOUT).summary
    return sum(one.violations for one in summary.constraints)


def _has(server: Server, changes: int) -> bool:
    try:
        return len(_changes(server)) == changes
    except grpc.RpcError:
        return False
