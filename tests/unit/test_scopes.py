"""Policies of the fleet and of clusters, and what they have watched, through the extension."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fleetgate.engine import Engine, RevisionUnavailable
from fleetgate_proto.v1 import policy_pb2, review_pb2

REQUIRES = "metadata.gatekeeper.sh/requires-sync-data"
SERVICES = json.dumps([[{"groups": [""], "versions": ["v1"], "kinds": ["Service"]}]])
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ns"}}
SAYS = 'violation[{"msg": m}] { m := "no" }'
READS = 'violation[{"msg": m}] { data.inventory.namespace[_].v1.Service[m] }'


def _template(kind: str, rego: str, annotations: dict[str, str] | None = None) -> bytes:
    return _json(
        {
            "apiVersion": "templates.gatekeeper.sh/v1beta1",
            "kind": "ConstraintTemplate",
            "metadata": {"name": kind.lower(), "annotations": annotations or {}},
            "spec": {
                "crd": {"spec": {"names": {"kind": kind}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": f"package p\n{rego}"}],
            },
        }
    )


def _constraint(kind: str, annotations: dict[str, str] | None = None, kinds: list[str] | None = None) -> bytes:
    match = {"kinds": [{"apiGroups": [""], "kinds": kinds}]} if kinds else {}
    return _json(
        {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": kind,
            "metadata": {"name": "c", "annotations": annotations or {}},
            "spec": {"match": match},
        }
    )


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _review(engine: Engine, cluster: str, **more: Any) -> review_pb2.ReviewResponse:
    request = review_pb2.ReviewRequest(cluster=cluster, object=_json(SERVICE), **more)
    return review_pb2.ReviewResponse.FromString(engine.review(request.SerializeToString()).response)


def test_custom_resources_are_a_scope_of_their_own() -> None:
    engine = Engine(contexts=1)
    objects = [("t", _template("K", SAYS)), ("c", _constraint("K")), ("bad", b"{}")]
    assert engine.apply_resources("one", objects, dry_run=True).generation.number == 0
    applied = engine.apply_resources("one", objects)
    assert applied.changed
    assert applied.generation.number == 1
    ((key, (diagnostic,)),) = applied.defects
    assert (key, diagnostic.path, diagnostic.code) == ("bad", "bad", "unsupported_kind")
    (violation,) = _review(engine, "one").violations
    assert (violation.message, violation.scope) == ("no", "cluster")
    assert not _review(engine, "two").violations
    (listed,) = policy_pb2.ListConstraintsResponse.FromString(engine.list_constraints()).constraints
    assert (listed.scope, listed.cluster, listed.bundle, listed.path) == ("cluster", "one", "", "c")
    (template,) = policy_pb2.ListTemplatesResponse.FromString(engine.list_templates()).templates
    assert (template.scope, template.cluster) == ("cluster", "one")
    assert not engine.apply_resources("one", objects).changed
    assert engine.apply_resources("one", []).generation.number == 2


def test_what_to_watch_follows_from_the_policies_and_the_labels() -> None:
    engine = Engine(contexts=1)
    bounded = {"fleetgate.dev/max-staleness": "1s500ms", "fleetgate.dev/clusters": "env=prod"}
    engine.apply_resources(
        "",
        [
            (
                "t",
                _template(
                    "K", 'violation[{"msg": "no"}] { data.fleet }', {REQUIRES: SERVICES, "fleetgate.dev/fleet": "true"}
                ),
            ),
            ("c", _constraint("K", bounded, ["Pod"])),
        ],
    )
    plan = engine.watch_plan("one")
    assert plan.kinds == [("", "v1", "Namespace"), ("", "v1", "Service")]
    assert plan.matching == []
    assert plan.bounds == [(("", "v1", "Service"), 1.5)]
    engine.describe_cluster("one", uid="", aliases=[], labels={"env": "prod"}, cluster_set="default")
    assert engine.watch_plan("one").matching == [([""], ["Pod"])]


@pytest.mark.parametrize(("value", "seen"), [("off", []), ("referenced", ["s"])])
def test_auto_sync(value: str, seen: list[str]) -> None:
    engine = Engine(contexts=1, compatibility={"auto_sync": value})
    engine.apply_resources("", [("t", _template("K", READS, {REQUIRES: SERVICES})), ("c", _constraint("K"))])
    kind = ("", "v1", "Service")
    changes = [("begin", kind), ("listed", kind, _json(SERVICE)), ("finish", kind, "1")]
    assert engine.write_inventory("one", changes)[1] == []
    assert [violation.message for violation in _review(engine, "one").violations] == seen
    assert (kind in engine.watch_plan("one").kinds) is bool(seen)


def test_a_token_names_a_revision() -> None:
    engine = Engine(contexts=1)
    engine.apply_resources("", [("t", _template("K", READS)), ("c", _constraint("K"))])
    engine.replace_inventory("one", [_json(SERVICE)])
    first = _review(engine, "one").inventory_revision
    engine.replace_inventory("one", [])
    assert not _review(engine, "one", freshness=review_pb2.Freshness(at_least=first.token)).violations
    again = _review(engine, "one", freshness=review_pb2.Freshness(exact=first.token))
    assert [violation.message for violation in again.violations] == ["s"]
    assert again.inventory_revision.token == first.token
    foreign = "0" + first.token
    with pytest.raises(RevisionUnavailable) as raised:
        _review(engine, "one", freshness=review_pb2.Freshness(exact=foreign))
    assert raised.value.token == foreign
