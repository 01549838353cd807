"""ManagedClusters of Open Cluster Management (``cluster.open-cluster-management.io/v1``).

The object has no credential. It comes from a ManagedServiceAccount (``hub.ocm_account``): a token in the Secret of that
name in the cluster's own namespace on the hub, read by name. The cluster is reached at the URL that it registered, or
through cluster-proxy (``hub.ocm_proxy``).
"""

from __future__ import annotations

import base64

from fleetgate.clusters.kubeconfig import KubeconfigInvalid
from fleetgate.clusters.objects import (
    Object,
    Objects,
    condition,
    is_terminating,
    labels_of,
    mappings,
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

_GROUP, _KIND = "cluster.open-cluster-management.io", "ManagedCluster"
_SET_LABEL = f"{_GROUP}/clusterset"
_CONDITIONS = {
    "HubAcceptedManagedCluster": "the hub has not accepted it",
    "ManagedClusterJoined": "it has not joined the hub",
    "ManagedClusterConditionAvailable": "it is not available",
}
_TAINTS = (f"{_GROUP}/unreachable", f"{_GROUP}/unavailable")


class ManagedClusters:
    """The source ``ocm``."""

    name = "ocm"

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:
        """The ManagedClusters, and the token of each."""
        found = [Selector(_GROUP, "v1", _KIND)]
        if options.ocm_account:
            found += [secret_named(name_of(one), options.ocm_account) for one in objects.all(_GROUP, _KIND)]
        return found

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each ManagedCluster."""
        return [self._register(one, objects, options) for one in objects.all(_GROUP, _KIND)]

    def _register(self, one: Object, objects: Objects, options: HubOptions) -> Registration:
        name, labels = name_of(one), labels_of(one)
        claims = {text(claim, "name"): text(claim, "value") for claim in mappings(one, "status", "clusterClaims")}
        problem, found = _unready(one), ""
        if not problem:
            try:
                found = _kubeconfig(one, objects, options)
            except KubeconfigInvalid as error:
                problem = str(error)
        return register(
            self.name,
            name,
            (name, claims.get("name", ""), claims.get("id.k8s.io", "")),
            labels,
            kubeconfig=found,
            cluster_set=labels.get(_SET_LABEL, ""),
            problem=problem,
        )


def _unready(one: Object) -> str:
    if is_terminating(one):
        return "it is being deleted"
    if value(one, "spec", "hubAcceptsClient") is not True:
        return "the hub has not accepted it"
    for kind, words in _CONDITIONS.items():
        status, told = condition(one, kind)
        if status != "True":
            return f"OCM says that {words}{': ' + told if told else ''}"
    tainted = [text(taint, "key") for taint in mappings(one, "spec", "taints") if text(taint, "key") in _TAINTS]
    return f"OCM put the taint {tainted[0]} on it" if tainted else ""


def _kubeconfig(one: Object, objects: Objects, options: HubOptions) -> str:
    if not options.ocm_account:
        raise KubeconfigInvalid("a ManagedCluster holds no credential: hub.ocm_account names a ManagedServiceAccount")
    secret = objects.secret(name_of(one), options.ocm_account)
    token = secret_text(secret, "token") if secret is not None else ""
    if secret is None or not token:
        raise KubeconfigInvalid(f"the Secret {name_of(one)}/{options.ocm_account} with its token is not there")
    if options.ocm_proxy:
        ca = base64.b64encode(options.ocm_proxy_ca.encode()).decode() if options.ocm_proxy_ca else ""
        return bearer(f"{options.ocm_proxy.rstrip('/')}/{name_of(one)}", token, ca)
    configs = mappings(one, "spec", "managedClusterClientConfigs")
    if not configs:
        raise KubeconfigInvalid("it registered no URL (managedClusterClientConfigs), and hub.ocm_proxy is not set")
    own = secret_data(secret, "ca.crt")
    ca = text(configs[0], "caBundle") or (base64.b64encode(own).decode() if own else "")
    return bearer(text(configs[0], "url"), token, ca)
