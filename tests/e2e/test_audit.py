"""Audits of four real API servers: equal to Gatekeeper's on the same objects, shown by kubectl, honest about a loss."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from fleetgate_proto.v1 import audit_pb2, audit_pb2_grpc

from tests.differential import gatekeeper
from tests.differential.answers import Violation, canonical
from tests.differential.library import conformance, documents
from tests.differential.oracle import Oracle, programs
from tests.differential.world import AUDIT, Json, Review, World
from tests.support.conformance import need_library
from tests.support.gatekeeper_definitions import gatekeeper_definitions
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.kubeconfigs import Access, contexts
from tests.support.scripted_feeds import eventually
from tests.support.serving import TIMEOUT, Server, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

CLUSTERS = ("hub", "west", "east", "south")
SETTLE_S = 90
LIBRARY = conformance() / "general"
KINDS = ("namespaces", "configmaps", "secrets", "pods", "services", "ingresses")
"""What is dumped for Gatekeeper: more than any Constraint matches."""

OWNED_TEMPLATE = yaml.safe_load("""
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: auditowned}
spec:
  crd:
    spec:
      names: {kind: AuditOwned}
      validation: {openAPIV3Schema: {type: object, properties: {label: {type: string}}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package auditowned
      violation[{"msg": msg, "details": {"label": label}}] {
        label := input.parameters.label
        not input.review.object.metadata.labels[label]
        note := object.get(object.get(input.review.object.metadata, "annotations", {}), "note", "")
        msg := sprintf("%v has no label %v: %v", [input.review.object.metadata.name, label, note])
      }
      violation[{"msg": msg}] {
        input.review.namespaceObject.metadata.labels.stage == "closed"
        asked := [input.review.namespace, input.review.operation, input.review.userInfo]
        msg := sprintf("namespace %v is closed (%v%v)", asked)
      }
""")


def _constraint(kind: str, name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def _match(*kinds: str, **more: Any) -> Json:
    return {"kinds": [{"apiGroups": ["*"], "kinds": list(kinds)}], **more}


OF_FLEET = [
    _constraint("AuditOwned", "owned", match=_match("ConfigMap"), parameters={"label": "owner"}),
    _constraint(
        "AuditOwned",
        "scoped",
        enforcementAction="scoped",
        scopedEnforcementActions=[
            {"action": "warn", "enforcementPoints": [{"name": AUDIT}]},
            {"action": "deny", "enforcementPoints": [{"name": "validation.gatekeeper.sh"}]},
        ],
        match=_match("Pod", "Secret", namespaceSelector={"matchLabels": {"stage": "closed"}}),
        parameters={"label": "tier"},
    ),
    _constraint("AuditOwned", "generated", match=_match("Pod", source="Generated"), parameters={"label": "x"}),
]
OF_WEST = [
    _constraint("AuditOwned", "everything", enforcementAction="dryrun", match={"scope": "Namespaced"}),
    _constraint("AuditOwned", "namespaces", match=_match("Namespace"), parameters={"label": "stage"}),
]
CONFIG = {
    "apiVersion": "config.gatekeeper.sh/v1alpha1",
    "kind": "Config",
    "metadata": {"name": "config", "namespace": "gatekeeper-system"},
    "spec": {
        "sync": {"syncOnly": [{"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}]},
        "match": [{"processes": ["audit"], "excludedNamespaces": ["left-alone"]}],
    },
}
EXCLUDED = {"left-alone"}


def _namespace(name: str, **labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _objects(cluster: str) -> list[Json]:
    def named(kind: str, name: str, namespace: str, **more: Any) -> Json:
        note = {"note": f"{name} 😀 {'é' * 200 if name.endswith('3') else ''}"}
        metadata = {"name": name, "namespace": namespace, "annotations": note, "labels": more.pop("labels", {})}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}

    def ingress(name: str, namespace: str, host: str) -> Json:
        backend = {"service": {"name": "cart", "port": {"number": 80}}}
        rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        one = named("Ingress", name, namespace, spec={"rules": [rule]})
        return {**one, "apiVersion": "networking.k8s.io/v1"}

    spec = {"containers": [{"name": "main", "image": "registry.example/main:1"}]}
    return [
        _namespace("gatekeeper-system"),
        _namespace("shop", stage="open"),
        _namespace("vault", stage="closed"),
        _namespace("left-alone"),
        *(named("ConfigMap", f"{cluster}-{number:02}", "shop", data={"n": f"{number}"}) for number in range(24)),
        named("ConfigMap", "owned", "shop", labels={"owner": "me"}),
        named("ConfigMap", "alone", "left-alone"),
        named("Pod", "one", "shop", spec=spec),
        named("Pod", "two", "vault", spec=spec),
        named("Secret", "hidden", "vault", stringData={"password": "never shown"}),
        ingress("cart", "shop", "shop.example"),
        ingress("again", "vault", "shop.example"),
        ingress("other", "shop", f"{cluster}.example"),
    ]


@dataclass
class _World:
    fleet: Fleet
    server: Server

    @property
    def audit(self) -> audit_pb2_grpc.AuditServiceStub:
        return audit_pb2_grpc.AuditServiceStub(self.server.channel)

    def run(self) -> tuple[dict[str, Counter[tuple[str, str, str, Violation]]], audit_pb2.AuditSummary]:
        """What was found in each cluster: (scope, namespace, Kind/name, violation); and the summary."""
        messages = list(self.audit.RunAudit(audit_pb2.RunAuditRequest(), timeout=4 * TIMEOUT))
        found: dict[str, Counter[tuple[str, str, str, Violation]]] = {}
        for message in messages:
            assert not message.findings.errors
            for one in message.findings.violations:
                found.setdefault(one.object.cluster, Counter())[
                    one.violation.scope,
                    one.object.namespace,
                    f"{one.object.kind.kind}/{one.object.name}",
                    _violation(one),
                ] += 1
        return found, messages[-1].summary


def _violation(found: audit_pb2.AuditViolation) -> Violation:
    one = found.violation
    return Violation(
        one.constraint_kind,
        one.constraint_name,
        one.enforcement_action,
        tuple(sorted(one.scoped_enforcement_actions)),
        one.message,
        canonical(json.loads(one.details or b"{}")),
    )


def _unique_hosts() -> tuple[Json, Json]:
    library = LIBRARY / "uniqueingresshost"
    (template,) = documents(library / "template.yaml")
    (constraint,) = documents(library / "samples" / "unique-ingress-host" / "constraint.yaml")
    return template, constraint


def _apply_policies(cluster: Cluster, templates: Sequence[Json], constraints: Sequence[Json]) -> None:
    cluster.apply(*templates)
    for template in templates:
        definition = f"{template['metadata']['name']}.constraints.gatekeeper.sh"
        eventually(
            lambda definition=definition: cluster.kubectl("get", "crd", definition, check=False).returncode == 0,
            seconds=SETTLE_S,
        )
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{definition}")
    cluster.apply(*constraints)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_World]:
    need_library()
    directory = tmp_path_factory.mktemp("audit")
    with start_fleet(directory / "fleet", CLUSTERS) as fleet:
        for name, cluster in fleet.clusters.items():
            cluster.apply(*_objects(name))
            cluster.kubectl("apply", *gatekeeper_definitions())
        fleet["west"].apply(CONFIG)
        config = contexts(directory, {name: Access.to(fleet[name], fleet[name].token) for name in CLUSTERS})
        with serving(
            directory,
            f"--clusters-kubeconfigs={config}",
            f"--hub-kubeconfig={config}",
            "--hub-context=hub",
            f"--state-directory={directory / 'state'}",
            "--audit-interval-seconds=1",
        ) as server:
            found = _World(fleet, server)
            _apply_policies(fleet["hub"], [OWNED_TEMPLATE], OF_FLEET)
            template, constraint = _unique_hosts()
            _apply_policies(fleet["west"], [OWNED_TEMPLATE, template], [*OF_WEST, constraint])
            eventually(lambda: _is_complete(found), seconds=SETTLE_S)
            yield found


def _is_complete(world: _World) -> bool:
    summary = world.run()[1]
    names = Counter(one.constraint_name for one in summary.constraints)
    expected = {"owned": 4, "scoped": 4, "everything": 1, "namespaces": 1, "unique-ingress-host": 1}
    complete = [one.cluster for one in summary.clusters if one.complete]
    return len(complete) == len(CLUSTERS) and expected.items() <= names.items()


def _dump(cluster: Cluster) -> list[Json]:
    items = cluster.get(",".join(KINDS), "--all-namespaces")["items"]
    return [one for one in items if one["kind"] != "Secret"]


def _asked_of_gatekeeper(
    oracle: Oracle, scope: str, world: World, objects: Sequence[Json]
) -> Counter[tuple[str, str, str, Violation]]:
    """As Gatekeeper's audit reviews: the point, the source, each object's own Namespace."""
    namespaces = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Namespace"}
    reviews = [
        Review(
            object=one,
            namespace=namespaces.get(one["metadata"].get("namespace", "")),
            source="Original",
            enforcement_point=AUDIT,
        )
        for one in objects
    ]
    answers = gatekeeper.answers(oracle.ask(gatekeeper.question(world, reviews)))
    assert not answers.refused_templates
    assert not answers.refused_constraints
    found: Counter[tuple[str, str, str, Violation]] = Counter()
    for one, answer in zip(objects, answers.reviews, strict=True):
        assert not answer.error
        metadata = one["metadata"]
        for violation in answer.violations:
            found[scope, metadata.get("namespace", ""), f"{one['kind']}/{metadata['name']}", violation] += 1
    return found


def test_the_result_is_gatekeepers(world: _World) -> None:
    found, _ = world.run()
    fleet = World((OWNED_TEMPLATE,), tuple(OF_FLEET))
    template, constraint = _unique_hosts()
    with Oracle(programs("gatekeeper") / "gatekeeper") as oracle:
        for name in CLUSTERS:
            objects = _dump(world.fleet[name])
            expected = _asked_of_gatekeeper(oracle, "fleet", fleet, objects)
            if name == "west":
                own = [one for one in objects if _excluding(one) not in EXCLUDED]
                synced = tuple(one for one in objects if one["kind"] == "Ingress")
                policies = World((OWNED_TEMPLATE, template), (*OF_WEST, constraint), synced)
                expected += _asked_of_gatekeeper(oracle, "cluster", policies, own)
            assert found[name] == expected, name
            assert expected


def _excluding(one: Json) -> str:
    """The namespace by which a Config excludes an object."""
    metadata = one["metadata"]
    return str(metadata["name"] if one["kind"] == "Namespace" else metadata.get("namespace", ""))


def _unlabelled(cluster: Cluster, resource: str, label: str) -> int:
    items = cluster.get(resource, "--all-namespaces")["items"]
    return sum(label not in one["metadata"].get("labels", {}) for one in items)


def _with_total(cluster: Cluster, name: str, total: int) -> Json:
    """A Constraint, once its status has so many violations."""

    def written() -> Json:
        found = cluster.get("auditowned", name)
        return found if found.get("status", {}).get("totalViolations") == total else None

    return eventually(written, seconds=SETTLE_S)


def test_the_status_as_kubectl_shows_it(world: _World) -> None:
    west, hub = world.fleet["west"], world.fleet["hub"]
    total = _unlabelled(west, "namespaces", "stage") - len(EXCLUDED)
    status = _with_total(west, "namespaces", total)["status"]
    names = [one["name"] for one in status["violations"]]
    assert names == sorted(names, reverse=True)
    assert status["violations"][-1] == {
        "group": "",
        "version": "v1",
        "kind": "Namespace",
        "name": "default",
        "message": "default has no label stage: ",
        "enforcementAction": "deny",
    }
    assert status["byPod"][0]["id"] == "fleetgate"
    assert status["auditTimestamp"].endswith("Z")
    assert f"{total}" in west.kubectl("get", "auditowned", "namespaces", "--no-headers").stdout.split()

    total = sum(_unlabelled(cluster, "configmaps", "owner") for cluster in world.fleet.clusters.values())
    found = _with_total(hub, "owned", total)["status"]["violations"]
    assert len(found) == 20
    assert {one["cluster"] for one in found} <= set(CLUSTERS)
    places = [(one["namespace"], one["name"]) for one in found]
    assert places == sorted(places, reverse=True)

    found = _with_total(hub, "scoped", 8)["status"]["violations"]
    assert {(one["enforcementAction"], *one["enforcementActions"]) for one in found} == {("scoped", "warn")}


def test_a_status_is_written_when_it_changes_and_never_else(world: _World) -> None:
    west = world.fleet["west"]
    total = _unlabelled(west, "namespaces", "stage") - len(EXCLUDED)
    before = _with_total(west, "namespaces", total)
    west.kubectl("create", "namespace", "new-and-unlabelled")
    after = _with_total(west, "namespaces", total + 1)
    assert after["status"]["auditTimestamp"] > before["status"]["auditTimestamp"]
    scope = audit_pb2.AuditScope(constraints=["AuditOwned/namespaces"], clusters=["west"])
    asked = audit_pb2.ListViolationChangesRequest(scope=scope)
    (newest, *_) = world.audit.ListViolationChanges(asked, timeout=TIMEOUT).changes
    assert newest.violation.object.name == "new-and-unlabelled"
    intervals = _intervals(world)
    eventually(lambda: _intervals(world) >= intervals + 3, seconds=SETTLE_S)
    assert west.get("auditowned", "namespaces")["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


def _intervals(world: _World) -> float:
    text = world.server.get("/metrics")[1]
    name = "gatekeeper_audit_duration_seconds_count "
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


def test_a_cluster_that_is_lost_is_named_and_the_others_are_complete(world: _World) -> None:
    """Last of this file: `south` does not come back."""
    before, _ = world.run()
    world.fleet.kill("south")

    def lost() -> audit_pb2.AuditSummary | None:
        summary = world.run()[1]
        return summary if not all(one.complete for one in summary.clusters) else None

    summary = eventually(lost, seconds=SETTLE_S)
    assert {one.cluster for one in summary.clusters if not one.complete} == {"south"}
    assert next(one.reason for one in summary.clusters if one.cluster == "south")
    after, _ = world.run()
    assert after == before, "what was known of it is judged still"
    standing = world.audit.GetAuditSummary(audit_pb2.GetAuditSummaryRequest(), timeout=TIMEOUT).summary
    assert {one.cluster for one in standing.clusters if not one.complete} == {"south"}
