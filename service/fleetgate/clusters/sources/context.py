"""What sources are given beside the hub's objects, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fleetgate.clusters.objects import Objects
from fleetgate.clusters.registration import Registration
from fleetgate.engine.feeds import Selector


@dataclass(frozen=True, slots=True)
class HubOptions:
    """How the hub is read."""

    namespaces: tuple[str, ...] = ()
    """Namespaces whose Secrets may be read, and in which namespaced objects are looked for."""
    exec_providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Access provider of ClusterProfiles → its ``execConfig``."""
    exec_commands: frozenset[str] = frozenset()
    """Credential plug-ins that may run."""
    ocm_account: str = ""
    """Name of the ManagedServiceAccount whose token OCM's clusters are read with."""
    ocm_proxy: str = ""
    """URL of OCM's cluster-proxy user server; clusters are reached by their own URLs where it is empty."""
    ocm_proxy_ca: str = ""
    """PEM of the proxy's certificate authority."""
    gardener_seconds: float = 600.0
    """How long a viewer kubeconfig of Gardener is good for."""


class Source(Protocol):
    """A source: what it wants to see of the hub, and what that says."""

    @property
    def name(self) -> str:
        """How messages, files and settings call it."""

    def selectors(self, objects: Objects, options: HubOptions) -> Sequence[Selector]:
        """What to watch. It may depend on what is seen already: a Secret that an object names is selected by name."""

    def registrations(self, objects: Objects, options: HubOptions) -> Sequence[Registration]:
        """The clusters that these objects register, in the order of their keys."""


def secret_named(namespace: str, name: str) -> Selector:
    """One Secret."""
    return Selector("", "v1", "Secret", namespace, fields=f"metadata.name={name}")


def secrets_labelled(namespaces: Sequence[str], labels: str) -> list[Selector]:
    """The Secrets with a label, in namespaces that may be read."""
    return [Selector("", "v1", "Secret", namespace, labels=labels) for namespace in namespaces]


def in_namespaces(options: HubOptions, group: str, version: str, kind: str) -> list[Selector]:
    """The objects of a namespaced kind."""
    return [Selector(group, version, kind, namespace) for namespace in options.namespaces]
