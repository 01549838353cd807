"""Policies of a cluster's custom resources: published per scope, reported on as Gatekeeper does, again the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from fleetgate.engine.exceptions import Diagnostic, WriteError
from fleetgate.policy import constraint_crd, resource_status
from fleetgate.policy.custom_resources import (
    CONSTRAINTS,
    DEFINITIONS,
    SYNC_SETS,
    TEMPLATES,
    Allowance,
    ClusterResources,
    config_selector,
)
from fleetgate.policy.resource_status import Audited
from fleetgate.policy.turns import Turns

from tests.support.hub_objects import thing
from tests.support.scripted_feeds import ScriptedFeeds, eventually

CONFIG = config_selector("gatekeeper-system")
TEMPLATE_KEY = "templates.gatekeeper.sh/ConstraintTemplate//k8sa"
CONSTRAINT_KEY = "constraints.gatekeeper.sh/K8sA//one"


@dataclass
class _Answer:
    defects: list[tuple[str, Sequence[Diagnostic]]]


@dataclass
class _Publisher:
    bad: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def apply_resources(self, scope: str, objects: Sequence[tuple[str, bytes]]) -> _Answer:
        given = {key: json.loads(content) for key, content in objects}
        self.calls.append((scope, given))
        return _Answer(
            [(key, (Diagnostic("FG001", words, line=3),)) for key, words in self.bad.items() if key in given]
        )


class _World:
    """An API server with a template and a Constraint, and our thread beside it."""

    def __init__(self, **more: Any) -> None:
        self.feeds, self.publisher = ScriptedFeeds(), _Publisher()
        names = {"crd": {"spec": {"names": {"kind": "K8sA"}}}}
        self.template = self._make(
            thing("templates.gatekeeper.sh/v1", "ConstraintTemplate", "k8sa", namespace="", spec=names)
        )
        self.constraint = self._make(thing("constraints.gatekeeper.sh/v1beta1", "K8sA", "one", namespace=""))
        self.more = more
        self.turns = Turns(2, "resources")
        self.resources = self._resources()

    def _resources(self) -> ClusterResources:
        given = {
            "cluster": "west",
            "scope": "west",
            "namespace": "gatekeeper-system",
            "writer": "fleetgate",
            "turns": self.turns,
            **self.more,
        }
        return ClusterResources(self.feeds, self.publisher, **given)

    def _make(self, one: dict[str, Any]) -> dict[str, Any]:
        one["metadata"]["generation"] = 1
        made: dict[str, Any] = json.loads(self.feeds.write("west", "create", json.dumps(one).encode()))
        return made

    def tell(self) -> None:
        watch = self.feeds.watch_of("west")
        watch.put(TEMPLATES, self.current(self.template))
        watch.put(CONSTRAINTS, self.current(self.constraint))
        watch.synced(TEMPLATES, CONSTRAINTS, CONFIG, SYNC_SETS, DEFINITIONS)

    def start(self) -> None:
        self.resources.start()
        self.tell()

    def again(self) -> None:
        """The service starts again."""
        self.resources.close()
        self.feeds.watches.clear()
        self.resources = self._resources()
        self.start()

    def current(self, one: dict[str, Any]) -> dict[str, Any]:
        return self.feeds.objects["west", one["apiVersion"], one["kind"], "", one["metadata"]["name"]]

    def crd(self) -> dict[str, Any] | None:
        key = ("west", "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "k8sa.constraints.gatekeeper.sh")
        return self.feeds.objects.get(key)

    def entry(self, one: dict[str, Any]) -> Any:
        return next(iter((self.current(one).get("status") or {}).get("byPod", [])), None)

    def settled(self) -> None:
        """Wait until both have their status."""
        eventually(lambda: self.entry(self.constraint) and self.entry(self.template))

    def writes(self) -> list[str]:
        return [verb for verb, *_ in self.feeds.log if verb not in {"get"}]


@pytest.fixture
def world() -> Iterator[Callable[..., _World]]:
    made: list[_World] = []

    def make(**more: Any) -> _World:
        made.append(_World(**more))
        return made[-1]

    yield make
    for one in made:
        one.resources.close()
        one.turns.close()


def test_a_template_and_a_constraint(world: Any) -> None:
    one = world()
    one.start()
    one.settled()
    ((scope, given),) = one.publisher.calls
    assert scope == "west"
    assert list(given) == [CONSTRAINT_KEY, TEMPLATE_KEY]
    assert "status" not in given[TEMPLATE_KEY]
    assert one.crd()["spec"] == constraint_crd.build(one.template)["spec"]
    assert one.current(one.template)["status"] == {
        "created": True,
        "byPod": [
            {
                "id": "fleetgate",
                "templateUID": one.template["metadata"]["uid"],
                "operations": ["generate", "status", "webhook"],
                "observedGeneration": 1,
            }
        ],
    }
    assert one.current(one.constraint)["status"]["byPod"] == [
        {
            "id": "fleetgate",
            "constraintUID": one.constraint["metadata"]["uid"],
            "enforced": True,
            "operations": ["generate", "status", "webhook"],
            "observedGeneration": 1,
        }
    ]


def test_telling_again_and_starting_again_write_nothing(world: Any) -> None:
    one = world()
    one.start()
    one.settled()
    before = one.writes()
    one.tell()
    one.again()
    eventually(lambda: len(one.publisher.calls) == 2)
    one.tell()
    eventually(lambda: [verb for verb, *_ in one.feeds.log].count("get") >= 2)
    one.resources.close()
    assert one.writes() == before
    assert len(one.publisher.calls) == 2, "a status that we wrote is no change of policies"


def test_nothing_is_published_before_everything_was_read(world: Any) -> None:
    one = world()
    one.resources.start()
    watch = one.feeds.watch_of("west")
    watch.put(TEMPLATES, one.template)
    watch.synced(TEMPLATES, CONSTRAINTS, CONFIG, SYNC_SETS)
    one.resources.close()
    assert one.publisher.calls == []


def test_a_bad_template_is_reported_and_gets_no_definition(world: Any) -> None:
    one = world()
    one.publisher.bad = {TEMPLATE_KEY: "rego_parse_error", CONSTRAINT_KEY: "no such template"}
    one.start()
    one.settled()
    status = one.current(one.template)["status"]
    assert status["created"] is False
    assert status["byPod"][0]["errors"] == [
        {"code": "ingest_error", "message": "Could not ingest Rego: rego_parse_error [FG001]", "location": "3"}
    ]
    assert one.crd() is None
    entry = one.entry(one.constraint)
    assert "enforced" not in entry
    assert entry["errors"][0]["code"] == ""
    assert entry["errors"][0]["message"].startswith("could not cache constraint: no such template")


def test_a_template_of_another_name_than_its_kind(world: Any) -> None:
    one = world()
    one.current(one.template)["spec"]["crd"]["spec"]["names"]["kind"] = "Other"
    one.start()
    entry = eventually(lambda: one.entry(one.template))
    assert entry["errors"][0]["code"] == "create_error"
    assert 'the ConstraintTemplate\'s name "k8sa" is not equal' in entry["errors"][0]["message"]


def test_an_api_server_that_refuses_the_definition(world: Any) -> None:
    one = world()
    one.feeds.refuse = lambda _, verb, found: (
        WriteError(422, "Invalid", "spec is wrong")
        if verb == "create" and found["kind"] == "CustomResourceDefinition"
        else None
    )
    one.start()
    entry = eventually(lambda: one.entry(one.template))
    assert entry["errors"] == [{"code": "create_error", "message": "Could not create CRD: spec is wrong"}]


def test_entries_of_others_stay_and_those_of_a_template_before_go(world: Any) -> None:
    one = world()
    uid = one.template["metadata"]["uid"]
    one.current(one.template)["status"] = {
        "created": True,
        "byPod": [
            {"id": "gatekeeper-1", "templateUID": uid, "errors": [{"code": "x", "message": "y"}]},
            {"id": "a-of-before", "templateUID": "another"},
        ],
    }
    one.start()
    found = eventually(lambda: len(one.current(one.template)["status"]["byPod"]) == 2 and one.current(one.template))
    eventually(lambda: one.current(one.template)["status"]["byPod"][0]["id"] == "fleetgate")
    found = one.current(one.template)["status"]
    assert [entry["id"] for entry in found["byPod"]] == ["fleetgate", "gatekeeper-1"]
    assert found["created"] is True


def test_a_conflict_is_written_on_top_of(world: Any) -> None:
    """Somebody writes between our reading and our writing: theirs stays, ours is added."""
    one = world()
    conflicts = []

    def refuse(_cluster: str, verb: str, found: dict[str, Any]) -> WriteError | None:
        if verb == "update-status" and found["kind"] == "K8sA" and not conflicts:
            conflicts.append(verb)
            there = one.current(one.constraint)
            there["status"] = {"totalViolations": 7}
            there["metadata"]["resourceVersion"] = "99"
        return None

    one.feeds.refuse = refuse
    one.start()
    one.settled()
    assert one.current(one.constraint)["status"]["totalViolations"] == 7


def test_a_definition_that_somebody_deletes_is_made_anew(world: Any) -> None:
    one = world()
    one.start()
    made = eventually(one.crd)
    one.settled()
    del one.feeds.objects["west", made["apiVersion"], made["kind"], "", made["metadata"]["name"]]
    one.feeds.watch_of("west").delete(DEFINITIONS, made)
    eventually(one.crd)


def test_a_definition_of_before_is_updated_and_keeps_what_is_not_ours(world: Any) -> None:
    one = world()
    old = constraint_crd.build(one.template)
    old["spec"]["versions"] = old["spec"]["versions"][:1]
    old["metadata"]["labels"] = {"mine": "1"}
    old["metadata"]["ownerReferences"] = [{"kind": "X", "name": "y"}]
    one.feeds.write("west", "create", json.dumps(old).encode())
    one.start()
    eventually(lambda: len(one.crd()["spec"]["versions"]) == 2)
    metadata = one.crd()["metadata"]
    assert metadata["labels"] == {"mine": "1"}
    assert metadata["ownerReferences"] == [{"kind": "X", "name": "y"}, constraint_crd.owner_reference(one.template)]


def test_a_terminating_template_is_gone(world: Any) -> None:
    one = world()
    one.current(one.template)["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    one.start()
    eventually(lambda: one.publisher.calls)
    assert list(one.publisher.calls[0][1]) == [CONSTRAINT_KEY]


def test_what_is_deleted_is_withdrawn(world: Any) -> None:
    one = world()
    one.start()
    eventually(lambda: one.publisher.calls)
    one.feeds.watch_of("west").delete(CONSTRAINTS, one.constraint)
    eventually(lambda: list(one.publisher.calls[-1][1]) == [TEMPLATE_KEY])


def _audited(total: int, *names: str, at: str = "2026-11-01T00:00:00Z") -> dict[tuple[str, str], Audited]:
    return {("K8sA", "one"): Audited(at, total, tuple({"kind": "Pod", "name": name} for name in names))}


def test_what_an_audit_found_stands_beside_our_entry(world: Any) -> None:
    one = world()
    one.start()
    one.settled()
    one.resources.audited(_audited(21, "b", "a"))
    eventually(lambda: "totalViolations" in one.current(one.constraint)["status"])
    status = one.current(one.constraint)["status"]
    assert {name: value for name, value in status.items() if name != "byPod"} == {
        "auditTimestamp": "2026-11-01T00:00:00Z",
        "totalViolations": 21,
        "violations": [{"kind": "Pod", "name": "b"}, {"kind": "Pod", "name": "a"}],
    }
    assert status["byPod"][0]["enforced"] is True
    assert "totalViolations" not in one.current(one.template)["status"]
    one.resources.audited(_audited(0, at="2026-11-02T00:00:00Z"))
    eventually(lambda: one.current(one.constraint)["status"]["totalViolations"] == 0)
    status = one.current(one.constraint)["status"]
    assert "violations" not in status
    assert status["auditTimestamp"] == "2026-11-02T00:00:00Z"


def test_an_audit_that_finds_the_same_writes_nothing(world: Any) -> None:
    one = world()
    one.start()
    one.settled()
    one.resources.audited(_audited(1, "a"))
    eventually(lambda: "totalViolations" in one.current(one.constraint)["status"])
    one.tell()
    before = one.writes()
    one.resources.audited(_audited(1, "a", at="2026-11-02T00:00:00Z"))
    eventually(lambda: not one.resources._has_audit.is_set())
    one.resources.close()
    assert one.writes() == before
    assert one.current(one.constraint)["status"]["auditTimestamp"] == "2026-11-01T00:00:00Z"


def test_what_an_audit_found_survives_a_conflict_and_an_api_server_that_is_away(world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("fleetgate.policy.custom_resources._RETRY_SECONDS", 0.1)
    one = world()
    one.start()
    one.settled()
    answers = [WriteError(0, "", "connection refused"), WriteError(409, "Conflict", "the object has been modified")]
    one.feeds.refuse = lambda _cluster, verb, _found: answers.pop() if verb == "update-status" and answers else None
    one.resources.audited(_audited(1, "a"))
    eventually(lambda: "totalViolations" in one.current(one.constraint)["status"])
    assert answers == []


def test_a_constraint_that_was_not_audited_keeps_what_an_earlier_audit_found(world: Any) -> None:
    one = world()
    one.current(one.constraint)["status"] = {"auditTimestamp": "2026-01-01T00:00:00Z", "totalViolations": 3}
    one.start()
    one.settled()
    one.resources.audited({("K8sA", "another"): Audited("2026-11-01T00:00:00Z", 0, ())})
    eventually(lambda: not one.resources._has_audit.is_set())
    one.resources.close()
    assert one.current(one.constraint)["status"]["totalViolations"] == 3


def test_without_leave_to_write_nothing_is(world: Any) -> None:
    one = world(writes=lambda: False)
    one.start()
    eventually(lambda: one.publisher.calls)
    one.resources.close()
    assert one.writes() == ["create", "create"], "those of the test"


def test_writes_are_few_in_a_while() -> None:
    import threading

    stop = threading.Event()
    allowance = Allowance(per_second=1.0, burst=2)
    assert allowance.take(stop)
    assert allowance.take(stop)
    stop.set()
    assert not allowance.take(stop)


def test_a_long_message_is_cut() -> None:
    problem = resource_status.Problem("c", "x" * 10_000)
    assert len(problem.to_json()["message"]) == 4096


def test_a_replica_that_may_write_later_writes_then(world: Any) -> None:
    may = False
    one = world(writes=lambda: may)
    one.start()
    eventually(lambda: one.publisher.calls)
    before = one.writes()
    may = True
    one.settled()
    assert one.writes() != before
    may = False
    before = one.writes()
    watch = one.feeds.watch_of("west")
    watch.put(CONSTRAINTS, {**one.current(one.constraint), "spec": {"enforcementAction": "warn"}, "status": {}})
    eventually(lambda: len(one.publisher.calls) == 2)
    one.resources.close()
    assert one.writes() == before
