"""What the recording does to a cluster, step by step: each step is one kubectl command.

The manifests beside this file hold the objects: some follow the shipped policies, some break one of them on purpose,
and a comment above each offender says how.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Step:
    """One kubectl command.

    `may_fail` marks commands whose review is sent before they fail for want of a kubelet or a controller.
    """

    args: tuple[str, ...]
    manifest: Any = None
    may_fail: bool = False


def steps() -> list[Step]:
    """The whole recording, in order."""
    return [*_creations(), *_creation_variants(), *_updates(), *_subresources(), *_connections(), *_deletions()]


def _do(command: str, *more: str, manifest: Any = None, may_fail: bool = False) -> Step:
    return Step((*command.split(), *more), manifest, may_fail)


def _file(name: str) -> str:
    return str(HERE / name)


def _creations() -> list[Step]:
    return [
        _do("create -f", _file("01-namespaces.yaml")),
        _do("create -f", _file("02-pods.yaml")),
        _do("apply -f", _file("03-workloads.yaml")),
        _do("apply --server-side -f", _file("04-network.yaml")),
        _do("create -f", _file("05-configuration.yaml")),
        _do("create -f", _file("06-access.yaml")),
        _do("create -f", _file("07-storage.yaml")),
        _do("create -f", _file("08-extension.yaml")),
        _do("wait --for=condition=Established crd/widgets.example.com --timeout=30s"),
        _do("create -f", _file("09-widget.yaml")),
    ]


def _pod(metadata: dict[str, Any], image: str) -> dict[str, Any]:
    limits = {"cpu": "100m", "memory": "64Mi"}
    container = {"name": "main", "image": image, "resources": {"limits": limits}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _creation_variants() -> list[Step]:
    good, foreign = "registry.example.com/platform/tool:1.0.0", "ghcr.io/someone/tool:1.0.0"
    labels = {"app.kubernetes.io/name": "tool", "team": "platform"}
    return [
        _do(
            "create --dry-run=server -f -",
            manifest=_pod({"name": "rehearsed", "namespace": "sandbox", "labels": labels}, foreign),
        ),
        _do(
            "create -f -",
            manifest=_pod({"generateName": "batch-", "namespace": "sandbox", "labels": labels}, good),
        ),
        # The Namespace comes from the request alone: the object has none.
        _do("create -n sandbox -f -", manifest=_pod({"name": "tool", "labels": labels}, good)),
        _do("create job settle-now --from=cronjob/settle -n payments"),
        _do("autoscale statefulset ledger -n payments --min=3 --max=5 --cpu=70%"),
        _do("create namespace scratch --dry-run=server"),
        _do(
            "create configmap notes -n sandbox --from-literal=by=alice",
            "--as=alice@example.com",
            "--as-group=developers",
            "--as-group=system:authenticated",
        ),
        _do("auth can-i create pods -n storefront --as=bob@example.com", may_fail=True),
    ]


def _updates() -> list[Step]:
    json_patch = json.dumps([{"op": "replace", "path": "/spec/template/spec/containers/0/resources", "value": {}}])
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "storefront"}}
    return [
        _do("set image deployment/web web=registry.example.com/storefront/web:1.5.0 -n storefront"),
        _do("set image deployment/web web=docker.io/library/nginx:latest -n storefront"),
        _do("patch deployment web -n storefront --type=json -p", json_patch),
        _do("patch statefulset ledger -n payments --type=merge -p", '{"spec":{"replicas":5}}'),
        _do("rollout pause deployment/web -n storefront"),
        _do("label pod web -n storefront tier=frontend"),
        # The old object has the required label, the new one has not.
        _do("label pod web -n storefront team-"),
        _do("annotate service public -n storefront networking.gke.io/load-balancer-type=Internal"),
        _do("annotate service internal -n storefront networking.gke.io/load-balancer-type-"),
        _do(
            "patch service web -n storefront -p",
            '{"spec":{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false}}',
        ),
        _do("label namespace sandbox stage=production --overwrite"),
        _do("label namespace storefront team-", "--dry-run=server"),
        _do("replace -f -", manifest={**settings, "data": {"settings.yaml": "currency: CHF\n"}}),
        _do(
            "patch ingress payments -n payments --type=json -p",
            json.dumps([{"op": "replace", "path": "/spec/rules/0/host", "value": "shop.example.com"}]),
        ),
        _do("patch widget gauge -n sandbox --type=merge -p", '{"spec":{"million":1000001}}'),
        _do(
            "set image deployment/web web=registry.example.com/storefront/web:1.6.0 -n storefront",
            "--as=system:serviceaccount:storefront:deployer",
            "--as-group=system:serviceaccounts",
            "--as-group=system:authenticated",
        ),
        _do("patch clusterrole everything --type=merge -p", '{"rules":[{"nonResourceURLs":["*"],"verbs":["get"]}]}'),
    ]


def _status(what: str, status: dict[str, Any]) -> Step:
    return _do(f"patch {what} --subresource=status --type=merge -p", json.dumps({"status": status}))


def _subresources() -> list[Step]:
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "web", "namespace": "storefront"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"},
    }
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return [
        _do("scale deployment/web --replicas=4 -n storefront"),
        _do("scale statefulset/ledger --replicas=2 -n payments"),
        _do("scale replicaset/worker --replicas=0 -n sandbox"),
        _do("scale replicationcontroller/legacy --replicas=7 -n sandbox"),
        _do("scale widget/gauge --replicas=3 -n sandbox"),
        _status("service public -n storefront", {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}),
        _status("widget gauge -n sandbox", {"replicas": 3, "reading": 0.5}),
        _status("persistentvolume archive", {"phase": "Available"}),
        _do("create token deployer -n storefront"),
        _do("create --raw /api/v1/namespaces/storefront/pods/web/binding -f -", manifest=binding),
        _status("pod web -n storefront", running),
        _do("debug pod/web -n storefront --image=docker.io/library/busybox:1.37 --container=debugger --attach=false"),
    ]


def _connections() -> list[Step]:
    """CONNECT: no kubelet answers, so every command fails once it has been admitted."""
    proxy = "/api/v1/namespaces/storefront"
    return [
        _do("exec web -c web -n storefront --", "cat", "/etc/passwd", may_fail=True),
        _do("attach web -c web -n storefront", may_fail=True),
        _do(f"create --raw {proxy}/pods/web/portforward?ports=8080 -f -", manifest={}, may_fail=True),
        _do(f"get --raw {proxy}/pods/web:8080/proxy/metrics", may_fail=True),
        _do(f"get --raw {proxy}/services/web:http/proxy/", may_fail=True),
    ]


def _eviction(name: str, namespace: str, options: dict[str, Any] | None = None) -> Step:
    eviction: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
    }
    if options is not None:
        eviction["deleteOptions"] = options
    return _do(f"create --raw /api/v1/namespaces/{namespace}/pods/{name}/eviction -f -", manifest=eviction)


def _deletions() -> list[Step]:
    finalize = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "unowned"}, "spec": {"finalizers": []}}
    return [
        _eviction("half-limits", "payments", {"dryRun": ["All"]}),
        _eviction("half-limits", "payments"),
        _do("delete pod privileged -n sandbox --dry-run=server"),
        # One request for a collection, one review for each object in it.
        _do("delete --raw /api/v1/namespaces/payments/services?labelSelector=team%3Dpayments"),
        _do("delete deployment web -n storefront --cascade=orphan --wait=false"),
        _do("delete service public -n storefront --wait=false"),
        _do("delete ingress copycat -n sandbox --wait=false"),
        _do("delete secret database -n payments --wait=false"),
        _do("delete clusterrolebinding everyone-is-admin --wait=false"),
        _do("delete persistentvolumeclaim uploads -n storefront --wait=false"),
        _do("delete widget gauge -n sandbox --wait=false"),
        _do("delete customresourcedefinition widgets.example.com --wait=false"),
        _do("delete namespace unowned --wait=false"),
        _do("replace --raw /api/v1/namespaces/unowned/finalize -f -", manifest=finalize),
        # Last, for the API server asks once or more while a Pod goes: numbers after these would differ from run to run.
        _do("delete pod no-labels -n storefront --wait=false"),
        _do("delete pod web -n storefront --grace-period=0 --force --wait=false"),
    ]
