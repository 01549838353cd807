"""Recorded reviews: AdmissionReview JSON, as an API server sends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

_JSON_SUFFIXES = {".json", ".ndjson", ".jsonl"}
_NAMESPACES = {"Namespace", "NamespaceList", "List"}


class RecordingError(Exception):
    """A recording cannot be read; the message names the file (and line, in NDJSON)."""


@dataclass(frozen=True)
class Recording:
    """One review. ``review`` is the AdmissionReview, ``request`` its ``request`` field, both as recorded."""

    review: bytes
    request: bytes
    namespace: str


class _Request(msgspec.Struct):
    uid: str
    namespace: str = ""


class _Document(msgspec.Struct):
    kind: str = ""
    request: msgspec.Raw = msgspec.Raw()


def read_recordings(path: Path) -> list[Recording]:
    """Read ``path``: a JSON or NDJSON file, or a directory of them at any depth, in the order of the paths.

    Raises RecordingError for a document that is no AdmissionReview and where there is none at all; Namespaces beside
    the reviews are passed over.
    """
    recordings = [
        recording for file in _files(path) for recording in (_read(*found) for found in _documents(file)) if recording
    ]
    if not recordings:
        raise RecordingError(f"{path}: no AdmissionReview found in its .json, .ndjson and .jsonl files")
    return recordings


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in _JSON_SUFFIXES and file.is_file())
    if not path.exists():
        raise RecordingError(f"{path}: no such file or directory")
    return [path]


def _documents(file: Path) -> Iterator[tuple[str, bytes]]:
    """Every document with the place to name in an error."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RecordingError(f"{file}: {error.strerror}") from error
    if file.suffix == ".json":
        yield str(file), data
        return
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield f"{file}:{number}", line


def _read(place: str, data: bytes) -> Recording | None:
    try:
        document = msgspec.json.decode(data, type=_Document)
        if document.kind in _NAMESPACES:
            return None
        if document.kind != "AdmissionReview":
            raise RecordingError(f"{place}: kind {document.kind!r} is not AdmissionReview")
        request = msgspec.json.decode(document.request, type=_Request)
    except msgspec.MsgspecError as error:
        raise RecordingError(f"{place}: {error}") from error
    return Recording(data, bytes(document.request), request.namespace)
