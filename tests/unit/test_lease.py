"""The Lease on the hub: one of several replicas has it, and another gets it when it is not renewed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fleetgate.engine.exceptions import WriteError
from fleetgate.policy.lease import Lease

from tests.support.scripted_feeds import ScriptedFeeds, eventually

KEY = ("hub", "coordination.k8s.io/v1", "Lease", "kube-system", "fleetgate")


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class _Hub:
    def __init__(self) -> None:
        self.feeds, self.clock = ScriptedFeeds(), _Clock()

    def replica(self, identity: str) -> Lease:
        return Lease(self.feeds, "hub", "kube-system", "fleetgate", identity=identity, clock=self.clock)

    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.feeds.objects[KEY]["spec"]
        return spec


def test_the_first_has_it_and_keeps_it() -> None:
    hub = _Hub()
    one, two = hub.replica("one"), hub.replica("two")
    one.step()
    two.step()
    assert (one.held(), two.held()) == (True, False)
    spec = hub.spec()
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("one", 15, 0)
    for _ in range(20):
        hub.clock.now += 2
        one.step()
        two.step()
        assert (one.held(), two.held()) == (True, False)


def test_another_takes_over_when_it_is_not_renewed_and_never_before_the_first_stops() -> None:
    hub = _Hub()
    one, two = hub.replica("one"), hub.replica("two")
    one.step()
    two.step()
    taken_at = None
    for _ in range(20):
        hub.clock.now += 1
        two.step()
        assert not (one.held() and two.held())
        if two.held() and taken_at is None:
            taken_at = hub.clock.now
    assert taken_at == 115.0
    assert hub.spec()["leaseTransitions"] == 1
    one.step()
    assert not one.held(), "who comes back sees that it is another's"


def test_a_clock_of_another_machine_does_not_matter() -> None:
    hub = _Hub()
    one, two = hub.replica("one"), hub.replica("two")
    one.step()
    hub.feeds.objects[KEY]["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    two.step()
    assert not two.held()


def test_of_two_that_take_it_at_once_one_is_refused() -> None:
    hub = _Hub()
    one, two = hub.replica("one"), hub.replica("two")
    one.step()
    two.step()
    hub.clock.now += 20

    def meddle(cluster: str, verb: str, given: dict[str, Any]) -> WriteError | None:
        if verb == "update" and given["spec"]["holderIdentity"] == "two":
            hub.feeds.objects[KEY]["metadata"]["resourceVersion"] = "77"
        return None

    hub.feeds.refuse = meddle
    with pytest.raises(WriteError):
        two.step()
    assert not two.held()


def test_without_the_hub_it_ends_by_itself() -> None:
    hub = _Hub()
    one = hub.replica("one")
    one.step()
    hub.feeds.refuse = lambda *_: WriteError(0, "Unreachable", "no")
    with pytest.raises(WriteError):
        one.step()
    assert one.held()
    hub.clock.now += 10
    assert not one.held()


def test_it_is_given_back() -> None:
    hub = _Hub()
    one, two = hub.replica("one"), hub.replica("two")
    one.start()
    eventually(one.held)
    one.close()
    assert not one.held()
    assert hub.spec()["holderIdentity"] == ""
    two.step()
    assert two.held()
    assert json.loads(json.dumps(hub.spec()))["holderIdentity"] == "two"
