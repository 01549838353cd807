"""`fleetgate serve` and `fleetgate webhook` as real processes, with certificates that name cluster and role."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import FLEETGATE, Process, free_port

TRUST_DOMAIN = "fleetgate.test"


@dataclass(frozen=True)
class Service:
    """A running `fleetgate serve`: mutual TLS on `target`."""

    process: Process
    target: str
    policies: Path


@dataclass(frozen=True)
class Webhook:
    """A running `fleetgate webhook` of one cluster; `url` is what a registration names."""

    process: Process
    url: str


@contextmanager
def running_service(
    directory: Path,
    policies: Path,
    authority: Authority,
    *,
    port: int | None = None,
    otlp_endpoint: str | None = None,
) -> Iterator[Service]:
    """Serve `policies` until the context ends. `port` lets a service come back where an earlier one stood."""
    directory.mkdir(parents=True, exist_ok=True)
    grpc_port, metrics_port = port or free_port(), free_port()
    identity = authority.issue("service")
    command = [
        str(FLEETGATE),
        "serve",
        f"--listen=127.0.0.1:{grpc_port}",
        f"--policies={policies}",
        f"--tls-certificate={identity.certificate}",
        f"--tls-key={identity.key}",
        f"--tls-client-ca={authority.file}",
        f"--metrics-listen=127.0.0.1:{metrics_port}",
        "--drain-delay-seconds=0",
    ]
    if otlp_endpoint is not None:
        command.append(f"--otlp-endpoint=http://{otlp_endpoint}")
    process = Process(command, directory / "service.log")
    try:
        process.wait_until(lambda: _answers(metrics_port, "/readyz"), "ready")
        yield Service(process, f"127.0.0.1:{grpc_port}", policies)
    finally:
        process.stop()


@contextmanager
def running_webhook(
    directory: Path,
    cluster: Cluster,
    target: str,
    authority: Authority,
    *,
    arguments: Sequence[str] = (),
    port: int | None = None,
    certified_as: str | None = None,
    otlp_endpoint: str | None = None,
    wait_ready: bool = True,
) -> Iterator[Webhook]:
    """Run the webhook of `cluster`, which takes its Namespaces from the cluster's API server.

    `certified_as` puts another cluster's name into its certificate.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    serving = authority.issue(f"{cluster.name}-webhook-serving")
    client = authority.issue(
        f"{cluster.name}-webhook-client",
        hosts=(),
        spiffe_id=f"spiffe://{TRUST_DOMAIN}/cluster/{certified_as or cluster.name}/webhook",
    )
    command = [
        str(FLEETGATE),
        "webhook",
        f"--cluster={cluster.name}",
        f"--listen=127.0.0.1:{port}",
        f"--tls-cert={serving.certificate}",
        f"--tls-key={serving.key}",
        f"--server={target}",
        f"--server-ca={authority.file}",
        f"--server-cert={client.certificate}",
        f"--server-key={client.key}",
        f"--kubeconfig={cluster.kubeconfig}",
        "--drain-delay=0s",
        *arguments,
    ]
    if otlp_endpoint is not None:
        command.append(f"--otlp-endpoint=http://{otlp_endpoint}")
    process = Process(command, directory / f"webhook-{cluster.name}.log")
    try:
        path = "/readyz" if wait_ready else "/healthz"
        process.wait_until(lambda: _answers(port, path, authority), path)
        yield Webhook(process, f"https://127.0.0.1:{port}/v1/admit")
    finally:
        process.stop()


def _answers(port: int, path: str, authority: Authority | None = None) -> bool:
    """Whether a GET on loopback is answered with 200; HTTPS where an authority is given."""
    connection: http.client.HTTPConnection
    if authority is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    else:
        context = ssl.create_default_context(cafile=str(authority.file))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
