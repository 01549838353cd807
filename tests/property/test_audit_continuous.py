"""The continuous audit equals a run after every batch of changes, whatever changes in whatever order.

Hypothesis chooses objects, Namespaces, labels, hosts, policies and what is synced; batches are written and judged.
``FLEETGATE_AUDIT_EXAMPLES`` says how many sequences (default 40, of 25 changes each: a thousand).
"""

from __future__ import annotations

import json
import os
from typing import Any

from fleetgate.engine import ContinuousAudit, Engine
from fleetgate_proto.v1 import audit_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FLEETGATE_AUDIT_EXAMPLES", "40"))
INGRESS = ("networking.k8s.io", "v1", "Ingress")
NAMESPACE = ("", "v1", "Namespace")
CLASS = ("storage.k8s.io", "v1", "StorageClass")
KINDS = [INGRESS, NAMESPACE, CLASS]

REGO = {
    "Unique": """violation[{"msg": msg}] {
        host := input.review.object.spec.host
        other := data.inventory.namespace[ns]["networking.k8s.io/v1"].Ingress[name]
        other.spec.host == host
        [ns, name] != [input.review.object.metadata.namespace, input.review.object.metadata.name]
        msg := sprintf("%v is taken by %v/%v", [host, ns, name])
    }""",
    "Classed": """violation[{"msg": "no such class"}] {
        o := input.review.object
        not data.inventory.cluster["storage.k8s.io/v1"].StorageClass[o.spec.class]
    }""",
    "Few": """violation[{"msg": msg}] {
        count([n | data.inventory.namespace[_]["networking.k8s.io/v1"].Ingress[n]]) > 3
        msg := "more than three"
    }""",
    "Teamed": """violation[{"msg": input.review.namespaceObject.metadata.labels.team}] {
        input.review.namespaceObject.metadata.labels.team != input.review.object.metadata.labels.team
    }""",
}

names = st.sampled_from(["a", "b", "c"])
namespaces = st.sampled_from(["m", "n"])
teams = st.sampled_from(["red", "blue"])

changes = st.one_of(
    st.tuples(st.just("put"), namespaces, names, st.sampled_from(["x", "y", "z"]), st.sampled_from(["f", "s"]), teams),
    st.tuples(st.just("delete"), namespaces, names),
    st.tuples(st.just("namespace"), namespaces, teams),
    st.tuples(st.just("unnamespace"), namespaces),
    st.tuples(st.just("class"), st.sampled_from(["f", "s"]), st.booleans()),
    st.tuples(st.just("policies"), st.sets(st.sampled_from(sorted(REGO))), st.sampled_from(["deny", "warn"])),
    st.tuples(st.just("synced"), st.booleans()),
)


class Fleet:
    """One cluster and its policies."""

    def __init__(self) -> None:
        self.engine = Engine(contexts=1)
        self.revision = 1
        self.kinds: set[str] = set(REGO)
        self.action = "deny"
        self.synced = True
        for kind in KINDS:
            self.engine.write_inventory("c", [("begin", kind), ("finish", kind, "1")])
        self.publish()

    def apply(self, change: tuple[Any, ...]) -> None:
        match change:
            case ("put", namespace, name, host, of_class, team):
                metadata = {"name": name, "namespace": namespace, "labels": {"team": team}}
                self.put(INGRESS, metadata, {"host": host, "class": of_class})
            case ("delete", namespace, name):
                self.engine.write_inventory("c", [("delete", INGRESS, namespace, name, "")])
            case ("namespace", name, team):
                self.put(NAMESPACE, {"name": name, "labels": {"team": team}}, {})
            case ("unnamespace", name):
                self.engine.write_inventory("c", [("delete", NAMESPACE, "", name, "")])
            case ("class", name, True):
                self.put(CLASS, {"name": name}, {})
            case ("class", name, False):
                self.engine.write_inventory("c", [("delete", CLASS, "", name, "")])
            case ("policies", kinds, action):
                self.kinds, self.action = kinds, action
                self.publish()
            case ("synced", synced):
                self.synced = synced
                self.publish()

    def put(self, kind: tuple[str, str, str], metadata: dict[str, Any], spec: dict[str, Any]) -> None:
        self.revision += 1
        group, version, name = kind
        metadata["resourceVersion"] = str(self.revision)
        one = {
            "apiVersion": f"{group}/{version}" if group else version,
            "kind": name,
            "metadata": metadata,
            "spec": spec,
        }
        self.engine.write_inventory("c", [("put", kind, json.dumps(one).encode())])

    def publish(self) -> None:
        documents: list[dict[str, Any]] = []
        for kind in sorted(self.kinds):
            target = {"target": "admission.k8s.gatekeeper.sh", "rego": f"package p\n{REGO[kind]}"}
            documents += [
                {
                    "apiVersion": "templates.gatekeeper.sh/v1",
                    "kind": "ConstraintTemplate",
                    "metadata": {"name": kind.lower()},
                    "spec": {"crd": {"spec": {"names": {"kind": kind}}}, "targets": [target]},
                },
                {
                    "apiVersion": "constraints.gatekeeper.sh/v1beta1",
                    "kind": kind,
                    "metadata": {"name": "one"},
                    "spec": {
                        "enforcementAction": self.action,
                        "match": {"kinds": [{"apiGroups": ["networking.k8s.io"], "kinds": ["Ingress"]}]},
                    },
                },
            ]
        if self.synced:
            sync = [dict(zip(("group", "version", "kind"), kind, strict=True)) for kind in (INGRESS, CLASS)]
            documents.append(
                {
                    "apiVersion": "config.gatekeeper.sh/v1alpha1",
                    "kind": "Config",
                    "metadata": {"name": "config", "namespace": "gatekeeper-system"},
                    "spec": {"sync": {"syncOnly": sync}},
                }
            )
        files = [(f"{at}.json", json.dumps(one).encode()) for at, one in enumerate(documents)]
        self.engine.apply_bundle("b", files)

    def run(self) -> tuple[list[str], audit_pb2.AuditSummary]:
        run = self.engine.start_audit(b"")
        found, summary = [], audit_pb2.AuditSummary()
        while not run.finished:
            for message in map(audit_pb2.RunAuditResponse.FromString, run.next(10.0)):
                found += [str(one) for one in message.findings.violations]
                if message.HasField("summary"):
                    summary = message.summary
        return found, summary


def _settle(audit: ContinuousAudit) -> None:
    while True:
        reviews = audit.reviews
        if not audit.step(0.0) and audit.reviews == reviews and audit.summary():
            return


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.lists(changes, min_size=5, max_size=5), min_size=5, max_size=5))
def test_what_is_known_is_what_a_run_finds(batches: list[list[tuple[Any, ...]]]) -> None:
    fleet = Fleet()
    audit = ContinuousAudit(fleet.engine)
    for batch in batches:
        for change in batch:
            fleet.apply(change)
        _settle(audit)
        found, summary = fleet.run()
        known: list[str] = []
        listing = audit.violations()
        while not listing.finished:
            for message in map(audit_pb2.AuditFindings.FromString, listing.next()):
                known += [str(one) for one in message.violations]
        assert known == found
        assert audit_pb2.AuditSummary.FromString(audit.summary()).constraints == summary.constraints
