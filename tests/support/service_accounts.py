"""The accounts that fleetgate uses in clusters, from the manifests that users apply."""

from __future__ import annotations

from pathlib import Path

from tests.support.kubeapiserver import Cluster

_MANIFESTS = Path(__file__).parents[2] / "deploy" / "clusters"
NAMESPACE = "fleetgate-system"
USER = f"system:serviceaccount:{NAMESPACE}:fleetgate"
HUB_NAMESPACE = "clusters"
"""Where the hub keeps credentials (`deploy/clusters/hub.yaml`)."""


def member_account(cluster: Cluster) -> str:
    """Make a cluster a member, as its administrator would; return a token of the account."""
    cluster.kubectl("apply", "-f", str(_MANIFESTS / "member.yaml"))
    return new_token(cluster)


def hub_account(cluster: Cluster) -> str:
    """As :func:`member_account`, for a hub."""
    cluster.kubectl("apply", "-f", str(_MANIFESTS / "member.yaml"), "-f", str(_MANIFESTS / "hub.yaml"))
    return new_token(cluster)


def new_token(cluster: Cluster) -> str:
    """Another token of the account; those before stay valid."""
    return cluster.kubectl("create", "token", "fleetgate", "--namespace", NAMESPACE).stdout.strip()
