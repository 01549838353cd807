"""Words for what the service says of clusters: states, ages, what is wrong and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fleetgate_proto.v1 import inventory_pb2
from google.protobuf.duration_pb2 import Duration

SYNCED = inventory_pb2.INVENTORY_STATE_SYNCED
NOT_CACHED = "the kind is not cached"
"""The reason that the service gives for a kind that it does not cache; the state is PENDING."""

_STYLES = {"SYNCED": "green", "STALE": "yellow", "LISTING": "yellow", "PENDING": "yellow", "GONE": "red"}

_ADVICE: Sequence[tuple[str, str]] = (
    (
        r"^dns\b|no address|name resolution|lookup ",
        "its server's name has no address: look at DNS and the kubeconfig",
    ),
    (r"^refused\b|connection refused", "nothing listens at its address: is the API server up, is the port right?"),
    (r"^tls\b|certificate|handshake", "the certificates do not fit: look at certificate-authority-data and the clock"),
    (r"^unauthorized\b|\b401\b", "its API server does not accept the credentials: give it new ones"),
    (r"^forbidden\b|\b403\b", "the credentials may not do that: grant get, list and watch of what is named"),
    (r"^timeout\b|no answer within|timed out", "no answer: a firewall, a proxy, or an API server that is overloaded"),
    (r"^unreachable\b|no route|unreachable", "there is no way to its address: look at routes and firewalls"),
    (r"^exec\b|plug-in", "its credential plug-in failed or is not allowed: see clusters.exec_commands"),
    (r"hub\.|\bSecret\b", "look at the object on the hub that registers it, and at its Secret"),
    (r"^invalid\b|kubeconfig", "its kubeconfig cannot be used as it is"),
    (r"nothing registers", "the source that registered it has not been read yet, or it was removed"),
)


def no_cluster(selector: str) -> str:
    """Why there is no cluster to show, of those that a selector chooses."""
    if selector:
        return f"no cluster matches -l {selector}"
    return (
        "no cluster is registered, or none that you may see: the settings clusters.kubeconfigs, hub.kubeconfig and "
        "feed.listen of fleetgate serve register clusters (docs/clusters.md)"
    )


def state_of(state: inventory_pb2.InventoryState.ValueType) -> str:
    """``SYNCED`` and so on; ``UNKNOWN`` for one of another version."""
    name = inventory_pb2.InventoryState.Name(state) if state in inventory_pb2.InventoryState.values() else ""
    return name.removeprefix("INVENTORY_STATE_").replace("UNSPECIFIED", "") or "UNKNOWN"


def connection_of(state: inventory_pb2.ConnectionState.ValueType) -> str:
    """``CONNECTED`` and so on; "" where nothing is known."""
    known = inventory_pb2.ConnectionState
    name = known.Name(state) if state in known.values() else ""
    return name.removeprefix("CONNECTION_STATE_").replace("UNSPECIFIED", "")


def style_of(state: str) -> str:
    """The style of a state."""
    return _STYLES.get(state, "")


def age(message: inventory_pb2.ClusterInfo | inventory_pb2.ClusterAnswer) -> str:
    """How old a view is; "" where it never was complete."""
    return seconds(message.age) if message.HasField("age") else ""


def seconds(duration: Duration) -> str:
    """A duration as kubectl writes ages: ``5s``, ``3m``, ``2h``, ``4d``; parts of a second below one."""
    total = duration.seconds + duration.nanos / 1e9
    if total < 1:
        return f"{total * 1000:.0f}ms"
    return elapsed(total)


def elapsed(total: float) -> str:
    """Seconds as kubectl writes ages."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if total >= 2 * size:
            return f"{int(total // size)}{unit}"
    return f"{int(total)}s"


def kind_name(kind: inventory_pb2.KindName) -> str:
    """``Ingress.networking.k8s.io``."""
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def advice(reason: str) -> str:
    """What to do about a reason; "" where there is nothing to say."""
    return next((words for pattern, words in _ADVICE if re.search(pattern, reason, re.IGNORECASE)), "")


def diagnosis(cluster: inventory_pb2.ClusterInfo) -> list[str]:
    """Why a cluster is not SYNCED, one sentence a line; none where it is."""
    state = state_of(cluster.state)
    if state == "SYNCED" and not cluster.reason:
        return []
    lines = []
    if cluster.reason:
        lines.append(cluster.reason)
        lines += [f"→ {words}" for words in (advice(cluster.reason),) if words]
    elif not cluster.kinds:
        lines.append("nothing is watched yet: it waits to be connected")
    behind = [kind for kind in cluster.kinds if state_of(kind.state) != "SYNCED"]
    for kind in behind:
        words = f": {kind.reason}" if kind.reason else ""
        lines.append(f"{kind_name(kind.kind)} is {state_of(kind.state)}{words}")
        if kind.reason and kind.reason != cluster.reason and (hint := advice(kind.reason)):
            lines.append(f"→ {hint}")
    if cluster.HasField("age") and state != "SYNCED":
        lines.append(f"decisions use what was there {seconds(cluster.age)} ago, and say so")
    elif state != "SYNCED":
        lines.append("what is not cached is unknown: policies that ask for it follow their on-stale rule")
    return lines
