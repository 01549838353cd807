"""ClusterProfiles of the Cluster Inventory API (``multicluster.x-k8s.io/v1alpha1``).

How to get in is said by access providers, each a credential plug-in that this side chooses for the provider's name
(``hub.exec_providers``); arguments and environment that a profile brings along are ignored
(``profileSourcedCLIArgsPolicy: Ignore``). Or by a Secret for a consumer with a kubeconfig, as multicluster-runtime
reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetgate.clusters import kubeconfig
from fleetgate.clusters.kubeconfig import UNTRUSTED, KubeconfigInvalid
from fleetgate.clusters.objects import (
    Object,
    Objects,
    condition,
    is_terminating,
    labels_of,
    mapping,
    mappings,
    name_of,
    namespace_of,
    text,
    value,
)
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources.common import from_secret, register
from fleetgate.clusters.sources.context import HubOptions, in_namespaces, secrets_labelled
from fleetgate.engine.feeds import Selector

_GROUP, _KIND = "multicluster.x-k8s.io", "ClusterProfile"
_SET_LABEL = "multicluster.x-k8s.io/clusterset"
_PROFILE_LABEL = "x-k8s.io/cluster-profile"
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"


class ClusterProfiles:
    """The source ``cluster-profile``."""

    name = "cluster-profile"

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:  # noqa: ARG002 (the protocol's)
        """The profiles, the Namespaces they are in (they say the cluster set), Secrets for consumers."""
        return [
            *in_namespaces(options, _GROUP, "v1alpha1", _KIND),
            *(Selector("", "v1", "Namespace", fields=f"metadata.name={name}") for name in options.namespaces),
            *secrets_labelled(options.namespaces, _PROFILE_LABEL),
        ]

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each profile."""
        return [
            self._register(one, objects, options)
            for one in objects.all(_GROUP, _KIND)
            if namespace_of(one) in options.namespaces
        ]

    def _register(self, one: Object, objects: Objects, options: HubOptions) -> Registration:
        key, labels = f"{namespace_of(one)}/{name_of(one)}", labels_of(one)
        aliases = (name_of(one), text(one, "spec", "displayName"), key)
        namespace = objects.get("", "Namespace", "", namespace_of(one)) or {}
        cluster_set = labels_of(namespace).get(_SET_LABEL, "")
        problem, found, local = self._unready(one), "", False
        if not problem:
            secret = _secret_of(one, objects)
            if secret is not None:
                inner = from_secret(self.name, key, aliases, labels, secret, "Config")
                problem, found = inner.problem, inner.kubeconfig
            else:
                try:
                    found, local = _by_provider(one, options), True
                except KubeconfigInvalid as error:
                    problem = str(error)
        return register(
            self.name,
            key,
            aliases,
            labels,
            kubeconfig=found,
            cluster_set=cluster_set,
            problem=problem,
            local=local,  # the plug-in is that of hub.exec_providers
        )

    def _unready(self, one: Object) -> str:
        if is_terminating(one):
            return "it is being deleted"
        status, words = condition(one, "ControlPlaneHealthy")
        return f"its manager says that the control plane is not healthy: {words}" if status == "False" else ""


def _secret_of(one: Object, objects: Objects) -> Object | None:
    for secret in objects.secrets():
        if namespace_of(secret) == namespace_of(one) and labels_of(secret).get(_PROFILE_LABEL) == name_of(one):
            return secret
    return None


def _by_provider(one: Object, options: HubOptions) -> str:
    """A kubeconfig by the first provider of the profile that this side knows."""
    offered = mappings(one, "status", "accessProviders") or mappings(one, "status", "credentialProviders")
    for provider in offered:
        plugin = options.exec_providers.get(text(provider, "name"))
        if plugin is not None:
            user = {"exec": kubeconfig.check_plugin(plugin, options.exec_commands)}
            return kubeconfig.self_contained(_cluster(mapping(provider, "cluster")), user)
    names = ", ".join(sorted(text(provider, "name") for provider in offered))
    raise KubeconfigInvalid(
        f"none of its access providers ({names}) is in hub.exec_providers" if names else "it has no access provider yet"
    )


def _cluster(offered: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"server": kubeconfig.check_server(text(offered, "server"), UNTRUSTED)}
    for name in ("certificate-authority-data", "tls-server-name", "proxy-url"):
        if written := text(offered, name):
            found[name] = written
    if value(offered, "insecure-skip-tls-verify") is True:
        found["insecure-skip-tls-verify"] = True
    # What the plug-in is told of the cluster; the other extensions are not for us.
    extensions = [entry for entry in mappings(offered, "extensions") if text(entry, "name") == _EXEC_EXTENSION]
    if extensions:
        found["extensions"] = [dict(entry) for entry in extensions]
    return found
