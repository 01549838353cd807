"""Clusters and their policies, from `kubectl apply` to a denied Pod: a service, a hub and a member, all of them real.

The fleet's API servers are started anew: what is counted and deleted here is nobody else's.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fleetgate_proto.v1 import inventory_pb2, inventory_pb2_grpc, review_pb2

from tests.support.gatekeeper_definitions import template_definitions
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.kubeconfigs import one_kubeconfig
from tests.support.processes import FLEETGATE
from tests.support.scripted_feeds import eventually
from tests.support.serving import TIMEOUT, Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TEMPLATE = {
    "apiVersion": "templates.gatekeeper.sh/v1",
    "kind": "ConstraintTemplate",
    "metadata": {"name": "denynames"},
    "spec": {
        "crd": {
            "spec": {
                "names": {"kind": "DenyNames"},
                "validation": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"names": {"type": "array", "items": {"type": "string"}}},
                    }
                },
            }
        },
        "targets": [
            {
                "target": "admission.k8s.gatekeeper.sh",
                "rego": 'package denynames\nviolation[{"msg": "no"}] { input.review.object.metadata.name == '
                "input.parameters.names[_] }",
            }
        ],
    },
}
BROKEN = {**TEMPLATE, "metadata": {"name": "broken"}, "spec": json.loads(json.dumps(TEMPLATE["spec"]))}
BROKEN["spec"]["crd"]["spec"]["names"]["kind"] = "Broken"
BROKEN["spec"]["targets"][0]["rego"] = "package broken\nviolation[{"
CONSTRAINT = {
    "apiVersion": "constraints.gatekeeper.sh/v1beta1",
    "kind": "DenyNames",
    "metadata": {"name": "no-evil"},
    "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, "parameters": {"names": ["evil"]}},
}


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with start_fleet(tmp_path_factory.mktemp("clusters"), ["west", "east"]) as running:
        for cluster in running.clusters.values():
            cluster.kubectl("apply", "-f", str(template_definitions()))
        yield running


@dataclass
class _World:
    server: Server
    west: Cluster
    east: Cluster

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def clusters(self) -> dict[str, inventory_pb2.ClusterInfo]:
        stub = inventory_pb2_grpc.InventoryServiceStub(self.server.channel)
        answer = stub.ListClusters(inventory_pb2.ListClustersRequest(), timeout=TIMEOUT)
        return {cluster.name: cluster for cluster in answer.clusters}

    def denied(self, cluster: str, name: str) -> bool:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}
        request = review_pb2.ReviewRequest(
            cluster=cluster, object=json.dumps(pod).encode(), enforcement_point="validation.gatekeeper.sh"
        )
        return not self.server.review.Review(request, timeout=TIMEOUT).allowed

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(FLEETGATE), *arguments, "--server", self.address, "--insecure"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _serve(directory: Path, fleet: Fleet) -> Any:
    return serving(
        directory,
        f"--clusters-kubeconfigs={one_kubeconfig(directory, fleet)}",
        f"--hub-kubeconfig={fleet['west'].kubeconfig}",
        "--hub-namespaces=clusters",
        "--clusters-linger-seconds=1",
        f"--state-directory={directory / 'state'}",
    )


@pytest.fixture(scope="module")
def world(clusters: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    with _serve(tmp_path_factory.mktemp("serve"), clusters) as server:
        found = _World(server, clusters["west"], clusters["east"])
        eventually(lambda: {"west", "east"} <= set(found.clusters()), seconds=60)
        yield found


def _state(world: _World, name: str) -> str:
    cluster = world.clusters().get(name)
    return inventory_pb2.InventoryState.Name(cluster.state) if cluster else ""


def test_clusters_are_synced_and_shown(world: _World) -> None:
    for name in ("west", "east"):
        eventually(lambda name=name: _state(world, name) == "INVENTORY_STATE_SYNCED", seconds=60)
    assert world.clusters()["west"].uid == world.west.get("namespace", "kube-system")["metadata"]["uid"]
    done = world.cli("clusters", "doctor")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 of 2 clusters are up to date")
    shown = world.cli("get", "namespaces", "kube-system", "-o", "name")
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == ["east//Namespace/kube-system", "west//Namespace/kube-system"]


def _apply_policies(cluster: Cluster) -> None:
    cluster.apply(TEMPLATE)
    eventually(
        lambda: cluster.kubectl("get", "crd", "denynames.constraints.gatekeeper.sh", check=False).returncode == 0
    )
    cluster.kubectl("wait", "--for=condition=Established", "crd/denynames.constraints.gatekeeper.sh")
    cluster.apply(CONSTRAINT)


def _remove_policies(cluster: Cluster) -> None:
    cluster.kubectl("delete", "denynames", "no-evil")
    cluster.kubectl("delete", "constrainttemplate", "denynames")
    # Without a controller manager nobody collects what the template owned.
    cluster.kubectl("delete", "crd", "denynames.constraints.gatekeeper.sh")


def test_a_members_policies_are_its_own(world: _World) -> None:
    _apply_policies(world.east)
    eventually(lambda: world.denied("east", "evil"), seconds=60)
    assert not world.denied("east", "good")
    assert not world.denied("west", "evil")
    (entry,) = eventually(lambda: world.east.get("denynames", "no-evil").get("status", {}).get("byPod"))
    assert (entry["id"], entry["enforced"]) == ("fleetgate", True)
    template = world.east.get("constrainttemplate", "denynames")
    assert template["status"]["created"] is True
    _remove_policies(world.east)
    eventually(lambda: not world.denied("east", "evil"), seconds=60)


def test_the_hubs_policies_are_the_fleets(world: _World) -> None:
    _apply_policies(world.west)
    eventually(lambda: world.denied("east", "evil") and world.denied("west", "evil"), seconds=60)
    _remove_policies(world.west)
    eventually(lambda: not world.denied("east", "evil") and not world.denied("west", "evil"), seconds=60)


def test_a_bad_template_is_reported_and_left_out(world: _World) -> None:
    world.east.apply(BROKEN)
    (entry,) = eventually(
        lambda: world.east.get("constrainttemplate", "broken").get("status", {}).get("byPod"), seconds=60
    )
    assert entry["errors"][0]["code"] == "ingest_error"
    assert world.east.kubectl("get", "crd", "broken.constraints.gatekeeper.sh", check=False).returncode != 0
    world.east.kubectl("delete", "constrainttemplate", "broken")


def test_a_secret_of_the_hub_is_one_more_alias(world: _World) -> None:
    world.west.kubectl("create", "namespace", "clusters")
    config = json.loads(world.east.kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
    world.west.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "oriental", "namespace": "clusters", "labels": {"fleetgate.dev/kubeconfig": "true"}},
            "stringData": {"kubeconfig": json.dumps(config)},
        }
    )
    eventually(lambda: "oriental" in world.clusters()["east"].aliases, seconds=60)
    assert set(world.clusters()) == {"west", "east"}
    world.west.kubectl("-n", "clusters", "delete", "secret", "oriental")
    eventually(lambda: "oriental" not in world.clusters()["east"].aliases, seconds=60)


def test_a_restart_decides_before_it_has_read_anything(clusters: Fleet, tmp_path: Path) -> None:
    """What was published last is stored; statuses and definitions are as they should be, and not written again."""
    east = clusters["east"]
    with _serve(tmp_path, clusters) as server:
        world = _World(server, clusters["west"], east)
        eventually(lambda: "east" in world.clusters(), seconds=60)
        _apply_policies(east)
        eventually(lambda: world.denied("east", "evil"), seconds=60)
        eventually(lambda: east.get("denynames", "no-evil").get("status"))
    versions = [
        east.get(*named)["metadata"]["resourceVersion"]
        for named in (("denynames", "no-evil"), ("constrainttemplate", "denynames"))
    ]
    with _serve(tmp_path, clusters) as server:
        world = _World(server, clusters["west"], east)
        assert world.denied("east", "evil"), "at once"
        eventually(lambda: _state(world, "east") == "INVENTORY_STATE_SYNCED", seconds=60)
        assert versions == [
            east.get(*named)["metadata"]["resourceVersion"]
            for named in (("denynames", "no-evil"), ("constrainttemplate", "denynames"))
        ]
        _remove_policies(east)
        eventually(lambda: not world.denied("east", "evil"), seconds=60)
