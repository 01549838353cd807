"""Namespaces from files: for a demo, a compose set-up, a load test."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from fleetgate_clients.filewatch import FileWatch
from fleetgate_clients.webhook.namespaces import NamespaceNotFound

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FileNamespaces:
    """Reads a file, or every YAML and JSON file below a directory, and reads them again when they change.

    Documents are Namespaces, NamespaceLists or Lists; other kinds are passed over, so a directory of recorded objects
    will do. ``start`` raises OSError or ValueError for what cannot be read; later on the last good content stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._objects: dict[str, bytes] = {}
        self._loaded = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the files."""
        watch = FileWatch("Namespaces", lambda: _files(self._path), self._load)
        self._load()
        self._task = asyncio.create_task(watch.run(), name="watch-namespace-files")

    @property
    def ready(self) -> bool:
        """Whether the files have been read."""
        return self._loaded

    @property
    def count(self) -> int:
        """Number of Namespaces known."""
        return len(self._objects)

    async def get(self, name: str, *, timeout: float) -> bytes:  # noqa: ARG002 (nothing to wait for)
        """Return a Namespace."""
        try:
            return self._objects[name]
        except KeyError:
            raise NamespaceNotFound(name) from None

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _load(self) -> None:
        self._objects = read_namespaces(self._path)
        self._loaded = True


def read_namespaces(path: Path) -> dict[str, bytes]:
    """Read the Namespaces of a file, or of every YAML and JSON file below a directory: JSON by name.

    Raises OSError or ValueError for what cannot be read.
    """
    return {
        name: encoded
        for file in _files(path)
        for document in _documents(file)
        for name, encoded in _namespaces(document, file)
    }


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    return [path]


def _documents(file: Path) -> Iterator[Any]:
    content = file.read_bytes()
    try:
        if file.suffix == ".json":
            yield json.loads(content)
        else:
            yield from yaml.load_all(content, _Loader)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: {error}") from error


def _namespaces(document: Any, file: Path) -> Iterator[tuple[str, bytes]]:
    if not isinstance(document, dict):
        return
    kind = document.get("kind")
    items = document.get("items")
    if kind in ("List", "NamespaceList") and isinstance(items, list):
        for item in items:
            # A typed list leaves out what its items are.
            implied = {"apiVersion": "v1", "kind": "Namespace"} if kind == "NamespaceList" else {}
            yield from _namespaces({**implied, **item} if isinstance(item, dict) else item, file)
    elif kind == "Namespace" and document.get("apiVersion") == "v1":
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError(f"{file}: a Namespace without metadata.name")
        yield name, json.dumps(document, default=_timestamp).encode()


def _timestamp(value: object) -> str:
    """YAML reads an unquoted time as one; Kubernetes writes it back as text."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise ValueError(f"a value of type {type(value).__name__} has no place in a Namespace")
