"""What each project writes on a hub to register a cluster: real objects, for definitions of ours.

Gardener's API is aggregated: `tests/support/gardener_api.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.feeding import namespace_of
from tests.support.hub_objects import is_condition, secret, thing
from tests.support.kubeapiserver import Cluster
from tests.support.kubeconfigs import Access
from tests.support.service_accounts import HUB_NAMESPACE

OCM_ACCOUNT = "fleetgate"
"""Name of the ManagedServiceAccount (`hub.ocm_account`)."""

Objects = Sequence[Mapping[str, Any]]


def definition(group: str, version: str, kind: str, plural: str, *, namespaced: bool = True) -> dict[str, Any]:
    """A CustomResourceDefinition that takes any object of a kind."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # What the real ones of protected groups say, too.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [
                {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    }


DEFINITIONS = (
    definition("cluster.x-k8s.io", "v1beta2", "Cluster", "clusters"),
    definition("multicluster.x-k8s.io", "v1alpha1", "ClusterProfile", "clusterprofiles"),
    definition("cluster.open-cluster-management.io", "v1", "ManagedCluster", "managedclusters", namespaced=False),
    definition("cluster.karmada.io", "v1alpha1", "Cluster", "clusters", namespaced=False),
)


def cluster_api(name: str, access: Access) -> Objects:
    """Cluster API's Cluster and its kubeconfig."""
    return [
        thing(
            "cluster.x-k8s.io/v1beta2",
            "Cluster",
            name,
            namespace=HUB_NAMESPACE,
            status={"initialization": {"controlPlaneInitialized": True}},
        ),
        secret(
            f"{name}-kubeconfig",
            {"value": access.kubeconfig},
            namespace=HUB_NAMESPACE,
            labels={"cluster.x-k8s.io/cluster-name": name},
            kind="cluster.x-k8s.io/secret",
        ),
    ]


def argo_cd(name: str, access: Access) -> Objects:
    """Argo CD's cluster Secret."""
    config = f'{{"bearerToken": "{access.token}", "tlsClientConfig": {{"caData": "{access.ca_text}"}}}}'
    return [
        secret(
            f"argo-{name}",
            {"name": name, "server": access.server, "config": config},
            namespace=HUB_NAMESPACE,
            labels={"argocd.argoproj.io/secret-type": "cluster"},
        )
    ]


def labelled_secret(name: str, access: Access) -> Objects:
    """Any Secret with fleetgate's own label."""
    labels = {"fleetgate.dev/kubeconfig": "true"}
    return [secret(name, {"kubeconfig": access.kubeconfig}, namespace=HUB_NAMESPACE, labels=labels)]


def cluster_profile(name: str, access: Access) -> Objects:
    """A ClusterProfile, and the Secret that multicluster-runtime reads."""
    return [
        thing(
            "multicluster.x-k8s.io/v1alpha1",
            "ClusterProfile",
            name,
            namespace=HUB_NAMESPACE,
            labels={"x-k8s.io/cluster-manager": "tests"},
            spec={"displayName": name, "clusterManager": {"name": "tests"}},
            status={"conditions": [is_condition("ControlPlaneHealthy")]},
        ),
        secret(
            f"{name}-profile",
            {"Config": access.kubeconfig},
            namespace=HUB_NAMESPACE,
            labels={"x-k8s.io/cluster-profile": name, "x-k8s.io/cluster-inventory-consumer": "fleetgate"},
        ),
    ]


def cluster_profile_with_plugin(name: str, access: Access) -> Objects:
    """A ClusterProfile whose access provider `tokens` is a credential plug-in."""
    profile, _ = cluster_profile(name, access)
    entry = {"server": access.server, "certificate-authority-data": access.ca_text}
    providers = [{"name": "unknown", "cluster": {}}, {"name": "tokens", "cluster": entry}]
    return [{**profile, "status": {**profile["status"], "accessProviders": providers}}]


def ocm(name: str, access: Access) -> Objects:
    """OCM's ManagedCluster, and the token of its ManagedServiceAccount in the cluster's own namespace."""
    accepted = ("HubAcceptedManagedCluster", "ManagedClusterJoined", "ManagedClusterConditionAvailable")
    return [
        namespace_of(name),
        thing(
            "cluster.open-cluster-management.io/v1",
            "ManagedCluster",
            name,
            namespace="",
            spec={
                "hubAcceptsClient": True,
                "managedClusterClientConfigs": [{"url": access.server, "caBundle": access.ca_text}],
            },
            status={"conditions": [is_condition(kind) for kind in accepted]},
        ),
        secret(OCM_ACCOUNT, {"token": access.token}, namespace=name),
        *_secret_reader(name),
    ]


def _secret_reader(namespace: str) -> Objects:
    """What lets fleetgate read the one token of a ManagedServiceAccount."""
    api, kind = "rbac.authorization.k8s.io", "Role"
    metadata = {"name": "fleetgate-token", "namespace": namespace}
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [OCM_ACCOUNT],
        "verbs": ["get", "list", "watch"],
    }
    subject = {"kind": "ServiceAccount", "name": "fleetgate", "namespace": "fleetgate-system"}
    return [
        {"apiVersion": f"{api}/v1", "kind": kind, "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": kind, "name": metadata["name"]},
            "subjects": [subject],
        },
    ]


def karmada(name: str, access: Access) -> Objects:
    """Karmada's Cluster and its Secret."""
    return [
        thing(
            "cluster.karmada.io/v1alpha1",
            "Cluster",
            name,
            namespace="",
            spec={
                "syncMode": "Push",
                "apiEndpoint": access.server,
                "secretRef": {"namespace": HUB_NAMESPACE, "name": f"{name}-karmada"},
                "region": "eu-1",
            },
            status={"conditions": [is_condition("Ready")]},
        ),
        secret(f"{name}-karmada", {"token": access.token, "caBundle": access.ca.decode()}, namespace=HUB_NAMESPACE),
    ]


Register = Callable[[str, Access], Objects]
"""(name of the cluster there, how to get in) → the objects that register it, the one that names it first."""


def apply(hub: Cluster, objects: Objects) -> None:
    """Write them."""
    hub.apply(*objects)


def delete(hub: Cluster, objects: Objects) -> None:
    """Remove what registers a cluster: everything but namespaces, which stay Terminating on the test API server."""
    items = [one for one in objects if one["kind"] != "Namespace"]
    hub.kubectl("delete", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": items})
