"""Argo CD's cluster Secrets (argo-cd ``pkg/apis/application/v1alpha1``, ``Cluster`` and ``ClusterConfig``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleetgate.clusters import kubeconfig
from fleetgate.clusters.kubeconfig import UNTRUSTED, KubeconfigInvalid
from fleetgate.clusters.objects import (
    Object,
    Objects,
    annotations_of,
    labels_of,
    mapping,
    name_of,
    namespace_of,
    secret_text,
    text,
    value,
)
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.sources.common import register
from fleetgate.clusters.sources.context import HubOptions, secrets_labelled
from fleetgate.engine.feeds import Selector

_LABEL, _TYPE = "argocd.argoproj.io/secret-type", "cluster"
_SKIP = "argocd.argoproj.io/skip-reconcile"


class ArgoCd:
    """The source ``argo-cd``."""

    name = "argo-cd"

    def selectors(self, objects: Objects, options: HubOptions) -> list[Selector]:  # noqa: ARG002 (the protocol's)
        """The cluster Secrets."""
        return secrets_labelled(options.namespaces, f"{_LABEL}={_TYPE}")

    def registrations(self, objects: Objects, options: HubOptions) -> list[Registration]:
        """One for each Secret."""
        return [
            self._register(secret)
            for secret in objects.secrets()
            if namespace_of(secret) in options.namespaces and labels_of(secret).get(_LABEL) == _TYPE
        ]

    def _register(self, secret: Object) -> Registration:
        key = f"{namespace_of(secret)}/{name_of(secret)}"
        server, name = secret_text(secret, "server"), secret_text(secret, "name")
        labels = {label: found for label, found in labels_of(secret).items() if label != _LABEL}
        partial = tuple(part.strip() for part in secret_text(secret, "namespaces").split(",") if part.strip())
        problem, found = "", ""
        try:
            found = _kubeconfig(server, secret_text(secret, "config"))
        except KubeconfigInvalid as error:
            problem = str(error)
        if annotations_of(secret).get(_SKIP) == "true":
            problem = f"it is paused by the annotation {_SKIP}"
        return register(
            self.name, key, (name, name_of(secret), key), labels, kubeconfig=found, partial=partial, problem=problem
        )


def _kubeconfig(server: str, written: str) -> str:
    try:
        config = json.loads(written) if written else {}
    except (ValueError, RecursionError):
        raise KubeconfigInvalid("its config is not JSON") from None
    if not isinstance(config, Mapping):
        raise KubeconfigInvalid("its config is no JSON object")
    for name in ("awsAuthConfig", "execProviderConfig"):
        if mapping(config, name):
            raise KubeconfigInvalid(f"its {name} needs a program of Argo CD's, which does not run here")
    user = _user(config)
    if not user:
        raise KubeconfigInvalid("it holds no credentials: Argo CD reaches it as itself")
    return kubeconfig.self_contained(_cluster(server, config), user)


def _cluster(server: str, config: Mapping[str, Any]) -> dict[str, Any]:
    tls = mapping(config, "tlsClientConfig")
    found: dict[str, Any] = {"server": kubeconfig.check_server(server, UNTRUSTED)}
    if ca := text(tls, "caData"):
        found["certificate-authority-data"] = ca
    if server_name := text(tls, "serverName"):
        found["tls-server-name"] = server_name
    if value(tls, "insecure") is True:
        if "certificate-authority-data" in found:
            raise KubeconfigInvalid("its tlsClientConfig is insecure beside a caData")
        found["insecure-skip-tls-verify"] = True
    if proxy := text(config, "proxyUrl"):
        found["proxy-url"] = proxy
    if value(config, "disableCompression") is True:
        found["disable-compression"] = True
    return found


def _user(config: Mapping[str, Any]) -> dict[str, Any]:
    tls = mapping(config, "tlsClientConfig")
    found: dict[str, Any] = {}
    for name, source, entry in (
        ("token", config, "bearerToken"),
        ("username", config, "username"),
        ("password", config, "password"),
        ("client-certificate-data", tls, "certData"),
        ("client-key-data", tls, "keyData"),
    ):
        if written := text(source, entry):
            found[name] = written
    if ("client-certificate-data" in found) != ("client-key-data" in found):
        raise KubeconfigInvalid("its tlsClientConfig has a certificate without its key, or the other way round")
    return found
