"""A state directory with clusters in it, as a service leaves one: what a test audits without API servers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fleetgate.engine import Engine


def store(directory: Path, clusters: Mapping[str, Sequence[Mapping[str, Any]]], **labels: str) -> None:
    """Write the objects of clusters, which are restored as STALE: they were complete, and nobody follows them."""
    engine = Engine(contexts=1, state_directory=directory)
    for name, objects in clusters.items():
        engine.describe_cluster(name, uid=f"uid-{name}", aliases=[], labels=dict(labels), cluster_set="default")
        kinds: dict[tuple[str, str, str], list[bytes]] = {}
        for one in objects:
            group, _, version = str(one["apiVersion"]).rpartition("/")
            kinds.setdefault((group, version, str(one["kind"])), []).append(json.dumps(one).encode())
        revision = 0
        for kind, encoded in kinds.items():
            changes = [("begin", kind), *(("listed", kind, one) for one in encoded), ("finish", kind, "9", time.time())]
            revision, refused = engine.write_inventory(name, changes)
            assert not refused
        engine.flush_inventory(name, revision)


def pods(count: int, *, namespace: str = "shop", **labels: str) -> list[dict[str, Any]]:
    """A Namespace and so many Pods in it."""
    named = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{namespace}-{number:05}", "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "main", "image": "registry.example/web:1"}]},
        }
        for number in range(count)
    ]
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, *named]
