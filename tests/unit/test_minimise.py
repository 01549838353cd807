"""The minimiser of differential fuzzing: what stays is what the difference needs."""

from __future__ import annotations

from typing import Any

from tests.differential.minimise import minimised
from tests.differential.world import Review, World


def template(kind: str) -> dict[str, Any]:
    return {"metadata": {"name": kind.lower()}, "spec": {"crd": {"spec": {"names": {"kind": kind}}}}}


def constraint(kind: str, name: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"match": {"scope": "Cluster"}, "parameters": {"a": [1, 2]}},
    }


def test_a_case_keeps_what_the_difference_needs() -> None:
    world = World(
        (template("A"), template("B")),
        (constraint("A", "one"), constraint("B", "two"), constraint("B", "three")),
        ({"kind": "Pod", "metadata": {"name": "cached"}},),
    )
    pod = {
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"x": "y"}},
        "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
    }
    review = Review(request={"operation": "UPDATE", "object": pod, "oldObject": pod}, source="Original")

    def differs(case: tuple[World, Review]) -> bool:
        world, review = case
        names = [item.get("metadata", {}).get("name") for item in world.constraints]
        request = review.request or {}
        containers = request.get("object", {}).get("spec", {}).get("containers", [])
        return bool(world.templates) and "three" in names and {"name": "b"} in containers

    small, reviewed = minimised((world, review), differs)
    assert small == World((template("B"),), ({"metadata": {"name": "three"}},), ())
    assert reviewed == Review(request={"object": {"spec": {"containers": [{"name": "b"}]}}}, source="")


def test_out_of_time_nothing_is_tried() -> None:
    case = World((template("A"),), (constraint("A", "one"),)), Review(object={"kind": "Pod"})
    assert minimised(case, lambda _: True, seconds=0) == case
