"""Feeds when things break: history that is gone, silence, servers that die, servers that cannot stream lists."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fleetgate.engine import Engine, Feeds

from tests.support.certificates import Authority
from tests.support.feeding import (
    CONFIG_MAPS,
    AuditLog,
    admin,
    config_map,
    kind_feed,
    namespace_of,
    objects,
    shard_state,
)
from tests.support.kubeapiserver import Cluster, start_fleet
from tests.support.meddler import Meddler, meddling
from tests.support.processes import eventually

pytestmark = pytest.mark.e2e

STALE_WITHIN_S = 2.0


@pytest.fixture
def meddler(west: Cluster, authority: Authority) -> Iterator[Meddler]:
    with meddling(west, authority) as running:
        yield running


def follow(engine: Engine, feeds: Feeds, name: str, kubeconfig: str) -> None:
    feeds.connect(name, kubeconfig)
    feeds.plan(name, [CONFIG_MAPS])
    eventually(lambda: shard_state(engine, name, "ConfigMap") == "SYNCED", f"{name} is SYNCED", interval_s=0.05)


def becomes_stale(engine: Engine, name: str, since: float) -> float:
    """Seconds until the inventory says STALE."""
    while shard_state(engine, name, "ConfigMap") != "STALE":
        assert time.monotonic() - since < 10, "it never says STALE"
        time.sleep(0.01)
    return time.monotonic() - since


def test_history_that_is_gone_loses_no_deletion_and_shows_no_empty_view(
    engine: Engine, feeds: Feeds, meddler: Meddler, west: Cluster, authority: Authority
) -> None:
    names = {f"m{number}" for number in range(20)}
    west.apply(namespace_of("feed-gone"), *(config_map("feed-gone", name) for name in names))
    follow(engine, feeds, "west", admin(west, meddler.url, authority.pem))
    seen: list[set[str]] = []
    watching = threading.Event()

    def sample() -> None:
        while not watching.is_set():
            seen.append(set(objects(engine, "west", "ConfigMap", "feed-gone")))

    sampler = threading.Thread(target=sample)
    sampler.start()
    audit = AuditLog(west)
    try:
        # No watch that goes on somewhere, streaming lists aside.
        meddler.expired = re.compile(r"configmaps\?.*resourceVersion=\d")
        meddler.freeze()
        west.kubectl("delete", "configmap", "m0", "m1", "--namespace", "feed-gone")
        west.apply(config_map("feed-gone", "new"))
        meddler.drop_connections()
        meddler.thaw()
        expected = (names - {"m0", "m1"}) | {"new"}
        eventually(lambda: set(objects(engine, "west", "ConfigMap", "feed-gone")) == expected, "the list is taken over")
        meddler.expired = None
        west.kubectl("delete", "configmap", "new", "--namespace", "feed-gone")
        eventually(lambda: "new" not in objects(engine, "west", "ConfigMap", "feed-gone"), "events come again")
    finally:
        watching.set()
        sampler.join()
    assert audit.lists("configmaps")
    assert seen
    assert min(len(names) for names in seen) >= len(names) - 2
    # Nothing that was deleted came back.
    changes = [view for view, before in zip(seen[1:], seen, strict=False) if view != before]
    assert changes
    gone = False
    for view in seen:
        gone = gone or "m0" not in view
        assert not (gone and "m0" in view)


def test_a_partition_shows_within_two_seconds_and_heals_without_a_list(
    engine: Engine, feeds: Feeds, meddler: Meddler, west: Cluster, east: Cluster, authority: Authority
) -> None:
    west.apply(namespace_of("feed-silence"))
    east.apply(namespace_of("feed-silence"))
    follow(engine, feeds, "west", admin(west, meddler.url, authority.pem))
    follow(engine, feeds, "east", admin(east))
    audit = AuditLog(west)

    meddler.freeze()
    assert becomes_stale(engine, "west", time.monotonic()) < STALE_WITHIN_S
    feed = kind_feed(feeds, "west", "ConfigMap")
    assert feed is not None
    assert "no answer within" in feed.last_error
    west.apply(config_map("feed-silence", "unseen"))
    east.apply(config_map("feed-silence", "seen"))
    eventually(lambda: "seen" in objects(engine, "east", "ConfigMap", "feed-silence"), "the other cluster goes on")
    assert shard_state(engine, "east", "ConfigMap") == "SYNCED"
    assert "unseen" not in objects(engine, "west", "ConfigMap", "feed-silence")

    meddler.thaw()
    eventually(lambda: "unseen" in objects(engine, "west", "ConfigMap", "feed-silence"), "it has caught up")
    eventually(lambda: shard_state(engine, "west", "ConfigMap") == "SYNCED", "it is SYNCED again")
    assert audit.lists("configmaps") == []


def test_a_killed_api_server_shows_within_two_seconds(
    tmp_path: Path, engine: Engine, feeds: Feeds, east: Cluster
) -> None:
    own = psutil.Process()
    before = set(own.children(recursive=True))
    follow(engine, feeds, "east", admin(east))
    with start_fleet(tmp_path, ["doomed"]) as fleet:
        server = next(
            each for each in own.children(recursive=True) if each not in before and each.name() == "kube-apiserver"
        )
        follow(engine, feeds, "doomed", admin(fleet["doomed"]))
        held = objects(engine, "doomed", "ConfigMap")

        server.send_signal(signal.SIGKILL)
        assert becomes_stale(engine, "doomed", time.monotonic()) < STALE_WITHIN_S
        assert objects(engine, "doomed", "ConfigMap") == held
        assert shard_state(engine, "east", "ConfigMap") == "SYNCED"


def test_connections_that_break_are_opened_again_where_they_were(
    engine: Engine, feeds: Feeds, meddler: Meddler, west: Cluster, authority: Authority
) -> None:
    west.apply(namespace_of("feed-cut"))
    follow(engine, feeds, "west", admin(west, meddler.url, authority.pem))
    audit = AuditLog(west)
    for number in range(3):
        meddler.drop_connections()
        west.apply(config_map("feed-cut", f"m{number}"))
        opened = number + 1
        eventually(
            lambda opened=opened: sum(each.resource == "configmaps" for each in audit.asked()) >= opened,  # type: ignore[misc]
            "the watch was opened again",
        )
    expected = {"m0", "m1", "m2"}
    eventually(lambda: set(objects(engine, "west", "ConfigMap", "feed-cut")) == expected, "all of them are there")
    eventually(lambda: shard_state(engine, "west", "ConfigMap") == "SYNCED", "it is SYNCED again")
    assert audit.lists("configmaps") == []


def test_a_server_that_cannot_stream_lists_is_read_page_by_page(
    engine: Engine, feeds: Feeds, meddler: Meddler, west: Cluster, authority: Authority
) -> None:
    names = {f"m{number}" for number in range(1100)}
    west.apply(namespace_of("feed-pages"), *(config_map("feed-pages", name) for name in names))
    meddler.refused = re.compile("sendInitialEvents")
    audit = AuditLog(west)
    follow(engine, feeds, "west", admin(west, meddler.url, authority.pem))

    found = objects(engine, "west", "ConfigMap", "feed-pages")
    assert set(found) == names
    # The server leaves these out of the items of a list.
    assert {(each["apiVersion"], each["kind"]) for each in found.values()} == {("v1", "ConfigMap")}
    pages = [each for each in audit.lists("configmaps") if each.verb == "list"]
    assert len(pages) >= 3
    assert sum("continue=" in each.uri for each in pages) == len(pages) - 1
    west.kubectl("delete", "configmap", "m7", "--namespace", "feed-pages")
    eventually(
        lambda: set(objects(engine, "west", "ConfigMap", "feed-pages")) == names - {"m7"}, "events come after pages"
    )
