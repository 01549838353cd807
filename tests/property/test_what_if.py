"""What-if beside its meaning: publish the proposed policies and audit again.

Hypothesis edits policies; what is said beforehand has to be what an audit before and one after would have shown.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from fleetgate.engine import AuditRun, Engine
from fleetgate_proto.v1 import audit_pb2, review_pb2
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.differential.matches import NAMESPACES, labels, match_block
from tests.support.decisions import constraint, template

Json = dict[str, Any]

REQUIRED = """violation[{"msg": msg, "details": {"missing": missing}}] {
  missing := {label | label := input.parameters.labels[_]} - {label | input.review.object.metadata.labels[label]}
  count(missing) > 0
  msg := sprintf("you must provide labels: %v", [missing])
}"""
FORBIDDEN = """violation[{"msg": msg}] {
  input.review.object.metadata.labels[key] == input.parameters.value
  msg := sprintf("%v is forbidden", [key])
}"""
FORBIDDEN_TOO = FORBIDDEN + '\nviolation[{"msg": "web is forbidden"}] { input.review.object.metadata.name == "web-1" }'
UNIQUE = """violation[{"msg": msg}] {
  other := data.inventory.namespace[ns][_].ConfigMap[name]
  other.metadata.labels.app == input.review.object.metadata.labels.app
  not same(ns, name)
  msg := sprintf("app is taken by %v/%v", [ns, name])
}
same(ns, name) { ns == input.review.object.metadata.namespace; name == input.review.object.metadata.name }"""
FAILING = 'violation[{"msg": "m"}] { x := {"a": k | k := input.review.object.metadata.labels[_]}; x }'

TEMPLATES = {
    "Required": [REQUIRED],
    "Forbidden": [FORBIDDEN, FORBIDDEN_TOO],
    "Unique": [UNIQUE],
    "Failing": [FAILING],
}
CLUSTERS = ("one", "two")
ACTIONS = ("deny", "deny", "warn", "dryrun")


def _objects(rng: Random) -> list[Json]:
    objects: list[Json] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels(rng)}}
        for name in NAMESPACES
    ]
    for number in range(25):
        metadata: Json = {"name": f"web-{number}", "namespace": rng.choice(NAMESPACES), "labels": labels(rng)}
        if rng.random() < 0.4:
            metadata["ownerReferences"] = [{"kind": "App", "name": rng.choice("xy"), "controller": True}]
        objects.append({"apiVersion": "v1", "kind": rng.choice(("ConfigMap", "Pod")), "metadata": metadata})
    return objects


def _constraint(rng: Random, kind: str, name: str) -> Json:
    parameters: Json = {}
    if kind == "Required":
        parameters = {"labels": rng.sample(["app", "team", "env", "owner"], rng.randint(1, 2))}
    elif kind == "Forbidden":
        parameters = {"value": rng.choice(["web", "db", "x", "prod"])}
    spec: Json = {"enforcementAction": rng.choice(ACTIONS), "parameters": parameters}
    if rng.random() < 0.5:
        spec["match"] = match_block(rng, valid=True)
    return constraint(kind, name, **spec)


def _config(rng: Random) -> Json:
    processes = rng.choice((["audit"], ["sync"], ["*"]))
    match = [{"processes": processes, "excludedNamespaces": rng.sample(["prod*", "*-system", "dev"], 1)}]
    return {
        "apiVersion": "config.gatekeeper.sh/v1alpha1",
        "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"},
        "spec": {"match": match if rng.random() < 0.7 else []},
    }


@dataclass
class Policies:
    """Documents by a key; what one edit changes is one of them."""

    documents: dict[str, Json]

    @staticmethod
    def some(rng: Random) -> Policies:
        documents = {kind: template(kind, variants[0]) for kind, variants in TEMPLATES.items()}
        for number in range(rng.randint(2, 6)):
            kind = rng.choice(list(TEMPLATES))
            documents[f"c{number}"] = _constraint(rng, kind, f"c{number}")
        documents["config"] = _config(rng)
        return Policies(documents)

    def edited(self, rng: Random) -> Policies:
        documents = dict(self.documents)
        for _ in range(rng.randint(0, 3)):
            constraints = [key for key in documents if key.startswith("c") and key != "config"]
            what = rng.choice(("add", "remove", "action", "anew", "match", "rego", "config"))
            if what == "config":
                documents["config"] = _config(rng)
            elif what == "rego":
                kind = rng.choice(list(TEMPLATES))
                documents[kind] = template(kind, rng.choice(TEMPLATES[kind]))
            elif what == "add" or not constraints:
                name = f"c{rng.randint(100, 999)}"
                documents[name] = _constraint(rng, rng.choice(list(TEMPLATES)), name)
            else:
                key = rng.choice(constraints)
                known = json.loads(json.dumps(documents.pop(key)))
                if what == "action":
                    known["spec"]["enforcementAction"] = rng.choice(ACTIONS)
                elif what == "match":
                    known["spec"]["match"] = match_block(rng, valid=True)
                elif what == "anew":
                    known = _constraint(rng, known["kind"], key)
                if what != "remove":
                    documents[key] = known
        return Policies(documents)

    def files(self) -> list[tuple[str, bytes]]:
        return [(f"{key}.json", json.dumps(document).encode()) for key, document in self.documents.items()]


def _messages(run: AuditRun) -> Iterator[bytes]:
    while not run.finished:
        yield from run.next(10.0)


ObjectKey = tuple[str, str, str, str]
"""Cluster, kind, namespace, name."""


def _key(named: audit_pb2.AuditedObject) -> ObjectKey:
    return named.cluster, named.kind.kind, named.namespace, named.name


def _shown(violations: Any) -> Counter[bytes]:
    return Counter(violation.SerializeToString(deterministic=True) for violation in violations)


def _audited(engine: Engine) -> dict[ObjectKey, list[review_pb2.Violation]]:
    found: dict[ObjectKey, list[review_pb2.Violation]] = defaultdict(list)
    last = None
    for message in _messages(engine.start_audit(b"")):
        last = audit_pb2.RunAuditResponse.FromString(message)
        assert not last.findings.errors
        for one in last.findings.violations:
            found[_key(one.object)].append(one.violation)
    assert last is not None
    assert last.HasField("summary")
    return found


def _allows(violations: list[review_pb2.Violation]) -> bool:
    return all(violation.enforcement_action != "deny" for violation in violations)


def _engine(rng: Random) -> tuple[Engine, dict[ObjectKey, Json]]:
    engine = Engine(contexts=2, constraint_seconds=20.0, review_seconds=60.0)
    objects = {}
    for cluster in CLUSTERS:
        given_objects = _objects(rng)
        engine.replace_inventory(cluster, [json.dumps(item).encode() for item in given_objects])
        for item in given_objects:
            metadata = item["metadata"]
            objects[cluster, item["kind"], metadata.get("namespace", ""), metadata["name"]] = item
    return engine, objects


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), whole=st.booleans(), unchanged=st.booleans())
def test_what_if_is_publishing_and_auditing(seed: int, whole: bool, unchanged: bool) -> None:
    rng = Random(seed)
    engine, objects = _engine(rng)
    published = Policies.some(rng)
    engine.apply_bundle("edited", published.files())
    if not whole:
        stays = [template("Other", FORBIDDEN), constraint("Other", "other", parameters={"value": "x"})]
        engine.apply_bundle("stays", [(f"{n}.json", json.dumps(one).encode()) for n, one in enumerate(stays)])
    proposed = published.edited(rng)
    generation = engine.generation

    request = audit_pb2.WhatIfRequest(bundle="" if whole else "edited", unchanged=unchanged)
    for path, content in proposed.files():
        request.files.add(path=path, content=content)
    said: dict[ObjectKey, audit_pb2.WhatIfFinding] = {}
    summary = None
    for message in _messages(engine.start_what_if(request.SerializeToString())):
        response = audit_pb2.WhatIfResponse.FromString(message)
        assert not response.findings.errors
        said |= {_key(one.object): one for one in response.findings.findings}
        summary = response.summary if response.HasField("summary") else summary
    assert engine.generation.number == generation.number, "nothing is published"

    before = _audited(engine)
    engine.apply_bundle("edited", proposed.files())
    after = _audited(engine)
    assert summary is not None
    assert (summary.before.digest, summary.before.number) == (generation.digest, generation.number)
    assert (summary.after.digest, summary.after.number) == (engine.generation.digest, 0)

    expected: Counter[tuple[str, str, str]] = Counter()
    for key, item in objects.items():
        was, now = before.get(key, []), after.get(key, [])
        allowed = (_allows(was), _allows(now))
        is_changed = _shown(was) != _shown(now)
        assert (key in said) == (is_changed or (unchanged and bool(was))), key
        if key in said:
            one = said[key]
            assert (one.allowed_before, one.allowed_after) == allowed, key
            assert _shown(one.violations) == _shown(now)
            assert _shown(one.gone) == _shown(was) - _shown(now)
            assert one.object.owner == ("" if "ownerReferences" not in item["metadata"] else _owner(item))
        what = {(True, False): "denied", (False, True): "allowed", (False, False): "still"}.get(allowed)
        if what:
            expected[key[0], key[2], what] += 1
    counted: Counter[tuple[str, str, str]] = Counter()
    for count in summary.counts:
        for what, number in (("denied", count.newly_denied), ("allowed", count.newly_allowed),
                             ("still", count.still_denied)):  # fmt: skip
            counted[count.cluster, count.namespace, what] += number
    assert +counted == expected
    assert all(cluster.complete for cluster in summary.clusters)
    event("changes" if any(_shown(before.get(key, [])) != _shown(after.get(key, [])) for key in objects) else "same")


def _owner(item: Json) -> str:
    owner = item["metadata"]["ownerReferences"][0]
    return f"{owner['kind']}/{owner['name']}"


def test_objects_that_would_be_written_are_reviewed_as_admission_would() -> None:
    rng = Random(1)
    engine, objects = _engine(rng)
    on_create = template("Created", 'violation[{"msg": "new"}] { input.review.operation == "CREATE" }')
    on_create["spec"]["targets"][0]["operations"] = ["CREATE"]
    renamed = 'violation[{"msg": msg}] { msg := sprintf("was %v", [input.review.oldObject.metadata.labels]) }'
    policies = [
        on_create,
        constraint("Created", "created", match={"namespaceSelector": {"matchLabels": {"fresh": "yes"}}}),
        template("Updated", renamed),
        constraint("Updated", "updated", enforcementAction="warn"),
    ]
    engine.apply_bundle("b", [(f"{n}.json", json.dumps(one).encode()) for n, one in enumerate(policies)])
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh", "labels": {"fresh": "yes"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "fresh"}}
    cached = next(item for key, item in objects.items() if key[0] == "two" and key[1] == "Pod")
    request = audit_pb2.WhatIfRequest()
    request.objects.extend(json.dumps(item).encode() for item in (namespace, pod, cached))
    request.objects.append(b'{"kind": 1}')
    findings, errors, summary = [], [], None
    for message in _messages(engine.start_what_if(request.SerializeToString())):
        response = audit_pb2.WhatIfResponse.FromString(message)
        findings += response.findings.findings
        errors += response.findings.errors
        summary = response.summary if response.HasField("summary") else summary
    shown = {
        (one.object.cluster, one.object.name): (
            one.allowed_after,
            [found.message.split(" ")[0] for found in one.violations],
        )
        for one in findings
        if one.object.cluster == "two" or one.object.name != cached["metadata"]["name"]
    }
    name = cached["metadata"]["name"]
    assert shown == {
        ("one", "fresh"): (False, ["new"]),
        ("one", "p"): (False, ["new"]),
        ("two", "fresh"): (False, ["new"]),
        ("two", "p"): (False, ["new"]),
        ("two", name): (True, ["was"]),
    }
    assert len(findings) == 6
    assert all(one.allowed_before == one.allowed_after for one in findings)
    assert sorted(one.object.cluster for one in errors) == ["one", "two"]
    assert all(one.object.name == "objects[3]" and one.review.code == 400 for one in errors)
    assert summary is not None
    assert [cluster.complete for cluster in summary.clusters] == [False, False]
