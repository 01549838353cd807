"""Followers of the continuous audit: what they are told, and what becomes of one that does not read."""

from __future__ import annotations

import threading
import time

import pytest
from fleetgate.audit import subscribers
from fleetgate.audit.errors import WatchEnded, WatchTooSlow
from fleetgate.audit.scope import Filter
from fleetgate.audit.subscribers import Subscription
from fleetgate.engine import Engine
from fleetgate_proto.v1 import audit_pb2

from tests.support.audits import NEW, change, violation


def _subscription(**scope: object) -> Subscription:
    chosen = audit_pb2.AuditScope(**scope)
    return Subscription(chosen, Filter(chosen, Engine(contexts=1)), only_changes=True)


def _step(*names: str) -> audit_pb2.ViolationChanges:
    return audit_pb2.ViolationChanges(changes=[change(NEW, violation(name)) for name in names], reviews=9)


def _names(changes: audit_pb2.ViolationChanges | None) -> list[str]:
    assert changes is not None
    return [one.violation.object.name for one in changes.changes]


def test_steps_come_in_their_order() -> None:
    one = _subscription()
    one.put(_step("a", "b"))
    one.put(_step("c"))
    assert [_names(one.next(0)), _names(one.next(0)), one.next(0)] == [["a", "b"], ["c"], None]


def test_only_what_is_in_the_scope_is_told() -> None:
    one = _subscription(namespaces=["other"])
    one.put(_step("a"))
    assert one.next(0) is None


def test_a_large_step_is_told_in_parts_and_its_reviews_once() -> None:
    one = _subscription()
    one.put(_step(*(f"{number:04}" for number in range(1200))))
    parts = [one.next(0) for _ in range(3)]
    assert [len(_names(part)) for part in parts] == [500, 500, 200]
    assert [part.reviews for part in parts if part] == [9, 0, 0]
    assert one.next(0) is None


def test_one_that_does_not_read_is_cut_off_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "MOST_WAITING", 3)
    one = _subscription()
    one.put(_step("a", "b"))
    assert _names(one.next(0)) == ["a", "b"]
    one.put(_step("c", "d", "e"))
    one.put(_step("f"))
    with pytest.raises(WatchTooSlow):
        one.next(0)
    one.put(_step("g"))
    with pytest.raises(WatchTooSlow):
        one.next(0)
    assert one.is_ended


def test_whoever_waits_is_woken_at_the_end() -> None:
    for waits in ("wait", "next"):
        one = _subscription()
        timer = threading.Timer(0.05, one.end)
        timer.start()
        began = time.monotonic()
        with pytest.raises(WatchEnded):
            getattr(one, waits)(10.0)
        assert time.monotonic() - began < 5
        timer.join()


def test_it_stands_once_it_is_told_what_there_is() -> None:
    one = _subscription()
    assert not one.wait(0)
    one.stand(None, audit_pb2.AuditSummary(run_id="x"))
    assert one.wait(0)
    assert one.summary.run_id == "x"
