"""One world, AdmissionReviews to ask in it, and what Gatekeeper's own webhooks answered.

Recorded by ``tests/oracle/record_webhook.py``: a line of JSON for the policies, then one for each question.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.webhook_client import admission_review

RECORDED = Path(__file__).parents[1] / "data" / "gatekeeper_webhook.jsonl"

PROVIDER_CA = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnekNDQVNtZ0F3SUJBZ0lVSnlnV3F5Y1c3bHh6R2pleDh1YUlraFVFZm1J"
    "d0NnWUlLb1pJemowRUF3SXcKRmpFVU1CSUdBMVVFQXd3TGNISnZkbWxrWlhJdFkyRXdJQmNOTWpZeE1USTBNVGN5TURNNVdoZ1BN"
    "akV5TmpFdwpNekV4TnpJd016bGFNQll4RkRBU0JnTlZCQU1NQzNCeWIzWnBaR1Z5TFdOaE1Ga3dFd1lIS29aSXpqMENBUVlJCktv"
    "Wkl6ajBEQVFjRFFnQUV2ZWdMRm85RW5xdFRvY3htdWs0SUNnQzJvSU5lUzVGNkpDMzczTHlBNVVWMjJHVDgKWFhkdzFUK09PUWJI"
    "aVZPN1RJbnBWL0pLU3hPR0RxWkJtUHRTdXFOVE1GRXdIUVlEVlIwT0JCWUVGQ3JpQk1ZOQozL2tWL2dscHlaSEVRR041eGMvZU1C"
    "OEdBMVVkSXdRWU1CYUFGQ3JpQk1ZOTMva1YvZ2xweVpIRVFHTjV4Yy9lCk1BOEdBMVVkRXdFQi93UUZNQU1CQWY4d0NnWUlLb1pJ"
    "emowRUF3SURTQUF3UlFJZ09TVG92ZzljMGY3RFRrS20KOFh2MVRRbXJ6eWVxcGQ1eUo4YTZWbUZXaWJjQ0lRRHIzZ3o2SkpJOG1i"
    "cmFEMEhKdjFDeXUvMytmRFo4b2VGOAoyS0pLMTVIM1VRPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
)
"""A certificate as PEM in base64, as Providers carry it."""

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
    asked.update(_assigns())
    asked.update(_other_mutators())
    asked.update(_expansions())
    asked.update(_providers())
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


def mutator(kind: str, *, version: str = "v1", name: str = "m", **spec: Any) -> dict[str, Any]:
    """A mutator; ``spec`` replaces fields of one that is in order, and a field of None is left out."""
    of_kind: dict[str, dict[str, Any]] = {
        "Assign": {"location": "spec.dnsPolicy", "parameters": {"assign": {"value": "Default"}}},
        "AssignMetadata": {"location": "metadata.labels.owner", "parameters": {"assign": {"value": "nobody"}}},
        "AssignImage": {"location": "spec.containers[name: *].image", "parameters": {"assignTag": ":v1"}},
        "ModifySet": {"location": "spec.containers[name: *].args", "parameters": {"values": {"fromList": ["--x"]}}},
    }
    applies = {} if kind == "AssignMetadata" else {"applyTo": [{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}]}
    fields = {**applies, **of_kind[kind], **spec}
    return thing(
        f"mutations.gatekeeper.sh/{version}",
        kind,
        name,
        spec={field: value for field, value in fields.items() if value is not None},
    )


def _assigns() -> dict[str, Post]:
    def at(location: Any, assign: Any = None, **parameters: Any) -> Post:
        chosen = {"value": "x"} if assign is None else assign
        return _admit(mutator("Assign", location=location, parameters={"assign": chosen, **parameters}))

    def tested(*tests: tuple[str, str]) -> Post:
        return at("spec.a.b.c", pathTests=[{"subPath": path, "condition": condition} for path, condition in tests])

    def applied(*entries: Any) -> Post:
        return _admit(mutator("Assign", applyTo=list(entries)))

    def operations(*names: str) -> Post:
        return applied({"groups": [""], "versions": ["v1"], "kinds": ["Pod"], "operations": list(names)})

    keyed = "spec.containers[name: main]"
    return {
        "assign": _admit(mutator("Assign")),
        "assign v1beta1": _admit(mutator("Assign", version="v1beta1")),
        "assign v1alpha1": _admit(mutator("Assign", version="v1alpha1")),
        "assign of an unknown version": _admit(mutator("Assign", version="v9")),
        "assign deleted that is broken": _admit(mutator("Assign", location=None), "DELETE"),
        "assign updated": _admit(mutator("Assign"), "UPDATE"),
        "assign without an object": _admit(
            None, name="m", kind={"group": "mutations.gatekeeper.sh", "version": "v1", "kind": "Assign"}
        ),
        "assign that is of another kind": _admit(
            mutator("ModifySet"), kind={"group": "mutations.gatekeeper.sh", "version": "v1", "kind": "Assign"}
        ),
        "assign without a spec": _admit(thing("mutations.gatekeeper.sh/v1", "Assign")),
        "assign without a location": _admit(mutator("Assign", location=None)),
        "assign with an unknown field": _admit(mutator("Assign", other=5)),
        "assign whose location is a number": at(5),
        "assign whose match is a list": _admit(mutator("Assign", match=[])),
        "assign whose match has a number": _admit(mutator("Assign", match={"namespaces": [5]})),
        "assign with a match": _admit(
            mutator("Assign", match={"scope": "Namespaced", "labelSelector": {"matchLabels": {"a": "b"}}})
        ),
        **{
            f"assign at {location!r}": at(location)
            for location in (
                "",
                " spec . a ",
                "spec.",
                ".spec",
                "spec..a",
                "spec.a b",
                "spec[name: x]",
                "spec.a[name: x].b",
                "spec.a[name: x].name",
                "spec.a[name: x][name: y]",
                "spec.a[name: *].b[key: 5].c",
                "spec.a[name: *]",
                "spec.a[name: 99999999999999999999].c",
                "spec.a[name x].c",
                "spec.a[: x].c",
                "spec.a[name: ].c",
                "spec.a[name: x",
                'spec.\'a b\'."c\\"d"',
                "spec.'a",
                "spec.a\\b",
                "spec.0a",
                "spec.-a_",
                "metadata.labels.a",
                "metadata",
                "'metadata'.labels",
                "status.metadata",
                "spec.é",
            )
        },
        "assign a value to a keyed list": at(keyed, {"value": {"name": "main"}}),
        "assign a value of another key": at(keyed, {"value": {"name": "other"}}),
        "assign a value without the key": at(keyed, {"value": {"image": "x"}}),
        "assign a text to a keyed list": at(keyed, {"value": "x"}),
        "assign a value to a list keyed by a number": at("spec.a[port: 80]", {"value": {"port": 80}}),
        "assign a name to a keyed list": at(keyed, {"fromMetadata": {"field": "name"}}),
        "assign external data to a keyed list": at(keyed, {"externalData": {"provider": "p"}}),
        "assign nothing": at("spec.a", {}),
        "assign null": at("spec.a", {"value": None}),
        "assign a list": at("spec.a", {"value": [1, {"a": None}]}),
        "assign two things": at("spec.a", {"value": "x", "fromMetadata": {"field": "name"}}),
        "assign three things": at(
            "spec.a", {"value": "x", "fromMetadata": {"field": "name"}, "externalData": {"provider": "p"}}
        ),
        "assign the namespace": at("spec.a", {"fromMetadata": {"field": "namespace"}}),
        "assign another field": at("spec.a", {"fromMetadata": {"field": "uid"}}),
        "assign from no field": at("spec.a", {"fromMetadata": {}}),
        "assign external data": at("spec.a", {"externalData": {"provider": "p", "dataSource": "Username"}}),
        "assign external data without a default": at(
            "spec.a", {"externalData": {"provider": "p", "failurePolicy": "UseDefault"}}
        ),
        "assign external data with a default": at(
            "spec.a", {"externalData": {"provider": "p", "failurePolicy": "UseDefault", "default": "x"}}
        ),
        "assign whose parameters are a list": _admit(mutator("Assign", parameters=[])),
        "assign tested": tested(("spec", "MustExist"), ("spec.a", "MustExist"), ("spec.a.b.c", "MustNotExist")),
        "assign tested elsewhere": tested(("status", "MustExist")),
        "assign tested below": tested(("spec.a.b.c.d", "MustExist")),
        "assign tested at what does not parse": tested(("spec..", "MustExist")),
        "assign tested at nothing": tested(("", "MustExist")),
        "assign tested both ways": tested(("spec.a", "MustExist"), ("spec.a", "MustNotExist")),
        "assign tested below what must not be": tested(("spec.a", "MustNotExist"), ("spec.a.b", "MustExist")),
        "assign tested above what must not be": tested(("spec.a.b", "MustNotExist"), ("spec.a", "MustExist")),
        "assign tested by an unknown condition": tested(("spec", "MayExist")),
        "assign applied to nothing": _admit(mutator("Assign", applyTo=None)),
        "assign applied to no kind": applied({"groups": [""], "versions": ["v1"]}),
        "assign applied to no group": applied({"groups": [], "versions": ["v1"], "kinds": ["Pod"]}),
        "assign on create": operations("CREATE"),
        "assign on create and update": operations("CREATE", "UPDATE"),
        "assign on all operations": operations("*"),
        "assign on all operations and one": operations("*", "CREATE"),
        "assign on the same operation twice": operations("CREATE", "CREATE"),
        "assign on delete": operations("DELETE", "CONNECT"),
    }


def _other_mutators() -> dict[str, Post]:
    def metadata(location: str | None, **assign: Any) -> Post:
        return _admit(mutator("AssignMetadata", location=location, parameters={"assign": assign or {"value": "x"}}))

    def image(**parameters: Any) -> Post:
        return _admit(mutator("AssignImage", version="v1alpha1", parameters=parameters))

    def image_at(location: str) -> Post:
        return _admit(mutator("AssignImage", version="v1alpha1", location=location))

    def modify(location: str | None, **parameters: Any) -> Post:
        values = {"values": {"fromList": ["x"]}}
        return _admit(mutator("ModifySet", location=location, parameters={**values, **parameters}))

    return {
        "metadata": _admit(mutator("AssignMetadata")),
        "metadata v1alpha1": _admit(mutator("AssignMetadata", version="v1alpha1")),
        "metadata annotation": metadata("metadata.annotations.'a.b/c'"),
        **{
            f"metadata at {location!r}": metadata(location)
            for location in (
                "",
                "metadata.labels",
                "metadata.labels.a.b",
                "metadata.name.a",
                "spec.labels.a",
                "metadata.labels[a: b]",
                "metadata..a",
                "metadata.labels['a']",
            )
        },
        "metadata of a number": metadata("metadata.labels.a", value=5),
        "metadata of nothing": metadata("metadata.labels.a", value=None),
        "metadata of the name": metadata("metadata.labels.a", fromMetadata={"field": "name"}),
        "metadata of the user": metadata("metadata.labels.a", externalData={"provider": "p", "dataSource": "Username"}),
        "metadata of the value there": metadata("metadata.labels.a", externalData={"provider": "p"}),
        "image": _admit(mutator("AssignImage", version="v1alpha1")),
        "image v1": _admit(mutator("AssignImage")),
        "image of nothing": image(),
        "image of all": image(
            assignDomain="registry.example.com:5000", assignPath="a/b-c__d", assignTag="@sha256:" + "a" * 64
        ),
        **{
            f"image domain {domain!r}": image(assignDomain=domain)
            for domain in ("localhost", "localhost:80", "a.b", "a", "a.b/c", "a.b:x", "-a.b", "a.b:80", "é.b")
        },
        **{
            f"image path {path!r}": image(assignPath=path)
            for path in ("a", "a/b", "A", "a//b", "a.b/c", "localhost/a", "a:b", "a/", "a__b", "a___b", "a---b")
        },
        "image path like a domain with a domain": image(assignPath="a.b/c", assignDomain="d.e"),
        **{
            f"image tag {tag!r}": image(assignTag=tag)
            for tag in (":v1", "v1", ":", ":-a", "@sha256:abc", "@sha256:" + "F" * 32, ":" + "a" * 128, ":" + "a" * 129)
        },
        "image in metadata": image_at("metadata.a"),
        "image at a list": image_at("spec.containers[name: a]"),
        "image at a key": image_at("spec.containers[name: a].name"),
        "image at nothing": image_at(""),
        "image at what does not parse": image_at("spec."),
        "image with a test elsewhere": image(
            assignTag=":a", pathTests=[{"subPath": "status", "condition": "MustExist"}]
        ),
        "image applied to nothing": _admit(mutator("AssignImage", version="v1alpha1", applyTo=None)),
        "set": _admit(mutator("ModifySet")),
        "set at nothing": modify(None),
        "set at what does not parse": modify("spec..a"),
        "set in metadata": modify("metadata.finalizers"),
        "set at a list": modify("spec.containers[name: a]"),
        "set at a key": modify("spec.containers[name: a].name"),
        "set pruned": modify("spec.a", operation="prune"),
        "set by an unknown operation": modify("spec.a", operation="replace"),
        "set of no list": modify("spec.a", values={"fromList": "x"}),
        "set with a test elsewhere": modify("spec.a", pathTests=[{"subPath": "b", "condition": "MustExist"}]),
        "set applied to nothing": _admit(mutator("ModifySet", applyTo=[])),
    }


def _expansions() -> dict[str, Post]:
    def of(version: str = "v1beta1", name: str = "x", **spec: Any) -> Post:
        fields = {
            "applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment"]}],
            "templateSource": "spec.template",
            "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"},
            **spec,
        }
        chosen = {field: value for field, value in fields.items() if value is not None}
        return _admit(thing(f"expansion.gatekeeper.sh/{version}", "ExpansionTemplate", name, spec=chosen))

    own = [{"groups": ["", "apps"], "versions": ["v1"], "kinds": ["Pod", "Deployment"]}]
    return {
        "expansion": of(),
        "expansion v1alpha1": of("v1alpha1"),
        "expansion v1": of("v1"),
        "expansion without a name": of(name=""),
        "expansion without a source": of(templateSource=None),
        "expansion without a kind": of(generatedGVK=None),
        "expansion of an empty kind": of(generatedGVK={}),
        "expansion of a version": of(generatedGVK={"version": "v1"}),
        "expansion of nothing": of(applyTo=None),
        "expansion of itself": of(applyTo=own),
        "expansion with an action": of(enforcementAction="anything"),
        "expansion whose source is a list": of(templateSource=[]),
    }


def _providers() -> dict[str, Post]:
    def of(version: str = "v1beta1", name: str = "p", **spec: Any) -> Post:
        fields = {"url": "https://p.example:8443/v", "timeout": 1, "caBundle": PROVIDER_CA, **spec}
        chosen = {field: value for field, value in fields.items() if value is not None}
        return _admit(thing(f"externaldata.gatekeeper.sh/{version}", "Provider", name, spec=chosen))

    def encoded(text: str) -> str:
        return b64encode(text.encode()).decode()

    return {
        "provider": of(),
        "provider v1alpha1": of("v1alpha1"),
        "provider v1": of("v1"),
        "provider without a name": of(name=""),
        "provider without a url": of(url=None),
        "provider over http": of(url="http://p.example"),
        "provider over HTTPS": of(url="HTTPS://p.example"),
        "provider without a scheme": of(url="p.example"),
        "provider with a bad port": of(url="https://p.example:x"),
        "provider with a space": of(url="https://p example"),
        "provider with a bad escape": of(url="https://p.example/%zz"),
        "provider that is back in time": of(timeout=-1),
        "provider without a timeout": of(timeout=None),
        "provider whose timeout is a text": of(timeout="1"),
        "provider whose timeout is a fraction": of(timeout=1.5),
        "provider without a CA": of(caBundle=None),
        "provider whose CA is no base64": of(caBundle="!"),
        "provider whose CA is no PEM": of(caBundle=encoded("hello")),
        "provider whose CA is no certificate": of(
            caBundle=encoded("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")
        ),
        "provider whose CA has words before it": of(caBundle=encoded("some words\n" + b64decode(PROVIDER_CA).decode())),
        "provider whose CA is in lines": of(
            caBundle="\n".join(PROVIDER_CA[at : at + 60] for at in range(0, len(PROVIDER_CA), 60))
        ),
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
