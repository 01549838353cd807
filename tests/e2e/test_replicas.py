"""Two replicas and one hub: the one that holds the Lease writes, the other takes over when it is gone."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_clusters import CONSTRAINT, TEMPLATE
from tests.support.gatekeeper_definitions import template_definitions
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.scripted_feeds import eventually
from tests.support.serving import Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def fleet_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with start_fleet(tmp_path_factory.mktemp("lease"), ["hub"]) as running:
        running["hub"].kubectl("apply", "-f", str(template_definitions()))
        yield running


def _serve(directory: Path, hub: Cluster, writer: str) -> Any:
    return serving(directory, f"--hub-kubeconfig={hub.kubeconfig}", f"--clusters-writer={writer}")


def _holder(hub: Cluster) -> str:
    done = hub.kubectl("get", "lease", "fleetgate", "--namespace", "kube-system", "-o", "json", check=False)
    return str(json.loads(done.stdout)["spec"].get("holderIdentity", "")) if done.returncode == 0 else ""


def _writers(hub: Cluster, *named: str) -> set[str]:
    done = hub.kubectl("get", *named, "-o", "json", check=False)
    entries = json.loads(done.stdout).get("status", {}).get("byPod", []) if done.returncode == 0 else []
    return {entry["id"] for entry in entries}


def _decides(server: Server) -> bool:
    return server.generation().number > 0


def test_one_replica_writes_and_another_takes_over(fleet_of_one: Fleet, tmp_path: Path) -> None:
    hub = fleet_of_one["hub"]
    with ExitStack() as running:
        first = running.enter_context(_serve(tmp_path, hub, "first"))
        holder = eventually(lambda: _holder(hub), seconds=60)
        second = running.enter_context(_serve(tmp_path, hub, "second"))
        hub.apply(TEMPLATE)
        eventually(lambda: _writers(hub, "constrainttemplate", "denynames") == {"first"}, seconds=60)
        hub.kubectl("wait", "--for=condition=Established", "crd/denynames.constraints.gatekeeper.sh")
        hub.apply(CONSTRAINT)
        eventually(lambda: _writers(hub, "denynames", "no-evil") == {"first"}, seconds=60)
        # The second has the same policies, and has written nothing.
        eventually(lambda: _decides(first) and _decides(second), seconds=60)
        assert _holder(hub) == holder
        assert _writers(hub, "constrainttemplate", "denynames") == {"first"}

        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        eventually(lambda: _holder(hub) not in {holder, ""}, seconds=60)
        eventually(lambda: "second" in _writers(hub, "denynames", "no-evil"), seconds=60)
        assert "second" in eventually(lambda: _writers(hub, "constrainttemplate", "denynames"))
