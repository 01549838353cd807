"""Audits of one cluster: workload W's Pods, renamed until there are enough of them, against its Constraints.

Beside gator on the first of them in the same run, with the results compared; beside reviews, whose slowest ones must
not notice; and continuously, where a small change must cost a small part of a run. Ingresses with unique hosts are
audited apart: there each object is compared with every other.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import yaml
from fleetgate.engine import AuditRun, ContinuousAudit, Engine
from fleetgate_proto.v1 import audit_pb2, review_pb2

from tests.bench import workload
from tests.support.processes import FLEETGATE

PODS = 100_000
FIRST = 1_500
"""Objects that gator is asked about too."""
INGRESSES = 2_000
CHANGED = 100
PAIRS = 5
PAIR_SECONDS = 4.0

BAR_TIMES_GATOR = 20.0
BAR_BYTES = 1 << 30
BAR_P99 = 1.5
BAR_CHANGED_PODS = 0.01
BAR_CHANGED_INGRESSES = 0.15

REFERENTIAL = ("uniqueingresshost", "horizontalpodautoscaler", "storageclass")
POD = ("", "v1", "Pod")
NAMESPACE = ("", "v1", "Namespace")
INGRESS = ("networking.k8s.io", "v1", "Ingress")

Violation = tuple[str, str, str, str]
"""Object, kind and name of the Constraint, message."""


class AuditReport(TypedDict):
    """Rates are objects per second, CPU is in seconds."""

    pods: int
    constraints: int
    violations: int
    objectsPerSecond: float
    microsPerObjectCpu: float
    residentBytes: int
    gatorObjectsPerSecond: float
    timesGator: float
    equalToGator: bool
    filesObjectsPerSecond: float
    """Of `fleetgate audit` on JSON lines, which starts, reads and prints all of it."""
    filesTimesGator: float
    filesBytes: int
    reviewP99Ms: float
    reviewBesideP99Ms: float
    reviewRatio: float
    fullCpu: float
    changedPodsCpu: float
    changedPodsShare: float
    ingressesCpu: float
    changedIngressesCpu: float
    changedIngressesShare: float
    barKept: bool


def measure(pods: int = PODS, ingresses: int = INGRESSES) -> AuditReport:
    """Measure all of it; raises RuntimeError where gator does not build or run."""
    with tempfile.TemporaryDirectory(prefix="fleetgate-bench-") as scratch:
        policies = workload.write_policies(Path(scratch)).file.read_bytes()
        gator_rate, expected = _gator(Path(scratch), policies)
        files_elapsed, files_bytes, files_found = _from_files(Path(scratch), pods)
    engine = Engine()
    engine.apply_bundle("w", [("policies.yaml", policies)])
    before = _resident()
    _follow(engine, POD, _pods(pods))
    _follow(engine, NAMESPACE, [])
    started = time.perf_counter()
    summary, found = _run(engine, FIRST)
    elapsed = time.perf_counter() - started
    resident = _resident() - before
    alone, beside = _reviews_beside(engine)
    full, changed = _changed_pods(engine, pods)
    every_ingress, some_ingresses = _changed_ingresses(ingresses)
    rate, cpu = pods / elapsed, summary.cpu.ToTimedelta().total_seconds()
    report: AuditReport = {
        "pods": pods,
        "constraints": len(summary.constraints),
        "violations": sum(one.violations for one in summary.constraints),
        "objectsPerSecond": rate,
        "microsPerObjectCpu": cpu / pods * 1e6,
        "residentBytes": resident,
        "gatorObjectsPerSecond": gator_rate,
        "timesGator": rate / gator_rate,
        "equalToGator": found == files_found == expected,
        "filesObjectsPerSecond": pods / files_elapsed,
        "filesTimesGator": pods / files_elapsed / gator_rate,
        "filesBytes": files_bytes,
        "reviewP99Ms": alone * 1e3,
        "reviewBesideP99Ms": beside * 1e3,
        "reviewRatio": beside / alone,
        "fullCpu": full,
        "changedPodsCpu": changed,
        "changedPodsShare": changed / full,
        "ingressesCpu": every_ingress,
        "changedIngressesCpu": some_ingresses,
        "changedIngressesShare": some_ingresses / every_ingress,
        "barKept": False,
    }
    report["barKept"] = (
        report["timesGator"] >= BAR_TIMES_GATOR
        and report["equalToGator"]
        and report["residentBytes"] <= BAR_BYTES
        and report["filesTimesGator"] >= BAR_TIMES_GATOR
        and report["filesBytes"] <= BAR_BYTES
        and report["reviewRatio"] <= BAR_P99
        and report["changedPodsShare"] <= BAR_CHANGED_PODS
        and report["changedIngressesShare"] <= BAR_CHANGED_INGRESSES
    )
    return report


def _pods(count: int) -> Iterator[dict[str, Any]]:
    """The workload's Pods one after the other, each with a name of its own, and in a namespace."""
    samples = [pod for pod in yaml.safe_load_all((workload.directory() / "objects.yaml").read_bytes()) if pod]
    for number in range(count):
        pod = copy.deepcopy(samples[number % len(samples)])
        pod["metadata"]["name"] = f"{pod['metadata']['name']}-{number:06}"
        pod["metadata"].setdefault("namespace", "default")
        yield pod


def _gator(scratch: Path, policies: bytes) -> tuple[float, Counter[Violation]]:
    """What gator makes of the first Pods: objects per second and its results."""
    build = Path(__file__).parents[1] / "oracle" / "build.sh"
    gator = Path(subprocess.run([build, "gator"], check=True, capture_output=True, text=True).stdout.strip()) / "gator"
    (scratch / "policies.yaml").write_bytes(policies)
    (scratch / "objects.yaml").write_text(yaml.safe_dump_all(_pods(FIRST)))
    files = ["-f", str(scratch / "policies.yaml"), "-f", str(scratch / "objects.yaml")]
    started = time.perf_counter()
    command = [str(gator), "test", "--enable-k8s-native-validation=false", "-o", "json", *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - started
    if result.returncode not in {0, 1}:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
    found: Counter[Violation] = Counter()
    for one in json.loads(result.stdout) or []:
        constraint = one["constraint"]
        named = one["violatingObject"]["metadata"]["name"]
        found[named, constraint["kind"], constraint["metadata"]["name"], one["msg"]] += 1
    return FIRST / elapsed, found


def _from_files(scratch: Path, count: int) -> tuple[float, int, Counter[Violation]]:
    """`fleetgate audit` on JSON lines: seconds, its largest resident size in bytes, the results of the first Pods."""
    with (scratch / "pods.ndjson").open("w") as lines:
        lines.writelines(json.dumps(pod) + "\n" for pod in _pods(count))
    files = ["-f", scratch / "policies.yaml", "-f", scratch / "pods.ndjson"]
    with (scratch / "report.jsonl").open("wb") as report, (scratch / "audit.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen([FLEETGATE, "audit", *files, "-o", "jsonl"], stdout=report, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1}:
        raise RuntimeError(f"fleetgate audit failed:\n{(scratch / 'audit.log').read_text()[-3000:]}")
    found: Counter[Violation] = Counter()
    with (scratch / "report.jsonl").open() as lines:
        for one in map(json.loads, lines):
            if one["type"] == "violation" and int(one["name"][-6:]) < FIRST:
                found[one["name"], one["constraintKind"], one["constraintName"], one["message"]] += 1
    return elapsed, usage.ru_maxrss * 1024, found


def _follow(engine: Engine, kind: tuple[str, str, str], objects: Any) -> None:
    """List a kind of the cluster, so that it is cached as a feed does it."""
    engine.write_inventory("bench", [("begin", kind)])
    batch: list[tuple[object, ...]] = []
    for one in objects:
        batch.append(("listed", kind, json.dumps(one).encode()))
        if len(batch) == 1_000:
            engine.write_inventory("bench", batch)
            batch = []
    engine.write_inventory("bench", [*batch, ("finish", kind, "1")])


def _messages(run: AuditRun) -> Iterator[audit_pb2.RunAuditResponse]:
    while not run.finished:
        for message in run.next(5.0):
            yield audit_pb2.RunAuditResponse.FromString(message)


def _run(engine: Engine, first: int) -> tuple[audit_pb2.AuditSummary, Counter[Violation]]:
    """Audit everything; keep the results of the objects with the first numbers."""
    found: Counter[Violation] = Counter()
    summary = audit_pb2.AuditSummary()
    for message in _messages(engine.start_audit(b"")):
        for one in message.findings.violations:
            if int(one.object.name[-6:]) < first:
                violation = one.violation
                found[one.object.name, violation.constraint_kind, violation.constraint_name, violation.message] += 1
        if message.HasField("summary"):
            summary = message.summary
    return summary, found


def _reviews_beside(engine: Engine) -> tuple[float, float]:
    """p99 of reviews without and with an audit beside them, in seconds: medians of alternating pairs."""
    requests = [_review(pod) for pod in _pods(200)]
    started = time.perf_counter()
    for request in requests:
        engine.review(request)
    interval = 2 * (time.perf_counter() - started) / len(requests)
    alone, beside = [], []
    for _ in range(PAIRS):
        alone.append(_p99(engine, requests, interval))
        run = engine.start_audit(b"")
        reader = threading.Thread(target=_drain, args=[run])
        reader.start()
        beside.append(_p99(engine, requests, interval))
        run.cancel()
        reader.join()
    return statistics.median(alone), statistics.median(beside)


def _drain(run: AuditRun) -> None:
    while not run.finished:
        run.next(1.0)


def _review(pod: dict[str, Any]) -> bytes:
    return review_pb2.ReviewRequest(cluster="bench", object=json.dumps(pod).encode()).SerializeToString()


def _p99(engine: Engine, requests: list[bytes], interval: float) -> float:
    """Reviews at a fixed rate for a while; each is late from when it should have begun."""
    latencies, due = [], time.perf_counter()
    end = due + PAIR_SECONDS
    for number in range(10**9):
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        engine.review(requests[number % len(requests)])
        now = time.perf_counter()
        latencies.append(now - due)
        due += interval
        if now >= end:
            break
    return statistics.quantiles(latencies, n=100)[98]


def _settle(audit: ContinuousAudit) -> float:
    """Step until everything was judged once more; CPU seconds that it took."""
    before = audit.cpu_nanos
    # Who has no time to wait is not made to rest after what was judged before.
    audit.step(0.0)
    while True:
        reviews = audit.reviews
        audit.step(0.25)
        if audit.reviews == reviews and audit.summary():
            return (audit.cpu_nanos - before) / 1e9


def _library(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Templates of the library with a sample Constraint each, and what they read synced."""
    root = workload.conformance() / "gatekeeper-library" / "general"
    files = [(f"{name}/template.yaml", (root / name / "template.yaml").read_bytes()) for name in names]
    for name in names:
        sample = next((root / name / "samples").glob("*/constraint.yaml"))
        files.append((f"{name}/constraint.yaml", sample.read_bytes()))
    kinds = [("", "v1", "Pod"), INGRESS, ("storage.k8s.io", "v1", "StorageClass"), ("apps", "v1", "Deployment")]
    config = {
        "apiVersion": "config.gatekeeper.sh/v1alpha1",
        "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"sync": {"syncOnly": [dict(zip(("group", "version", "kind"), kind, strict=True)) for kind in kinds]}},
    }
    return [*files, ("config.json", json.dumps(config).encode())]


def _changed(objects: list[dict[str, Any]], kind: tuple[str, str, str]) -> list[tuple[object, ...]]:
    """Every so many of some objects with another label, as watch events."""
    step = max(1, len(objects) // CHANGED)
    changes: list[tuple[object, ...]] = []
    for one in objects[::step][:CHANGED]:
        changed = copy.deepcopy(one)
        changed["metadata"].setdefault("labels", {})["bench"] = "changed"
        changes.append(("put", kind, json.dumps(changed).encode()))
    return changes


def _changed_pods(engine: Engine, count: int) -> tuple[float, float]:
    """CPU seconds of a full run, and after some Pods changed, with referential policies of the library beside W's."""
    engine.apply_bundle("library", _library(REFERENTIAL))
    audit = ContinuousAudit(engine)
    full = _settle(audit)
    engine.write_inventory("bench", _changed(list(_pods(count)), POD))
    return full, _settle(audit)


def _ingresses(count: int) -> list[dict[str, Any]]:
    """Ingresses with hosts of their own, but for twenty pairs that share one."""
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": f"ingress-{number:05}", "namespace": f"team-{number % 40}"},
            "spec": {"rules": [{"host": f"host-{number - (number % 2 if number < 40 else 0)}.example.com"}]},
        }
        for number in range(count)
    ]


def _changed_ingresses(count: int) -> tuple[float, float]:
    """CPU seconds of a run over Ingresses with unique hosts, and after some of them changed."""
    engine = Engine()
    engine.apply_bundle("library", _library(("uniqueingresshost",)))
    ingresses = _ingresses(count)
    _follow(engine, INGRESS, ingresses)
    _follow(engine, NAMESPACE, [])
    audit = ContinuousAudit(engine)
    full = _settle(audit)
    shared = audit_pb2.AuditSummary.FromString(audit.summary()).constraints[0].violations
    if shared != 40:
        raise RuntimeError(f"{shared} violations of unique hosts, 40 were expected")
    engine.write_inventory("bench", _changed(ingresses, INGRESS))
    return full, _settle(audit)


def _resident() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


def table(report: AuditReport, render: Callable[[str, list[list[str]]], str]) -> str:
    """The report for people."""
    verdict = "kept" if report["barKept"] else "MISSED"
    rows = [
        ["objects per second", f"{report['objectsPerSecond']:.0f}", ""],
        ["CPU per object, µs", f"{report['microsPerObjectCpu']:.0f}", ""],
        ["gator, objects per second", f"{report['gatorObjectsPerSecond']:.0f}", ""],
        ["times gator", f"{report['timesGator']:.1f}", f">= {BAR_TIMES_GATOR:.0f}"],
        ["equal to gator", str(report["equalToGator"]), "True"],
        ["resident, MiB", f"{report['residentBytes'] / 2**20:.0f}", f"<= {BAR_BYTES / 2**20:.0f}"],
        ["from JSON lines, objects per second", f"{report['filesObjectsPerSecond']:.0f}", ""],
        ["from JSON lines, times gator", f"{report['filesTimesGator']:.1f}", f">= {BAR_TIMES_GATOR:.0f}"],
        ["from JSON lines, resident, MiB", f"{report['filesBytes'] / 2**20:.0f}", f"<= {BAR_BYTES / 2**20:.0f}"],
        ["p99 of reviews beside / alone", f"{report['reviewRatio']:.2f}", f"<= {BAR_P99}"],
        ["after 100 Pods changed, share of CPU", f"{report['changedPodsShare']:.4f}", f"<= {BAR_CHANGED_PODS}"],
        ["after 100 Ingresses changed", f"{report['changedIngressesShare']:.3f}", f"<= {BAR_CHANGED_INGRESSES}"],
    ]
    return (
        f"Audit: {report['pods']} Pods, {report['constraints']} Constraints, {report['violations']} violations\n"
        + render("WHAT VALUE BAR", rows)
        + f"{verdict}\n"
    )
