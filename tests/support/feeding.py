"""What tests of feeds ask: what an engine holds of a cluster, how its feeds go, what the API server was asked."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fleetgate.engine import Engine, Feeds, KindFeed
from fleetgate_proto.v1 import inventory_pb2

from tests.support.kubeapiserver import Cluster

AGENT = "fleetgate/"
CONFIG_MAPS = ("", "v1", "ConfigMap")


def objects(engine: Engine, cluster: str, kind: str, namespace: str = "") -> dict[str, Any]:
    """The objects of a kind in a cluster's inventory, by name (or namespace/name without a `namespace`)."""
    found: dict[str, Any] = {}
    token = ""
    while True:
        request = inventory_pb2.QueryInventoryRequest(
            clusters=[cluster], kind=kind, namespace=namespace, page_size=5000, page_token=token
        )
        page = inventory_pb2.QueryInventoryResponse.FromString(engine.query_inventory(request.SerializeToString()))
        for each in page.objects:
            name = each.name if namespace or not each.namespace else f"{each.namespace}/{each.name}"
            found[name] = json.loads(each.object)
        token = page.next_page_token
        if not token:
            return found


def kind_feed(feeds: Feeds, cluster: str, kind: str) -> KindFeed | None:
    """The feed of a kind, if it is planned."""
    found = [each for status in feeds.status() if status.cluster == cluster for each in status.kinds]
    return next((each for each in found if each.kind == kind), None)


def shard_state(engine: Engine, cluster: str, kind: str) -> str:
    """The state of a kind in the inventory, which is what decisions see; empty if there is none."""
    kinds = [each for status in engine.clusters() if status.name == cluster for each in status.kinds]
    return next((each.state for each in kinds if each.kind[2] == kind), "")


def cluster_state(feeds: Feeds, cluster: str) -> str:
    """The state of a cluster's feed; empty if it has none."""
    return next((status.state for status in feeds.status() if status.cluster == cluster), "")


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}, "data": data}


def namespace_of(name: str) -> dict[str, Any]:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def kubeconfig(server: str, ca: bytes | str, user: dict[str, Any]) -> str:
    """A self-contained kubeconfig."""
    ca_bytes = ca.encode() if isinstance(ca, str) else ca
    cluster = {"server": server, "certificate-authority-data": b64encode(ca_bytes).decode()}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
    )


def admin(cluster: Cluster, server: str = "", ca: bytes | str = "") -> str:
    """A kubeconfig of the cluster's administrator, if need be by another way (a proxy and its CA)."""
    return kubeconfig(server or cluster.server, ca or cluster.ca_file.read_bytes(), {"token": cluster.token})


@dataclass(frozen=True)
class Asked:
    """A request that the API server noted."""

    verb: str
    resource: str
    group: str
    uri: str
    user: str
    code: int

    @property
    def is_list(self) -> bool:
        """Whether it read a whole collection, in one way or the other."""
        return (self.verb == "list" and "limit=1&" not in f"{self.uri}&") or "sendInitialEvents=true" in self.uri


class AuditLog:
    """What feeds have asked of an API server since this was made: what names itself fleetgate, or what a user asked."""

    def __init__(self, cluster: Cluster, *, user: str = "") -> None:
        self._path: Path = cluster.audit_file
        self._start = self._path.stat().st_size
        self._user = user

    def asked(self) -> list[Asked]:
        """Every request, once."""
        return list(self._read())

    def lists(self, resource: str) -> list[Asked]:
        """Lists of a collection that the server answered."""
        return [each for each in self.asked() if each.resource == resource and each.is_list and each.code < 400]

    def _is_ours(self, entry: Mapping[str, Any]) -> bool:
        if self._user:
            return bool(entry["user"].get("username") == self._user)
        return bool(entry.get("userAgent", "").startswith(AGENT))

    def _read(self) -> Iterator[Asked]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                entry = json.loads(line)
                # A watch is noted when it begins and when it ends.
                begins = "ResponseStarted" if entry["verb"] == "watch" else "ResponseComplete"
                failed = entry["stage"] == "ResponseComplete" and entry["responseStatus"]["code"] >= 400
                if not self._is_ours(entry) or not (entry["stage"] == begins or failed):
                    continue
                reference = entry.get("objectRef", {})
                yield Asked(
                    verb=entry["verb"],
                    resource=reference.get("resource", ""),
                    group=reference.get("apiGroup", ""),
                    uri=entry["requestURI"],
                    user=entry["user"].get("username", ""),
                    code=entry["responseStatus"]["code"],
                )
