"""A cluster that is lost while `fleetgate audit` runs: named, exit code 3, and the others complete."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fleetgate_proto.v1 import inventory_pb2, inventory_pb2_grpc

from tests.e2e.test_audit_contexts import config_map, namespace
from tests.support.kubeapiserver import start_fleet
from tests.support.kubeconfigs import one_kubeconfig
from tests.support.processes import FLEETGATE
from tests.support.scripted_feeds import eventually
from tests.support.serving import TIMEOUT, Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CLUSTERS = ("kept", "lost")
OBJECTS, TEXT_BYTES, CONSTRAINTS = 60, 250_000, 4
"""60 MB of messages: more than a service and its connection hold for a client that does not read."""

TEMPLATE = {
    "apiVersion": "templates.gatekeeper.sh/v1",
    "kind": "ConstraintTemplate",
    "metadata": {"name": "saystext"},
    "spec": {
        "crd": {"spec": {"names": {"kind": "SaysText"}}},
        "targets": [
            {
                "target": "admission.k8s.gatekeeper.sh",
                "rego": 'package saystext\nviolation[{"msg": input.review.object.data.text}] { true }',
            }
        ],
    },
}


def _constraint(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "SaysText",
        "metadata": {"name": f"text-{number}"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}], "namespaces": ["talk"]}},
    }


def _states(server: Server) -> dict[str, int]:
    """How far each cluster's ConfigMaps are known."""
    stub = inventory_pb2_grpc.InventoryServiceStub(server.channel)
    clusters = stub.ListClusters(inventory_pb2.ListClustersRequest(), timeout=TIMEOUT).clusters
    return {one.name: kind.state for one in clusters for kind in one.kinds if kind.kind.kind == "ConfigMap"}


def test_a_cluster_that_is_lost_during_an_audit_makes_it_partial(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    documents = [TEMPLATE, *(_constraint(number) for number in range(CONSTRAINTS))]
    (policies / "all.yaml").write_text("\n---\n".join(json.dumps(one) for one in documents))
    with start_fleet(tmp_path / "fleet", CLUSTERS) as fleet:
        for name in CLUSTERS:
            objects = [config_map(f"{name}-{number:02}", "talk") for number in range(OBJECTS)]
            fleet[name].apply(namespace("talk"))
            for number in range(0, OBJECTS, 10):
                fleet[name].apply(
                    *({**one, "data": {"text": "x" * TEXT_BYTES}} for one in objects[number : number + 10])
                )
        with serving(
            tmp_path,
            f"--policies={policies}",
            f"--clusters-kubeconfigs={one_kubeconfig(tmp_path, fleet)}",
            "--audit-interval-seconds=3600",
        ) as server:
            synced = dict.fromkeys(CLUSTERS, inventory_pb2.INVENTORY_STATE_SYNCED)
            eventually(lambda: _states(server) == synced, seconds=60)
            command = [str(FLEETGATE), "audit", "-o", "jsonl", "--server", f"127.0.0.1:{server.port}", "--insecure"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
                assert client.stdout is not None
                first = client.stdout.readline()
                fleet.kill("lost")
                eventually(lambda: _states(server)["lost"] == inventory_pb2.INVENTORY_STATE_STALE, seconds=10)
                lines = [json.loads(line) for line in [first, *client.stdout]]
                assert client.stderr is not None
                errors = client.stderr.read()
            assert client.returncode == 3
    (summary,) = (one for one in lines if one["type"] == "summary")
    clusters = {one["name"]: one for one in summary["clusters"]}
    assert clusters["kept"]["complete"], errors
    assert not clusters["lost"]["complete"]
    assert "lost during the audit" in clusters["lost"]["reason"]
    found = [one["cluster"] for one in lines if one["type"] == "violation"]
    assert [found.count(name) for name in CLUSTERS] == [OBJECTS * CONSTRAINTS] * len(CLUSTERS)
