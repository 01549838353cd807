"""Registrations out of kubeconfigs that the hub's objects hold."""

from __future__ import annotations

from collections.abc import Mapping

from fleetgate.clusters import kubeconfig
from fleetgate.clusters.kubeconfig import UNTRUSTED, KubeconfigInvalid
from fleetgate.clusters.objects import Object, secret_data
from fleetgate.clusters.registration import DEFAULT_CLUSTER_SET, CredentialRequest, Registration, cluster_set_of


def register(
    source: str,
    key: str,
    aliases: tuple[str, ...],
    labels: Mapping[str, str],
    *,
    kubeconfig: str = "",
    request: CredentialRequest | None = None,
    cluster_set: str = "",
    partial: tuple[str, ...] = (),
    problem: str = "",
    local: bool = False,
) -> Registration:
    """A registration whose cluster set is what its labels say, else ``cluster_set``, else the default."""
    named = cluster_set_of(labels)
    return Registration(
        source=source,
        key=key,
        aliases=tuple(dict.fromkeys(alias for alias in aliases if alias)),
        kubeconfig="" if problem else kubeconfig,
        request=None if problem else request,
        labels=labels,
        cluster_set=cluster_set if cluster_set and named == DEFAULT_CLUSTER_SET else named,
        partial=partial,
        problem=problem,
        local=local,
    )


def from_secret(  # noqa: PLR0917 (the first four are those of ``register``)
    source: str, key: str, aliases: tuple[str, ...], labels: Mapping[str, str], secret: Object | None, entry: str
) -> Registration:
    """A registration whose kubeconfig is an entry of a Secret: its current context."""
    if secret is None:
        return register(source, key, aliases, labels, problem="the Secret with its kubeconfig is not there")
    data = secret_data(secret, entry)
    if data is None:
        return register(source, key, aliases, labels, problem=f"its Secret has no kubeconfig at the key {entry!r}")
    try:
        documents = [kubeconfig.parse(data)]
        found = kubeconfig.cut_out(documents, kubeconfig.current_context(documents), UNTRUSTED)
    except KubeconfigInvalid as error:
        return register(source, key, aliases, labels, problem=f"the kubeconfig in its Secret cannot be used: {error}")
    return register(source, key, aliases, labels, kubeconfig=found.kubeconfig)


def bearer(server: str, token: str, ca: str, *, proxy: str = "", insecure: bool = False) -> str:
    """A kubeconfig with a bearer token; ``ca`` is base64 of PEM. Raises KubeconfigInvalid."""
    cluster: dict[str, object] = {"server": kubeconfig.check_server(server, UNTRUSTED)}
    if ca:
        cluster["certificate-authority-data"] = ca
    if insecure:
        cluster["insecure-skip-tls-verify"] = True
        cluster.pop("certificate-authority-data", None)
    if proxy:
        cluster["proxy-url"] = proxy
    return kubeconfig.self_contained(cluster, {"token": token})
