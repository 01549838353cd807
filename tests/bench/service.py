"""CPU per RPC of `fleetgate serve` on workload W, against an identity grpcio server with the same payloads.

Python's share is what is left of the service's CPU when the identity server's (gRPC itself) and the core's own (thread
CPU clock, measured in Rust) are taken away. Servers take turns within a round, and figures are medians over rounds, so
that a machine that warms up or is disturbed affects all of them alike. Callers run in processes of their own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from fleetgate_clients.loadtest.payloads import build_payloads
from fleetgate_clients.loadtest.plan import Target
from fleetgate_clients.loadtest.recordings import read_recordings

from tests.bench import workload
from tests.bench.process import cpu_seconds, printing_its_port, read_metric, running, wait_for_http
from tests.support.processes import FLEETGATE, free_port

CALLERS = (1, 16)
SHARE_BAR_SECONDS = 60e-6
IDENTITY = Path(__file__).with_name("identity_server.py")
REVIEW_THREADS = 32
CORE_CPU = "fleetgate_core_cpu_seconds_total"


@dataclass(frozen=True)
class Server:
    """A server under measurement; ``metrics`` is the port of its Prometheus endpoint, if it has one."""

    name: str
    pid: int
    address: str
    metrics: int | None = None


@dataclass(frozen=True)
class Sample:
    """One run of callers against one server; CPU in seconds per RPC, latency in seconds."""

    cpu: float
    core_cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Row:
    """Medians over rounds, for one number of callers and one share of sampled traces; seconds per RPC."""

    callers: int
    sampling: float
    service: float
    identity: float
    core: float
    python_share: float
    python_share_rounds: list[float]
    rate: float
    p50: float
    p99: float
    identity_rate: float


@dataclass(frozen=True)
class ServiceReport:
    """All rows, and whether the bar is kept."""

    rounds: int
    requests: int
    request_bytes: int
    answer_bytes: int
    rows: list[Row]

    @property
    def bar_kept(self) -> bool:
        """Python's share at one caller and 1 % sampling."""
        return all(
            row.python_share <= SHARE_BAR_SECONDS for row in self.rows if (row.callers, row.sampling) == (1, 0.01)
        )

    def document(self) -> dict[str, object]:
        """The report for JSON."""
        return {**asdict(self), "pythonShareBarSeconds": SHARE_BAR_SECONDS, "barKept": self.bar_kept}


def measure(scratch: Path, *, rounds: int, requests: int) -> ServiceReport:
    """Run everything; ``requests`` per sample. Raises RuntimeError where a server does not start or a call fails."""
    recordings = workload.write_recordings(scratch)
    payloads = build_payloads(read_recordings(recordings), {}, Target.REVIEW, cluster="bench", batch=1)
    with ExitStack() as stack:
        sampled = stack.enter_context(_service(scratch, 0.01))
        always = stack.enter_context(_service(scratch, 1.0))
        answer_bytes = _mean_answer(sampled.address, payloads)
        identity_process, port = stack.enter_context(printing_its_port(IDENTITY, REVIEW_THREADS, answer_bytes))
        identity = Server("identity", identity_process.pid, f"127.0.0.1:{port}")
        servers = [identity, sampled, always]
        samples: dict[tuple[int, str], list[Sample]] = {}
        for server in servers:
            _sample(server, recordings, callers=4, requests=len(payloads) * 4)
        for turn in range(rounds):
            for callers in CALLERS:
                # Each round begins with another server.
                for server in servers[turn % 3 :] + servers[: turn % 3]:
                    sample = _sample(server, recordings, callers=callers, requests=requests)
                    samples.setdefault((callers, server.name), []).append(sample)
    rows = [
        _row(callers, sampling, samples[callers, name], samples[callers, "identity"])
        for sampling, name in ((0.01, sampled.name), (1.0, always.name))
        for callers in CALLERS
    ]
    return ServiceReport(rounds, requests, round(statistics.mean(map(len, payloads))), answer_bytes, rows)


@contextmanager
def _service(scratch: Path, sampling: float) -> Iterator[Server]:
    """`fleetgate serve` with traces going to a sink."""
    port, metrics_port = free_port(), free_port()
    log = scratch / f"serve-{sampling}.log"
    with printing_its_port(IDENTITY, 2, 0) as (_, sink):
        command = [
            FLEETGATE, "serve", "--insecure", "--listen", f"127.0.0.1:{port}",
            "--policies", workload.directory() / "policies.yaml",
            "--metrics-listen", f"127.0.0.1:{metrics_port}",
            "--otlp-endpoint", f"http://127.0.0.1:{sink}",
            "--trace-sample-ratio", str(sampling),
            "--review-threads", str(REVIEW_THREADS),
            "--drain-delay-seconds", "0",
        ]  # fmt: skip
        with running(command, log) as process:
            wait_for_http(process, metrics_port, "/readyz", log)
            yield Server(f"service, {sampling:.0%} sampled", process.pid, f"127.0.0.1:{port}", metrics_port)


def _mean_answer(address: str, payloads: list[bytes]) -> int:
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/fleetgate.v1.ReviewService/Review")
        return round(statistics.mean(len(call(payload, timeout=10)) for payload in payloads))


def _sample(server: Server, recordings: Path, *, callers: int, requests: int) -> Sample:
    core_before = read_metric(server.metrics, CORE_CPU) if server.metrics else 0.0
    before = cpu_seconds(server.pid)
    command = [
        FLEETGATE, "loadtest", "--address", server.address, "--insecure", "--cluster", "bench",
        "--reviews", recordings, "--concurrency", callers, "--requests", requests, "--warmup", "0s", "-o", "json",
    ]  # fmt: skip
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    used = cpu_seconds(server.pid) - before
    if result.returncode:
        raise RuntimeError(f"{server.name}: the callers failed: {result.stderr}{result.stdout}")
    core = read_metric(server.metrics, CORE_CPU) - core_before if server.metrics else 0.0
    report = json.loads(result.stdout)
    count, latency = report["requests"], report["latencySeconds"]
    rate = count / report["windowSeconds"]
    return Sample(used / count, core / count, rate, latency["p50"], latency["p99"])


def _row(callers: int, sampling: float, service: list[Sample], identity: list[Sample]) -> Row:
    shares = [ours.cpu - floor.cpu - ours.core_cpu for ours, floor in zip(service, identity, strict=True)]
    return Row(
        callers=callers,
        sampling=sampling,
        service=statistics.median(each.cpu for each in service),
        identity=statistics.median(each.cpu for each in identity),
        core=statistics.median(each.core_cpu for each in service),
        python_share=statistics.median(shares),
        python_share_rounds=shares,
        rate=statistics.median(each.rate for each in service),
        p50=statistics.median(each.p50 for each in service),
        p99=statistics.median(each.p99 for each in service),
        identity_rate=statistics.median(each.rate for each in identity),
    )
