"""``fleetgate get`` and ``fleetgate clusters`` in front of a service that gives set answers over real gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
import yaml
from fleetgate_clients.cli import build_app
from fleetgate_clients.inventory import text
from fleetgate_proto.v1 import inventory_pb2, inventory_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from typer.testing import CliRunner

SYNCED, STALE, PENDING = (
    inventory_pb2.INVENTORY_STATE_SYNCED,
    inventory_pb2.INVENTORY_STATE_STALE,
    inventory_pb2.INVENTORY_STATE_PENDING,
)
INGRESS = inventory_pb2.KindName(group="networking.k8s.io", version="v1", kind="Ingress")


def _object(cluster: str, namespace: str, name: str) -> inventory_pb2.InventoryObject:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2020-01-01T00:00:00Z", "labels": {"a": "b"}}
    content = json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata}).encode()
    return inventory_pb2.InventoryObject(cluster=cluster, kind=INGRESS, namespace=namespace, name=name, object=content)


def _answer(cluster: str, state: Any, **more: Any) -> inventory_pb2.ClusterAnswer:
    return inventory_pb2.ClusterAnswer(cluster=cluster, state=state, revision=3, **more)


class _Service(inventory_pb2_grpc.InventoryServiceServicer):
    def __init__(self) -> None:
        self.pages: list[inventory_pb2.QueryInventoryResponse] = []
        self.clusters: list[inventory_pb2.ClusterInfo] = []
        self.asked: list[Any] = []
        self.error: grpc.StatusCode | None = None

    def ListClusters(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        self.asked.append(request)
        return inventory_pb2.ListClustersResponse(clusters=self.clusters)

    def QueryInventory(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.asked.append(inventory_pb2.QueryInventoryRequest.FromString(request.SerializeToString()))
        if self.error is not None:
            context.abort(self.error, "no such kind\x1b[31m")
        return self.pages[int(request.page_token or 0)]


class _Running:
    def __init__(self, service: _Service, address: str) -> None:
        self.service, self.address = service, address

    def run(self, *arguments: str) -> Any:
        return CliRunner().invoke(build_app(), [*arguments, "--server", self.address, "--insecure", "--color=never"])


@pytest.fixture
def running() -> Iterator[_Running]:
    service = _Service()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    inventory_pb2_grpc.add_InventoryServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield _Running(service, f"127.0.0.1:{port}")
    server.stop(None).wait()


@pytest.fixture
def fleet(running: _Running) -> _Running:
    """Two pages of two clusters, of which one is stale."""
    answers = [_answer("east", STALE, reason="no answer", age=Duration(seconds=200)), _answer("west", SYNCED)]
    running.service.pages = [
        inventory_pb2.QueryInventoryResponse(
            objects=[_object("east", "team-a", "web")], answers=answers, next_page_token="1"
        ),
        inventory_pb2.QueryInventoryResponse(objects=[_object("west", "team-b", "api")], answers=answers),
    ]
    return running


def test_a_table_of_all_pages_and_what_is_missing_of_it(fleet: _Running) -> None:
    done = fleet.run("get", "ingresses", "-n", "x", "-l", "a=b", "--clusters", "stage=prod", "--cluster", "west")
    assert done.exit_code == 3
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["CLUSTER", "NAMESPACE", "NAME"],
        ["east", "team-a", "web"],
        ["west", "team-b", "api"],
    ]
    assert done.stderr == "warning: east is STALE, 3m old: no answer\n"
    first = fleet.service.asked[0]
    assert (first.kind, first.namespace, first.selector) == ("ingresses", "x", "a=b")
    assert (first.cluster_selector, list(first.clusters)) == ("stage=prod", ["west"])


def test_an_answer_that_is_whole_ends_with_zero(fleet: _Running) -> None:
    for page in fleet.service.pages:
        page.answers[0].state = SYNCED
    done = fleet.run("get", "ingresses", "-A", "-o", "name")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "east/team-a/Ingress.networking.k8s.io/web\nwest/team-b/Ingress.networking.k8s.io/api\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--clusters", "stage=prodution"), "error: no cluster matches --clusters stage=prodution\n"),
        ((), "error: the service knows no cluster\n"),
    ],
)
def test_no_cluster_is_no_answer(running: _Running, arguments: tuple[str, ...], words: str) -> None:
    running.service.pages = [inventory_pb2.QueryInventoryResponse()]
    done = running.run("get", "pods", "-o", "json", *arguments)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", words)


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_documents(fleet: _Running, form: str, read: Any) -> None:
    done = fleet.run("get", "ingresses", "-o", form)
    document = read(done.stdout)
    assert [item["cluster"] for item in document["items"]] == ["east", "west"]
    assert document["items"][0]["object"]["metadata"]["name"] == "web"
    assert document["clusters"][0] == {
        "name": "east",
        "state": "STALE",
        "revision": 3,
        "ageSeconds": 200.0,
        "reason": "no answer",
    }


def test_wide_shows_kind_and_labels(fleet: _Running) -> None:
    assert "Ingress.networking.k8s.io  a=b" in fleet.run("get", "ingresses", "-o", "wide").stdout


def test_a_cluster_that_went_stale_between_two_pages_is_stale(fleet: _Running) -> None:
    fleet.service.pages[0].answers[1].state = STALE
    done = fleet.run("get", "ingresses")
    assert "west is STALE" in done.stderr


def test_what_the_service_refuses_is_told_in_a_sentence(fleet: _Running) -> None:
    fleet.service.error = grpc.StatusCode.INVALID_ARGUMENT
    done = fleet.run("get", "ingresses")
    assert done.exit_code == 2
    assert done.stderr == f"error: {fleet.address}: INVALID_ARGUMENT: no such kind\\x1b[31m\n"


def test_a_service_that_is_not_there() -> None:
    done = CliRunner().invoke(build_app(), ["get", "pods", "--server", "127.0.0.1:1", "--insecure", "--timeout", "2"])
    assert done.exit_code == 2
    assert "UNAVAILABLE" in done.stderr


def test_plaintext_is_for_loopback(running: _Running) -> None:
    done = CliRunner().invoke(build_app(), ["clusters", "list", "--server", "pdp.example:1", "--insecure"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "plaintext is for loopback only" in done.stderr


WEST = inventory_pb2.ClusterInfo(
    name="west",
    uid="u1",
    aliases=["hub/west"],
    labels={"region": "eu"},
    cluster_set="default",
    connection=inventory_pb2.CONNECTION_STATE_CONNECTED,
    state=SYNCED,
    age=Duration(nanos=250_000_000),
    revision=7,
    kinds=[inventory_pb2.KindInfo(kind=INGRESS, state=SYNCED, objects=5, stored_bytes=2048, resource_version="9")],
)
EAST = inventory_pb2.ClusterInfo(
    name="east",
    cluster_set="pci",
    connection=inventory_pb2.CONNECTION_STATE_DISCONNECTED,
    state=STALE,
    age=Duration(seconds=7200),
    reason="GET /api: 401 Unauthorized",
    kinds=[inventory_pb2.KindInfo(kind=INGRESS, state=STALE, reason="403 Forbidden: may not list")],
)


def test_clusters_as_a_table(running: _Running) -> None:
    running.service.clusters = [EAST, WEST]
    done = running.run("clusters", "list", "-l", "region")
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1][:7] == ["east", "pci", "STALE", "2h", "1", "0", "DISCONNECTED"]
    assert rows[2] == ["west", "default", "SYNCED", "250ms", "1", "5", "CONNECTED"]
    assert running.service.asked[0].selector == "region"
    assert running.run("clusters", "list", "-o", "name").stdout == "east\nwest\n"
    (east, _) = json.loads(running.run("clusters", "list", "-o", "json").stdout)["clusters"]
    assert (east["state"], east["connection"], east["kinds"][0]["state"]) == ("STALE", "DISCONNECTED", "STALE")


def test_doctor_says_why_and_what_to_do(running: _Running) -> None:
    running.service.clusters = [EAST, WEST]
    done = running.run("clusters", "doctor")
    assert done.exit_code == 3
    assert done.stdout.splitlines() == [
        "east is STALE",
        "  GET /api: 401 Unauthorized",
        "  → its API server does not accept the credentials: give it new ones",
        "  Ingress.networking.k8s.io is STALE: 403 Forbidden: may not list",
        "  → the credentials may not do that: grant get, list and watch of what is named",
        "  decisions use what was there 2h ago, and say so",
        "west is SYNCED",
        "1 of 2 clusters are up to date",
    ]
    running.service.clusters = [WEST]
    assert running.run("clusters", "doctor").exit_code == 0


def test_describe(running: _Running) -> None:
    running.service.clusters = [WEST]
    done = running.run("clusters", "describe", "hub/west")
    assert done.exit_code == 0
    assert "Labels:      region=eu\n" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["Ingress.networking.k8s.io", "v1", "SYNCED", "5", "2", "KiB", "9"]
    running.service.clusters = []
    missing = running.run("clusters", "describe", "nowhere")
    assert (missing.exit_code, missing.stderr) == (2, "error: there is no cluster 'nowhere'\n")


@pytest.mark.parametrize(("verb", "shown"), [("list", "NAME"), ("describe", ""), ("doctor", "")])
def test_without_clusters_it_says_what_registers_them(running: _Running, verb: str, shown: str) -> None:
    done = running.run("clusters", verb)
    assert done.exit_code == 0
    assert (done.stdout[:4], done.stderr) == (
        shown,
        "no cluster is registered, or none that you may see: the settings clusters.kubeconfigs, hub.kubeconfig and "
        "feed.listen of fleetgate serve register clusters (docs/clusters.md)\n",
    )
    assert running.run("clusters", verb, "-l", "a=b").stderr == "no cluster matches -l a=b\n"


def test_a_kind_that_is_not_cached_is_no_trouble_of_the_cluster(fleet: _Running) -> None:
    for page in fleet.service.pages:
        page.answers[0].CopyFrom(_answer("east", PENDING, reason="the kind is not cached"))
    done = fleet.run("get", "ingresses")
    assert done.exit_code == 3  # what there is of it in east is unknown
    assert done.stderr == (
        "warning: east caches no such kind: only kinds that a policy needs are cached, as clusters describe shows\n"
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("dns: lookup api.example: no such host", "DNS"),
        ("connect: Connection refused", "nothing listens"),
        ("invalid peer certificate: UnknownIssuer", "certificates do not fit"),
        ("GET /api/v1/namespaces/kube-system: 401 Unauthorized", "does not accept"),
        ("pods: 403 pods is forbidden", "may not do that"),
        ("GET /version: no answer within 5.0 s", "firewall"),
        ('kubeconfig: the exec plug-in "aws" is not allowed', "clusters.exec_commands"),
        ("the Secret with its kubeconfig is not there", "on the hub"),
    ],
)
def test_advice(reason: str, words: str) -> None:
    assert words in text.advice(reason)


def test_a_cluster_that_was_never_reached() -> None:
    cluster = inventory_pb2.ClusterInfo(name="x", state=PENDING)
    assert text.diagnosis(cluster) == [
        "nothing is watched yet: it waits to be connected",
        "what is not cached is unknown: policies that ask for it follow their on-stale rule",
    ]
