"""Namespaces that belong to one test file, and a webhook registered for those only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually
from tests.support.registration import STOCK_NAMESPACE_SELECTOR, validating_webhook

WEBHOOK_NAME = "validation.fleetgate.dev"
TENANT_LABEL = "e2e.fleetgate.dev/tenant"


@contextmanager
def registered(
    cluster: Cluster, url: str, authority: Authority, *, tenant: str, failure_policy: str = "Ignore", timeout_s: int = 3
) -> Iterator[None]:
    """Register a webhook for the Namespaces of one tenant until the context ends."""
    selector = {**STOCK_NAMESPACE_SELECTOR, "matchLabels": {TENANT_LABEL: tenant}}
    configuration = validating_webhook(
        WEBHOOK_NAME,
        url,
        authority.pem,
        failure_policy=failure_policy,
        namespace_selector=selector,
        timeout_s=timeout_s,
    )
    configuration["metadata"]["name"] = tenant
    cluster.apply(configuration)
    try:
        yield
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", tenant)


def make_namespace(cluster: Cluster, name: str, *, tenant: str, labels: Mapping[str, str] | None = None) -> str:
    """Create a Namespace of a tenant, with more labels where they are given; return its name."""
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {TENANT_LABEL: tenant, **(labels or {})}},
        }
    )
    return name


def config_map(
    name: str, namespace: str, labels: Mapping[str, str] | None = None, data: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a ConfigMap."""
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data or {})}


def attempt(cluster: Cluster, namespace: str, **labels: str) -> str:
    """Rehearse the creation of a ConfigMap and return what kubectl printed, warnings and errors included."""
    manifest = config_map("attempt", namespace, labels)
    result = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifest=manifest, check=False)
    return result.stdout + result.stderr


def wait_until_enforced(cluster: Cluster, namespace: str) -> None:
    """Wait until the API server calls the webhook: it learns of a registration by a watch."""
    eventually(lambda: "[owner-required]" in attempt(cluster, namespace), f"{namespace} is guarded by the webhook")
