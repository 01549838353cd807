"""What cached objects take that policies read: Ingresses and Pods of 50 clusters, as kept and as values for Rego.

K8sUniqueIngressHost of gatekeeper-library reads the Ingresses, a template of ours the Pods. Every cluster is decided
for, so that every view is there; then objects change, and decisions go on. It runs in a process of its own: what
another part gave back, its allocator may still hold. ``python -m tests.bench.views`` prints the report as JSON.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TypedDict

from fleetgate.engine import Engine
from fleetgate_proto.v1 import review_pb2

from tests.bench.inventory import PODS, pods, resident
from tests.bench.workload import ROOT, conformance

INGRESSES = ("networking.k8s.io", "v1", "Ingress")
CLUSTERS = 50
OBJECTS = 2_000
"""Of each kind, in each cluster."""
CHANGES = 3_000
DECIDED_EVERY = 5
"""Changes between two decisions."""
VIEW_BYTES = 1 << 32

TEMPLATE = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: uniquepodaddress}
spec:
  crd: {spec: {names: {kind: UniquePodAddress}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package uniquepodaddress
      violation[{"msg": msg}] {
        other := data.inventory.namespace[namespace]["v1"].Pod[name]
        other.status.podIP == input.review.object.status.podIP
        [namespace, name] != [input.review.object.metadata.namespace, input.review.object.metadata.name]
        msg := sprintf("Pod %v/%v has this address", [namespace, name])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: UniquePodAddress
metadata: {name: unique}
spec: {match: {kinds: [{apiGroups: [""], kinds: [Pod]}]}}
---
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: gatekeeper-system}
spec:
  sync:
    syncOnly: [{group: "", version: v1, kind: Pod}, {group: networking.k8s.io, version: v1, kind: Ingress}]
"""


class ViewsReport(TypedDict):
    """Bytes are resident memory; milliseconds are of decisions while objects change, one after each few changes."""

    clusters: int
    pods: int
    ingresses: int
    jsonBytes: int
    keptBytes: int
    viewedBytes: int
    changedBytes: int
    podP50Millis: float
    podP99Millis: float
    ingressP50Millis: float
    ingressP99Millis: float


def measure() -> ViewsReport:
    """Run it in another process; RuntimeError where that fails."""
    command = [sys.executable, "-m", "tests.bench.views"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    report: ViewsReport = json.loads(done.stdout)
    return report


def ingresses(cluster: int, count: int, revision: int = 1) -> Iterator[bytes]:
    """Ingresses of a cluster as an API server sends them; each has a host of its own."""
    for number in range(count):
        yield ingress(cluster, number, revision)


def ingress(cluster: int, number: int, revision: int) -> bytes:
    """One of them."""
    name, team = f"app-{number}", f"team-{number % 20}"
    host = f"{name}.{team}.c{cluster}.example.com"
    backend = {"service": {"name": name, "port": {"number": 8080}}}
    return json.dumps(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": name,
                "namespace": team,
                "uid": f"{cluster:08x}-0000-4000-8000-{number:012x}",
                "resourceVersion": str(revision),
                "creationTimestamp": "2026-03-04T05:06:07Z",
                "labels": {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": team},
                "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt", "example.com/revision": str(revision)},
            },
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{"hosts": [host], "secretName": f"{name}-tls"}],
                "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            },
            "status": {"loadBalancer": {"ingress": [{"hostname": f"lb-{cluster}.eu-central-1.elb.example.com"}]}},
        },
        separators=(",", ":"),
    ).encode()


def _policies() -> list[tuple[str, bytes]]:
    library = conformance() / "gatekeeper-library" / "general" / "uniqueingresshost"
    files = [library / "template.yaml", library / "samples" / "unique-ingress-host" / "constraint.yaml"]
    return [("ours.yaml", TEMPLATE.encode()), *((str(file), file.read_bytes()) for file in files)]


def _run() -> ViewsReport:
    engine = Engine(contexts=1, review_seconds=120, constraint_seconds=120, view_bytes=VIEW_BYTES)
    before = resident()
    latest: dict[int, list[bytes]] = {}
    for cluster in range(CLUSTERS):
        latest[cluster] = list(pods(cluster, OBJECTS))
        for kind, objects in ((PODS, latest[cluster]), (INGRESSES, list(ingresses(cluster, OBJECTS)))):
            changes: list[tuple[object, ...]] = [("listed", kind, one) for one in objects]
            _write(engine, cluster, [("begin", kind), *changes, ("finish", kind, "1000000")])
        latest[cluster] = latest[cluster][:1]
    kept = resident() - before
    json_bytes = sum(kind.json_bytes for cluster in engine.clusters() for kind in cluster.kinds)
    engine.apply_bundle("bench", _policies())
    for cluster in range(CLUSTERS):
        _decide(engine, cluster, latest[cluster][0])
        _decide(engine, cluster, ingress(cluster, 0, 1))
    viewed = resident() - before
    times = _change(engine, latest)
    return {
        "clusters": CLUSTERS,
        "pods": CLUSTERS * OBJECTS,
        "ingresses": CLUSTERS * OBJECTS,
        "jsonBytes": json_bytes,
        "keptBytes": kept,
        "viewedBytes": viewed,
        "changedBytes": resident() - before,
        "podP50Millis": statistics.median(times["Pod"]) * 1e3,
        "podP99Millis": statistics.quantiles(times["Pod"], n=100)[98] * 1e3,
        "ingressP50Millis": statistics.median(times["Ingress"]) * 1e3,
        "ingressP99Millis": statistics.quantiles(times["Ingress"], n=100)[98] * 1e3,
    }


def _change(engine: Engine, latest: dict[int, list[bytes]]) -> dict[str, list[float]]:
    """Change objects of one cluster after another, and decide in between. Gives the seconds of decisions by kind."""
    chance = random.Random(7)
    times: dict[str, list[float]] = {"Pod": [], "Ingress": []}
    pod_texts = {cluster: json.loads(texts[0]) for cluster, texts in latest.items()}
    for turn in range(CHANGES):
        cluster, revision = chance.randrange(CLUSTERS), 2_000_000 + turn
        pod = pod_texts[cluster]
        pod["metadata"]["resourceVersion"] = str(revision)
        pod["metadata"]["name"] = f"changing-{chance.randrange(100)}"
        _write(engine, cluster, [("put", PODS, json.dumps(pod).encode())])
        _write(engine, cluster, [("put", INGRESSES, ingress(cluster, chance.randrange(1, OBJECTS), revision))])
        if turn % DECIDED_EVERY == 0:
            times["Pod"].append(_decide(engine, cluster, latest[cluster][0]))
            times["Ingress"].append(_decide(engine, cluster, ingress(cluster, 0, 1)))
    return times


def _write(engine: Engine, cluster: int, changes: list[tuple[object, ...]]) -> None:
    _, refused = engine.write_inventory(f"cluster-{cluster}", changes)
    if refused:
        raise RuntimeError(f"cluster-{cluster}: {refused[0]}")


def _decide(engine: Engine, cluster: int, item: bytes) -> float:
    request = review_pb2.ReviewRequest(cluster=f"cluster-{cluster}", object=item).SerializeToString()
    started = time.perf_counter()
    answer = review_pb2.ReviewResponse.FromString(engine.review(request).response)
    spent = time.perf_counter() - started
    if answer.constraint_errors or answer.HasField("review_error"):
        raise RuntimeError(f"the decision failed: {answer}")
    return spent


if __name__ == "__main__":
    print(json.dumps(_run()))
