"""Terraform plans as JSON (``terraform show -json plan``): the Kubernetes manifests that they hold, and what else.

The values of ``kubernetes_manifest`` resources are objects as they would be applied. Everything else that a plan
creates or keeps is counted, so that nobody takes it for reviewed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

MANIFEST = "kubernetes_manifest"


@dataclass(slots=True)
class Plan:
    """What a plan would make: objects (address of the resource, JSON), and how many resources of other types."""

    manifests: list[tuple[str, bytes]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


class _Head(msgspec.Struct, frozen=True):
    format_version: str = ""
    planned_values: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    resource_changes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def is_plan(text: bytes) -> bool:
    """Whether a JSON text is a plan."""
    try:
        head = msgspec.json.decode(text, type=_Head)
    except msgspec.DecodeError:
        return False
    parts = (head.planned_values, head.resource_changes)
    return bool(head.format_version) and not all(isinstance(part, msgspec.UnsetType) for part in parts)


def read_plan(text: bytes) -> Plan:
    """Read a plan; what it deletes is not in its planned values and counts for nothing."""
    plan, document = Plan(), json.loads(text)
    root = _mapping(_mapping(document.get("planned_values")).get("root_module"))
    for resource in _resources(root):
        kind = resource.get("type")
        if resource.get("mode", "managed") != "managed" or not isinstance(kind, str):
            continue
        manifest = _mapping(resource.get("values")).get("manifest")
        if kind == MANIFEST and isinstance(manifest, Mapping):
            plan.manifests.append((str(resource.get("address", "")), json.dumps(manifest).encode()))
        else:
            # A manifest whose value is only known when it is applied is not reviewed either.
            plan.others[kind] += 1
    return plan


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for resource in module.get("resources") or ():
        yield _mapping(resource)
    for child in module.get("child_modules") or ():
        yield from _resources(_mapping(child))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
