"""Small policies and what the core decides by them."""

from __future__ import annotations

import json
from typing import Any

from fleetgate.engine import Engine
from fleetgate_proto.v1 import review_pb2

_UNHURRIED_SECONDS = 20.0


def template(kind: str, rego: str, *, lib: str = "") -> dict[str, Any]:
    """A ConstraintTemplate that takes any parameters. ``rego`` is what follows the package line."""
    target = {"target": "admission.k8s.gatekeeper.sh", "rego": f"package p\n{rego}"}
    return {
        "apiVersion": "templates.gatekeeper.sh/v1beta1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": kind.lower()},
        "spec": {
            "crd": {"spec": {"names": {"kind": kind}}},
            "targets": [target | ({"libs": [lib]} if lib else {})],
        },
    }


def constraint(kind: str, name: str = "c", **spec: Any) -> dict[str, Any]:
    """A Constraint."""
    return {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def engine_with(*policies: dict[str, Any], **switches: str | None) -> Engine:
    """An engine with policies; switches that are None are left at their default."""
    given = {name: value for name, value in switches.items() if value is not None}
    engine = Engine(
        contexts=1, constraint_seconds=_UNHURRIED_SECONDS, review_seconds=_UNHURRIED_SECONDS, compatibility=given
    )
    engine.apply_bundle("b", [(f"{index}.json", json.dumps(each).encode()) for index, each in enumerate(policies)])
    return engine


def decide(
    engine: Engine, thing: dict[str, Any] | bytes, *, namespace: dict[str, Any] | None = None
) -> review_pb2.ReviewResponse:
    """Decide about an object's creation in the cluster ``c``. Bytes are the object's JSON as it is."""
    text = thing if isinstance(thing, bytes) else json.dumps(thing).encode()
    request = review_pb2.ReviewRequest(
        cluster="c",
        admission_request=b'{"uid":"u","operation":"CREATE","object":' + text + b"}",
        namespace=b"" if namespace is None else json.dumps(namespace).encode(),
    )
    return review_pb2.ReviewResponse.FromString(engine.review(request.SerializeToString()).response)


def messages(decision: review_pb2.ReviewResponse) -> list[str]:
    """Messages of the violations, in order; the decision must have been made."""
    assert not decision.HasField("review_error"), decision.review_error.message
    assert not decision.constraint_errors
    return [violation.message for violation in decision.violations]
