"""Clusters of Karmada (``cluster.karmada.io/v1alpha1``)."""

from __future__ import annotations

import base64

from fleetgate.clusters.kubeconfig import KubeconfigInvalid
from fleetgate.clusters.objects import (
    Object,
    Objects,
    condition,
    is_terminating,
    labels_of,
    name_of,
    secret_data,
    secret_text,
    text,
    value,
)
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources.common import bearer, register
from fleetgate.clusters.sources.context import HubOptions, secret_named
from fleetgate.engine.feeds import Selector

_GROUP, _KIND = "cluster.karmada.io", "Cluster"
_PLACES = {"provider": "cluster.karmada.io/provider", "region": "topology.kubernetes.io/region"}


class KarmadaClusters:
    """The source ``karmada``."""

    name = "karmada"

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:
        """The Clusters, and the Secret of each, in namespaces that may be read."""
        found = [Selector(_GROUP, "v1alpha1", _KIND)]
        for one in objects.all(_GROUP, _KIND):
            namespace, name = _secret_of(one)
            if name and namespace in options.namespaces:
                found.append(secret_named(namespace, name))
        return found

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each Cluster."""
        return [self._register(one, objects, options) for one in objects.all(_GROUP, _KIND)]

    def _register(self, one: Object, objects: Objects, options: HubOptions) -> Registration:
        labels = {label: text(one, "spec", place) for place, label in _PLACES.items() if text(one, "spec", place)}
        problem, found = "it is being deleted" if is_terminating(one) else "", ""
        try:
            found = _kubeconfig(one, objects, options)
        except KubeconfigInvalid as error:
            problem = problem or str(error)
        return register(
            self.name, name_of(one), (name_of(one),), {**labels, **labels_of(one)}, kubeconfig=found, problem=problem
        )


def _secret_of(one: Object) -> tuple[str, str]:
    return text(one, "spec", "secretRef", "namespace"), text(one, "spec", "secretRef", "name")


def _kubeconfig(one: Object, objects: Objects, options: HubOptions) -> str:
    endpoint = text(one, "spec", "apiEndpoint")
    if not endpoint:
        pull = text(one, "spec", "syncMode") == "Pull"
        raise KubeconfigInvalid(
            "it is in Pull mode and has no apiEndpoint: run `fleetgate agent` in it"
            if pull
            else "it has no apiEndpoint"
        )
    namespace, name = _secret_of(one)
    if not name:
        raise KubeconfigInvalid("it names no Secret (secretRef)")
    if namespace not in options.namespaces:
        raise KubeconfigInvalid(f"its Secret is in the namespace {namespace!r}, which hub.namespaces does not list")
    secret = objects.secret(namespace, name)
    token = secret_text(secret, "token") if secret is not None else ""
    if secret is None or not token:
        raise KubeconfigInvalid(f"the Secret {namespace}/{name} with its token is not there")
    status, words = condition(one, "Ready")
    if status == "False":
        raise KubeconfigInvalid(f"Karmada says that it is not ready: {words}")
    ca = secret_data(secret, "caBundle") or b""
    return bearer(
        endpoint,
        token,
        base64.b64encode(ca).decode(),
        proxy=text(one, "spec", "proxyURL"),
        insecure=value(one, "spec", "insecureSkipTLSVerification") is True,
    )
