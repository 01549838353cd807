"""Kubeconfigs of the test API servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.kubeapiserver import Fleet


def one_kubeconfig(directory: Path, fleet: Fleet) -> Path:
    """All clusters in one file. As a list of files they would share a user: the first of a name wins."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, cluster in fleet.clusters.items():
        config = json.loads(cluster.kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        merged["clusters"].append({"name": name, "cluster": config["clusters"][0]["cluster"]})
        merged["users"].append({"name": name, "user": config["users"][0]["user"]})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    path = directory / "kubeconfig.json"
    path.write_text(json.dumps(merged))
    return path
