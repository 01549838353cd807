"""The shape of the core's feeds (``native/feed``), for whoever uses them. Tests bring others like them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Selector(NamedTuple):
    """Objects to watch without caching them. "" is any, or none; ``kind`` "*" is every kind that the group serves,
    those that appear later included; ``version`` "" is the one that the API server prefers."""

    group: str
    version: str
    kind: str
    namespace: str = ""
    labels: str = ""
    """A label selector as ``kubectl -l`` takes it."""
    fields: str = ""
    """A field selector, such as ``metadata.name=x``."""


ObjectEvent = tuple[str | Selector | bytes, ...]
"""One of

- ``("synced", selector)``: all that there is was told;
- ``("put", selector, group, version, kind, json)``: an object appeared or changed;
- ``("delete", selector, group, version, kind, namespace, name)``: it is not selected any more;
- ``("failed", selector, words)``: the watch does not work just now; told once per change.
"""


class ObjectWatch(Protocol):
    """A watch on objects of one cluster. It survives lost connections; after a relist it tells what vanished."""

    def next(self, timeout_seconds: float) -> Sequence[ObjectEvent]:
        """Events in their order; none when the time passed."""

    def select(self, selectors: Sequence[Selector]) -> None:
        """Watch these instead; what is watched already goes on without a relist."""

    def close(self) -> None:
        """Watch no more."""


class Identity(Protocol):
    """Which cluster answered."""

    @property
    def uid(self) -> str:
        """UID of the namespace ``kube-system``."""

    @property
    def version(self) -> str:
        """What the API server says its version is, ``v1.36.3``."""


class FeedStatus(Protocol):
    """How the feed of one cluster is."""

    @property
    def cluster(self) -> str:
        """The cluster's name."""

    @property
    def state(self) -> str:
        """PENDING, LISTING, SYNCED or STALE."""

    @property
    def last_error(self) -> str:
        """Why the cluster as a whole cannot be read; "" while it can."""

    @property
    def reason(self) -> str:
        """That in one word, as DialError has it."""

    @property
    def pushed(self) -> bool:
        """Whether an agent sends it."""

    @property
    def uid(self) -> str:
        """UID that the agent says; "" for clusters that are dialled."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels that the agent says; none for clusters that are dialled."""

    @property
    def connected(self) -> bool:
        """Whether the cluster answers, or its agent streams."""


GroupVersionKind = tuple[str, str, str]
Pattern = tuple[Sequence[str], Sequence[str]]
"""(groups, kinds) as a Constraint matches them; ``*`` is any."""


Bound = tuple[GroupVersionKind, float]
"""A kind and how old, in seconds, its view may be."""


class Feeds(Protocol):
    """The connections to clusters."""

    def identify(self, kubeconfig: str, timeout_seconds: float, *, local: bool = False) -> Identity:
        """Dial once and ask who is there. A ``local`` kubeconfig may name files. Raises DialError."""

    def connect(self, cluster: str, kubeconfig: str, *, feed: bool = True, local: bool = False) -> None:
        """Connect, or dial again with other credentials; what is synced is not listed again.

        Without ``feed`` the connection is for ``watch_objects`` and ``write`` alone.
        """

    def disconnect(self, cluster: str) -> None:
        """End the connection and its feed."""

    def plan(
        self,
        cluster: str,
        kinds: Sequence[GroupVersionKind],
        matching: Sequence[Pattern],
        *,
        bounds: Sequence[Bound] = (),
    ) -> None:
        """Say what to watch: these kinds, and those that the patterns match at the API server's preferred version.

        Kinds with a bound are probed, so that their view is known to be younger than that.
        """

    def status(self) -> Sequence[FeedStatus]:
        """How the feeds are."""

    def watch_objects(self, cluster: str, selectors: Sequence[Selector]) -> ObjectWatch:
        """Watch objects without caching them."""

    def write(
        self,
        cluster: str,
        verb: str,
        object: bytes,  # noqa: A002 (the core's word)
        *,
        field_manager: str = "fleetgate",
        path: str = "",
        timeout_seconds: float = 5.0,
    ) -> bytes:
        """``get``, ``create``, ``update``, ``update-status``, ``apply`` or ``delete`` an object.

        Returns what the API server answered. ``path`` takes the place of the object's own URL. Raises WriteError.
        """
