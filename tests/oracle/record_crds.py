"""Write ``tests/data/gatekeeper_crds.jsonl``: the CustomResourceDefinitions that Gatekeeper makes of templates.

    .venv/bin/python -m tests.oracle.record_crds

Templates are those of ``policies/`` and of the conformance library (without their code, which is not looked at), each
as it is and as a legacy one, and schemas of every shape. Gatekeeper reads templates at v1beta1, with the defaults that
the API server has filled in: that is how it is asked here.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.differential.oracle import Oracle, programs

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "tests" / "data" / "gatekeeper_crds.jsonl"
LIBRARY = Path(os.environ.get("FLEETGATE_CONFORMANCE", ROOT / ".." / "shared" / "conformance"))
NOT_THERE = object()
TEXT = {"type": "string"}

SCHEMAS: tuple[Any, ...] = (
    NOT_THERE,
    {},
    {"type": "object"},
    {"type": "object", "properties": {}},
    {"type": "object", "required": [], "description": "", "unknown": 1, "nullable": False},
    {"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": "array", "items": {}}, "c": {}}},
    {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {"b": {}}}}}},
    {"type": "object", "additionalProperties": TEXT},
    {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": TEXT}}},
    {"type": "object", "additionalProperties": True},
    {"properties": {"a": {"type": "integer", "minimum": 0, "maximum": 0, "exclusiveMinimum": True, "default": 0}}},
    {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9, "default": 0}}},
    {"type": "object", "properties": {"a": {"type": "string", "enum": ["x", "y"], "pattern": "^x", "default": ""}}},
    {"type": "object", "properties": {"a": {"type": "string", "enum": ["x", ""], "default": ""}}},
    {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": False, "minItems": 0, "items": TEXT}}},
    {"type": "object", "properties": {"a": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, TEXT]}}},
    {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
    {
        "type": "object",
        "properties": {
            "a": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": TEXT}},
            }
        },
    },
    {"type": "object", "properties": {"a": {**TEXT, "example": {"b": []}, "externalDocs": {"url": "u"}, "title": "t"}}},
    {"type": "object", "properties": {"a": {"type": "object", "not": {"required": ["b"]}, "properties": {"b": TEXT}}}},
    {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 0.5, "format": "double"}}},
    {"type": "object", "properties": {"a": {"type": "array", "items": [TEXT]}}},
)


def _made(schema: Any, version: str, **validation: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "apiVersion": f"templates.gatekeeper.sh/{version}",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "k8smade", "uid": "u-1", "labels": {"a": "b"}},
        "spec": {"crd": {"spec": {"names": {"kind": "K8sMade", "shortNames": ["km"]}}}},
    }
    if schema is not NOT_THERE:
        validation["openAPIV3Schema"] = schema
    if validation:
        made["spec"]["crd"]["spec"]["validation"] = validation
    return made


def _templates() -> Iterator[dict[str, Any]]:
    for schema in SCHEMAS:
        for version in ("v1", "v1beta1"):
            yield _made(schema, version)
        yield _made(schema, "v1", legacySchema=True)
        yield _made(schema, "v1beta1", legacySchema=False)
    yield {**_made(NOT_THERE, "v1"), "metadata": {"name": "other", "uid": "u-1"}}
    for path in sorted([*(ROOT / "policies").rglob("template.yaml"), *LIBRARY.rglob("template.yaml")]):
        template = yaml.safe_load(path.read_text())
        template["metadata"] = {"name": template["metadata"]["name"], "uid": "u-1"}
        for version in ("v1", "v1beta1"):
            yield {**template, "apiVersion": f"templates.gatekeeper.sh/{version}"}


def _as_watched(template: dict[str, Any]) -> dict[str, Any]:
    """The template at v1beta1, with the API server's defaults."""
    watched = copy.deepcopy(template)
    watched["apiVersion"] = "templates.gatekeeper.sh/v1beta1"
    validation = watched["spec"]["crd"]["spec"].setdefault("validation", {})
    validation.setdefault("legacySchema", not template["apiVersion"].endswith("/v1"))
    return watched


def main() -> None:
    """Ask, and write."""
    rows: dict[str, dict[str, Any]] = {}
    with Oracle(programs("gatekeeper") / "gatekeeper") as oracle:
        for template in _templates():
            template["spec"]["targets"] = [{"target": "admission.k8s.gatekeeper.sh", "rego": "package x"}]
            oracle.send({"op": "crd", "template": _as_watched(template)})
            answer = oracle.receive()
            rows.setdefault(json.dumps({"template": template}, sort_keys=True), answer)
    match = next(answer["crd"] for answer in rows.values() if "crd" in answer)
    schema = match["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["match"]
    with TARGET.open("w") as file:
        file.write(json.dumps({"match": schema}, sort_keys=True) + "\n")
        for asked, answer in rows.items():
            for version in answer.get("crd", {}).get("spec", {}).get("versions", ()):
                properties = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
                assert properties["match"] == schema
                properties["match"] = "the same"
            file.write(json.dumps({**json.loads(asked), **answer}, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
