"""A fleet policy never names a cluster or an object outside of the cluster set of the review's cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fleetgate.suites.objects import objects_in
from fleetgate.suites.reviewing import FleetCluster, Reviewer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
POLICIES = sorted(path.parent for path in (ROOT / "policies" / "fleet").glob("*/template.yaml"))
SETS = ["default", "lab", ""]


def _marked(item: dict[str, Any], cluster: str) -> bytes:
    """The object with the cluster's name in everything that a message could show, and names that policies compare."""
    text = json.dumps(item)
    if item["kind"] == "Ingress":
        text = text.replace('"name": "', f'"name": "{cluster}-')
    item = json.loads(text)
    for port in item.get("spec", {}).get("ports", []):
        port["name"] = f"port-{cluster}"
    for subject in item.get("subjects", []):
        subject["name"] = f"{subject['name']}-{cluster}"
    for rule in item.get("rules", []):
        rule["verbs"] = [f"verb-{cluster}"]
    return json.dumps(item).encode()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda path: path.name)
def test_nothing_outside_of_the_set_is_named(policy: Path) -> None:
    files = [("template.yaml", (policy / "template.yaml").read_bytes())]
    constraint = policy / "samples" / "constraint.yaml"
    reviewer = Reviewer([*files, ("constraint.yaml", constraint.read_bytes())])
    samples = [
        item.fields
        for path in sorted((policy / "samples").glob("*.yaml"))
        if not path.name.startswith("constraint")
        for item in objects_in(path)
    ]
    named: set[bool] = set()

    @settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(st.sampled_from(SETS), st.lists(st.sampled_from(range(len(samples))), max_size=4)),
            min_size=2,
            max_size=5,
        ),
        st.sampled_from(range(len(samples))),
    )
    def check(fleet: list[tuple[str, list[int]]], reviewed: int) -> None:
        names = [f"zz{index}zz" for index in range(len(fleet))]
        clusters = [
            FleetCluster(name, [], cluster_set, [_marked(samples[one], name) for one in chosen])
            for name, (cluster_set, chosen) in zip(names, fleet, strict=True)
        ]
        reviewer.replace_fleet(clusters)
        own = fleet[0][0]
        allowed = {name for name, (of, _) in zip(names, fleet, strict=True) if name == names[0] or (own and of == own)}
        shown = [
            found.message + found.details.decode()
            for found in reviewer.review_object(json.dumps(samples[reviewed]).encode())
        ]
        seen = set(re.findall(r"zz\d+zz", " ".join(shown)))
        assert seen <= allowed
        named.add(bool(seen - {names[0]}))

    check()
    # What names no cluster at all could not fail: the policies name others of the set where there is reason to.
    if policy.name not in {"accelerators", "external-names"}:
        assert True in named
