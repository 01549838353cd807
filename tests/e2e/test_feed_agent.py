"""Clusters that are not dialled: an agent beside the API server streams to the service."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from fleetgate.engine import Agent, DialError, Engine, Feeds, ObjectWatch, WriteError
from fleetgate_proto.v1 import feed_pb2, feed_pb2_grpc

from tests.support.certificates import Authority, KeyPair
from tests.support.feeding import (
    CONFIG_MAPS,
    AuditLog,
    admin,
    cluster_state,
    config_map,
    kind_feed,
    namespace_of,
    objects,
    shard_state,
)
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually

pytestmark = pytest.mark.e2e

DOMAIN = "fleetgate.test"


@pytest.fixture
def address(feeds: Feeds, authority: Authority) -> str:
    pair = authority.issue("feed-service")
    return feeds.listen(
        "127.0.0.1:0",
        certificate=pair.certificate.read_bytes(),
        key=pair.key.read_bytes(),
        client_ca=authority.pem,
        trust_domain=DOMAIN,
    )


def certificate(authority: Authority, cluster: str, role: str = "sync") -> KeyPair:
    return authority.issue(f"agent-{cluster}-{role}", spiffe_id=f"spiffe://{DOMAIN}/cluster/{cluster}/{role}")


@contextmanager
def agent(cluster: Cluster, name: str, address: str, authority: Authority) -> Iterator[Agent]:
    pair = certificate(authority, name)
    running = Agent(
        [f"https://{address}"],
        certificate=pair.certificate,
        key=pair.key,
        ca=authority.file,
        kubeconfig=admin(cluster),
    )
    try:
        yield running
    finally:
        running.close()


def test_an_agent_streams_what_is_planned(
    engine: Engine, feeds: Feeds, address: str, west: Cluster, authority: Authority
) -> None:
    west.apply(namespace_of("feed-agent"), config_map("feed-agent", "a", x="1"))
    with agent(west, "far", address, authority):
        eventually(lambda: shard_state(engine, "far", "Namespace") == "SYNCED", "Namespaces are SYNCED")
        status = next(each for each in feeds.status() if each.cluster == "far")
        assert status.pushed
        assert status.uid == west.get("namespace", "kube-system")["metadata"]["uid"]

        feeds.plan("far", [CONFIG_MAPS], bounds=[(CONFIG_MAPS, 4.0)])
        eventually(lambda: "a" in objects(engine, "far", "ConfigMap", "feed-agent"), "the new plan is followed")
        west.apply(config_map("feed-agent", "b"))
        west.kubectl("delete", "configmap", "a", "--namespace", "feed-agent")
        eventually(lambda: set(objects(engine, "far", "ConfigMap", "feed-agent")) == {"b"}, "events come")
        eventually(lambda: cluster_state(feeds, "far") == "SYNCED", "the report says SYNCED")
        feed = kind_feed(feeds, "far", "ConfigMap")
        assert feed is not None
        assert feed.resource_version

        written = feeds.write("far", "create", json.dumps(config_map("feed-agent", "c")).encode())
        assert json.loads(written)["metadata"]["name"] == "c"
        with pytest.raises(WriteError) as refusal:
            feeds.write("far", "create", json.dumps(config_map("feed-agent", "c")).encode())
        assert (refusal.value.code, refusal.value.reason) == (409, "AlreadyExists")
        eventually(lambda: "c" in objects(engine, "far", "ConfigMap", "feed-agent"), "what was written comes back")


def test_an_agent_that_goes_leaves_a_stale_view_and_comes_back_without_a_list(
    engine: Engine, feeds: Feeds, address: str, west: Cluster, authority: Authority
) -> None:
    west.apply(namespace_of("feed-agent-back"))
    with agent(west, "far", address, authority):
        eventually(lambda: cluster_state(feeds, "far") == "SYNCED", "it is SYNCED")
        feeds.plan("far", [CONFIG_MAPS])
        eventually(lambda: shard_state(engine, "far", "ConfigMap") == "SYNCED", "ConfigMaps are SYNCED")
    since = time.monotonic()
    while shard_state(engine, "far", "ConfigMap") != "STALE":
        assert time.monotonic() - since < 2.0
        time.sleep(0.01)
    with pytest.raises(WriteError):
        feeds.write("far", "create", json.dumps(config_map("feed-agent-back", "x")).encode())
    west.apply(config_map("feed-agent-back", "meanwhile"))

    audit = AuditLog(west)
    with agent(west, "far", address, authority):
        eventually(lambda: "meanwhile" in objects(engine, "far", "ConfigMap", "feed-agent-back"), "it caught up")
        eventually(lambda: shard_state(engine, "far", "ConfigMap") == "SYNCED", "it is SYNCED again")
        assert audit.lists("configmaps") == []


def _call(
    address: str, authority: Authority, pair: KeyPair | None, *messages: feed_pb2.SyncInventoryRequest
) -> grpc.StatusCode:
    credentials = grpc.ssl_channel_credentials(
        authority.pem,
        pair.key.read_bytes() if pair else None,
        pair.certificate.read_bytes() if pair else None,
    )
    with grpc.secure_channel(address, credentials) as channel:
        stub = feed_pb2_grpc.FeedServiceStub(channel)
        try:
            for _ in stub.SyncInventory(iter(messages), timeout=10):
                pass
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
            return code
    return grpc.StatusCode.OK


def _hello(cluster: str = "") -> feed_pb2.SyncInventoryRequest:
    return feed_pb2.SyncInventoryRequest(hello=feed_pb2.AgentHello(cluster=cluster))


def test_nobody_speaks_for_another_cluster(
    engine: Engine, feeds: Feeds, address: str, authority: Authority, tmp_path: Path
) -> None:
    east = certificate(authority, "east")
    stranger = Authority(tmp_path, name="another CA")
    for pair, hello, code in [
        (east, _hello("west"), grpc.StatusCode.PERMISSION_DENIED),
        (certificate(authority, "west", "webhook"), _hello(), grpc.StatusCode.PERMISSION_DENIED),
        (
            authority.issue("fleet-admin", spiffe_id=f"spiffe://{DOMAIN}/fleet/admin"),
            _hello("west"),
            grpc.StatusCode.PERMISSION_DENIED,
        ),
        (
            authority.issue("alien", spiffe_id="spiffe://other.test/cluster/west/sync"),
            _hello(),
            grpc.StatusCode.UNAUTHENTICATED,
        ),
        (authority.issue("nameless"), _hello("west"), grpc.StatusCode.UNAUTHENTICATED),
        (None, _hello("west"), grpc.StatusCode.UNAVAILABLE),
        (
            stranger.issue("west", spiffe_id=f"spiffe://{DOMAIN}/cluster/west/sync"),
            _hello(),
            grpc.StatusCode.UNAVAILABLE,
        ),
    ]:
        assert _call(address, authority, pair, hello) == code
    assert [status.cluster for status in feeds.status()] == []
    assert engine.clusters() == []


def test_what_an_agent_may_not_say(engine: Engine, address: str, authority: Authority) -> None:
    pair = certificate(authority, "sly")
    kind = feed_pb2.ResourceKind(version="v1", kind="Secret")
    secret = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"n","resourceVersion":"1"}}'
    batch = feed_pb2.ChangeBatch(
        number=1,
        changes=[
            feed_pb2.ObjectChange(kind=kind, begin=feed_pb2.ListBegin()),
            feed_pb2.ObjectChange(kind=kind, listed=secret),
            feed_pb2.ObjectChange(kind=kind, put=secret),
        ],
    )
    gone = feed_pb2.ObjectChange(kind=kind, state=feed_pb2.KindState(state=feed_pb2.FEED_STATE_GONE))

    _call(address, authority, pair, _hello("sly"), feed_pb2.SyncInventoryRequest(batch=batch))
    assert objects(engine, "sly", "Secret") == {}
    for wrong in (
        [feed_pb2.SyncInventoryRequest(batch=batch)],
        [_hello(), _hello()],
        [_hello(), feed_pb2.SyncInventoryRequest(batch=feed_pb2.ChangeBatch(number=1, changes=[gone]))],
    ):
        assert _call(address, authority, pair, *wrong) == grpc.StatusCode.INVALID_ARGUMENT


class _Told:
    """What a watch tells, gathered."""

    def __init__(self, watch: ObjectWatch) -> None:
        self._watch = watch
        self.names: set[str] = set()
        self.synced = 0
        self.log: list[str] = []

    def look(self) -> _Told:
        for event in self._watch.next(0.05):
            match event:
                case ("put", _, _, _, _, bytes(content)):
                    self._note("put", json.loads(content)["metadata"]["name"])
                    self.names.add(self.log[-1].partition(" ")[2])
                case ("delete", _, _, _, _, _, str(name)):
                    self._note("delete", name)
                    self.names.discard(name)
                case ("synced", _):
                    self.synced += 1
        return self

    def _note(self, verb: str, name: str) -> None:
        self.log.append(f"{verb} {name}")


def test_objects_are_watched_through_an_agent_over_the_loss_of_its_stream(
    feeds: Feeds, address: str, west: Cluster, authority: Authority
) -> None:
    west.apply(namespace_of("feed-relay"), config_map("feed-relay", "a"), config_map("feed-relay", "b"))
    with agent(west, "far", address, authority):
        eventually(lambda: cluster_state(feeds, "far") == "SYNCED", "it is SYNCED")
        watch = feeds.watch_objects("far", [("", "v1", "ConfigMap", "feed-relay", "", "")])
        told = _Told(watch)
        eventually(lambda: told.look().synced > 0 and {"a", "b"} <= told.names, "all is told")
        west.apply(config_map("feed-relay", "c"))
        west.kubectl("delete", "configmap", "a", "--namespace", "feed-relay")
        eventually(lambda: "c" in told.look().names and "a" not in told.names, "events are told")
    west.kubectl("delete", "configmap", "b", "--namespace", "feed-relay")
    synced = told.look().synced
    with agent(west, "far", address, authority):
        eventually(lambda: told.look().synced > synced, "all is told again")
        assert "b" not in told.names
        assert told.log.count("delete b") == 1
        with pytest.raises(DialError):
            feeds.watch_objects("far", [("", "v1", "Secret", "", "", "")])
    watch.close()


def test_an_agent_says_the_labels_of_its_cluster_but_not_those_that_decide(
    feeds: Feeds, address: str, west: Cluster, authority: Authority
) -> None:
    pair = certificate(authority, "labelled")
    running = Agent(
        [f"https://{address}"],
        certificate=pair.certificate,
        key=pair.key,
        ca=authority.file,
        kubeconfig=admin(west),
        labels={"region": "eu", "fleetgate.dev/cluster-set": "production"},
    )
    try:
        eventually(lambda: any(each.connected for each in feeds.status()), "it streams")
        assert [each.labels for each in feeds.status() if each.cluster == "labelled"] == [{"region": "eu"}]
    finally:
        running.close()


def test_a_batch_is_acknowledged_when_it_is_on_disk(authority: Authority, tmp_path: Path) -> None:
    """A kind is told to be known up to where a crash leaves it, and an acknowledgement waits for the disk."""
    engine = Engine(contexts=1, state_directory=tmp_path / "state", write_behind_seconds=1.0)
    feeds = Feeds(engine)
    pair = authority.issue("feed-durable")
    address = feeds.listen(
        "127.0.0.1:0",
        certificate=pair.certificate.read_bytes(),
        key=pair.key.read_bytes(),
        client_ca=authority.pem,
        trust_domain=DOMAIN,
    )
    kind = feed_pb2.ResourceKind(version="v1", kind="ConfigMap")
    finish = feed_pb2.ListFinish(resource_version="17")
    finish.at.GetCurrentTime()
    changes = [
        feed_pb2.ObjectChange(kind=kind, begin=feed_pb2.ListBegin()),
        feed_pb2.ObjectChange(kind=kind, finish=finish),
    ]
    requests: queue.SimpleQueue[feed_pb2.SyncInventoryRequest | None] = queue.SimpleQueue()
    client = certificate(authority, "durable")
    credentials = grpc.ssl_channel_credentials(authority.pem, client.key.read_bytes(), client.certificate.read_bytes())
    with grpc.secure_channel(address, credentials) as channel:
        stub = feed_pb2_grpc.FeedServiceStub(channel)
        requests.put(_hello())
        answers = iter(stub.SyncInventory(iter(requests.get, None), timeout=20))
        assert list(next(answers).welcome.known) == []
        # The first write after a pause is at once; the second has to wait.
        for number in (1, 2):
            batch = feed_pb2.ChangeBatch(number=number, changes=changes)
            requests.put(feed_pb2.SyncInventoryRequest(batch=batch))
            while (answer := next(answers)).acknowledgement.number < number:
                pass
            durable = next(status for status in engine.clusters() if status.name == "durable").durable_revision
            assert answer.acknowledgement.number == number
            assert durable >= number
        requests.put(None)
    with grpc.secure_channel(address, credentials) as channel:
        stub = feed_pb2_grpc.FeedServiceStub(channel)
        requests.put(_hello())
        known = next(iter(stub.SyncInventory(iter(requests.get, None), timeout=20))).welcome.known
        assert [(one.kind.kind, one.resource_version) for one in known] == [("ConfigMap", "17")]
        requests.put(None)
    feeds.close()
