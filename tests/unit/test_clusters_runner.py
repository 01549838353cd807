"""The registry's threads, its file, the hub and kubeconfig files that feed it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleetgate.clusters import names
from fleetgate.clusters.agents import Agents
from fleetgate.clusters.hub import Hub
from fleetgate.clusters.kubeconfig import Trust
from fleetgate.clusters.kubeconfig_watch import KubeconfigWatch
from fleetgate.clusters.registration import CredentialRequest, Registration
from fleetgate.clusters.registry import Registry
from fleetgate.clusters.runner import HUB, Runner, watch_feeds
from fleetgate.clusters.sources.context import HubOptions
from fleetgate.clusters.sources.secrets import CLUSTER_API, GENERIC
from fleetgate.engine.exceptions import DialError
from fleetgate.engine.feeds import Selector

from tests.support.hub_objects import kubeconfig, secret, thing
from tests.support.scripted_feeds import ScriptedFeeds, ScriptedShards, Status, Who, eventually


class _World:
    def __init__(self, directory: Path | None = None, sources: tuple[str, ...] = ("kubeconfig",)) -> None:
        self.feeds, self.shards = ScriptedFeeds(), ScriptedShards()
        order = {source: index for index, source in enumerate(sources)}
        remembered = names.load(directory) if directory else {}
        registry = Registry(order, remembered, time.time(), linger_seconds=0.05, settle_seconds=0.5)
        self.runner = Runner(registry, self.feeds, self.shards, directory=directory, dial_seconds=1.0)


@pytest.fixture
def worlds() -> Iterator[Any]:
    made: list[_World] = []

    def make(*arguments: Any, **named: Any) -> _World:
        world = _World(*arguments, **named)
        made.append(world)
        world.runner.start()
        return world

    yield make
    for world in made:
        world.runner.close()


def _reg(key: str, kubeconfig: str, **more: Any) -> Registration:
    return Registration("kubeconfig", key, (key,), kubeconfig=kubeconfig, **more)


def test_a_cluster_is_dialled_connected_described_and_remembered(worlds: Any, tmp_path: Path) -> None:
    world = worlds(tmp_path)
    world.feeds.clusters["k1"] = Who("u1")
    world.runner.offer("kubeconfig", [_reg("west", "k1", local=True)], synced=True)
    eventually(lambda: "west" in world.feeds.connections)
    assert world.feeds.log[:2] == [("identify", "k1"), ("connect", "west", True, True)]
    eventually(lambda: names.load(tmp_path).get("u1"))
    assert world.shards.described["west"].uid == "u1"
    (view,) = world.runner.views
    assert (view.name, view.version, view.registrations) == ("west", "v1.36.3", (("kubeconfig/west", "", ""),))
    world.runner.offer("kubeconfig", [], synced=True)
    eventually(lambda: world.shards.removed == ["west"])
    assert world.feeds.connections == {}
    eventually(lambda: names.load(tmp_path) == {})


def test_a_cluster_that_keeps_quiet_delays_no_other(worlds: Any) -> None:
    world = worlds()
    world.feeds.clusters["k1"] = Who("u1")
    world.feeds.clusters["k2"] = DialError("timeout", "no answer within 1 s")
    slow = world.feeds.identify
    world.feeds.identify = lambda kubeconfig, *rest, **more: (
        time.sleep(0.5 if kubeconfig == "k2" else 0),
        slow(kubeconfig, *rest, **more),
    )[1]
    world.runner.offer("kubeconfig", [_reg("slow", "k2"), _reg("west", "k1")], synced=True)
    eventually(lambda: "west" in world.feeds.connections)
    eventually(lambda: world.shards.described.get("slow"))
    assert world.shards.described["slow"].reason == "no answer within 1 s"


def test_a_dial_that_fails_in_an_unforeseen_way_is_a_failed_dial(worlds: Any) -> None:
    world = worlds()

    def identify(*_: Any, **__: Any) -> Who:
        raise ValueError("token=hunter2")

    world.feeds.identify = identify
    world.runner.offer("kubeconfig", [_reg("west", "k1")], synced=True)
    eventually(lambda: world.shards.described.get("west"))
    assert world.shards.described["west"].reason == "ValueError"


def test_a_kubeconfig_is_asked_of_the_hub(worlds: Any) -> None:
    world = worlds(sources=("gardener",))
    request = CredentialRequest("/apis/x/viewerkubeconfig", json.dumps({"apiVersion": "v1", "kind": "R"}), 600)
    answer = {"status": {"kubeconfig": base64.b64encode(b"k1").decode()}}
    world.feeds.write = lambda cluster, verb, _body, **more: (
        world.feeds.log.append((cluster, verb, more["path"])),
        json.dumps(answer).encode(),
    )[1]
    world.feeds.clusters["k1"] = Who("u1")
    world.runner.offer("gardener", [Registration("gardener", "p/s", ("s",), request=request)], synced=True)
    eventually(lambda: world.feeds.connections == {"s": "k1"})
    assert world.feeds.log[0] == (HUB, "create", "/apis/x/viewerkubeconfig")


OPTIONS = HubOptions(namespaces=("hub",))
BY_LABEL = [Selector("", "v1", "Secret", "hub", labels=labels) for labels in GENERIC.labels]
CLUSTERS = Selector("cluster.x-k8s.io", "", "Cluster", "hub")
BY_NAME = Selector("", "v1", "Secret", "hub", fields="metadata.name=a-kubeconfig")


@pytest.fixture
def hub() -> Iterator[tuple[ScriptedFeeds, list[tuple[str, list[Registration], bool]]]]:
    feeds, offers = ScriptedFeeds(), []
    running = Hub(
        feeds, [CLUSTER_API, GENERIC], OPTIONS, lambda *told: offers.append((told[0], list(told[1]), told[2]))
    )
    running.start()
    yield feeds, offers
    running.close()


def test_the_secret_that_a_cluster_names_is_selected_and_then_read(hub: Any) -> None:
    feeds, offers = hub
    watch = feeds.watch_of(HUB)
    assert watch.selectors == [CLUSTERS, *BY_LABEL]
    ready = {"initialization": {"controlPlaneInitialized": True}}
    watch.put(CLUSTERS, thing("cluster.x-k8s.io/v1beta2", "Cluster", "a", status=ready))
    watch.synced(CLUSTERS)
    eventually(lambda: BY_NAME in watch.selectors)
    assert not any(synced for source, _, synced in offers if source == "cluster-api"), "its Secret was not read yet"
    watch.put(BY_NAME, secret("a-kubeconfig", {"value": kubeconfig()}))
    watch.synced(BY_NAME)
    _, found, _ = eventually(lambda: next((told for told in offers if told[1] and told[1][0].kubeconfig), None))
    eventually(lambda: any(told[2] for told in offers if told[0] == "cluster-api"))
    assert found[0].aliases == ("a", "hub/a")
    count = len(offers)
    watch.synced(BY_NAME)
    watch.synced(*BY_LABEL)
    eventually(lambda: ("secret", [], True) in offers)
    assert len(offers) <= count + 2, "what did not change is not offered again"


def test_an_object_is_gone_when_no_selector_sees_it(hub: Any) -> None:
    feeds, offers = hub
    watch = feeds.watch_of(HUB)
    labels = {"fleetgate.dev/kubeconfig": "true", "sigs.k8s.io/multicluster-runtime-kubeconfig": "true"}
    one = secret("a", {"kubeconfig": kubeconfig()}, labels=labels)
    for selector in BY_LABEL:
        watch.put(selector, one)
    watch.synced(*BY_LABEL)
    eventually(lambda: offers and offers[-1][0] == "secret" and offers[-1][2])
    watch.delete(BY_LABEL[0], one)
    one["metadata"]["labels"] = {"fleetgate.dev/kubeconfig": "true"}
    watch.put(BY_LABEL[1], one)
    told = eventually(lambda: next((told for told in offers if told[1] and len(told[1][0].labels) == 1), None))
    assert told[1][0].fingerprint
    watch.delete(BY_LABEL[1], one)
    eventually(lambda: offers[-1] == ("secret", [], True))


def test_kubeconfig_files_are_followed(tmp_path: Path) -> None:
    path, token = tmp_path / "config", tmp_path / "ca.pem"
    token.write_text("one")
    content = json.loads(kubeconfig())
    content["clusters"][0]["cluster"] = {"server": "https://h", "certificate-authority": "ca.pem"}
    path.write_text(json.dumps(content))
    offers: list[tuple[Registration, ...]] = []
    watch = KubeconfigWatch(
        [path, tmp_path / "missing"], Trust(files=True), [], lambda told: offers.append(tuple(told)), seconds=0.01
    )
    watch.start()
    try:
        eventually(lambda: len(offers) == 1)
        token.write_text("two, and longer")
        eventually(lambda: len(offers) == 2)
        assert offers[0][0].fingerprint != offers[1][0].fingerprint
        path.write_text("{")
        eventually(lambda: any(str(path) in problem for problem in watch.problems))
        path.write_text(json.dumps({**content, "contexts": []}))
        eventually(lambda: offers[-1] == ())
        assert len(offers) == 3, "a file that is broken for a moment changes nothing"
    finally:
        watch.close()


class _Follower:
    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []

    def connected(self, name: str, uid: str) -> None:
        self.log.append(("connected", name, uid))

    def dropped(self, name: str) -> None:
        self.log.append(("dropped", name))


def test_a_feed_that_is_refused_is_dialled_again_and_once_in_a_while_only(worlds: Any) -> None:
    world = worlds()
    world.feeds.clusters["k1"] = Who("u1")
    world.runner.offer("kubeconfig", [_reg("west", "k1")], synced=True)
    eventually(lambda: "west" in world.feeds.connections)
    step = watch_feeds(world.runner, world.feeds)
    world.feeds.statuses = [Status("west", state="STALE", reason="timeout"), Status("other", reason="unauthorized")]
    step()
    world.feeds.statuses = [Status("west", state="STALE", reason="unauthorized", last_error="401")]
    step()
    eventually(lambda: world.shards.described["west"].reason == "401")
    eventually(lambda: world.feeds.log.count(("identify", "k1")) == 2)
    for _ in range(5):
        step()
    time.sleep(0.2)
    assert world.feeds.log.count(("identify", "k1")) == 2


def test_agents_are_described_once_and_followed(worlds: Any, caplog: pytest.LogCaptureFixture) -> None:
    world, follower = worlds(), _Follower()
    world.feeds.clusters["k1"] = Who("u1")
    world.runner.offer("kubeconfig", [_reg("west", "k1")], synced=True)
    eventually(lambda: world.runner.views and world.runner.views[0].name)
    agents = Agents(world.runner, world.feeds, world.shards, [follower], cluster_sets={})
    world.feeds.statuses = [
        Status("edge", pushed=True, uid="u7"),
        Status("silent", pushed=True),
        Status("west", pushed=True, uid="u1"),
        Status("dialled", uid=""),
    ]
    before = world.shards.described["west"]
    agents.step()
    agents.step()
    assert follower.log == [("connected", "edge", "u7"), ("connected", "west", "u1")]
    assert world.shards.described["edge"].uid == "u7"
    assert world.shards.described["west"] == before, "the registry describes it"
    assert caplog.records == []
    world.feeds.statuses = [Status("doubled", pushed=True, uid="u1")]
    agents.step()
    assert "choose one name" in caplog.records[-1].message


def test_an_agent_is_followed_anew_when_its_cluster_is_dialled_no_more(worlds: Any) -> None:
    world, follower = worlds(), _Follower()
    world.feeds.clusters["k1"] = Who("u1")
    world.runner.offer("kubeconfig", [_reg("west", "k1")], synced=True)
    eventually(lambda: world.runner.views and world.runner.views[0].name)
    agents = Agents(world.runner, world.feeds, world.shards, [follower], cluster_sets={})
    world.feeds.statuses = [Status("west", pushed=True, uid="u1")]
    agents.step()
    dropped = threading.Event()
    world.feeds.before_disconnect = dropped.wait
    world.runner.offer("kubeconfig", [], synced=True)
    eventually(lambda: not world.runner.views or world.runner.views[0].gone)
    # Between what the registry says and what is done, and after that.
    agents.step()
    dropped.set()
    eventually(lambda: world.runner.drops["west"] == 1)
    world.shards.described.clear()
    agents.step()
    agents.step()
    assert follower.log[-1] == ("connected", "west", "u1"), "the feed that ended was its own, too"
    assert follower.log.count(("connected", "west", "u1")) == 2
    assert world.shards.described["west"].uid == "u1"


def test_an_agent_says_labels_and_not_whose_objects_its_cluster_sees(worlds: Any) -> None:
    world = worlds()
    agents = Agents(world.runner, world.feeds, world.shards, [], cluster_sets={"edge": "outside"})
    world.feeds.statuses = [Status("edge", pushed=True, uid="u7", labels={"region": "eu"})]
    agents.step()
    facts = world.shards.described["edge"]
    assert (facts.labels, facts.cluster_set) == ({"region": "eu"}, "outside")
    world.feeds.statuses = [Status("edge", pushed=True, uid="u7", labels={"region": "us"})]
    agents.step()
    assert world.shards.described["edge"].labels == {"region": "us"}


def test_a_cluster_whose_agent_stays_away_is_gone(worlds: Any) -> None:
    world, follower, now = worlds(), _Follower(), [100.0]
    agents = Agents(
        world.runner,
        world.feeds,
        world.shards,
        [follower],
        cluster_sets={},
        gone_seconds=60.0,
        clock=lambda: now[0],
    )
    here, away = Status("edge", pushed=True, uid="u7"), Status("edge", pushed=True, uid="u7", connected=False)
    world.feeds.statuses = [here]
    agents.step()
    world.feeds.statuses = [away]
    for seconds in (30.0, 29.0):
        now[0] += seconds
        agents.step()
    assert world.shards.removed == []
    now[0] += 1.0
    agents.step()
    assert world.shards.removed == ["edge"]
    assert ("disconnect", "edge") in world.feeds.log
    assert follower.log == [("connected", "edge", "u7"), ("dropped", "edge")]
    world.feeds.statuses = [here]
    agents.step()
    assert follower.log[-1] == ("connected", "edge", "u7"), "it may come back"
