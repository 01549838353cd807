"""``fleetgate audit`` and ``history`` in front of a real service with a real API server behind it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from fleetgate_clients.audit.document import from_json

from tests.e2e.test_audit_contexts import CONSTRAINT, TEMPLATE, config_map, namespace
from tests.support.kubeapiserver import Cluster, start_fleet
from tests.support.kubeconfigs import one_kubeconfig
from tests.support.processes import FLEETGATE
from tests.support.scripted_feeds import eventually
from tests.support.serving import serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@dataclass
class _World:
    cluster: Cluster
    kubeconfig: Path
    policies: Path
    address: str

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(FLEETGATE), *arguments, "--server", self.address, "--insecure"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def found(self, *arguments: str) -> list[tuple[str, str]]:
        report = from_json(self.cli("audit", "-o", "json", *arguments).stdout)
        return sorted((item.object.namespace, item.object.name) for item in report.violations)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    directory = tmp_path_factory.mktemp("audit-client")
    policies = directory / "policies"
    policies.mkdir()
    (policies / "policies.yaml").write_text(f"{json.dumps(TEMPLATE)}\n---\n{json.dumps(CONSTRAINT)}\n")
    with start_fleet(directory / "fleet", ["one"]) as fleet:
        cluster = fleet["one"]
        cluster.apply(namespace("seen", audited="yes"), namespace("unseen"))
        cluster.apply(config_map("bare", "seen"), config_map("owned", "seen", owner="a"), config_map("bare", "unseen"))
        kubeconfig = one_kubeconfig(directory, fleet)
        with serving(
            directory,
            f"--policies={policies}",
            f"--clusters-kubeconfigs={kubeconfig}",
            f"--state-directory={directory / 'state'}",
            "--audit-interval-seconds=1",
        ) as server:
            made = _World(cluster, kubeconfig, policies, f"127.0.0.1:{server.port}")
            eventually(lambda: made.cli("audit", "-o", "json").returncode == 1, seconds=60)
            yield made


def test_the_service_and_the_context_give_the_same_report(world: _World) -> None:
    served = from_json(world.cli("audit", "-o", "json").stdout)
    command = [str(FLEETGATE), "audit", "-o", "json", "--kubeconfig", str(world.kubeconfig), "--context", "one"]
    local = subprocess.run(
        [*command, "-f", str(world.policies)], capture_output=True, text=True, timeout=60, check=False
    )
    assert served.violations == from_json(local.stdout).violations
    assert [item.object.name for item in served.violations if item.object.name == "bare"] == ["bare"]
    assert served.complete


def test_the_scope_narrows(world: _World) -> None:
    assert ("seen", "bare") in world.found("--namespace", "seen")
    assert world.found("--namespace", "unseen") == []
    assert world.found("--kind", "pods") == []
    assert world.cli("audit", "--cluster", "nowhere").returncode in {2, 3}


def test_a_watch_tells_what_comes_and_goes(world: _World) -> None:
    command = [str(FLEETGATE), "audit", "--watch", "-o", "jsonl", "--server", world.address, "--insecure"]
    lines: Queue[dict[str, Any]] = Queue()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        out = running.stdout
        assert out is not None
        threading.Thread(target=lambda: [lines.put(json.loads(line)) for line in out], daemon=True).start()

        def told(kind: str, name: str) -> None:
            seen = []
            try:
                while True:
                    seen.append(lines.get(timeout=30))
                    if seen[-1]["type"] == kind and seen[-1].get("name", name) == name:
                        return
            except Empty:
                pytest.fail(f"no {kind} {name} among {seen}")

        try:
            told("summary", "")
            world.cluster.apply(config_map("fresh", "seen"))
            told("new", "fresh")
            world.cluster.kubectl("label", "configmap", "fresh", "-n", "seen", "owner=a")
            told("fixed", "fresh")
        finally:
            running.terminate()


def test_a_cached_object_is_explained(world: _World) -> None:
    denied = world.cli("explain", "one/seen/ConfigMap/bare", "-o", "json")
    assert denied.returncode == 1, denied.stderr
    (explained,) = json.loads(denied.stdout)["constraints"]
    assert [violation["message"] for violation in explained["violations"]] == ["no owner"]
    assert explained["violations"][0]["positions"][0]["path"].endswith("policies.yaml")
    passed_over = world.cli("explain", "one/unseen/configmaps/bare")
    assert passed_over.returncode == 0, passed_over.stderr
    assert "spec.match.namespaceSelector" in passed_over.stdout
    assert world.cli("explain", "one/seen/ConfigMap/gone").returncode == 2


def test_a_what_if_says_who_would_be_denied(world: _World, tmp_path: Path) -> None:
    proposed = tmp_path / "proposed.json"
    wider = {**CONSTRAINT, "spec": {"match": {"kinds": CONSTRAINT["spec"]["match"]["kinds"]}}}
    proposed.write_text(f"{json.dumps(TEMPLATE)}\n{json.dumps(wider)}\n")
    done = world.cli("whatif", "-f", str(proposed), "-o", "json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert ("unseen", "bare") in {
        (item["namespace"], item["name"]) for item in report["objects"] if item["change"] == "newly denied"
    }
    object_file = tmp_path / "object.json"
    object_file.write_text(json.dumps(config_map("planned", "seen")))
    assert world.cli("whatif", "-f", str(object_file)).returncode == 1
    object_file.write_text(json.dumps(config_map("planned", "seen", owner="a")))
    allowed = world.cli("whatif", "-f", str(object_file))
    assert allowed.returncode == 0, allowed.stdout + allowed.stderr


def test_since_and_history_remember(world: _World) -> None:
    def names(*arguments: str) -> set[str]:
        done = world.cli("audit", "-o", "json", *arguments)
        return {item.object.name for item in from_json(done.stdout).violations} if done.stdout else set()

    eventually(lambda: "bare" in names("--since", "1h"), seconds=60)
    assert names("--since", "2999-01-01") == set()
    eventually(lambda: json.loads(world.cli("history", "-o", "json").stdout)["runs"], seconds=60)
    eventually(lambda: "bare" in {item["name"] for item in _changes(world) if item["change"] == "new"}, seconds=60)


def _changes(world: _World) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = json.loads(world.cli("history", "changes", "-o", "json").stdout)["changes"]
    return changes
