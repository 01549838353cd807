"""The CustomResourceDefinition of a template's Constraints, exactly as Gatekeeper 3.23 creates it.

Gatekeeper decodes the template into Go's types and encodes those again, so that what they do not hold or leave out when
empty is not in the result; :func:`_schema` does the same. ``match_schema.json`` is the schema of ``spec.match`` as
Gatekeeper's ``pkg/target`` has it (Apache License 2.0). A golden test over the policy library compares with Gatekeeper.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

GROUP = "constraints.gatekeeper.sh"
_TEMPLATES = "templates.gatekeeper.sh"
_VERSIONS = ("v1beta1", "v1alpha1")


class CrdRefused(ValueError):  # noqa: N818 (it names what became of the template)
    """No CustomResourceDefinition can be made of a template. The text is in the form of Gatekeeper's."""


def name_of(template: Mapping[str, Any]) -> str:
    """The name of the CustomResourceDefinition."""
    return f"{_kind(template).lower()}.{GROUP}"


def build(template: Mapping[str, Any]) -> dict[str, Any]:
    """The CustomResourceDefinition of a template as the API server gives it out. Raises CrdRefused."""
    kind, metadata = _kind(template), _mapping(template, "metadata")
    name = str(metadata.get("name", ""))
    if not kind:
        raise CrdRefused(f'invalid ConstraintTemplate: ConstraintTemplate "{name}" does not specify CRD Kind')
    if name.lower() != kind.lower():
        raise CrdRefused(
            f'invalid ConstraintTemplate: the ConstraintTemplate\'s name "{name}" is not equal to the lowercase of '
            f'CRD\'s Kind: "{kind.lower()}"'
        )
    schema = _constraint_schema(template)
    names: dict[str, Any] = {
        "plural": kind.lower(),
        "singular": kind.lower(),
        "kind": kind,
        "listKind": f"{kind}List",
        "categories": ["constraint", "constraints"],
    }
    if short := _mapping(template, "spec", "crd", "spec", "names").get("shortNames"):
        names["shortNames"] = short
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": name_of(template),
            "labels": {**_mapping(metadata, "labels"), "gatekeeper.sh/constraint": "yes"},
            "ownerReferences": [owner_reference(template)],
        },
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Cluster",
            "versions": [_version(version, schema) for version in _VERSIONS],
            "conversion": {"strategy": "None"},
        },
    }


def owner_reference(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template as controller of its CustomResourceDefinition: they are deleted together. Gatekeeper watches
    templates at v1beta1, so that is the version it names."""
    metadata = _mapping(template, "metadata")
    return {
        "apiVersion": f"{_TEMPLATES}/v1beta1",
        "kind": "ConstraintTemplate",
        "name": metadata.get("name", ""),
        "uid": metadata.get("uid", ""),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _version(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": name == _VERSIONS[0],
        "schema": {"openAPIV3Schema": copy.deepcopy(schema)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {
                "name": "enforcement-action",
                "type": "string",
                "description": "Type of enforcement action",
                "jsonPath": ".spec.enforcementAction",
            },
            {
                "name": "total-violations",
                "type": "integer",
                "description": "Total number of violations",
                "jsonPath": ".status.totalViolations",
            },
        ],
    }


def _constraint_schema(template: Mapping[str, Any]) -> dict[str, Any]:
    point = {"type": "object", "properties": {"name": {"type": "string"}}}
    scoped = {
        "type": "object",
        "properties": {
            "action": {"type": "string"},
            "enforcementPoints": {"type": "array", "items": point},
        },
    }
    properties: dict[str, Any] = {
        "match": copy.deepcopy(_match_schema()),
        "enforcementAction": {"type": "string", "default": "deny"},
        "scopedEnforcementActions": {"type": "array", "items": scoped},
    }
    parameters = _parameters(template)
    if parameters is not None:
        properties["parameters"] = parameters
    return {
        "type": "object",
        "properties": {
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 63}}},
            "spec": {"type": "object", "properties": properties},
            "status": {"x-kubernetes-preserve-unknown-fields": True},
        },
    }


def _parameters(template: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of ``spec.parameters``; None where there is none, so that parameters are an unknown field."""
    validation = _mapping(template, "spec", "crd", "spec").get("validation")
    legacy_default = str(template.get("apiVersion", "")).rpartition("/")[2] != "v1"
    if not isinstance(validation, Mapping):
        # The API server fills in `validation: {legacySchema: true}` at the versions that have this default.
        validation = {"legacySchema": legacy_default}
    legacy = validation.get("legacySchema", legacy_default)
    written = validation.get("openAPIV3Schema")
    if written is None:
        written = {} if legacy else None
    if not isinstance(written, Mapping):
        return None
    schema = _schema(written)
    return _preserving(schema) if legacy else schema


def _preserving(schema: dict[str, Any]) -> dict[str, Any]:
    """A legacy schema made structural: what it does not describe is kept (frameworks ``pkg/schema``,
    ``AddPreserveUnknownFields``)."""
    kind = schema.get("type", "")
    if kind in {"", "object"}:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    elif kind == "array" and "items" not in schema:
        schema["items"] = {"x-kubernetes-preserve-unknown-fields": True}
        return schema
    for name, inner in schema.get("properties", {}).items():
        schema["properties"][name] = _preserving(inner)
    items = schema.get("items")
    if isinstance(items, list):
        raise CrdRefused("non-nil JSONSchemas encountered, multiple schemas are not supported")
    if isinstance(items, dict):
        schema["items"] = _preserving(items)
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = _preserving(schema["additionalProperties"])
    return schema


def _schema(written: Mapping[str, Any]) -> dict[str, Any]:
    """A schema as Go's ``JSONSchemaProps`` holds it: its own fields, without those that are empty."""
    found: dict[str, Any] = {}
    for name, value in written.items():
        read = _FIELDS.get(name)
        if read is not None and value is not None:
            kept = read(value)
            if kept is not None:
                found[name] = kept
    return found


def _kept(value: Any) -> Any:
    """A field behind a pointer: kept whatever its value."""
    return value


def _unless_empty(value: Any) -> Any:
    """A field that is left out when empty."""
    return value or None


def _inner(value: Any) -> Any:
    return _schema(value) if isinstance(value, Mapping) else None


def _list(value: Any) -> Any:
    return [_schema(one) for one in value if isinstance(one, Mapping)] or None if isinstance(value, list) else None


def _map(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    return {name: _schema(one if isinstance(one, Mapping) else {}) for name, one in value.items()} or None


def _or_array(value: Any) -> Any:
    return _list(value) if isinstance(value, list) else _inner(value)


def _or_bool(value: Any) -> Any:
    return value if isinstance(value, bool) else _inner(value)


def _dependencies(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    return {name: one if isinstance(one, list) else _inner(one) for name, one in value.items()} or None


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "$ref",
            "default",
            "example",
            "maximum",
            "minimum",
            "maxLength",
            "minLength",
            "maxItems",
            "minItems",
            "multipleOf",
            "maxProperties",
            "minProperties",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-list-type",
            "x-kubernetes-map-type",
        ),
        _kept,
    ),
    **dict.fromkeys(
        (
            "id",
            "$schema",
            "description",
            "type",
            "format",
            "title",
            "pattern",
            "exclusiveMaximum",
            "exclusiveMinimum",
            "uniqueItems",
            "enum",
            "required",
            "nullable",
            "externalDocs",
            "x-kubernetes-embedded-resource",
            "x-kubernetes-int-or-string",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-validations",
        ),
        _unless_empty,
    ),
    **dict.fromkeys(("allOf", "oneOf", "anyOf"), _list),
    **dict.fromkeys(("properties", "patternProperties", "definitions"), _map),
    **dict.fromkeys(("additionalProperties", "additionalItems"), _or_bool),
    "items": _or_array,
    "not": _inner,
    "dependencies": _dependencies,
}


@cache
def _match_schema() -> Mapping[str, Any]:
    text = resources.files("fleetgate.policy").joinpath("match_schema.json").read_text(encoding="utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def _kind(template: Mapping[str, Any]) -> str:
    kind = _mapping(template, "spec", "crd", "spec", "names").get("kind")
    return kind if isinstance(kind, str) else ""


def _mapping(value: Any, *path: str) -> Mapping[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
