"""Kubernetes objects in files, read by the core as sigs.k8s.io/yaml reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetgate.engine import read_documents

if TYPE_CHECKING:
    from pathlib import Path

    from fleetgate.engine import Document

TEMPLATE_GROUP = "templates.gatekeeper.sh"
TEMPLATE_KIND = "ConstraintTemplate"
CONSTRAINT_GROUP = "constraints.gatekeeper.sh"
EXPANSION_GROUP = "expansion.gatekeeper.sh"
MUTATION_GROUP = "mutations.gatekeeper.sh"
PROVIDER_GROUP = "externaldata.gatekeeper.sh"


class ObjectError(Exception):
    """A file that does not hold the objects that it should."""


@dataclass(frozen=True, slots=True)
class KubernetesObject:
    """One object, as bytes for the core and parsed for us."""

    path: str
    line: int
    """1-based line of its document."""
    json: bytes
    fields: dict[str, Any]

    @property
    def api_version(self) -> str:
        return _text(self.fields.get("apiVersion"))

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def kind(self) -> str:
        return _text(self.fields.get("kind"))

    @property
    def name(self) -> str:
        return _text(self._metadata.get("name"))

    @property
    def namespace(self) -> str:
        return _text(self._metadata.get("namespace"))

    @property
    def _metadata(self) -> dict[str, Any]:
        metadata = self.fields.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def place(self) -> str:
        """Where it stands: ``path:line``."""
        return f"{self.path}:{self.line}"

    def __str__(self) -> str:
        """Name it as gator does: ``apps/v1/Deployment ns/name``."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.api_version}/{self.kind} {name}"

    @property
    def is_template(self) -> bool:
        return self.group == TEMPLATE_GROUP and self.kind == TEMPLATE_KIND

    @property
    def is_constraint(self) -> bool:
        return self.group == CONSTRAINT_GROUP

    @property
    def list_items(self) -> list[Any] | None:
        """What a List holds, ``kind: List`` or one of a kind (PodList); None for what is no list."""
        items = self.fields.get("items")
        return items if self.kind.endswith("List") and isinstance(items, list) else None

    @property
    def is_namespace(self) -> bool:
        return self.api_version == "v1" and self.kind == "Namespace"


def objects_of(path: str, data: bytes) -> list[KubernetesObject]:
    """Read every object of a file. Raises ObjectError for a document that is none, PolicyError where YAML is wrong."""
    return [_object(path, document) for document in read_documents(path, data)]


def objects_in(path: Path) -> list[KubernetesObject]:
    """Read every object of a file that must hold at least one. Raises as :func:`objects_of`."""
    found = objects_of(str(path), read_bytes(path))
    if not found:
        raise ObjectError(f"missing objects: path {str(path)!r} defines no YAML objects")
    return found


def read_bytes(path: Path) -> bytes:
    """Read a file. Raises ObjectError that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ObjectError(f"{path}: {error.strerror}") from error


def _object(path: str, document: Document) -> KubernetesObject:
    fields = json.loads(document.json)
    if not isinstance(fields, dict):
        raise ObjectError(f"{path}:{document.line}: a Kubernetes object is a mapping, not {_json_type(fields)}")
    return KubernetesObject(path, document.line, document.json, fields)


def _json_type(value: Any) -> str:
    return {list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}[type(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
