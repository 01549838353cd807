"""Policies that read other objects, on two real API servers.

An unmodified template of gatekeeper-library sees its own cluster; a fleet template sees the others too and names them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fleetgate_proto.v1 import review_pb2

from tests.differential.library import conformance
from tests.support.conformance import need_library
from tests.support.kubeapiserver import Cluster, Fleet
from tests.support.kubeconfigs import one_kubeconfig
from tests.support.scripted_feeds import eventually
from tests.support.serving import TIMEOUT, Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HOST = "shop.fleet-policies.example"
FLEET_POLICY = Path(__file__).parents[2] / "policies" / "fleet" / "unique-host"


def _ingress(namespace: str, host: str = HOST) -> dict[str, Any]:
    backend = {"service": {"name": "cart", "port": {"number": 80}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "cart", "namespace": namespace},
        "spec": {
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
        },
    }


@dataclass
class _World:
    server: Server
    west: Cluster

    def messages(self, cluster: str, item: dict[str, Any]) -> dict[str, str]:
        """Messages by the Constraints' kind."""
        request = review_pb2.ReviewRequest(
            cluster=cluster, object=json.dumps(item).encode(), enforcement_point="validation.gatekeeper.sh"
        )
        answer = self.server.review.Review(request, timeout=TIMEOUT)
        found = {one.constraint_kind: one.message for one in answer.violations}
        return found | {one.constraint_kind: f"error: {one.message}" for one in answer.constraint_errors}


@pytest.fixture(scope="module")
def world(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    need_library()
    directory = tmp_path_factory.mktemp("fleet-policies")
    policies = directory / "policies"
    policies.mkdir()
    library = conformance() / "general" / "uniqueingresshost"
    shutil.copy(library / "template.yaml", policies / "own.yaml")
    shutil.copy(library / "samples" / "unique-ingress-host" / "constraint.yaml", policies / "own-constraint.yaml")
    shutil.copy(library / "sync.yaml", policies / "sync.yaml")
    shutil.copy(FLEET_POLICY / "template.yaml", policies / "fleet.yaml")
    shutil.copy(FLEET_POLICY / "samples" / "constraint.yaml", policies / "fleet-constraint.yaml")
    settings = [f"--policies={policies}", f"--clusters-kubeconfigs={one_kubeconfig(directory, fleet)}"]
    with serving(directory, *settings, "--no-clusters-policies", "--no-clusters-write") as server:
        west = fleet["west"]
        west.kubectl("create", "namespace", "fleet-policies")
        yield _World(server, west)


def test_a_host_of_another_cluster_is_named_and_an_unmodified_template_sees_its_own_cluster(world: _World) -> None:
    world.west.apply(_ingress("fleet-policies"))
    taken = f"host {HOST} is already claimed in cluster west by Ingress fleet-policies/cart"
    eventually(lambda: world.messages("east", _ingress("other")) == {"UniqueFleetHost": taken}, seconds=60)
    own = eventually(lambda: world.messages("west", _ingress("other")).get("K8sUniqueIngressHost"), seconds=60)
    assert own.startswith("ingress host conflicts with an existing ingress")
    assert set(world.messages("west", _ingress("other"))) == {"K8sUniqueIngressHost"}
    assert world.messages("east", _ingress("other", host="free.example")) == {}

    world.west.kubectl("--namespace=fleet-policies", "delete", "ingress", "cart")
    eventually(lambda: world.messages("east", _ingress("other")) == {}, seconds=60)
    assert world.messages("west", _ingress("other")) == {}
