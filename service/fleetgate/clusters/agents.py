"""Clusters that come by themselves: an agent in the cluster streams, under the name that its certificate carries.

The core makes their shards. Here they are described and given to those who follow clusters. A cluster that is also
dialled must have the same name there: else its objects would be kept twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fleetgate.clusters.actions import Facts
from fleetgate.clusters.registration import DEFAULT_CLUSTER_SET
from fleetgate.clusters.runner import Follower, Runner, Shards
from fleetgate.engine.feeds import Feeds

_LOGGER = logging.getLogger(__name__)


class Agents:
    """Looks at the feeds now and then. Not thread-safe."""

    def __init__(self, runner: Runner, feeds: Feeds, shards: Shards, followers: Sequence[Follower]) -> None:
        self._runner, self._feeds, self._shards, self._followers = runner, feeds, shards, followers
        self._known: dict[str, str] = {}

    def step(self) -> None:
        """Take note of agents that are new, or that come from another cluster than before."""
        names = {view.uid: view.name for view in self._runner.views if view.uid and view.name and not view.gone}
        for status in self._feeds.status():
            name, uid = status.cluster, status.uid
            if not status.pushed or not uid or self._known.get(name) == uid:
                continue
            self._known[name] = uid
            if (dialled := names.get(uid)) not in {None, name}:
                _LOGGER.warning(
                    "an agent streams as %s from the cluster that is dialled as %s: its objects are kept twice; "
                    "choose one name (clusters.names)",
                    name,
                    dialled,
                )
            if dialled != name:
                self._shards.describe_cluster(name, Facts(uid, (name,), {}, DEFAULT_CLUSTER_SET))
            for follower in self._followers:
                follower.connected(name, uid)
