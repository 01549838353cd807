"""InventoryService's answers by the core: which clusters, which objects, and how far they can be trusted."""

from __future__ import annotations

import json

import pytest
from fleetgate.engine import Engine, InvalidRequest
from fleetgate_proto.v1 import inventory_pb2 as pb

PODS = ("", "v1", "Pod")
INGRESSES = ("networking.k8s.io", "v1", "Ingress")


def _object(kind: tuple[str, str, str], namespace: str, name: str, **labels: str) -> bytes:
    group, version, kind_name = kind
    api_version = f"{group}/{version}" if group else version
    metadata = {"namespace": namespace, "name": name, "resourceVersion": "7", "labels": labels}
    return json.dumps({"apiVersion": api_version, "kind": kind_name, "metadata": metadata}).encode()


@pytest.fixture
def engine() -> Engine:
    """Two clusters that are synced, one that was lost, and one of which nothing is known."""
    engine = Engine(contexts=1)
    for name, region in (("eu", "europe"), ("us", "america"), ("lost", "europe"), ("new", "europe")):
        reason = "no route to host" if name == "new" else ""
        engine.describe_cluster(
            name,
            uid=f"uid-{name}",
            aliases=[f"{name}.example"],
            labels={"region": region},
            cluster_set="s",
            reason=reason,
        )
    for name in ("eu", "us", "lost"):
        pods = [("listed", PODS, _object(PODS, namespace, pod, tier=pod)) for namespace in "ab" for pod in ("x", "y")]
        ingress = ("listed", INGRESSES, _object(INGRESSES, "a", "i"))
        engine.write_inventory(name, [("begin", PODS), *pods, ("finish", PODS, "9")])
        engine.write_inventory(name, [("begin", INGRESSES), ingress, ("finish", INGRESSES, "9")])
    engine.write_inventory("lost", [("state", kind, "STALE", "connection refused") for kind in (PODS, INGRESSES)])
    return engine


def _query(engine: Engine, cluster: str | None = None, **fields: object) -> pb.QueryInventoryResponse:
    request = pb.QueryInventoryRequest(**fields)  # type: ignore[arg-type]
    return pb.QueryInventoryResponse.FromString(engine.query_inventory(request.SerializeToString(), cluster=cluster))


def _names(answer: pb.QueryInventoryResponse) -> list[str]:
    return [f"{one.cluster}:{one.namespace}/{one.name}" for one in answer.objects]


@pytest.mark.parametrize("kind", ["Pod", "pod", "pods", "Pods"])
def test_a_kind_by_any_of_its_names(engine: Engine, kind: str) -> None:
    assert len(_names(_query(engine, kind=kind))) == 12


@pytest.mark.parametrize(("kind", "count"), [("ingresses.networking.k8s.io", 3), ("ingresses.other", 0), ("nodes", 0)])
def test_a_kind_of_a_group(engine: Engine, kind: str, count: int) -> None:
    assert len(_names(_query(engine, kind=kind))) == count


def test_a_name_means_the_kind_that_has_objects(engine: Engine) -> None:
    """gatekeeper-library asks for Ingresses of groups and versions that no cluster serves any more."""
    for kind in (("extensions", "v1beta1", "Ingress"), ("networking.k8s.io", "v1beta1", "Ingress")):
        engine.write_inventory("eu", [("begin", kind), ("finish", kind, "9")])
    answer = _query(engine, kind="ingresses", clusters=["eu"])
    assert _names(answer) == ["eu:a/i"]
    assert [(one.kind.group, one.kind.version) for one in answer.objects] == [("networking.k8s.io", "v1")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"clusters": ["eu"], "namespace": "a"}, ["eu:a/x", "eu:a/y"]),
        ({"clusters": ["eu.example"], "name": "y"}, ["eu:a/y", "eu:b/y"]),
        ({"clusters": ["eu"], "namespace": "b", "name": "x"}, ["eu:b/x"]),
        ({"cluster_selector": "region=america", "selector": "tier in (y)"}, ["us:a/y", "us:b/y"]),
        ({"clusters": ["eu"], "selector": "tier"}, ["eu:a/x", "eu:a/y", "eu:b/x", "eu:b/y"]),
        ({"clusters": ["eu"], "selector": "!tier"}, []),
    ],
)
def test_what_is_chosen(engine: Engine, fields: dict[str, object], expected: list[str]) -> None:
    assert _names(_query(engine, kind="pods", **fields)) == expected


@pytest.mark.parametrize("namespace", ["", "b"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 12])
def test_pages_hold_each_object_once(engine: Engine, size: int, namespace: str) -> None:
    found: list[str] = []
    token, pages = "", 0
    while True:
        page = _query(engine, kind="pods", page_size=size, page_token=token, namespace=namespace)
        assert len(page.objects) <= size
        assert [one.cluster for one in page.answers] == ["eu", "lost", "new", "us"]
        found += _names(page)
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert found == _names(_query(engine, kind="pods", namespace=namespace))
    assert pages == -(-len(found) // size)


def test_an_answer_says_how_far_it_goes(engine: Engine) -> None:
    answer = _query(engine, kind="pods", clusters=["eu", "lost", "new", "nobody"])
    shown = {
        one.cluster: (pb.InventoryState.Name(one.state), one.reason, one.HasField("age")) for one in answer.answers
    }
    assert shown == {
        "eu": ("INVENTORY_STATE_SYNCED", "", True),
        "lost": ("INVENTORY_STATE_STALE", "connection refused", True),
        "new": ("INVENTORY_STATE_PENDING", "the kind is not cached", False),
        "nobody": ("INVENTORY_STATE_PENDING", "there is no cluster of this name", False),
    }


def test_a_caller_sees_the_cluster_it_is_bound_to(engine: Engine) -> None:
    answer = _query(engine, "us", kind="pods", clusters=["eu", "us"], namespace="a", name="x")
    assert _names(answer) == ["us:a/x"]
    assert [(one.cluster, one.reason) for one in answer.answers] == [
        ("eu", "there is no cluster of this name"),
        ("us", ""),
    ]
    listed = pb.ListClustersResponse.FromString(engine.list_clusters(b"", cluster="us"))
    assert [one.name for one in listed.clusters] == ["us"]


def test_clusters_and_their_kinds(engine: Engine) -> None:
    request = pb.ListClustersRequest(selector="region=europe")
    clusters = pb.ListClustersResponse.FromString(engine.list_clusters(request.SerializeToString())).clusters
    assert [one.name for one in clusters] == ["eu", "lost", "new"]
    eu, lost, new = clusters
    assert (eu.uid, list(eu.aliases), eu.connection) == ("uid-eu", ["eu.example"], pb.CONNECTION_STATE_CONNECTED)
    assert [(kind.kind.kind, kind.objects, kind.epoch, kind.resource_version) for kind in eu.kinds] == [
        ("Pod", 4, 1, "9"),
        ("Ingress", 1, 1, "9"),
    ]
    assert (lost.state, lost.reason) == (pb.INVENTORY_STATE_STALE, "networking.k8s.io/v1:Ingress: connection refused")
    assert (new.state, new.reason, new.HasField("age")) == (pb.INVENTORY_STATE_PENDING, "no route to host", False)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "kind"),
        ({"kind": "pods", "selector": "a b"}, "selector"),
        ({"kind": "pods", "cluster_selector": "=x"}, "cluster_selector"),
        ({"kind": "pods", "page_token": "7"}, "page_token"),
    ],
)
def test_what_cannot_be_answered_names_the_field(engine: Engine, fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _query(engine, **fields)
    assert refused.value.field == field
