"""The hub's objects that sources look at: a small store, and reading of fields that may be anything.

Objects of a cluster are input of others: a field of another type than it should have counts as absent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
Key = tuple[str, str, str, str]
"""(group, kind, namespace, name)"""


@dataclass(slots=True)
class Objects:
    """Objects by (group, kind, namespace, name)."""

    _found: dict[Key, Object] = field(default_factory=dict)

    @classmethod
    def of(cls, *objects: Object) -> Objects:
        """A store of these objects."""
        store = cls()
        for one in objects:
            store.put(one)
        return store

    def put(self, one: Object) -> None:
        """Add or replace an object."""
        self._found[key_of(one)] = one

    def remove(self, key: Key) -> None:
        """Remove an object, if it is there."""
        self._found.pop(key, None)

    def get(self, group: str, kind: str, namespace: str, name: str) -> Object | None:
        """One object."""
        return self._found.get((group, kind, namespace, name))

    def all(self, group: str, kind: str) -> Iterator[Object]:
        """All objects of a kind, in the order of their names."""
        for key in sorted(self._found):
            if key[:2] == (group, kind):
                yield self._found[key]

    def secrets(self) -> Iterator[Object]:
        """All Secrets that were selected."""
        return self.all("", "Secret")

    def secret(self, namespace: str, name: str) -> Object | None:
        """One Secret."""
        return self.get("", "Secret", namespace, name)


def key_of(one: Object) -> Key:
    """Where an object is kept."""
    return (group_of(one), text(one, "kind"), namespace_of(one), name_of(one))


def group_of(one: Object) -> str:
    """The API group; "" is core."""
    return text(one, "apiVersion").rpartition("/")[0]


def name_of(one: Object) -> str:
    """``metadata.name``."""
    return text(one, "metadata", "name")


def namespace_of(one: Object) -> str:
    """``metadata.namespace``; "" for a cluster-scoped object."""
    return text(one, "metadata", "namespace")


def labels_of(one: Object) -> dict[str, str]:
    """``metadata.labels``."""
    return strings(mapping(one, "metadata", "labels"))


def annotations_of(one: Object) -> dict[str, str]:
    """``metadata.annotations``."""
    return strings(mapping(one, "metadata", "annotations"))


def is_terminating(one: Object) -> bool:
    """Whether somebody asked to delete it."""
    return bool(text(one, "metadata", "deletionTimestamp"))


def value(one: Any, *path: str) -> Any:
    """What stands at a path; None where there is nothing."""
    for name in path:
        if not isinstance(one, Mapping):
            return None
        one = one.get(name)
    return one


def text(one: Any, *path: str) -> str:
    """The string at a path."""
    found = value(one, *path)
    return found if isinstance(found, str) else ""


def mapping(one: Any, *path: str) -> Mapping[str, Any]:
    """The object at a path."""
    found = value(one, *path)
    return found if isinstance(found, Mapping) else {}


def mappings(one: Any, *path: str) -> list[Mapping[str, Any]]:
    """The objects of the list at a path."""
    found = value(one, *path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def strings(found: Mapping[str, Any]) -> dict[str, str]:
    """The entries of a mapping that are strings."""
    return {name: item for name, item in found.items() if isinstance(name, str) and isinstance(item, str)}


def condition(one: Object, kind: str) -> tuple[str, str]:
    """Status ("True", "False", "Unknown"; "" where it is not there) and words of a condition."""
    for found in mappings(one, "status", "conditions"):
        if text(found, "type") == kind:
            return text(found, "status"), text(found, "message") or text(found, "reason")
    return "", ""


def secret_data(secret: Object, name: str) -> bytes | None:
    """One entry of a Secret's ``data``, decoded; None where it is not there or is no base64."""
    encoded = text(secret, "data", name)
    try:
        return base64.b64decode(encoded, validate=True) if encoded else None
    except binascii.Error:
        return None


def secret_text(secret: Object, name: str) -> str:
    """One entry of a Secret's ``data`` as text; "" where it is not there or is none."""
    try:
        return (secret_data(secret, name) or b"").decode()
    except UnicodeDecodeError:
        return ""
