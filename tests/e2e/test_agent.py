"""`fleetgate agent` as a process beside a real API server that the service does not dial."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from fleetgate_proto.v1 import inventory_pb2, inventory_pb2_grpc

from tests.support.certificates import Authority
from tests.support.feeding import AuditLog, config_map, namespace_of
from tests.support.kubeapiserver import Cluster
from tests.support.kubeconfigs import Access
from tests.support.processes import FLEETGATE, Process, free_port
from tests.support.scripted_feeds import eventually
from tests.support.service_accounts import USER, member_account
from tests.support.serving import TIMEOUT, TRUST_DOMAIN, Server, review_of, secure_channel, serving, tls_flags

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SETTLE_S = 60
STALE_WITHIN_S = 2.0
POLICY = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniquename}
spec:
  crd: {spec: {names: {kind: UniqueName}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniquename
      violation[{"msg": msg}] {
        some namespace
        namespace != input.review.object.metadata.namespace
        data.inventory.namespace[namespace].v1.ConfigMap[input.review.object.metadata.name]
        msg := sprintf("taken in %v", [namespace])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniqueName
metadata: {name: unique}
spec: {match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}]}}
---
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: gatekeeper-system}
spec: {sync: {syncOnly: [{group: "", version: v1, kind: ConfigMap}]}}
"""


@dataclass
class World:
    """A service that agents may stream to, and a cluster that it does not know."""

    server: Server
    endpoint: str
    directory: Path
    authority: Authority
    member: Cluster
    kubeconfig: Path

    def state(self, name: str) -> str:
        stub = inventory_pb2_grpc.InventoryServiceStub(self.server.channel)
        answer = stub.ListClusters(inventory_pb2.ListClustersRequest(), timeout=TIMEOUT)
        states = {one.name: inventory_pb2.InventoryState.Name(one.state) for one in answer.clusters}
        return states.get(name, "").removeprefix("INVENTORY_STATE_")

    def messages(self, name: str) -> list[str]:
        answer = review_of(self.server, self.authority, "remote", config_map("agent-other", name))
        return [one.message for one in answer.violations]

    @contextmanager
    def agent(self, identity: str = "cluster/remote/sync", ca: Path | None = None) -> Iterator[Process]:
        pair = self.authority.issue("agent", hosts=(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/{identity}")
        command = [
            str(FLEETGATE),
            "agent",
            f"--endpoint={self.endpoint}",
            f"--certificate={pair.certificate}",
            f"--key={pair.key}",
            f"--ca={ca or self.authority.file}",
            f"--kubeconfig={self.kubeconfig}",
            "--log-format=json",
        ]
        running = Process(command, self.directory / f"agent-{free_port()}.log")
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def world(west: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("agent")
    authority = Authority(directory / "pki")
    (directory / "policy.yaml").write_text(POLICY)
    kubeconfig = directory / "member.kubeconfig"
    kubeconfig.write_text(Access.to(west, member_account(west)).kubeconfig)
    west.apply(namespace_of("agent"), namespace_of("agent-other"))
    admin = authority.issue("admin", hosts=(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/fleet/admin")
    port = free_port()

    def channel(grpc_port: int) -> grpc.Channel:
        return secure_channel(grpc_port, authority, admin)

    with serving(
        directory,
        *tls_flags(authority, authority.issue("service")),
        f"--tls-trust-domain={TRUST_DOMAIN}",
        f"--policies={directory / 'policy.yaml'}",
        f"--feed-listen=127.0.0.1:{port}",
        f"--state-directory={directory / 'state'}",
        channel=channel,
    ) as server:
        yield World(server, f"https://127.0.0.1:{port}", directory, authority, west, kubeconfig)


def test_what_an_agent_streams_is_decided_on(world: World) -> None:
    world.member.apply(config_map("agent", "streamed-first"))
    audit = AuditLog(world.member, user=USER)
    with world.agent() as agent:
        eventually(lambda: world.state("remote") == "SYNCED", seconds=SETTLE_S)
        eventually(lambda: world.messages("streamed-first") == ["taken in agent"], seconds=SETTLE_S)
        world.member.apply(config_map("agent", "streamed-second"))
        eventually(lambda: world.messages("streamed-second") == ["taken in agent"], seconds=SETTLE_S)
        world.member.kubectl("delete", "configmap", "streamed-first", "--namespace=agent")
        eventually(lambda: world.messages("streamed-first") == [], seconds=SETTLE_S)
        listed = {each.resource for each in audit.asked() if each.is_list}
        assert listed == {"namespaces", "configmaps", "customresourcedefinitions"}
        eventually(lambda: '"streaming"' in agent.log.read_text(), seconds=SETTLE_S)
        # Outbound only: it listens to nothing.
        assert _listens(agent.pid) == []
    assert agent.wait() == 0


def _listens(pid: int) -> list[str]:
    return [str(each.laddr) for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_LISTEN]


def test_a_killed_agent_is_stale_and_comes_back_without_a_list(world: World) -> None:
    with world.agent() as agent:
        eventually(lambda: world.state("remote") == "SYNCED", seconds=SETTLE_S)
        os.kill(agent.pid, signal.SIGKILL)
        since = time.monotonic()
        while world.state("remote") != "STALE":
            assert time.monotonic() - since < 10, "it never says STALE"
        assert time.monotonic() - since < STALE_WITHIN_S
    # What it told is known still.
    assert world.messages("streamed-second") == ["taken in agent"]
    world.member.apply(config_map("agent", "streamed-meanwhile"))
    audit = AuditLog(world.member, user=USER)
    with world.agent():
        eventually(lambda: world.messages("streamed-meanwhile") == ["taken in agent"], seconds=SETTLE_S)
        eventually(lambda: world.state("remote") == "SYNCED", seconds=SETTLE_S)
        assert audit.lists("configmaps") == []


@pytest.mark.parametrize(
    "identity",
    ["cluster/remote/webhook", "cluster/remote/reader", "fleet/admin"],
    ids=lambda one: one.replace("/", "-"),
)
def test_other_roles_may_not_stream(world: World, identity: str) -> None:
    with world.agent(identity) as agent:
        agent.wait_until(lambda: "not streaming" in agent.log.read_text(), "refused")
        assert world.state("remote") != "SYNCED"


def test_an_agent_does_not_trust_any_service(world: World, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, name="another CA")
    with world.agent(ca=stranger.file) as agent:
        agent.wait_until(lambda: "not streaming" in agent.log.read_text(), "refused")
