"""Every source of the hub as a table: objects in, registrations and what to watch out.

Shapes are those of the projects' own API types; each is named where it is made.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from fleetgate.clusters.objects import Objects
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources.context import HubOptions
from fleetgate.clusters.sources.table import HUB_SOURCES, ORDER
from fleetgate.engine.feeds import Selector

from tests.support.hub_objects import CA, is_condition, kubeconfig, secret, thing

SOURCES = {source.name: source for source in HUB_SOURCES}
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "secretreader", "provideClusterInfo": True}
OPTIONS = HubOptions(
    namespaces=("hub",),
    exec_providers={"secretreader": PLUGIN},
    exec_commands=frozenset({"secretreader"}),
    ocm_account="fleetgate",
)


def _user(registration: Registration) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(registration.kubeconfig)["users"][0]["user"]
    return found


def _cluster(registration: Registration) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(registration.kubeconfig)["clusters"][0]["cluster"]
    return found


@dataclass(frozen=True)
class Row:
    """``registered`` is (key, aliases, token, cluster set); a row with a ``problem`` registers without credentials."""

    id: str
    source: str
    objects: tuple[dict[str, Any], ...]
    key: str = ""
    aliases: tuple[str, ...] = ()
    token: str = "t0"
    problem: str = ""
    cluster_set: str = "default"
    labels: dict[str, str] = field(default_factory=dict)
    none: bool = False


READY = {"initialization": {"controlPlaneInitialized": True}}
CAPI = "cluster.x-k8s.io/v1beta2"
CAPI_SECRET = secret(
    "a-kubeconfig",
    {"value": kubeconfig()},
    kind="cluster.x-k8s.io/secret",
    labels={"cluster.x-k8s.io/cluster-name": "a"},
)
RANCHER = "provisioning.cattle.io/v1"
RANCHER_STATUS = {"ready": True, "clusterName": "c-m-x1", "clientSecretName": "a-kubeconfig"}
PROFILE = "multicluster.x-k8s.io/v1alpha1"
HEALTHY = [is_condition("ControlPlaneHealthy")]
OCM = "cluster.open-cluster-management.io/v1"
OCM_READY = {
    "conditions": [
        is_condition("HubAcceptedManagedCluster"),
        is_condition("ManagedClusterJoined"),
        is_condition("ManagedClusterConditionAvailable"),
    ],
    "clusterClaims": [{"name": "id.k8s.io", "value": "uid-1"}],
}
OCM_SPEC = {
    "hubAcceptsClient": True,
    "managedClusterClientConfigs": [{"url": "https://a.example:6443", "caBundle": CA}],
}
OCM_SECRET = secret("fleetgate", {"token": "t0", "ca.crt": "CA"}, namespace="a")
SHOOT = "core.gardener.cloud/v1beta1"
KARMADA = "cluster.karmada.io/v1alpha1"
KARMADA_SPEC = {
    "apiEndpoint": "https://a.example:6443",
    "syncMode": "Push",
    "secretRef": {"namespace": "hub", "name": "a-token"},
    "region": "eu",
}
KARMADA_SECRET = secret("a-token", {"token": "t0", "caBundle": "CA"})
ARGO = {"argocd.argoproj.io/secret-type": "cluster"}
ARGO_CONFIG = json.dumps({"bearerToken": "t0", "tlsClientConfig": {"caData": CA}})


def _argo(config: str = ARGO_CONFIG, **data: str) -> dict[str, Any]:
    content = {"name": "prod", "server": "https://a.example:6443", "config": config, **data}
    return secret("cluster-a", content, labels=ARGO)


ROWS = [
    Row(
        "capi",
        "cluster-api",
        (thing(CAPI, "Cluster", "a", status=READY, labels={"region": "eu"}), CAPI_SECRET),
        key="hub/a",
        aliases=("a", "hub/a"),
        labels={"region": "eu"},
    ),
    Row(
        "capi v1beta1",
        "cluster-api",
        (thing("cluster.x-k8s.io/v1beta1", "Cluster", "a", status={"controlPlaneReady": True}), CAPI_SECRET),
        key="hub/a",
        aliases=("a", "hub/a"),
    ),
    Row(
        "capi in another set",
        "cluster-api",
        (thing(CAPI, "Cluster", "a", status=READY, labels={"fleetgate.dev/cluster-set": "pci"}), CAPI_SECRET),
        key="hub/a",
        aliases=("a", "hub/a"),
        cluster_set="pci",
        labels={"fleetgate.dev/cluster-set": "pci"},
    ),
    Row("capi not initialised", "cluster-api", (thing(CAPI, "Cluster", "a"), CAPI_SECRET), problem="not ready"),
    Row("capi without Secret", "cluster-api", (thing(CAPI, "Cluster", "a", status=READY),), problem="not there"),
    Row(
        "capi being deleted",
        "cluster-api",
        (thing(CAPI, "Cluster", "a", status=READY, deleted=True), CAPI_SECRET),
        problem="being deleted",
    ),
    Row(
        "capi elsewhere",
        "cluster-api",
        (thing(CAPI, "Cluster", "a", status=READY, namespace="other"),),
        none=True,
    ),
    Row(
        "capi with a plug-in",
        "cluster-api",
        (
            thing(CAPI, "Cluster", "a", status=READY),
            secret("a-kubeconfig", {"value": kubeconfig().replace('"token": "t0"', '"exec": {"command": "sh"}')}),
        ),
        problem="none is allowed here",
    ),
    Row(
        "rancher",
        "rancher",
        (
            thing(RANCHER, "Cluster", "a", status=RANCHER_STATUS),
            thing("management.cattle.io/v3", "Cluster", "c-m-x1", namespace="", spec={"displayName": "Alpha"}),
            CAPI_SECRET,
        ),
        key="hub/a",
        aliases=("a", "Alpha", "c-m-x1", "hub/a"),
    ),
    Row(
        "rancher not ready",
        "rancher",
        (
            thing(
                RANCHER, "Cluster", "a", status={"ready": False, "conditions": [is_condition("Ready", "False", "boom")]}
            ),
        ),
        problem="Rancher says that it is not ready: boom",
    ),
    Row(
        "rancher no Secret yet",
        "rancher",
        (thing(RANCHER, "Cluster", "a", status={"ready": True}),),
        problem="names no",
    ),
    Row(
        "fleet",
        "fleet",
        (
            thing("fleet.cattle.io/v1alpha1", "Cluster", "a", spec={"kubeConfigSecret": "s"}),
            secret("s", {"value": kubeconfig()}),
        ),
        key="hub/a",
        aliases=("a", "hub/a"),
    ),
    Row(
        "fleet, Secret elsewhere",
        "fleet",
        (
            thing(
                "fleet.cattle.io/v1alpha1",
                "Cluster",
                "a",
                spec={"kubeConfigSecret": "s", "kubeConfigSecretNamespace": "kube-system"},
            ),
            secret("s", {"value": kubeconfig()}, namespace="kube-system"),
        ),
        problem="'kube-system', which hub.namespaces does not list",
    ),
    Row(
        "istio",
        "istio",
        (secret("istio-remote-secret-a", {"a": kubeconfig()}, labels={"istio/multiCluster": "true"}),),
        key="hub/istio-remote-secret-a#a",
        aliases=("a", "hub/a"),
        labels={"istio/multiCluster": "true"},
    ),
    Row(
        "istio with its annotation",
        "istio",
        (
            secret(
                "s",
                {"kubeconfig": kubeconfig()},
                labels={"istio/multiCluster": "true"},
                annotations={"networking.istio.io/cluster": "a"},
            ),
        ),
        key="hub/s#kubeconfig",
        aliases=("a", "hub/a"),
        labels={"istio/multiCluster": "true"},
    ),
    Row("istio, another label", "istio", (secret("s", {"a": kubeconfig()}, labels={"istio/x": "true"}),), none=True),
    Row(
        "linkerd",
        "linkerd",
        (
            secret(
                "cluster-credentials-a",
                {"kubeconfig": kubeconfig()},
                kind="mirror.linkerd.io/remote-kubeconfig",
                labels={"multicluster.linkerd.io/cluster-name": "a"},
            ),
        ),
        key="hub/cluster-credentials-a",
        aliases=("a", "hub/a"),
        labels={"multicluster.linkerd.io/cluster-name": "a"},
    ),
    Row(
        "linkerd, another type",
        "linkerd",
        (secret("s", {"kubeconfig": kubeconfig()}, labels={"multicluster.linkerd.io/cluster-name": "a"}),),
        none=True,
    ),
    Row(
        "multicluster-runtime",
        "secret",
        (secret("a", {"kubeconfig": kubeconfig()}, labels={"sigs.k8s.io/multicluster-runtime-kubeconfig": "true"}),),
        key="hub/a",
        aliases=("a", "hub/a"),
        labels={"sigs.k8s.io/multicluster-runtime-kubeconfig": "true"},
    ),
    Row(
        "any Secret",
        "secret",
        (secret("a", {"value": kubeconfig()}, labels={"fleetgate.dev/kubeconfig": "true"}),),
        key="hub/a",
        aliases=("a", "hub/a"),
        labels={"fleetgate.dev/kubeconfig": "true"},
    ),
    Row("a Secret of nobody", "secret", (secret("a", {"kubeconfig": kubeconfig()}),), none=True),
    Row(
        "a Secret without its key",
        "secret",
        (secret("a", {"x": "y"}, labels={"fleetgate.dev/kubeconfig": "true"}),),
        problem="no kubeconfig at the key 'kubeconfig'",
    ),
    Row("argo", "argo-cd", (_argo(),), key="hub/cluster-a", aliases=("prod", "cluster-a", "hub/cluster-a")),
    Row("argo with a plug-in", "argo-cd", (_argo('{"execProviderConfig": {"command": "x"}}'),), problem="execProvider"),
    Row("argo on AWS", "argo-cd", (_argo('{"awsAuthConfig": {"clusterName": "x"}}'),), problem="awsAuthConfig"),
    Row("argo in its own cluster", "argo-cd", (_argo("{}"),), problem="holds no credentials"),
    Row("argo, broken config", "argo-cd", (_argo("{"),), problem="not JSON"),
    Row(
        "argo, half a certificate",
        "argo-cd",
        (_argo(json.dumps({"tlsClientConfig": {"certData": CA}})),),
        problem="without its key",
    ),
    Row(
        "argo, paused",
        "argo-cd",
        (
            secret(
                "cluster-a",
                {"name": "prod", "server": "https://a", "config": ARGO_CONFIG},
                labels=ARGO,
                annotations={"argocd.argoproj.io/skip-reconcile": "true"},
            ),
        ),
        problem="paused",
    ),
    Row(
        "profile by a Secret for its consumer",
        "cluster-profile",
        (
            thing(PROFILE, "ClusterProfile", "a", spec={"displayName": "Alpha"}, status={"conditions": HEALTHY}),
            secret("c", {"Config": kubeconfig()}, labels={"x-k8s.io/cluster-profile": "a"}),
            thing("v1", "Namespace", "hub", namespace="", labels={"multicluster.x-k8s.io/clusterset": "pci"}),
        ),
        key="hub/a",
        aliases=("a", "Alpha", "hub/a"),
        cluster_set="pci",
    ),
    Row(
        "profile whose providers are not known",
        "cluster-profile",
        (
            thing(
                PROFILE,
                "ClusterProfile",
                "a",
                status={"accessProviders": [{"name": "google", "cluster": {"server": "https://a"}}]},
            ),
        ),
        problem="none of its access providers (google) is in hub.exec_providers",
    ),
    Row("profile without providers", "cluster-profile", (thing(PROFILE, "ClusterProfile", "a"),), problem="no access"),
    Row(
        "profile that is not healthy",
        "cluster-profile",
        (
            thing(
                PROFILE,
                "ClusterProfile",
                "a",
                status={"conditions": [is_condition("ControlPlaneHealthy", "False", "x")]},
            ),
        ),
        problem="not healthy: x",
    ),
    Row(
        "ocm",
        "ocm",
        (
            thing(
                OCM,
                "ManagedCluster",
                "a",
                namespace="",
                spec=OCM_SPEC,
                status=OCM_READY,
                labels={"cluster.open-cluster-management.io/clusterset": "pci"},
            ),
            OCM_SECRET,
        ),
        key="a",
        aliases=("a", "uid-1"),
        cluster_set="pci",
        labels={"cluster.open-cluster-management.io/clusterset": "pci"},
    ),
    Row(
        "ocm without a token",
        "ocm",
        (thing(OCM, "ManagedCluster", "a", namespace="", spec=OCM_SPEC, status=OCM_READY),),
        problem="a/fleetgate with its token is not there",
    ),
    Row(
        "ocm not available",
        "ocm",
        (
            thing(
                OCM,
                "ManagedCluster",
                "a",
                namespace="",
                spec=OCM_SPEC,
                status={"conditions": [*OCM_READY["conditions"][:2]]},
            ),
            OCM_SECRET,
        ),
        problem="it is not available",
    ),
    Row(
        "ocm unreachable",
        "ocm",
        (
            thing(
                OCM,
                "ManagedCluster",
                "a",
                namespace="",
                spec={**OCM_SPEC, "taints": [{"key": "cluster.open-cluster-management.io/unreachable"}]},
                status=OCM_READY,
            ),
            OCM_SECRET,
        ),
        problem="the taint cluster.open-cluster-management.io/unreachable",
    ),
    Row(
        "gardener hibernated",
        "gardener",
        (thing(SHOOT, "Shoot", "a", status={"hibernated": True}),),
        problem="hibernated",
    ),
    Row(
        "gardener not available",
        "gardener",
        (thing(SHOOT, "Shoot", "a", status={"conditions": [is_condition("APIServerAvailable", "False", "dns")]}),),
        problem="not available: dns",
    ),
    Row(
        "karmada",
        "karmada",
        (thing(KARMADA, "Cluster", "a", namespace="", spec=KARMADA_SPEC), KARMADA_SECRET),
        key="a",
        aliases=("a",),
        labels={"topology.kubernetes.io/region": "eu"},
    ),
    Row(
        "karmada that pulls",
        "karmada",
        (thing(KARMADA, "Cluster", "a", namespace="", spec={"syncMode": "Pull"}),),
        problem="fleetgate agent",
    ),
    Row(
        "karmada, Secret elsewhere",
        "karmada",
        (
            thing(
                KARMADA,
                "Cluster",
                "a",
                namespace="",
                spec={**KARMADA_SPEC, "secretRef": {"namespace": "other", "name": "a-token"}},
            ),
        ),
        problem="'other', which hub.namespaces does not list",
    ),
    Row(
        "karmada not ready",
        "karmada",
        (
            thing(
                KARMADA,
                "Cluster",
                "a",
                namespace="",
                spec=KARMADA_SPEC,
                status={"conditions": [is_condition("Ready", "False", "x")]},
            ),
            KARMADA_SECRET,
        ),
        problem="not ready: x",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_objects_to_registrations(row: Row) -> None:
    found = SOURCES[row.source].registrations(Objects.of(*row.objects), OPTIONS)
    if row.none:
        assert found == []
        return
    (one,) = found
    assert one.source == row.source
    if row.problem:
        assert row.problem in one.problem
        assert (one.kubeconfig, one.request, one.fingerprint) == ("", None, "")
        return
    assert one.problem == ""
    assert (one.key, one.aliases, one.cluster_set) == (row.key, row.aliases, row.cluster_set)
    assert _user(one) == {"token": row.token}
    assert one.labels == row.labels


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_registers_nothing(source: str) -> None:
    assert list(SOURCES[source].registrations(Objects(), OPTIONS)) == []


@pytest.mark.parametrize("row", [row for row in ROWS if not row.none], ids=lambda row: row.id)
def test_objects_of_any_shape_never_raise(row: Row) -> None:
    """Each field in turn is something else than it should be."""
    for index, one in enumerate(row.objects):
        for path in _paths(one):
            for wrong in (None, 7, "x", [], {}, ["x"], [{"name": 3}]):
                objects = [*row.objects[:index], _with(one, path, wrong), *row.objects[index + 1 :]]
                for found in SOURCES[row.source].registrations(Objects.of(*objects), OPTIONS):
                    assert found.problem or found.fingerprint


def _paths(value: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return []
    return [path for key in value for path in [(*prefix, key), *_paths(value[key], (*prefix, key))]]


def _with(value: Any, path: tuple[str, ...], wrong: Any) -> Any:
    if not path:
        return wrong
    return {**value, path[0]: _with(value[path[0]], path[1:], wrong)}


def test_a_rotated_credential_changes_the_fingerprint_and_nothing_else() -> None:
    def registered(token: str) -> Registration:
        held = secret("a", {"kubeconfig": kubeconfig(token=token)}, labels={"fleetgate.dev/kubeconfig": "true"})
        return SOURCES["secret"].registrations(Objects.of(held), OPTIONS)[0]

    before, after = registered("t0"), registered("t1")
    assert before.fingerprint != after.fingerprint
    assert (before.id, before.aliases, before.labels) == (after.id, after.aliases, after.labels)


def test_several_clusters_in_one_secret_of_istio() -> None:
    held = secret("s", {"a": kubeconfig(), "b": kubeconfig(token="t1")}, labels={"istio/multiCluster": "true"})
    found = SOURCES["istio"].registrations(Objects.of(held), OPTIONS)
    assert [(one.key, one.aliases[0], _user(one)) for one in found] == [
        ("hub/s#a", "a", {"token": "t0"}),
        ("hub/s#b", "b", {"token": "t1"}),
    ]


def test_argos_whole_config() -> None:
    config = {
        "username": "u",
        "password": "p",
        "tlsClientConfig": {"serverName": "x", "caData": CA, "certData": CA, "keyData": CA},
        "proxyUrl": "http://proxy:3128",
        "disableCompression": True,
    }
    (one,) = SOURCES["argo-cd"].registrations(
        Objects.of(_argo(json.dumps(config), namespaces="team-a, team-b")), OPTIONS
    )
    assert one.partial == ("team-a", "team-b")
    assert _user(one) == {
        "username": "u",
        "password": "p",
        "client-certificate-data": CA,
        "client-key-data": CA,
    }
    assert _cluster(one) == {
        "server": "https://a.example:6443",
        "certificate-authority-data": CA,
        "tls-server-name": "x",
        "proxy-url": "http://proxy:3128",
        "disable-compression": True,
    }


def test_a_profile_by_an_access_provider() -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"clusterName": "a"}}
    cluster = {
        "server": "https://a.example",
        "certificate-authority-data": CA,
        "extensions": [extension, {"name": "x"}],
    }
    profile = thing(
        PROFILE,
        "ClusterProfile",
        "a",
        status={
            "accessProviders": [
                {"name": "google", "cluster": {"server": "https://b.example"}},
                {"name": "secretreader", "cluster": cluster, "args": ["--evil"]},
            ]
        },
    )
    (one,) = SOURCES["cluster-profile"].registrations(Objects.of(profile), OPTIONS)
    assert _cluster(one) == {
        "server": "https://a.example",
        "certificate-authority-data": CA,
        "extensions": [extension],
    }
    assert _user(one)["exec"]["command"] == "secretreader"
    assert _user(one)["exec"]["args"] == []
    not_allowed = HubOptions(namespaces=("hub",), exec_providers={"secretreader": PLUGIN})
    (refused,) = SOURCES["cluster-profile"].registrations(Objects.of(profile), not_allowed)
    assert "secretreader" in refused.problem


def test_ocm_through_its_proxy() -> None:
    options = HubOptions(ocm_account="fleetgate", ocm_proxy="https://proxy.example/", ocm_proxy_ca="PEM")
    cluster = thing(OCM, "ManagedCluster", "a", namespace="", spec={"hubAcceptsClient": True}, status=OCM_READY)
    (one,) = SOURCES["ocm"].registrations(Objects.of(cluster, OCM_SECRET), options)
    assert _cluster(one) == {
        "server": "https://proxy.example/a",
        "certificate-authority-data": base64.b64encode(b"PEM").decode(),
    }


def test_a_shoots_kubeconfig_is_asked_for() -> None:
    shoot = thing(
        SHOOT,
        "Shoot",
        "a",
        status={
            "conditions": [is_condition("APIServerAvailable")],
            "technicalID": "shoot--p--a",
            "clusterIdentity": "shoot--p--a-uid-hub",
        },
    )
    (one,) = SOURCES["gardener"].registrations(Objects.of(shoot), OPTIONS)
    assert one.aliases == ("a", "shoot--p--a", "shoot--p--a-uid-hub", "hub/a")
    assert one.request is not None
    assert one.request.path == "/apis/core.gardener.cloud/v1beta1/namespaces/hub/shoots/a/viewerkubeconfig"
    assert json.loads(one.request.body) == {
        "apiVersion": "authentication.gardener.cloud/v1alpha1",
        "kind": "ViewerKubeconfigRequest",
        "spec": {"expirationSeconds": 600},
    }


ALL = Objects.of(*{repr(one): one for row in ROWS for one in row.objects}.values())


@pytest.mark.parametrize("source", SOURCES)
def test_secrets_are_read_by_name_or_label_in_configured_namespaces_only(source: str) -> None:
    """An OCM account's token is in its cluster's own namespace, and read there by name."""
    for selector in SOURCES[source].selectors(ALL, OPTIONS):
        if selector.kind == "Secret":
            assert selector.labels or selector.fields.startswith("metadata.name="), selector
            assert selector.namespace == "hub" or (source == "ocm" and selector.fields == "metadata.name=fleetgate")
    for selector in SOURCES[source].selectors(ALL, HubOptions()):
        assert selector.kind != "Secret"


def test_the_secret_that_an_object_names_is_watched_by_its_name() -> None:
    cluster = thing(CAPI, "Cluster", "a", status=READY)
    assert SOURCES["cluster-api"].selectors(Objects.of(cluster), OPTIONS) == [
        Selector("cluster.x-k8s.io", "", "Cluster", "hub"),
        Selector("", "v1", "Secret", "hub", fields="metadata.name=a-kubeconfig"),
    ]


def test_the_order_of_sources() -> None:
    assert list(ORDER) == [
        "kubeconfig",
        "cluster-api",
        "rancher",
        "fleet",
        "istio",
        "linkerd",
        "secret",
        "argo-cd",
        "cluster-profile",
        "ocm",
        "gardener",
        "karmada",
        "agent",
    ]
