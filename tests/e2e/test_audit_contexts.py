"""``fleetgate audit --context``: clusters of a kubeconfig, without a service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleetgate_clients.audit.document import from_json

from tests.support.gatekeeper_definitions import template_definitions
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.kubeconfigs import one_kubeconfig
from tests.support.processes import FLEETGATE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

POLICIES = Path(__file__).parents[2] / "policies"

KIND = "NeedsOwner"
TEMPLATE = {
    "apiVersion": "templates.gatekeeper.sh/v1",
    "kind": "ConstraintTemplate",
    "metadata": {"name": "needsowner"},
    "spec": {
        "crd": {"spec": {"names": {"kind": KIND}}},
        "targets": [
            {
                "target": "admission.k8s.gatekeeper.sh",
                "rego": 'package needsowner\nviolation[{"msg": "no owner"}] '
                "{ not input.review.object.metadata.labels.owner }",
            }
        ],
    },
}
CONSTRAINT = {
    "apiVersion": "constraints.gatekeeper.sh/v1beta1",
    "kind": KIND,
    "metadata": {"name": "config-maps"},
    "spec": {
        "match": {
            "kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}],
            "namespaceSelector": {"matchLabels": {"audited": "yes"}},
        }
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "needsowner.constraints.gatekeeper.sh", "labels": {"gatekeeper.sh/constraint": "yes"}},
    "spec": {
        "group": "constraints.gatekeeper.sh",
        "scope": "Cluster",
        "names": {"kind": KIND, "listKind": "NeedsOwnerList", "plural": "needsowner", "singular": "needsowner"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def config_map(name: str, namespace: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def with_policies(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", str(template_definitions()))
    cluster.apply(DEFINITION)
    cluster.kubectl(
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        f"crd/{DEFINITION['metadata']['name']}",
        "crd/constrainttemplates.templates.gatekeeper.sh",
    )
    cluster.apply(TEMPLATE, CONSTRAINT)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """``guarded`` has policies of its own, ``plain`` has none."""
    with start_fleet(tmp_path_factory.mktemp("contexts"), ["guarded", "plain"]) as running:
        for cluster in running.clusters.values():
            cluster.apply(namespace("seen", audited="yes"), namespace("unseen"))
            cluster.apply(
                config_map("bare", "seen"), config_map("owned", "seen", owner="a"), config_map("bare", "unseen")
            )
        with_policies(running["guarded"])
        yield running


@pytest.fixture(scope="module")
def kubeconfig(clusters: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contexts of both, and ``gone``, where nothing listens."""
    path = one_kubeconfig(tmp_path_factory.mktemp("kubeconfig"), clusters)
    config = json.loads(path.read_text())
    config["clusters"].append({"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}})
    config["contexts"].append({"name": "gone", "context": {"cluster": "gone", "user": "plain"}})
    path.write_text(json.dumps(config))
    return path


def audit(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(FLEETGATE), "audit", "--kubeconfig", str(kubeconfig), "-o", "json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_clusters_are_audited_by_policies_of_files(kubeconfig: Path, tmp_path: Path) -> None:
    policies = tmp_path / "policies.json"
    policies.write_text(json.dumps(TEMPLATE) + "\n" + json.dumps(CONSTRAINT))
    done = audit(kubeconfig, "--context", "guarded", "--context", "plain", "-f", str(policies))
    assert done.returncode == 1, done.stderr + done.stdout
    report = from_json(done.stdout)
    assert report.complete
    found = [(item.object.cluster, item.object.namespace, item.object.name) for item in report.violations]
    # The API server keeps a ConfigMap of its authority in each namespace: kube-root-ca.crt, which has no owner either.
    assert [item for item in found if item[2] == "bare"] == [("guarded", "seen", "bare"), ("plain", "seen", "bare")]
    assert {item[1] for item in found} == {"seen"}
    assert all(cluster.state == "SYNCED" for cluster in report.clusters)


def test_policies_of_files_see_the_kinds_that_they_require(clusters: Fleet, kubeconfig: Path) -> None:
    clusters["plain"].apply(_ingress("one", "seen"), _ingress("two", "unseen"))
    policies = ("unique-ingress-host/template.yaml", "constraints/unique-ingress-host.yaml")
    files = [argument for name in policies for argument in ("-f", str(POLICIES / name))]
    done = audit(kubeconfig, "--context", "plain", *files)
    assert done.returncode == 1, done.stderr + done.stdout
    found = [(item.object.namespace, item.object.name) for item in from_json(done.stdout).violations]
    assert found == [("seen", "one"), ("unseen", "two")]


def _ingress(name: str, namespace: str) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "shop.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": [rule]}}


def test_a_cluster_is_audited_by_its_own_policies(kubeconfig: Path) -> None:
    done = audit(kubeconfig, "--context", "guarded")
    assert done.returncode == 1, done.stderr + done.stdout
    report = from_json(done.stdout)
    assert report.complete
    assert {str(item.constraint) for item in report.violations} == {"NeedsOwner/config-maps"}
    assert {item.constraint.scope for item in report.violations} == {"cluster"}
    assert ("seen", "bare") in {(item.object.namespace, item.object.name) for item in report.violations}


def test_a_cluster_that_cannot_be_reached_is_partial_and_the_rest_is_complete(kubeconfig: Path) -> None:
    done = audit(kubeconfig, "--context", "guarded", "--context", "gone", "--exit-zero")
    assert done.returncode == 3, done.stderr
    clusters = {cluster.name: cluster for cluster in from_json(done.stdout).clusters}
    assert clusters["guarded"].complete
    assert not clusters["gone"].complete
    assert "127.0.0.1:1" in clusters["gone"].reason or "refused" in clusters["gone"].reason


def test_a_cluster_without_gatekeeper_is_never_clean(kubeconfig: Path) -> None:
    """Nothing asks for anything there: that is not the same as nothing being wrong."""
    done = audit(kubeconfig, "--context", "plain")
    assert done.returncode == 3, done.stdout
    (cluster,) = from_json(done.stdout).clusters
    assert "ConstraintTemplate" in cluster.reason


def test_a_context_that_is_not_there_is_named(kubeconfig: Path) -> None:
    done = audit(kubeconfig, "--context", "nowhere")
    assert (done.returncode, "nowhere" in done.stderr, "guarded" in done.stderr) == (2, True, True)
