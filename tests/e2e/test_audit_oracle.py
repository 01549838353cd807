"""An audit finds what Gatekeeper's own packages find: each object at the audit's enforcement point, with its Namespace.

The policies are gatekeeper-library's and ours, each with all objects that its authors thought of, cached and audited.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from fleetgate.engine import Engine
from fleetgate.suites.reviewing import GATOR_INVENTORY
from fleetgate_proto.v1 import audit_pb2

from tests.differential import gatekeeper, library
from tests.differential.answers import Violation, canonical
from tests.differential.oracle import Oracle, programs
from tests.differential.world import AUDIT, Json, Review, World, name_of

pytestmark = pytest.mark.e2e

Key = tuple[str, str, str, str]
"""apiVersion, kind, namespace and name."""


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    """Gatekeeper, as long as these tests ask."""
    with Oracle(programs("gatekeeper") / "gatekeeper") as running:
        yield running


def _key(item: Json) -> Key:
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata.get("name", "")


def _existing(policy: library.Policy) -> dict[Key, Json]:
    """The policy's objects and their Namespaces, as they can exist together: the last of a name counts."""
    objects = {_key(item): item for item in policy.objects if item.get("metadata", {}).get("name")}
    for namespace in {key[2] for key in objects} - {""}:
        item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": namespace}}}
        objects.setdefault(_key(item), item)
    return objects


def _constraints(policy: library.Policy) -> tuple[Json, ...]:
    """The policy's Constraints with names that differ: samples repeat theirs."""
    numbered = enumerate(policy.constraints)
    return tuple({**one, "metadata": {**one["metadata"], "name": f"{name_of(one)}-{at}"}} for at, one in numbered)


def _ours(policy: library.Policy, objects: dict[Key, Json]) -> Counter[tuple[Key, Violation]]:
    engine = Engine(contexts=2, constraint_seconds=60.0, review_seconds=60.0, compatibility=GATOR_INVENTORY)
    documents = [policy.template, *_constraints(policy)]
    engine.apply_bundle("b", [(f"{at}.json", json.dumps(one).encode()) for at, one in enumerate(documents)])
    engine.replace_inventory("c", [json.dumps(item).encode() for item in objects.values()])
    run = engine.start_audit(b"")
    found: Counter[tuple[Key, Violation]] = Counter()
    while not run.finished:
        for message in map(audit_pb2.RunAuditResponse.FromString, run.next(60.0)):
            assert not message.findings.errors
            for one in message.findings.violations:
                named, violation = one.object, one.violation
                group, version = named.kind.group, named.kind.version
                key = f"{group}/{version}" if group else version, named.kind.kind, named.namespace, named.name
                result = Violation(
                    kind=violation.constraint_kind,
                    name=violation.constraint_name,
                    action=violation.enforcement_action,
                    scoped=tuple(sorted(violation.scoped_enforcement_actions)),
                    message=violation.message,
                    details=canonical(json.loads(violation.details)) if violation.details else "null",
                )
                found[key, result] += 1
    return found


def _gatekeepers(oracle: Oracle, policy: library.Policy, objects: dict[Key, Json]) -> Counter[tuple[Key, Violation]]:
    reviews = [
        Review(
            object=item,
            namespace=objects.get(("v1", "Namespace", "", key[2])) if key[2] else None,
            source="Original",
            enforcement_point=AUDIT,
        )
        for key, item in objects.items()
    ]
    oracle.send(gatekeeper.question(World((policy.template,), _constraints(policy), tuple(objects.values())), reviews))
    answers = gatekeeper.answers(oracle.receive())
    assert not answers.refused_templates
    assert not answers.refused_constraints
    found: Counter[tuple[Key, Violation]] = Counter()
    for key, answer in zip(objects, answers.reviews, strict=True):
        assert not answer.error
        found.update((key, violation) for violation in answer.violations)
    return found


@pytest.mark.parametrize("policy", [pytest.param(policy, id=policy.path) for policy in library.library()])
def test_an_audit_finds_what_gatekeeper_finds(oracle: Oracle, policy: library.Policy) -> None:
    objects = _existing(policy)
    found = _ours(policy, objects)
    assert found == _gatekeepers(oracle, policy, objects)
