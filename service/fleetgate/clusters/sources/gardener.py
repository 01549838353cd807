"""Shoots of Gardener (``core.gardener.cloud/v1beta1``).

A kubeconfig is asked for (subresource ``viewerkubeconfig``) and renewed before it expires. A viewer may read all but
Secrets.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from fleetgate.clusters.objects import (
    Object,
    Objects,
    condition,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    text,
    value,
)
from fleetgate.clusters.registration import CredentialRequest, Registration
from fleetgate.clusters.sources.common import register
from fleetgate.clusters.sources.context import HubOptions, in_namespaces
from fleetgate.engine.feeds import Selector

_GROUP, _KIND = "core.gardener.cloud", "Shoot"


class Shoots:
    """The source ``gardener``."""

    name = "gardener"

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:  # noqa: ARG002 (the protocol's)
        """The Shoots of projects whose namespaces are configured (``garden-<project>``)."""
        return in_namespaces(options, _GROUP, "v1beta1", _KIND)

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each Shoot."""
        return [
            self._register(one, options)
            for one in objects.all(_GROUP, _KIND)
            if namespace_of(one) in options.namespaces
        ]

    def _register(self, one: Object, options: HubOptions) -> Registration:
        namespace, name = namespace_of(one), name_of(one)
        key = f"{namespace}/{name}"
        aliases = (name, text(one, "status", "technicalID"), text(one, "status", "clusterIdentity"), key)
        seconds = options.gardener_seconds
        request = CredentialRequest(
            path=f"/apis/{_GROUP}/v1beta1/namespaces/{quote(namespace)}/shoots/{quote(name)}/viewerkubeconfig",
            body=json.dumps(
                {
                    "apiVersion": "authentication.gardener.cloud/v1alpha1",
                    "kind": "ViewerKubeconfigRequest",
                    "spec": {"expirationSeconds": int(seconds)},
                }
            ),
            seconds=seconds,
        )
        return register(self.name, key, aliases, labels_of(one), request=request, problem=_unready(one))


def _unready(one: Object) -> str:
    if is_terminating(one):
        return "it is being deleted"
    if value(one, "status", "hibernated") is True:
        return "it is hibernated"
    status, words = condition(one, "APIServerAvailable")
    if status == "True":
        return ""
    return f"Gardener says that its API server is not available{': ' + words if words else ''}"
