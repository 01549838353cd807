"""Objects of a hub, as the projects that register clusters write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()


def kubeconfig(server: str = "https://api.example:6443", token: str = "t0", **context: Any) -> str:  # noqa: S107
    """A kubeconfig with one context and inline data."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": CA}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", **context}}],
            "current-context": "x",
        }
    )


def secret(
    name: str,
    data: Mapping[str, str],
    *,
    namespace: str = "hub",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    kind: str = "Opaque",
) -> dict[str, Any]:
    """A Secret; ``data`` is plain text."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": _metadata(name, namespace, labels, annotations),
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def thing(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str = "hub",
    labels: Mapping[str, str] | None = None,
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    deleted: bool = False,
) -> dict[str, Any]:
    """Any object."""
    metadata = _metadata(name, namespace, labels, None)
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata,
        "spec": dict(spec or {}),
        "status": dict(status or {}),
    }


def is_condition(kind: str, status: str = "True", message: str = "") -> dict[str, str]:
    """A condition of a status."""
    return {"type": kind, "status": status, "reason": "Because", "message": message}


def _metadata(
    name: str, namespace: str, labels: Mapping[str, str] | None, annotations: Mapping[str, str] | None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return metadata
