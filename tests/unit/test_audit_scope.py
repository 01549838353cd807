"""What of an audit a caller sees: the same choice for what comes, in memory, and for what was, in the history."""

from __future__ import annotations

import pytest
from fleetgate.audit import scope as scopes
from fleetgate.audit.scope import Filter, changes_of, clusters_of, narrowed
from fleetgate.engine import ClusterMismatch, Engine, InvalidRequest
from fleetgate_proto.v1 import audit_pb2

from tests.support.audits import violation


@pytest.fixture(scope="module")
def engine() -> Engine:
    found = Engine(contexts=1)
    for name, stage in (("west", "prod"), ("east", "prod"), ("lab", "test")):
        found.describe_cluster(
            name, uid=f"uid-{name}", aliases=[f"{name}-alias"], labels={"stage": stage}, cluster_set="default"
        )
    return found


POD = violation("a")
INGRESS = violation("b", cluster="lab", kind="Ingress", group="networking.k8s.io", namespace="net", constraint="K8sB/x")


@pytest.mark.parametrize(
    ("scope", "has_pod", "has_ingress"),
    [
        ({}, True, True),
        ({"clusters": ["west"]}, True, False),
        ({"clusters": ["west-alias", "lab"]}, True, True),
        ({"clusters": ["unknown"]}, False, False),
        ({"cluster_selector": "stage=prod"}, True, False),
        ({"cluster_selector": "stage in (test, other)"}, False, True),
        ({"clusters": ["lab"], "cluster_selector": "stage=prod"}, False, False),
        ({"constraints": ["K8sA"]}, True, False),
        ({"constraints": ["K8sA/one"]}, True, False),
        ({"constraints": ["K8sA/two", "K8sB"]}, False, True),
        ({"namespaces": ["net", "x"]}, False, True),
        ({"kinds": ["pods"]}, True, False),
        ({"kinds": ["POD", "Ingress"]}, True, True),
        ({"kinds": ["ingresses.networking.k8s.io"]}, False, True),
        ({"kinds": ["ingresses.extensions"]}, False, False),
        ({"kinds": ["pods"], "namespaces": ["net"]}, False, False),
    ],
)
def test_scopes(engine: Engine, scope: dict[str, object], has_pod: bool, has_ingress: bool) -> None:
    chosen = Filter(audit_pb2.AuditScope(**scope), engine)
    assert (chosen.has(POD), chosen.has(INGRESS)) == (has_pod, has_ingress)


def test_a_cluster_that_comes_later_is_seen_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(scopes.time, "monotonic", lambda: clock[0])
    engine = Engine(contexts=1)
    chosen = Filter(audit_pb2.AuditScope(cluster_selector="stage=prod"), engine)
    assert not chosen.has(POD)
    engine.describe_cluster("west", uid="u", aliases=[], labels={"stage": "prod"}, cluster_set="default")
    clock[0] = 11.0
    assert chosen.has(POD)


def test_a_cluster_that_is_gone_has_its_history_still(engine: Engine) -> None:
    assert clusters_of(audit_pb2.AuditScope(clusters=["gone", "west-alias"]), engine) == {"gone", "west"}
    assert clusters_of(audit_pb2.AuditScope(clusters=["gone"], cluster_selector="stage=prod"), engine) == set()
    assert clusters_of(audit_pb2.AuditScope(), engine) is None
    question = changes_of(audit_pb2.AuditScope(kinds=["pods"], clusters=["lab"]), engine, 7)
    assert (question.clusters, question.kinds, question.since) == (frozenset({"lab"}), ["pods"], 7)


def test_a_selector_that_is_none(engine: Engine) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Filter(audit_pb2.AuditScope(cluster_selector="stage in"), engine)
    assert refused.value.field == "scope.cluster_selector"


def test_who_is_bound_to_a_cluster_sees_that_one() -> None:
    assert list(narrowed(audit_pb2.AuditScope(), "west").clusters) == ["west"]
    assert list(narrowed(audit_pb2.AuditScope(clusters=["west"], kinds=["Pod"]), "west").kinds) == ["Pod"]
    with pytest.raises(ClusterMismatch):
        narrowed(audit_pb2.AuditScope(clusters=["west", "east"]), "west")
    assert list(narrowed(audit_pb2.AuditScope(), None).clusters) == []
