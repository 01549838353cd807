"""Every source of the hub, on real API servers: the objects that other projects write, a member that they lead to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fleetgate_proto.v1 import inventory_pb2, inventory_pb2_grpc, review_pb2

from tests.support.certificates import Authority
from tests.support.feeding import AuditLog, config_map
from tests.support.gardener_api import GardenerApi, gardener
from tests.support.hub_registrations import (
    DEFINITIONS,
    OCM_ACCOUNT,
    Register,
    apply,
    argo_cd,
    cluster_api,
    cluster_profile,
    cluster_profile_with_plugin,
    delete,
    karmada,
    labelled_secret,
    ocm,
)
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.kubeconfigs import Access, contexts
from tests.support.scripted_feeds import eventually
from tests.support.service_accounts import HUB_NAMESPACE, USER, hub_account, member_account, new_token
from tests.support.serving import TIMEOUT, Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SETTLE_S = 60
VIEWER_SECONDS = 600
SOURCES: dict[str, Register] = {
    "cluster-api": cluster_api,
    "secret": labelled_secret,
    "argo-cd": argo_cd,
    "cluster-profile": cluster_profile,
    "ocm": ocm,
    "karmada": karmada,
}
POLICY = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: uniquename
  annotations:
    fleetgate.dev/fleet: "true"
    metadata.gatekeeper.sh/requires-sync-data: '[[{"groups": [""], "versions": ["v1"], "kinds": ["ConfigMap"]}]]'
spec:
  crd: {spec: {names: {kind: UniqueName}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniquename
      violation[{"msg": msg}] {
        some cluster, namespace
        data.fleet.clusters[cluster].namespace[namespace].v1.ConfigMap[input.review.object.metadata.name]
        msg := sprintf("taken in %v", [cluster])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniqueName
metadata:
  name: unique
spec: {match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}}
"""


@dataclass
class World:
    """A hub, a member, and a service that reads the hub."""

    server: Server
    hub: Cluster
    member: Cluster
    token_file: Path

    def access(self, token: str = "") -> Access:
        return Access.to(self.member, token or new_token(self.member))

    def clusters(self) -> list[inventory_pb2.ClusterInfo]:
        stub = inventory_pb2_grpc.InventoryServiceStub(self.server.channel)
        return list(stub.ListClusters(inventory_pb2.ListClustersRequest(), timeout=TIMEOUT).clusters)

    def find(self, name: str) -> inventory_pb2.ClusterInfo | None:
        """A cluster by its name or an alias: the first name stays, whoever registers the API server later."""
        return next((one for one in self.clusters() if name in [one.name, *one.aliases]), None)

    def state(self, name: str) -> str:
        found = self.find(name)
        return inventory_pb2.InventoryState.Name(found.state).removeprefix("INVENTORY_STATE_") if found else ""

    def messages(self, cluster: str, name: str) -> list[str]:
        """What the policy says of a ConfigMap in a cluster."""
        item = config_map("default", name)
        request = review_pb2.ReviewRequest(cluster=cluster, object=json.dumps(item).encode())
        return [one.message for one in self.server.review.Review(request, timeout=TIMEOUT).violations]


def _plugin(directory: Path) -> tuple[Path, Path, Path]:
    """A credential plug-in that gives the token of a file: the file, the program, and the file that names it."""
    token, program, providers = directory / "token", directory / "give-token", directory / "providers.json"
    program.write_text(
        "#!/bin/sh\n"
        "printf '"
        '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'
        f'\' "$(cat {token})"\n'
    )
    program.chmod(0o755)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
        "provideClusterInfo": False,
        "interactiveMode": "Never",
    }
    providers.write_text(json.dumps({"providers": [{"name": "tokens", "execConfig": plugin}]}))
    return token, program, providers


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with start_fleet(tmp_path_factory.mktemp("sources"), ["hub", "member"]) as running:
        running["hub"].apply(*DEFINITIONS)
        running["hub"].kubectl(
            "wait", "--for=condition=Established", *(f"crd/{one['metadata']['name']}" for one in DEFINITIONS)
        )
        yield running


@contextmanager
def running(directory: Path, fleet: Fleet, *settings: str) -> Iterator[World]:
    """A service that reads the hub, until the context ends."""
    hub, member = fleet["hub"], fleet["member"]
    member_account(member)
    hub_config = directory / "hub.kubeconfig"
    hub_config.write_text(Access.to(hub, hub_account(hub)).kubeconfig)
    policies = directory / "policies"
    policies.mkdir()
    (policies / "policy.yaml").write_text(POLICY)
    token, program, providers = _plugin(directory)
    token.write_text(new_token(member))
    with serving(
        directory,
        f"--policies={policies}",
        f"--hub-kubeconfig={hub_config}",
        f"--hub-namespaces={HUB_NAMESPACE}",
        f"--hub-ocm-account={OCM_ACCOUNT}",
        f"--hub-exec-providers={providers}",
        f"--clusters-exec-commands={program}",
        f"--hub-gardener-seconds={VIEWER_SECONDS}",
        "--no-hub-policies",
        "--no-clusters-policies",
        "--clusters-linger-seconds=1",
        *settings,
    ) as server:
        yield World(server, hub, member, token)


@pytest.fixture(scope="module")
def world(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("serve"), fleet) as found:
        yield found


@pytest.mark.parametrize("source", SOURCES)
def test_a_cluster_appears_is_read_again_with_other_credentials_and_goes(world: World, source: str) -> None:
    name, register = f"by-{source}", SOURCES[source]
    taken = f"taken-{source}"
    world.member.apply(config_map("default", taken))
    audit = AuditLog(world.member, user=USER)
    assert world.state(name) == ""

    apply(world.hub, register(name, world.access()))
    eventually(lambda: world.state(name) == "SYNCED", seconds=SETTLE_S)
    cluster = world.find(name)
    assert cluster is not None
    assert cluster.uid == world.member.get("namespace", "kube-system")["metadata"]["uid"]
    eventually(lambda: world.messages(cluster.name, taken) == [f"taken in {cluster.name}"], seconds=SETTLE_S)

    # New tokens lead to the same cluster: nothing is listed again.
    before = {resource: len(audit.lists(resource)) for resource in ("namespaces", "configmaps")}
    assert before == {"namespaces": 1, "configmaps": 1}
    opened = len(audit.asked())
    objects = register(name, world.access())
    apply(world.hub, objects)
    eventually(
        lambda: [each for each in audit.asked()[opened:] if each.verb == "watch" and each.resource == "configmaps"],
        seconds=SETTLE_S,
    )
    world.member.apply(config_map("default", f"late-{source}"))
    eventually(lambda: world.messages(cluster.name, f"late-{source}"), seconds=SETTLE_S)
    assert {resource: len(audit.lists(resource)) for resource in before} == before
    assert [each for each in audit.asked() if each.resource == "secrets"] == []

    delete(world.hub, objects)
    eventually(lambda: world.find(name) is None, seconds=SETTLE_S)
    assert world.messages(cluster.name, taken) == []


def test_a_profiles_access_provider_is_a_plugin_of_ours(world: World) -> None:
    objects = cluster_profile_with_plugin("by-plugin", world.access())
    apply(world.hub, objects)
    eventually(lambda: world.state("by-plugin") == "SYNCED", seconds=SETTLE_S)
    delete(world.hub, objects)
    eventually(lambda: world.find("by-plugin") is None, seconds=SETTLE_S)


@pytest.fixture
def shoots(world: World, tmp_path: Path) -> Iterator[GardenerApi]:
    def viewer(seconds: int) -> str:
        command = ("create", "token", "fleetgate", "--namespace=fleetgate-system", f"--duration={seconds}s")
        return world.access(world.member.kubectl(*command).stdout.strip()).kubeconfig

    with gardener(world.hub, Authority(tmp_path / "gardener"), viewer) as api:
        yield api


def test_a_shoot_appears_and_goes(world: World, shoots: GardenerApi) -> None:
    shoots.put("by-gardener")
    eventually(lambda: world.state("by-gardener") == "SYNCED", seconds=SETTLE_S)
    assert world.find("shoot--tests--by-gardener") is not None
    assert shoots.requests == [VIEWER_SECONDS]

    # What Gardener says that it stopped is known still, and followed as long as it answers.
    shoots.put("by-gardener", hibernated=True)
    shoots.put("next")
    eventually(lambda: world.find("next"), seconds=SETTLE_S)
    world.member.apply(config_map("default", "by-gardener"))
    cluster = world.find("by-gardener")
    assert cluster is not None
    eventually(lambda: world.messages(cluster.name, "by-gardener"), seconds=SETTLE_S)
    shoots.delete("next")
    shoots.delete("by-gardener")
    eventually(lambda: world.find("by-gardener") is None, seconds=SETTLE_S)


def _six(world: World, shoots: GardenerApi) -> Sequence[tuple[str, Callable[[], None]]]:
    """How the member is registered in six ways, each under a name of its own."""

    def register(name: str, made: Register) -> Callable[[], None]:
        return lambda: apply(world.hub, made(name, world.access()))

    named = [
        ("capi", cluster_api),
        ("argo", argo_cd),
        ("profile", cluster_profile),
        ("managed", ocm),
        ("push", karmada),
    ]
    return [*((name, register(name, made)) for name, made in named), ("shoot", lambda: shoots.put("shoot"))]


def test_one_api_server_of_many_sources_is_listed_once(world: World, shoots: GardenerApi, tmp_path: Path) -> None:
    """Kubeconfig, Cluster API, Argo CD, ClusterProfile, OCM, Karmada, Gardener: one shard, one list per kind."""
    for name, register in _six(world, shoots):
        register()
        eventually(lambda name=name: world.find(name), seconds=SETTLE_S)
    assert len(world.clusters()) == 1
    context = contexts(tmp_path, {"context": world.access()})
    audit = AuditLog(world.member, user=USER)
    fleet = Fleet({"hub": world.hub, "member": world.member}, "", None)  # type: ignore[arg-type]
    with running(tmp_path, fleet, f"--clusters-kubeconfigs={context}") as all_at_once:
        names = {"context", "capi", "argo", "profile", "managed", "push", "shoot"}
        eventually(
            lambda: [{one.name, *one.aliases} >= names for one in all_at_once.clusters()] == [True],
            seconds=SETTLE_S,
        )
        eventually(lambda: all_at_once.state("context") == "SYNCED", seconds=SETTLE_S)
        # The first service watches too, and lists nothing while this one starts.
        lists = {resource: len(audit.lists(resource)) for resource in ("namespaces", "configmaps")}
        assert lists == {"namespaces": 1, "configmaps": 1}
        assert {each.resource for each in audit.asked() if each.is_list} == {
            "namespaces",
            "configmaps",
            "customresourcedefinitions",
        }
