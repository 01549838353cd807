"""The shipped policy library at a real API server, on the objects that the recordings are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually
from tests.support.stack import running_service, running_webhook
from tests.support.tenants import make_namespace, registered

pytestmark = pytest.mark.e2e

TENANT = "library"
LIBRARY = Path(__file__).parents[2] / "policies"
SCENARIO = Path(__file__).parent / "scenario"
CONSTRAINT = re.compile(r"\[([a-z-]+)\]")


@pytest.fixture(scope="module")
def namespace(east: Cluster, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Namespace guarded by the library."""
    directory = tmp_path_factory.mktemp("library")
    name = make_namespace(east, "library", tenant=TENANT, labels={"team": "storefront"})
    with (
        running_service(directory, LIBRARY, authority) as service,
        running_webhook(directory, east, service.target, authority) as webhook,
        registered(east, webhook.url, authority, tenant=TENANT, failure_policy="Fail"),
    ):
        foreign = moved(pods()["foreign-image"], name)
        eventually(lambda: outcome(east, foreign, "--dry-run=server")[0] == "denied", "the library is enforced")
        yield name


def pods() -> dict[str, dict[str, Any]]:
    """Return the Pods of the scenario by name."""
    return {item["metadata"]["name"]: item for item in yaml.safe_load_all((SCENARIO / "02-pods.yaml").read_text())}


def services() -> dict[str, dict[str, Any]]:
    """Return the Services of the scenario by name."""
    items = yaml.safe_load_all((SCENARIO / "04-network.yaml").read_text())
    return {item["metadata"]["name"]: item for item in items if item["kind"] == "Service"}


def moved(manifest: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the object in another Namespace, without a cluster IP or port of its own choice."""
    spec = {key: value for key, value in manifest["spec"].items() if key not in {"clusterIP", "ports"}}
    if "ports" in manifest["spec"]:
        spec["ports"] = [
            {key: value for key, value in port.items() if key != "nodePort"} for port in manifest["spec"]["ports"]
        ]
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}, "spec": spec}


def outcome(cluster: Cluster, manifest: dict[str, Any], *flags: str) -> tuple[str, set[str]]:
    """Create an object; return what became of it and the Constraints that kubectl names."""
    result = cluster.kubectl("create", *flags, "-f", "-", manifest=manifest, check=False)
    named = set(CONSTRAINT.findall(result.stderr))
    if result.returncode == 0:
        return ("warned" if named else "created", named)
    assert "denied the request" in result.stderr, result.stderr
    return "denied", named


def test_pods(east: Cluster, namespace: str) -> None:
    outcomes = {name: outcome(east, moved(pod, namespace)) for name, pod in pods().items()}

    assert outcomes == {
        "web": ("created", set()),
        "foreign-image": ("denied", {"our-registries-only"}),
        "foreign-init-image": ("denied", {"our-registries-only"}),
        "lookalike-registry": ("denied", {"our-registries-only"}),
        "no-limits": ("warned", {"pods-are-limited"}),
        "half-limits": ("warned", {"pods-are-limited"}),
        # Missing labels are measured only, for now.
        "no-labels": ("created", set()),
        "privileged": ("denied", {"our-registries-only", "pods-are-limited"}),
    }


def test_services(east: Cluster, namespace: str) -> None:
    outcomes = {name: outcome(east, moved(service, namespace))[0] for name, service in services().items()}

    assert outcomes == {
        "web": "created",
        "ledger": "created",
        "public": "denied",
        "internal": "created",
        "internal-aws": "created",
        "not-internal": "denied",
        "debug": "created",
    }


def test_taking_the_internal_annotation_away_is_denied(east: Cluster, namespace: str) -> None:
    service = moved(services()["internal"], namespace)
    service["metadata"]["name"] = "was-internal"
    assert outcome(east, service) == ("created", set())

    result = east.kubectl(
        *("annotate", "service", "was-internal", "-n", namespace, "networking.gke.io/load-balancer-type-"), check=False
    )

    assert (result.returncode, CONSTRAINT.findall(result.stderr)) == (1, ["load-balancers-are-internal"])


def test_an_ephemeral_container_from_a_foreign_registry_is_denied(east: Cluster, namespace: str) -> None:
    pod = moved(pods()["web"], namespace)
    pod["metadata"]["name"] = "debugged"
    assert outcome(east, pod) == ("created", set())
    debug = ("debug", "pod/debugged", "-n", namespace, "--attach=false", "--container=debugger", "--image")

    denied = east.kubectl(*debug, "docker.io/library/busybox:1.37", check=False)
    allowed = east.kubectl(*debug, "registry.example.com/platform/debug:1", check=False)

    assert (denied.returncode, CONSTRAINT.findall(denied.stderr)) == (1, ["our-registries-only"])
    assert allowed.returncode == 0
