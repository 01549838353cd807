"""The thread of the continuous audit: followers, history, statuses, and what becomes of each when another fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fleetgate.audit import continuous, recording
from fleetgate.audit.continuous import Continuous
from fleetgate.audit.errors import WatchEnded
from fleetgate.audit.history.database import Database, HistoryFailed, open_database
from fleetgate.audit.history.reader import Changes, Reader
from fleetgate.audit.history.writer import Writer
from fleetgate.audit.recording import Recording
from fleetgate.audit.runs import messages
from fleetgate.audit.scope import Filter
from fleetgate.audit.subscribers import Subscription
from fleetgate.engine import Engine
from fleetgate.policy.resource_status import Audited
from fleetgate_proto.v1 import audit_pb2

from tests.support.audits import NEW, violation
from tests.support.scripted_audit import ScriptedAudit
from tests.support.scripted_feeds import eventually


@dataclass
class _Options:
    interval_seconds: float = 0.05
    violations_limit: int = 20
    retention_days: float = 90.0
    retention_changes: int = 1000


class _World:
    """A continuous audit over a scripted one, and all who listen."""

    def __init__(
        self, native: ScriptedAudit, database: Database, *, log_changes: bool = False, leased: bool = False
    ) -> None:
        self.native, self.database = native, database
        self.reader = Reader(database)
        self.statuses: dict[str, Mapping[tuple[str, str], Audited]] = {}
        self.told: list[tuple[float, float, float, Mapping[tuple[str, str], int]]] = []
        recording = Recording(
            Writer(database),
            self.reader,
            _Options(),
            self.statuses.__setitem__,
            log_changes=log_changes,
            leased=leased,
        )
        self.audit = Continuous(native, recording, self, interval_seconds=0.05)
        self.audit.start()

    def audited(self, started: float, ended: float, worked: float, violations: Mapping[tuple[str, str], int]) -> None:
        self.told.append((started, ended, worked, violations))

    def follow(self, *, only_changes: bool = False, **scope: Any) -> Subscription:
        chosen = audit_pb2.AuditScope(**scope)
        found = Subscription(chosen, Filter(chosen, Engine(contexts=1)), only_changes=only_changes)
        self.audit.follow(found)
        return found

    def listed(self) -> list[str]:
        """Names in the statuses of the fleet's Constraints."""
        return [one["name"] for found in self.statuses.get("", {}).values() for one in found.violations]

    def changes(self) -> list[str]:
        try:
            found, _ = self.reader.changes(Changes(), 1000, "")
        except HistoryFailed:
            return []
        return [f"{'+' if one.direction == NEW else '-'}{one.violation.object.name}" for one in reversed(found)]


Make = Callable[..., _World]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(recording, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(continuous, "_PAUSE_SECONDS", 0.05)
    made: list[_World] = []

    def world(*found: audit_pb2.AuditViolation, **more: Any) -> _World:
        native = ScriptedAudit(*found, complete=more.pop("complete", None))
        native.ready = more.pop("ready", True)
        made.append(_World(native, open_database("", tmp_path), **more))
        return made[-1]

    yield world
    for one in made:
        one.audit.close()
        one.database.close()


def _existing(follower: Subscription) -> list[str]:
    assert follower.wait(10)
    assert follower.existing is not None
    found = [audit_pb2.AuditFindings.FromString(one) for one in messages(follower.existing)]
    return [one.object.name for batch in found for one in batch.violations]


def _next(follower: Subscription) -> list[str]:
    found = follower.next(10)
    assert found is not None
    return [f"{'+' if one.direction == NEW else '-'}{one.violation.object.name}" for one in found.changes]


def test_followers_history_statuses_and_metrics_learn_what_changes(make: Make) -> None:
    a, b = violation("a"), violation("b", cluster="east", action="warn")
    world = make(a, complete={"west": True, "east": True})
    follower, narrow = world.follow(), world.follow(clusters=["east"], only_changes=True)
    assert _existing(follower) == ["a"]
    assert narrow.wait(10)
    assert narrow.existing is None
    world.native.change(new=[b])
    world.native.change(fixed=[a])
    assert [_next(follower), _next(follower)] == [["+b"], ["-a"]]
    assert _next(narrow) == ["+b"]
    eventually(lambda: world.changes() == ["+a", "+b", "-a"])
    eventually(lambda: world.told[-1][3] == {("warn", "east"): 1})
    eventually(lambda: world.listed() == ["b"])


def test_what_changes_carries_since_when_it_was(make: Make) -> None:
    a = violation("a")
    world = make()
    follower = world.follow()
    assert _existing(follower) == []
    world.native.change(new=[a])
    came = follower.next(10)
    world.native.change(fixed=[a])
    went = follower.next(10)
    assert came is not None
    assert went is not None
    assert came.changes[0].violation.first_seen == came.at
    assert went.changes[0].violation.first_seen == came.at
    assert went.changes[0].violation.last_seen == went.at


def test_nothing_is_recorded_before_the_first_run_is_complete(make: Make) -> None:
    world = make(ready=False)
    follower = world.follow()
    world.native.change(new=[violation("a")])
    assert not follower.wait(0.3)
    assert world.changes() == []
    world.native.ready = True
    assert _existing(follower) == ["a"]
    assert world.changes() == ["+a"]


def test_a_run_is_kept_when_something_changed(make: Make) -> None:
    world = make(violation("a"))
    eventually(lambda: len(world.told) > 3)
    assert len(world.reader.runs(0, 10, "")[0]) == 1
    world.native.change(new=[violation("b")])
    runs = eventually(lambda: found if len(found := world.reader.runs(0, 10, "")[0]) == 2 else None)
    assert [runs[0].constraints[0].violations, runs[0].constraints[0].violations_before] == [2, 1]
    assert runs[0].run_id != runs[1].run_id


def test_an_audit_that_fails_goes_on(make: Make) -> None:
    world = make(violation("a"))
    eventually(lambda: world.changes() == ["+a"])
    world.native.fails = 2
    world.native.change(new=[violation("b")])
    eventually(lambda: world.changes() == ["+a", "+b"])


def test_a_history_that_fails_is_made_up_for_and_followers_never_wait(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = violation("a"), violation("b"), violation("c")
    world = make(a)
    follower = world.follow()
    assert _existing(follower) == ["a"]
    eventually(lambda: world.changes() == ["+a"])
    with monkeypatch.context() as patched:
        for name in ("apply", "reconcile", "acquire", "looked"):

            def fail(*_: Any) -> None:
                raise HistoryFailed("history: the disk is full")

            patched.setattr(Writer, name, fail)
        world.native.change(new=[b])
        assert _next(follower) == ["+b"]
        world.native.change(new=[c], fixed=[a])
        assert _next(follower) == ["-a", "+c"]
        assert world.changes() == ["+a"]
    assert sorted(eventually(lambda: found if len(found := world.changes()) == 4 else None)) == ["+a", "+b", "+c", "-a"]
    world.native.change(fixed=[b])
    eventually(lambda: world.changes()[-1] == "-b")


def test_the_second_replica_takes_over(make: Make) -> None:
    first = make(violation("a"))
    eventually(lambda: first.changes() == ["+a"])
    second = make(violation("a"), violation("b"))
    follower = second.follow()
    assert sorted(_existing(follower)) == ["a", "b"]
    assert second.statuses == {}
    assert second.told, "metrics are each replica's own"
    first.audit.close()
    eventually(lambda: second.changes() == ["+a", "+b"])
    eventually(lambda: second.statuses)


def test_where_a_lease_says_who_writes_statuses_the_other_replica_makes_them_too(make: Make) -> None:
    """The Lease may be held by a replica that does not hold the history's lock."""
    first = make(violation("a"))
    eventually(lambda: first.changes() == ["+a"])
    second = make(violation("a"), leased=True)
    eventually(lambda: second.listed() == ["a"])
    both = [violation("b")]
    second.native.change(new=both)
    first.native.change(new=both)
    eventually(lambda: second.listed() == ["b", "a"])


def test_a_cluster_that_comes_back_is_settled(make: Make) -> None:
    a, b = violation("a", cluster="east"), violation("b", cluster="east")
    first = make(a, b, complete={"east": True})
    eventually(lambda: first.changes() == ["+a", "+b"])
    first.audit.close()
    second = make(complete={"east": False})
    eventually(lambda: len(second.told) > 2)
    assert second.changes() == ["+a", "+b"]
    second.native.change(new=[b])
    second.native.complete = {"east": True}
    eventually(lambda: second.changes() == ["+a", "+b", "-a"])


def test_followers_end_with_the_service(make: Make) -> None:
    world = make()
    standing = world.follow()
    assert standing.wait(10)
    gone = world.follow()
    world.audit.leave(gone)
    world.audit.close()
    late = world.follow()
    with pytest.raises(WatchEnded):
        standing.next(10)
    with pytest.raises(WatchEnded):
        late.wait(10)


def test_a_follower_that_leaves_is_told_nothing_more(make: Make) -> None:
    world = make()
    follower, other = world.follow(), world.follow()
    assert follower.wait(10)
    assert other.wait(10)
    world.audit.leave(follower)
    world.native.change(new=[violation("a")])
    assert _next(other) == ["+a"]
    with pytest.raises(WatchEnded):
        follower.next(0)


def test_violations_are_logged_when_they_come_and_go_and_not_after_a_restart(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fleetgate.audit")

    def events() -> list[tuple[str, str]]:
        fields = [record.__dict__.get("fields", {}) for record in caplog.records]
        return [
            (one["event_type"], one["resource_name"]) for one in fields if one.get("event_type", "").startswith("viol")
        ]

    world = make(violation("a"), log_changes=True)
    eventually(lambda: events() == [("violation_audited", "a")])
    world.native.change(new=[violation("b")], fixed=[violation("a")])
    eventually(lambda: len(events()) == 3)
    assert set(events()[1:]) == {("violation_fixed", "a"), ("violation_audited", "b")}
    eventually(lambda: world.changes() == ["+a", "-a", "+b"])
    world.audit.close()
    again = make(violation("b"), log_changes=True)
    eventually(lambda: len(again.told) > 2)
    assert len(events()) == 3
