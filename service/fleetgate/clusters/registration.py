"""What a source says about a cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

CLUSTER_SET_LABEL = "fleetgate.dev/cluster-set"
DEFAULT_CLUSTER_SET = "default"


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """A kubeconfig that the hub hands out on request and for a while.

    ``path`` is POSTed to with ``body``; the answer's ``.status.kubeconfig`` holds it in base64. ``seconds`` is how long
    it is good for: it is asked for anew after two thirds of that. It is never stored.
    """

    path: str
    body: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Registration:
    """One entry of one source.

    ``key`` is unique within the source and stays while the entry does. ``aliases`` are names that this source calls the
    cluster by, the preferred one first. ``kubeconfig`` is self-contained JSON (one context, data inline); it or
    ``request`` is there, or ``problem`` says in words why not: what was registered before then stays as it is.
    """

    source: str
    key: str
    aliases: tuple[str, ...]
    kubeconfig: str = field(default="", repr=False)
    request: CredentialRequest | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cluster_set: str = DEFAULT_CLUSTER_SET
    partial: tuple[str, ...] = ()
    """Namespaces beyond which the credentials may not see: the inventory is partial then. Empty: they may see all."""
    problem: str = ""
    local: bool = False
    """Whether whoever runs this service wrote the kubeconfig: it may name files and run programs then."""

    @property
    def id(self) -> str:
        """``source/key``: how messages and the file of names call it."""
        return f"{self.source}/{self.key}"

    @property
    def fingerprint(self) -> str:
        """Digest of how to get in; "" where nothing says how. It changes when credentials rotate, not with names."""
        if self.request is not None:
            return _digest(self.request.path, self.request.body)
        return _digest(self.kubeconfig) if self.kubeconfig else ""


def cluster_set_of(labels: Mapping[str, str]) -> str:
    """The cluster set that labels put a cluster in."""
    return labels.get(CLUSTER_SET_LABEL) or DEFAULT_CLUSTER_SET


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
