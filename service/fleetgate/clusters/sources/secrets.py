"""The family "Secret with a kubeconfig at a key": Cluster API, Rancher, Fleet, Istio, Linkerd, any Secret so labelled.

Where an object names its Secret, that Secret is watched by name; Cluster API, for one, keeps private keys of
certificate authorities in Secrets with the same labels. The others are watched by label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fleetgate.clusters.objects import (
    Object,
    Objects,
    annotations_of,
    condition,
    is_terminating,
    labels_of,
    mapping,
    name_of,
    namespace_of,
    text,
    value,
)
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources.common import from_secret, register
from fleetgate.clusters.sources.context import HubOptions, in_namespaces, secret_named, secrets_labelled
from fleetgate.engine.feeds import Selector

_CAPI, _RANCHER, _RANCHER_MANAGEMENT, _FLEET = (
    "cluster.x-k8s.io",
    "provisioning.cattle.io",
    "management.cattle.io",
    "fleet.cattle.io",
)


@dataclass(frozen=True, slots=True)
class NamedSecrets:
    """Objects of a kind, each of which names the Secret that holds its cluster's kubeconfig at the key ``value``."""

    name: str
    group: str
    version: str
    kind: str
    secret: Callable[[Object], tuple[str, str]]
    """Namespace and name of the Secret; "" for the name where there is none yet."""
    unready: Callable[[Object], str]
    """Why the cluster cannot be dialled yet; "" where it can."""
    aliases: Callable[[Object, Objects], tuple[str, ...]]
    beside: tuple[Selector, ...] = ()
    """What else to watch."""

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:
        """The objects, and each Secret that one of them names."""
        found = [*in_namespaces(options, self.group, self.version, self.kind), *self.beside]
        for one in self._clusters(objects, options):
            namespace, name = self.secret(one)
            if name and namespace in options.namespaces:
                found.append(secret_named(namespace, name))
        return found

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each object."""
        return [self._register(one, objects, options) for one in self._clusters(objects, options)]

    def _clusters(self, objects: Objects, options: HubOptions) -> Iterator[Object]:
        return (one for one in objects.all(self.group, self.kind) if namespace_of(one) in options.namespaces)

    def _register(self, one: Object, objects: Objects, options: HubOptions) -> Registration:
        key = f"{namespace_of(one)}/{name_of(one)}"
        aliases, labels = (*self.aliases(one, objects), key), labels_of(one)
        namespace, name = self.secret(one)
        problem = "it is being deleted" if is_terminating(one) else self.unready(one)
        if not problem and name and namespace not in options.namespaces:
            problem = f"its Secret is in the namespace {namespace!r}, which hub.namespaces does not list"
        if problem or not name:
            return register(self.name, key, aliases, labels, problem=problem or "it names no Secret yet")
        return from_secret(self.name, key, aliases, labels, objects.secret(namespace, name), "value")


def _capi_unready(one: Object) -> str:
    initialised = value(one, "status", "initialization", "controlPlaneInitialized") is True
    return "" if initialised or value(one, "status", "controlPlaneReady") is True else "its control plane is not ready"


def _rancher_unready(one: Object) -> str:
    if value(one, "status", "ready") is True:
        return ""
    words = condition(one, "Ready")[1]
    return f"Rancher says that it is not ready{': ' + words if words else ''}"


def _rancher_aliases(one: Object, objects: Objects) -> tuple[str, ...]:
    management = text(one, "status", "clusterName")
    cluster = objects.get(_RANCHER_MANAGEMENT, "Cluster", "", management) or {}
    return (name_of(one), text(cluster, "spec", "displayName"), management)


def _fleet_secret(one: Object) -> tuple[str, str]:
    namespace = text(one, "spec", "kubeConfigSecretNamespace") or namespace_of(one)
    return namespace, text(one, "spec", "kubeConfigSecret")


CLUSTER_API = NamedSecrets(
    name="cluster-api",
    group=_CAPI,
    version="",
    kind="Cluster",
    secret=lambda one: (namespace_of(one), f"{name_of(one)}-kubeconfig"),
    unready=_capi_unready,
    aliases=lambda one, _: (name_of(one),),
)

RANCHER = NamedSecrets(
    name="rancher",
    group=_RANCHER,
    version="v1",
    kind="Cluster",
    secret=lambda one: (namespace_of(one), text(one, "status", "clientSecretName")),
    unready=_rancher_unready,
    aliases=_rancher_aliases,
    beside=(Selector(_RANCHER_MANAGEMENT, "v3", "Cluster"),),
)

FLEET = NamedSecrets(
    name="fleet",
    group=_FLEET,
    version="v1alpha1",
    kind="Cluster",
    secret=_fleet_secret,
    unready=lambda _: "",
    aliases=lambda one, _: (name_of(one),),
)


@dataclass(frozen=True, slots=True)
class LabelledSecrets:
    """Secrets with a label, each with one kubeconfig or several."""

    name: str
    labels: tuple[str, ...]
    """Selectors, of which one is enough."""
    is_one: Callable[[Object], bool]
    entries: Callable[[Object], Sequence[tuple[str, str]]]
    """(alias, key of the kubeconfig) of each cluster in a Secret."""
    several: bool = False
    """Whether a Secret may hold several clusters: the key of the registration has the Secret's key then."""

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:  # noqa: ARG002 (the protocol's)
        """The labelled Secrets."""
        return [found for labels in self.labels for found in secrets_labelled(options.namespaces, labels)]

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each kubeconfig."""
        return [
            self._register(secret, alias, entry)
            for secret in objects.secrets()
            if namespace_of(secret) in options.namespaces and self.is_one(secret)
            for alias, entry in self.entries(secret)
        ]

    def _register(self, secret: Object, alias: str, entry: str) -> Registration:
        key = f"{namespace_of(secret)}/{name_of(secret)}"
        aliases = (alias, f"{namespace_of(secret)}/{alias}")
        return from_secret(
            self.name, f"{key}#{entry}" if self.several else key, aliases, labels_of(secret), secret, entry
        )


def _istio_entries(secret: Object) -> list[tuple[str, str]]:
    keys = sorted(mapping(secret, "data"))
    named = annotations_of(secret).get("networking.istio.io/cluster", "")
    return [(named if named and len(keys) == 1 else key, key) for key in keys]


_LINKERD_NAME = "multicluster.linkerd.io/cluster-name"
_RUNTIME_LABEL = "sigs.k8s.io/multicluster-runtime-kubeconfig"
OWN_LABEL = "fleetgate.dev/kubeconfig"
"""Label ``"true"`` of a Secret that registers a cluster, whoever made it."""


def _generic_entries(secret: Object) -> list[tuple[str, str]]:
    """``kubeconfig``, or ``value`` as Cluster API and Flux have it."""
    data = mapping(secret, "data")
    return [(name_of(secret), "value" if "kubeconfig" not in data and "value" in data else "kubeconfig")]


ISTIO = LabelledSecrets(
    name="istio",
    labels=("istio/multiCluster=true",),
    is_one=lambda secret: labels_of(secret).get("istio/multiCluster") == "true",
    entries=_istio_entries,
    several=True,
)

LINKERD = LabelledSecrets(
    name="linkerd",
    labels=(_LINKERD_NAME,),
    is_one=lambda secret: (
        _LINKERD_NAME in labels_of(secret) and text(secret, "type") == "mirror.linkerd.io/remote-kubeconfig"
    ),
    entries=lambda secret: [(labels_of(secret)[_LINKERD_NAME], "kubeconfig")],
)

GENERIC = LabelledSecrets(
    name="secret",
    labels=(f"{_RUNTIME_LABEL}=true", f"{OWN_LABEL}=true"),
    is_one=lambda secret: "true" in {labels_of(secret).get(_RUNTIME_LABEL), labels_of(secret).get(OWN_LABEL)},
    entries=_generic_entries,
)
