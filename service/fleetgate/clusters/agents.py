"""Clusters that come by themselves: an agent in the cluster streams, under the name that its certificate carries.

The core makes their shards. Here they are described and given to those who follow clusters, and forgotten when their
agent stays away. A cluster that is also dialled must have the same name there: else its objects would be kept twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fleetgate.clusters.actions import Facts
from fleetgate.clusters.registration import DEFAULT_CLUSTER_SET
from fleetgate.clusters.runner import Follower, Runner, Shards, drop
from fleetgate.engine.feeds import Feeds, FeedStatus

_LOGGER = logging.getLogger(__name__)


@dataclass
class _Known:
    uid: str
    facts: Facts | None
    seen: float
    """When its agent was last there."""
    drops: int
    """How often a cluster of this name had been dropped by then."""


class Agents:
    """Looks at the feeds now and then. Not thread-safe."""

    def __init__(
        self,
        runner: Runner,
        feeds: Feeds,
        shards: Shards,
        followers: Sequence[Follower],
        *,
        cluster_sets: Mapping[str, str],
        gone_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``cluster_sets`` are those of clusters by name: an agent cannot choose whose objects its cluster may see.

        A cluster whose agent stays away for ``gone_seconds`` is gone; 0 is never.
        """
        self._runner, self._feeds, self._shards, self._followers = runner, feeds, shards, followers
        self._cluster_sets, self._gone_seconds, self._clock = cluster_sets, gone_seconds, clock
        self._known: dict[str, _Known] = {}

    def step(self) -> None:
        """Take note of agents that are new, that come from another cluster than before, and that are gone."""
        names = {view.uid: view.name for view in self._runner.views if view.uid and view.name and not view.gone}
        now = self._clock()
        for status in self._feeds.status():
            if status.pushed and status.uid:
                self._look(status, names, now)
        if self._gone_seconds:
            for name in [name for name, one in self._known.items() if now - one.seen >= self._gone_seconds]:
                self._forget(name, is_dialled=name in names.values())

    def _look(self, status: FeedStatus, names: Mapping[str, str], now: float) -> None:
        name, uid, dialled = status.cluster, status.uid, names.get(status.uid)
        known, drops = self._known.get(name), self._runner.drops[name]
        if known is not None and known.drops != drops:
            # Who dropped the dialled cluster of this name ended the agent's stream, too, and the new one has no plan.
            known = None
        if known is not None and not status.connected:
            return
        is_other = known is None or known.uid != uid
        if is_other and dialled not in {None, name}:
            _LOGGER.warning(
                "an agent streams as %s from the cluster that is dialled as %s: its objects are kept twice; "
                "choose one name (clusters.names)",
                name,
                dialled,
            )
        facts = None
        if dialled != name:
            cluster_set = self._cluster_sets.get(name, DEFAULT_CLUSTER_SET)
            facts = Facts(uid, (name,), dict(status.labels), cluster_set)
        self._known[name] = _Known(uid, facts, now, drops)
        if facts is not None and (known is None or known.facts != facts):
            self._shards.describe_cluster(name, facts)
        if is_other:
            for follower in self._followers:
                follower.connected(name, uid)

    def _forget(self, name: str, *, is_dialled: bool) -> None:
        del self._known[name]
        if is_dialled:
            return
        _LOGGER.info("cluster gone: its agent stayed away", extra={"fields": {"cluster": name}})
        drop(name, self._feeds, self._shards, self._followers)
