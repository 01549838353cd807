"""`fleetgate serve` as a real process, and the questions that tests ask it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from fleetgate_proto.v1 import (
    policy_pb2,
    policy_pb2_grpc,
    review_pb2,
    review_pb2_grpc,
    server_info_pb2_grpc,
)

from tests.support.certificates import Authority, KeyPair
from tests.support.processes import FLEETGATE, Process, free_port

DATA = Path(__file__).parents[1] / "data" / "policies"
TIMEOUT = 10.0
TRUST_DOMAIN = "fleetgate.test"


@dataclass
class Server:
    """A running `fleetgate serve`. ``port`` is gRPC's, ``http`` that of metrics and health."""

    process: Process
    port: int
    http: int
    channel: grpc.Channel
    review: review_pb2_grpc.ReviewServiceStub = field(init=False)
    policy: policy_pb2_grpc.PolicyServiceStub = field(init=False)
    info: server_info_pb2_grpc.ServerInfoServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.review = review_pb2_grpc.ReviewServiceStub(self.channel)
        self.policy = policy_pb2_grpc.PolicyServiceStub(self.channel)
        self.info = server_info_pb2_grpc.ServerInfoServiceStub(self.channel)

    def get(self, path: str) -> tuple[int, str]:
        """GET from the HTTP side: status and body."""
        return http_get(self.http, path)

    def generation(self) -> review_pb2.Generation:
        """The published generation."""
        return self.policy.GetGeneration(policy_pb2.GetGenerationRequest(), timeout=TIMEOUT).generation

    def log_lines(self) -> list[dict[str, object]]:
        """What it has logged so far."""
        lines = self.process.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


Serve = Callable[..., Server]
"""Starts a server that lives as long as the test: ``serve("--policies=x", ...)``."""


def http_get(port: int, path: str) -> tuple[int, str]:
    """GET from a loopback port: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def is_ready(port: int) -> bool:
    """Whether the HTTP side says that the server is ready."""
    try:
        return http_get(port, "/readyz")[0] == http.client.OK
    except OSError:
        return False


@contextmanager
def serving(
    directory: Path,
    *arguments: str,
    channel: Callable[[int], grpc.Channel] | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[Server]:
    """Serve until the context ends; plaintext unless ``channel`` says how to connect to a port."""
    port, http_port = free_port(), free_port()
    command = [
        str(FLEETGATE),
        "serve",
        f"--listen=127.0.0.1:{port}",
        f"--metrics-listen=127.0.0.1:{http_port}",
        "--drain-delay-seconds=0",
        "--log-format=json",
        *(["--insecure"] if channel is None else []),
        *arguments,
    ]
    process = Process(command, directory / f"serve-{port}.log", env=env)
    try:
        process.wait_until(lambda: is_ready(http_port), "ready")
        connection = channel(port) if channel else grpc.insecure_channel(f"127.0.0.1:{port}")
        with connection:
            yield Server(process, port, http_port, connection)
    finally:
        process.stop()


def tls_flags(authority: Authority, pair: KeyPair) -> list[str]:
    """Flags for mutual TLS."""
    return [
        f"--tls-certificate={pair.certificate}",
        f"--tls-key={pair.key}",
        f"--tls-client-ca={authority.file}",
    ]


def secure_channel(port: int, authority: Authority, pair: KeyPair | None) -> grpc.Channel:
    """A channel of its own connection, with a client certificate where one is given."""
    credentials = grpc.ssl_channel_credentials(
        authority.pem,
        pair.key.read_bytes() if pair else None,
        pair.certificate.read_bytes() if pair else None,
    )
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, [("grpc.use_local_subchannel_pool", 1)])


def review_of(server: Server, authority: Authority, cluster: str, item: dict[str, object]) -> review_pb2.ReviewResponse:
    """The decision on an object, asked for as a cluster's webhook does: its certificate names the cluster."""
    pair = authority.issue("asker", hosts=(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/cluster/{cluster}/webhook")
    request = review_pb2.ReviewRequest(object=json.dumps(item).encode())
    with secure_channel(server.port, authority, pair) as channel:
        answer: review_pb2.ReviewResponse = review_pb2_grpc.ReviewServiceStub(channel).Review(request, timeout=TIMEOUT)
    return answer


def pod(name: str = "web", *, labels: dict[str, str] | None = None) -> dict[str, object]:
    """A small Pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": labels or {}},
        "spec": {"containers": [{"name": "main", "image": "registry.example/web:1"}]},
    }


def question(
    thing: dict[str, object] | None = None, *, cluster: str = "eu-1", dry_run: bool = False
) -> review_pb2.ReviewRequest:
    """The creation of an object, as an API server asks about it."""
    thing = thing or pod()
    request = {
        "uid": "0b1c0f2c-0000-4000-8000-000000000001",
        "kind": {"group": "", "version": "v1", "kind": thing["kind"]},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["dev"]},
        "object": thing,
        "oldObject": None,
        "dryRun": dry_run,
        "options": None,
    }
    return review_pb2.ReviewRequest(
        cluster=cluster,
        admission_request=json.dumps(request).encode(),
        namespace=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}).encode(),
    )


def messages(response: review_pb2.ReviewResponse) -> list[str]:
    """The violations as ``action constraint: message``."""
    return [f"{v.enforcement_action} {v.constraint_name}: {v.message}" for v in response.violations]
