"""The status of Constraints: Gatekeeper's fields, order and limits; of the fleet and of a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleetgate.audit.history.database import open_database
from fleetgate.audit.history.reader import Reader
from fleetgate.audit.history.writer import Writer
from fleetgate.audit.status import Statuses
from fleetgate.policy.resource_status import Audited
from fleetgate_proto.v1 import audit_pb2

from tests.support.audits import FIXED, NEW, at, change, summary, violation


class _Audit:
    """What was found, in a history and in sums."""

    def __init__(self, directory: Path, patience: float = 0.0) -> None:
        self.database = open_database("", directory)
        self.writer, self.reader = Writer(self.database), Reader(self.database)
        assert self.writer.acquire()
        self.statuses = Statuses(self.reader, 3, patience)
        self.found: list[audit_pb2.AuditViolation] = []

    def step(self, *changes: audit_pb2.ViolationChange) -> None:
        for one in changes:
            (self.found.append if one.direction == NEW else self.found.remove)(one.violation)
        self.writer.apply(changes, at(10))
        self.statuses.changed(changes)

    def summary(self, *constraints: tuple[str, str, str], incomplete: tuple[str, ...] = ()) -> audit_pb2.AuditSummary:
        """Sums over (cluster, scope, Kind/name)."""
        found = summary(clusters={one[0] for one in constraints} - {*incomplete}, incomplete=incomplete)
        for cluster, scope, constraint in constraints:
            kind, _, name = constraint.partition("/")
            count = sum(
                (one.object.cluster, one.violation.scope, one.violation.constraint_kind, one.violation.constraint_name)
                == (cluster, scope, kind, name)
                for one in self.found
            )
            found.constraints.add(
                cluster=cluster, scope=scope, constraint_kind=kind, constraint_name=name, violations=count
            )
        return found

    def close(self) -> None:
        self.writer.release()
        self.database.close()


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[_Audit]:
    found = _Audit(tmp_path)
    yield found
    found.close()


ONE = ("west", "cluster", "K8sA/one")


def _own(name: str, **more: Any) -> audit_pb2.AuditViolation:
    return violation(name, scope="cluster", **more)


def test_the_fields_of_a_violation_and_their_order(audit: _Audit) -> None:
    audit.step(
        change(NEW, _own("web", group="apps", kind="Deployment", action="scoped", scoped=["warn", "deny"])),
        change(NEW, _own("node", kind="Node", namespace="")),
    )
    (found,) = audit.statuses.of(audit.summary(ONE))["west"].values()
    assert (found.timestamp, found.total) == ("1970-01-01T00:16:41Z", 2)
    assert [json.dumps(one) for one in found.violations] == [
        '{"group": "apps", "version": "v1", "kind": "Deployment", "name": "web", "namespace": "shop", "message": "no", '
        '"enforcementAction": "scoped", "enforcementActions": ["warn", "deny"]}',
        '{"group": "", "version": "v1", "kind": "Node", "name": "node", "message": "no", "enforcementAction": "deny"}',
    ]


def test_the_smallest_are_listed_the_largest_first(audit: _Audit) -> None:
    audit.step(*(change(NEW, _own(name)) for name in "dbaec"))
    (found,) = audit.statuses.of(audit.summary(ONE))["west"].values()
    assert found.total == 5
    assert [one["name"] for one in found.violations] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 253 + "..."),
        ("€" * 100, "€" * 84 + "�..."),
        ("x" + "€" * 100, "x" + "€" * 84 + "..."),
        ("xx" + "€" * 100, "xx" + "€" * 83 + "��..."),
        ("😀" + "x" * 300, "😀" + "x" * 249 + "..."),
    ],
)
def test_a_message_is_cut_as_gatekeeper_cuts_it(audit: _Audit, message: str, shown: str) -> None:
    audit.step(change(NEW, _own("a", message=message)))
    (found,) = audit.statuses.of(audit.summary(ONE))["west"].values()
    assert found.violations[0]["message"] == shown


def test_a_constraint_of_the_fleet_has_the_violations_of_all_clusters(audit: _Audit) -> None:
    audit.step(
        change(NEW, violation("a", cluster="west")),
        change(NEW, violation("a", cluster="east")),
        change(NEW, violation("b", cluster="east")),
        change(NEW, _own("z")),
    )
    found = audit.statuses.of(audit.summary(("west", "fleet", "K8sA/one"), ("east", "fleet", "K8sA/one"), ONE))
    of_fleet = found[""]["K8sA", "one"]
    assert of_fleet.total == 3
    assert [(one["name"], list(one.items())[-1]) for one in of_fleet.violations] == [
        ("b", ("cluster", "east")),
        ("a", ("cluster", "west")),
        ("a", ("cluster", "east")),
    ]
    assert [one["name"] for one in found["west"]["K8sA", "one"].violations] == ["z"]
    assert set(found) == {"", "west"}


def test_a_constraint_without_violations_says_so(audit: _Audit) -> None:
    assert audit.statuses.of(audit.summary(ONE)) == {"west": {("K8sA", "one"): Audited("1970-01-01T00:16:41Z", 0, ())}}


def test_only_what_changed_is_made_anew(audit: _Audit) -> None:
    audit.step(change(NEW, _own("a")), change(NEW, _own("a", constraint="K8sA/two")))
    both = ONE, ("west", "cluster", "K8sA/two")
    before = audit.statuses.of(audit.summary(*both))["west"]
    audit.step(change(FIXED, audit.found[1]), change(NEW, _own("b", constraint="K8sA/two")))
    after = audit.statuses.of(audit.summary(*both))["west"]
    assert after["K8sA", "one"] is before["K8sA", "one"]
    assert [one["name"] for one in after["K8sA", "two"].violations] == ["b"]
    audit.statuses.forget()
    assert audit.statuses.of(audit.summary(*both))["west"] == after


def test_a_cluster_that_is_being_read_is_waited_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("fleetgate.audit.status.time.monotonic", lambda: clock[0])
    audit = _Audit(tmp_path, patience=60)
    fleet = [("west", "fleet", "K8sF/all"), ("east", "fleet", "K8sF/all"), ONE, ("east", "cluster", "K8sA/one")]
    assert set(audit.statuses.of(audit.summary(*fleet, incomplete=("east",)))) == {"west"}
    clock[0] = 61
    assert set(audit.statuses.of(audit.summary(*fleet, incomplete=("east",)))) == {"", "west", "east"}
    # One that was known and is lost is no new one.
    assert set(audit.statuses.of(audit.summary(*fleet, incomplete=("west",)))) == {"", "west", "east"}
    audit.close()
