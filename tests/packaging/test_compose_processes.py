"""The services of docker-compose.yml as processes: same environment and health checks, paths and ports of here."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.conftest import ROOT
from tests.support.processes import FLEETGATE, Process, free_port

RECORDED = ROOT / "tests" / "data" / "recorded"


class Services:
    """docker-compose.yml with containers' paths, names and ports replaced by this machine's."""

    def __init__(self, scratch: Path) -> None:
        self.certificates = scratch / "certs"
        self._services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        self.ports = {name: free_port() for name in ("9443", "8443", "server-metrics", "webhook-metrics")}

    def environment(self, service: str) -> dict[str, str]:
        """What the container's environment would be, without observability."""
        return {key: self._here(service, value) for key, value in self._services[service]["environment"].items()}

    def healthy(self, service: str) -> bool:
        """Run the service's health check."""
        _, *command = self._services[service]["healthcheck"]["test"]
        arguments = [sys.executable if part == "python" else self._here(service, part) for part in command]
        return subprocess.run(arguments, capture_output=True, timeout=30, check=False).returncode == 0

    def _here(self, service: str, text: str) -> str:
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        text = text.replace("/certs", str(self.certificates)).replace("/recorded", str(RECORDED))
        text = text.replace("/policies", str(ROOT / "policies"))
        text = text.replace("/compose/", f"{ROOT}/deploy/compose/")
        text = text.replace("0.0.0.0:9464", f"127.0.0.1:{self.ports[f'{service}-metrics']}")
        text = text.replace("0.0.0.0:", "127.0.0.1:").replace("server:9443", "localhost:9443")
        for port in ("9443", "8443"):
            text = text.replace(f":{port}", f":{self.ports[port]}")
        return text


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    scratch = tmp_path_factory.mktemp("compose")
    services = Services(scratch)
    subprocess.run([sys.executable, ROOT / "deploy" / "compose" / "dev_ca.py", services.certificates], check=True)
    running: list[Process] = []
    try:
        for name, verb in (("server", "serve"), ("webhook", "webhook")):
            process = Process([str(FLEETGATE), verb], scratch / f"{name}.log", env=services.environment(name))
            running.append(process)
            process.wait_until(lambda name=name: services.healthy(name), "healthy")  # type: ignore[misc]
        yield services
    finally:
        for process in reversed(running):
            process.stop()


def review(services: Services, recording: Path) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=str(services.certificates / "ca.crt"))
    connection = http.client.HTTPSConnection("localhost", services.ports["8443"], timeout=30, context=context)
    connection.request("POST", "/v1/admit?timeout=10s", recording.read_bytes(), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    response: dict[str, Any] = json.loads(answer.read())["response"]
    connection.close()
    return response


def recording(name: str) -> Path:
    (found,) = RECORDED.glob(f"*-{name}.json")
    return found


def test_both_get_healthy_and_decide(services: Services) -> None:
    denied = review(services, recording("create-pod-foreign-image"))
    assert denied["allowed"] is False
    assert denied["status"]["code"] == 403
    assert review(services, recording("create-pod-web"))["allowed"] is True


def test_the_health_check_of_the_server_fails_where_there_is_none(services: Services) -> None:
    arguments = [f"localhost:{free_port()}", str(services.certificates / "ca.crt")]
    script = ROOT / "deploy" / "compose" / "grpc_health.py"
    result = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "UNAVAILABLE" in result.stderr


def loadtest(services: Services, *arguments: object) -> dict[str, Any]:
    once_each = len(list(RECORDED.glob("*.json")))
    command = [
        FLEETGATE, "loadtest", "--ca", services.certificates / "ca.crt", "--reviews", RECORDED,
        "--concurrency", 2, "--requests", once_each, "--warmup", "0s", "-o", "json", *arguments,
    ]  # fmt: skip
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=90)
    assert result.returncode == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_the_load_test_finds_the_same_decisions_by_every_way(services: Services) -> None:
    client = services.certificates / "webhook-client.crt", services.certificates / "webhook-client.key"
    server = ("--address", f"localhost:{services.ports['9443']}", "--cert", client[0], "--key", client[1])
    url = f"https://localhost:{services.ports['8443']}/v1/admit?timeout=10s"
    reviewed = loadtest(services, *server)
    batched = loadtest(services, *server, "--batch", 3)
    admitted = loadtest(services, "--target", "webhook", "--address", url)
    assert reviewed["decisions"] == admitted["decisions"]
    assert batched["decisions"] == {name: 3 * count for name, count in reviewed["decisions"].items()}
    assert all(reviewed["decisions"].values()), "the recordings have objects that are allowed, warned about and denied"
