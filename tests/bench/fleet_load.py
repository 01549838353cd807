"""What the fleet of the benchmark holds, and what is asked about it: kinds, policies, reviews."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.bench.workload import ROOT
from tests.support.listwatch import Kind, namespaces

_INGRESS = {
    "spec": {
        "rules": [
            {
                "host": "app-@N@.@CLUSTER@.example",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "app-@N@", "port": {"number": 80}}},
                        }
                    ]
                },
            }
        ]
    }
}
_POD = {
    "spec": {
        "nodeName": "node-@N@",
        "containers": [
            {
                "name": "main",
                "image": "registry.example.com/app-@N@:1.0",
                "resources": {"limits": {"cpu": "1", "memory": "256Mi"}},
            }
        ],
    },
    "status": {"phase": "Running", "podIP": "10.0.0.1"},
}
_SERVICE = {"spec": {"type": "ClusterIP", "selector": {"app": "app-@N@"}, "ports": [{"port": 80}]}}
_GATEWAY = {"spec": {"listeners": [{"hostname": "gw-@N@.@CLUSTER@.example", "port": 443}]}}
_RBAC, _NETWORKING = "rbac.authorization.k8s.io", "networking.k8s.io"

KINDS = [
    namespaces(20, share=1),
    Kind("", "v1", "Pod", "pods", objects=200, namespaces=20, fields=_POD, share=1),
    Kind("", "v1", "Service", "services", objects=40, namespaces=20, fields=_SERVICE, share=1),
    Kind(_NETWORKING, "v1", "Ingress", "ingresses", objects=40, namespaces=20, fields=_INGRESS, share=1),
    Kind("gateway.networking.k8s.io", "v1", "Gateway", "gateways", objects=10, namespaces=5, fields=_GATEWAY, share=1),
    Kind("multicluster.x-k8s.io", "v1beta1", "ServiceExport", "serviceexports", objects=5, namespaces=5, share=1),
    Kind(_NETWORKING, "v1", "NetworkPolicy", "networkpolicies", objects=20, namespaces=20),
    Kind(_RBAC, "v1", "Role", "roles", objects=20, namespaces=20, fields={"rules": []}),
    Kind(_RBAC, "v1", "RoleBinding", "rolebindings", objects=20, namespaces=20, fields={"subjects": []}),
    Kind(_RBAC, "v1", "ClusterRole", "clusterroles", namespaced=False, objects=20, fields={"rules": []}),
    Kind(_RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False, objects=20),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False, objects=5),
    Kind("", "v1", "ResourceQuota", "resourcequotas", objects=20, namespaces=20),
    Kind("", "v1", "LimitRange", "limitranges", objects=20, namespaces=20),
]
"""What the policies read, and Pods. Those that the reviews' Constraints read change, in turn with the Pods."""


def write_policies(target: Path, *, fleet: bool = True) -> Path:
    """The shipped policies, the fleet's with the Constraints of their samples; and what `data.inventory` needs."""
    left_out = {"suite.yaml"} if fleet else {"suite.yaml", "fleet"}
    shutil.copytree(ROOT / "policies", target, ignore=lambda _, names: [name for name in names if name in left_out])
    for constraint in (ROOT / "policies" / "fleet" / "samples").glob("*.yaml") if fleet else ():
        shutil.copy(constraint, target / "constraints" / f"fleet-{constraint.name}")
    (target / "config.yaml").write_text(
        json.dumps(
            {
                "apiVersion": "config.gatekeeper.sh/v1alpha1",
                "kind": "Config",
                "metadata": {"name": "config", "namespace": "gatekeeper-system"},
                "spec": {"sync": {"syncOnly": [{"group": _NETWORKING, "version": "v1", "kind": "Ingress"}]}},
            }
        )
    )
    return target


def write_recordings(scratch: Path) -> Path:
    """Creations as an API server asks about them: ten Pods for each Ingress and Service."""
    templates = {each.kind: each for each in KINDS}
    turns = [*["Pod"] * 10, "Ingress", "Service"]
    file = scratch / "reviews.ndjson"
    with file.open("w") as out:
        for number in range(120):
            out.write(json.dumps(_review(number, templates[turns[number % len(turns)]])) + "\n")
    return file


def _review(number: int, kind: Kind) -> dict[str, Any]:
    text = json.dumps(kind.fields).replace("@N@", f"new-{number}").replace("@CLUSTER@", "c00")
    name, namespace = f"new-{number}", f"team-{number % 20}"
    group_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    metadata = {"name": name, "namespace": namespace, "labels": {"owner": "bench"}}
    identity = {"group": kind.group, "version": kind.version}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "kind": {**identity, "kind": kind.kind},
            "resource": {**identity, "resource": kind.plural},
            "name": name,
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "bench"},
            "object": {"apiVersion": group_version, "kind": kind.kind, "metadata": metadata, **json.loads(text)},
            "oldObject": None,
            "dryRun": False,
            "options": None,
        },
    }
