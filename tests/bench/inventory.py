"""What the cached objects of a fleet take: Pods of 50 clusters as JSON, as they are kept, and as values for Rego.

The Pods are made here: apps with several replicas each, and with what differs from Pod to Pod in a cluster (UIDs,
digests, addresses, times, a sidecar in one of three). The figures are differences of this process's resident memory,
so they hold everything: index, dictionaries, allocator.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from fleetgate.engine import Engine
from fleetgate_proto.v1 import review_pb2

PODS = ("", "v1", "Pod")
CLUSTERS = 50
PODS_PER_CLUSTER = 20_000
APPS = 300
BATCH = 1_000

BAR_BYTES = 1_610_612_736
"""1.5 GiB: all of it, kept, while no program reads any of it."""

TEMPLATE = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: podcount}
spec:
  crd: {spec: {names: {kind: PodCount}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package podcount
      violation[{"msg": "taken"}] {
        data.inventory.namespace[input.review.namespace]["v1"].Pod[input.review.name].spec.nodeName == "none"
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: PodCount
metadata: {name: count}
---
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: gatekeeper-system}
spec: {sync: {syncOnly: [{group: "", version: v1, kind: Pod}]}}
"""


class InventoryReport(TypedDict):
    """Bytes are per Pod unless the name says otherwise."""

    clusters: int
    pods: int
    jsonBytes: float
    storedBytes: float
    residentBytes: float
    valueBytes: float
    totalBytes: int
    barBytes: int
    barKept: bool
    writeMicros: float
    firstViewSeconds: float
    updateMillis: float


def pods(cluster: int, count: int) -> Iterator[bytes]:
    """Pods of a cluster as an API server sends them, without managedFields. The same for the same numbers."""
    chance = random.Random(cluster)
    apps = [_app(cluster, app) for app in range(min(APPS, count))]
    for number in range(count):
        yield (apps[number % len(apps)] % _of_pod(number, chance)).encode()


def _of_pod(number: int, chance: random.Random) -> dict[str, object]:
    """What differs between the Pods of an app."""
    return {
        "template": f"{chance.getrandbits(40):010x}",
        "suffix": f"{chance.getrandbits(25):07x}",
        "started": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:07Z",
        "uid": _uid(chance),
        "owner": _uid(chance),
        "revision": 1_000_000 + number,
        "checksum": _hex(chance, 256),
        "node": number % 200,
        "ip": f"{chance.randrange(256)}.{chance.randrange(256)}",
        "restarts": chance.randrange(3),
        "image0": _hex(chance, 256),
        "image1": _hex(chance, 256),
        "container0": _hex(chance, 256),
        "container1": _hex(chance, 256),
    }


def _app(cluster: int, app: int) -> str:
    """The text of an app's Pods, with places for what :func:`_of_pod` gives."""
    name, team, started = f"app-{app}", f"team-{app % 20}", "%(started)s"
    containers = [_container(name, app)]
    if app % 3 == 0:
        containers.append(_container("istio-proxy", 0))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-%(template)s-%(suffix)s",
            "generateName": f"{name}-%(template)s-",
            "namespace": team,
            "uid": "%(uid)s",
            "resourceVersion": "%(revision)s",
            "creationTimestamp": started,
            "labels": {
                "app.kubernetes.io/name": name,
                "app.kubernetes.io/part-of": team,
                "pod-template-hash": "%(template)s",
            },
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(8000 + app),
                "checksum/config": "%(checksum)s",
            },
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{name}-%(template)s",
                    "uid": "%(owner)s",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "containers": containers,
            "serviceAccountName": name,
            "nodeName": f"ip-10-{cluster}-%(node)s-{app % 250}.eu-central-1.compute.internal",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10_000 + app, "fsGroup": 10_000 + app},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {
                    "key": f"node.kubernetes.io/{taint}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
                for taint in ("not-ready", "unreachable")
            ],
            "volumes": [{"name": "config", "configMap": {"name": f"{name}-config", "defaultMode": 420}}],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": started}
                for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "hostIP": f"10.{cluster}.%(node)s.{app % 250}",
            "podIP": f"10.{100 + cluster}.%(ip)s",
            "startTime": started,
            "containerStatuses": [
                {
                    "name": container["name"],
                    "state": {"running": {"startedAt": started}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": "%(restarts)s",
                    "image": container["image"],
                    "imageID": f"docker.io/library/x@sha256:%(image{index})s",
                    "containerID": f"containerd://%(container{index})s",
                    "started": True,
                }
                for index, container in enumerate(containers)
            ],
            "qosClass": "Burstable",
        },
    }
    return json.dumps(pod, separators=(",", ":")).replace('"%(restarts)s"', "%(restarts)s")


def _container(name: str, app: int) -> dict[str, object]:
    return {
        "name": name,
        "image": f"registry.example.com/platform/{name}:1.{app}.0",
        "ports": [{"name": "http", "containerPort": 8000 + app, "protocol": "TCP"}],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "resources": {"requests": {"cpu": f"{50 + app}m", "memory": "128Mi"}, "limits": {"memory": f"{256 + app}Mi"}},
        "volumeMounts": [{"name": "config", "readOnly": True, "mountPath": "/etc/config"}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _hex(chance: random.Random, bits: int) -> str:
    return f"{chance.getrandbits(bits):0{bits // 4}x}"


def _uid(chance: random.Random) -> str:
    digits = _hex(chance, 128)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def resident() -> int:
    """Resident memory of this process in bytes."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


def measure(clusters: int = CLUSTERS, per_cluster: int = PODS_PER_CLUSTER) -> InventoryReport:
    """Fill an engine and look at what it takes."""
    # What the first decision makes is measured, so nothing is made before.
    engine = Engine(contexts=1, review_seconds=120, constraint_seconds=120, view_bytes=1 << 34, ready_bytes=0)
    before, writing = resident(), 0.0
    for cluster in range(clusters):
        name = f"cluster-{cluster}"
        engine.write_inventory(name, [("begin", PODS)])
        batch: list[tuple[object, ...]] = []
        for pod in pods(cluster, per_cluster):
            batch.append(("listed", PODS, pod))
            if len(batch) == BATCH:
                writing += _write(engine, name, batch)
        writing += _write(engine, name, [*batch, ("finish", PODS, "9000000")])
    total = resident() - before
    kinds = [kind for cluster in engine.clusters() for kind in cluster.kinds]
    count = sum(kind.objects for kind in kinds)
    first_view, update, values = _views(engine, per_cluster)
    return {
        "clusters": clusters,
        "pods": count,
        "jsonBytes": sum(kind.json_bytes for kind in kinds) / count,
        "storedBytes": sum(kind.stored_bytes for kind in kinds) / count,
        "residentBytes": total / count,
        "valueBytes": values / per_cluster,
        "totalBytes": total,
        "barBytes": BAR_BYTES,
        "barKept": total <= BAR_BYTES,
        "writeMicros": writing / count * 1e6,
        "firstViewSeconds": first_view,
        "updateMillis": update * 1e3,
    }


def _write(engine: Engine, cluster: str, batch: list[tuple[object, ...]]) -> float:
    started = time.perf_counter()
    _, refused = engine.write_inventory(cluster, batch)
    spent = time.perf_counter() - started
    if refused:
        raise RuntimeError(f"{cluster}: {refused[0]}")
    batch.clear()
    return spent


def _views(engine: Engine, per_cluster: int) -> tuple[float, float, int]:
    """Seconds of the first decision on a cluster's Pods and of one after a Pod changed, and bytes of the values."""
    engine.apply_bundle("bench", [("policies.yaml", TEMPLATE.encode())])
    pod = next(pods(0, 1))
    request = review_pb2.ReviewRequest(cluster="cluster-0", object=pod).SerializeToString()
    before = resident()
    first = _decide(engine, request)
    values = resident() - before
    changed = json.loads(pod)
    changed["metadata"]["resourceVersion"] = "9000001"
    started = time.perf_counter()
    _write(engine, "cluster-0", [("put", PODS, json.dumps(changed).encode())])
    return first, time.perf_counter() - started + _decide(engine, request), values


def _decide(engine: Engine, request: bytes) -> float:
    started = time.perf_counter()
    answer = review_pb2.ReviewResponse.FromString(engine.review(request).response)
    spent = time.perf_counter() - started
    if not answer.allowed or answer.constraint_errors:
        raise RuntimeError(f"the decision failed: {answer}")
    return spent
