"""One world, AdmissionReviews to ask in it, and what Gatekeeper's own webhooks answered.

Recorded by ``tests/oracle/record_webhook.py``: a line of JSON for the policies, then one for each question.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.webhook_client import admission_review

RECORDED = Path(__file__).parents[1] / "data" / "gatekeeper_webhook.jsonl"

ADMIT, ADMIT_LABEL = "/v1/admit", "/v1/admitlabel"
ADMINISTRATOR = "system:serviceaccount:gatekeeper-system:gatekeeper-admin"
EXEMPT = {
    "exempt-namespace": ["kube-system"],
    "exempt-namespace-prefix": ["team-"],
    "exempt-namespace-suffix": ["-infra"],
}

Post = tuple[str, dict[str, Any]]
"""A path and an AdmissionReview."""


def template(kind: str, *, version: str = "v1", name: str | None = None, **changes: Any) -> dict[str, Any]:
    """A ConstraintTemplate that denies everything; ``changes`` replace `crd`, `targets`, `validation` or `metadata`."""
    target = {
        "target": "admission.k8s.gatekeeper.sh",
        "rego": f'package {kind.lower()}\nviolation[{{"msg": "no"}}] {{ true }}',
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
    crd = {"spec": {"names": {"kind": kind}, "validation": changes.get("validation", schema)}}
    return {
        "apiVersion": f"templates.gatekeeper.sh/{version}",
        "kind": "ConstraintTemplate",
        "metadata": {"name": kind.lower() if name is None else name, **changes.get("metadata", {})},
        "spec": {"crd": changes.get("crd", crd), "targets": changes.get("targets", [target])},
    }


def constraint(kind: str, name: str, spec: Any = None, *, version: str = "v1beta1") -> dict[str, Any]:
    """A Constraint."""
    return {
        "apiVersion": f"constraints.gatekeeper.sh/{version}",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {} if spec is None else spec,
    }


def thing(api_version: str, kind: str, name: str = "x", namespace: str = "", **fields: Any) -> dict[str, Any]:
    """Any object."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


MATCH_PODS = {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod", "Namespace", "Node"]}]}}

TEMPLATES = [template("DenyAll"), template("Mixed", name="mixed")]
CONSTRAINTS = [constraint("DenyAll", "no-objects", MATCH_PODS)]
CONFIG = {
    "apiVersion": "config.gatekeeper.sh/v1alpha1",
    "kind": "Config",
    "metadata": {"name": "config", "namespace": "gatekeeper-system"},
    "spec": {
        "match": [
            {"processes": ["webhook", "sync"], "excludedNamespaces": ["kube-*", "*-system", "exact"]},
            {"processes": ["*"], "excludedNamespaces": ["*every*"]},
            {"processes": ["audit", "mutation-webhook"], "excludedNamespaces": ["audited"]},
            {"processes": ["unknown"], "excludedNamespaces": ["*"]},
        ],
        "validation": {"traces": [{"user": "alice", "kind": {"version": "v1", "kind": "Pod"}}]},
    },
}
NAMESPACES = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    for name in ("default", "audited", "kube-public")
]

_INTERNAL_TARGET = {"target": "admission.k8s.gatekeeper.sh", "rego": 'package t\nviolation[{"msg": "no"}] { true }'}


@dataclass(frozen=True)
class Recorded:
    """One question and the body of Gatekeeper's answer."""

    name: str
    path: str
    body: dict[str, Any]
    answer: str

    @property
    def response(self) -> dict[str, Any]:
        """The answer's response."""
        response: dict[str, Any] = json.loads(self.answer)["response"]
        return response


def recorded() -> list[Recorded]:
    """What Gatekeeper answered."""
    _, *lines = RECORDED.read_text().splitlines()
    return [Recorded(**json.loads(line)) for line in lines]


def posts() -> dict[str, Post]:
    """Every question by name."""
    asked: dict[str, Post] = {}
    asked.update(_exclusion())
    asked.update(_templates())
    asked.update(_constraints())
    asked.update(_other_resources())
    asked.update(_labels())
    return asked


def review(subject: dict[str, Any] | None, operation: str = "CREATE", **request: Any) -> dict[str, Any]:
    """An AdmissionReview as an API server makes it of an object; ``request`` replaces fields."""
    known = subject or {}
    group, _, version = str(known.get("apiVersion", "")).rpartition("/")
    metadata = known.get("metadata") or {}
    deleted = operation == "DELETE"
    fields = {
        "kind": {"group": group, "version": version, "kind": known.get("kind", "")},
        "resource": {"group": group, "version": version, "resource": str(known.get("kind", "")).lower() + "s"},
        "name": metadata.get("name", ""),
        "namespace": metadata.get("namespace", ""),
        "operation": operation,
        "object": None if deleted else subject,
        "oldObject": subject if operation in ("DELETE", "UPDATE") else None,
        **request,
    }
    return admission_review(**fields)


def _admit(subject: dict[str, Any] | None, operation: str = "CREATE", **request: Any) -> Post:
    return ADMIT, review(subject, operation, **request)


def _exclusion() -> dict[str, Post]:
    def pod(namespace: str) -> dict[str, Any]:
        return thing("v1", "Pod", "p", namespace)

    return {
        "not excluded": _admit(pod("default")),
        "excluded by prefix": _admit(pod("kube-public")),
        "excluded by suffix": _admit(pod("gatekeeper-system")),
        "excluded by name": _admit(pod("exact")),
        "excluded from all processes": _admit(pod("not-everywhere")),
        "excluded from other processes only": _admit(pod("audited")),
        "excluded on delete": _admit(pod("kube-public"), "DELETE"),
        "delete without oldObject": _admit(pod("kube-public"), "DELETE", oldObject=None),
        "excluded by the request's namespace": _admit(pod("default"), namespace="kube-public"),
        "the object's own namespace does not count": _admit(pod("kube-public"), namespace="default"),
        "connect without an object": _admit(
            None,
            "CONNECT",
            kind={"group": "", "version": "v1", "kind": "PodExecOptions"},
            name="p",
            namespace="kube-public",
        ),
        "an object without a kind": _admit({"metadata": {"name": "p"}}, namespace="kube-public"),
        "a namespace that is excluded": _admit(thing("v1", "Namespace", "kube-public")),
        "a namespace that is not": _admit(thing("v1", "Namespace", "default")),
        "a namespace by server-side apply": _admit(thing("v1", "Namespace", "default"), namespace="kube-public"),
        "another group's Namespace": _admit(thing("other/v1", "Namespace", "kube-public")),
        "cluster-scoped": _admit(thing("v1", "Node", "n")),
        "the administrator": _admit(pod("default"), userInfo={"username": ADMINISTRATOR}),
        "the administrator of another namespace": _admit(
            pod("default"), userInfo={"username": "system:serviceaccount:default:gatekeeper-admin"}
        ),
        "the administrator with a broken constraint": _admit(
            constraint("Missing", "c"), userInfo={"username": ADMINISTRATOR}
        ),
    }


def _templates() -> dict[str, Post]:
    def of(**changes: Any) -> dict[str, Any]:
        return template("Fresh", **changes)

    def with_target(**fields: Any) -> dict[str, Any]:
        return of(targets=[{**_INTERNAL_TARGET, **fields}])

    def with_schema(schema: Any) -> dict[str, Any]:
        return of(validation={"openAPIV3Schema": schema})

    return {
        "template": _admit(of()),
        "template v1beta1": _admit(of(version="v1beta1")),
        "template of a known kind": _admit(template("DenyAll")),
        "template updated": _admit(template("DenyAll"), "UPDATE"),
        "template deleted": _admit(template("DenyAll"), "DELETE"),
        "template deleted that is broken": _admit(of(name="other"), "DELETE"),
        "templates deleted": _admit(
            None, "DELETE", kind={"group": "templates.gatekeeper.sh", "kind": "ConstraintTemplate"}
        ),
        "template with bad Rego": _admit(with_target(rego="package t\nthis is not Rego")),
        "template without Rego": _admit(of(targets=[{"target": "admission.k8s.gatekeeper.sh"}])),
        "template with CEL": _admit(
            of(
                targets=[
                    {"target": "admission.k8s.gatekeeper.sh", "code": [{"engine": "K8sNativeValidation", "source": {}}]}
                ]
            )
        ),
        "template of another name": _admit(of(name="other")),
        "template without a kind": _admit(of(crd={"spec": {"names": {}}})),
        "template without a spec": _admit({**of(), "spec": {}}),
        "template without targets": _admit(of(targets=[])),
        "template with two targets": _admit(of(targets=[_INTERNAL_TARGET, _INTERNAL_TARGET])),
        "template with an empty target": _admit(with_target(target="")),
        "template with an unknown target": _admit(with_target(target="foo")),
        "template with a long name": _admit(template("F" * 64)),
        "template with operations": _admit(with_target(operations=["CREATE", "UPDATE"])),
        "template with all operations": _admit(with_target(operations=["*"])),
        "template with all operations and one": _admit(with_target(operations=["*", "CREATE"])),
        "template with an unknown operation": _admit(with_target(operations=["PATCH"])),
        "template with mixed operations and another name": _admit(
            of(name="other", targets=[{**_INTERNAL_TARGET, "operations": ["*", "CREATE"]}])
        ),
        "template with a schema that is not structural": _admit(with_schema({"properties": {"a": {"type": "string"}}})),
        "template with an unknown type": _admit(with_schema({"type": "object", "properties": {"a": {"type": "text"}}})),
        "template with a default of a wrong type": _admit(
            with_schema({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}})
        ),
        "template without a schema": _admit(of(validation={})),
        "template with a bad label": _admit(of(metadata={"labels": {"a/b/c": "x"}})),
        "template with a kind that is no name": _admit(template("Bad_Kind")),
        "template of an unknown version": _admit(of(version="v9")),
        "template whose rego is a number": _admit(with_target(rego=5)),
        "template whose kind is a number": _admit(of(crd={"spec": {"names": {"kind": 5}}})),
        "template whose targets are a map": _admit(of(targets={})),
        "template whose labels are a list": _admit(of(metadata={"labels": []})),
        "template without an object": _admit(
            None, name="x", kind={"group": "templates.gatekeeper.sh", "version": "v1", "kind": "ConstraintTemplate"}
        ),
        "another kind of the group": _admit(thing("templates.gatekeeper.sh/v1", "Other")),
    }


def _constraints() -> dict[str, Post]:
    def of(spec: Any = None, **changes: Any) -> dict[str, Any]:
        return constraint("DenyAll", "c", spec, **changes)

    def scoped(*entries: Any) -> dict[str, Any]:
        return of({"enforcementAction": "scoped", "scopedEnforcementActions": list(entries)})

    def point(*names: str) -> list[dict[str, str]]:
        return [{"name": name} for name in names]

    return {
        "constraint": _admit(of()),
        "constraint v1alpha1": _admit(of(version="v1alpha1")),
        "constraint of an unknown version": _admit(of(version="v9")),
        "constraint without a template": _admit(constraint("Missing", "c")),
        "constraint deleted": _admit(of(), "DELETE"),
        "constraint deleted without a template": _admit(constraint("Missing", "c"), "DELETE"),
        "constraints deleted": _admit(None, "DELETE", kind={"group": "constraints.gatekeeper.sh", "kind": "DenyAll"}),
        "constraint of another case": _admit(constraint("Denyall", "c")),
        "constraint without a name": _admit({**of(), "metadata": {}}),
        "constraint with a bad name": _admit(constraint("DenyAll", "Not_A_Name")),
        "constraint with a long name": _admit(constraint("DenyAll", "c" * 64)),
        "constraint with parameters": _admit(of({"parameters": {"a": "x"}})),
        "constraint with a parameter of a wrong type": _admit(of({"parameters": {"a": 5}})),
        "constraint with two wrong fields": _admit(of({"parameters": {"a": 5}, "enforcementAction": 5})),
        "constraint with an unknown parameter": _admit(of({"parameters": {"b": 5}})),
        "constraint with two unknown fields": _admit(of({"parameters": {"b": 5, "c": 5}})),
        "constraint with an unknown field": _admit(of({"match": {"kind": []}})),
        "constraint with a bad glob": _admit(of({"match": {"namespaces": ["n*1"]}})),
        "constraint with a bad source": _admit(of({"match": {"source": "Other"}})),
        "constraint with a bad selector": _admit(
            of({"match": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}})
        ),
        "constraint with a bad namespaceSelector": _admit(
            of({"match": {"namespaceSelector": {"matchLabels": {"a": "not a value!"}}}})
        ),
        "constraint whose spec is a list": _admit(of([])),
        "constraint without an object": _admit(
            None, name="c", kind={"group": "constraints.gatekeeper.sh", "version": "v1beta1", "kind": "DenyAll"}
        ),
        "constraint that is of another group": _admit(
            thing("other/v1", "DenyAll", "c"),
            kind={"group": "constraints.gatekeeper.sh", "version": "v1beta1", "kind": "DenyAll"},
        ),
        **{
            f"constraint with action {action!r}": _admit(of({"enforcementAction": action}))
            for action in ("deny", "warn", "dryrun", "", "Deny", "block")
        },
        "constraint with a scope that is not used": _admit(
            of({"enforcementAction": "warn", "scopedEnforcementActions": [{"action": "x"}]})
        ),
        "constraint scoped without scopes": _admit(of({"enforcementAction": "scoped"})),
        "constraint scoped": _admit(
            scoped(
                {"action": "deny", "enforcementPoints": point("validation.gatekeeper.sh", "audit.gatekeeper.sh")},
                {"action": "warn", "enforcementPoints": point("gator.gatekeeper.sh", "vap.k8s.io")},
                {"action": "dryrun", "enforcementPoints": point("*")},
            )
        ),
        "constraint scoped by an empty list": _admit(scoped()),
        "constraint scoped to unknown actions": _admit(
            scoped(
                {"action": "block", "enforcementPoints": point("*")}, {"action": "", "enforcementPoints": point("*")}
            )
        ),
        "constraint scoped to unknown points": _admit(
            scoped({"action": "deny", "enforcementPoints": point("elsewhere", "audit.gatekeeper.sh", "nowhere")})
        ),
        "constraint scoped to no point": _admit(scoped({"action": "deny"})),
        "constraint scoped to nothing known": _admit(
            scoped({"action": "block", "enforcementPoints": point("elsewhere")}, {"action": "scoped"})
        ),
    }


def _other_resources() -> dict[str, Post]:
    config = "config.gatekeeper.sh/v1alpha1"
    return {
        "config": _admit(CONFIG),
        "config of another name": _admit(thing(config, "Config", "other", "gatekeeper-system")),
        "config deleted of another name": _admit(thing(config, "Config", "other", "gatekeeper-system"), "DELETE"),
        "configs deleted": _admit(None, "DELETE", kind={"group": "config.gatekeeper.sh", "kind": "Config"}),
        "config with an unknown field": _admit(thing(config, "Config", "config", "gatekeeper-system", spec={"x": 1})),
        "syncset": _admit(thing("syncset.gatekeeper.sh/v1alpha1", "SyncSet")),
        "syncset with a long name": _admit(thing("syncset.gatekeeper.sh/v1alpha1", "SyncSet", "s" * 64)),
        "status with a long name": _admit(
            thing("status.gatekeeper.sh/v1beta1", "ConstraintPodStatus", "s" * 64, "gatekeeper-system")
        ),
        "mutator with a long name": _admit(thing("mutations.gatekeeper.sh/v1", "Assign", "m" * 64)),
        "provider with a long name": _admit(thing("externaldata.gatekeeper.sh/v1beta1", "Provider", "p" * 64)),
        "expansion with a long name": _admit(thing("expansion.gatekeeper.sh/v1beta1", "ExpansionTemplate", "e" * 64)),
        "another kind of the mutations": _admit(thing("mutations.gatekeeper.sh/v1", "Other")),
        "connection": _admit(thing("connection.gatekeeper.sh/v1alpha1", "Connection", "x", "gatekeeper-system")),
    }


def _labels() -> dict[str, Post]:
    def of(name: str, labels: Any = None, operation: str = "CREATE", **request: Any) -> Post:
        namespace = thing("v1", "Namespace", name)
        if labels is not None:
            namespace["metadata"]["labels"] = labels
        return ADMIT_LABEL, review(namespace, operation, **request)

    ignore = {"admission.gatekeeper.sh/ignore": "yes"}
    return {
        "label": of("default", ignore),
        "label without a value": of("default", {"admission.gatekeeper.sh/ignore": ""}),
        "label by an update": of("default", ignore, "UPDATE"),
        "label at a delete": of("default", ignore, "DELETE"),
        "no label": of("default"),
        "another label": of("default", {"a": "b"}),
        "label of an exempt namespace": of("kube-system", ignore),
        "label of an exempt prefix": of("team-a", ignore),
        "label of an exempt suffix": of("cloud-infra", ignore),
        "label of something near": of("kube-systems", ignore),
        "exempt without a label": of("team-a"),
        "label of no Namespace": (ADMIT_LABEL, review(thing("v1", "Pod", "p", "default"))),
        "label of another group": (ADMIT_LABEL, review(thing("other/v1", "Namespace", "default"))),
        "label without an object": of("default", ignore, object=None),
        "label of an object without a kind": of("default", ignore, object={"metadata": {"name": "default"}}),
        "label by the administrator": of("default", ignore, userInfo={"username": ADMINISTRATOR}),
    }
