"""A fleet as a user has it: four real API servers, one service, kubeconfigs and Secrets, webhooks, kubectl.

The hub is a cluster like the others. The accounts are those of `deploy/clusters`, so that the API servers' audit logs
tell what fleetgate asked for, whoever asks under whatever name.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fleetgate_proto.v1 import inventory_pb2, inventory_pb2_grpc

from tests.differential.library import conformance
from tests.support.certificates import Authority
from tests.support.conformance import need_library
from tests.support.feeding import AuditLog, namespace_of
from tests.support.gatekeeper_definitions import gatekeeper_definitions
from tests.support.hub_registrations import DEFINITIONS, argo_cd, cluster_api
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.kubeconfigs import Access, contexts
from tests.support.meddler import Meddler, meddling
from tests.support.scripted_feeds import eventually
from tests.support.service_accounts import HUB_NAMESPACE, USER, hub_account, member_account, new_token
from tests.support.serving import TIMEOUT, TRUST_DOMAIN, Server, review_of, secure_channel, serving, tls_flags
from tests.support.stack import running_webhook
from tests.support.tenants import make_namespace, registered

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

CLUSTERS = ("hub", "west", "east", "south")
TENANT = "four"
STALE_WITHIN_S = 2.0
SETTLE_S = 60
LIBRARY = conformance() / "general" / "uniqueingresshost"
FLEET_POLICY = Path(__file__).parents[2] / "policies" / "fleet" / "unique-host"
NEEDED = {
    "namespaces",
    "customresourcedefinitions",
    # Policies of a cluster.
    "constrainttemplates",
    "configs",
    "syncsets",
    "denynames",
    "k8suniqueingresshost",
    "uniquefleethost",
    # What policies read, and what audited Constraints match.
    "ingresses",
    "pods",
}
"""Collections that something in these tests needs: nothing else may be listed."""
REGISTRATIONS = {"clusters", "secrets"}
"""What the hub is asked for besides: Cluster API's Clusters, and credentials."""

TEMPLATE = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: denynames}
spec:
  crd:
    spec:
      names: {kind: DenyNames}
      validation:
        openAPIV3Schema: {type: object, properties: {names: {type: array, items: {type: string}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package denynames
      violation[{"msg": msg}] {
        input.review.object.metadata.name == input.parameters.names[_]
        msg := sprintf("nothing may be called %v", [input.review.object.metadata.name])
      }
"""
CONSTRAINT = """
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: DenyNames
metadata: {name: no-evil}
spec:
  match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}
  parameters: {names: [evil]}
"""


def pod(namespace: str, name: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "registry.example/main:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def ingress(namespace: str, name: str, host: str) -> dict[str, Any]:
    backend = {"service": {"name": "cart", "port": {"number": 80}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
        },
    }


@dataclass
class World:
    """All that runs."""

    fleet: Fleet
    server: Server
    authority: Authority
    meddler: Meddler
    audit: Mapping[str, AuditLog]

    def clusters(self) -> dict[str, inventory_pb2.ClusterInfo]:
        stub = inventory_pb2_grpc.InventoryServiceStub(self.server.channel)
        return {
            one.name: one for one in stub.ListClusters(inventory_pb2.ListClustersRequest(), timeout=TIMEOUT).clusters
        }

    def state(self, name: str) -> str:
        found = self.clusters().get(name)
        return inventory_pb2.InventoryState.Name(found.state).removeprefix("INVENTORY_STATE_") if found else ""

    def cached(self, cluster: str, kind: str) -> set[str]:
        stub = inventory_pb2_grpc.InventoryServiceStub(self.server.channel)
        request = inventory_pb2.QueryInventoryRequest(clusters=[cluster], kind=kind, page_size=5000)
        return {one.name for one in stub.QueryInventory(request, timeout=TIMEOUT).objects}

    def messages(self, cluster: str, item: dict[str, Any]) -> dict[str, str]:
        """Messages by the kinds of Constraints, errors included."""
        answer = review_of(self.server, self.authority, cluster, item)
        found = {one.constraint_kind: one.message for one in answer.violations}
        return found | {one.constraint_kind: f"error: {one.message}" for one in answer.constraint_errors}

    def create(self, cluster: str, item: dict[str, Any]) -> str:
        """Rehearse a creation and return what kubectl printed: "" where it was allowed without a word."""
        done = self.fleet[cluster].kubectl("create", "--dry-run=server", "-f", "-", manifest=item, check=False)
        return done.stderr


@contextmanager
def _webhooks(directory: Path, fleet: Fleet, target: str, authority: Authority) -> Iterator[None]:
    """A webhook in each cluster, with the same account, registered for Namespaces of these tests."""
    with ExitStack() as stack:
        for cluster in fleet.clusters.values():
            own = dataclasses.replace(cluster, kubeconfig=directory / f"webhook-{cluster.name}.kubeconfig")
            own.kubeconfig.write_text(Access.to(cluster, new_token(cluster)).kubeconfig)
            webhook = stack.enter_context(running_webhook(directory / cluster.name, own, target, authority))
            make_namespace(cluster, "shop", tenant=TENANT)
            make_namespace(cluster, "other", tenant=TENANT)
            stack.enter_context(
                registered(cluster, webhook.url, authority, tenant=TENANT, failure_policy="Fail", timeout_s=10)
            )
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need_library()
    directory = tmp_path_factory.mktemp("four-clusters")
    authority = Authority(directory / "pki")
    with start_fleet(directory / "fleet", CLUSTERS) as fleet, meddling(fleet["west"], authority) as meddler:
        tokens = {name: (hub_account if name == "hub" else member_account)(fleet[name]) for name in CLUSTERS}
        for cluster in fleet.clusters.values():
            cluster.kubectl("apply", *gatekeeper_definitions())
        hub, west, east, south = (Access.to(fleet[name], tokens[name]) for name in CLUSTERS)
        west = dataclasses.replace(west, server=meddler.url, ca=authority.pem)
        fleet["hub"].apply(DEFINITIONS[0])
        fleet["hub"].kubectl("wait", "--for=condition=Established", "crd/clusters.cluster.x-k8s.io")
        fleet["hub"].apply(*cluster_api("east", east), *argo_cd("south", south))
        audit = {name: AuditLog(fleet[name], user=USER) for name in CLUSTERS}
        admin = authority.issue("admin", hosts=(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/fleet/admin")
        config = contexts(directory, {"hub": hub, "west": west})
        with serving(
            directory,
            *tls_flags(authority, authority.issue("service")),
            f"--clusters-kubeconfigs={config}",
            f"--hub-kubeconfig={config}",
            "--hub-context=hub",
            f"--hub-namespaces={HUB_NAMESPACE}",
            f"--state-directory={directory / 'state'}",
            channel=lambda port: secure_channel(port, authority, admin),
        ) as server:
            found = World(fleet, server, authority, meddler, audit)
            for name in CLUSTERS:
                eventually(lambda name=name: found.state(name) == "SYNCED", seconds=SETTLE_S)
            with _webhooks(directory, fleet, f"127.0.0.1:{server.port}", authority):
                yield found


def _established(cluster: Cluster, definition: str) -> None:
    eventually(lambda: cluster.kubectl("get", "crd", definition, check=False).returncode == 0, seconds=SETTLE_S)
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{definition}")


def test_clusters_come_from_kubeconfigs_and_secrets(world: World) -> None:
    clusters = world.clusters()
    assert set(clusters) == set(CLUSTERS)
    for name, cluster in clusters.items():
        assert cluster.uid == world.fleet[name].get("namespace", "kube-system")["metadata"]["uid"]
    assert "clusters/argo-south" in clusters["south"].aliases


def test_policies_come_and_go_by_kubectl(world: World) -> None:
    hub = world.fleet["hub"]
    hub.kubectl("apply", "-f", "-", manifest=TEMPLATE)
    _established(hub, "denynames.constraints.gatekeeper.sh")
    hub.kubectl("apply", "-f", "-", manifest=CONSTRAINT)
    for name in CLUSTERS:
        eventually(
            lambda name=name: "[no-evil] nothing may be called evil" in world.create(name, pod("shop", "evil")),
            seconds=SETTLE_S,
        )
        assert world.create(name, pod("shop", "good")) == ""
    denied = hub.kubectl("apply", "-f", "-", manifest=pod("shop", "evil"), check=False)
    assert denied.returncode != 0
    assert "denied the request: [no-evil] nothing may be called evil" in denied.stderr

    hub.kubectl("delete", "denynames", "no-evil")
    hub.kubectl("delete", "constrainttemplate", "denynames")
    hub.kubectl("delete", "crd", "denynames.constraints.gatekeeper.sh")
    for name in CLUSTERS:
        eventually(lambda name=name: world.create(name, pod("shop", "evil")) == "", seconds=SETTLE_S)


@pytest.fixture(scope="module")
def hosts(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The shared K8sUniqueIngressHost as it is, and the fleet template, both of the hub; and west has taken a host."""
    hub = world.fleet["hub"]
    hub.apply(namespace_of("gatekeeper-system"))
    hub.kubectl("apply", "-f", str(LIBRARY / "template.yaml"), "-f", str(LIBRARY / "sync.yaml"))
    hub.kubectl("apply", "-f", str(FLEET_POLICY / "template.yaml"))
    _established(hub, "k8suniqueingresshost.constraints.gatekeeper.sh")
    _established(hub, "uniquefleethost.constraints.gatekeeper.sh")
    hub.kubectl("apply", "-f", str(LIBRARY / "samples" / "unique-ingress-host" / "constraint.yaml"))
    hub.kubectl("apply", "-f", str(FLEET_POLICY / "samples" / "constraint.yaml"))
    world.fleet["west"].apply(ingress("shop", "cart", "shop.example"))
    eventually(lambda: world.cached("west", "ingresses.networking.k8s.io") == {"cart"}, seconds=SETTLE_S)
    return world


OWN = "ingress host conflicts with an existing ingress <shop.example>"
ACROSS = "host shop.example is already claimed in cluster west by Ingress shop/cart"


def test_a_host_is_unique_in_its_cluster_and_in_the_fleet(hosts: World) -> None:
    claim = ingress("other", "second", "shop.example")
    for name in CLUSTERS:
        expected = {"K8sUniqueIngressHost": OWN} if name == "west" else {"UniqueFleetHost": ACROSS}
        eventually(lambda name=name, expected=expected: hosts.messages(name, claim) == expected, seconds=SETTLE_S)
        said = hosts.create(name, claim)
        assert "denied the request" in said
        assert next(iter(expected.values())) in said
        assert hosts.create(name, ingress("other", "second", "free.example")) == ""


def test_a_killed_api_server_is_stale_and_changes_nothing_for_others(hosts: World) -> None:
    claim, free = ingress("other", "second", "shop.example"), ingress("other", "second", "free.example")
    others = ("hub", "west", "east")
    before = {name: (hosts.messages(name, claim), hosts.messages(name, free)) for name in others}
    hosts.fleet.kill("south")
    since = time.monotonic()
    while hosts.state("south") != "STALE":
        assert time.monotonic() - since < 10, "it never says STALE"
    assert time.monotonic() - since < STALE_WITHIN_S
    for name in others:
        assert hosts.state(name) == "SYNCED"
        assert (hosts.messages(name, claim), hosts.messages(name, free)) == before[name]
        assert hosts.create(name, free) == ""
    # What was known of the host's owner is known still, for whoever asks for the cluster that is away.
    assert hosts.messages("south", claim) == {"UniqueFleetHost": ACROSS}
    hosts.fleet.start("south")
    eventually(lambda: hosts.state("south") == "SYNCED", seconds=SETTLE_S)


@contextmanager
def _sampling(look: Callable[[], set[str]]) -> Iterator[list[set[str]]]:
    """What something looks like, again and again until the context ends."""
    seen: list[set[str]] = []
    over = threading.Event()

    def sample() -> None:
        while not over.is_set():
            seen.append(look())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_compacted_history_loses_no_deletion_and_shows_no_empty_view(hosts: World) -> None:
    """The feed is cut off, the history goes: etcd is compacted, and the API server starts again without its cache."""
    west = hosts.fleet["west"]
    west.apply(*(ingress("shop", f"i{number}", f"h{number}.example") for number in range(20)))
    all_of_them = {"cart", *(f"i{number}" for number in range(20))}
    eventually(lambda: hosts.cached("west", "ingresses.networking.k8s.io") == all_of_them, seconds=SETTLE_S)
    lists = len(hosts.audit["west"].lists("ingresses"))
    expected = (all_of_them - {"i0", "i1"}) | {"late"}
    with _sampling(lambda: hosts.cached("west", "ingresses.networking.k8s.io")) as seen:
        hosts.meddler.freeze()
        west.kubectl("delete", "ingress", "i0", "i1", "--namespace=shop")
        west.apply(ingress("shop", "late", "late.example"))
        hosts.fleet.compact()
        hosts.fleet.kill("west")
        hosts.fleet.start("west")
        hosts.meddler.drop_connections()
        hosts.meddler.thaw()
        eventually(lambda: hosts.cached("west", "ingresses.networking.k8s.io") == expected, seconds=SETTLE_S)
        eventually(lambda: hosts.state("west") == "SYNCED", seconds=SETTLE_S)
    assert len(hosts.audit["west"].lists("ingresses")) == lists + 1, "the history was gone"
    assert [view for view in seen if view not in (all_of_them, expected)] == []
    assert seen[0] == all_of_them
    changes = [view for view, before in zip(seen[1:], seen, strict=False) if view != before]
    assert changes == [expected], "the new list took the old one's place at once"


def test_policies_are_removed_again(hosts: World) -> None:
    hub = hosts.fleet["hub"]
    for kind in ("k8suniqueingresshost", "uniquefleethost"):
        hub.kubectl("delete", kind, "--all")
        hub.kubectl("delete", "constrainttemplate", kind)
    claim = ingress("other", "second", "shop.example")
    for name in CLUSTERS:
        eventually(lambda name=name: hosts.create(name, claim) == "", seconds=SETTLE_S)


def test_nothing_is_asked_for_that_nothing_needs(hosts: World) -> None:
    """Runs last: the audit logs of all that was done before."""
    for name in CLUSTERS:
        asked = hosts.audit[name].asked()
        allowed = NEEDED | (REGISTRATIONS if name == "hub" else set())
        assert {each.resource for each in asked if each.is_list} <= allowed, name
        assert {each.resource for each in asked if each.is_list} >= {"namespaces", "ingresses", "pods"}, name
        secrets = [each.uri for each in asked if each.resource == "secrets"]
        if name != "hub":
            assert secrets == [], name
        for uri in secrets:
            assert uri.startswith(f"/api/v1/namespaces/{HUB_NAMESPACE}/secrets?"), uri
            assert "labelSelector=" in uri or "fieldSelector=metadata.name%3D" in uri, uri
    assert any("fieldSelector" in each.uri for each in hosts.audit["hub"].asked() if each.resource == "secrets")
