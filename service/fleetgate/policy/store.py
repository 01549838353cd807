"""Applied bundles on disk: one file per bundle, replaced atomically (temporary file, fsync, rename, fsync of both).

A bundle that was acknowledged is there after a crash; a crash in the middle leaves the old file, or the new one, whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetgate.policy.errors import StorageFailed

_FORMAT = 1
_SUFFIX = ".bundle.json"
_TEMPORARY = ".tmp"

Files = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle as it was applied."""

    name: str
    files: Files


class BundleStore:
    """The bundles in one directory. Callers serialise their calls."""

    def __init__(self, directory: Path) -> None:
        """Create the directory where it is missing. Raises StorageFailed."""
        self._directory = directory / "bundles"
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in self._directory.glob(f"*{_TEMPORARY}"):
                left.unlink()
        except OSError as error:
            raise _failed(error) from error

    def load(self) -> list[StoredBundle]:
        """All bundles, sorted by name. Raises StorageFailed for damage: a lost policy must not go unnoticed."""
        try:
            paths = sorted(self._directory.glob(f"*{_SUFFIX}"))
            return sorted((_decode(path, path.read_bytes()) for path in paths), key=lambda bundle: bundle.name)
        except OSError as error:
            raise _failed(error) from error

    def replace(self, name: str, files: Sequence[tuple[str, bytes]]) -> None:
        """Store a bundle durably; no files removes it. Raises StorageFailed, and then the bundle before is kept."""
        target = self._directory / f"{hashlib.sha256(name.encode()).hexdigest()}{_SUFFIX}"
        try:
            if files:
                self._write(target, _encode(name, files))
            else:
                target.unlink(missing_ok=True)
            self._sync_directory()
        except OSError as error:
            raise _failed(error) from error

    def _write(self, target: Path, content: bytes) -> None:
        descriptor, name = tempfile.mkstemp(suffix=_TEMPORARY, dir=self._directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _encode(name: str, files: Sequence[tuple[str, bytes]]) -> bytes:
    content = {
        "bundle": name,
        "files": [{"path": path, "content": base64.b64encode(data).decode()} for path, data in files],
    }
    return _canonical({"format": _FORMAT, "sha256": _digest(content), **content})


def _decode(path: Path, data: bytes) -> StoredBundle:
    try:
        document = json.loads(data)
        content = {"bundle": document["bundle"], "files": document["files"]}
        if document["format"] != _FORMAT:
            raise StorageFailed(f"{path}: format {document['format']} is not known to this version")
        if document["sha256"] != _digest(content):
            raise StorageFailed(f"{path}: the checksum does not match")
        files = tuple((file["path"], base64.b64decode(file["content"])) for file in content["files"])
        return StoredBundle(content["bundle"], files)
    except (ValueError, KeyError, TypeError) as error:
        raise StorageFailed(f"{path}: not a stored bundle: {error}") from error


def _digest(content: Any) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _failed(error: OSError) -> StorageFailed:
    return StorageFailed(f"{error.filename or 'state directory'}: {error.strerror or error}")
