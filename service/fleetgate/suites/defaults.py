"""A Constraint with the defaults of its template's parameter schema, as the API server would store it."""

from __future__ import annotations

import copy
from typing import Any


def with_defaults(constraint: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with defaults filled into objects that are there; absent objects stay absent (gatekeeper)."""
    filled = copy.deepcopy(constraint)
    parameters = _at(template, "spec", "crd", "spec", "validation", "openAPIV3Schema")
    _fill(filled.get("spec"), {"properties": {"enforcementAction": {"default": "deny"}, "parameters": parameters}})
    return filled


def _fill(value: Any, schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    if isinstance(value, list):
        for item in value:
            _fill(item, schema.get("items"))
    elif isinstance(value, dict):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        for name, property_schema in properties.items():
            default = property_schema.get("default") if isinstance(property_schema, dict) else None
            if default is not None and (
                name not in value or (value[name] is None and not property_schema.get("nullable"))
            ):
                value[name] = copy.deepcopy(default)
            if name in value:
                _fill(value[name], property_schema)
        for name in value.keys() - properties.keys():
            _fill(value[name], schema.get("additionalProperties"))


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
