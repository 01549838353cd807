"""The service under measurement with its fleet, its callers, and an outsider who looks at the fleet meanwhile."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from fleetgate_clients.loadtest.payloads import build_payloads
from fleetgate_clients.loadtest.plan import Target
from fleetgate_clients.loadtest.recordings import read_recordings
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc, inventory_pb2, inventory_pb2_grpc, review_pb2

from tests.bench.process import children, cpu_seconds, wait_for_http
from tests.support.callers import Identity, call
from tests.support.certificates import Authority
from tests.support.listwatch import ListWatch
from tests.support.processes import FLEETGATE, free_port

SECONDS = 10
TRUST_DOMAIN = "fleetgate.bench"
_SETTLE_SECONDS = 120.0
_CALM_SHARE = 0.15
"""Of a core: fifty clusters' bookmarks and heartbeats."""


@dataclass(frozen=True)
class Sample:
    """One run of callers, in seconds and reviews per second; and what others saw meanwhile."""

    rate: float
    p50: float
    p99: float
    unanswered: float
    """Constraints that gave no answer: what is fast because nobody looked is not fast."""
    read_age_p99: float
    """What answers say that their views' age is."""
    seen_age_p99: float = 0.0
    """What an outsider sees of it."""
    events: float = 0.0
    """Events per second that the generator made."""


class Service:
    """The running service; mutual TLS on both ports."""

    def __init__(self, pid: int, port: int, feed: int, authority: Authority) -> None:
        self._pid, self.feed, self.authority = pid, feed, authority
        self.address = f"localhost:{port}"
        self.pair = authority.issue("caller", hosts=(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/fleet/admin")
        self.webhook = authority.issue("webhook", hosts=(), spiffe_id=f"spiffe://{TRUST_DOMAIN}/cluster/c00/webhook")
        credentials = grpc.ssl_channel_credentials(
            authority.pem, self.pair.key.read_bytes(), self.pair.certificate.read_bytes()
        )
        self.channel = grpc.secure_channel(self.address, credentials)
        self.inventory = inventory_pb2_grpc.InventoryServiceStub(self.channel)
        self.audit = audit_pb2_grpc.AuditServiceStub(self.channel)

    def wait_synced(self, count: int) -> None:
        """Wait until so many clusters are SYNCED with all their kinds."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            clusters = self.inventory.ListClusters(inventory_pb2.ListClustersRequest(), timeout=30).clusters
            synced = [
                one
                for one in clusters
                if one.state == inventory_pb2.INVENTORY_STATE_SYNCED
                and any(kind.kind.kind == "Ingress" for kind in one.kinds)
            ]
            if len(synced) >= count:
                return
            time.sleep(0.2)
        raise RuntimeError(f"of {count} clusters {len(synced)} are SYNCED: {[one.reason for one in clusters][:3]}")

    def wait_audited(self) -> None:
        """Wait until the audit has written down what there is: what it does in the beginning is no event's doing."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            if self.audit.ListAuditRuns(audit_pb2.ListAuditRunsRequest(), timeout=30).runs:
                return
            time.sleep(0.2)
        raise RuntimeError("the first audit does not end")

    def wait_calm(self) -> None:
        """Wait until what came before is done with: an audit and its history go on after the last change."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            pids = [self._pid, *children(self._pid)]
            before = sum(map(cpu_seconds, pids))
            time.sleep(1)
            if sum(map(cpu_seconds, pids)) - before < _CALM_SHARE:
                return
        raise RuntimeError("the service does not come to rest")


@contextmanager
def serving(scratch: Path, policies: Path, generator: ListWatch | None = None) -> Iterator[Service]:
    """`fleetgate serve` with these policies, and with the generator's clusters, until the context ends."""
    port, feed, metrics = free_port(), free_port(), free_port()
    authority = Authority(scratch / "pki")
    serving = authority.issue("service")
    log = scratch / "serve.log"
    command = [
        FLEETGATE, "serve", "--listen", f"127.0.0.1:{port}", "--policies", policies,
        "--tls-certificate", serving.certificate, "--tls-key", serving.key, "--tls-client-ca", authority.file,
        "--tls-trust-domain", TRUST_DOMAIN, "--feed-listen", f"127.0.0.1:{feed}",
        *(["--clusters-kubeconfigs", generator.kubeconfig] if generator else []),
        "--no-clusters-policies", "--no-clusters-write",
        "--metrics-listen", f"127.0.0.1:{metrics}", "--drain-delay-seconds", "0",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen([*map(str, command)], stdout=output, stderr=subprocess.STDOUT)
    # Unlike the servers of other parts it may use every core: feeds and decisions are threads side by side.
    os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
    try:
        wait_for_http(process, metrics, "/readyz", log)
        yield Service(process.pid, port, feed, authority)
    finally:
        process.terminate()
        process.wait(timeout=30)


class Callers:
    """Callers of the service as a cluster's webhook, and an outsider who looks at the clusters meanwhile."""

    def __init__(self, service: Service, recordings: Path) -> None:
        self._service, self._scratch = service, recordings.parent
        self._payloads = build_payloads(read_recordings(recordings), {}, Target.REVIEW, cluster="", batch=1)

    def run(
        self,
        *,
        rate: float | None = None,
        concurrency: int | None = None,
        seconds: int = SECONDS,
        watched: Sequence[str] = (),
        generator: ListWatch | None = None,
    ) -> Sample:
        """One run; the ages of ``watched`` clusters are looked at. Raises RuntimeError where a review fails."""
        service = self._service
        identity = Identity(service.authority.file, service.webhook.certificate, service.webhook.key)
        before = sum(one.events for one in generator.done().values()) if generator else 0
        began = time.monotonic()
        with _looking(service, watched) as ages:
            answers = call(
                self._scratch, service.address, identity, self._payloads,
                rate=rate, concurrency=concurrency, seconds=seconds,
            )  # fmt: skip
        lasted = time.monotonic() - began
        made = sum(one.events for one in generator.done().values()) - before if generator else 0
        if answers.failures or not answers.messages:
            raise RuntimeError(f"reviews failed, by gRPC's status: {dict(answers.failures)}")
        reviews = [review_pb2.ReviewResponse.FromString(one) for one in answers.messages]
        if failed := [one.review_error.code for one in reviews if one.HasField("review_error")]:
            raise RuntimeError(f"reviews failed: {Counter(failed)}")
        read_ages = [
            one.inventory_revision.read_age.ToNanoseconds() / 1e9
            for one in reviews
            if one.inventory_revision.HasField("read_age")
        ]
        return Sample(
            rate=len(reviews) / seconds,
            p50=statistics.median(answers.latencies),
            p99=_p99(answers.latencies),
            unanswered=sum(len(one.constraint_errors) for one in reviews),
            read_age_p99=_p99(read_ages),
            seen_age_p99=_p99(ages),
            events=made / lasted,
        )


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else 0.0


@contextmanager
def _looking(service: Service, clusters: Sequence[str]) -> Iterator[list[float]]:
    """Ages in seconds of the newest Ingress that is seen of one cluster after another, ten times a second."""
    ages: list[float] = []
    over = threading.Event()
    chance = random.Random(1)

    def look() -> None:
        # What the run begins with is older than its first events.
        if over.wait(2):
            return
        while not over.wait(0.1):
            request = inventory_pb2.QueryInventoryRequest(
                clusters=[chance.choice(clusters)], kind="ingresses", page_size=5000
            )
            objects = service.inventory.QueryInventory(request, timeout=30).objects
            now = time.time_ns()
            made = max(int(json.loads(one.object)["metadata"]["annotations"]["listwatch/at"]) for one in objects)
            ages.append((now - made) / 1e9)

    thread = threading.Thread(target=look)
    if clusters:
        thread.start()
    try:
        yield ages
    finally:
        over.set()
        if clusters:
            thread.join()
