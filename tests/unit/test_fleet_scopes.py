"""Scopes of custom resources: stored, restored, withdrawn; plans handed over when they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fleetgate.engine.exceptions import Diagnostic
from fleetgate.inventory.planner import Planner
from fleetgate.policy.errors import StorageFailed
from fleetgate.policy.scopes import MemberPolicies, ScopedPolicies
from fleetgate.policy.store import BundleStore

from tests.support.scripted_feeds import ScriptedFeeds, eventually


@dataclass
class _Generation:
    number: int = 0


@dataclass
class _Applied:
    generation: _Generation
    defects: list[tuple[str, Sequence[Diagnostic]]] = field(default_factory=list)


class _Engine:
    """Counts a generation for each change, as the core does."""

    def __init__(self) -> None:
        self.scopes: dict[str, list[tuple[str, bytes]]] = {}
        self.generation = _Generation()
        self.bad: list[str] = []

    def apply_resources(self, scope: str, objects: Sequence[tuple[str, bytes]]) -> _Applied:
        if self.scopes.get(scope, []) != list(objects):
            self.generation = _Generation(self.generation.number + 1)
            self.scopes[scope] = list(objects)
        defects = [(key, (Diagnostic("FG001", "bad"),)) for key, _ in objects if key in self.bad]
        return _Applied(self.generation, defects)


def _scoped(engine: Any, directory: Path, told: list[int]) -> ScopedPolicies:
    return ScopedPolicies(engine, BundleStore(directory), lambda generation: told.append(generation.number))


def test_scopes_are_there_again_after_a_restart(tmp_path: Path) -> None:
    told: list[int] = []
    before = _scoped(_Engine(), tmp_path, told)
    before.apply_resources("", [("a", b"{}")])
    before.apply_resources("west", [("b", b"{}")])
    before.apply_resources("east", [("c", b"{}")])
    before.apply_resources("east", [])
    before.apply_resources("west", [("b", b"{}")])
    assert told == [1, 2, 3, 4], "what changed nothing is not told"
    engine = _Engine()
    engine.bad = ["b"]
    _scoped(engine, tmp_path, told).restore()
    assert engine.scopes == {"": [("a", b"{}")], "west": [("b", b"{}")]}


def test_what_cannot_be_stored_is_not_published(tmp_path: Path) -> None:
    engine = _Engine()
    policies = _scoped(engine, tmp_path, [])
    (tmp_path / "bundles").rmdir()
    with pytest.raises(StorageFailed):
        policies.apply_resources("", [("a", b"{}")])
    assert engine.scopes == {}


class _Watch:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def start(self) -> None:
        self.log.append(f"start {self.name}")

    def close(self) -> None:
        self.log.append(f"close {self.name}")


def test_members_are_watched_once_and_withdrawn_when_they_are_gone(tmp_path: Path) -> None:
    engine, log = _Engine(), []
    policies = _scoped(engine, tmp_path, [])
    members = MemberPolicies(lambda name: _Watch(name, log), policies)  # type: ignore[arg-type,return-value]
    members.connected("west", "u1")
    members.connected("west", "u1")
    policies.apply_resources("west", [("a", b"{}")])
    members.dropped("west")
    eventually(lambda: engine.scopes["west"] == [])
    assert log == ["start west", "close west"]
    members.dropped("never-there")


def test_the_hub_is_no_member_of_its_own(tmp_path: Path) -> None:
    engine, log = _Engine(), []
    members = MemberPolicies(lambda name: _Watch(name, log), _scoped(engine, tmp_path, []))  # type: ignore[arg-type,return-value]
    members.connected("early", "u1")
    members.hub_is("u1")
    eventually(lambda: log == ["start early", "close early"])
    members.connected("late", "u1")
    members.connected("other", "u2")
    members.close()
    assert log[2:] == ["start other", "close other"]


@dataclass
class _Plan:
    kinds: list[tuple[str, str, str]]
    matching: list[tuple[list[str], list[str]]] = field(default_factory=list)
    bounds: list[Any] = field(default_factory=list)


class _Plans:
    def __init__(self) -> None:
        self.kinds = [("", "v1", "Pod")]
        self.broken: set[str] = set()

    def watch_plan(self, cluster: str) -> _Plan:
        if cluster in self.broken:
            raise RuntimeError("broken")
        return _Plan(list(self.kinds), [([""], ["Service"])])


def test_a_plan_is_handed_over_once_and_again_when_it_changes() -> None:
    feeds, plans = ScriptedFeeds(), _Plans()
    planner = Planner(feeds, plans, look_seconds=60)
    planner.start()
    try:
        plans.broken = {"bad"}
        planner.connected("bad", "u0")
        planner.connected("west", "u1")
        eventually(lambda: feeds.plans.get("west"))
        assert feeds.plans["west"] == ([("", "v1", "Pod")], [([""], ["Service"])], [])
        planner.look()
        planner.connected("east", "u2")
        eventually(lambda: "east" in feeds.plans)
        assert [entry for entry in feeds.log if entry == ("plan", "west")] == [("plan", "west")]
        plans.kinds = [("", "v1", "Pod"), ("apps", "v1", "Deployment")]
        planner.dropped("east")
        planner.look()
        eventually(lambda: len(feeds.plans["west"][0]) == 2)
        assert len(feeds.plans["east"][0]) == 1
        plans.broken = set()
        planner.look()
        eventually(lambda: "bad" in feeds.plans)
    finally:
        planner.close()
