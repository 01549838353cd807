"""The programs under measurement, and one run of callers against one of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import cpu_seconds, printing_its_port, read_metric, running, wait_for_http, wait_for_https
from tests.support.certificates import Authority
from tests.support.processes import FLEETGATE, free_port

IDENTITY = Path(__file__).with_name("identity_server.py")
REVIEW_THREADS = 32
CORE_CPU = "fleetgate_core_cpu_seconds_total"


@dataclass(frozen=True)
class Server:
    """A program under measurement.

    ``callers`` are the options with which `fleetgate loadtest` reaches it, ``metrics`` the port where it says how much
    CPU its core has used, if it has a core.
    """

    name: str
    pid: int
    callers: tuple[str, ...]
    metrics: int | None = None


@dataclass(frozen=True)
class Sample:
    """One run of callers against one server; CPU in seconds per RPC, latency in seconds."""

    cpu: float
    core_cpu: float
    rate: float
    p50: float
    p99: float


def plaintext(port: int) -> tuple[str, ...]:
    """How callers reach a gRPC server on loopback."""
    return ("--address", f"127.0.0.1:{port}", "--insecure", "--cluster", "bench")


@contextmanager
def identity(answer_bytes: int) -> Iterator[Server]:
    """A grpcio server that does nothing, with as many threads as the service has."""
    with printing_its_port(IDENTITY, REVIEW_THREADS, answer_bytes) as (process, port):
        yield Server("identity", process.pid, plaintext(port))


@contextmanager
def service(scratch: Path, policies: Path, sampling: float) -> Iterator[tuple[Server, int]]:
    """`fleetgate serve` on workload W's policies, with its traces going to a sink; and its port."""
    port, metrics_port = free_port(), free_port()
    log = scratch / f"serve-{sampling}.log"
    with printing_its_port(IDENTITY, 2, 0) as (_, sink):
        command = [
            FLEETGATE, "serve", "--insecure", "--listen", f"127.0.0.1:{port}",
            "--policies", policies,
            "--metrics-listen", f"127.0.0.1:{metrics_port}",
            "--otlp-endpoint", f"http://127.0.0.1:{sink}",
            "--trace-sample-ratio", str(sampling),
            "--review-threads", str(REVIEW_THREADS),
            "--drain-delay-seconds", "0",
        ]  # fmt: skip
        with running(command, log) as process:
            wait_for_http(process, metrics_port, "/readyz", log)
            yield Server(f"service {sampling}", process.pid, plaintext(port), metrics_port), port


@contextmanager
def webhook(scratch: Path, service_port: int, sampling: float) -> Iterator[Server]:
    """`fleetgate webhook` over HTTPS in front of a service."""
    port = free_port()
    authority = Authority(scratch / "authority")
    serving = authority.issue("webhook")
    namespaces = scratch / "namespaces.json"
    namespaces.write_text('{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}')
    log = scratch / "webhook.log"
    with printing_its_port(IDENTITY, 2, 0) as (_, sink):
        command = [
            FLEETGATE, "webhook", "--cluster", "bench", "--listen", f"127.0.0.1:{port}",
            "--server", f"127.0.0.1:{service_port}", "--server-insecure",
            "--tls-cert", serving.certificate, "--tls-key", serving.key,
            "--namespaces-from", namespaces, "--otlp-endpoint", f"http://127.0.0.1:{sink}",
            "--trace-sample-ratio", str(sampling), "--drain-delay", "0s",
        ]  # fmt: skip
        address = f"https://localhost:{port}"
        with running(command, log) as process:
            wait_for_https(process, port, "/readyz", authority.file, log)
            reach = ("--target", "webhook", "--address", f"{address}/v1/admit?timeout=10s", "--ca", str(authority.file))
            yield Server("webhook", process.pid, reach)


def measure_callers(server: Server, recordings: Path, *, callers: int, requests: int) -> Sample:
    """Let ``callers`` in a process of their own send ``requests`` recorded reviews; RuntimeError where one fails."""
    core_before = read_metric(server.metrics, CORE_CPU) if server.metrics else 0.0
    before = cpu_seconds(server.pid)
    command = [
        FLEETGATE, "loadtest", *server.callers, "--reviews", recordings, "--concurrency", callers,
        "--requests", requests, "--warmup", "0s", "--output", "json",
    ]  # fmt: skip
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    used = cpu_seconds(server.pid) - before
    if result.returncode:
        raise RuntimeError(f"{server.name}: the callers failed: {result.stderr}{result.stdout}")
    core = read_metric(server.metrics, CORE_CPU) - core_before if server.metrics else 0.0
    report = json.loads(result.stdout)
    count, latency = report["requests"], report["latencySeconds"]
    return Sample(used / count, core / count, count / report["windowSeconds"], latency["p50"], latency["p99"])
