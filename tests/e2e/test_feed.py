"""Feeds on real API servers: lists, events, kinds that come later, other credentials; and what is never asked for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fleetgate.engine import DialError, Engine, Feeds, WriteError

from tests.support.certificates import Authority
from tests.support.feeding import (
    CONFIG_MAPS,
    AuditLog,
    admin,
    cluster_state,
    config_map,
    kind_feed,
    kubeconfig,
    namespace_of,
    objects,
    shard_state,
)
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually, free_port

pytestmark = pytest.mark.e2e

WIDGETS = ("feed.example.com", "v1", "Widget")
WIDGET_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.feed.example.com"},
    "spec": {
        "group": "feed.example.com",
        "names": {"kind": "Widget", "plural": "widgets"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def synced(engine: Engine, cluster: str, kind: str) -> None:
    eventually(lambda: shard_state(engine, cluster, kind) == "SYNCED", f"{kind} is SYNCED", interval_s=0.05)


def service_account(cluster: Cluster, namespace: str, name: str, *, role: str = "") -> str:
    """A ServiceAccount with a cluster role; gives a new token each time."""
    cluster.apply(
        namespace_of(namespace),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}},
    )
    if role:
        cluster.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"{namespace}-{name}"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
            }
        )
    return cluster.kubectl("create", "token", name, "--namespace", namespace).stdout.strip()


def test_a_cluster_says_who_it_is(feeds: Feeds, west: Cluster) -> None:
    identity = feeds.identify(admin(west))

    assert identity.uid == west.get("namespace", "kube-system")["metadata"]["uid"]
    assert identity.version.startswith("v1.")


def test_why_a_cluster_does_not_say_it(feeds: Feeds, west: Cluster, authority: Authority) -> None:
    ca = west.ca_file.read_bytes()
    unprivileged = service_account(west, "feed-dial", "nobody")
    for text, reason in [
        (kubeconfig(west.server, authority.pem, {"token": west.token}), "tls"),
        (kubeconfig(west.server, ca, {"token": "wrong"}), "unauthorized"),
        (kubeconfig(west.server, ca, {"token": unprivileged}), "forbidden"),
        (kubeconfig(f"https://127.0.0.1:{free_port()}", ca, {"token": west.token}), "refused"),
        (kubeconfig(west.server, ca, {"tokenFile": "/etc/hostname"}), "invalid"),
        (kubeconfig(west.server, ca, {"exec": {"command": "/bin/true", "interactiveMode": "Never"}}), "exec"),
    ]:
        with pytest.raises(DialError) as refusal:
            feeds.identify(text, 5.0)
        assert refusal.value.reason == reason, str(refusal.value)


def test_objects_come_change_and_go(engine: Engine, feeds: Feeds, west: Cluster) -> None:
    west.apply(namespace_of("feed-events"), config_map("feed-events", "first", step="1"))
    audit = AuditLog(west)
    feeds.connect("west", admin(west))
    feeds.plan("west", [CONFIG_MAPS])
    synced(engine, "west", "ConfigMap")
    eventually(lambda: "first" in objects(engine, "west", "ConfigMap", "feed-events"), "it was listed")

    west.apply(config_map("feed-events", "first", step="2"), config_map("feed-events", "second"))

    def both() -> bool:
        found = objects(engine, "west", "ConfigMap", "feed-events")
        return set(found) == {"first", "second"} and found["first"]["data"] == {"step": "2"}

    eventually(both, "both changes are there", interval_s=0.05)
    assert objects(engine, "west", "Namespace")["feed-events"]["kind"] == "Namespace"

    west.kubectl("delete", "configmap", "first", "--namespace", "feed-events")
    eventually(lambda: set(objects(engine, "west", "ConfigMap", "feed-events")) == {"second"}, "the deletion is there")
    assert [len(audit.lists(resource)) for resource in ("configmaps", "namespaces")] == [1, 1]


def test_what_is_no_longer_planned_is_forgotten(engine: Engine, feeds: Feeds, west: Cluster) -> None:
    feeds.connect("west", admin(west))
    feeds.plan("west", [CONFIG_MAPS])
    synced(engine, "west", "ConfigMap")
    feeds.plan("west", [])
    eventually(lambda: shard_state(engine, "west", "ConfigMap") == "", "ConfigMaps are gone")
    synced(engine, "west", "Namespace")


def test_secrets_are_never_asked_for(feeds: Feeds, west: Cluster) -> None:
    west.apply(namespace_of("feed-secrets"))
    west.kubectl("create", "secret", "generic", "s", "--namespace", "feed-secrets", "--from-literal=a=b", check=False)
    audit = AuditLog(west)
    feeds.connect("west", admin(west))
    feeds.plan("west", [("", "v1", "Secret")], [(["*"], ["*"])])

    eventually(lambda: cluster_state(feeds, "west") == "SYNCED", "everything is SYNCED", timeout_s=60)
    status = kind_feed(feeds, "west", "Secret")
    assert status is not None
    assert status.not_audited == "Secrets are never read"
    asked = {each.resource for each in audit.asked()}
    assert {"pods", "configmaps", "deployments"} < asked
    assert "secrets" not in asked
    with pytest.raises(DialError, match="by label or name"):
        feeds.watch_objects("west", [("", "v1", "Secret", "feed-secrets", "", "")])


def test_a_kind_may_come_later_and_go_again(engine: Engine, feeds: Feeds, west: Cluster) -> None:
    feeds.connect("west", admin(west))
    feeds.plan("west", [WIDGETS])
    # A kind that is not served has no objects, and that is known.
    synced(engine, "west", "Widget")
    feed = kind_feed(feeds, "west", "Widget")
    assert feed is not None
    assert feed.last_error == "the API server does not serve this kind"

    west.apply(WIDGET_CRD, namespace_of("feed-crd"))
    west.kubectl("wait", "--for=condition=Established", "crd/widgets.feed.example.com")
    widget = {"apiVersion": "feed.example.com/v1", "kind": "Widget", "metadata": {"namespace": "feed-crd", "name": "w"}}
    eventually(lambda: west.kubectl("apply", "-f", "-", manifest=widget, check=False).returncode == 0, "it is served")
    eventually(lambda: set(objects(engine, "west", "Widget", "feed-crd")) == {"w"}, "the widget is there")

    west.kubectl("delete", "crd", "widgets.feed.example.com")
    eventually(lambda: objects(engine, "west", "Widget", "feed-crd") == {}, "the widget is gone")
    eventually(lambda: shard_state(engine, "west", "Widget") == "SYNCED", "that there is none is known")


def test_other_credentials_list_nothing_again(engine: Engine, feeds: Feeds, west: Cluster) -> None:
    west.apply(namespace_of("feed-rotation"))
    ca = west.ca_file.read_bytes()
    users = [service_account(west, "feed-rotation", name, role="cluster-admin") for name in ("before", "after")]
    audit = AuditLog(west)
    feeds.connect("west", kubeconfig(west.server, ca, {"token": users[0]}))
    feeds.plan("west", [CONFIG_MAPS])
    synced(engine, "west", "ConfigMap")

    feeds.connect("west", kubeconfig(west.server, ca, {"token": users[1]}))
    eventually(
        lambda: any(
            each.verb == "watch" and each.resource == "configmaps" and each.user.endswith(":after")
            for each in audit.asked()
        ),
        "the new credentials are in use",
    )
    west.apply(config_map("feed-rotation", "late"))
    eventually(lambda: "late" in objects(engine, "west", "ConfigMap", "feed-rotation"), "events still come")
    assert len(audit.lists("configmaps")) == 1
    assert len(audit.lists("namespaces")) == 1


def test_a_kind_with_a_bound_is_observed_within_it(engine: Engine, feeds: Feeds, west: Cluster) -> None:
    nodes = ("", "v1", "Node")
    feeds.connect("west", admin(west))
    feeds.plan("west", [nodes], bounds=[(nodes, 2.0)])
    synced(engine, "west", "Node")
    ages = []
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        feed = kind_feed(feeds, "west", "Node")
        assert feed is not None
        assert feed.observed_at is not None
        ages.append(time.time() - feed.observed_at)
        time.sleep(0.05)
    assert max(ages) < 2.0


def test_a_restart_goes_on_where_it_was(tmp_path: Path, west: Cluster) -> None:
    west.apply(namespace_of("feed-restart"), config_map("feed-restart", "before"))
    engine = Engine(contexts=1, state_directory=tmp_path)
    feeds = Feeds(engine)
    feeds.connect("west", admin(west))
    feeds.plan("west", [CONFIG_MAPS])
    synced(engine, "west", "ConfigMap")
    eventually(lambda: "before" in objects(engine, "west", "ConfigMap", "feed-restart"), "it is there")
    feeds.close()
    engine.flush_inventory("west", next(each.revision for each in engine.clusters() if each.name == "west"))
    del feeds, engine
    west.apply(config_map("feed-restart", "meanwhile"))
    west.kubectl("delete", "configmap", "before", "--namespace", "feed-restart")

    engine = Engine(contexts=1, state_directory=tmp_path)
    assert "before" in objects(engine, "west", "ConfigMap", "feed-restart")
    audit = AuditLog(west)
    feeds = Feeds(engine)
    feeds.connect("west", admin(west))
    feeds.plan("west", [CONFIG_MAPS])
    try:
        eventually(
            lambda: set(objects(engine, "west", "ConfigMap", "feed-restart")) == {"meanwhile"}, "it has caught up"
        )
        synced(engine, "west", "ConfigMap")
        assert audit.lists("configmaps") == []
    finally:
        feeds.close()


def test_selected_objects_are_told_and_not_kept(engine: Engine, feeds: Feeds, east: Cluster) -> None:
    east.apply(namespace_of("feed-watch"), config_map("feed-watch", "a", x="1"))
    feeds.connect("hub", admin(east), feed=False)
    maps = ("", "", "configmaps", "feed-watch", "", "")
    widgets = ("feed.example.com", "", "*", "", "", "")
    watch = feeds.watch_objects("hub", [maps, widgets])
    told: list[tuple[object, ...]] = []

    def heard(*start: object) -> bool:
        told.extend(watch.next(0.2))
        return any(event[: len(start)] == start for event in told)

    # What is not served has no objects; should it come, it is followed.
    eventually(lambda: heard("synced", widgets), "there are no widgets")
    eventually(lambda: heard("synced", maps), "the ConfigMaps were told")
    puts = [event for event in told if event[0] == "put"]
    assert [event[1:5] for event in puts] == [(maps, "", "v1", "ConfigMap")]
    assert json.loads(str(puts[0][5], "utf-8") if isinstance(puts[0][5], bytes) else "")["data"] == {"x": "1"}

    east.kubectl("delete", "configmap", "a", "--namespace", "feed-watch")
    eventually(lambda: heard("delete", maps, "", "v1", "ConfigMap", "feed-watch", "a"), "the deletion was told")

    east.apply(WIDGET_CRD)
    east.kubectl("wait", "--for=condition=Established", "crd/widgets.feed.example.com")
    widget = {
        "apiVersion": "feed.example.com/v1",
        "kind": "Widget",
        "metadata": {"namespace": "feed-watch", "name": "w"},
    }
    eventually(lambda: east.kubectl("apply", "-f", "-", manifest=widget, check=False).returncode == 0, "it is served")
    eventually(lambda: heard("put", widgets, "feed.example.com", "v1", "Widget"), "the widget was told")
    told.clear()
    watch.select([maps])
    east.apply(config_map("feed-watch", "b"))
    eventually(lambda: heard("put", maps), "the other selector goes on")
    assert not any(event[0] == "synced" for event in told)
    east.kubectl("delete", "crd", "widgets.feed.example.com")
    assert engine.clusters() == [] or shard_state(engine, "hub", "ConfigMap") == ""
    watch.close()


def test_objects_are_written(feeds: Feeds, east: Cluster) -> None:
    east.apply(namespace_of("feed-write"), WIDGET_CRD)
    east.kubectl("wait", "--for=condition=Established", "crd/widgets.feed.example.com")
    feeds.connect("hub", admin(east), feed=False)
    widget: dict[str, object] = {
        "apiVersion": "feed.example.com/v1",
        "kind": "Widget",
        "metadata": {"namespace": "feed-write", "name": "w"},
        "size": 1,
    }

    def write(verb: str, document: dict[str, object]) -> dict[str, object]:
        answer: dict[str, object] = json.loads(feeds.write("hub", verb, json.dumps(document).encode()))
        return answer

    def created() -> bool:
        try:
            return write("create", widget)["size"] == 1
        except WriteError as error:
            assert error.code == 404  # noqa: PT017 (the CRD is served moments later)
            return False

    eventually(created, "the widget is created")
    with pytest.raises(WriteError) as refusal:
        write("create", widget)
    assert (refusal.value.code, refusal.value.reason) == (409, "AlreadyExists")

    assert write("apply", {**widget, "size": 2})["size"] == 2
    current = write("get", widget)
    managers = {entry["manager"] for entry in current["metadata"]["managedFields"]}  # type: ignore[index]
    assert managers == {"fleetgate"}
    assert write("update-status", {**current, "status": {"ok": True}})["status"] == {"ok": True}
    with pytest.raises(WriteError) as refusal:
        write("update", {**current, "size": 3})
    assert (refusal.value.code, refusal.value.reason) == (409, "Conflict")
    write("delete", widget)
    with pytest.raises(WriteError) as refusal:
        write("get", widget)
    assert refusal.value.code == 404
    east.kubectl("delete", "crd", "widgets.feed.example.com")
