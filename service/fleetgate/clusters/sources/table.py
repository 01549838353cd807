"""The sources, in the order in which they name clusters and in which their credentials are preferred."""

from __future__ import annotations

from collections.abc import Mapping

from fleetgate.clusters.sources import files
from fleetgate.clusters.sources.argocd import ArgoCd
from fleetgate.clusters.sources.cluster_profile import ClusterProfiles
from fleetgate.clusters.sources.context import Source
from fleetgate.clusters.sources.gardener import Shoots
from fleetgate.clusters.sources.karmada import KarmadaClusters
from fleetgate.clusters.sources.ocm import ManagedClusters
from fleetgate.clusters.sources.secrets import CLUSTER_API, FLEET, GENERIC, ISTIO, LINKERD, RANCHER

HUB_SOURCES: tuple[Source, ...] = (
    CLUSTER_API,
    RANCHER,
    FLEET,
    ISTIO,
    LINKERD,
    GENERIC,
    ArgoCd(),
    ClusterProfiles(),
    ManagedClusters(),
    Shoots(),
    KarmadaClusters(),
)
"""Those that read the hub's objects."""

ORDER: Mapping[str, int] = {
    name: index for index, name in enumerate((files.NAME, *(source.name for source in HUB_SOURCES), "agent"))
}
"""Name of a source → its place in the order. ``agent`` is a cluster that connects by itself."""
