"""Kubeconfigs of the test API servers."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.support.feeding import kubeconfig
from tests.support.kubeapiserver import Cluster, Fleet


@dataclass(frozen=True)
class Access:
    """How to get into a cluster: its URL, the PEM of its authority, a token."""

    server: str
    ca: bytes
    token: str

    @classmethod
    def to(cls, cluster: Cluster, token: str) -> Access:
        """To a test API server."""
        return cls(cluster.server, cluster.ca_file.read_bytes(), token)

    def with_token(self, token: str) -> Access:
        """After a rotation."""
        return replace(self, token=token)

    @property
    def kubeconfig(self) -> str:
        """As a self-contained kubeconfig."""
        return kubeconfig(self.server, self.ca, {"token": self.token})

    @property
    def ca_text(self) -> str:
        """The authority in base64."""
        return b64encode(self.ca).decode()


def contexts(directory: Path, accesses: Mapping[str, Access]) -> Path:
    """One file with a context for each, the first of them current."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, access in accesses.items():
        config = yaml.safe_load(access.kubeconfig)
        merged["clusters"].append({"name": name, "cluster": config["clusters"][0]["cluster"]})
        merged["users"].append({"name": name, "user": config["users"][0]["user"]})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path = directory / "kubeconfig.json"
    path.write_text(json.dumps({**merged, "current-context": next(iter(accesses))}))
    return path


def one_kubeconfig(directory: Path, fleet: Fleet) -> Path:
    """All clusters in one file, for their administrators. As a list of files they would share a user: the first of a
    name wins."""
    return contexts(directory, {name: Access.to(cluster, cluster.token) for name, cluster in fleet.clusters.items()})
