"""What the registry wants done. It does nothing itself: :mod:`fleetgate.clusters.runner` carries these out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetgate.clusters.registration import Registration


@dataclass(frozen=True, slots=True)
class Facts:
    """What the core is told of a cluster. ``uid`` is "" as long as nobody has asked it who it is."""

    uid: str
    aliases: tuple[str, ...]
    labels: Mapping[str, str]
    cluster_set: str
    reason: str = ""
    """Why it is not connected; "" where it is."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Find out which cluster a registration leads to."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Connect:
    """Feed a cluster by this kubeconfig from now on."""

    name: str
    uid: str
    kubeconfig: str = field(repr=False)
    local: bool = False
    """Whether the kubeconfig was written here, and may name files."""


@dataclass(frozen=True, slots=True)
class Describe:
    """Tell the core of a cluster, or of what changed."""

    name: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Drop:
    """A cluster is gone: end its feed and forget its objects."""

    name: str


Action = Dial | Connect | Describe | Drop
