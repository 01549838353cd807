"""CPU per RPC of `fleetgate serve` on workload W, against an identity grpcio server with the same payloads.

Python's share is what is left of the service's CPU when the identity server's (gRPC itself) and the core's own (thread
CPU clock, measured in Rust) are taken away. Servers take turns within a round, and figures are medians over rounds, so
that a machine that warms up or is disturbed affects all of them alike. Callers run in processes of their own.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from fleetgate_clients.loadtest.payloads import build_payloads
from fleetgate_clients.loadtest.plan import Target
from fleetgate_clients.loadtest.recordings import read_recordings

from tests.bench import servers, workload
from tests.bench.process import leave_a_core
from tests.bench.servers import Sample, Server

CALLERS = (1, 16)
SELDOM, ALWAYS = 0.01, 1.0
SHARE_BAR_SECONDS = 60e-6


@dataclass(frozen=True)
class Row:
    """Medians over rounds, for one number of callers and one share of sampled traces; CPU in seconds per RPC."""

    callers: int
    sampling: float
    service: float
    identity: float
    core: float
    python_share: float
    python_share_rounds: list[float]
    rate: float
    identity_rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class WebhookRow:
    """The webhook in front of the service, 1 % sampled; CPU of the webhook's process in seconds per review."""

    callers: int
    webhook: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class ServiceReport:
    """All rows, and whether the bar is kept."""

    rounds: int
    requests: int
    templates: int
    refused: list[str]
    request_bytes: int
    answer_bytes: int
    rows: list[Row]
    webhook_rows: list[WebhookRow]
    python_share_bar: float = SHARE_BAR_SECONDS

    @property
    def bar_kept(self) -> bool:
        """Python's share at one caller and 1 % sampling."""
        return all(
            row.python_share <= self.python_share_bar for row in self.rows if (row.callers, row.sampling) == (1, SELDOM)
        )

    def document(self) -> dict[str, object]:
        """The report for JSON."""
        document = asdict(self, dict_factory=_camel_case)
        return {**document, "barKept": self.bar_kept}


def _camel_case(fields: list[tuple[str, object]]) -> dict[str, object]:
    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(map(str.capitalize, rest))

    return {camel(name): value for name, value in fields}


def measure(scratch: Path, *, rounds: int, requests: int) -> ServiceReport:
    """Run everything; ``requests`` per sample. Raises RuntimeError where a server does not start or a call fails."""
    leave_a_core()
    recordings, policies = workload.write_recordings(scratch), workload.write_policies(scratch)
    payloads = build_payloads(read_recordings(recordings), {}, Target.REVIEW, cluster="bench", batch=1)
    with ExitStack() as stack:
        seldom, port = stack.enter_context(servers.service(scratch, policies.file, SELDOM))
        always, _ = stack.enter_context(servers.service(scratch, policies.file, ALWAYS))
        answer_bytes = _mean_answer(port, payloads)
        floor = stack.enter_context(servers.identity(answer_bytes))
        webhook = stack.enter_context(servers.webhook(scratch, port, SELDOM))
        samples = _alternate([floor, seldom, always, webhook], recordings, rounds=rounds, requests=requests)
    return ServiceReport(
        rounds=rounds,
        requests=requests,
        templates=policies.templates,
        refused=policies.refused,
        request_bytes=round(statistics.mean(map(len, payloads))),
        answer_bytes=answer_bytes,
        rows=[
            _row(callers, sampling, samples[callers, server.name], samples[callers, floor.name])
            for sampling, server in ((SELDOM, seldom), (ALWAYS, always))
            for callers in CALLERS
        ],
        webhook_rows=[_webhook_row(callers, samples[callers, webhook.name]) for callers in CALLERS],
    )


def _alternate(
    targets: list[Server], recordings: Path, *, rounds: int, requests: int
) -> dict[tuple[int, str], list[Sample]]:
    """Samples by (callers, name): the targets in turn, each round beginning with another of them."""
    for target in targets:
        servers.measure_callers(target, recordings, callers=4, requests=requests // 4)
    samples: dict[tuple[int, str], list[Sample]] = {}
    for turn in range(rounds):
        first = turn % len(targets)
        for callers in CALLERS:
            for target in targets[first:] + targets[:first]:
                sample = servers.measure_callers(target, recordings, callers=callers, requests=requests)
                samples.setdefault((callers, target.name), []).append(sample)
    return samples


def _mean_answer(port: int, payloads: list[bytes]) -> int:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/fleetgate.v1.ReviewService/Review")
        return round(statistics.mean(len(call(payload, timeout=10)) for payload in payloads))


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
        identity_rate=statistics.median(each.rate for each in identity),
        p50=statistics.median(each.p50 for each in service),
        p99=statistics.median(each.p99 for each in service),
    )


def _webhook_row(callers: int, webhook: list[Sample]) -> WebhookRow:
    return WebhookRow(
        callers=callers,
        webhook=statistics.median(each.cpu for each in webhook),
        rate=statistics.median(each.rate for each in webhook),
        p50=statistics.median(each.p50 for each in webhook),
        p99=statistics.median(each.p99 for each in webhook),
    )
