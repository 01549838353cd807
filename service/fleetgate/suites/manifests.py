"""Review every object of some manifests against the policies among them, as ``gator test`` does."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetgate_clients.manifests.policy_files import only

from fleetgate.engine import EngineError

from .defaults import with_defaults
from .objects import (
    EXPANSION_GROUP,
    MUTATION_GROUP,
    PROVIDER_GROUP,
    KubernetesObject,
    ObjectError,
    objects_of,
    read_bytes,
)
from .reviewing import Found, Reviewer, ReviewFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STANDARD_INPUT = "-"
_SHOWN_STANDARD_INPUT = "<stdin>"
_EXTENSIONS = frozenset({".yaml", ".yml", ".json"})
_WITHOUT_EFFECT = {MUTATION_GROUP: "mutates nothing here", PROVIDER_GROUP: "is not asked here"}
"""Groups of objects that do something in a cluster, and nothing in ``gator test``."""

_DEFAULT_NAMESPACE = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}'


@dataclass(frozen=True, slots=True)
class Result:
    """One violation of one object. ``constraint`` is the Constraint with its template's defaults filled in."""

    violating: KubernetesObject
    found: Found
    constraint: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Manifests:
    """What the files hold."""

    objects: tuple[KubernetesObject, ...]
    policy_files: tuple[tuple[str, bytes], ...]

    def warnings(self) -> Iterator[str]:
        """Say, in the objects' order, what of them is hardly as it was meant. The verdicts are gator's all the same."""
        seen: dict[tuple[str, ...], KubernetesObject] = {}
        for item in self.objects:
            identity = (item.api_version, item.kind, item.namespace, item.name)
            if item.name and identity in seen:
                # Only the last one is in the inventory.
                yield f"{item.place}: {item} is already in {seen[identity].place}"
            seen[identity] = item
            if item.list_items:
                count = len(item.list_items)
                items = f"{count} items are" if count > 1 else "item is"
                them = "them" if count > 1 else "it"
                yield (
                    f"{item.place}: a {item.kind} is one object to gator: its {items} not reviewed "
                    f"(fleetgate audit reviews {them})"
                )
            if item.group in _WITHOUT_EFFECT:
                yield f"{item.place}: {item} {_WITHOUT_EFFECT[item.group]}: it is an object like others"


def read_manifests(names: Sequence[str]) -> Manifests:
    """Read files, directories (recursively: .yaml, .yml, .json) and ``-``. Raises ObjectError, PolicyError."""
    objects: list[KubernetesObject] = []
    policy_files: list[tuple[str, bytes]] = []
    for path, data in _contents(names):
        found = objects_of(path, data)
        objects += found
        policy_files += only(data, found, lambda item: item.is_template or item.is_constraint)
    for item in objects:
        if not item.api_version or not item.kind:
            raise ObjectError(f"{item.place}: an object needs apiVersion and kind")
        if item.group == EXPANSION_GROUP:
            raise ObjectError(f"{item.place}: {item.kind} is not supported yet: what it expands would not be reviewed")
    return Manifests(tuple(objects), tuple(policy_files))


def review_manifests(manifests: Manifests) -> list[Result]:
    """Review every object, policies included, with every object in the inventory.

    Results are sorted by (action, message), then in the objects' order. Raises PolicyError for policies that are
    refused, ObjectError for an object that could not be decided.
    """
    reviewer = Reviewer(manifests.policy_files)
    # An object that the API server is yet to name cannot be in any inventory.
    reviewer.replace_inventory(item.json for item in manifests.objects if item.name)
    templates = {_kind_of(item.fields): item.fields for item in manifests.objects if item.is_template}
    constraints = {
        (item.kind, item.name): with_defaults(item.fields, templates.get(item.kind, {}))
        for item in manifests.objects
        if item.is_constraint
    }
    namespaces = {item.name for item in manifests.objects if item.is_namespace}
    results = [
        Result(item, found, constraints[found.kind, found.name])
        for item in manifests.objects
        for found in _review(reviewer, item, namespaces)
    ]
    return sorted(results, key=lambda result: (result.found.action, result.found.message))


def _review(reviewer: Reviewer, item: KubernetesObject, namespaces: set[str]) -> list[Found]:
    try:
        return reviewer.review_object(item.json, _namespace_of(item, namespaces))
    except (ReviewFailed, EngineError) as error:
        raise ObjectError(f"{item.place}: reviewing {item}: {error}") from error


def _namespace_of(item: KubernetesObject, known: set[str]) -> bytes:
    """Return the Namespace to review with as gator chooses it; empty: the core finds it in the inventory.

    gator gives an object without a namespace a Namespace without a name, so that ``namespaces``, ``excludedNamespaces``
    and ``scope`` see one, and takes for granted, without labels, the one that every cluster has.
    """
    if not item.namespace:
        return b"{}"
    return _DEFAULT_NAMESPACE if item.namespace == "default" and "default" not in known else b""


def _kind_of(template: dict[str, Any]) -> str:
    value: Any = template
    for key in ("spec", "crd", "spec", "names", "kind"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _contents(names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        if name == STANDARD_INPUT:
            yield _SHOWN_STANDARD_INPUT, sys.stdin.buffer.read()
            continue
        path = Path(name)
        if path.is_dir():
            for file in _files_below(path):
                yield str(file), read_bytes(file)
        elif path.exists() and path.suffix not in _EXTENSIONS:
            raise ObjectError(f"{name}: a manifest's file ends in {', '.join(sorted(_EXTENSIONS))}")
        else:
            yield name, read_bytes(path)


def _files_below(root: Path) -> list[Path]:
    return sorted(
        Path(directory, name)
        for directory, _, names in os.walk(root)
        for name in names
        if Path(name).suffix in _EXTENSIONS
    )
