"""Runs the registry: its clock, its dials, its actions.

One thread owns the state machine; whoever has news puts it into a queue. Dials block, for as long as an API server
likes to keep quiet, and have threads of their own: a cluster that does not answer delays no other.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from fleetgate.clusters import names
from fleetgate.clusters.actions import Action, Connect, Describe, Dial, Drop, Facts
from fleetgate.clusters.names import NamesUnreadable, Remembered
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.registry import ClusterView, Registry
from fleetgate.engine.exceptions import DialError, WriteError
from fleetgate.engine.feeds import Feeds

_LOGGER = logging.getLogger(__name__)

HUB = "@hub"
"""What the connection to the hub is called; no cluster can have this name."""

_DIALS = 32
"""Dials at a time."""

_LONGEST_NAP = 30.0
_LOST_SECONDS = 30.0
"""Shortest time between two dials because a feed cannot get in."""

_REFUSED = frozenset({"unauthorized", "forbidden"})


class Shards(Protocol):
    """What the registry tells the core."""

    def describe_cluster(self, name: str, facts: Facts) -> None:
        """A cluster is there, or something of it changed."""

    def remove_cluster(self, name: str) -> None:
        """A cluster is gone: its objects with it."""


class Follower(Protocol):
    """Who wants to know which clusters there are (the planner, the policies from clusters)."""

    def connected(self, name: str, uid: str) -> None:
        """A cluster is connected, for the first time or again."""

    def dropped(self, name: str) -> None:
        """A cluster is gone."""


def drop(name: str, feeds: Feeds, shards: Shards, followers: Sequence[Follower]) -> None:
    """End a cluster's feeds and forget it."""
    # The shard first: an agent that comes back between the two would go on writing to one that nobody reads.
    shards.remove_cluster(name)
    feeds.disconnect(name)
    for follower in followers:
        follower.dropped(name)


class Runner:
    """The registry with its threads. Thread-safe."""

    def __init__(
        self,
        registry: Registry,
        feeds: Feeds,
        shards: Shards,
        *,
        followers: Sequence[Follower] = (),
        directory: Path | None = None,
        dial_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``directory`` is where names are remembered; without it they are as the sources have them at each start."""
        self._registry, self._feeds, self._shards = registry, feeds, shards
        self._followers, self._directory, self._dial_seconds, self._clock = followers, directory, dial_seconds, clock
        self._inputs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._views: tuple[ClusterView, ...] = ()
        self._unread: frozenset[str] = registry.unread
        self._asked: dict[str, float] = {}
        self.drops: Counter[str] = Counter()
        """How often a cluster of each name was dropped, with everything that had been said of it."""
        self._dialers = ThreadPoolExecutor(_DIALS, thread_name_prefix="dial")
        self._thread = threading.Thread(target=self._run, name="clusters", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End. Dials that are under way are left to their deadlines."""
        self._stopping = True
        self._inputs.put(None)
        self._thread.join()
        self._dialers.shutdown(wait=False, cancel_futures=True)

    @property
    def views(self) -> tuple[ClusterView, ...]:
        """All clusters as they were after the last change."""
        return self._views

    @property
    def unread(self) -> frozenset[str]:
        """Sources that were not read whole yet."""
        return self._unread

    def offer(self, source: str, registrations: Sequence[Registration], *, synced: bool) -> None:
        """What a source registers."""
        given = tuple(registrations)
        tell = self._registry.synced if synced else self._registry.offer
        self._inputs.put(lambda: tell(source, given, self._clock()))

    def lost(self, name: str) -> None:
        """A feed cannot get into its cluster."""
        self._inputs.put(lambda: self._lost(name))

    def heard(self, name: str, trouble: str) -> None:
        """What a feed says is wrong with its cluster; "" for nothing."""
        self._inputs.put(lambda: self._registry.heard(name, trouble))

    def _lost(self, name: str) -> None:
        now = self._clock()
        if now - self._asked.get(name, 0.0) >= _LOST_SECONDS:
            self._asked[name] = now
            self._registry.lost(name, now)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                _LOGGER.exception("the cluster registry failed; it goes on")

    def _turn(self) -> None:
        nap = min(_LONGEST_NAP, max(0.0, self._registry.next_due() - self._clock()))
        try:
            self._take(self._inputs.get(timeout=nap))
            while True:  # whatever else has come: one round of actions for all of it
                self._take(self._inputs.get_nowait())
        except queue.Empty:
            pass
        self._registry.tick(self._clock())
        self._views, self._unread = tuple(self._registry.views()), self._registry.unread
        for action in self._registry.take():
            self._carry_out(action)
        self._save()

    @staticmethod
    def _take(news: Callable[[], None] | None) -> None:
        if news is not None:
            news()

    def _carry_out(self, action: Action) -> None:
        try:
            self._do(action)
        except Exception:
            # The next one may be of another cluster.
            _LOGGER.exception("%s failed", type(action).__name__)

    def _do(self, action: Action) -> None:
        match action:
            case Dial(registration):
                self._dialers.submit(self._dial, registration)
            case Connect(name, uid, kubeconfig, local):
                _LOGGER.info("cluster connected", extra={"fields": {"cluster": name}})
                self._feeds.connect(name, kubeconfig, local=local)
                for follower in self._followers:
                    follower.connected(name, uid)
            case Describe(name, facts):
                self._shards.describe_cluster(name, facts)
            case Drop(name):
                _LOGGER.info("cluster gone", extra={"fields": {"cluster": name}})
                drop(name, self._feeds, self._shards, self._followers)
                self.drops[name] += 1

    def _dial(self, one: Registration) -> None:
        try:
            kubeconfig = self._ask_for(one) if one.request else one.kubeconfig
            identity = self._feeds.identify(kubeconfig, self._dial_seconds, local=one.local)
        except DialError as error:
            self._failed(one, error.reason, str(error))
        except Exception as error:
            _LOGGER.exception("dialling %s failed", one.id)
            self._failed(one, "other", type(error).__name__)
        else:
            uid, version = identity.uid, identity.version
            self._inputs.put(
                lambda: self._registry.dialled(one.id, one.fingerprint, uid, version, kubeconfig, self._clock())
            )

    def _failed(self, one: Registration, reason: str, words: str) -> None:
        fields = {"registration": one.id, "reason": reason}
        _LOGGER.warning("cluster not reached: %s", words, extra={"fields": fields})
        self._inputs.put(lambda: self._registry.failed(one.id, one.fingerprint, reason, words, self._clock()))

    def _ask_for(self, one: Registration) -> str:
        """A kubeconfig that the hub hands out. Raises DialError."""
        assert one.request is not None  # noqa: S101 (narrows the type; the caller asked)
        try:
            answer = self._feeds.write(
                HUB, "create", one.request.body.encode(), path=one.request.path, timeout_seconds=self._dial_seconds
            )
            written = json.loads(answer)["status"]["kubeconfig"]
            return base64.b64decode(written, validate=True).decode()
        except WriteError as error:
            raise DialError("hub", f"the hub gave no kubeconfig for it: {error}") from error
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise DialError("hub", "what the hub gave for it is no kubeconfig") from error

    def _save(self) -> None:
        changed = self._registry.to_save()
        if changed is None or self._directory is None:
            return
        try:
            names.save(self._directory, changed)
        except NamesUnreadable as error:
            _LOGGER.error("names of clusters are not remembered: %s", error)  # noqa: TRY400 (no defect of ours)


def watch_feeds(runner: Runner, feeds: Feeds) -> Callable[[], None]:
    """A step for whoever has a clock: tells the registry what is wrong with feeds, and which are refused."""
    told: dict[str, str] = {}

    def step() -> None:
        for status in feeds.status():
            if told.get(status.cluster, "") != status.last_error and not status.pushed:
                told[status.cluster] = status.last_error
                runner.heard(status.cluster, status.last_error)
            if status.state == "STALE" and status.reason in _REFUSED:
                runner.lost(status.cluster)

    return step


def remembered(directory: Path | None) -> Mapping[str, Remembered]:
    """What is remembered of clusters. Raises NamesUnreadable."""
    return names.load(directory) if directory else {}
