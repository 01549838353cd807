"""What clusters are called, and the file that remembers it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OTHERS = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME = 253
_FORMAT = 1
FILE = "clusters.json"


class NamesUnreadable(Exception):  # noqa: N818 (it names the file's state)
    """The file of names is damaged, or cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A cluster of before: its name, and what led to it: ``source/key`` → fingerprint of the credentials."""

    name: str
    registrations: Mapping[str, str]


def canonical(alias: str) -> str:
    """An alias as a name: what is not a letter, a digit, ``.``, ``_`` or ``-`` becomes ``-``; "" where nothing is left.

    Certificates carry names (``spiffe://<trust domain>/cluster/<name>/<role>``), so they are made of what those allow.
    """
    return _OTHERS.sub("-", alias).strip("-._")[:_MAX_NAME]


def choose(aliases: Iterable[str], uid: str, taken: Container[str]) -> str:
    """The first alias that is free; where none is, the first one with the beginning of the UID."""
    found = [name for name in (canonical(alias) for alias in aliases) if name]
    for name in found:
        if name not in taken:
            return name
    stem = (found[0] if found else "cluster")[: _MAX_NAME - 37]
    # A UID's beginning is not unique, the whole is.
    return next(name for name in (f"{stem}-{uid[:8]}", f"{stem}-{uid}") if name not in taken)


def load(directory: Path) -> dict[str, Remembered]:
    """UID → what is remembered. Raises NamesUnreadable: a cluster must not get another name unnoticed."""
    path = directory / FILE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise NamesUnreadable(f"{path}: {error}") from error
    try:
        content: dict[str, Any] = document["clusters"]
        if document["format"] != _FORMAT:
            raise NamesUnreadable(f"{path}: format {document['format']} is not known to this version")
        if document["sha256"] != _digest(content):
            raise NamesUnreadable(f"{path}: the checksum does not match")
        return {uid: Remembered(str(one["name"]), dict(one["registrations"])) for uid, one in content.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NamesUnreadable(f"{path}: not a file of cluster names") from error


def save(directory: Path, clusters: Mapping[str, Remembered]) -> None:
    """Replace the file: the old one or the new one is there after a crash, whole. Raises NamesUnreadable."""
    content = {
        uid: {"name": one.name, "registrations": dict(sorted(one.registrations.items()))}
        for uid, one in sorted(clusters.items())
    }
    data = json.dumps({"format": _FORMAT, "sha256": _digest(content), "clusters": content}, indent=1).encode()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{FILE}.", dir=directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(directory / FILE)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(directory)
    except OSError as error:
        raise NamesUnreadable(f"{error.filename or directory}: {error.strerror or error}") from error


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
